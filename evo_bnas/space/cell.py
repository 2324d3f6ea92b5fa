"""Cell spaces: networks of a normal and a reduction cell, which are both searched."""

from collections.abc import Sequence
from functools import cached_property
from itertools import product

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node
from evo_bnas.network.objectives import EXACT
from evo_bnas.space import cell_genes
from evo_bnas.space.cell_definition import CellDefinition
from evo_bnas.space.cell_drawing import draw
from evo_bnas.space.cell_genes import EDGES, GENES, INPUTS, KINDS, NODES, OPERATIONS
from evo_bnas.space.cell_text import Cell, Edge, read, write
from evo_bnas.space.constraints import Rules
from evo_bnas.space.genes import Architecture, Count, Gene, Genes, Space

# Every operation on every source: not an architecture, but it has every tensor.
_EVERYTHING: Cell = tuple(
    tuple(Edge(source, operation) for source in range(INPUTS + node) for operation in OPERATIONS[1:])
    for node in range(NODES)
)
_LARGEST: Cell = ((Edge(0, "b5"), Edge(1, "b5")),) * NODES
_LETTERS = {"normal": "n", "reduction": "r"}


class CellSpace(Space):
    """The space of a cell definition."""

    def __init__(self, name: str, cells: CellDefinition) -> None:
        self.name = name
        self.cells = cells
        self.image = cells.image
        self.classes = cells.classes
        genes = [gene for kind in KINDS for gene in cell_genes.genes(kind)]
        if len(cells.groups) > 1:
            genes.append(Gene("groups", cells.groups))
        self.genes = tuple(genes)
        self._rules = Rules(cells.constraints)

    def active(self, genes: Genes) -> tuple[bool, ...]:
        # All genes are active except the source of an operation `none`.
        canonical = self.repair(genes)
        flags = [True] * len(canonical)
        for index, gene in enumerate(self.genes[:-1]):
            flags[index + 1] = gene.options[canonical[index]] != "none"
        return tuple(flags)

    def repair(self, genes: Sequence[int]) -> Genes:
        """The canonical form of any option indices; see `cell_genes.canonical`."""
        repaired: list[int] = []
        state = self._rules.start
        for number, kind in enumerate(KINDS):
            own = tuple(int(gene) for gene in genes[number * GENES : (number + 1) * GENES])
            cell, state = cell_genes.canonical(kind, own, self._rules, state)
            repaired += cell_genes.encode(cell)
        return (*repaired, *(int(gene) for gene in genes[len(repaired) :]))

    def draw(self, architecture: Architecture) -> Blueprint:
        return Blueprint(draw(self.cells, self._cells(architecture.genes), self._groups(architecture.genes)))

    def envelope(self) -> tuple[Node, ...]:
        # Groups are masks on the dense tensor; a single option for all needs no mask.
        groups = 1 if len(self.cells.groups) > 1 else self.cells.groups[0]
        return draw(self.cells, dict.fromkeys(KINDS, _EVERYTHING), groups)

    def key(self, genes: Genes) -> str:
        cells = self._cells(genes)
        parts = [f"{_LETTERS[kind]}={write(cells[kind])}" for kind in KINDS]
        if len(self.cells.groups) > 1:
            parts.append(f"g{self._groups(genes)}")
        return "-".join(parts)

    def parse(self, key: str) -> Architecture:
        parts = key.split("-")
        if len(parts) != 2 + (len(self.cells.groups) > 1):
            raise ValueError(f"{key!r} has {len(parts)} parts; write it like {self.smallest().key}")
        genes: Genes = ()
        for part, (kind, letter) in zip(parts, _LETTERS.items(), strict=False):
            lead, _, text = part.partition("=")
            if lead != letter:
                raise ValueError(f"{key!r}: {part!r} is not the {kind} cell; write it as {letter}=…")
            try:
                cell = read(text, NODES, INPUTS, range(1, EDGES + 1), OPERATIONS[1:])
                genes += cell_genes.encode(cell)
            except ValueError as failure:
                raise ValueError(f"{key!r}: {kind} cell: {failure}") from None
        if len(parts) > 2:
            groups = {f"g{option}": index for index, option in enumerate(self.cells.groups)}
            if parts[2] not in groups:
                raise ValueError(f"{key!r}: unknown groups {parts[2]!r}; choose from {', '.join(groups)}")
            genes = (*genes, groups[parts[2]])
        architecture = self.architecture(genes)
        if architecture.key != key:
            raise ValueError(f"{key!r} is not canonical in {self.name}; write {architecture.key}")
        return architecture

    def smallest(self) -> Architecture:
        """The architecture with the fewest ops; other exact objectives break ties in their order."""
        return self._sparsest[0]

    def largest(self) -> Architecture:
        # Every operation is a convolution of the largest kernel, and both inputs are read.
        return self.architecture((*cell_genes.encode(_LARGEST) * len(KINDS), *self._group_gene(0)))

    def cheapest(self, objective: str) -> Architecture:
        return min(self._sparsest, key=lambda sparse: self.costs(sparse)[objective])

    def bounds(self, objective: str) -> tuple[float, float]:
        if objective not in EXACT:
            return super().bounds(objective)
        ends = (self.cheapest(objective), self.largest())
        least, most = (self.costs(end)[objective] for end in ends)
        return least, most

    def fit(self, image: tuple[int, int, int], classes: int) -> "CellSpace":
        self._check_size(image)
        return CellSpace(self.name, self.cells.model_copy(update={"image": image, "classes": classes}))

    def definition(self) -> dict[str, object]:
        # Without defaults, so that writing a default does not change the space.
        return self.cells.model_dump(mode="json", exclude_defaults=True)

    def count(self) -> Count:
        return Count(cell_genes.count(self._rules) * len(self.cells.groups), exact=True)

    @cached_property
    def _sparsest(self) -> tuple[Architecture, ...]:
        """The cheapest architectures for each choice of the single input of both cells, by rising ops.

        An operation costs the same from every source, b3 is the cheapest with weights, and `none` costs
        nothing. It remains to choose which input is not read and needs no pre-processing: omitting the first
        saves fewer weights, but omitting the second frees a large map earlier.
        """
        groups = self._group_gene(len(self.cells.groups) - 1)
        candidates = [
            self.architecture((*cell_genes.sparsest(normal), *cell_genes.sparsest(reduction), *groups))
            for normal, reduction in product(range(INPUTS), repeat=len(KINDS))
        ]
        return tuple(sorted(candidates, key=lambda sparse: tuple(self.costs(sparse).values())))

    def _cells(self, genes: Genes) -> dict[str, Cell]:
        return {
            kind: cell_genes.decode(genes[number * GENES : (number + 1) * GENES])
            for number, kind in enumerate(KINDS)
        }

    def _groups(self, genes: Genes) -> int:
        return self.cells.groups[genes[-1] if len(self.cells.groups) > 1 else 0]

    def _group_gene(self, option: int) -> Genes:
        return (option,) if len(self.cells.groups) > 1 else ()
