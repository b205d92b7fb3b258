"""Copies of runs of neighbours, as short as one vector, without the checks that LLVM puts before a loop of its own."""

from typing import Any

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
LINE_BYTES = 64  # a line of cache: what a streamed store writes
STREAMED_BYTES = 4 << 20  # beyond the L2 of any core: larger results are streamed past the caches


def store(builder: Any, value: Any, address: Any, itemsize: int, streamed: bool) -> None:
    """Store a vector at a number that is an address; a streamed one goes past the caches and must be aligned."""
    pointer = builder.inttoptr(address, value.type.as_pointer())
    place = builder.store(value, pointer, align=LINE_BYTES if streamed else itemsize)
    if streamed:
        place.set_metadata("nontemporal", builder.module.add_metadata([_INT32(1)]))


@intrinsic
def settle(typingctx: Any) -> Any:
    """Wait for streamed stores: other threads may read the result."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


def _address(context: Any, builder: Any, array: Any, value: Any, index: Any, itemsize: int) -> Any:
    data = builder.ptrtoint(arrayobj.make_array(array)(context, builder, value).data, _INT64)
    return builder.add(data, builder.mul(index, _INT64(itemsize)))


def _run(add: bool = False, backward: bool = False) -> Any:
    """Make ``copy(x, x_at, out, out_at, size, streamed)`` of C-contiguous arrays, positions flat.

    With `add`, to add to `out`; with `backward`, to read `x` from the end of the run to its start.
    """

    def typed(typingctx: Any, x: Any, x_at: Any, out: Any, out_at: Any, size: Any, streamed: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            element = context.get_data_type(x.dtype)
            itemsize = context.get_abi_sizeof(element)
            n = LINE_BYTES // itemsize
            source = _address(context, builder, x, args[0], args[1], itemsize)
            target = _address(context, builder, out, args[2], args[3], itemsize)

            def move(index: Any, width: int, past_caches: bool) -> None:
                kind = (ir.VectorType(element, width) if width > 1 else element).as_pointer()
                offset = builder.mul(index, _INT64(itemsize))
                to = builder.add(target, offset)
                if backward:
                    offset = builder.mul(builder.sub(builder.sub(args[4], index), _INT64(width)), _INT64(itemsize))
                value = builder.load(builder.inttoptr(builder.add(source, offset), kind), align=itemsize)
                if backward and width > 1:
                    order = ir.Constant(ir.VectorType(_INT32, width), list(range(width - 1, -1, -1)))
                    value = builder.shuffle_vector(value, value, order)
                if add:
                    value = builder.fadd(builder.load(builder.inttoptr(to, kind), align=itemsize), value)
                store(builder, value, to, itemsize, past_caches)

            whole = builder.mul(builder.sdiv(args[4], _INT64(n)), _INT64(n))
            with builder.if_else(args[5]) as branches:
                for branch, past_caches in zip(branches, (True, False), strict=True):
                    with branch, cgutils.for_range_slice(builder, _INT64(0), whole, _INT64(n), _INT64) as (index, _):
                        move(index, n, past_caches)
            with cgutils.for_range_slice(builder, whole, args[4], _INT64(1), _INT64) as (index, _):
                move(index, 1, False)
            return context.get_dummy_value()

        return types.void(x, types.intp, out, *[types.intp] * 2, types.boolean), codegen

    return intrinsic(typed)


copy_run, add_run, turn_run = _run(), _run(add=True), _run(backward=True)


@intrinsic
def fetch_ahead(typingctx: Any, x: Any, at: Any) -> Any:
    """Tell the machine that a flat position will be read soon."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        itemsize = context.get_abi_sizeof(context.get_data_type(x.dtype))
        place = builder.inttoptr(_address(context, builder, x, args[0], args[1], itemsize), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, _INT32, _INT32, _INT32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(prefetch, [place, _INT32(0), _INT32(3), _INT32(1)])
        return context.get_dummy_value()

    return types.void(x, types.intp), codegen
