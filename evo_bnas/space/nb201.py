"""The cell of NAS-Bench-201 (Dong and Yang, ICLR 2020) with 1-bit operations.

Each of the six edges between four nodes has one of five operations, and a node adds its incoming edges. A
real-valued stem is followed by three stages of equal cells; a fixed binary residual block before the second
and third stage halves the map and doubles the channels.

Of the 15,625 genes, 341 have no path from the input to the output. The other 15,284 give networks, with many
duplicates: edges without a path to the output are not drawn, and since sums have no weights, their terms may
be added in any order and at any node. Duplicates share one canonical form and one key, which leaves 9,043
networks. Cells that differ only in the numbers of their nodes stay different networks, since they have
different weights in a supernet; their blueprints have the same `shape_key`.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field

from evo_bnas.files.yaml_file import Settings
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node
from evo_bnas.space.cell_drawing import BLOCKS, Style, draw_cell
from evo_bnas.space.cell_text import Cell, Edge, read, write
from evo_bnas.space.genes import Architecture, Count, Gene, Genes, Space
from evo_bnas.space.sketch import Sketch

NODES = 3  # nodes 1 to 3 read earlier ones; node 0 is the input, and node 3 the output
OPERATIONS = ("none", "skip", "avg3", "b1", "b3")
STAGES = 3

EDGES = tuple((source, node) for node in range(1, NODES + 1) for source in range(node))
_EVERYTHING: Cell = tuple(
    tuple(Edge(source, operation) for source in range(node) for operation in OPERATIONS[1:])
    for node in range(1, NODES + 1)
)

_Number = Annotated[int, Field(ge=1, strict=True)]
# A map as a sum of terms with their multiplicities. A term is the input of the cell, or the result of an
# operation at an address (node, source, operation) on another map.
_Value = frozenset[tuple[Any, int]]


class NB201Definition(Settings):
    """The YAML file of an nb201 space; the second and third stage double the channels."""

    family: Literal["nb201"]
    image: tuple[_Number, _Number, _Number]
    classes: Annotated[int, Field(ge=2, strict=True)]
    pad: Literal[0, 1] = 0
    channels: _Number
    cells: _Number  # per stage


class NB201Space(Space):
    """The space of an nb201 definition."""

    def __init__(self, name: str, cells: NB201Definition) -> None:
        self.name = name
        self.cells = cells
        self.image = cells.image
        self.classes = cells.classes
        self.genes = tuple(Gene(f"edge{source}{node}", OPERATIONS) for source, node in EDGES)

    def active(self, genes: Genes) -> tuple[bool, ...]:
        # All genes are active: an edge `none` is a choice too.
        return (True,) * len(self.genes)

    def repair(self, genes: Sequence[int]) -> Genes:
        """The canonical genes of the same network; without a path, the network that returns the input."""
        return _canonical()[tuple(int(gene) for gene in genes)]

    def draw(self, architecture: Architecture) -> Blueprint:
        return Blueprint(draw(self.cells, decode(architecture.genes)))

    def envelope(self) -> tuple[Node, ...]:
        return draw(self.cells, _EVERYTHING)

    def key(self, genes: Genes) -> str:
        return write(decode(genes))

    def parse(self, key: str) -> Architecture:
        try:
            cell = read(key, NODES, 1, range(NODES + 1), OPERATIONS[1:])
        except ValueError as failure:
            raise ValueError(f"{key!r}: {failure}") from None
        edges = {(edge.source, node): edge.operation for node, own in enumerate(cell, 1) for edge in own}
        architecture = self.architecture([OPERATIONS.index(edges.get(edge, "none")) for edge in EDGES])
        if architecture.key != key:
            raise ValueError(f"{key!r} is not canonical in {self.name}; write {architecture.key}")
        return architecture

    def smallest(self) -> Architecture:
        # One skip from the input to the output.
        return self.architecture([OPERATIONS.index("none")] * len(EDGES))

    def largest(self) -> Architecture:
        # The most expensive operation on every edge; the outputs are all live when they are added.
        return self.architecture([OPERATIONS.index("b3")] * len(EDGES))

    def fit(self, image: tuple[int, int, int], classes: int) -> "NB201Space":
        self._check_size(image)
        return NB201Space(self.name, self.cells.model_copy(update={"image": image, "classes": classes}))

    def definition(self) -> dict[str, object]:
        # Without defaults, so that writing a default does not change the space.
        return self.cells.model_dump(mode="json", exclude_defaults=True)

    def count(self) -> Count:
        return Count(len(set(_canonical().values())), exact=True)


def decode(genes: Genes) -> Cell:
    """The cell of canonical genes, without `none`."""
    operations = {edge: OPERATIONS[gene] for edge, gene in zip(EDGES, genes, strict=True)}
    return tuple(
        tuple(
            Edge(source, operations[source, node])
            for source in range(node)
            if operations[source, node] != "none"
        )
        for node in range(1, NODES + 1)
    )


@cache
def _canonical() -> dict[Genes, Genes]:
    """The canonical genes for all genes.

    Of the genes that add the same terms, they are those whose last node adds the fewest different maps, since
    these are live at the same time; ties go to the first genes, with `none` before all other operations.
    """
    outputs = {genes: _output(decode(genes)) for genes in product(range(len(OPERATIONS)), repeat=len(EDGES))}
    best: dict[_Value, tuple[int, Genes]] = {}
    for genes, (output, added) in outputs.items():
        best[output] = min(best.get(output, (added, genes)), (added, genes))
    identity = tuple(OPERATIONS.index("skip" if edge == (0, NODES) else "none") for edge in EDGES)
    return {genes: best[output][1] if output else identity for genes, (output, _) in outputs.items()}


def _output(cell: Cell) -> tuple[_Value, int]:
    """The output of a cell, empty without a path, and the number of different maps in its last sum."""
    values: list[_Value] = [frozenset({("input", 1)})]
    for node, edges in enumerate(cell, 1):
        added = [
            values[source]
            if operation == "skip"
            else frozenset({((node, source, operation, values[source]), 1)})
            for source, operation in edges
            if values[source]
        ]
        total: Counter[Any] = Counter()
        for value in added:
            total.update(dict(value))
        values.append(frozenset(total.items()))
    return values[-1], len(set(added))


def draw(definition: NB201Definition, cell: Cell) -> tuple[Node, ...]:
    """The nodes of a network of this cell, from the image to the classifier."""
    style = BLOCKS["cell"]._replace(pad=definition.pad)
    sketch = Sketch(definition.image)
    channels = definition.channels
    last = sketch.conv("stem", 0, channels, kernel=3, after=("norm",))
    for stage in range(1, STAGES + 1):
        if stage > 1:
            channels *= 2
            last = _reduce(sketch, f"s{stage}.down", last, channels, style)
        for number in range(1, definition.cells + 1):
            last = draw_cell(sketch, f"s{stage}.c{number}", cell, {0: last}, 1, style)[NODES]
    sketch.classify(last, definition.classes)
    return sketch.used()


def _reduce(sketch: Sketch, name: str, source: int, channels: int, style: Style) -> int:
    """A residual block of two binary 3 x 3 convolutions; the first one halves the map and widens."""
    pooled = sketch.shrink(f"{name}.pool", source, 2)
    shortcut = sketch.tile(f"{name}.tile", pooled, channels)
    for part, stride in (("a", 2), ("b", 1)):
        source = shortcut = sketch.conv(
            f"{name}.{part}",
            source,
            channels,
            kernel=3,
            stride=stride,
            binary=True,
            pad=style.pad,
            before=style.before,
            after=(*style.after, "add"),
            shortcut=shortcut,
        )
    return source
