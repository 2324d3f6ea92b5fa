# mypy: disable-error-code="no-untyped-call"
"""The inner loops of convolutions and pools, which compilers do not vectorise well, as LLVM vectors."""

from llvmlite import ir
from llvmlite.ir import IRBuilder as Builder
from numba.core import cgutils

from evo_bnas.packed.llvm import (
    COUNTS,
    FLOAT,
    FLOATS,
    I32,
    I64,
    LANES,
    Value,
    call,
    element,
    intrinsic,
    load,
    load_some,
    pixels_of_tile,
    places,
    spread,
    store,
)

BLOCK_BYTES = 64  # of the weights that are multiplied by one input value: 8 words or 16 float32
SPAN = 16  # neighbouring pixels of a line that are packed together


@intrinsic
def multiply(
    builder: Builder,
    inputs: Value,
    at: Value,
    pixel: Value,
    step: Value,
    count: Value,
    depth: Value,
    weights: Value,
    block: Value,
    sums: Value,
    to: Value,
    width: Value,
) -> None:
    """Multiply TILE pixels by a block of weights; sums go to `sums[to:]`, where pixels are `width` apart.

    Value k of pixel p is `inputs[at + p*pixel + k*step]`, for k below `depth`; its weights are the lanes at
    `weights[block + k*lanes:]`. For words, a sum is the int32 number of bits that differ; for float32 it is
    the sum of products, in whichever rounding is fastest. Pixels from `count` on repeat the last one.
    """
    words = inputs.type.pointee == I64
    kind = ir.VectorType(inputs.type.pointee, BLOCK_BYTES // (8 if words else 4))
    pixels = [
        builder.gep(inputs, [place]) for place in places(builder, at, pixel, pixels_of_tile(builder, count))
    ]
    lanes = builder.gep(weights, [block])
    totals = [cgutils.alloca_once_value(builder, ir.Constant(kind, [0] * kind.count)) for _ in pixels]
    with cgutils.for_range(builder, depth) as loop:
        weight = load(builder, lanes, builder.mul(loop.index, I64(kind.count)), kind)
        place = builder.mul(loop.index, step)
        for own, total in zip(pixels, totals, strict=True):
            value = spread(builder, element(builder, own, place), kind)
            if words:
                differing = call(builder, "llvm.ctpop", builder.xor(value, weight))
                builder.store(builder.add(builder.load(total), differing), total)
            else:
                product = builder.fmul(value, weight, ("contract",))
                builder.store(builder.fadd(builder.load(total), product, ("contract",)), total)
    for p, total in enumerate(totals):
        result = builder.load(total)
        if words:
            result = builder.trunc(result, ir.VectorType(I32, kind.count))
        store(builder, sums, builder.add(to, builder.mul(width, I64(p))), result)


@intrinsic
def pack(
    builder: Builder,
    planes: Value,
    at: Value,
    pieces: Value,
    first: Value,
    last: Value,
    packed: Value,
    to: Value,
) -> None:
    """Write one value of the windows of SPAN neighbouring pixels to `packed[to:]`, put together from pieces.

    Piece n is three numbers at `pieces[3 * n]`: an offset, a rotation to the left and a mask. Pixel p takes
    `planes[at + offset + p]`; a word is rotated and masked, and the pieces from `first` to `last` are joined.
    Float32 has one piece, without rotation and mask.
    """
    kind = ir.VectorType(planes.type.pointee, SPAN)

    def number(piece: Value, which: int) -> Value:
        return element(builder, pieces, builder.add(builder.mul(piece, I64(3)), I64(which)))

    def span(piece: Value) -> Value:
        return load(builder, planes, builder.add(at, number(piece, 0)), kind)

    if planes.type.pointee == FLOAT:
        store(builder, packed, to, span(first))
        return
    total = cgutils.alloca_once_value(builder, ir.Constant(kind, [0] * SPAN))
    with cgutils.for_range(builder, last, start=first) as loop:
        words = span(loop.index)
        rotated = call(builder, "llvm.fshl", words, words, spread(builder, number(loop.index, 1), kind))
        masked = builder.and_(rotated, spread(builder, number(loop.index, 2), kind))
        builder.store(builder.or_(builder.load(total), masked), total)
    store(builder, packed, to, builder.load(total))


@intrinsic
def interleave(builder: Builder, values: Value, first: Value, half: Value, to: Value) -> None:
    """Interleave `half` values of 4 bytes from `first` on with the `half` after them, into `values[to:]`.

    `half` is a multiple of the words in a block.
    """
    side = LANES // 2
    kind = ir.VectorType(values.type.pointee, side)
    order = ir.Constant(COUNTS, [lane + start for lane in range(side) for start in (0, side)])
    with cgutils.for_range(builder, builder.udiv(half, I64(side))) as loop:
        done = builder.mul(loop.index, I64(side))
        left = load(builder, values, builder.add(first, done), kind)
        right = load(builder, values, builder.add(builder.add(first, half), done), kind)
        place = builder.add(to, builder.mul(done, I64(2)))
        store(builder, values, place, builder.shuffle_vector(left, right, order))


@intrinsic
def reduce_window(
    builder: Builder,
    inputs: Value,
    at: Value,
    rows: Value,
    pitch: Value,
    columns: Value,
    channels: Value,
    c: Value,
    largest: Value,
    outputs: Value,
    to: Value,
) -> None:
    """Write the maximum (if `largest`) or mean over a window of LANES channels from `c` on to `outputs[to:]`.

    The window of float32 starts at `inputs[at]`; a pixel has `channels` values and a row `pitch`. Values are
    added row by row, then divided.
    """
    lowest = ir.Constant(FLOATS, [float("-inf")] * LANES)
    zero = ir.Constant(FLOATS, [0.0] * LANES)
    total = cgutils.alloca_once(builder, FLOATS)
    builder.store(builder.select(largest, lowest, zero), total)
    pixel = cgutils.alloca_once(builder, FLOATS)
    start, limit = builder.add(at, c), builder.sub(channels, c)
    with cgutils.for_range(builder, rows) as row:
        line = builder.add(start, builder.mul(row.index, pitch))
        with cgutils.for_range(builder, columns) as column:
            place = builder.add(line, builder.mul(column.index, channels))
            load_some(builder, inputs, [place], limit, [pixel])
            value, so_far = builder.load(pixel), builder.load(total)
            larger = builder.select(builder.fcmp_ordered(">", value, so_far), value, so_far)
            builder.store(builder.select(largest, larger, builder.fadd(so_far, value)), total)
    with builder.if_then(builder.not_(largest)):
        size = builder.sitofp(builder.mul(rows, columns), FLOAT)
        builder.store(builder.fdiv(builder.load(total), spread(builder, size, FLOATS)), total)
    store(builder, outputs, to, builder.load(total))
