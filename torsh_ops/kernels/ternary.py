"""Element-wise functions of three operands: `out[i] = f(x[i], y[i], z[i])`.

Each operand is a C-contiguous array of the size of `out`, an array of one element, or a number: what it is, is decided
when the kernel is compiled and, for one element, before the loop.
"""

import numpy as np
from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels.binary import at
from torsh_ops.kernels.vector import FORCED, SERIAL, flat, maximum, minimum


def operand(x, out):
    """A flat array, or a number in the dtype of `out`."""
    raise NotImplementedError


@overload(operand, jit_options=FORCED)
def _operand(x, out):
    if isinstance(x, types.Array):
        return lambda x, out: flat(x)
    return lambda x, out: out.dtype.type(x)


@njit(**SERIAL)
def clamp(x, low, high, out):
    """`x` from `low` to `high`; NaN of any of them wins."""
    x, out = flat(x), flat(out)
    a, b = operand(low, out), operand(high, out)
    for i in range(out.size):
        out[i] = minimum(maximum(x[i], at(a, i)), at(b, i))


@njit(**SERIAL)
def where(condition, x, y, out):
    """`x` where the condition is true, else `y`."""
    c, out = flat(condition), flat(out)
    a, b = operand(x, out), operand(y, out)
    for i in range(out.size):
        out[i] = at(a, i) if c[i] else at(b, i)


@njit(**SERIAL)
def lerp(x, y, weight, out):
    """`x + weight (y - x)`, from the end that is nearer, so that weight 1 gives `y` itself."""
    x, y, out = flat(x), flat(y), flat(out)
    w = operand(weight, out)
    half, one = out.dtype.type(0.5), out.dtype.type(1)
    for i in range(out.size):
        t, step = at(w, i), y[i] - x[i]
        out[i] = x[i] + t * step if -half < t < half else y[i] - step * (one - t)


@njit(**SERIAL)
def addcmul(x, y, z, value, out):
    """`x + value y z`."""
    x, y, z, out = flat(x), flat(y), flat(z), flat(out)
    factor = out.dtype.type(value)
    for i in range(out.size):
        out[i] = x[i] + factor * y[i] * z[i]


@njit(**SERIAL)
def addcdiv(x, y, z, value, out):
    """`x + value y / z`."""
    x, y, z, out = flat(x), flat(y), flat(z), flat(out)
    factor = out.dtype.type(value)
    for i in range(out.size):
        out[i] = x[i] + factor * y[i] / z[i]


@njit(**SERIAL)
def nan_to_num(x, nan, high, low, out):
    """`x`, with these in the places of NaN, infinity and minus infinity."""
    x, out = flat(x), flat(out)
    kind = out.dtype.type
    a, b, c, infinity = kind(nan), kind(high), kind(low), kind(np.inf)
    for i in range(out.size):
        v = x[i]
        w = b if v == infinity else v
        w = c if v == -infinity else w
        out[i] = w if v == v else a
