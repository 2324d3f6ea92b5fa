"""A decided cell, and its text in keys: `b3.0+skip.1_b5.2` is two nodes, the first of which has two edges.

Keys stand in commands and name folders, so they have no characters that a shell or a file system reads.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_EDGE = re.compile(r"(\w+)\.(\d+)")


class Edge(NamedTuple):
    """One operation of a node, and the map that it reads."""

    source: int
    operation: str


Edges = tuple[Edge, ...]  # of one node, by rising source; an operation `none` is absent
Cell = tuple[Edges, ...]


def write(cell: Cell) -> str:
    """A cell as text: `b3.0+skip.1_b5.2`, the nodes in order, each edge an operation and its source."""
    return "_".join("+".join(f"{o}.{s}" for s, o in edges) or "none" for edges in cell)


def read(text: str, nodes: int, inputs: int, edges: range, operations: Sequence[str]) -> Cell:
    """The inverse of `write` for nodes of so many edges; raises ValueError that names what does not fit."""
    parts = text.split("_")
    if len(parts) != nodes:
        raise ValueError(f"{text!r} has {len(parts)} nodes; write {nodes}, with _ between them")
    cell = tuple(
        _read_node(part, f"node {number}", number, operations) for number, part in enumerate(parts, inputs)
    )
    for number, (part, found) in enumerate(zip(parts, cell, strict=True), inputs):
        if len(found) not in edges:
            raise ValueError(
                f"node {number}: {part!r} has {len(found)} edges; write {edges[0]} to {edges[-1]}"
            )
    return cell


def _read_node(text: str, where: str, sources: int, operations: Sequence[str]) -> Edges:
    edges = []
    for part in [] if text == "none" else text.split("+"):
        match = _EDGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{where}: {part!r} is no edge; write it like b3.0")
        operation, source = match[1], int(match[2])
        if operation not in operations:
            raise ValueError(f"{where}: {operation!r} is no operation; choose from {', '.join(operations)}")
        if source >= sources:
            raise ValueError(f"{where}: reads {source}; choose from 0 to {sources - 1}")
        edges.append(Edge(source, operation))
    return tuple(edges)
