# mypy: disable-error-code="no-untyped-call"
"""The epilogue of a step as the kernels read it, and the code that applies it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from llvmlite.ir import IRBuilder as Builder
from numba.core import cgutils

from evo_bnas.packed.llvm import (
    COUNTS,
    FLOATS,
    I32,
    I64,
    LANES,
    Value,
    element,
    intrinsic,
    load,
    load_some,
    pixels_of_tile,
    places,
    store_some,
)
from evo_bnas.packed.step import WORD, Epilogue, Floats

# The stages of an epilogue, as bits. A shifted activation is an rprelu.
AFFINE1, ACT1, SHIFTED1, AFFINE2, ADD, ACT2, SHIFTED2 = (1 << bit for bit in range(7))
# The first row of each stage: a, b of an affine; slope, shift_in, shift_out of an activation.
_AFFINE1, _ACT1, _AFFINE2, _ACT2, _ROWS = 0, 2, 5, 7, 10


class EpilogueTables(NamedTuple):
    """An epilogue as the kernels read it; all arrays are flat."""

    rows: Floats  # (10, channels in whole LANES)
    stages: int  # the bits of those that are present
    levels: Floats  # (readers, channels in whole words): infinite beyond the last channel, so its bit is 0
    senses: Floats  # as levels, -1 if the sign is flipped


class Pixels(NamedTuple):
    """Where the pixels of a tile are in a flat array: pixel p starts at `values[first + p*step]`."""

    values: Any
    first: int
    step: int


def epilogue_tables(epilogue: Epilogue, *, adds: bool = False) -> EpilogueTables:
    """An epilogue as the kernels read it; `adds` says whether there is a shortcut."""
    readers, channels = epilogue.levels.shape
    rows = np.zeros((_ROWS, -(-channels // LANES) * LANES), np.float32)
    stages = ADD if adds else 0
    for values, first, stage in (
        (epilogue.affine1, _AFFINE1, AFFINE1),
        (epilogue.act1, _ACT1, ACT1),
        (epilogue.affine2, _AFFINE2, AFFINE2),
        (epilogue.act2, _ACT2, ACT2),
    ):
        rows[first : first + len(values), :channels] = values
        stages |= stage if len(values) else 0
    stages |= SHIFTED1 if len(epilogue.act1) > 1 else 0
    stages |= SHIFTED2 if len(epilogue.act2) > 1 else 0
    whole = -(-channels // WORD) * WORD
    senses = np.ones((readers, whole), np.float32)
    senses[:, :channels] = np.where(epilogue.flips, -1, 1)
    levels = np.full((readers, whole), np.inf, np.float32)
    levels[:, :channels] = epilogue.levels * senses[:, :channels]
    return EpilogueTables(rows.reshape(-1), stages, levels.reshape(-1), senses.reshape(-1))


@intrinsic
def apply_epilogue(
    builder: Builder,
    count: Value,
    c: Value,
    channels: Value,
    sums: Pixels,
    whole: Value,
    kinds: Pixels,
    epilogue: EpilogueTables,
    shortcut: Pixels,
    writes: Value,
    real: Pixels,
    signs: Pixels,
    readers: Value,
    reader_step: Value,
) -> None:
    """Compute act2(a2 * act1(a1*z + b1) + b2 + shortcut) of LANES channels from `c` on of up to TILE pixels.

    For float32, z is the sum itself. An int32 sum counts bits that differ, and z is `whole[kind + c]` minus
    twice the sum, where `kinds` has the kind of each pixel. `shortcut` starts at the channel to be added.
    The result is written to `real` if `writes`; then every reader's signs `value * sense >= level` become
    bits of the words at `signs`, where readers are `reader_step` apart. Products and sums are rounded one by
    one. Pixels from `count` on repeat the last one; channels from `channels` on are not touched.
    """
    tile = _Tile(builder, epilogue, count, c, channels)
    if sums.values.type.pointee == I32:
        tile.load_counts(sums, whole, kinds)
    else:
        tile.load(sums)
    with tile.present(AFFINE1):
        tile.affine(_AFFINE1)
    with tile.present(ACT1):
        tile.activate(_ACT1, SHIFTED1)
    with tile.present(AFFINE2):
        tile.affine(_AFFINE2)
    with tile.present(ADD):
        tile.add(shortcut)
    with tile.present(ACT2):
        tile.activate(_ACT2, SHIFTED2)
    with builder.if_then(writes):
        tile.write(real)
    with cgutils.for_range(builder, readers) as reader:
        tile.pack_signs(reader.index, signs, builder.mul(reader_step, reader.index))


class _Tile:
    """LANES channels from `c` on of TILE pixels, as one variable of float32 per pixel."""

    def __init__(
        self, builder: Builder, epilogue: EpilogueTables, count: Value, c: Value, channels: Value
    ) -> None:
        self._builder = builder
        self._epilogue = epilogue
        self._width = builder.and_(builder.add(channels, I64(LANES - 1)), I64(-LANES))  # of a row
        self._pixels = pixels_of_tile(builder, count)
        self._c = c
        self._limit = builder.sub(channels, c)
        self._values = [cgutils.alloca_once(builder, FLOATS) for _ in self._pixels]

    def load(self, sums: Pixels) -> None:
        """Take the values from float32 sums."""
        load_some(self._builder, sums.values, self._at(sums, self._c), self._limit, self._values)

    def load_counts(self, sums: Pixels, whole: Value, kinds: Pixels) -> None:
        """Take the values from int32 counts of differing bits."""
        builder = self._builder
        one = ir.Constant(COUNTS, [1] * LANES)
        sources, rows = self._at(sums, self._c), self._at(kinds, I64(0))
        for place, kind, value in zip(sources, rows, self._values, strict=True):
            start = builder.add(element(builder, kinds.values, kind), self._c)
            twice = builder.shl(load(builder, sums.values, place, COUNTS), one)
            z = builder.sub(load(builder, whole, start, COUNTS), twice)
            builder.store(builder.sitofp(z, FLOATS), value)

    def present(self, stage: int) -> Any:
        """A block of code that runs only if the epilogue has a stage."""
        builder = self._builder
        bit = builder.and_(self._epilogue.stages, I64(stage))
        return builder.if_then(builder.icmp_signed("!=", bit, I64(0)))

    def affine(self, row: int) -> None:
        """a * x + b, with a and b in the rows from this one on."""
        a, b = self._row(row), self._row(row + 1)
        self._change(lambda x: self._builder.fadd(self._builder.fmul(a, x), b))

    def activate(self, row: int, shifted: int) -> None:
        """A prelu with its slope in this row, and the two shifts in the next rows if `shifted` is present."""
        with self.present(shifted):
            self._shift(row + 1)
        builder, slope, zero = self._builder, self._row(row), ir.Constant(FLOATS, [0.0] * LANES)
        self._change(lambda x: builder.select(builder.fcmp_ordered(">", x, zero), x, builder.fmul(x, slope)))
        with self.present(shifted):
            self._shift(row + 2)

    def add(self, shortcut: Pixels) -> None:
        """x + shortcut."""
        builder = self._builder
        others = [cgutils.alloca_once(builder, FLOATS) for _ in self._pixels]
        load_some(builder, shortcut.values, self._at(shortcut, I64(0)), self._limit, others)
        for value, other in zip(self._values, others, strict=True):
            builder.store(builder.fadd(builder.load(value), builder.load(other)), value)

    def write(self, real: Pixels) -> None:
        """Write the values."""
        store_some(self._builder, real.values, self._at(real, self._c), self._limit, self._values)

    def pack_signs(self, reader: Value, signs: Pixels, offset: Value) -> None:
        """Put the bits of one reader into its words, which start `offset` after those of the first reader."""
        builder, bit = self._builder, self._builder.and_(self._c, I64(WORD - 1))
        place = builder.add(builder.mul(builder.mul(signs.step, I64(WORD)), reader), self._c)
        level = load(builder, self._epilogue.levels, place, FLOATS)
        sense = load(builder, self._epilogue.senses, place, FLOATS)
        new_word = builder.icmp_signed("==", bit, I64(0))
        word = builder.add(builder.lshr(self._c, I64(6)), offset)
        for place, value in zip(self._at(signs, word), self._values, strict=True):
            above = builder.fcmp_ordered(">=", builder.fmul(builder.load(value), sense), level)
            bits = builder.shl(builder.zext(builder.bitcast(above, ir.IntType(LANES)), I64), bit)
            pointer = builder.gep(signs.values, [place])
            known = builder.select(new_word, I64(0), builder.load(pointer))
            builder.store(builder.or_(known, bits), pointer)

    def _row(self, number: int) -> Value:
        place = self._builder.add(self._builder.mul(self._width, I64(number)), self._c)
        return load(self._builder, self._epilogue.rows, place, FLOATS)

    def _shift(self, row: int) -> None:
        b = self._row(row)
        self._change(lambda x: self._builder.fadd(x, b))

    def _at(self, pixels: Pixels, offset: Value) -> list[Value]:
        first = self._builder.add(pixels.first, offset)
        return places(self._builder, first, pixels.step, self._pixels)

    def _change(self, function: Callable[[Value], Value]) -> None:
        for value in self._values:
            self._builder.store(function(self._builder.load(value)), value)
