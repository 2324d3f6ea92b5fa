"""The row of every node in a drawing and the order within rows: a layered graph.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (IEEE
SMC 11, 1981): nodes are in rows, edges take lanes in the rows that they pass, barycentres give the order.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node

# The box of a shortcut is beside the box that adds it, so an item may have two boxes.
BOXES_PER_ROW = 4
_SWEEPS = 12
_BLOCK = re.compile(r"(s\d+\.\w+|\w+)\.")


class Item(NamedTuple):
    """An element of a row: a node with the box of its shortcut, or the lane of an edge that passes."""

    node: int  # of a lane: the source of the edge
    row: int
    lane: bool = False


class EdgeStep(NamedTuple):
    """The piece of an edge from one row to the next."""

    upper: Item
    lower: Item
    source: int
    target: int | None  # the node that reads the source, if the edge ends in the lower row
    added: bool  # ends at the "+" of the target

    @property
    def aside(self) -> bool:
        """Whether it ends beside the lower item: at its "+", or at the box of its shortcut."""
        return self.target is not None and (self.added or self.target != self.lower.node)


@dataclass(frozen=True)
class RowLayout:
    """A blueprint in rows: every edge is a chain of steps from row to row, or is within one item."""

    row: tuple[int, ...]  # of every node
    beside: dict[int, int]  # node -> the shortcut whose box is beside it
    items: tuple[tuple[Item, ...], ...]  # of every row, from left to right
    steps: tuple[EdgeStep, ...]
    section: tuple[int, ...]  # of every row: rows of one resolution and one block are a section


def shortcut(node: Node) -> int | None:
    """The node that "add" adds, or None."""
    return node.inputs[1] if "add" in node.after else None


def arrange(blueprint: Blueprint) -> RowLayout:
    """Rows such that every edge leads down, every section starts a row, and few edges cross."""
    beside = _beside(blueprint)
    section = _sections(blueprint)
    row = _place(blueprint, beside, section)
    holder = {inner: outer for outer, inner in beside.items()}
    steps = _steps(blueprint, row, holder)
    passing = {item for step in steps for item in (step.upper, step.lower) if item.lane}
    nodes = (Item(index, row[index]) for index in range(len(row)) if index not in holder)
    items = sorted((*nodes, *passing), key=lambda item: (item.row, item.node))
    rows = [tuple(members) for _, members in groupby(items, lambda item: item.row)]
    of_row = dict(zip(row, section, strict=True))
    return RowLayout(row, beside, _untangle(rows, steps), steps, tuple(of_row[r] for r in range(len(rows))))


def _beside(blueprint: Blueprint) -> dict[int, int]:
    """Shortcuts that are a node of the same block which no other node reads."""
    readers = [0] * len(blueprint.nodes)
    for node in blueprint.nodes:
        for source in node.inputs:
            readers[source] += 1
    beside = {}
    for index, node in enumerate(blueprint.nodes):
        inner = shortcut(node)
        if inner is None or readers[inner] > 1:
            continue
        added = blueprint.nodes[inner]
        if added.inputs and shortcut(added) is None and block(added) == block(node):
            beside[index] = inner
    return beside


def _sections(blueprint: Blueprint) -> tuple[int, ...]:
    """A number per node, which rises with every new resolution and every new block."""
    order = _by_resolution(blueprint)
    parts = groupby(order, lambda i: (blueprint.nodes[i].shape[1:], block(blueprint.nodes[i])))
    numbers = {index: number for number, (_, members) in enumerate(parts) for index in members}
    return tuple(numbers[index] for index in range(len(order)))


def block(node: Node) -> str:
    """The part of the network in the name of a node: `s3.b2` of a stage, a cell `c3`, `stem`, or empty."""
    match = _BLOCK.match(node.name)
    return match[1] if match else ""


def _by_resolution(blueprint: Blueprint) -> list[int]:
    """Nodes in execution order, the largest maps first; since maps never grow, every edge still leads on."""
    return sorted(range(len(blueprint.nodes)), key=lambda i: [-size for size in blueprint.nodes[i].shape[1:]])


def _place(blueprint: Blueprint, beside: dict[int, int], section: Sequence[int]) -> tuple[int, ...]:
    row = [-1] * len(blueprint.nodes)
    boxes: dict[int, int] = {}
    inner = set(beside.values())
    current, first = 0, 0  # the section, and its first row
    for index in _by_resolution(blueprint):
        if index in inner:
            continue
        if section[index] != current:
            current, first = section[index], max(row) + 1
        unit = [index, beside[index]] if index in beside else [index]
        above = [row[s] for i in unit for s in blueprint.nodes[i].inputs if s not in unit]
        at = max([first, *(r + 1 for r in above)])
        while boxes.get(at, 0) + len(unit) > BOXES_PER_ROW:
            at += 1
        boxes[at] = boxes.get(at, 0) + len(unit)
        for i in unit:
            row[i] = at
    return tuple(row)


def _steps(blueprint: Blueprint, row: Sequence[int], holder: dict[int, int]) -> tuple[EdgeStep, ...]:
    steps = []
    for index, node in enumerate(blueprint.nodes):
        for position, source in enumerate(node.inputs):
            if holder.get(source) == index:
                continue  # both boxes belong to one item
            added = position == 1 and shortcut(node) is not None
            upper = Item(source, row[source])
            for r in range(row[source] + 1, row[index]):
                lane = Item(source, r, lane=True)
                steps.append(EdgeStep(upper, lane, source, None, added=False))
                upper = lane
            end = Item(holder.get(index, index), row[index])
            steps.append(EdgeStep(upper, end, source, index, added))
    return tuple(dict.fromkeys(steps))  # edges from one node share their lanes


def _untangle(rows: list[tuple[Item, ...]], steps: Sequence[EdgeStep]) -> tuple[tuple[Item, ...], ...]:
    """Order every row by the barycentres of its items, sweeping down and up in turn; keep the best order."""
    best, fewest = rows, _crossings(rows, steps)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        rows = _sorted(rows, steps, down)
        crossings = _crossings(rows, steps)
        if crossings < fewest:
            best, fewest = rows, crossings
    return tuple(best)


def _sorted(rows: list[tuple[Item, ...]], steps: Sequence[EdgeStep], down: bool) -> list[tuple[Item, ...]]:
    place = _places(rows)
    neighbours: dict[Item, list[Item]] = {}
    for step in steps:
        one, other = (step.lower, step.upper) if down else (step.upper, step.lower)
        neighbours.setdefault(one, []).append(other)

    def centre(item: Item) -> float:
        others = neighbours.get(item)
        return sum(place[other] for other in others) / len(others) if others else place[item]

    result = list(rows)
    for r in range(len(rows)) if down else range(len(rows) - 1, -1, -1):
        result[r] = tuple(sorted(rows[r], key=centre))
        place.update(_places([result[r]]))
    return result


def _places(rows: Sequence[tuple[Item, ...]]) -> dict[Item, float]:
    """Places from 0 to 1 within a row, which are comparable between rows of different lengths."""
    return {item: (i + 0.5) / len(items) for items in rows for i, item in enumerate(items)}


def _crossings(rows: Sequence[tuple[Item, ...]], steps: Sequence[EdgeStep]) -> int:
    place = _places(rows)
    gaps: dict[int, set[tuple[float, float]]] = {}
    for step in steps:
        gaps.setdefault(step.upper.row, set()).add((place[step.upper], place[step.lower]))
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for edges in gaps.values() for a in edges for b in edges)
