# mypy: ignore-errors
# Numba finds the types of kernels at their first call.
"""The kernels of a program's steps: Numba, one thread each, without Python's lock.

Maps are flat arrays of (images, height, width, channels). Every kernel makes one pixel after the other in a
buffer that stays in the first cache, and `_emit` takes it through the epilogue to where it goes: written,
packed to the signs of every reader, or both. Nothing in the epilogue is reordered or fused, so that it rounds
as `binary.fold` does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from evo_bnas.packed.vectors import ADD, LANES, WRITE, add_up, apply_epilogue, at_least

_Function = Callable[..., Any]

_ZERO = np.float32(0)


def _kernel(function: _Function) -> _Function:
    """Compile at the first call, for the CPU that runs it, and keep the result on disk.

    Without Numba's runtime, which counts references to every view of an array, a kernel allocates nothing:
    its buffers are given.
    """
    return njit(nogil=True, cache=True, error_model="numpy", _nrt=False)(function)


def _inlined(function: _Function) -> _Function:
    """For what kernels call for every line or pixel: arrays make long lists of arguments."""
    return njit(nogil=True, cache=True, error_model="numpy", _nrt=False, forceinline=True)(function)


@_inlined
def _emit(
    source, first, whole, buffers, pixel, channels, epilogue, shortcut, shortcut_channels, real, signs, pixels
):
    """Take the sums of one pixel through the epilogue to the maps put out.

    The sums are `source[first:]`, whole LANES of them; of integers z is `whole` minus twice as many. Three
    buffers have room for whole words of channels; `pixel` counts through all images, of `pixels` in all.
    """
    y, tiled, turned = buffers[0], buffers[1], buffers[2]
    rows, stages, levels, senses = epilogue
    added, place, period = shortcut, pixel * shortcut_channels, shortcut_channels
    if stages & ADD and (channels % LANES or shortcut_channels % LANES):
        for begin in range(0, channels, shortcut_channels):
            part, to = shortcut[place:], tiled[begin:]
            for c in range(min(shortcut_channels, channels - begin)):
                to[c] = part[c]
        added, place, period = tiled, 0, y.size
    written = real.size and channels % LANES == 0
    if written:
        stages |= WRITE
    width = rows.size // 10
    at = 0
    for c in range(0, channels, LANES):
        apply_epilogue(
            source, first + c, whole, c, rows, width, stages, added, place + at, y, real, pixel * channels + c
        )
        at += LANES
        if at == period:
            at = 0
    if real.size and not written:
        out = real[pixel * channels :]
        for c in range(channels):
            out[c] = y[c]
    words = levels.shape[1] // 64
    for reader in range(levels.shape[0]):
        row, to = levels[reader], (reader * pixels + pixel) * words
        if senses.shape[0]:
            sense = senses[reader]
            for c in range(channels):
                turned[c] = y[c] * sense[c]
            for d in range(words):
                signs[to + d] = at_least(turned, d * 64, row, d * 64)
        else:
            for d in range(words):
                signs[to + d] = at_least(y, d * 64, row, d * 64)


@_kernel
def _inside(at, kernel, stride, dilation, size):
    """Along one side: where a window begins, its first tap inside the map, and the one after the last."""
    begin = at * stride - dilation * (kernel - 1) // 2
    first = max(0, -(begin // dilation)) if begin < 0 else 0
    return begin, first, min(kernel, -(-(size - begin) // dilation))


@_kernel
def _prepare(window, sizes, spans, met, most):
    """What is the same for all lines: `_inside` for every column, and the rows that a whole window meets."""
    kernel, stride, dilation, _ = window
    columns = sizes[3]
    for j in range(columns):
        spans[j, 0], spans[j, 1], spans[j, 2] = _inside(j, kernel, stride, dilation, sizes[1])
    for k in range(most):
        met[columns * most + k] = k


@_inlined
def _gather(source, border, line, window, sizes, spans, copied, met, inside):
    """Copy what the windows of one line of the output read, and note the rows of weights that it meets.

    For every entry of the input's depth come the taps inside the map, or all of them where the border has
    values; `inside` is how many those are. A whole window meets all rows, and they are not noted again.
    """
    kernel, stride, dilation, pad = window
    height, width, rows, columns = sizes[0], sizes[1], sizes[2], sizes[3]
    depth = border.size
    image, i = divmod(line, rows)
    top, u_first, u_end = _inside(i, kernel, stride, dilation, height)
    for j in range(columns):
        left, v_first, v_end = spans[j, 0], spans[j, 1], spans[j, 2]
        taps = (u_end - u_first) * (v_end - v_first)
        k = j * depth * kernel * kernel
        corner = ((image * height + top) * width + left) * depth
        if taps == kernel * kernel:
            for d in range(depth):
                for u in range(kernel):
                    place = corner + u * dilation * width * depth + d
                    for v in range(kernel):
                        copied[k] = source[place + v * dilation * depth]
                        k += 1
        elif pad == 0:
            inside[j] = taps
            for d in range(depth):
                for u in range(u_first, u_end):
                    place = corner + u * dilation * width * depth + d
                    for v in range(v_first, v_end):
                        copied[k] = source[place + v * dilation * depth]
                        met[k] = (d * kernel + u) * kernel + v
                        k += 1
        else:
            for d in range(depth):
                for u in range(kernel):
                    for v in range(kernel):
                        copied[k] = border[d]
                        if u_first <= u < u_end and v_first <= v < v_end:
                            copied[k] = source[corner + (u * width + v) * dilation * depth + d]
                        k += 1


@_kernel
def convolution(
    images, window, source, sizes, filters, buffers, lines, epilogue, shortcut, shortcut_channels, real, signs
):
    """A convolution of signs with signs, in exact integers, or of float32 with float32.

    `window` is (kernel, stride, dilation, pad), `sizes` (height and width of the input, height, width and
    channels of the output), `filters` a `layout.Filters` and `lines` a `perform.Lines`.
    """
    rows, columns, channels = sizes[2:]
    weights, masks, jobs, order, border, fan_in = filters
    area = window[0] * window[0]
    most = border.size * area
    lanes = weights.size // most
    copied, met, spans, inside, sums, ordered = lines
    _prepare(window, sizes, spans, met, most)
    # A 1 x 1 kernel reads the map as it lies.
    direct = area == 1 and window[1] == 1
    read = source if direct else copied
    for line in range(images * rows):
        begin = line * columns * most if direct else 0
        for j in range(columns):
            inside[j] = area
        if not direct:
            _gather(source, border, line, window, sizes, spans, copied, met, inside)
        sums[:] = 0
        # Block by block through the whole line, so that the weights of a block stay in the first cache.
        for n in range(jobs.shape[0]):
            block, first, last = jobs[n, 0], jobs[n, 1], jobs[n, 2]
            for j in range(columns):
                taps = inside[j]
                row = (columns if taps == area else j) * most
                add_up(
                    read, begin + j * most + first * taps, met, row + first * taps, (last - first) * taps,
                    weights, block * most * LANES, masks, n * LANES, sums, j * lanes + block * LANES,
                )  # fmt: skip
        for j in range(columns):
            summed, place = sums, j * lanes
            if order.size:
                found = sums[place:]
                for c in range(channels):
                    ordered[c] = found[order[c]]
                summed, place = ordered, 0
            _emit(
                summed, place, inside[j] * fan_in, buffers, line * columns + j, channels, epilogue, shortcut,
                shortcut_channels, real, signs, images * rows * columns,
            )  # fmt: skip


@_kernel
def pool(images, window, source, sizes, largest, buffers, epilogue, real, signs):
    """The mean or the largest value of every window, of what of it lies inside the map.

    `window` is (kernel, stride, rows and columns before the centre). Values are added row by row.
    """
    kernel, stride, before = window
    height, width, rows, columns, channels = sizes
    y = buffers[0]
    pixels = images * rows * columns
    for pixel in range(pixels):
        line, j = divmod(pixel, columns)
        image, i = divmod(line, rows)
        top, left = i * stride - before, j * stride - before
        bottom, right = min(top + kernel, height), min(left + kernel, width)
        top, left = max(top, 0), max(left, 0)
        y[:channels] = -np.float32(np.inf) if largest else _ZERO
        for row in range(top, bottom):
            for column in range(left, right):
                read = source[((image * height + row) * width + column) * channels :]
                if largest:
                    for c in range(channels):
                        y[c] = max(y[c], read[c])
                else:
                    for c in range(channels):
                        y[c] += read[c]
        if not largest:
            count = np.float32((bottom - top) * (right - left))
            for c in range(channels):
                y[c] /= count
        _emit(y, 0, 0, buffers, pixel, channels, epilogue, real, 0, real, signs, pixels)


@_kernel
def finish(
    pixels, channels, source, buffers, epilogue, shortcut, shortcut_channels, real, signs
):  # fmt: skip
    """The epilogue alone; `real` may be the source itself."""
    y = buffers[0]
    for pixel in range(pixels):
        read = source[pixel * channels :]
        for c in range(channels):
            y[c] = read[c]
        _emit(y, 0, 0, buffers, pixel, channels, epilogue, shortcut, shortcut_channels, real, signs, pixels)


@_kernel
def mean(images, pixels, channels, source, real):
    """The mean of every channel, added in the order of the pixels."""
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
    """Add the values of every channel and their squares, in float64: exact where they are integers."""
    for pixel in range(pixels):
        read = source[pixel * channels :]
        for c in range(channels):
            value = np.float64(read[c])
            sums[c] += value
            squares[c] += value * value
