# mypy: disable-error-code="no-untyped-call"
"""The loops that a compiler does not vectorise well, written in LLVM's vectors: any CPU runs them.

With AVX-512, LLVM makes one instruction each of XOR with a spread word, of popcount, of a rotation, and of
sixteen comparisons; elsewhere it takes shorter vectors and its own substitutes. All arrays are flat.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 16  # channels that an epilogue takes together, of TILE pixels
BLOCK_BYTES = 64  # of the weights that meet one value of an input: 8 words or 16 float32, a block's lanes
TILE = 8  # pixels that are computed together, so that their sums stay in registers
SPAN = 16  # pixels of a line that are packed together

# What of an epilogue is there.
AFFINE1, ACT1, MOVED1, AFFINE2, ADD, ACT2, MOVED2, WRITE = (1 << bit for bit in range(8))

_BIT = ir.IntType(1)
_FLOAT = ir.FloatType()
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_MASK = ir.VectorType(_BIT, LANES)
_COUNTS = ir.VectorType(_I32, LANES)
_SUMS = ir.VectorType(_FLOAT, LANES)


@intrinsic
def multiply(
    _: Any, read: Any, at: Any, pixel: Any, step: Any, count: Any, depth: Any, weights: Any, block: Any,
    sums: Any, to: Any, width: Any,
) -> Any:  # fmt: skip
    """What TILE pixels make with a block of weights, to `sums[to:]`, where pixels are `width` apart.

    Value k of pixel p is `read[at + p*pixel + k*step]`, for k below `depth`; it meets the lanes of a block at
    `weights[block + k*lanes:]`. Words make, in int32, the number of bits in which the two differ; float32 the
    sum of products, rounded as is fastest. Pixels from `count` on are the last one again.
    """
    n = types.intp
    signature = types.void(read, n, n, n, n, n, weights, n, sums, n, n)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at, pixel, step, count, depth, block, to, width = (arguments[n] for n in (1, 2, 3, 4, 5, 7, 9, 10))
        read, weights, sums = _pointers(context, builder, signature, arguments, (0, 6, 8))
        words = signature.args[0].dtype == types.uint64
        value = _I64 if words else _FLOAT
        kind = ir.VectorType(value, BLOCK_BYTES * 8 // (64 if words else 32))
        pixels = [
            builder.gep(read, [builder.add(at, builder.mul(p, pixel))]) for p in _pixels(builder, count)
        ]
        start = builder.gep(weights, [block])
        totals = [cgutils.alloca_once_value(builder, ir.Constant(kind, [0] * kind.count)) for _ in pixels]
        with cgutils.for_range(builder, depth) as loop:
            lanes = _load(builder, start, builder.mul(loop.index, _I64(kind.count)), kind)
            place = builder.mul(loop.index, step)
            for one, total in zip(pixels, totals, strict=True):
                met = _spread(builder, builder.load(builder.gep(one, [place])), kind)
                if words:
                    made = _call(builder, "llvm.ctpop", kind, builder.xor(met, lanes))
                    builder.store(builder.add(builder.load(total), made), total)
                else:
                    made = builder.fmul(met, lanes, ("contract",))
                    builder.store(builder.fadd(builder.load(total), made, ("contract",)), total)
        for p, total in enumerate(totals):
            found = builder.load(total)
            if words:
                found = builder.trunc(found, ir.VectorType(_I32, kind.count))
            _store(builder, sums, builder.add(to, builder.mul(width, _I64(p))), found)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def pack(_: Any, planes: Any, at: Any, pieces: Any, first: Any, last: Any, packed: Any, to: Any) -> Any:
    """One value of the windows of SPAN pixels side by side, to `packed[to:]`, put together from pieces.

    Piece n has three numbers at `pieces[3 * n]`: pixel p takes `planes[at + first number + p]`, of words
    turned to the left by the second, of which it keeps the third. Of float32 there is one piece.
    """
    n = types.intp
    signature = types.void(planes, n, pieces, n, n, packed, n)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at, first, last, to = (arguments[n] for n in (1, 3, 4, 6))
        planes, pieces, packed = _pointers(context, builder, signature, arguments, (0, 2, 5))
        words = signature.args[0].dtype == types.uint64
        kind = ir.VectorType(_I64 if words else _FLOAT, SPAN)

        def number(piece: Any, which: int) -> Any:
            return builder.load(builder.gep(pieces, [builder.add(builder.mul(piece, _I64(3)), _I64(which))]))

        def taken(piece: Any) -> Any:
            return _load(builder, planes, builder.add(at, number(piece, 0)), kind)

        if not words:
            _store(builder, packed, to, taken(first))
            return context.get_dummy_value()
        zero = ir.Constant(kind, [0] * SPAN)
        whole = cgutils.alloca_once_value(builder, zero)
        with cgutils.for_range(builder, last, start=first) as loop:
            one, turn = taken(loop.index), _spread(builder, number(loop.index, 1), kind)
            turned = _call(builder, "llvm.fshl", kind, one, one, turn)
            kept = builder.and_(turned, _spread(builder, number(loop.index, 2), kind))
            builder.store(builder.or_(builder.load(whole), kept), whole)
        _store(builder, packed, to, builder.load(whole))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def interleave(_: Any, values: Any, first: Any, half: Any, to: Any) -> Any:
    """The values from `values[first]` on, of 4 bytes, and those `half` further, by turns to `values[to:]`.

    Half is a multiple of the words in a block.
    """
    n = types.intp
    signature = types.void(values, n, n, n)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _, first, half, to = arguments
        (values,) = _pointers(context, builder, signature, arguments, (0,))
        side = LANES // 2
        kind = ir.VectorType(values.type.pointee, side)
        turns = ir.Constant(_COUNTS, [at + start for at in range(side) for start in (0, side)])
        with cgutils.for_range(builder, builder.udiv(half, _I64(side))) as loop:
            done = builder.mul(loop.index, _I64(side))
            one, other = builder.add(first, done), builder.add(builder.add(first, half), done)
            sides = (_load(builder, values, place, kind) for place in (one, other))
            place = builder.add(to, builder.mul(done, _I64(2)))
            _store(builder, values, place, builder.shuffle_vector(*sides, turns))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def reduce_window(
    _: Any, source: Any, at: Any, rows: Any, pitch: Any, columns: Any, channels: Any, c: Any, largest: Any,
    y: Any, to: Any,
) -> Any:  # fmt: skip
    """The largest values or the means of a window of float32, of LANES channels from c on, to `y[to:]`.

    The window begins at `source[at]`, where a pixel has so many `channels` and a row so many values as
    `pitch`. Values are added row by row, then divided.
    """
    n = types.intp
    signature = types.void(source, n, n, n, n, n, n, types.boolean, y, n)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        (at, rows, pitch, columns, channels, c, largest), to = arguments[1:8], arguments[9]
        source, y = _pointers(context, builder, signature, arguments, (0, 8))
        least = ir.Constant(_SUMS, [float("-inf")] * LANES)
        zero = ir.Constant(_SUMS, [0.0] * LANES)
        chosen = builder.trunc(largest, _BIT) if largest.type != _BIT else largest
        total = cgutils.alloca_once_value(builder, zero)
        builder.store(builder.select(chosen, least, zero), total)
        one = cgutils.alloca_once(builder, _SUMS)
        first, left = builder.add(at, c), builder.sub(channels, c)
        with cgutils.for_range(builder, rows) as row:
            line = builder.add(first, builder.mul(row.index, pitch))
            with cgutils.for_range(builder, columns) as column:
                place = builder.add(line, builder.mul(column.index, channels))
                _load_some(builder, source, [place], left, [one])
                value, best = builder.load(one), builder.load(total)
                larger = builder.select(builder.fcmp_ordered(">", value, best), value, best)
                builder.store(builder.select(chosen, larger, builder.fadd(best, value)), total)
        with builder.if_then(builder.not_(chosen)):
            size = builder.sitofp(builder.mul(rows, columns), _FLOAT)
            builder.store(builder.fdiv(builder.load(total), _spread(builder, size, _SUMS)), total)
        _store(builder, y, to, builder.load(total))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def apply_epilogue(
    _: Any, source: Any, first: Any, apart: Any, count: Any, whole: Any, kinds: Any, kind: Any, c: Any,
    left: Any, rows: Any, width: Any, stages: Any, added: Any, added_at: Any, added_apart: Any, real: Any,
    to: Any, real_apart: Any, levels: Any, senses: Any, readers: Any, signs: Any, word: Any, words: Any,
    reader_apart: Any,
) -> Any:  # fmt: skip
    """LANES channels from `c` on of TILE pixels through act2(a2 * act1(a1*z + b1) + b2 + added), in float32.

    Pixel p is at `source[first + p*apart:]`, in the shortcut at `added[added_at + p*added_apart:]`, and is
    written to `real[to + p*real_apart:]` where `stages` has WRITE; of float32, no more than the first `left`
    of the channels are touched. Of int32 sums, which count what differs, z is `whole[kinds[kind + p] + c:]`
    minus twice as many. Rows of `width` are a1, b1, slope1, shift_in1, shift_out1, and the same again for 2;
    `stages` says which are there. Every product and every sum is rounded on its own.

    For each of the readers, the signs `value * sense >= level` become bits of `signs[word + p*words]`.
    Pixels from `count` on are the last one again.
    """
    n = types.intp
    signature = types.void(
        source, n, n, n, whole, kinds, n, n, n, rows, n, n, added, n, n, real, n, n, levels, senses, n, signs,
        n, n, n,
    )  # fmt: skip

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        first, apart, count, kind, c, left, width, stages, added_at, added_apart, to, real_apart = (
            arguments[n] for n in (1, 2, 3, 6, 7, 8, 10, 11, 13, 14, 16, 17)
        )
        readers, word, words, reader_apart = (arguments[n] for n in (20, 22, 23, 24))
        source, whole, kinds, rows, added, real, levels, senses, signs = _pointers(
            context, builder, signature, arguments, (0, 4, 5, 9, 12, 15, 18, 19, 21)
        )
        pixels = _pixels(builder, count)
        values = [cgutils.alloca_once(builder, _SUMS) for _ in pixels]

        def each(start: Any, apart: Any) -> list[Any]:
            return [builder.add(start, builder.mul(p, apart)) for p in pixels]

        def change(function: Callable[[Any], Any]) -> None:
            for value in values:
                builder.store(function(builder.load(value)), value)

        def stage(flag: int) -> Any:
            asked = builder.icmp_signed("!=", builder.and_(stages, _I64(flag)), _I64(0))
            return builder.if_then(asked)

        def row(number: int) -> Any:
            return _load(builder, rows, builder.add(builder.mul(width, _I64(number)), c), _SUMS)

        def affine(first: int) -> None:
            a, b = row(first), row(first + 1)
            change(lambda x: builder.fadd(builder.fmul(a, x), b))

        def move(number: int) -> None:
            shift = row(number)
            change(lambda x: builder.fadd(x, shift))

        def act(first: int, moved: int) -> None:
            with stage(moved):
                move(first + 1)
            slope, zero = row(first), ir.Constant(_SUMS, [0.0] * LANES)
            change(lambda x: builder.select(builder.fcmp_ordered(">", x, zero), x, builder.fmul(x, slope)))
            with stage(moved):
                move(first + 2)

        if signature.args[0].dtype == types.int32:
            one = ir.Constant(_COUNTS, [1] * LANES)
            for p, place, value in zip(pixels, each(first, apart), values, strict=True):
                most = builder.add(builder.load(builder.gep(kinds, [builder.add(kind, p)])), c)
                twice = builder.shl(_load(builder, source, place, _COUNTS), one)
                z = builder.sub(_load(builder, whole, most, _COUNTS), twice)
                builder.store(builder.sitofp(z, _SUMS), value)
        else:
            _load_some(builder, source, each(first, apart), left, values)
        with stage(AFFINE1):
            affine(0)
        with stage(ACT1):
            act(2, MOVED1)
        with stage(AFFINE2):
            affine(5)
        with stage(ADD):
            others = [cgutils.alloca_once(builder, _SUMS) for _ in pixels]
            _load_some(builder, added, each(added_at, added_apart), left, others)
            for value, other in zip(values, others, strict=True):
                builder.store(builder.fadd(builder.load(value), builder.load(other)), value)
        with stage(ACT2):
            act(7, MOVED2)
        with stage(WRITE):
            _store_some(builder, real, each(to, real_apart), left, values)
        begins = builder.icmp_signed("==", builder.and_(c, _I64(63)), _I64(0))
        with cgutils.for_range(builder, readers) as reader:
            place = builder.add(builder.mul(builder.mul(words, _I64(64)), reader.index), c)
            level, sense = _load(builder, levels, place, _SUMS), _load(builder, senses, place, _SUMS)
            start = builder.add(word, builder.mul(reader_apart, reader.index))
            for place, value in zip(each(start, words), values, strict=True):
                above = builder.fcmp_ordered(">=", builder.fmul(builder.load(value), sense), level)
                bits = builder.zext(builder.bitcast(above, ir.IntType(LANES)), _I64)
                bits = builder.shl(bits, builder.and_(c, _I64(63)))
                at = builder.gep(signs, [place])
                builder.store(builder.or_(builder.select(begins, _I64(0), builder.load(at)), bits), at)
        return context.get_dummy_value()

    return signature, generate


def _pixels(builder: ir.IRBuilder, count: Any) -> list[Any]:
    """0 to TILE - 1, but no more than count - 1."""
    last = builder.sub(count, _I64(1))
    return [builder.select(builder.icmp_signed("<", _I64(p), last), _I64(p), last) for p in range(TILE)]


def _pointers(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, which: Any) -> list[Any]:
    return [context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in which]


def _load(builder: ir.IRBuilder, array: Any, index: Any, kind: ir.VectorType) -> Any:
    pointer = builder.bitcast(builder.gep(array, [index]), kind.as_pointer())
    return builder.load(pointer, align=kind.element.width // 8 if kind.element is _I64 else 4)


def _store(builder: ir.IRBuilder, array: Any, index: Any, value: Any) -> None:
    pointer = builder.bitcast(builder.gep(array, [index]), value.type.as_pointer())
    builder.store(value, pointer, align=4)


def _load_some(builder: ir.IRBuilder, array: Any, places: list[Any], left: Any, to: list[Any]) -> None:
    """LANES float32 from each of the places, of which those from `left` on are 0 and not read."""
    pointers = [builder.bitcast(builder.gep(array, [place]), _SUMS.as_pointer()) for place in places]
    with builder.if_else(builder.icmp_signed(">=", left, _I64(LANES))) as (all_of_them, some):
        with all_of_them:
            for pointer, value in zip(pointers, to, strict=True):
                builder.store(builder.load(pointer, align=4), value)
        with some:
            kind = ir.FunctionType(_SUMS, [pointers[0].type, _I32, _MASK, _SUMS])
            function = cgutils.get_or_insert_function(
                builder.module, kind, f"llvm.masked.load.v{LANES}f32.p0"
            )
            mask, zero = _below(builder, left), ir.Constant(_SUMS, [0.0] * LANES)
            for pointer, value in zip(pointers, to, strict=True):
                builder.store(builder.call(function, [pointer, _I32(4), mask, zero]), value)


def _store_some(builder: ir.IRBuilder, array: Any, places: list[Any], left: Any, values: list[Any]) -> None:
    """Write the first `left` of LANES float32 to each of the places."""
    pointers = [builder.bitcast(builder.gep(array, [place]), _SUMS.as_pointer()) for place in places]
    with builder.if_else(builder.icmp_signed(">=", left, _I64(LANES))) as (all_of_them, some):
        with all_of_them:
            for pointer, value in zip(pointers, values, strict=True):
                builder.store(builder.load(value), pointer, align=4)
        with some:
            kind = ir.FunctionType(ir.VoidType(), [_SUMS, pointers[0].type, _I32, _MASK])
            function = cgutils.get_or_insert_function(
                builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0"
            )
            mask = _below(builder, left)
            for pointer, value in zip(pointers, values, strict=True):
                builder.call(function, [builder.load(value), pointer, _I32(4), mask])


def _below(builder: ir.IRBuilder, left: Any) -> Any:
    lanes = ir.Constant(_COUNTS, list(range(LANES)))
    return builder.icmp_signed("<", lanes, _spread(builder, builder.trunc(left, _I32), _COUNTS))


def _call(builder: ir.IRBuilder, name: str, kind: ir.VectorType, *values: Any) -> Any:
    """An intrinsic function of LLVM on vectors of words."""
    signature = ir.FunctionType(kind, [kind] * len(values))
    function = cgutils.get_or_insert_function(builder.module, signature, f"{name}.v{kind.count}i64")
    return builder.call(function, values)


def _spread(builder: ir.IRBuilder, scalar: Any, kind: ir.VectorType) -> Any:
    undefined = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(one, undefined, zeros)
