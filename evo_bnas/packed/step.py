"""The steps of a program as values that need NumPy but not torch.

A step is one node of a blueprint in its inference form: an operation, then the epilogue
`act2(a2 * act1(a1*z + b1) + b2 + shortcut)`, then the signs of the result for every binary convolution that
reads it. Maps are held in registers, which are reused after their last reader.
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

    A real map is (height, width, channels) of float32. The signs of a map are (height, width, words) of
    uint64: bit t of word d is 1 if channel 64 d + t is +1, and 0 beyond the last channel. A register of signs
    holds one such map per reader; `entry` is the number of the reader.
    """

    register: int
    height: int
    width: int
    channels: int
    entry: int = 0


@dataclass(frozen=True, eq=False)
class Epilogue:
    """The stages after an operation, in this order; absent ones are the identity. All numbers are float32.

    Every product and every sum is rounded separately: there is no fused multiply-add.
    """

    affine1: Floats  # (0 | 2, channels): a * x + b
    act1: Floats  # (0 | 1 | 3, channels): slope, shift_in, shift_out
    affine2: Floats  # as affine1; the shortcut is added after it
    act2: Floats  # as act1: t = x + shift_in; (t if t > 0 else t * slope) + shift_out; a relu has slope 0
    levels: Floats  # (readers, channels): +1 if x >= level; infinite if the sign is constant
    flips: NDArray[np.bool_]  # (readers, channels): +1 if x <= level instead

    @property
    def empty(self) -> bool:
        """Whether it changes no value and produces no signs."""
        return not any(len(rows) for rows in (self.affine1, self.act1, self.affine2, self.act2, self.levels))


@dataclass(frozen=True, eq=False)
class Step:
    """One operation with its epilogue and its outputs.

    Output channel c of a convolution reads input block `c mod groups`. Values outside a map are left out, or
    are +1 if `pad` is 1. Outputs have ceil(size / stride) rows and columns.
    """

    name: str  # of the node
    operation: Operation  # "binary": a convolution of signs with signs; otherwise as in blueprints
    inputs: tuple[Map, ...]  # signs for "binary", otherwise real maps; empty for the image
    height: int  # of the output
    width: int
    channels: int
    epilogue: Epilogue
    shortcut: Map | None = None  # channel c reads channel c mod shortcut.channels
    real: Map | None = None  # the result; None if only its signs are read
    signs: Map | None = None  # the signs of the result, one entry per row of the levels
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    pad: int = 0
    # (channels, kernel, kernel, cin / groups): bool, true for +1, in a binary step, otherwise float32. A
    # dense layer has kernel 1.
    weight: NDArray[Any] | None = None
    # (0 | 2, cin): a * x + b of the input of a real convolution or dense layer, before padding.
    before: Floats | None = None
    # Whether a real convolution or dense layer reads signs, as -1.0 and +1.0.
    unpacks: bool = False


@dataclass(frozen=True, slots=True)
class Register:
    """Memory for one map of every image, or for the signs of one."""

    kind: Kind
    size: int  # values per image: float32 of a real map, 64-bit words of signs
