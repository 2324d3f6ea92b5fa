"""A chain space as its YAML file says it: what may stand there, and what fits together.

A scalar is fixed and a list is a choice: one for the whole stage, or one for every block where it stands
under `each`.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from evo_bnas.errors import suggestion
from evo_bnas.files.yaml_file import Settings
from evo_bnas.space.blocks import BLOCKS, BlockKind, Transition
from evo_bnas.space.constraints import Constraints, Option, check_concerns
from evo_bnas.space.operations import OPERATIONS

# What a block chooses for itself or its stage for all its blocks, in the order of the genes.
BLOCK_FIELDS = ("kernel", "groups", "pointwise_groups", "operation")


def _as_options(value: object) -> object:
    return [value] if isinstance(value, int) else value


def _as_names(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _distinct(options: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(options)) < len(options):
        raise ValueError(f"{list(options)} names an option twice")
    return tuple(sorted(options))


def _odd(options: tuple[int, ...]) -> tuple[int, ...]:
    even = [option for option in options if option % 2 == 0]
    if even:
        raise ValueError(f"kernel {even[0]} is even; write {even[0] - 1} or {even[0] + 1}")
    return options


def _operations(names: tuple[str, ...]) -> tuple[str, ...]:
    # Inside an identity `none` would be `skip` under a second name.
    known = [name for name in OPERATIONS if name != "none"]
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is no operation of a chain; {suggestion(name, known)}")
        if names.count(name) > 1:
            raise ValueError(f"{list(names)} names an option twice")
    return names


def _block(name: str) -> str:
    if name not in BLOCKS:
        raise ValueError(f"{name!r} is unknown; {suggestion(name, BLOCKS)}")
    return name


_Option = Annotated[int, Field(ge=1, strict=True)]
Options = Annotated[
    tuple[_Option, ...],
    BeforeValidator(_as_options),
    Field(min_length=1),
    AfterValidator(_distinct),
]
Kernels = Annotated[Options, AfterValidator(_odd)]
Operations = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_names),
    Field(min_length=1),
    AfterValidator(_operations),
]
_Stride = Annotated[int, Field(ge=1, le=4, strict=True)]

_QUICK_STRIDE = 4  # two convolutions of stride 2
_QUICK_PART = 4  # the first of them has a quarter of the channels


class BaseStem(Settings):
    """The real-valued layers that read the image, in any family.

    `conv` is one convolution; `quick` that of QuickNet (Bannink et al., MLSys 2021): 3 x 3 to a quarter of
    the channels and 3 x 3 depthwise, each of stride 2, then 1 x 1.
    """

    kind: Literal["conv", "quick"] = "conv"
    stride: _Stride = 1

    @model_validator(mode="after")
    def _strides(self) -> "BaseStem":
        if self.kind == "quick" and self.stride != _QUICK_STRIDE:
            raise ValueError(f"a quick stem has stride {_QUICK_STRIDE}; write that, or leave out its kind")
        return self

    def check_widths(self, widths: Sequence[int]) -> None:
        """Raise ValueError where a stem of this kind cannot put out one of these numbers of channels."""
        odd = next((width for width in widths if width % _QUICK_PART), None)
        if self.kind == "quick" and odd:
            raise ValueError(f"stem: a quarter of {odd} channels is no whole number")


class Stem(BaseStem):
    """The stem of a chain."""

    channels: Options | None = None  # None: those of the first stage
    kernel: Kernels = (3,)


class Each(Settings):
    """What every block of a stage chooses for itself."""

    channels: Options | None = None
    kernel: Kernels | None = None
    groups: Options | None = None
    pointwise_groups: Options | None = None
    operation: Operations | None = None


class Stage(Settings):
    """Blocks of one resolution; the first one strides and widens."""

    channels: Options | None = None
    blocks: Options = (1,)
    stride: _Stride = 1
    kernel: Kernels = (3,)
    groups: Options = (1,)
    pointwise_groups: Options = (1,)
    each: Each = Each()

    @model_validator(mode="after")
    def _chosen_once(self) -> "Stage":
        for field in ("channels", *BLOCK_FIELDS):
            if getattr(self.each, field) is not None and field in self.model_fields_set:
                raise ValueError(f"{field} stands in the stage and under `each`; keep one of them")
        if self.channels is None and self.each.channels is None:
            raise ValueError("channels is missing; write it in the stage, or under `each`")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels that a block of the stage may put out."""
        widths = self.channels or self.each.channels
        assert widths is not None
        return widths

    @property
    def widths_read(self) -> tuple[int, ...]:
        """Channels that a block other than the first may read."""
        return self.widths if max(self.blocks) > 1 else ()


class ChainDefinition(Settings):
    """A chain space as its YAML file says it."""

    family: Literal["chain"]
    block: Annotated[str, AfterValidator(_block)]
    image: tuple[_Option, _Option, _Option]
    classes: Annotated[int, Field(ge=2, strict=True)]
    pad: Literal[0, 1] = 0
    transition: Transition | None = None  # None: that of the block
    constraints: Constraints = Field(default_factory=dict)
    stem: Stem
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @property
    def kind(self) -> BlockKind:
        """What the blocks are."""
        return BLOCKS[self.block]

    @model_validator(mode="after")
    def _fits_together(self) -> "ChainDefinition":
        if self.transition and not self.kind.transition:
            raise ValueError(f"transition: a {self.block} block widens by itself; leave it out")
        if self.stem.channels is None and self.stages[0].channels is None:
            raise ValueError("stem.channels: is missing, and those of stage 1 stand under `each`; write it")
        self.stem.check_widths(self.stem.channels or self.stages[0].widths)
        check_concerns(self.constraints, ("channels", "blocks", "kernel", *self.kind.fields))
        before, name = self.stem.channels or (), "the stem"
        for number, stage in enumerate(self.stages, 1):
            self._check_fields(number, stage)
            if "nondecreasing" not in self.constraints:
                _check_widths(number, stage, before, name)
            self._check_groups(number, stage, before)
            before, name = stage.widths, f"stage {number}"
        return self

    def _check_fields(self, number: int, stage: Stage) -> None:
        """Raise ValueError where a stage has a number that its blocks do not take."""
        for field in BLOCK_FIELDS:
            given = field in stage.model_fields_set or getattr(stage.each, field) is not None
            if given and field not in self.kind.fields:
                takes = " and ".join(("channels", *self.kind.fields))
                raise ValueError(f"stages.{number}.{field}: a {self.block} block has none; it takes {takes}")
        if "operation" in self.kind.fields:
            if stage.each.operation is None:
                raise ValueError(f"stages.{number}.each.operation: is missing")
            if len(stage.blocks) > 1:
                raise ValueError(
                    f"stages.{number}.blocks: {list(stage.blocks)} and the operation skip would draw one "
                    f"network twice; write {max(stage.blocks)}, and offer skip"
                )

    def _check_groups(self, number: int, stage: Stage, before: tuple[int, ...]) -> None:
        """Raise ValueError where groups do not divide channels that a block may read or put out."""
        for field in ("groups", "pointwise_groups", "operation"):
            read = stage.widths if self.kind.transition else (*(before or stage.widths), *stage.widths_read)
            widths = read if field in self.kind.keeps else (*read, *stage.widths)
            for option in block_options(stage, field) if field in self.kind.fields else ():
                groups = option if isinstance(option, int) else OPERATIONS[option].groups
                odd = next((width for width in widths if width % groups), None)
                if odd is not None:
                    raise ValueError(f"stages.{number}.{field}: {groups} groups do not divide {odd} channels")


def block_options(stage: Stage, field: str) -> tuple[Option, ...]:
    """The options of a number that the stage or each of its blocks decides."""
    own: tuple[Option, ...] | None = getattr(stage.each, field)
    shared: tuple[Option, ...] = () if own is not None else getattr(stage, field)
    return shared if own is None else own


def _check_widths(number: int, stage: Stage, before: tuple[int, ...], name: str) -> None:
    """Raise ValueError where a block might narrow the stream; a stem of its width has none before it."""
    if before and min(stage.widths) < max(before):
        raise ValueError(
            f"stages.{number}.channels: {min(stage.widths)} is less than the {max(before)} channels that "
            f"{name} may have: a parameter-free shortcut cannot narrow; start at {max(before)} or more"
        )
    if stage.each.channels and len(stage.each.channels) > 1 and max(stage.blocks) > 1:
        raise ValueError(
            f"stages.{number}.each.channels: {min(stage.widths)} may follow {max(stage.widths)}, but a "
            "parameter-free shortcut cannot narrow; write `constraints: {nondecreasing: channels}`"
        )
