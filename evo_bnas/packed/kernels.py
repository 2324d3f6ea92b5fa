# mypy: ignore-errors
# Numba infers the types of kernels at their first call.
"""The kernels of a program's steps: Numba, one thread each, without the global interpreter lock.

Maps are flat arrays of (images, height, width, channels). Every kernel computes a few pixels at a time in a
buffer that stays in the first-level cache; `_emit` then takes them through the epilogue and writes them,
packs their signs for every reader, or both. The epilogue is neither reordered nor fused, so that it rounds as
`binary.fold` does.
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from evo_bnas.packed.epilogue import ADD, Pixels, apply_epilogue
from evo_bnas.packed.llvm import LANES, TILE
from evo_bnas.packed.vectors import BLOCK_BYTES, SPAN, interleave, multiply, pack, reduce_window

_Function = Callable[..., Any]

_SOURCES = sorted(Path(__file__).parent.glob("*.py"))
_VERSION = sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()[:12]
_ZERO = np.float32(0)


def _kernel(function: _Function, **options: bool) -> _Function:
    """Compile at the first call, for the CPU at hand, and cache the result on disk.

    Kernels do not allocate: their buffers are arguments. This allows them to do without Numba's runtime,
    which would count references to every view of an array.
    """
    # Numba's cache knows a kernel by its name and the age of this file. But kernels also depend on the types
    # and generators of code in other modules, so the name includes the version of the whole package.
    function.__qualname__ += f"-{_VERSION}"
    return njit(nogil=True, cache=True, error_model="numpy", _nrt=False, **options)(function)


def _inlined(function: _Function) -> _Function:
    """A kernel that others call for every line or tile: inlined, since arrays are many machine arguments."""
    return _kernel(function, forceinline=True)


@_inlined
def _emit(
    sums, whole, kinds, tiled, pixel, count, channels, epilogue, shortcut, shortcut_channels, real, signs,
    pixels,
):  # fmt: skip
    """Take the sums of up to TILE pixels through the epilogue, to the real map and the signs.

    `sums` and `kinds` are `Pixels`; see `apply_epilogue`. `pixel` is the number of the first one among the
    `pixels` of all images. `tiled` has room for TILE pixels of whole LANES.
    """
    width = -(-channels // LANES) * LANES
    added, first, step = shortcut, pixel * shortcut_channels, shortcut_channels
    if epilogue.stages & ADD and shortcut_channels < channels and shortcut_channels % LANES:
        for p in range(count):
            for c in range(channels):
                tiled[p * width + c] = shortcut[first + p * step + c % shortcut_channels]
        added, first, step = tiled, 0, width
    words = -(-channels // 64)
    readers = epilogue.levels.size // (64 * words)
    outputs = Pixels(real, pixel * channels, channels)
    bits = Pixels(signs, pixel * words, words)
    at = 0
    for c in range(0, channels, LANES):
        apply_epilogue(
            count, c, channels, sums, whole, kinds, epilogue, Pixels(added, first + at, step), real.size > 0,
            outputs, bits, readers, pixels * words,
        )  # fmt: skip
        at += LANES
        if at == step:
            at = 0


@_kernel
def _lay_out(first, images, source, height, width, stride, planes, target):
    """Copy maps into their planes; see `layout.Planes`."""
    before, phase, pitch, size, depth = planes
    for image in range(images):
        for row in range(height):
            line = ((first + image) * height + row) * width
            for s in range(stride):
                start = (s - before) % stride
                to = image * size * depth + (row + before) * pitch + s * phase + (start + before) // stride
                for column in range(start, width, stride):
                    at = (line + column) * depth
                    for d in range(depth):
                        target[to + d * size] = source[at + d]
                    to += 1


@_inlined
def _window_rows(first, lines, stride, rows, columns, windows, group, source, packed, pitch):
    """Pack the windows of some lines in one group: value k of all pixels goes to `packed[k * pitch:]`.

    If a span of pixels exceeds its line, the next line overwrites the excess.
    """
    planes, depth, pieces, starts = windows.planes, windows.depth, windows.pieces, windows.starts
    for line in range(lines):
        image, i = divmod(first + line, rows)
        corner = image * planes.depth * planes.size + i * stride * planes.pitch
        for j in range(0, columns, SPAN):
            for k in range(depth):
                n = group * depth + k
                to = k * pitch + line * columns + j
                pack(source, corner + j, pieces, starts[n], starts[n + 1], packed, to)


@_inlined
def _in_order(strip, width, groups, lanes, sums):
    """Bring sums from the order of groups into the order of channels, and return their start.

    The `lanes` of a pixel hold group after group, and channel c belongs to group c mod groups. So this is a
    transposition; it is done factor by factor, back and forth between the halves of `sums`.
    """
    first, free = 0, sums.size // 2
    while groups > 1:
        factor = 2 if groups % 2 == 0 else groups
        part = lanes // factor
        for p in range(0, strip * width, width):
            if factor == 2:
                interleave(sums, first + p, part, free + p)
            else:
                for group in range(factor):
                    for row in range(part):
                        sums[free + p + row * factor + group] = sums[first + p + group * part + row]
        first, free = free, first
        groups //= factor
    return first


@_kernel
def convolution(
    images, stride, source, sizes, filters, buffers, epilogue, shortcut, shortcut_channels, real, signs
):
    """A convolution of signs with signs, in exact integers, or of float32 with float32.

    `sizes` are height and width of the input, then height, width and channels of the output; `filters` is a
    `layout.Filters` and `buffers` a `perform.Buffers`. The convolution is computed in strips of some lines,
    so that the windows of a strip and their sums stay in the first-level cache.
    """
    height, width, rows, columns, channels = sizes
    windows, groups, weights, border, whole = filters
    laid_out, packed, sums, kinds, tiled, images_at_once, strip_lines = buffers
    planes, depth = windows.planes, windows.depth
    lanes = BLOCK_BYTES // source.itemsize
    blocks = weights.size // (groups * depth * lanes)
    apart = -(-groups * blocks * lanes // LANES) * LANES
    aligned = -(-channels // LANES) * LANES
    # A 1 x 1 kernel reads the map directly if no word holds channels of two groups.
    direct = windows.pieces.size == 0
    pitch = packed.size // depth
    read, pixel, step = (source, planes.depth, 1) if direct else (packed, 1, pitch)
    laid_out[:] = border[0]
    for begin in range(0, images, images_at_once):
        some = min(images_at_once, images - begin)
        if not direct:
            _lay_out(begin, some, source, height, width, stride, planes, laid_out)
        for first in range(0, some * rows, strip_lines):
            lines = min(strip_lines, some * rows - first)
            strip, done = lines * columns, (begin * rows + first) * columns
            for group in range(groups):
                at = done * planes.depth + group * depth if direct else 0
                if not direct:
                    _window_rows(first, lines, stride, rows, columns, windows, group, laid_out, packed, pitch)
                for p in range(0, strip, TILE):
                    for block in range(group * blocks, (group + 1) * blocks):
                        multiply(
                            read, at + p * pixel, pixel, step, strip - p, depth, weights,
                            block * depth * lanes, sums, p * apart + block * lanes, apart,
                        )  # fmt: skip
            for line in range(lines):
                row_kind = windows.row_kinds[(first + line) % rows]
                for j in range(columns):
                    kinds[line * columns + j] = (row_kind + windows.column_kinds[j]) * aligned
            start = _in_order(strip, apart, groups, groups * blocks * lanes, sums)
            for p in range(0, strip, TILE):
                _emit(
                    Pixels(sums, start + p * apart, apart), whole, Pixels(kinds, p, 1), tiled, done + p,
                    min(TILE, strip - p), channels, epilogue, shortcut, shortcut_channels, real, signs,
                    images * rows * columns,
                )  # fmt: skip


@_kernel
def pool(images, window, source, sizes, largest, tile, epilogue, real, signs):
    """The maximum (if `largest`) or mean of every window, over its values inside the map.

    `window` is (kernel, stride, rows and columns before the centre). Values are added row by row.
    """
    kernel, stride, before = window
    height, width, rows, columns, channels = sizes
    wide = tile.size // TILE
    for line in range(images * rows):
        image, i = divmod(line, rows)
        top, bottom = max(i * stride - before, 0), min(i * stride - before + kernel, height)
        corner = (image * height + top) * width
        for begin in range(0, columns, TILE):
            count = min(TILE, columns - begin)
            for p in range(count):
                first = (begin + p) * stride - before
                left, right = max(first, 0), min(first + kernel, width)
                for c in range(0, channels, LANES):
                    reduce_window(
                        source, (corner + left) * channels, bottom - top, width * channels, right - left,
                        channels, c, largest, tile, p * wide + c,
                    )  # fmt: skip
            results = Pixels(tile, 0, wide)
            _emit(
                results, tile, results, tile, line * columns + begin, count, channels, epilogue, real, 0,
                real, signs, images * rows * columns,
            )  # fmt: skip


@_kernel
def finish(pixels, channels, source, tiled, epilogue, shortcut, shortcut_channels, real, signs):
    """The epilogue alone; `real` may be the source itself."""
    for pixel in range(0, pixels, TILE):
        values = Pixels(source, pixel * channels, channels)
        _emit(
            values, source, values, tiled, pixel, min(TILE, pixels - pixel), channels, epilogue, shortcut,
            shortcut_channels, real, signs, pixels,
        )  # fmt: skip


@_kernel
def mean(images, pixels, channels, source, real):
    """The mean of every channel; values are added in the order of the pixels."""
    for image in range(images):
        y = real[image * channels :]
        for c in range(channels):
            y[c] = _ZERO
        for pixel in range(pixels):
            read = source[(image * pixels + pixel) * channels :]
            for c in range(channels):
                y[c] += read[c]
        for c in range(channels):
            y[c] /= np.float32(pixels)


@_kernel
def moments(pixels, channels, source, sums, squares):
    """Add the values of every channel and their squares in float64, which is exact for integers."""
    for pixel in range(pixels):
        read = source[pixel * channels :]
        for c in range(channels):
            value = np.float64(read[c])
            sums[c] += value
            squares[c] += value * value
