"""Chain spaces: a stem, stages of equal blocks, a classifier; each number may be a choice.

In the YAML a scalar is fixed and a list is a choice: one for the whole stage, or one for every block
where it stands under `each`. The block is the one of ReActNet (Liu et al., ECCV 2020), which is also that
of NAS-BNN (Lin et al., 2025) and, with binary group convolutions, of Phan et al. (CVPR 2020): a k x k
binary convolution that keeps its channels, then a binary 1 x 1 convolution, each with a norm, a
parameter-free shortcut and RPReLU.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from evo_bnas.blueprint import Blueprint, Node
from evo_bnas.space.genes import Architecture, Count, Gene, Genes, Space
from evo_bnas.yaml_file import Settings


def _as_options(value: object) -> object:
    return [value] if isinstance(value, int) else value


def _distinct(options: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(options)) < len(options):
        raise ValueError(f"{list(options)} names an option twice")
    return tuple(sorted(options))


def _odd(options: tuple[int, ...]) -> tuple[int, ...]:
    even = [option for option in options if option % 2 == 0]
    if even:
        raise ValueError(f"kernel {even[0]} is even; write {even[0] - 1} or {even[0] + 1}")
    return options


_Option = Annotated[int, Field(ge=1, strict=True)]
Options = Annotated[
    tuple[_Option, ...],
    BeforeValidator(_as_options),
    Field(min_length=1),
    AfterValidator(_distinct),
]
Kernels = Annotated[Options, AfterValidator(_odd)]
_Stride = Annotated[int, Field(ge=1, le=4, strict=True)]

# The order of a block's genes, and the letter that stands for each in a key.
_STAGE_LETTERS = {"channels": "c", "blocks": "d"}
_BLOCK_LETTERS = {"kernel": "k", "groups": "g", "pointwise_groups": "p"}
_TOKEN = re.compile(r"([a-z])(\d+)")


class Stem(Settings):
    """The real-valued convolution that reads the image."""

    channels: Options
    kernel: Kernels = (3,)
    stride: _Stride = 1


class Each(Settings):
    """What every block of a stage chooses for itself."""

    kernel: Kernels | None = None
    groups: Options | None = None
    pointwise_groups: Options | None = None


class Stage(Settings):
    """Blocks of one resolution; the first one strides and widens."""

    channels: Options
    blocks: Options = (1,)
    stride: _Stride = 1
    kernel: Kernels = (3,)
    groups: Options = (1,)
    pointwise_groups: Options = (1,)
    each: Each = Each()

    @model_validator(mode="after")
    def _chosen_once(self) -> "Stage":
        for field in _BLOCK_LETTERS:
            if getattr(self.each, field) is not None and field in self.model_fields_set:
                raise ValueError(f"{field} stands in the stage and under `each`; keep one of them")
        return self


class ChainDefinition(Settings):
    """A chain space as its YAML file says it."""

    family: Literal["chain"]
    block: Literal["react"]
    image: tuple[_Option, _Option, _Option]
    classes: Annotated[int, Field(ge=2, strict=True)]
    pad: Literal[0, 1] = 0
    stem: Stem
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits_together(self) -> "ChainDefinition":
        before, name = self.stem.channels, "the stem"
        for number, stage in enumerate(self.stages, 1):
            if min(stage.channels) < max(before):
                raise ValueError(
                    f"stages.{number}.channels: {min(stage.channels)} is less than the "
                    f"{max(before)} channels that {name} may have: a parameter-free shortcut cannot "
                    f"narrow; start at {max(before)} or more"
                )
            # The k x k layer keeps the channels it reads: the earlier ones in the first block.
            inner = stage.channels if max(stage.blocks) > 1 else ()
            for field, widths in (
                ("groups", (*before, *inner)),
                ("pointwise_groups", (*before, *stage.channels)),
            ):
                for groups in _block_options(stage, field):
                    odd = next((width for width in widths if width % groups), None)
                    if odd is not None:
                        raise ValueError(
                            f"stages.{number}.{field}: {groups} groups do not divide {odd} channels"
                        )
            before, name = stage.channels, f"stage {number}"
        return self


def _block_options(stage: Stage, field: str) -> tuple[int, ...]:
    own: tuple[int, ...] | None = getattr(stage.each, field)
    shared: tuple[int, ...] = getattr(stage, field)
    return shared if own is None else own


@dataclass(frozen=True, slots=True)
class _Block:
    kernel: int
    groups: int
    pointwise_groups: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """A decided architecture: numbers in place of choices."""

    stem: tuple[int, int]  # channels, kernel
    stages: tuple[tuple[int, tuple[_Block, ...]], ...]  # channels, blocks


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
        return Blueprint(_draw(self.chain, self._plan(architecture.genes)))

    def envelope(self) -> tuple[Node, ...]:
        widest = self._plan(self.largest().genes)
        # Groups are masks on the dense tensor, so the widest weights have one group.
        dense = tuple(
            (channels, tuple(replace(b, groups=1, pointwise_groups=1) for b in blocks))
            for channels, blocks in widest.stages
        )
        return _draw(self.chain, replace(widest, stages=dense))

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
            if taken == len(tokens):
                raise ValueError(f"{key!r} ends before {gene.name}; it reads like {self._example()}")
            letter, number = tokens[taken]
            if letter != _letter(field):
                raise ValueError(
                    f"{key!r}: {letter}{number} stands where {gene.name} "
                    f"({_letter(field)}…) is asked for; it reads like {self._example()}"
                )
            if int(number) not in gene.options:
                raise ValueError(f"{key!r}: {gene.name} is {number}; choose from {list(gene.options)}")
            genes[index] = gene.options.index(int(number))
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

    def _plan(self, genes: Genes) -> _Plan:
        stages = []
        for stage in self._stages():
            depth = self._value(genes, (stage, 0, "blocks"))
            blocks = (
                _Block(*(self._block_value(genes, stage, b, field) for field in _BLOCK_LETTERS))
                for b in range(1, depth + 1)
            )
            stages.append((self._value(genes, (stage, 0, "channels")), tuple(blocks)))
        stem = (self._value(genes, (0, 0, "channels")), self._value(genes, (0, 0, "kernel")))
        return _Plan(stem, tuple(stages))

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
                texts[block] = texts.get(block, "") + f"{_letter(field)}{value}"
        return ".".join(texts.values())

    def _example(self) -> str:
        return self.smallest().key


def _places(chain: ChainDefinition) -> Iterator[tuple[_Place, tuple[int, ...]]]:
    """Every number of the definition with its options, in the order of the genes."""
    yield (0, 0, "channels"), chain.stem.channels
    yield (0, 0, "kernel"), chain.stem.kernel
    for number, stage in enumerate(chain.stages, 1):
        for field in _STAGE_LETTERS:
            yield (number, 0, field), getattr(stage, field)
        for field in _BLOCK_LETTERS:
            if getattr(stage.each, field) is None:
                yield (number, 0, field), getattr(stage, field)
        for block in range(1, max(stage.blocks) + 1):
            for field in _BLOCK_LETTERS:
                own = getattr(stage.each, field)
                if own is not None:
                    yield (number, block, field), own


def _letter(field: str) -> str:
    return (_STAGE_LETTERS | _BLOCK_LETTERS)[field]


def _gene_name(place: _Place) -> str:
    stage, block, field = place
    where = "stem" if stage == 0 else f"stage{stage}" + (f".block{block}" if block else "")
    return f"{where}.{field}"


def _product(blocks: dict[int, int], depth: int) -> int:
    number = 1
    for block in range(1, depth + 1):
        number *= blocks.get(block, 1)
    return number


def _draw(chain: ChainDefinition, plan: _Plan) -> tuple[Node, ...]:
    channels, height, width = chain.image
    nodes = [Node("image", "image", (), chain.image)]
    stem_channels, stem_kernel = plan.stem
    nodes.append(
        Node(
            "stem",
            "conv",
            (0,),
            (stem_channels, *_strided((height, width), chain.stem.stride)),
            cin=channels,
            kernel=stem_kernel,
            stride=chain.stem.stride,
            after=("norm",),
        )
    )
    for number, ((channels, blocks), stage) in enumerate(zip(plan.stages, chain.stages, strict=True), 1):
        for position, block in enumerate(blocks, 1):
            stride = stage.stride if position == 1 else 1
            _react(nodes, f"s{number}.b{position}", channels, stride, block, chain.pad)
    features = nodes[-1].shape[0]
    nodes.append(Node("mean", "mean", (len(nodes) - 1,), (features, 1, 1)))
    nodes.append(Node("classifier", "dense", (len(nodes) - 1,), (chain.classes, 1, 1), cin=features))
    return tuple(nodes)


def _react(nodes: list[Node], name: str, channels: int, stride: int, block: _Block, pad: int) -> None:
    """Append one block: binary k x k that keeps its channels and strides, binary 1 x 1 that widens."""
    source = len(nodes) - 1
    cin, *size = nodes[source].shape
    map_ = _strided(size, stride)
    shortcut = source
    if stride > 1:
        nodes.append(Node(f"{name}.pool", "pool_avg", (source,), (cin, *map_), kernel=stride, stride=stride))
        shortcut = len(nodes) - 1
    nodes.append(
        Node(
            f"{name}.spatial",
            "conv",
            (source, shortcut),
            (cin, *map_),
            cin=cin,
            kernel=block.kernel,
            stride=stride,
            groups=block.groups,
            weight_bits=1,
            input_bits=1,
            pad=pad,
            before=("shift",),
            after=("norm", "add", "rprelu"),
        )
    )
    source = shortcut = len(nodes) - 1
    if channels != cin:
        nodes.append(Node(f"{name}.tile", "tile", (source,), (channels, *map_)))
        shortcut = len(nodes) - 1
    nodes.append(
        Node(
            f"{name}.pointwise",
            "conv",
            (source, shortcut),
            (channels, *map_),
            cin=cin,
            groups=block.pointwise_groups,
            weight_bits=1,
            input_bits=1,
            before=("shift",),
            after=("norm", "add", "rprelu"),
        )
    )


def _strided(size: Sequence[int], stride: int) -> tuple[int, int]:
    height, width = size
    return -(-height // stride), -(-width // stride)
