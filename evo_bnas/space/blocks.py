"""The blocks of chains, by name.

A block continues from the last node of a sketch and leaves its output as the last node. Every binary
convolution has a shortcut without parameters: a mean over windows if the map shrinks, repeated channels if
the stream widens. Blocks of QuickNet and of operation chains keep their channels and size; instead, a
transition comes before the first block of a stage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from evo_bnas.files.yaml_file import Settings
from evo_bnas.network.node import NodeStep
from evo_bnas.space.operations import OPERATIONS
from evo_bnas.space.sketch import Sketch

_REACT: tuple[NodeStep, ...] = ("norm", "add", "rprelu")
_QUICK: tuple[NodeStep, ...] = ("prelu", "norm", "add")


@dataclass(frozen=True, slots=True)
class Block:
    """The numbers of one block; only the first block of a stage has a stride other than 1."""

    channels: int
    stride: int = 1
    kernel: int = 3
    groups: int = 1
    pointwise_groups: int = 1
    operation: str = ""
    pad: int = 0


class Transition(Settings):
    """The layer that shrinks the map and widens the stream: a mean and kernel 1, or a strided kernel 3."""

    kernel: Literal[1, 3] = 1
    weights: Literal["real", "binary"] = "real"


@dataclass(frozen=True, slots=True)
class BlockKind:
    """The function that draws a block, and the fields that the block has."""

    draw: Callable[[Sketch, str, Block], None]
    fields: tuple[str, ...] = ("kernel", "groups")
    keeps: tuple[str, ...] = ()  # group fields of convolutions that keep their number of channels
    transition: Transition | None = None  # None: the block strides and widens itself


def one_convolution(
    before: tuple[NodeStep, ...], after: tuple[NodeStep, ...]
) -> Callable[[Sketch, str, Block], None]:
    """The drawing function of a block of one binary k x k convolution with these steps."""

    def draw(sketch: Sketch, name: str, block: Block) -> None:
        source = sketch.last
        shortcut = None
        if "add" in after:
            pooled = sketch.shrink(f"{name}.pool", source, block.stride)
            shortcut = sketch.tile(f"{name}.tile", pooled, block.channels)
        sketch.conv(
            f"{name}.conv",
            source,
            block.channels,
            kernel=block.kernel,
            stride=block.stride,
            groups=block.groups,
            binary=True,
            pad=block.pad,
            before=before,
            after=after,
            shortcut=shortcut,
        )

    return draw


def _react(sketch: Sketch, name: str, block: Block) -> None:
    """Binary k x k with a stride and unchanged channels, then binary 1 x 1 that widens.

    The block of ReActNet (Liu et al., ECCV 2020), of NAS-BNN (Lin et al., Pattern Recognition 159, 2025)
    and, with group convolutions, of Phan et al. (CVPR 2020).
    """
    source = sketch.last
    spatial = sketch.conv(
        f"{name}.spatial",
        source,
        sketch.channels(source),
        kernel=block.kernel,
        stride=block.stride,
        groups=block.groups,
        binary=True,
        pad=block.pad,
        before=("shift",),
        after=_REACT,
        shortcut=sketch.shrink(f"{name}.pool", source, block.stride),
    )
    sketch.conv(
        f"{name}.pointwise",
        spatial,
        block.channels,
        groups=block.pointwise_groups,
        binary=True,
        before=("shift",),
        after=_REACT,
        shortcut=sketch.tile(f"{name}.tile", spatial, block.channels),
    )


def _choice(sketch: Sketch, name: str, block: Block) -> None:
    """The chosen operation with an identity shortcut, after SPOS (Guo et al., ECCV 2020)."""
    source = sketch.last
    operation = OPERATIONS[block.operation]
    name = f"{name}.{block.operation}"
    if operation.op == "conv":
        sketch.conv(
            name,
            source,
            block.channels,
            kernel=operation.kernel,
            dilation=operation.dilation,
            groups=operation.groups,
            binary=True,
            pad=block.pad,
            before=("shift",),
            after=_QUICK,
            shortcut=source,
        )
    elif operation.op is not None:
        pooled = sketch.pool(name, operation.op, source, kernel=operation.kernel, after=("norm",))
        sketch.merge(f"{name}.sum", "sum", [source, pooled])


# One entry per block. A block of one convolution needs only the steps before and after it.
BLOCKS: dict[str, BlockKind] = {
    "react": BlockKind(_react, fields=("kernel", "groups", "pointwise_groups"), keeps=("groups",)),
    "bireal": BlockKind(one_convolution(before=(), after=("norm", "add"))),
    "bats": BlockKind(one_convolution(before=("norm",), after=("scale", "prelu", "add"))),
    "quick": BlockKind(one_convolution(before=("shift",), after=_QUICK), transition=Transition()),
    "choice": BlockKind(_choice, fields=("operation",), transition=Transition(kernel=3, weights="binary")),
}


def draw_transition(sketch: Sketch, name: str, block: Block, transition: Transition) -> None:
    """Append a transition to the stride and channels of a block, unless both are unchanged."""
    source = shortcut = sketch.last
    stride = block.stride
    if stride == 1 and block.channels == sketch.channels(source):
        return
    binary = transition.weights == "binary"
    if binary or transition.kernel == 1:
        shortcut = sketch.shrink(f"{name}.pool", source, stride)
    if transition.kernel == 1:
        source, stride = shortcut, 1
    sketch.conv(
        f"{name}.conv",
        source,
        block.channels,
        kernel=transition.kernel,
        stride=stride,
        binary=binary,
        pad=block.pad if binary and transition.kernel > 1 else 0,
        before=("shift",) if binary else (),
        after=_QUICK if binary else ("norm",),
        shortcut=sketch.tile(f"{name}.tile", shortcut, block.channels) if binary else None,
    )
