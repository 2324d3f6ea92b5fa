"""Performs a step: its tensors are laid out once, then its kernel is called."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo_bnas.packed import kernels
from evo_bnas.packed.epilogue import EpilogueTables, epilogue_tables
from evo_bnas.packed.layout import Filters, layout, unpack_signs
from evo_bnas.packed.llvm import LANES, TILE
from evo_bnas.packed.step import WORD, Bits, Floats, Step
from evo_bnas.packed.vectors import BLOCK_BYTES, SPAN

Array = NDArray[Any]  # of float32 or of words

_STRIP = 32  # pixels of a strip, rounded down to whole lines

NO_FLOATS = np.empty(0, np.float32)
NO_BITS = np.empty(0, np.uint64)


class Output(NamedTuple):
    """Where a step writes its map and its signs; empty if not needed."""

    real: Floats = NO_FLOATS
    signs: Bits = NO_BITS


class Buffers(NamedTuple):
    """The buffers of a convolution, flat; the first two are empty if it reads the map directly."""

    planes: NDArray[Any]  # (images, planes, size of a plane), of the type of the input
    packed: NDArray[Any]  # (depth, pixels), of the type of the input
    sums: NDArray[Any]  # (2, pixels, lanes): int32 or float32
    kinds: NDArray[np.int64]  # (pixels,): the start of each pixel's row in `Filters.whole`
    tiled: Floats  # (TILE, channels in whole LANES): a shortcut with repeated channels
    images: int  # number of images in `planes`
    lines: int  # of a strip: the pixels of the other buffers


class PreparedStep(NamedTuple):
    """A step with its tensors in the layout of the kernels."""

    step: Step
    filters: Filters | None
    epilogue: EpilogueTables


def prepare(step: Step) -> PreparedStep:
    """Lay out the tensors of a step once, for all its runs."""
    filters = None if step.weight is None else layout(step)
    return PreparedStep(step, filters, epilogue_tables(step.epilogue, adds=step.shortcut is not None))


def perform(
    prepared: PreparedStep, images: int, inputs: Sequence[Array], shortcut: Floats, out: Output
) -> None:
    """Perform one step for a number of images.

    All arrays are flat, may be longer than needed, and are empty if absent; only the input of an image step
    has the shape (images, channels, height, width).
    """
    step, filters, epilogue = prepared
    added = step.shortcut.channels if step.shortcut else 0
    if step.operation in ("pool_avg", "pool_max"):
        centre = (step.kernel - 1) // 2 if step.kernel % 2 else 0
        kernels.pool(
            images, (step.kernel, step.stride, centre), inputs[0], _sizes(step),
            step.operation == "pool_max", _tile(step.channels), epilogue, *out,
        )  # fmt: skip
    elif filters is not None:
        kernels.convolution(
            images, step.stride, _before(step, images, inputs[0]), _sizes(step), filters,
            _buffers(step, filters), epilogue, shortcut, added, *out,
        )  # fmt: skip
    else:
        _join(step, images, inputs, out.real)
        if not step.epilogue.empty:
            pixels = images * step.height * step.width
            finish(pixels, step.channels, out.real, epilogue, shortcut, added, out)


def finish(
    pixels: int,
    channels: int,
    source: Floats,
    epilogue: EpilogueTables,
    shortcut: Floats,
    added: int,
    out: Output,
) -> None:
    """Apply an epilogue alone, possibly in place; `added` is the number of channels of the shortcut."""
    kernels.finish(pixels, channels, source, _tile(channels), epilogue, shortcut, added, *out)


def _tile(channels: int) -> Floats:
    """A buffer for a tile of pixels."""
    return np.empty(TILE * -(-channels // LANES) * LANES, np.float32)


def _buffers(step: Step, filters: Filters) -> Buffers:
    images = max(1, _STRIP // (step.height * step.width))
    lines = max(1, _STRIP // step.width)
    pixels = lines * step.width
    planes, depth, pieces = filters.windows[:3]
    blocks = filters.weights.nbytes // (depth * BLOCK_BYTES)
    lanes = -(-blocks * BLOCK_BYTES // filters.weights.itemsize // LANES) * LANES
    copied = len(pieces) > 0
    # Spans and tiles may start at the last pixel, hence the extra SPAN and TILE.
    return Buffers(
        np.empty(copied * (images * planes.depth * planes.size + SPAN), filters.weights.dtype),
        np.empty(copied * depth * (pixels + SPAN), filters.weights.dtype),
        np.empty(2 * (pixels + TILE) * lanes, np.int32 if step.operation == "binary" else np.float32),
        np.empty(pixels, np.int64),
        _tile(step.channels),
        images,
        lines,
    )


def _sizes(step: Step) -> tuple[int, int, int, int, int]:
    source = step.inputs[0]
    return source.height, source.width, step.height, step.width, step.channels


def _before(step: Step, images: int, source: Array) -> Array:
    """The input of a convolution after the steps before it: unpacked signs, a * x + b, or the map itself."""
    shape = step.inputs[0]
    pixels = images * shape.height * shape.width
    if step.unpacks:
        words = -(-shape.channels // WORD)
        return unpack_signs(source[: pixels * words].reshape(pixels, words), shape.channels).reshape(-1)
    if step.before is not None:
        a, b = step.before
        moved: Array = (source[: pixels * shape.channels].reshape(pixels, -1) * a + b).reshape(-1)
        return moved
    return source


def _join(step: Step, images: int, inputs: Sequence[Array], real: Floats) -> None:
    """Perform an operation without weights and windows: image, mean, tile, concat or sum."""
    shape = (images, step.height, step.width)
    out = real[: images * step.height * step.width * step.channels].reshape(*shape, step.channels)
    if step.operation == "image":
        out[:] = inputs[0].transpose(0, 2, 3, 1)
        return
    if step.operation == "mean":
        (source,) = step.inputs
        kernels.mean(images, source.height * source.width, source.channels, inputs[0], real)
        return
    maps = [
        flat[: images * source.height * source.width * source.channels].reshape(*shape, source.channels)
        for flat, source in zip(inputs, step.inputs, strict=True)
    ]
    if step.operation == "sum":
        out[:] = maps[0]
        for other in maps[1:]:
            out += other
    elif step.operation == "concat":
        np.concatenate(maps, axis=3, out=out)
    else:
        assert step.operation == "tile"
        channels = maps[0].shape[3]
        for begin in range(0, step.channels, channels):
            out[..., begin : begin + channels] = maps[0][..., : step.channels - begin]
