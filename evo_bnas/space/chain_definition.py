"""A chain space as its YAML file says it: what may stand there, and what fits together.

A scalar is fixed and a list is a choice: one for the whole stage, or one for every block where it stands
under `each`.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from evo_bnas.yaml_file import Settings

# What a stage decides once, and what its blocks may decide for themselves, in the order of the genes.
STAGE_FIELDS = ("channels", "blocks")
BLOCK_FIELDS = ("kernel", "groups", "pointwise_groups")


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
        for field in BLOCK_FIELDS:
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
