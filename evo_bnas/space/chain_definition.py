"""The YAML file of a chain space: its fields, and checks that they fit together.

A scalar is a fixed value and a list is a choice: one choice for the whole stage, or one for every block if
the list is under `each`.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from evo_bnas.errors import suggestion
from evo_bnas.files.yaml_file import Settings
from evo_bnas.space.blocks import BLOCKS, BlockKind, Transition
from evo_bnas.space.constraints import Constraints, Option, check_concerns
from evo_bnas.space.operations import OPERATIONS

# The fields that a block or its stage decides, in the order of the genes.
BLOCK_FIELDS = ("kernel", "groups", "pointwise_groups", "operation")


def _as_options(value: object) -> object:
    return [value] if isinstance(value, int) else value


def _as_names(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _distinct(options: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(options)) < len(options):
        raise ValueError(f"{list(options)} has a duplicate option")
    return tuple(sorted(options))


def _odd(options: tuple[int, ...]) -> tuple[int, ...]:
    even = [option for option in options if option % 2 == 0]
    if even:
        raise ValueError(f"kernel {even[0]} is even; write {even[0] - 1} or {even[0] + 1}")
    return options


def _operations(names: tuple[str, ...]) -> tuple[str, ...]:
    # With a shortcut around it, `none` would be the same as `skip`.
    known = [name for name in OPERATIONS if name != "none"]
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is not an operation of a chain; {suggestion(name, known)}")
        if names.count(name) > 1:
            raise ValueError(f"{list(names)} has a duplicate option")
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
    """The real-valued layers that read the image, for all families.

    `conv` is one convolution. `quick` is the stem of QuickNet (Bannink et al., MLSys 2021): 3 x 3 to a
    quarter of the channels and 3 x 3 depthwise, each with stride 2, then 1 x 1.
    """

    kind: Literal["conv", "quick"] = "conv"
    stride: _Stride = 1

    @model_validator(mode="after")
    def _strides(self) -> "BaseStem":
        if self.kind == "quick" and self.stride != _QUICK_STRIDE:
            raise ValueError(
                f"a quick stem has stride {_QUICK_STRIDE}, not {self.stride}; write it, or leave out `kind`"
            )
        return self

    def check_widths(self, widths: Sequence[int]) -> None:
        """Raise ValueError if a stem of this kind cannot have one of these numbers of channels."""
        odd = next((width for width in widths if width % _QUICK_PART), None)
        if self.kind == "quick" and odd:
            raise ValueError(f"stem: {odd} channels; a quick stem needs a multiple of {_QUICK_PART}")


class ChainStem(BaseStem):
    """The stem of a chain."""

    channels: Options | None = None  # None: as the first stage
    kernel: Kernels = (3,)


class Each(Settings):
    """The fields that every block of a stage chooses separately."""

    channels: Options | None = None
    kernel: Kernels | None = None
    groups: Options | None = None
    pointwise_groups: Options | None = None
    operation: Operations | None = None


class Stage(Settings):
    """Blocks of one resolution; only the first one strides."""

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
                raise ValueError(f"{field} is set both in the stage and under `each`; keep one of them")
        if self.channels is None and self.each.channels is None:
            raise ValueError("channels is missing; set it in the stage, or under `each`")
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """The possible output channels of a block of the stage."""
        widths = self.channels or self.each.channels
        assert widths is not None
        return widths

    @property
    def widths_read(self) -> tuple[int, ...]:
        """The possible input channels of blocks after the first."""
        return self.widths if max(self.blocks) > 1 else ()


class ChainDefinition(Settings):
    """The YAML file of a chain space."""

    family: Literal["chain"]
    block: Annotated[str, AfterValidator(_block)]
    image: tuple[_Option, _Option, _Option]
    classes: Annotated[int, Field(ge=2, strict=True)]
    pad: Literal[0, 1] = 0
    transition: Transition | None = None  # None: the default of the block
    constraints: Constraints = Field(default_factory=dict)
    stem: ChainStem
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @property
    def kind(self) -> BlockKind:
        """The kind of its blocks."""
        return BLOCKS[self.block]

    @model_validator(mode="after")
    def _fits_together(self) -> "ChainDefinition":
        if self.transition and not self.kind.transition:
            raise ValueError(
                f"transition: a {self.block} block needs none, since it widens itself; leave it out"
            )
        if self.stem.channels is None and self.stages[0].channels is None:
            raise ValueError("stem.channels: is missing, and stage 1 has no common channels; set it")
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
        """Raise ValueError if a stage has a field that its blocks do not have."""
        for field in BLOCK_FIELDS:
            given = field in stage.model_fields_set or getattr(stage.each, field) is not None
            if given and field not in self.kind.fields:
                fields = " and ".join(("channels", *self.kind.fields))
                raise ValueError(f"stages.{number}.{field}: a {self.block} block has only {fields}")
        if "operation" in self.kind.fields:
            if stage.each.operation is None:
                raise ValueError(f"stages.{number}.each.operation: is missing")
            if len(stage.blocks) > 1:
                raise ValueError(
                    f"stages.{number}.blocks: {list(stage.blocks)} would give duplicate networks, since the "
                    f"operation skip omits a block too; write {max(stage.blocks)}, and offer skip"
                )

    def _check_groups(self, number: int, stage: Stage, before: tuple[int, ...]) -> None:
        """Raise ValueError if groups do not divide possible input or output channels of a block."""
        for field in ("groups", "pointwise_groups", "operation"):
            read = stage.widths if self.kind.transition else (*(before or stage.widths), *stage.widths_read)
            widths = read if field in self.kind.keeps else (*read, *stage.widths)
            for option in block_options(stage, field) if field in self.kind.fields else ():
                groups = option if isinstance(option, int) else OPERATIONS[option].groups
                odd = next((width for width in widths if width % groups), None)
                if odd is not None:
                    raise ValueError(f"stages.{number}.{field}: {groups} groups do not divide {odd} channels")


def block_options(stage: Stage, field: str) -> tuple[Option, ...]:
    """The options of a field, which the stage or each of its blocks decides."""
    own: tuple[Option, ...] | None = getattr(stage.each, field)
    shared: tuple[Option, ...] = () if own is not None else getattr(stage, field)
    return shared if own is None else own


def _check_widths(number: int, stage: Stage, before: tuple[int, ...], name: str) -> None:
    """Raise ValueError if a block may narrow the stream, whose possible channels are `before`."""
    if before and min(stage.widths) < max(before):
        raise ValueError(
            f"stages.{number}.channels: {min(stage.widths)} is less than {max(before)}, which {name} may "
            f"have, but a parameter-free shortcut cannot narrow; start at {max(before)} or more"
        )
    if stage.each.channels and len(stage.each.channels) > 1 and max(stage.blocks) > 1:
        raise ValueError(
            f"stages.{number}.each.channels: {min(stage.widths)} may follow {max(stage.widths)}, but a "
            "parameter-free shortcut cannot narrow; add `constraints: {nondecreasing: channels}`"
        )
