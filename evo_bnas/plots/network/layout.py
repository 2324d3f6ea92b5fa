"""The position of every box and line of a network drawing, in inches, with y downwards.

The nodes of one resolution form a panel, and panels fill columns like the text of a newspaper. A panel
consists of rows. An edge passes other rows in a lane of its own and touches only the two boxes it connects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import log

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import WEIGHTED
from evo_bnas.plots.network.align import Footprint, align
from evo_bnas.plots.network.rows import EdgeStep, Item, arrange, block, shortcut

BOX_HEIGHT = 0.34
BOX_WIDTH = 1.5
SMALL_BOX_WIDTH = 1.06  # of nodes without weights, whose labels are short
HEADING = 0.3  # above the rows of a panel
_ROW_GAP = 0.17
_SECTION_GAP = 0.12  # added between blocks
_BESIDE = 0.22  # right of a box, for the line of its shortcut
_ITEM_GAP = 0.12
_LANE = 0.03
_MARGIN = 0.14  # in a panel, around its boxes
_FRAME = 0.06  # in a frame, around its boxes
_GUTTER = 0.36  # between columns
_PANEL_GAP = 0.12
_TRACK = 0.07  # between parallel lines from column to column
_ASPECT = 1.5  # desired width / height

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """An upright rectangle."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def x(self) -> float:
        """x of the centre."""
        return self.left + self.width / 2

    @property
    def y(self) -> float:
        """y of the centre."""
        return self.top + self.height / 2


@dataclass(frozen=True)
class Line:
    """An edge from node to node through points; pieces that are not horizontal or vertical are S-curves."""

    source: int
    target: int
    added: bool  # a shortcut, which ends at the right side of the target
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """The nodes of one resolution."""

    size: tuple[int, int]  # height, width
    nodes: tuple[int, ...]
    box: Box


@dataclass(frozen=True)
class Layout:
    """The geometry of a drawing; `boxes` is in the order of the nodes."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    panels: tuple[Panel, ...]
    frames: tuple[Box, ...]  # around the nodes of a block


def lay_out(blueprint: Blueprint) -> Layout:
    """Lay out the nodes and edges of a blueprint."""
    return _Page(blueprint).layout()


class _Page:
    """A drawing while it is laid out."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.nodes = blueprint.nodes
        self.rows = arrange(blueprint)
        self.footprints = {item: self._footprint(item) for items in self.rows.items for item in items}
        self.place = align(self.rows, self.footprints, self._ends, _ITEM_GAP)
        firsts = [next(item.node for item in items if not item.lane) for items in self.rows.items]
        sizes = [self.nodes[node].shape[1:] for node in firsts]
        self.panels = [list(group) for _, group in groupby(range(len(sizes)), lambda row: sizes[row])]
        self.tops = [0.0] * len(firsts)  # y of every row
        self.column = [0] * len(firsts)  # the column of every row
        self.lefts: list[float] = []  # x of every column
        self.boxes: list[Box] = []  # one per node

    def layout(self) -> Layout:
        """The layout: panels first, then boxes, then the lines between them."""
        width, panels = self._panels()
        boxes = dict(self._boxes())
        self.boxes = [boxes[index] for index in range(len(self.nodes))]
        lines = tuple(self._lines())
        height = max(point[1] for line in lines for point in line.points)
        return Layout(
            width=width,
            height=max(height, *(panel.box.bottom for panel in panels)),
            boxes=tuple(self.boxes),
            lines=lines,
            panels=panels,
            frames=tuple(self._frames()),
        )

    def _panels(self) -> tuple[float, tuple[Panel, ...]]:
        """Fill the columns and move every item to its place on the page; returns the width and the panels."""
        offsets = [self._offsets(rows) for rows in self.panels]
        heights = [tops[-1] + BOX_HEIGHT + _MARGIN for tops in offsets]
        extents = [self._extent(rows) for rows in self.panels]
        left = 0.0
        panels = []
        for number, column in enumerate(_fill(heights, [right - left for left, right in extents])):
            start = min(extents[p][0] for p in column)
            width = max(extents[p][1] for p in column) - start
            tracks = len(self._crossing(self.panels[column[0]][0])) if number else 0
            left += tracks * _TRACK + _GUTTER if number else 0.0
            self.lefts.append(left)
            top = (tracks + 1) * _TRACK if number else 0.0
            for p in column:
                for row, offset in zip(self.panels[p], offsets[p], strict=True):
                    self.tops[row] = top + offset
                    self.column[row] = number
                    for item in self.rows.items[row]:
                        self.place[item] += left - start
                nodes = tuple(i for i, row in enumerate(self.rows.row) if row in self.panels[p])
                size = self.nodes[nodes[0]].shape[1:]
                panels.append(Panel(size, nodes, Box(left, top, width, heights[p])))
                top += heights[p] + _PANEL_GAP
            left += width
        return left, tuple(panels)

    def _offsets(self, rows: Sequence[int]) -> list[float]:
        """The distance from the top of the panel to each of its rows."""
        tops = [HEADING]
        for above, row in pairwise(rows):
            new_section = self.rows.section[above] != self.rows.section[row]
            tops.append(tops[-1] + BOX_HEIGHT + _ROW_GAP + _SECTION_GAP * new_section)
        return tops

    def _extent(self, rows: Sequence[int]) -> tuple[float, float]:
        items = [item for row in rows for item in self.rows.items[row]]
        lefts = [self.place[item] - self.footprints[item][0] for item in items]
        rights = [self.place[item] + self.footprints[item][1] for item in items]
        return min(lefts) - _MARGIN, max(rights) + _MARGIN

    def _footprint(self, item: Item) -> Footprint:
        if item.lane:
            return _LANE, _LANE
        half = self._width(item.node) / 2
        inner = self.rows.beside.get(item.node)
        if inner is not None:
            return half, half + _BESIDE + self._width(inner)
        return half, half + _BESIDE * (shortcut(self.nodes[item.node]) is not None)

    def _width(self, node: int) -> float:
        return BOX_WIDTH if self.nodes[node].op in WEIGHTED else SMALL_BOX_WIDTH

    def _ends(self, step: EdgeStep) -> tuple[float, float]:
        return 0.0, self._entry(step.lower, step.target, step.added)

    def _entry(self, item: Item, target: int | None, added: bool) -> float:
        """The horizontal distance from an item to the point where an edge enters its row."""
        if added:
            return self._width(item.node) / 2 + _BESIDE / 2
        if target is None or target == item.node:
            return 0.0
        return self._width(item.node) / 2 + _BESIDE + self._width(target) / 2

    def _boxes(self) -> Iterator[tuple[int, Box]]:
        for item, place in self.place.items():
            if item.lane:
                continue
            top, width = self.tops[item.row], self._width(item.node)
            yield item.node, Box(place - width / 2, top, width, BOX_HEIGHT)
            if item.node in self.rows.beside:
                inner = self.rows.beside[item.node]
                yield inner, Box(place + width / 2 + _BESIDE, top, self._width(inner), BOX_HEIGHT)

    def _frames(self) -> Iterator[Box]:
        """A frame around every block, including the space beside its boxes."""
        for _, rows in groupby(range(len(self.rows.section)), lambda row: self.rows.section[row]):
            items = [item for row in rows for item in self.rows.items[row] if not item.lane]
            if block(self.nodes[items[0].node]):
                left = min(self.place[item] - self.footprints[item][0] for item in items) - _FRAME
                right = max(self.place[item] + self.footprints[item][1] for item in items) + _FRAME
                top, bottom = self.tops[items[0].row], self.tops[items[-1].row] + BOX_HEIGHT
                yield Box(left, top - _FRAME, right - left, bottom - top + 2 * _FRAME)

    def _lines(self) -> Iterator[Line]:
        holder = {inner: outer for outer, inner in self.rows.beside.items()}
        for index, node in enumerate(self.nodes):
            for position, source in enumerate(node.inputs):
                added = position == 1 and shortcut(node) is not None
                if holder.get(source) == index:
                    one, other = self.boxes[source], self.boxes[index]
                    yield Line(source, index, added, ((one.left, one.y), (other.right, other.y)))
                else:
                    yield Line(source, index, added, tuple(self._points(source, index, added, holder)))

    def _points(self, source: int, target: int, added: bool, holder: dict[int, int]) -> Iterator[Point]:
        """From the bottom of the source, row by row, to the top of the target or to its right side."""
        x, row = self.boxes[source].x, self.rows.row[source]
        yield x, self.boxes[source].bottom
        for below in range(row + 1, self.rows.row[target] + 1):
            ends = below == self.rows.row[target]
            item = Item(holder.get(target, target), below) if ends else Item(source, below, lane=True)
            place = self.place[item] + (self._entry(item, target, added) if ends else 0.0)
            if self.column[below] != self.column[below - 1]:
                yield from self._detour(source, x, place, below)
            x = place
            yield x, self.tops[below]
            if not ends:
                yield x, self.tops[below] + BOX_HEIGHT
        if added:
            box = self.boxes[target]
            yield x, box.y
            yield box.right, box.y

    def _detour(self, source: int, x: float, place: float, below: int) -> Iterator[Point]:
        """From one column to the next, which starts with row `below`: under the column, up, then down."""
        crossing = self._crossing(below)
        outer, tracks = crossing.index(source), len(crossing)
        bottom = self.tops[below - 1] + BOX_HEIGHT + _MARGIN + _TRACK * (1 + outer)
        between = self.lefts[self.column[below]] - _GUTTER / 2 - _TRACK * (tracks - 1 - outer)
        top = self.tops[below] - HEADING - _TRACK * (tracks - outer)
        yield from ((x, bottom), (between, bottom), (between, top), (place, top))

    def _crossing(self, below: int) -> list[int]:
        """The nodes whose edges enter a row from above, from right to left."""
        places = {step.source: self.place[step.upper] for step in self.rows.steps if step.lower.row == below}
        return sorted(places, key=lambda source: -places[source])


def _fill(heights: Sequence[float], widths: Sequence[float]) -> list[list[int]]:
    """Divide the panels, in order, into columns, so that the page has about the shape of a screen."""
    best: tuple[float, list[list[int]]] | None = None
    limits = {sum(heights[i:j]) for i in range(len(heights)) for j in range(i + 1, len(heights) + 1)}
    for limit in sorted(limit for limit in limits if limit >= max(heights)):
        columns: list[list[int]] = [[]]
        for p, height in enumerate(heights):
            if sum(heights[q] for q in columns[-1]) + height > limit:
                columns.append([])
            columns[-1].append(p)
        width = sum(max(widths[p] for p in column) for column in columns)
        tallest = max(sum(heights[p] for p in column) for column in columns)
        deviation = abs(log(width / tallest / _ASPECT))
        if best is None or deviation < best[0]:
            best = deviation, columns
    assert best is not None
    return best[1]
