# mypy: disable-error-code="no-untyped-call"
"""Numba intrinsics as functions that generate LLVM code, and the vector operations that they share.

All arrays are flat. LLVM lowers vectors to the instructions of the CPU. With AVX-512, a popcount of eight
words and sixteen comparisons are one instruction each; other CPUs get shorter vectors and substitutes.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numba.extending
from llvmlite import ir
from llvmlite.ir import IRBuilder as Builder
from numba.core import cgutils, types

LANES = 16  # float32 or int32 in a vector
TILE = 8  # pixels that are computed together, so that their sums stay in registers

BIT, I32, I64, FLOAT = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.FloatType()
FLOATS = ir.VectorType(FLOAT, LANES)
COUNTS = ir.VectorType(I32, LANES)

Value = Any  # of LLVM: llvmlite has no types


def intrinsic(generate: Callable[..., None]) -> Any:
    """Make a function that Numba code can call from one that generates its LLVM code.

    `generate` gets the builder and the arguments of the call as LLVM values: an array as the pointer to its
    data, integers as i64, booleans as i1, and a named tuple as the same named tuple of such values.
    """

    @wraps(generate)
    def typed(_: Any, *arguments: Any) -> Any:
        parameters = [types.intp if isinstance(kind, types.Integer) else kind for kind in arguments]

        def lower(context: Any, builder: Builder, signature: Any, values: Any) -> Value:
            named = zip(signature.args, values, strict=True)
            generate(builder, *(_argument(context, builder, kind, value) for kind, value in named))
            return context.get_dummy_value()

        return types.void(*parameters), lower

    return numba.extending.intrinsic(typed)


def _argument(context: Any, builder: Builder, kind: Any, value: Value) -> Any:
    if isinstance(kind, types.Array):
        return context.make_array(kind)(context, builder, value).data
    if isinstance(kind, types.NamedTuple | types.NamedUniTuple):
        fields = enumerate(kind.types)
        return kind.instance_class(
            *(_argument(context, builder, of, builder.extract_value(value, n)) for n, of in fields)
        )
    if isinstance(kind, types.Boolean):
        return builder.trunc(value, BIT) if value.type != BIT else value
    return context.cast(builder, value, kind, types.intp)


def places(builder: Builder, first: Value, step: Value, numbers: Sequence[Value]) -> list[Value]:
    """`first + number * step` for each number."""
    return [builder.add(first, builder.mul(number, step)) for number in numbers]


def pixels_of_tile(builder: Builder, count: Value) -> list[Value]:
    """The numbers 0 to TILE - 1, but at most count - 1."""
    last = builder.sub(count, I64(1))
    return [builder.select(builder.icmp_signed("<", I64(p), last), I64(p), last) for p in range(TILE)]


def element(builder: Builder, array: Value, index: Value) -> Value:
    """`array[index]`."""
    return builder.load(builder.gep(array, [index]))


def load(builder: Builder, array: Value, index: Value, kind: ir.VectorType) -> Value:
    """The vector at `array[index:]`."""
    pointer = builder.bitcast(builder.gep(array, [index]), kind.as_pointer())
    return builder.load(pointer, align=kind.element.width // 8 if kind.element == I64 else 4)


def store(builder: Builder, array: Value, index: Value, value: Value) -> None:
    """Write a vector to `array[index:]`."""
    pointer = builder.bitcast(builder.gep(array, [index]), value.type.as_pointer())
    builder.store(value, pointer, align=4)


def load_some(
    builder: Builder, array: Value, indices: Sequence[Value], limit: Value, variables: Sequence[Value]
) -> None:
    """Load LANES float32 from each index into a variable; lanes from `limit` on are not read and become 0."""
    pointers = [builder.bitcast(builder.gep(array, [index]), FLOATS.as_pointer()) for index in indices]
    with builder.if_else(builder.icmp_signed(">=", limit, I64(LANES))) as (whole, part):
        with whole:
            for pointer, variable in zip(pointers, variables, strict=True):
                builder.store(builder.load(pointer, align=4), variable)
        with part:
            signature = ir.FunctionType(FLOATS, [pointers[0].type, I32, ir.VectorType(BIT, LANES), FLOATS])
            function = _function(builder, f"llvm.masked.load.v{LANES}f32.p0", signature)
            mask, zero = _below(builder, limit), ir.Constant(FLOATS, [0.0] * LANES)
            for pointer, variable in zip(pointers, variables, strict=True):
                builder.store(builder.call(function, [pointer, I32(4), mask, zero]), variable)


def store_some(
    builder: Builder, array: Value, indices: Sequence[Value], limit: Value, variables: Sequence[Value]
) -> None:
    """Write the first `limit` of the LANES float32 in each variable to an index."""
    pointers = [builder.bitcast(builder.gep(array, [index]), FLOATS.as_pointer()) for index in indices]
    with builder.if_else(builder.icmp_signed(">=", limit, I64(LANES))) as (whole, part):
        with whole:
            for pointer, variable in zip(pointers, variables, strict=True):
                builder.store(builder.load(variable), pointer, align=4)
        with part:
            mask_type = ir.VectorType(BIT, LANES)
            signature = ir.FunctionType(ir.VoidType(), [FLOATS, pointers[0].type, I32, mask_type])
            function = _function(builder, f"llvm.masked.store.v{LANES}f32.p0", signature)
            mask = _below(builder, limit)
            for pointer, variable in zip(pointers, variables, strict=True):
                builder.call(function, [builder.load(variable), pointer, I32(4), mask])


def spread(builder: Builder, scalar: Value, kind: ir.VectorType) -> Value:
    """A vector with a scalar in every lane."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, scalar, I32(0))
    zeros = ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, undefined, zeros)


def call(builder: Builder, name: str, *words: Value) -> Value:
    """An LLVM intrinsic on vectors of 64-bit words: `llvm.ctpop`, `llvm.fshl`."""
    kind = words[0].type
    signature = ir.FunctionType(kind, [kind] * len(words))
    return builder.call(_function(builder, f"{name}.v{kind.count}i64", signature), words)


def _below(builder: Builder, limit: Value) -> Value:
    lanes = ir.Constant(COUNTS, list(range(LANES)))
    return builder.icmp_signed("<", lanes, spread(builder, builder.trunc(limit, I32), COUNTS))


def _function(builder: Builder, name: str, signature: ir.FunctionType) -> Any:
    return cgutils.get_or_insert_function(builder.module, signature, name)
