"""All architectures of a chain as the paths of one small graph.

Two partial networks with the same stream and the same state of the constraints have the same continuations.
So a few hundred edges represent every architecture as one path. Paths are counted, and the cheapest and the
most expensive found, exactly and without enumeration.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from evo_bnas.network.objectives import EXACT, OBJECTIVES
from evo_bnas.space.chain_decisions import ChainDecisions, Chosen, Position
from evo_bnas.space.chain_drawing import Segment
from evo_bnas.space.constraints import Option, State

Costs = tuple[float, ...]  # in the order of EXACT
NOTHING: Costs = (0,) * len(EXACT)

# Segments run one after the other, so counts add up, and memory is that of the segment that needs most.
_JOINS = tuple(OBJECTIVES[name].join for name in EXACT)

# The nodes at one point of the stream, by its channels and the state of the constraints.
_Layer = dict[tuple[int, State], int]


class GraphEdge(NamedTuple):
    """Some decisions, and the segments that they determine."""

    source: int
    target: int
    chosen: Chosen  # including earlier decisions of the stage
    segments: tuple[Segment, ...]


def join_costs(first: Costs, second: Costs) -> Costs:
    """The costs of two parts of one network together."""
    return tuple(join(a, b) for join, a, b in zip(_JOINS, first, second, strict=True))


class Graph:
    """The graph of a chain's decisions; raises ValueError if the constraints leave no option at some point.

    The argument `costs` of its methods gives the costs of one segment.
    """

    def __init__(self, decisions: ChainDecisions) -> None:
        self._edges: list[GraphEdge] = []  # edges into a node come before edges out of it
        self._last = 0  # the newest node; once the graph is complete, the end of all paths
        layer: _Layer = {(0, decisions.rules.start): 0}
        for stage in decisions.stages:
            layer = self._stage(decisions, stage, layer)
        ends = list(layer.items())
        end = self._new()
        for (stream, _), node in ends:
            self._edges.append(GraphEdge(node, end, {}, (decisions.classifier(stream),)))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The distinct segments of all networks, in the order of the stream."""
        return tuple(dict.fromkeys(segment for edge in self._edges for segment in edge.segments))

    def count(self) -> int:
        """Number of architectures."""
        paths = [1] + [0] * self._last
        for edge in self._edges:
            paths[edge.target] += paths[edge.source]
        return paths[self._last]

    def bounds(self, costs: Callable[[Segment], Costs]) -> tuple[Costs, Costs]:
        """Minimum and maximum of each objective, which different networks may attain."""
        least: dict[int, Costs] = {0: NOTHING}
        most: dict[int, Costs] = {0: NOTHING}
        for edge in self._edges:
            for bound, better in ((least, min), (most, max)):
                total = bound[edge.source]
                for segment in edge.segments:
                    total = join_costs(total, costs(segment))
                rival = bound.get(edge.target, total)
                bound[edge.target] = tuple(map(better, rival, total))
        return least[self._last], most[self._last]

    def extreme(
        self, costs: Callable[[Segment], Costs], objective: str, *, cheapest: bool
    ) -> dict[Position, Option]:
        """The choices of the network with the minimum or maximum; other objectives break ties."""
        index = EXACT.index(objective)
        best: dict[int, tuple[Costs, GraphEdge | None]] = {0: (NOTHING, None)}
        for edge in self._edges:
            total, _ = best[edge.source]
            for segment in edge.segments:
                total = join_costs(total, costs(segment))
            if edge.target in best:
                rival, _ = best[edge.target]
                rank, rival_rank = (total[index], *total), (rival[index], *rival)
                if rank >= rival_rank if cheapest else rank <= rival_rank:
                    continue
            best[edge.target] = total, edge
        chosen: dict[Position, Option] = {}
        _, back = best[self._last]
        while back:
            chosen |= back.chosen
            _, back = best[back.source]
        return chosen

    def _stage(self, decisions: ChainDecisions, stage: int, arriving: _Layer) -> _Layer:
        leaving: _Layer = {}
        for shared, layer in self._shared(decisions, stage, arriving):
            depth = decisions.depth(shared, stage)
            for number in range(1, depth + 1):
                following = leaving if number == depth else {}
                for (stream, state), node in layer.items():
                    for chosen, after in decisions.block(stage, number, shared, stream, state, _all_allowed):
                        block = decisions.decided(chosen, stage, number)
                        target = self._node(following, (block.channels, after))
                        segment = Segment(stage, number, stream, block)
                        self._edges.append(GraphEdge(node, target, chosen, (segment,)))
                layer = following
        return leaving

    def _shared(self, decisions: ChainDecisions, stage: int, arriving: _Layer) -> list[tuple[Chosen, _Layer]]:
        """Everything that a stage may decide once, each with the nodes at which its blocks start."""
        starts: dict[tuple[Option, ...], tuple[Chosen, _Layer]] = {}
        for (stream, state), node in arriving.items():
            for chosen, before, after in decisions.stage(stage, stream, state, _all_allowed):
                own = {position: option for position, option in chosen.items() if position.stage == stage}
                _, layer = starts.setdefault(tuple(own.values()), (own, {}))
                target = self._node(layer, (before, after))
                segments = (decisions.stem(chosen, before),) if stage == 1 else ()
                self._edges.append(GraphEdge(node, target, chosen, segments))
        return list(starts.values())

    def _node(self, layer: _Layer, key: tuple[int, State]) -> int:
        if key not in layer:
            layer[key] = self._new()
        return layer[key]

    def _new(self) -> int:
        self._last += 1
        return self._last


def _all_allowed(_: Position, __: Sequence[Option], allowed: Sequence[Option]) -> Sequence[Option]:
    return allowed
