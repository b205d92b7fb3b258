"""Powers of float32: 2 to the power of y log2(x), the product in float64, as C99 defines the special ones.

Two loops over a run that stays in L1, one of float64 and one of float32: in a single one LLVM would cut all vectors
to the eight numbers that fit the wider type.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np import arrayobj

from torsh_ops.kernels import math as m
from torsh_ops.kernels.binary import at, part, period, run_of
from torsh_ops.kernels.vector import (
    FORCED,
    SERIAL,
    bits_of_f32,
    bits_of_f64,
    f4,
    f32_of_bits,
    f64_of_bits,
    fabs,
    fma,
    rint,
    span,
)

RUN = 512
_i4, _f8 = np.int32, np.float64
# Adding it to a small whole number leaves that number, and the bias of an exponent, in the low bits.
_EXPONENT = f4(12582912.0 + 127)
_LARGEST = _i4(0x7F7FFFFF)


@intrinsic
def _scratch(typingctx: Any) -> Any:
    """An array of RUN float32 that lives until the function returns."""
    result = types.Array(types.float32, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = cgutils.alloca_once(builder, ir.FloatType(), size=RUN)
        data.align = 64
        i64 = ir.IntType(64)
        array = arrayobj.make_array(result)(context, builder)
        arrayobj.populate_array(array, data=data, shape=[i64(RUN)], strides=[i64(4)], itemsize=i64(4), meminfo=None)
        return array._getvalue()

    return result(), codegen


@njit(**FORCED)
def _log2(x):
    """Logarithm of a positive normal float64, to 5e-11 of it: 2 atanh(s) of s = (m - 1) / (m + 1), 0.7 < m < 1.42."""
    bits = bits_of_f64(x)
    e = (bits - 0x3FE6A09E667F3BCD) >> 52
    f = f64_of_bits(bits - (e << 52)) - 1.0
    s = f / (2.0 + f)
    u = s * s
    p = fma(_f8(2.8853900817779268 / 11), u, _f8(2.8853900817779268 / 9))
    p = fma(p, u, _f8(2.8853900817779268 / 7))
    p = fma(p, u, _f8(2.8853900817779268 / 5))
    p = fma(p, u, _f8(2.8853900817779268 / 3))
    p = fma(p, u, _f8(2.8853900817779268))
    return fma(p, s, _f8(e))


@njit(**FORCED)
def _exp2_of(r, half):
    """2 to the power `r + 2 half`, -1 <= r <= 1 and `half` whole; 0 or infinity where that is far out."""
    half = f4(-80.0) if f4(-80.0) > half else half
    half = f4(65.0) if f4(65.0) < half else half
    q = m.exp2_near_f32(r)
    scale = f32_of_bits(_i4(bits_of_f32(half + _EXPONENT) << _i4(23)))
    return q * scale * scale


@njit(**FORCED)
def _signed(x, y, size):
    """The power of any x, from `size`, that of |x| where 0 < |x| < infinity."""
    large, below = fabs(x) > f4(1.0), y < f4(0.0)
    limit = f4(0.0) if large == below else f4(np.inf)
    size = limit if (x == f4(0.0)) | (fabs(x) == f4(np.inf)) | (fabs(y) == f4(np.inf)) else size
    size = size if (x == x) & (y == y) else f4(np.nan)
    whole, halved = rint(y) == y, y * f4(0.5)
    odd = whole & (rint(halved) != halved)
    # The sign bit of x, where y is odd.
    flipped = _i4(bits_of_f32(x) & _i4(-2147483648)) if odd else _i4(0)
    result = f32_of_bits(_i4(bits_of_f32(size) ^ flipped))
    result = f4(np.nan) if (x < f4(0.0)) & (not whole) & (x > f4(-np.inf)) else result
    one = (y == f4(0.0)) | (x == f4(1.0)) | ((x == f4(-1.0)) & (fabs(y) == f4(np.inf)))
    return f4(1.0) if one else result


def _ordinary(x, y):
    """Whether x is positive, normal and finite, and y finite, of numbers or arrays of them."""
    raise NotImplementedError


@overload(_ordinary, jit_options=FORCED)
def _ordinary_form(x, y):
    if isinstance(x, types.Array):
        if isinstance(y, types.Array):
            return lambda x, y: m.all_normal(x) and _all_finite(y)
        return lambda x, y: m.all_normal(x) and abs(y) < np.inf
    return lambda x, y: (x >= 1.17549435e-38) and (x < np.inf) and _all_finite(y)


@njit(**FORCED)
def _all_finite(x):
    return m.sizes_within_f32(x, _LARGEST)


@njit(**SERIAL)
def power(x, y, out):
    """`x ** y` of float32, to 2 ulp."""
    rest, halves = _scratch(), _scratch()
    n = period(x, y)
    for first in range(0, out.size, n):
        a, b, o = part(x, y, first, n), part(y, x, first, n), span(out, first, n)
        for start in range(0, n, RUN):
            size = min(RUN, n - start)
            c, d = run_of(a, start, size), run_of(b, start, size)
            r, h, z = span(rest, 0, size), span(halves, 0, size), span(o, start, size)
            for i in range(size):
                t = _log2(fabs(_f8(at(c, i)))) * _f8(at(d, i))
                half = rint(t * 0.5)
                r[i], h[i] = f4(fma(-2.0, half, t)), f4(half)
            if _ordinary(c, d):
                for i in range(size):
                    z[i] = _exp2_of(r[i], h[i])
            else:
                for i in range(size):
                    z[i] = _signed(f4(at(c, i)), f4(at(d, i)), _exp2_of(r[i], h[i]))
