"""Chain spaces: a stem, stages of equal blocks, a classifier; each number may be a choice."""

import re
from collections.abc import Iterator
from dataclasses import replace

from evo_bnas.blueprint import Blueprint, Node
from evo_bnas.space.chain_definition import BLOCK_FIELDS, STAGE_FIELDS, ChainDefinition
from evo_bnas.space.chain_drawing import Block, Plan, draw
from evo_bnas.space.genes import Architecture, Count, Gene, Genes, Space

# The letter that stands for each number in a key.
_LETTERS = {"channels": "c", "blocks": "d", "kernel": "k", "groups": "g", "pointwise_groups": "p"}
_TOKEN = re.compile(r"([a-z])(\d+)")

_Place = tuple[int, int, str]  # stage (0: stem), block (0: the whole stage), field


class ChainSpace(Space):
    """The space that a chain definition spans."""

    def __init__(self, name: str, chain: ChainDefinition) -> None:
        self.name = name
        self.chain = chain
        self.image = chain.image
        self.classes = chain.classes
        self._options = dict(_places(chain))
        self._where = {
            place: index for index, place in enumerate(p for p, o in self._options.items() if len(o) > 1)
        }
        self.genes = tuple(Gene(_gene_name(p), self._options[p]) for p in self._where)

    def active(self, genes: Genes) -> tuple[bool, ...]:
        depth = {s: self._value(genes, (s, 0, "blocks")) for s in self._stages()}
        return tuple(block == 0 or block <= depth[stage] for stage, block, _ in self._where)

    def draw(self, architecture: Architecture) -> Blueprint:
        return Blueprint(draw(self.chain, self._plan(architecture.genes)))

    def envelope(self) -> tuple[Node, ...]:
        widest = self._plan(self.largest().genes)
        # Groups are masks on the dense tensor, so the widest weights have one group.
        dense = tuple(
            (channels, tuple(replace(b, groups=1, pointwise_groups=1) for b in blocks))
            for channels, blocks in widest.stages
        )
        return draw(self.chain, replace(widest, stages=dense))

    def key(self, genes: Genes) -> str:
        parts = (self._part(genes, stage) for stage in range(len(self.chain.stages) + 1))
        return "-".join(part for part in parts if part) or "fixed"

    def parse(self, key: str) -> Architecture:
        # Tokens are read in the order in which `key` writes them: genes that are inactive never come.
        tokens = _TOKEN.findall(key)
        genes = [0] * len(self.genes)
        taken = 0
        for (stage, block, field), index in self._where.items():
            if block and block > self._value(tuple(genes), (stage, 0, "blocks")):
                continue
            gene = self.genes[index]
            options = self._options[stage, block, field]
            if taken == len(tokens):
                raise ValueError(f"{key!r} ends before {gene.name}; it reads like {self._example()}")
            letter, number = tokens[taken]
            if letter != _LETTERS[field]:
                raise ValueError(
                    f"{key!r}: {letter}{number} stands where {gene.name} "
                    f"({_LETTERS[field]}…) is asked for; it reads like {self._example()}"
                )
            if int(number) not in options:
                raise ValueError(f"{key!r}: {gene.name} is {number}; choose from {list(options)}")
            genes[index] = options.index(int(number))
            taken += 1
        architecture = self.architecture(genes)
        if architecture.key != key:
            raise ValueError(f"{key!r} is no key of {self.name}; it reads like {self._example()}")
        return architecture

    def smallest(self) -> Architecture:
        # More groups mean fewer weights; of everything else less is cheaper. Options are sorted.
        return self._extreme(cheapest=True)

    def largest(self) -> Architecture:
        return self._extreme(cheapest=False)

    def fit(self, image: tuple[int, int, int], classes: int) -> "ChainSpace":
        if image[1:] != self.image[1:]:
            raise ValueError(
                f"space {self.name} is made for images of {self.image[1]}x{self.image[2]}, "
                f"not {image[1]}x{image[2]}"
            )
        fitted = self.chain.model_copy(update={"image": image, "classes": classes})
        return ChainSpace(self.name, fitted)

    def definition(self) -> dict[str, object]:
        # Without defaults: one that is spelled out makes no other space, and what a block chooses for
        # itself stands beside no default of its stage.
        return self.chain.model_dump(mode="json", exclude_defaults=True)

    def count(self) -> Count:
        number = 1
        for stage in range(len(self.chain.stages) + 1):
            shared = 1
            blocks: dict[int, int] = {}  # combinations inside each block
            for (at, block, field), options in self._options.items():
                if at == stage and block:
                    blocks[block] = blocks.get(block, 1) * len(options)
                elif at == stage and field != "blocks":
                    shared *= len(options)
            depths = self._options.get((stage, 0, "blocks"), (0,))
            number *= shared * sum(_product(blocks, depth) for depth in depths)
        return Count(number, exact=True)

    def _stages(self) -> range:
        return range(1, len(self.chain.stages) + 1)

    def _value(self, genes: Genes, place: _Place) -> int:
        """The decided value of one number of the definition."""
        options = self._options.get(place, (0,))
        return options[genes[self._where[place]]] if place in self._where else options[0]

    def _block_value(self, genes: Genes, stage: int, block: int, field: str) -> int:
        own = (stage, block, field)
        return self._value(genes, own if own in self._options else (stage, 0, field))

    def _plan(self, genes: Genes) -> Plan:
        stages = []
        for stage in self._stages():
            depth = self._value(genes, (stage, 0, "blocks"))
            blocks = (
                Block(*(self._block_value(genes, stage, b, field) for field in BLOCK_FIELDS))
                for b in range(1, depth + 1)
            )
            stages.append((self._value(genes, (stage, 0, "channels")), tuple(blocks)))
        stem = (self._value(genes, (0, 0, "channels")), self._value(genes, (0, 0, "kernel")))
        return Plan(stem, tuple(stages))

    def _extreme(self, *, cheapest: bool) -> Architecture:
        genes = []
        for (_, _, field), index in self._where.items():
            first = cheapest != ("groups" in field)
            genes.append(0 if first else self.sizes[index] - 1)
        return self.architecture(genes)

    def _part(self, genes: Genes, stage: int) -> str:
        """One stage in a key: its own choices, then those of its blocks after dots."""
        active = self.active(genes)
        texts: dict[int, str] = {}
        for (at, block, field), index in self._where.items():
            if at == stage and active[index]:
                value = self.genes[index].options[genes[index]]
                texts[block] = texts.get(block, "") + f"{_LETTERS[field]}{value}"
        return ".".join(texts.values())

    def _example(self) -> str:
        return self.smallest().key


def _places(chain: ChainDefinition) -> Iterator[tuple[_Place, tuple[int, ...]]]:
    """Every number of the definition with its options, in the order of the genes."""
    yield (0, 0, "channels"), chain.stem.channels
    yield (0, 0, "kernel"), chain.stem.kernel
    for number, stage in enumerate(chain.stages, 1):
        for field in STAGE_FIELDS:
            yield (number, 0, field), getattr(stage, field)
        for field in BLOCK_FIELDS:
            if getattr(stage.each, field) is None:
                yield (number, 0, field), getattr(stage, field)
        for block in range(1, max(stage.blocks) + 1):
            for field in BLOCK_FIELDS:
                own = getattr(stage.each, field)
                if own is not None:
                    yield (number, block, field), own


def _gene_name(place: _Place) -> str:
    stage, block, field = place
    where = "stem" if stage == 0 else f"stage{stage}" + (f".block{block}" if block else "")
    return f"{where}.{field}"


def _product(blocks: dict[int, int], depth: int) -> int:
    number = 1
    for block in range(1, depth + 1):
        number *= blocks.get(block, 1)
    return number
