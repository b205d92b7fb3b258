"""Work on explicit vectors, for what LLVM does not vectorise itself: prefix sums, binary searches and first matches.

Arrays are flat; `start` must leave room for a whole vector behind it. LLVM cuts the vectors to the machine's own.
"""

from typing import Any

import llvmlite.ir as ir
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj

# Elements that `matches` compares, one for each bit of its result.
MATCHED = 64
# Elements of one prefix: eight float64 fill an AVX-512 register, and three steps sum them.
SCANNED = 8
# Binary searches that go on side by side, so that their loads wait for memory at the same time.
SEARCHED = 16

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _vector_at(context: Any, builder: Any, array_type: Any, array: Any, start: Any, count: int) -> Any:
    """Return the address of `count` elements from `start` on."""
    data = arrayobj.make_array(array_type)(context, builder, array).data
    kind = ir.VectorType(data.type.pointee, count)
    return builder.bitcast(builder.gep(data, [start]), kind.as_pointer())


def _splat(builder: Any, value: Any, count: int) -> Any:
    kind = ir.VectorType(value.type, count)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, _I32(0))
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(_I32, count), None))


@intrinsic
def matches(typingctx: Any, x: Any, start: Any, value: Any) -> Any:
    """Which of 64 numbers from `start` on equal `value` or are NaN: a bit for each, the first the lowest."""
    if not (isinstance(x, types.Array) and isinstance(x.dtype, types.Float)):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        numbers = builder.load(_vector_at(context, builder, x, args[0], args[1], MATCHED), align=x.dtype.bitwidth // 8)
        equal = builder.fcmp_ordered("==", numbers, _splat(builder, args[2], MATCHED))
        hit = builder.or_(equal, builder.fcmp_unordered("uno", numbers, numbers))
        return builder.bitcast(hit, _I64)

    return types.int64(x, types.intp, x.dtype), codegen


@intrinsic
def lowest(typingctx: Any, mask: Any) -> Any:
    """The number of the lowest bit that is set; `mask` is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(0))

    return types.int64(types.int64), codegen


@intrinsic
def prefix_sum(typingctx: Any, x: Any, start: Any, carry: Any, out: Any) -> Any:
    """Write ``carry + x[start] + ... + x[i]`` to out[i] for 8 places; return their sum without `carry`.

    1, 2 and 4 places are joined in turn (Hillis and Steele 1986), in float64: no part of a sum overflows that the sum
    in order would not.
    """
    if not (isinstance(x, types.Array) and isinstance(x.dtype, types.Float)):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        align = x.dtype.bitwidth // 8
        wide = ir.VectorType(ir.DoubleType(), SCANNED)
        total = builder.load(_vector_at(context, builder, x, args[0], args[1], SCANNED), align=align)
        narrow = total.type
        total = total if x.dtype == types.float64 else builder.fpext(total, wide)
        distance = 1
        while distance < SCANNED:
            places = [SCANNED + i if i < distance else i - distance for i in range(SCANNED)]
            order = ir.Constant(ir.VectorType(_I32, SCANNED), places)
            total = builder.fadd(total, builder.shuffle_vector(total, ir.Constant(wide, None), order))
            distance *= 2
        result = builder.fadd(total, _splat(builder, args[2], SCANNED))
        result = result if x.dtype == types.float64 else builder.fptrunc(result, narrow)
        builder.store(result, _vector_at(context, builder, out, args[3], args[1], SCANNED), align=align)
        return builder.extract_element(total, _I32(SCANNED - 1))

    return types.float64(x, types.intp, types.float64, out), codegen


@intrinsic
def descend(typingctx: Any, row: Any, values: Any, out: Any, start: Any, half: Any, right: Any) -> Any:
    """One step of 16 binary searches of `row`: places of `out` from `start` on go `half` further, or stay.

    They go where the element before there is less than theirs of `values`, or no more when `right`. As vectors,
    because LLVM makes a branch of the sum of a place and a condition, and half of those are mispredicted.
    """
    real = isinstance(row.dtype, types.Float)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row_array, values_array, out_array, start, half, right = args
        where = _vector_at(context, builder, out, out_array, start, SEARCHED)
        places = builder.load(where, align=8)
        wanted = builder.load(
            _vector_at(context, builder, values, values_array, start, SEARCHED), align=values.dtype.bitwidth // 8
        )
        data = arrayobj.make_array(row)(context, builder, row_array).data
        data = builder.gep(data, [builder.sub(half, _I64(1))])
        found = ir.Constant(wanted.type, ir.Undefined)
        for i in range(SEARCHED):
            element = builder.load(builder.gep(data, [builder.extract_element(places, _I32(i))]))
            found = builder.insert_element(found, element, _I32(i))
        compare = builder.fcmp_unordered if real else builder.icmp_signed
        goes = builder.select(right, compare("<=", found, wanted), compare("<", found, wanted))
        step = builder.select(goes, _splat(builder, half, SEARCHED), ir.Constant(places.type, None))
        builder.store(builder.add(places, step), where, align=8)
        return context.get_dummy_value()

    return types.void(row, values, out, types.intp, types.intp, types.boolean), codegen
