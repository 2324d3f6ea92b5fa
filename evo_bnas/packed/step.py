"""The steps of a program, as values: NumPy arrays, and no torch.

A step is one node of a blueprint in its inference form: an operation, then the epilogue
`act2(a2 * act1(a1*z + b1) + b2 + shortcut)`, then the signs of the result for every binary convolution that
reads it. Maps lie in registers, which are used again after their last reader.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bits = NDArray[np.uint64]

Operation = Literal[
    "image", "binary", "conv", "dense", "pool_avg", "pool_max", "tile", "concat", "sum", "mean"
]
Kind = Literal["real", "signs"]
WORD = 64


@dataclass(frozen=True, slots=True)
class Map:
    """A map of every image, and the register that holds it.

    A real map is (height, width, channels) of float32. Signs of a map are (height, width, words) of
    uint64: bit t of word d is 1 where channel 64 d + t is +1, and 0 beyond the last channel. A register
    of signs holds one such map for every reader; `entry` says which.
    """

    register: int
    height: int
    width: int
    channels: int
    entry: int = 0


@dataclass(frozen=True, eq=False)
class Epilogue:
    """What follows an operation, in this order; rows that are absent are the identity. All float32.

    Every product and every sum is rounded on its own: there is no fused multiply-add.
    """

    affine1: Floats  # (0 | 2, channels): a * x + b
    act1: Floats  # (0 | 1 | 3, channels): slope, shift_in, shift_out
    affine2: Floats  # as affine1; the shortcut is added after it
    act2: Floats  # as act1: t = x + shift_in; (t if t > 0 else t * slope) + shift_out; a relu has slope 0
    levels: Floats  # (readers, channels): +1 where x >= level; infinite where the sign is constant
    flips: NDArray[np.bool_]  # (readers, channels): +1 where x <= level instead

    @property
    def empty(self) -> bool:
        """Whether it changes no value, and nothing reads signs."""
        return not any(len(rows) for rows in (self.affine1, self.act1, self.affine2, self.act2, self.levels))


@dataclass(frozen=True, eq=False)
class Step:
    """One operation with all that follows it.

    Output channel c of a convolution reads input block `c mod groups`. Outside a map there is nothing;
    where `pad` is 1, a convolution reads +1 there. Maps put out have ceil(size / stride) rows and columns.
    """

    name: str  # of the node
    operation: Operation  # "binary": a convolution of signs with signs; the others as in blueprints
    inputs: tuple[Map, ...]  # real maps, but signs for "binary"; of an image none
    height: int  # of what is put out
    width: int
    channels: int
    epilogue: Epilogue
    shortcut: Map | None = None  # channel c reads channel c mod shortcut.channels
    real: Map | None = None  # where the result is written; None where nothing but signs reads it
    signs: Map | None = None  # where the signs of the result are written, one entry for each of the levels
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    pad: int = 0
    # (channels, kernel, kernel, cin / groups); bool and true for +1 in a binary step, else float32. A dense
    # layer has kernel 1.
    weight: NDArray[Any] | None = None
    # (0 | 2, cin): a * x + b of the input of a real convolution or dense layer, before the border is added.
    before: Floats | None = None
    # Whether the input of a real convolution or dense layer is signs, to be read as -1.0 and +1.0.
    unpacks: bool = False


@dataclass(frozen=True, slots=True)
class Register:
    """Memory for one map of every image, or for the signs of one."""

    kind: Kind
    size: int  # values an image: float32 of a real map, 64-bit words of signs
