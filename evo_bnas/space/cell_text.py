"""Cells, and their text in keys: `b3.0+skip.1_b5.2` has two nodes, the first of which has two edges.

Keys are used in commands and as names of folders, so they avoid characters that a shell or file system treats
specially.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_EDGE = re.compile(r"(\w+)\.(\d+)")


class Edge(NamedTuple):
    """One operation of a node, and the map that it reads."""

    source: int
    operation: str


Edges = tuple[Edge, ...]  # of one node, by rising source, without `none`
Cell = tuple[Edges, ...]


def write(cell: Cell) -> str:
    """A cell as text: `b3.0+skip.1_b5.2`; nodes in order, each edge as operation and source."""
    return "_".join(
        "+".join(f"{operation}.{source}" for source, operation in edges) or "none" for edges in cell
    )


def read(text: str, nodes: int, inputs: int, edges: range, operations: Sequence[str]) -> Cell:
    """The inverse of `write`, for these numbers of edges per node; raises ValueError with the wrong part."""
    parts = text.split("_")
    if len(parts) != nodes:
        raise ValueError(f"{text!r} has {len(parts)} nodes; write {nodes}, joined by _")
    cell = tuple(
        _read_node(part, f"node {number}", number, operations) for number, part in enumerate(parts, inputs)
    )
    for number, (part, own) in enumerate(zip(parts, cell, strict=True), inputs):
        if len(own) not in edges:
            raise ValueError(f"node {number}: {part!r} has {len(own)} edges; write {edges[0]} to {edges[-1]}")
    return cell


def _read_node(text: str, where: str, sources: int, operations: Sequence[str]) -> Edges:
    edges = []
    for part in [] if text == "none" else text.split("+"):
        match = _EDGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{where}: {part!r} is not an edge; write it like b3.0")
        operation, source = match[1], int(match[2])
        if operation not in operations:
            raise ValueError(f"{where}: unknown operation {operation!r}; choose from {', '.join(operations)}")
        if source >= sources:
            raise ValueError(f"{where}: unknown source {source}; choose from 0 to {sources - 1}")
        edges.append(Edge(source, operation))
    return tuple(edges)
