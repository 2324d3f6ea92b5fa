"""Chain spaces: a stem, stages of blocks of one kind, and a classifier; every number may be a choice."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import cost
from evo_bnas.network.node import Node
from evo_bnas.network.objectives import EXACT, exact_objectives
from evo_bnas.space.chain_decisions import ChainDecisions, Position
from evo_bnas.space.chain_definition import ChainDefinition
from evo_bnas.space.chain_drawing import Segment, draw, draw_alone
from evo_bnas.space.chain_graph import NOTHING, Costs, Graph, join_costs
from evo_bnas.space.constraints import Option
from evo_bnas.space.genes import Architecture, Count, Gene, Genes, Space

# The letter before each number in a key; an operation has no letter, and its name instead of a number.
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
    """The space of a chain definition; raises ValueError if its constraints leave no architecture."""

    def __init__(self, name: str, chain: ChainDefinition) -> None:
        self.name = name
        self.chain = chain
        self.image = chain.image
        self.classes = chain.classes
        self._decisions = ChainDecisions(chain)
        self._options = self._decisions.options
        self._gene_of = {
            position: index
            for index, position in enumerate(p for p, options in self._options.items() if len(options) > 1)
        }
        self.genes = tuple(Gene(_gene_name(p), self._options[p]) for p in self._gene_of)
        self._fixed = {position: options[0] for position, options in self._options.items()}
        self._segment_costs: dict[Segment, Costs] = {}
        self._cheapest: dict[str, Architecture] = {}
        if chain.constraints:
            self._graph  # noqa: B018  built here, so that an infeasible space is refused at once

    def repair(self, genes: Sequence[int]) -> Genes:
        """The canonical form of any option indices.

        An option that the constraints refuse is replaced with the last allowed one before it, or else with
        the first allowed one. Then inactive genes take their first option.
        """
        if not self.chain.constraints:
            return super().repair(genes)
        return self._encode(self._decisions.settle(self._chosen([int(gene) for gene in genes])))

    def active(self, genes: Genes) -> tuple[bool, ...]:
        depth = {stage: self._depth(genes, stage) for stage in self._decisions.stages}
        return tuple(p.block == 0 or p.block <= depth[p.stage] for p in self._gene_of)

    def draw(self, architecture: Architecture) -> Blueprint:
        return Blueprint(draw(self.chain, self._decisions.segments(self._chosen(architecture.genes))))

    def envelope(self) -> tuple[Node, ...]:
        widest: dict[str, Node] = {}
        for segment in self._graph.segments:
            for node in draw_alone(self.chain, segment)[1:]:
                widest[node.name] = _wider(node, widest.get(node.name, node))
        return tuple(widest.values())

    def costs(self, architecture: Architecture) -> dict[str, float]:
        # Equal to `cost` of the blueprint, but put together from segments, which many networks share.
        total = NOTHING
        for segment in self._decisions.segments(self._chosen(architecture.genes)):
            total = join_costs(total, self._costs_of(segment))
        return dict(zip(EXACT, map(_whole, total), strict=True))

    def key(self, genes: Genes) -> str:
        """Stages joined by dashes; in a stage, its own choices and those of each block, joined by dots."""
        texts: dict[int, dict[int, str]] = {}
        for (position, index), active in zip(self._gene_of.items(), self.active(genes), strict=True):
            if active:
                blocks = texts.setdefault(position.stage, {})
                text = f"{_LETTERS[position.field]}{self.genes[index].options[genes[index]]}"
                blocks[position.block] = blocks.get(position.block, "") + text
        return "-".join(".".join(blocks.values()) for blocks in texts.values()) or "fixed"

    def parse(self, key: str) -> Architecture:
        # Tokens are read in the order in which `key` writes them, without those of inactive genes.
        genes = [0] * len(self.genes)
        end = 0
        for position, index in self._gene_of.items():
            if position.block and position.block > self._depth(genes, position.stage):
                continue
            gene, letter = self.genes[index], _LETTERS[position.field]
            token = (_NUMBER if letter else _NAME).search(key, end)
            if token is None:
                raise ValueError(f"{key!r} ends before {gene.name}; write it like {self._example()}")
            if token[1] != letter:
                raise ValueError(
                    f"{key!r}: {token[0]} is not {gene.name} ({letter}…); write it like {self._example()}"
                )
            option = int(token[2]) if letter else token[2]
            if option not in gene.options:
                raise ValueError(f"{key!r}: {gene.name} is {option}; choose from {list(gene.options)}")
            genes[index] = gene.options.index(option)
            end = token.end()
        own = tuple(genes)
        if self.key(own) != key:
            raise ValueError(f"{key!r} is not a key of {self.name}; write it like {self._example()}")
        if self.repair(own) != own:
            nearest = self.architecture(own)
            raise ValueError(f"{key!r} violates the constraints of {self.name}; the nearest key is {nearest}")
        return Architecture(own, key)

    def smallest(self) -> Architecture:
        return self.cheapest("ops")

    def largest(self) -> Architecture:
        return self._largest

    def cheapest(self, objective: str) -> Architecture:
        if objective not in self._cheapest:
            chosen = self._graph.extreme(self._costs_of, objective, cheapest=True)
            self._cheapest[objective] = self.architecture(self._encode(chosen))
        return self._cheapest[objective]

    def bounds(self, objective: str) -> tuple[float, float]:
        return self._bounds[objective] if objective in EXACT else super().bounds(objective)

    def fit(self, image: tuple[int, int, int], classes: int) -> "ChainSpace":
        self._check_size(image)
        fitted = self.chain.model_copy(update={"image": image, "classes": classes})
        return ChainSpace(self.name, fitted)

    def definition(self) -> dict[str, object]:
        # Without defaults, so that writing a default does not change the space, and a field under `each` does
        # not appear in its stage as well.
        return self.chain.model_dump(mode="json", exclude_defaults=True)

    def count(self) -> Count:
        return Count(self._graph.count(), exact=True)

    @cached_property
    def _graph(self) -> Graph:
        return Graph(self._decisions)

    @cached_property
    def _largest(self) -> Architecture:
        chosen = self._graph.extreme(self._costs_of, "ops", cheapest=False)
        return self.architecture(self._encode(chosen))

    @cached_property
    def _bounds(self) -> dict[str, tuple[float, float]]:
        least, most = self._graph.bounds(self._costs_of)
        return dict(zip(EXACT, zip(map(_whole, least), map(_whole, most), strict=True), strict=True))

    def _costs_of(self, segment: Segment) -> Costs:
        if segment not in self._segment_costs:
            if segment.number > 2:  # all blocks of a stage except the first are alike
                costs = self._costs_of(replace(segment, number=2))
            else:
                nodes = draw_alone(self.chain, segment)
                drawn = len(nodes) > 1  # a skip draws nothing
                costs = tuple(exact_objectives(cost(Blueprint(nodes))).values()) if drawn else NOTHING
            self._segment_costs[segment] = costs
        return self._segment_costs[segment]

    def _depth(self, genes: Sequence[int], stage: int) -> int:
        position = Position(stage, 0, "blocks")
        options = self.chain.stages[stage - 1].blocks
        return options[genes[self._gene_of[position]]] if position in self._gene_of else options[0]

    def _chosen(self, genes: Sequence[int]) -> dict[Position, Option]:
        """The option at every position, active or not."""
        return self._fixed | {
            position: self.genes[index].options[genes[index]] for position, index in self._gene_of.items()
        }

    def _encode(self, chosen: Mapping[Position, Option]) -> Genes:
        """The genes of these choices, with inactive ones at their first option."""
        return tuple(
            gene.options.index(chosen[position]) if position in chosen else 0
            for position, gene in zip(self._gene_of, self.genes, strict=True)
        )

    def _example(self) -> str:
        return self.smallest().key


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _gene_name(position: Position) -> str:
    where = f"stage{position.stage}" + (f".block{position.block}" if position.block else "")
    return f"{where if position.stage else 'stem'}.{position.field}"


def _wider(node: Node, other: Node) -> Node:
    """A node that holds the tensors of both, with dense weights unless both are depthwise."""
    depthwise = node.groups == node.cin > 1 and other.groups == other.cin > 1
    cin = max(node.cin, other.cin)
    return replace(
        node,
        shape=(max(node.shape[0], other.shape[0]), *node.shape[1:]),
        cin=cin,
        kernel=max(node.kernel, other.kernel),
        groups=cin if depthwise else 1,
    )
