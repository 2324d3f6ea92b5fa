"""The genes of a searched cell, and their one canonical form.

A cell of Liu et al., DARTS (ICLR 2019), as binary searches use it (Bulat et al., BATS; Kim et al., BNAS;
both ECCV 2020): two inputs, four nodes, and each node adds up what two operations make of earlier maps.
"""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from math import comb

from evo_bnas.space.cell_text import Cell, Edge, Edges
from evo_bnas.space.constraints import Choice, Rules, State
from evo_bnas.space.genes import Gene, Genes

KINDS = ("normal", "reduction")
INPUTS = 2  # maps 0 and 1 are the inputs of a cell: the output of the cell before the last one, and the last
NODES = 4  # maps 2 to 5 are its nodes
EDGES = 2  # inputs of a node
OPERATIONS = ("none", "skip", "avg3", "max3", "b3", "b5", "d3", "d5")
GENES = NODES * EDGES * 2  # of one kind of cell


def genes(kind: str) -> Iterator[Gene]:
    """Operation and source of every edge of one kind of cell."""
    for node in range(NODES):
        for edge, operations in enumerate(_options(), 1):
            name = f"{kind}.node{INPUTS + node}.edge{edge}"
            yield Gene(f"{name}.operation", operations)
            yield Gene(f"{name}.source", tuple(range(INPUTS + node)))


def encode(cell: Cell) -> Genes:
    """The genes of a canonical cell; the edge that a node does without is its second one."""
    found: list[int] = []
    for edges in cell:
        for operations, edge in zip(_options(), (*edges, Edge(0, "none")), strict=False):
            found += (operations.index(edge.operation), edge.source)
    return tuple(found)


def decode(genes: Genes) -> Cell:
    """The cell of canonical genes."""
    return tuple(tuple(edge for edge in edges if edge.operation != "none") for edges in _raw(genes))


def canonical(kind: str, genes: Genes, rules: Rules, state: State) -> tuple[Cell, State]:
    """The legal cell that is near to any genes, and what the rules remember after it.

    The order of the two edges of a node says nothing. What is not legal is mended in passing: an operation
    that the constraints refuse gives way, two edges of one source part, and a skip with nothing beside it,
    which would only be a second name of its source, is joined by another skip.
    """
    cell: list[Edges] = []
    for node, raw in enumerate(_raw(genes)):
        edges, state = _settle(kind, node, raw, rules, state)
        cell.append(edges)
    return tuple(cell), state


def sparsest(source: int) -> Genes:
    """Genes of a cell that has as little as the rules allow, and reads one of its inputs as far as it can."""
    b3, none = OPERATIONS[1:].index("b3"), OPERATIONS.index("none")
    return tuple(
        gene for node in range(NODES) for gene in (b3, source, none, INPUTS if node else INPUTS - 1 - source)
    )


def count(rules: Rules) -> int:
    """How many pairs of a normal and a reduction cell the rules allow."""
    ways: Counter[State] = Counter({rules.start: 1})
    for kind in KINDS:
        for node in range(NODES):
            longer: Counter[State] = Counter()
            for state, number in ways.items():
                for taken, sources in _nodes(kind, node, rules, state):
                    longer[taken] += number * sources
            ways = longer
    return ways.total()


def _options() -> tuple[tuple[str, ...], ...]:
    """The operations of each edge of a node: one edge at least is there."""
    return OPERATIONS[1:], OPERATIONS


def _raw(genes: Genes) -> Iterator[tuple[Edge, Edge]]:
    for node in range(NODES):
        operation, source, other_operation, other_source = genes[4 * node : 4 * node + 4]
        first, second = _options()
        yield Edge(source, first[operation]), Edge(other_source, second[other_operation])


@lru_cache(maxsize=1 << 16)
def _settle(kind: str, node: int, raw: tuple[Edge, Edge], rules: Rules, state: State) -> tuple[Edges, State]:
    one, other = sorted(raw, key=lambda edge: (edge.operation == "none", edge.source, edge.operation))
    first, state = rules.settle(state, _choice(kind, node, 0), one.operation)
    alone = first == "skip" and other.operation == "none"
    wanted = "skip" if alone else other.operation
    second, state = rules.settle(state, _choice(kind, node, 1), wanted)
    edges = [Edge(one.source, str(first))]
    if second != "none":
        parted = (other.source + (other.source == one.source)) % (INPUTS + node)
        edges.append(Edge(parted, str(second)))
    return tuple(sorted(edges)), state


def _choice(kind: str, node: int, edge: int) -> Choice:
    place = f"{kind}.node{INPUTS + node}.edge{edge + 1}"
    return Choice(place, "operation", _options()[edge], scope=kind, positions=NODES * EDGES)


def _nodes(kind: str, node: int, rules: Rules, state: State) -> Iterator[tuple[State, int]]:
    """Every pair of operations of a node: what the rules remember then, and in how many ways it reads."""
    sources = INPUTS + node
    first, second = _choice(kind, node, 0), _choice(kind, node, 1)
    for one in rules.allowed(state, first):
        halfway = rules.after(state, first, one)
        for other in rules.allowed(halfway, second):
            if (one, other) != ("skip", "none"):
                ways = sources if other == "none" else comb(sources, EDGES)
                yield rules.after(halfway, second, other), ways
