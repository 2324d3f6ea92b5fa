"""The layout of a convolution in memory: its weights, its windows and the map that they read.

The part of a window in one group is a row of values, tap by tap and channel by channel: float32, or bits in
words that are full except the last. A filter is a row of the same kind. So a convolution of any kernel,
groups and dilation is a matrix product.

Rows are put together from *planes*: the map with its border, channel by channel (or word by word), with every
stride-th column of a line side by side, so that neighbouring windows read neighbouring values. Without
padding, words are 0 outside the map, which differs from a weight of +1. To make up for this, `whole`, the sum
of signs if no bit differs, is larger by two for each of these.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo_bnas.packed.llvm import LANES
from evo_bnas.packed.step import WORD, Bits, Floats, Step
from evo_bnas.packed.vectors import BLOCK_BYTES

Integers = NDArray[np.int64]

_ALL = 2**WORD - 1
_CACHED = 1024  # geometries: a search repeats the same ones


class Geometry(NamedTuple):
    """The numbers of a convolution that determine its windows."""

    height: int  # of the input
    width: int
    rows: int  # of the output
    columns: int
    kernel: int
    stride: int
    dilation: int
    groups: int
    fan_in: int  # input channels of a group
    unit: int  # channels in one value: 64 in a word, 1 in float32
    padded: bool  # whether taps outside the map read a value, or are left out


class Planes(NamedTuple):
    """The layout of the map of one image, in values (words or float32)."""

    before: int  # rows above and columns to the left of the map
    phase: int  # distance between neighbouring columns; columns a stride apart have distance 1
    pitch: int  # distance between rows
    size: int  # of a plane
    depth: int  # number of planes


class Windows(NamedTuple):
    """The windows of a convolution, and which of their taps are inside the map."""

    planes: Planes
    depth: int  # values of a window in one group
    pieces: Bits  # (pieces, 3), for `vectors.pack`; empty if a window equals its pixel of the map
    starts: Integers  # (groups * depth + 1,): the first piece of every value
    row_kinds: Integers  # (rows,): rows with the same taps inside are of one kind, ...
    column_kinds: Integers  # (columns,): ... as are columns; the kind of a pixel is the sum of both
    row_taps: NDArray[np.bool_]  # (kinds of rows, kernel): which taps are inside
    column_taps: NDArray[np.bool_]  # (kinds of columns, kernel)


class Filters(NamedTuple):
    """The weights and windows of a convolution, as `kernels.convolution` reads them."""

    windows: Windows
    groups: int
    weights: NDArray[Any]  # flat (groups, blocks, depth, lanes of a block): words or float32
    border: NDArray[Any]  # (1,): the value outside the map
    whole: NDArray[np.int32]  # flat (kinds of pixels, channels in whole LANES); empty for float32


def pack_signs(signs: NDArray[np.bool_]) -> Bits:
    """(..., channels) to (..., words): bit t of word d is channel 64 d + t, and 0 beyond the last one."""
    missing = -signs.shape[-1] % WORD
    padded = np.pad(signs, [(0, 0)] * (signs.ndim - 1) + [(0, missing)])
    packed = np.packbits(padded, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64)


def unpack_signs(words: Bits, channels: int) -> Floats:
    """The inverse of `pack_signs`, as -1.0 and +1.0."""
    octets = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    bits = np.unpackbits(octets, axis=-1, count=channels, bitorder="little")
    return bits.astype(np.float32) * 2 - 1


def layout(step: Step) -> Filters:
    """The layout of a convolution or dense layer."""
    assert step.weight is not None
    channels, kernel, _, fan_in = step.weight.shape
    source, binary = step.inputs[0], step.operation == "binary"
    sizes = (source.height, source.width, step.height, step.width)
    window = (kernel, step.stride, step.dilation, step.groups, fan_in)
    padded = not binary or step.pad > 0
    windows = _windows(Geometry(*sizes, *window, unit=WORD if binary else 1, padded=padded))
    rows = step.weight.reshape(channels, -1)
    border = np.array([_ALL * step.pad], np.uint64) if binary else np.array([step.pad], np.float32)
    return Filters(
        windows,
        step.groups,
        _in_blocks(pack_signs(rows) if binary else rows, step.groups),
        border,
        _whole(step.weight, windows) if binary else np.empty(0, np.int32),
    )


@lru_cache(_CACHED)
def _windows(geometry: Geometry) -> Windows:
    groups, fan_in, unit = geometry.groups, geometry.fan_in, geometry.unit
    planes = _planes(geometry)
    depth = -(-fan_in * geometry.kernel**2 // unit)
    direct = geometry.kernel == geometry.stride == 1 and (groups == 1 or fan_in % unit == 0)
    pieces = [] if direct else list(_pieces(geometry, planes, depth))
    row_taps, row_kinds = _inside(geometry, geometry.rows, geometry.height)
    column_taps, column_kinds = _inside(geometry, geometry.columns, geometry.width)
    return Windows(
        planes,
        depth,
        np.array([piece[1:] for piece in pieces], np.uint64).reshape(-1, 3),
        np.searchsorted([piece[0] for piece in pieces], np.arange(groups * depth + 1)),
        row_kinds * len(column_taps),
        column_kinds,
        row_taps,
        column_taps,
    )


def _planes(geometry: Geometry) -> Planes:
    """Planes that hold the map with its border and all windows of the output."""
    stride, reach = geometry.stride, geometry.dilation * (geometry.kernel - 1)
    before = reach // 2
    height = max(before + geometry.height, (geometry.rows - 1) * stride + reach + 1)
    width = max(before + geometry.width, (geometry.columns - 1) * stride + reach + 1)
    phase = -(-width // stride)
    pitch = stride * phase
    depth = -(-geometry.fan_in * geometry.groups // geometry.unit)
    return Planes(before, phase, pitch, height * pitch, depth)


def _pieces(geometry: Geometry, planes: Planes, depth: int) -> Iterator[tuple[int, int, int, int]]:
    """The pieces in the order of the values: (value of the window, offset in the planes, rotation, mask).

    A piece is the channels that one value of the map and one value of the window have in common.
    """
    kernel, stride, fan_in, unit = geometry.kernel, geometry.stride, geometry.fan_in, geometry.unit
    for group in range(geometry.groups):
        for tap in range(kernel**2):
            down, across = (geometry.dilation * side for side in divmod(tap, kernel))
            corner = down * planes.pitch + across % stride * planes.phase + across // stride
            first, to = group * fan_in, tap * fan_in
            end = first + fan_in
            while first < end:
                size = min(unit - first % unit, unit - to % unit, end - first)
                offset = first // unit * planes.size + corner
                yield group * depth + to // unit, offset, (to - first) % unit, (2**size - 1) << to % unit
                first, to = first + size, to + size


def _inside(geometry: Geometry, outputs: int, size: int) -> tuple[NDArray[np.bool_], Integers]:
    """Along one axis: the taps (kinds, kernel) that count, and the kind of every output."""
    kernel, dilation = geometry.kernel, geometry.dilation
    if geometry.padded:
        return np.ones((1, kernel), np.bool_), np.zeros(outputs, np.int64)
    taps = np.arange(kernel) * dilation - dilation * (kernel - 1) // 2
    at = np.arange(outputs)[:, None] * geometry.stride + taps
    kinds, kind = np.unique((at >= 0) & (at < size), axis=0, return_inverse=True)
    return kinds, kind.reshape(-1).astype(np.int64)


def _whole(weight: NDArray[np.bool_], windows: Windows) -> NDArray[np.int32]:
    """The sum of signs if no bit differs, for every kind of row and of column."""
    channels, _, _, fan_in = weight.shape
    inside = windows.row_taps[:, None, :, None] & windows.column_taps[None, :, None, :]
    ones = np.tensordot(~inside, weight.sum(axis=3), ((2, 3), (1, 2)))
    sums = fan_in * inside.sum((2, 3))[:, :, None] + 2 * ones
    return np.pad(sums, [(0, 0), (0, 0), (0, -channels % LANES)]).astype(np.int32).reshape(-1)


def _in_blocks(rows: NDArray[Any], groups: int) -> NDArray[Any]:
    """(channels, depth) to flat (groups, blocks, depth, lanes); channel c is of group c mod groups."""
    channels, depth = rows.shape
    lanes = BLOCK_BYTES // rows.itemsize
    own = rows.reshape(channels // groups, groups, depth).transpose(1, 0, 2)
    padded = np.pad(own, [(0, 0), (0, -own.shape[1] % lanes), (0, 0)])
    blocks = padded.reshape(groups, -1, lanes, depth)
    return np.ascontiguousarray(blocks.transpose(0, 1, 3, 2)).reshape(-1)
