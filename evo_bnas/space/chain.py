"""Chain spaces: a stem, stages of equal blocks, a classifier; each number may be a choice."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import cost
from evo_bnas.network.node import Node
from evo_bnas.network.objectives import EXACT, exact_objectives
from evo_bnas.space.chain_definition import ChainDefinition
from evo_bnas.space.chain_drawing import Segment, draw, draw_alone
from evo_bnas.space.chain_graph import NOTHING, Costs, Graph, together
from evo_bnas.space.chain_walk import Place, Walk
from evo_bnas.space.constraints import Option
from evo_bnas.space.genes import Architecture, Count, Gene, Genes, Space

# The letter that stands for each number in a key; an operation stands there by its name.
_LETTERS = {
    "channels": "c",
    "blocks": "d",
    "kernel": "k",
    "groups": "g",
    "pointwise_groups": "p",
    "operation": "",
}
_NUMBER = re.compile(r"([a-z])(\d+)")
_NAME = re.compile(r"()([a-z][a-z0-9]*)")


class ChainSpace(Space):
    """The space that a chain definition spans; raises ValueError where constraints leave nothing of it."""

    def __init__(self, name: str, chain: ChainDefinition) -> None:
        self.name = name
        self.chain = chain
        self.image = chain.image
        self.classes = chain.classes
        self._walk = Walk(chain)
        self._options = self._walk.options
        self._where = {
            place: index for index, place in enumerate(p for p, o in self._options.items() if len(o) > 1)
        }
        self.genes = tuple(Gene(_gene_name(p), self._options[p]) for p in self._where)
        self._fixed = {place: options[0] for place, options in self._options.items()}
        self._segment_costs: dict[Segment, Costs] = {}
        self._cheapest: dict[str, Architecture] = {}
        if chain.constraints:
            self._graph  # noqa: B018  drawn here, so that an infeasible space is refused at once

    def repair(self, genes: Sequence[int]) -> Genes:
        """The canonical form of any option indices.

        What constraints refuse gives way to the last option before it that they allow, or to the first;
        then inactive genes take their first option.
        """
        if not self.chain.constraints:
            return super().repair(genes)
        return self._encode(self._walk.settle(self._taken([int(gene) for gene in genes])))

    def active(self, genes: Genes) -> tuple[bool, ...]:
        depth = {stage: self._depth(genes, stage) for stage in self._walk.stages}
        return tuple(place.block == 0 or place.block <= depth[place.stage] for place in self._where)

    def draw(self, architecture: Architecture) -> Blueprint:
        return Blueprint(draw(self.chain, self._walk.segments(self._taken(architecture.genes))))

    def envelope(self) -> tuple[Node, ...]:
        widest: dict[str, Node] = {}
        for segment in self._graph.segments:
            for node in draw_alone(self.chain, segment)[1:]:
                widest[node.name] = _wider(node, widest.get(node.name, node))
        return tuple(widest.values())

    def costs(self, architecture: Architecture) -> dict[str, float]:
        # As `cost` of the drawing, but put together from segments, which networks share.
        total = NOTHING
        for segment in self._walk.segments(self._taken(architecture.genes)):
            total = together(total, self._costs_of(segment))
        return dict(zip(EXACT, map(_whole, total), strict=True))

    def key(self, genes: Genes) -> str:
        """Stages joined by dashes: what a stage chooses once, then what its blocks choose, after dots."""
        texts: dict[int, dict[int, str]] = {}
        for (place, index), active in zip(self._where.items(), self.active(genes), strict=True):
            if active:
                blocks = texts.setdefault(place.stage, {})
                text = f"{_LETTERS[place.field]}{self.genes[index].options[genes[index]]}"
                blocks[place.block] = blocks.get(place.block, "") + text
        return "-".join(".".join(blocks.values()) for blocks in texts.values()) or "fixed"

    def parse(self, key: str) -> Architecture:
        # Tokens are read in the order in which `key` writes them: genes that are inactive never come.
        genes = [0] * len(self.genes)
        end = 0
        for place, index in self._where.items():
            if place.block and place.block > self._depth(genes, place.stage):
                continue
            gene, letter = self.genes[index], _LETTERS[place.field]
            token = (_NUMBER if letter else _NAME).search(key, end)
            if token is None:
                raise ValueError(f"{key!r} ends before {gene.name}; it reads like {self._example()}")
            if token[1] != letter:
                raise ValueError(
                    f"{key!r}: {token[0]} stands where {gene.name} "
                    f"({letter}…) is asked for; it reads like {self._example()}"
                )
            option = int(token[2]) if letter else token[2]
            if option not in gene.options:
                raise ValueError(f"{key!r}: {gene.name} is {option}; choose from {list(gene.options)}")
            genes[index] = gene.options.index(option)
            end = token.end()
        if self.key(tuple(genes)) != key:
            raise ValueError(f"{key!r} is no key of {self.name}; it reads like {self._example()}")
        architecture = self.architecture(genes)
        if architecture.key != key:
            raise ValueError(
                f"{key!r} does not keep to the constraints of {self.name}; near to it is {architecture.key}"
            )
        return architecture

    def smallest(self) -> Architecture:
        return self.cheapest("ops")

    def largest(self) -> Architecture:
        return self._largest

    def cheapest(self, objective: str) -> Architecture:
        if objective not in self._cheapest:
            taken = self._graph.extreme(self._costs_of, objective, cheapest=True)
            self._cheapest[objective] = self.architecture(self._encode(taken))
        return self._cheapest[objective]

    def bounds(self, objective: str) -> tuple[float, float]:
        return self._bounds[objective] if objective in EXACT else super().bounds(objective)

    def fit(self, image: tuple[int, int, int], classes: int) -> "ChainSpace":
        self._check_size(image)
        fitted = self.chain.model_copy(update={"image": image, "classes": classes})
        return ChainSpace(self.name, fitted)

    def definition(self) -> dict[str, object]:
        # Without defaults: one that is spelled out makes no other space, and what a block chooses for
        # itself stands beside no default of its stage.
        return self.chain.model_dump(mode="json", exclude_defaults=True)

    def count(self) -> Count:
        return Count(self._graph.count(), exact=True)

    @cached_property
    def _graph(self) -> Graph:
        return Graph(self._walk)

    @cached_property
    def _largest(self) -> Architecture:
        taken = self._graph.extreme(self._costs_of, "ops", cheapest=False)
        return self.architecture(self._encode(taken))

    @cached_property
    def _bounds(self) -> dict[str, tuple[float, float]]:
        least, most = self._graph.bounds(self._costs_of)
        return dict(zip(EXACT, zip(map(_whole, least), map(_whole, most), strict=True), strict=True))

    def _costs_of(self, segment: Segment) -> Costs:
        if segment not in self._segment_costs:
            if segment.number > 2:  # all blocks of a stage but the first are alike
                found = self._costs_of(replace(segment, number=2))
            else:
                nodes = draw_alone(self.chain, segment)
                drawn = len(nodes) > 1  # a skip draws nothing
                found = tuple(exact_objectives(cost(Blueprint(nodes))).values()) if drawn else NOTHING
            self._segment_costs[segment] = found
        return self._segment_costs[segment]

    def _depth(self, genes: Sequence[int], stage: int) -> int:
        place = Place(stage, 0, "blocks")
        options = self.chain.stages[stage - 1].blocks
        return options[genes[self._where[place]]] if place in self._where else options[0]

    def _taken(self, genes: Sequence[int]) -> dict[Place, Option]:
        """What the genes say at every place, active or not."""
        return self._fixed | {
            place: self.genes[index].options[genes[index]] for place, index in self._where.items()
        }

    def _encode(self, taken: Mapping[Place, Option]) -> Genes:
        """The genes that say this, inactive ones at their first option."""
        return tuple(
            gene.options.index(taken[place]) if place in taken else 0
            for place, gene in zip(self._where, self.genes, strict=True)
        )

    def _example(self) -> str:
        return self.smallest().key


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _gene_name(place: Place) -> str:
    where = f"stage{place.stage}" + (f".block{place.block}" if place.block else "")
    return f"{where if place.stage else 'stem'}.{place.field}"


def _wider(one: Node, other: Node) -> Node:
    """A node that holds the tensors of both: groups are masks on dense weights, except that depthwise
    weights stay as they are."""
    depthwise = one.groups == one.cin > 1 and other.groups == other.cin > 1
    cin = max(one.cin, other.cin)
    return replace(
        one,
        shape=(max(one.shape[0], other.shape[0]), *one.shape[1:]),
        cin=cin,
        kernel=max(one.kernel, other.kernel),
        groups=cin if depthwise else 1,
    )
