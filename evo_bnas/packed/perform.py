"""How a step is done: its tensors are laid out once, and its kernel is called."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo_bnas.packed import kernels
from evo_bnas.packed.layout import Filters, binary_filters, real_filters, unpack_signs
from evo_bnas.packed.step import WORD, Bits, Epilogue, Floats, Step
from evo_bnas.packed.vectors import ACT1, ACT2, ADD, AFFINE1, AFFINE2, LANES, MOVED1, MOVED2

Array = NDArray[Any]  # of float32 or of words

NO_FLOATS = np.empty(0, np.float32)
NO_BITS = np.empty(0, np.uint64)


class Output(NamedTuple):
    """Where a step writes its map and the signs of it; empty where nothing reads them."""

    real: Floats = NO_FLOATS
    signs: Bits = NO_BITS


class Rows(NamedTuple):
    """An epilogue as the kernels read it."""

    rows: Floats  # flat (10, channels in whole LANES), of `vectors.apply_epilogue`
    stages: int  # which of them are there
    levels: Floats  # (readers, channels in whole words)
    senses: Floats  # as levels, -1 where the sign is flipped; no rows where none is


class Lines(NamedTuple):
    """Room for one line of pixels that a convolution puts out; `most` is input depth times taps."""

    copied: NDArray[Any]  # (columns * most): what the windows read, as the input
    met: NDArray[np.int64]  # ((columns + 1) * most): which rows of the weights that meets
    spans: NDArray[np.int64]  # (columns, 3): where windows begin, and which taps are inside
    inside: NDArray[np.int64]  # (columns,): how many taps are
    sums: NDArray[Any]  # (columns * lanes): int32 or float32
    ordered: NDArray[Any]  # (lanes): the sums of one pixel in the order of the channels


class Prepared(NamedTuple):
    """A step, and its tensors as the kernels read them."""

    step: Step
    filters: Filters | None
    rows: Rows


def prepare(step: Step) -> Prepared:
    """Lay out the tensors of a step once, for all its runs."""
    filters: Filters | None = None
    if step.operation == "binary":
        filters = binary_filters(step)
    elif step.weight is not None:
        filters = real_filters(step)
    return Prepared(step, filters, epilogue_rows(step.epilogue, adds=step.shortcut is not None))


def epilogue_rows(epilogue: Epilogue, *, adds: bool = False) -> Rows:
    """An epilogue as the kernels read it; `adds` where there is a shortcut.

    Levels fill whole words, and a flip is a sense of -1 of both sides.
    """
    readers, channels = epilogue.levels.shape
    rows = np.zeros((10, -(-channels // LANES) * LANES), np.float32)
    stages = ADD if adds else 0
    for first, affine, act, flags in (
        (0, epilogue.affine1, epilogue.act1, (AFFINE1, ACT1, MOVED1)),
        (5, epilogue.affine2, epilogue.act2, (AFFINE2, ACT2, MOVED2)),
    ):
        rows[first : first + len(affine), :channels] = affine
        rows[first + 2 : first + 2 + len(act), :channels] = act
        asked = (len(affine) > 0, len(act) > 0, len(act) > 1)
        stages += sum(flag for flag, there in zip(flags, asked, strict=True) if there)
    whole = -(-channels // WORD) * WORD
    senses = np.ones((readers if epilogue.flips.any() else 0, whole), np.float32)
    levels = np.full((readers, whole), np.inf, np.float32)  # never reached: 0 beyond the last channel
    levels[:, :channels] = epilogue.levels
    if len(senses):
        senses[:, :channels] = np.where(epilogue.flips, -1, 1)
        levels[:, :channels] *= senses[:, :channels]
    return Rows(rows.reshape(-1), stages, levels, senses)


def perform(prepared: Prepared, images: int, inputs: Sequence[Array], shortcut: Floats, out: Output) -> None:
    """Do one step for so many images.

    All arrays are flat and may be longer than what is read and written; what is not there is empty. The
    input of an image step has the shape (images, channels, height, width).
    """
    step, filters, rows = prepared
    added = step.shortcut.channels if step.shortcut else 0
    if step.operation in ("pool_avg", "pool_max"):
        centre = (step.kernel - 1) // 2 if step.kernel % 2 else 0
        kernels.pool(
            images, (step.kernel, step.stride, centre), inputs[0], _sizes(step),
            step.operation == "pool_max", buffers(step.channels), rows, *out,
        )  # fmt: skip
    elif filters is not None:
        window = (step.kernel, step.stride, step.dilation, step.pad)
        kernels.convolution(
            images, window, _before(step, images, inputs[0]), _sizes(step), filters, buffers(step.channels),
            _lines(step, filters), rows, shortcut, added, *out,
        )  # fmt: skip
    else:
        _join(step, images, inputs, out.real)
        if not step.epilogue.empty:
            pixels = images * step.height * step.width
            finish(pixels, step.channels, out.real, rows, shortcut, added, out)


def finish(
    pixels: int, channels: int, source: Floats, rows: Rows, shortcut: Floats, added: int, out: Output
) -> None:
    """An epilogue alone; `added` is how many channels the shortcut has, and the map may stay in its place."""
    kernels.finish(pixels, channels, source, buffers(channels), rows, shortcut, added, *out)


def buffers(channels: int) -> Floats:
    """Three pixels of whole words."""
    return np.zeros((3, -(-channels // WORD) * WORD), np.float32)


def _lines(step: Step, filters: Filters) -> Lines:
    most = len(filters.border) * step.kernel**2
    lanes = filters.weights.size // most
    sums = np.int32 if step.operation == "binary" else np.float32
    return Lines(
        np.empty(step.width * most, filters.border.dtype),
        np.empty((step.width + 1) * most, np.int64),
        np.empty((step.width, 3), np.int64),
        np.empty(step.width, np.int64),
        np.empty(step.width * lanes, sums),
        np.zeros(lanes, sums),
    )


def _sizes(step: Step) -> tuple[int, int, int, int, int]:
    source = step.inputs[0]
    return source.height, source.width, step.height, step.width, step.channels


def _before(step: Step, images: int, source: Array) -> Array:
    """The input of a convolution: signs as numbers, or a map times a plus b, where it asks for them."""
    where = step.inputs[0]
    pixels = images * where.height * where.width
    if step.unpacks:
        words = -(-where.channels // WORD)
        return unpack_signs(source[: pixels * words].reshape(pixels, words), where.channels).reshape(-1)
    if step.before is not None:
        a, b = step.before
        moved: Array = (source[: pixels * where.channels].reshape(pixels, -1) * a + b).reshape(-1)
        return moved
    return source


def _join(step: Step, images: int, inputs: Sequence[Array], real: Floats) -> None:
    """What is copied or added and has no weights."""
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
