"""All architectures of a chain as the paths of one small graph.

Where two beginnings have put out the same stream, and constraints remember the same of them, they have the
same continuations. So some hundred edges hold every architecture as one path: paths are counted, and the
shortest and the longest found, exactly and without listing them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from evo_bnas.network.objectives import EXACT, OBJECTIVES
from evo_bnas.space.chain_drawing import Segment
from evo_bnas.space.chain_walk import Place, Taken, Walk
from evo_bnas.space.constraints import Option, State

Costs = tuple[float, ...]  # in the order of EXACT
NOTHING: Costs = (0,) * len(EXACT)

# Segments run one after the other: counts add up, and memory is that of the segment that needs most.
_JOINS = tuple(OBJECTIVES[name].join for name in EXACT)

_Layer = dict[
    tuple[int, State], int
]  # the nodes at one point of the stream, by its channels and what is remembered


class Edge(NamedTuple):
    """Some decisions, and the segments that they settle."""

    source: int
    target: int
    taken: Taken  # and what was decided before in the stage
    segments: tuple[Segment, ...]


def together(one: Costs, other: Costs) -> Costs:
    """The costs of two pieces of one network."""
    return tuple(join(a, b) for join, a, b in zip(_JOINS, one, other, strict=True))


class Graph:
    """The graph of a walk; raises ValueError where constraints leave no option somewhere on the way.

    `costs` of its methods are those of one segment.
    """

    def __init__(self, walk: Walk) -> None:
        self._edges: list[Edge] = []  # those into a node stand before those out of it
        self._last = 0  # the node that was made last; in the end the one that all paths lead to
        layer: _Layer = {(0, walk.rules.start): 0}
        for stage in walk.stages:
            layer = self._stage(walk, stage, layer)
        ends = list(layer.items())
        end = self._new()
        for (stream, _), node in ends:
            self._edges.append(Edge(node, end, {}, (walk.classifier(stream),)))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Every segment that some network has, once, in the order of the stream."""
        return tuple(dict.fromkeys(segment for edge in self._edges for segment in edge.segments))

    def count(self) -> int:
        """Number of architectures."""
        paths = [1] + [0] * self._last
        for edge in self._edges:
            paths[edge.target] += paths[edge.source]
        return paths[self._last]

    def bounds(self, costs: Callable[[Segment], Costs]) -> tuple[Costs, Costs]:
        """Least and greatest value of each objective; the networks that have them may differ."""
        least: dict[int, Costs] = {0: NOTHING}
        most: dict[int, Costs] = {0: NOTHING}
        for edge in self._edges:
            for found, better in ((least, min), (most, max)):
                total = found[edge.source]
                for segment in edge.segments:
                    total = together(total, costs(segment))
                known = found.get(edge.target, total)
                found[edge.target] = tuple(map(better, known, total))
        return least[self._last], most[self._last]

    def extreme(
        self, costs: Callable[[Segment], Costs], objective: str, *, cheapest: bool
    ) -> dict[Place, Option]:
        """What the network takes that costs least or most; among equals the other objectives decide."""
        index = EXACT.index(objective)
        best: dict[int, tuple[Costs, Edge | None]] = {0: (NOTHING, None)}
        for edge in self._edges:
            total, _ = best[edge.source]
            for segment in edge.segments:
                total = together(total, costs(segment))
            if edge.target in best:
                rival, _ = best[edge.target]
                one, other = (total[index], *total), (rival[index], *rival)
                if one >= other if cheapest else one <= other:
                    continue
            best[edge.target] = total, edge
        taken: dict[Place, Option] = {}
        _, back = best[self._last]
        while back:
            taken |= back.taken
            _, back = best[back.source]
        return taken

    def _stage(self, walk: Walk, stage: int, arriving: _Layer) -> _Layer:
        leaving: _Layer = {}
        for shared, layer in self._shared(walk, stage, arriving):
            depth = walk.depth(shared, stage)
            for number in range(1, depth + 1):
                following = leaving if number == depth else {}
                for (stream, state), node in layer.items():
                    for taken, after in walk.block(stage, number, shared, stream, state, _every):
                        block = walk.decided(taken, stage, number)
                        target = self._node(following, (block.channels, after))
                        segment = Segment(stage, number, stream, block)
                        self._edges.append(Edge(node, target, taken, (segment,)))
                layer = following
        return leaving

    def _shared(self, walk: Walk, stage: int, arriving: _Layer) -> list[tuple[Taken, _Layer]]:
        """What a stage may decide once, each with the nodes from which its blocks go on."""
        found: dict[tuple[Option, ...], tuple[Taken, _Layer]] = {}
        for (stream, state), node in arriving.items():
            for taken, before, after in walk.stage(stage, stream, state, _every):
                own = {place: option for place, option in taken.items() if place.stage == stage}
                _, layer = found.setdefault(tuple(own.values()), (own, {}))
                target = self._node(layer, (before, after))
                segments = (walk.stem(taken, before),) if stage == 1 else ()
                self._edges.append(Edge(node, target, taken, segments))
        return list(found.values())

    def _node(self, layer: _Layer, key: tuple[int, State]) -> int:
        if key not in layer:
            layer[key] = self._new()
        return layer[key]

    def _new(self) -> int:
        self._last += 1
        return self._last


def _every(_: Place, __: Sequence[Option], allowed: Sequence[Option]) -> Sequence[Option]:
    return allowed
