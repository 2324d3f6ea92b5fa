"""The genes of a cell, and their canonical form.

The cell is that of DARTS (Liu et al., ICLR 2019), as used in binary searches (Bulat et al., BATS; Kim et al.,
BNAS; both ECCV 2020). It has two inputs and four nodes, and each node adds two operations on earlier maps.
"""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from math import comb

from evo_bnas.space.cell_text import Cell, Edge, Edges
from evo_bnas.space.constraints import Choice, Rules, State
from evo_bnas.space.genes import Gene, Genes

KINDS = ("normal", "reduction")
INPUTS = 2  # maps 0 and 1 of a cell: the outputs of the second to last and of the last cell
NODES = 4  # maps 2 to 5
EDGES = 2  # operations of a node
OPERATIONS = ("none", "skip", "avg3", "max3", "b3", "b5", "d3", "d5")
GENES = NODES * EDGES * 2  # of one kind of cell


def genes(kind: str) -> Iterator[Gene]:
    """The genes of one kind of cell: operation and source of every edge."""
    for node in range(NODES):
        for edge, operations in enumerate(_options(), 1):
            name = f"{kind}.node{INPUTS + node}.edge{edge}"
            yield Gene(f"{name}.operation", operations)
            yield Gene(f"{name}.source", tuple(range(INPUTS + node)))


def encode(cell: Cell) -> Genes:
    """The genes of a canonical cell; in nodes of one edge, the second one is `none`."""
    genes: list[int] = []
    for edges in cell:
        for operations, edge in zip(_options(), (*edges, Edge(0, "none")), strict=False):
            genes += (operations.index(edge.operation), edge.source)
    return tuple(genes)


def decode(genes: Genes) -> Cell:
    """The cell of canonical genes."""
    return tuple(tuple(edge for edge in edges if edge.operation != "none") for edges in _raw(genes))


def canonical(kind: str, genes: Genes, rules: Rules, state: State) -> tuple[Cell, State]:
    """The legal cell nearest to any genes, and the state of the rules after it.

    The order of the two edges of a node does not matter. Three things are repaired: an operation that the
    constraints refuse is replaced; of two edges from the same source, one gets another source; and a skip
    alone, which would duplicate its source, gets a second skip.
    """
    cell: list[Edges] = []
    for node, raw in enumerate(_raw(genes)):
        edges, state = _settle(kind, node, raw, rules, state)
        cell.append(edges)
    return tuple(cell), state


def sparsest(source: int) -> Genes:
    """Genes of the cheapest cell that the rules allow and that reads only the input `source`, if possible."""
    b3, none = OPERATIONS[1:].index("b3"), OPERATIONS.index("none")
    return tuple(
        gene for node in range(NODES) for gene in (b3, source, none, INPUTS if node else INPUTS - 1 - source)
    )


def count(rules: Rules) -> int:
    """The number of pairs of a normal and a reduction cell that the rules allow."""
    ways: Counter[State] = Counter({rules.start: 1})
    for kind in KINDS:
        for node in range(NODES):
            longer: Counter[State] = Counter()
            for state, number in ways.items():
                for after, sources in _nodes(kind, node, rules, state):
                    longer[after] += number * sources
            ways = longer
    return ways.total()


def _options() -> tuple[tuple[str, ...], ...]:
    """The operations of each edge of a node; only the second edge may be `none`."""
    return OPERATIONS[1:], OPERATIONS


def _raw(genes: Genes) -> Iterator[tuple[Edge, Edge]]:
    for node in range(NODES):
        operation, source, other_operation, other_source = genes[4 * node : 4 * node + 4]
        first, second = _options()
        yield Edge(source, first[operation]), Edge(other_source, second[other_operation])


@lru_cache(maxsize=1 << 16)
def _settle(kind: str, node: int, raw: tuple[Edge, Edge], rules: Rules, state: State) -> tuple[Edges, State]:
    first_edge, second_edge = sorted(
        raw, key=lambda edge: (edge.operation == "none", edge.source, edge.operation)
    )
    first, state = rules.settle(state, _choice(kind, node, 0), first_edge.operation)
    alone = first == "skip" and second_edge.operation == "none"
    wanted = "skip" if alone else second_edge.operation
    second, state = rules.settle(state, _choice(kind, node, 1), wanted)
    edges = [Edge(first_edge.source, str(first))]
    if second != "none":
        same = second_edge.source == first_edge.source
        source = (second_edge.source + same) % (INPUTS + node)
        edges.append(Edge(source, str(second)))
    return tuple(sorted(edges)), state


def _choice(kind: str, node: int, edge: int) -> Choice:
    place = f"{kind}.node{INPUTS + node}.edge{edge + 1}"
    return Choice(place, "operation", _options()[edge], scope=kind, positions=NODES * EDGES)


def _nodes(kind: str, node: int, rules: Rules, state: State) -> Iterator[tuple[State, int]]:
    """For every pair of operations of a node, the state of the rules after it, and its number of sources."""
    sources = INPUTS + node
    first, second = _choice(kind, node, 0), _choice(kind, node, 1)
    for operation in rules.allowed(state, first):
        after_first = rules.after(state, first, operation)
        for other in rules.allowed(after_first, second):
            if (operation, other) != ("skip", "none"):
                ways = sources if other == "none" else comb(sources, EDGES)
                yield rules.after(after_first, second, other), ways
