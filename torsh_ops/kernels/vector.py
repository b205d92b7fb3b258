"""What LLVM needs to make vector code of a plain loop: options, and single instructions as intrinsics."""

from typing import Any

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np import arrayobj

# No fast-math flag: NaN, infinities and the order of operations are as written. The GIL is released. Numba lets what
# is not set be inherited from whichever caller happens to compile a function first: hence the explicit False.
SERIAL: dict[str, Any] = {
    "cache": True, "nogil": True, "error_model": "numpy", "fastmath": False, "no_cfunc_wrapper": True,
}  # fmt: skip
# Sums may be reordered into vector lanes and products fused; NaN and infinities still count.
REORDER: dict[str, Any] = {**SERIAL, "fastmath": {"reassoc", "contract", "nsz"}}
# For functions that kernels are made of; compiled into their callers. They keep their way in from Python: a call of one
# without it ends the process, and leaving it out saves a twentieth of the time to compile.
FORCED: dict[str, Any] = {
    "forceinline": True, "nogil": True, "error_model": "numpy", "fastmath": False, "no_cfunc_wrapper": True,
}  # fmt: skip

f4 = np.float32

# LLVM keeps to 256-bit vectors on Intel's AVX-512 machines unless told otherwise; the polynomials below run up to
# twice as fast on 512. `flat` puts this on the kernel that calls it. llvmlite's own list of attributes lacks it.
WIDE = '"prefer-vector-width"="512"'


def _view(context: Any, builder: Any, array: Any, value: Any, result: Any, start: Any, size: Any) -> Any:
    set.add(builder.function.attributes, WIDE)
    source = arrayobj.make_array(array)(context, builder, value)
    view = arrayobj.make_array(result)(context, builder)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array.dtype)))
    data = source.data if start is None else builder.gep(source.data, [start])
    shape = [source.nitems if size is None else size]
    arrayobj.populate_array(view, data=data, shape=shape, strides=[itemsize], itemsize=itemsize, meminfo=None)
    return view._getvalue()


def _flat_type(array: Any) -> Any:
    if not (isinstance(array, types.Array) and array.layout == "C"):
        return None
    return types.Array(array.dtype, 1, "C", readonly=not array.mutable)


@intrinsic
def flat(typingctx: Any, array: Any) -> Any:
    """A C-contiguous array of any number of dimensions as one dimension; no copy, no call into Numba's runtime."""
    result = _flat_type(array)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _view(context, builder, array, args[0], result, None, None)

    return result and (result(array), codegen)


@intrinsic
def span(typingctx: Any, array: Any, start: Any, size: Any) -> Any:
    """`size` neighbours of a C-contiguous array from flat position `start` on.

    Indexed from 0, a loop over it vectorises; over ``x[start + i]`` it does not, as Numba must allow for a negative
    index (row sums of 256: 5x).
    """
    result = _flat_type(array)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _view(context, builder, array, args[0], result, args[1], args[2])

    return result and (result(array, types.intp, types.intp), codegen)


def _float_intrinsic(name: str, arity: int) -> Any:
    """Make the LLVM intrinsic `name` of float32 or float64 callable from kernels."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        llvm_type = context.get_value_type(signature.return_type)
        suffix = "f32" if signature.return_type == types.float32 else "f64"
        kind = ir.FunctionType(llvm_type, [llvm_type] * arity)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.{suffix}"), args)

    def unary(typingctx: Any, x: Any) -> Any:
        return (x(x), codegen) if isinstance(x, types.Float) else None

    def binary(typingctx: Any, x: Any, y: Any) -> Any:
        return (x(x, x), codegen) if isinstance(x, types.Float) and x == y else None

    def ternary(typingctx: Any, x: Any, y: Any, z: Any) -> Any:
        return (x(x, x, x), codegen) if isinstance(x, types.Float) and x == y == z else None

    return intrinsic((unary, binary, ternary)[arity - 1])


fma = _float_intrinsic("fma", 3)
rint = _float_intrinsic("rint", 1)
floor = _float_intrinsic("floor", 1)
ceil = _float_intrinsic("ceil", 1)
trunc = _float_intrinsic("trunc", 1)
sqrt = _float_intrinsic("sqrt", 1)
fabs = _float_intrinsic("fabs", 1)
copysign = _float_intrinsic("copysign", 2)
# IEEE 754-2019 maximum and minimum: NaN wins, and -0 < +0. LLVM makes vector reductions of them.
fmaximum = _float_intrinsic("maximum", 2)
fminimum = _float_intrinsic("minimum", 2)


@intrinsic
def rsqrt_estimate(typingctx: Any, x: Any) -> Any:
    """`1 / sqrt(x)` of a float32 to about 22 bits where the machine has an instruction for it; not for 0, inf, NaN."""
    if x != types.float32:
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        real = context.get_value_type(signature.return_type)
        root = cgutils.get_or_insert_function(builder.module, ir.FunctionType(real, [real]), "llvm.sqrt.f32")
        flags = ("afn", "arcp", "reassoc", "contract", "ninf", "nnan")
        return builder.fdiv(ir.Constant(real, 1.0), builder.call(root, args, fastmath=flags), flags=flags)

    return x(x), codegen


def _bitcast(source: Any, target: Any) -> Any:
    def typed(typingctx: Any, x: Any) -> Any:
        if x != source:
            return None

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(source), codegen

    return intrinsic(typed)


bits_of_f32 = _bitcast(types.float32, types.int32)
f32_of_bits = _bitcast(types.int32, types.float32)
bits_of_f64 = _bitcast(types.float64, types.int64)
f64_of_bits = _bitcast(types.int64, types.float64)


# Numba compares the parameters of an overload with its implementation's, so these carry no annotations.


def maximum(x, y):
    """The greater of two numbers of one type; NaN wins."""
    raise NotImplementedError


def minimum(x, y):
    """The smaller of two numbers of one type; NaN wins."""
    raise NotImplementedError


# Which of -0 and +0 is greater does not matter here, and costs a third of the speed of a row's maximum.
_EITHER_ZERO: dict[str, Any] = {**FORCED, "fastmath": {"nsz"}}


@overload(maximum, jit_options=_EITHER_ZERO)
def _maximum(x, y):
    if isinstance(x, types.Float):
        return lambda x, y: fmaximum(x, y)
    return lambda x, y: x if x > y else y


@overload(minimum, jit_options=_EITHER_ZERO)
def _minimum(x, y):
    if isinstance(x, types.Float):
        return lambda x, y: fminimum(x, y)
    return lambda x, y: x if x < y else y
