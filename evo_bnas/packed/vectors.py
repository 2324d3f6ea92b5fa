# mypy: disable-error-code="no-untyped-call"
# Numba's cache on disk is as old as kernels.py: whoever changes this file touches that one.
"""Three loops that a compiler does not vectorise well, written in LLVM's vectors: any CPU runs them.

With AVX-512, LLVM makes one instruction each of XOR under a mask, of popcount and of sixteen comparisons;
elsewhere it takes shorter vectors and its own substitutes. All arrays are flat.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 16  # channels that are computed together

# What of an epilogue is there.
AFFINE1, ACT1, MOVED1, AFFINE2, ADD, ACT2, MOVED2, WRITE = (1 << bit for bit in range(8))

_UNROLLED = 4  # sums side by side: a multiply-add waits for the one before it
_FLOAT = ir.FloatType()
_I64 = ir.IntType(64)
_WORDS = ir.VectorType(_I64, LANES)
_COUNTS = ir.VectorType(ir.IntType(32), LANES)
_SUMS = ir.VectorType(_FLOAT, LANES)
_LEVELS = ir.VectorType(_FLOAT, 64)


@intrinsic
def add_up(
    _: Any, read: Any, at: Any, rows: Any, row: Any, count: Any, weights: Any, block: Any, masks: Any,
    mask: Any, sums: Any, to: Any,
) -> Any:  # fmt: skip
    """Add to `sums[to:to + LANES]` what a pixel makes with a block of weights.

    For k below `count`, `read[at + k]` meets row `rows[row + k]` of the block that begins at `block`; rows
    have LANES weights. Words add, in int32, the number of bits in which the two differ, under a mask of
    LANES words that begins at `mask` and holds for all of them. Values in float32 add products, rounded as
    is fastest.
    """
    n = types.intp
    signature = types.void(read, n, rows, n, n, weights, n, masks, n, sums, n)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at, row, count, block, mask, to = (arguments[n] for n in (1, 3, 4, 6, 8, 10))
        read, rows, weights, masks, sums = _pointers(context, builder, signature, arguments, (0, 2, 5, 7, 9))

        def meet(k: Any, kind: ir.VectorType) -> tuple[Any, Any]:
            one = _spread(builder, builder.load(builder.gep(read, [builder.add(at, k)])), kind)
            number = builder.load(builder.gep(rows, [builder.add(row, k)]))
            place = builder.add(block, builder.mul(number, _I64(LANES)))
            return one, _load(builder, weights, place, kind)

        if signature.args[0].dtype == types.uint64:
            kept = _load(builder, masks, mask, _WORDS)
            kind = ir.FunctionType(_WORDS, [_WORDS])
            popcount = cgutils.get_or_insert_function(builder.module, kind, f"llvm.ctpop.v{LANES}i64")

            def differing(k: Any, sum_: Any) -> Any:
                differs = builder.and_(builder.xor(*meet(k, _WORDS)), kept)
                return builder.add(sum_, builder.call(popcount, [differs]))

            words = _reduce(builder, count, _WORDS, 1, differing, builder.add)
            found = builder.add(_load(builder, sums, to, _COUNTS), builder.trunc(words, _COUNTS))
        else:

            def product(k: Any, sum_: Any) -> Any:
                made = builder.fmul(*meet(k, _SUMS), ("contract",))
                return builder.fadd(sum_, made, ("contract",))

            products = _reduce(builder, count, _SUMS, _UNROLLED, product, builder.fadd)
            found = builder.fadd(_load(builder, sums, to, _SUMS), products)
        _store(builder, sums, to, found)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def at_least(_: Any, values: Any, first: Any, levels: Any, second: Any) -> Any:
    """A word whose bit t is whether `values[first + t] >= levels[second + t]`, for float32."""
    signature = types.uint64(values, types.intp, levels, types.intp)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        values, levels = _pointers(context, builder, signature, arguments, (0, 2))
        sides = (_load(builder, values, arguments[1], _LEVELS), _load(builder, levels, arguments[3], _LEVELS))
        return builder.bitcast(builder.fcmp_ordered(">=", *sides), _I64)

    return signature, generate


@intrinsic
def apply_epilogue(
    _: Any, source: Any, first: Any, whole: Any, at: Any, rows: Any, width: Any, stages: Any, added: Any,
    added_at: Any, y: Any, real: Any, to: Any,
) -> Any:  # fmt: skip
    """LANES sums from `first` on through act2(a2 * act1(a1*z + b1) + b2 + added), to `y[at:]`, in float32.

    They are written to `real[to:]` too where `stages` has WRITE. Of int32 sums, which count what differs,
    z is `whole` minus twice as many. Rows of `width` are a1, b1, slope1, shift_in1, shift_out1, and the same
    again for 2; `stages` says which are there. Every product and every sum is rounded on its own.
    """
    n = types.intp
    signature = types.void(source, n, n, n, rows, n, n, added, n, y, real, n)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        first, whole, at, width, stages, added_at, to = (arguments[n] for n in (1, 2, 3, 5, 6, 8, 11))
        source, rows, added, y, real = _pointers(context, builder, signature, arguments, (0, 4, 7, 9, 10))
        if signature.args[0].dtype == types.int32:
            twice = builder.shl(_load(builder, source, first, _COUNTS), ir.Constant(_COUNTS, [1] * LANES))
            taps = _spread(builder, builder.trunc(whole, _COUNTS.element), _COUNTS)
            z = builder.sitofp(builder.sub(taps, twice), _SUMS)
        else:
            z = _load(builder, source, first, _SUMS)
        value = cgutils.alloca_once_value(builder, z)
        builder.store(z, value)

        def stage(flag: int) -> Any:
            asked = builder.icmp_signed("!=", builder.and_(stages, _I64(flag)), _I64(0))
            return builder.if_then(asked)

        def row(number: int) -> Any:
            return _load(builder, rows, builder.add(builder.mul(width, _I64(number)), at), _SUMS)

        def affine(first: int) -> None:
            product = builder.fmul(row(first), builder.load(value))
            builder.store(builder.fadd(product, row(first + 1)), value)

        def add(other: Any) -> None:
            builder.store(builder.fadd(builder.load(value), other), value)

        def act(first: int, moved: int) -> None:
            with stage(moved):
                add(row(first + 1))
            x = builder.load(value)
            positive = builder.fcmp_ordered(">", x, ir.Constant(_SUMS, [0.0] * LANES))
            builder.store(builder.select(positive, x, builder.fmul(x, row(first))), value)
            with stage(moved):
                add(row(first + 2))

        with stage(AFFINE1):
            affine(0)
        with stage(ACT1):
            act(2, MOVED1)
        with stage(AFFINE2):
            affine(5)
        with stage(ADD):
            add(_load(builder, added, added_at, _SUMS))
        with stage(ACT2):
            act(7, MOVED2)
        _store(builder, y, at, builder.load(value))
        with stage(WRITE):
            _store(builder, real, to, builder.load(value))
        return context.get_dummy_value()

    return signature, generate


def _reduce(
    builder: ir.IRBuilder,
    count: Any,
    kind: ir.VectorType,
    side_by_side: int,
    step: Callable[[Any, Any], Any],
    join: Callable[[Any, Any], Any],
) -> Any:
    """The vector that `step(k, sum)` makes of zeros, for k below `count`."""
    zero = ir.Constant(kind, [0] * LANES)
    sums = [cgutils.alloca_once_value(builder, zero) for _ in range(side_by_side)]
    for place in sums:
        builder.store(zero, place)
    many = builder.udiv(count, count.type(side_by_side))
    with cgutils.for_range(builder, many) as loop:
        first = builder.mul(loop.index, count.type(side_by_side))
        for n, place in enumerate(sums):
            builder.store(step(builder.add(first, count.type(n)), builder.load(place)), place)
    if side_by_side > 1:
        done = builder.mul(many, count.type(side_by_side))
        with cgutils.for_range(builder, builder.sub(count, done)) as loop:
            k = builder.add(done, loop.index)
            builder.store(step(k, builder.load(sums[0])), sums[0])
    total = builder.load(sums[0])
    for place in sums[1:]:
        total = join(total, builder.load(place))
    return total


def _pointers(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, which: Any) -> list[Any]:
    return [context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in which]


def _load(builder: ir.IRBuilder, array: Any, index: Any, kind: ir.VectorType) -> Any:
    pointer = builder.bitcast(builder.gep(array, [index]), kind.as_pointer())
    return builder.load(pointer, align=kind.element.width // 8 if kind.element is _I64 else 4)


def _store(builder: ir.IRBuilder, array: Any, index: Any, value: Any) -> None:
    pointer = builder.bitcast(builder.gep(array, [index]), value.type.as_pointer())
    builder.store(value, pointer, align=4)


def _spread(builder: ir.IRBuilder, scalar: Any, kind: ir.VectorType) -> Any:
    undefined = ir.Constant(kind, ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(one, undefined, zeros)
