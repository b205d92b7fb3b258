"""Element-wise functions of one array: `out[i] = f(x[i])`, and the gradients that are cheaper fused.

Arrays are C-contiguous, of any number of dimensions and of one size. `log`, `sqrt` and `rsqrt` look over a run of
RUN elements first, still in L1 afterwards, and take the short form where no element is special (log: 23 -> 15 us).
"""

from numba import njit

from torsh_ops.kernels import math as m
from torsh_ops.kernels import trig
from torsh_ops.kernels.vector import SERIAL, ceil, fabs, flat, floor, maximum, rint, span, trunc

RUN = 1024


@njit(**SERIAL)
def exp(x, out):
    """`e**x`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.exp(x[i])


@njit(**SERIAL)
def log(x, out):
    """Natural logarithm."""
    for start in range(0, out.size, RUN):
        n = min(RUN, out.size - start)
        a, o = span(x, start, n), span(out, start, n)
        if m.all_normal(a):
            for i in range(n):
                o[i] = m.log_normal(a[i])
        else:
            for i in range(n):
                o[i] = m.log(a[i])


@njit(**SERIAL)
def sqrt(x, out):
    """Square root."""
    for start in range(0, out.size, RUN):
        n = min(RUN, out.size - start)
        a, o = span(x, start, n), span(out, start, n)
        if m.all_rootable(a):
            for i in range(n):
                o[i] = m.root_normal(a[i])
        else:
            for i in range(n):
                o[i] = m.root(a[i])


@njit(**SERIAL)
def rsqrt(x, out):
    """One over the square root."""
    for start in range(0, out.size, RUN):
        n = min(RUN, out.size - start)
        a, o = span(x, start, n), span(out, start, n)
        if m.all_rootable(a):
            for i in range(n):
                o[i] = m.rsqrt_normal(a[i])
        else:
            for i in range(n):
                o[i] = out.dtype.type(1) / m.root(a[i])


@njit(**SERIAL)
def sin(x, out):
    """Sine of an angle in radians."""
    for start in range(0, out.size, RUN):
        n = min(RUN, out.size - start)
        a, o = span(x, start, n), span(out, start, n)
        if trig.all_near(a):
            for i in range(n):
                o[i] = trig.sin(a[i])
        else:
            for i in range(n):
                o[i] = trig.sin_far(a[i])


@njit(**SERIAL)
def cos(x, out):
    """Cosine of an angle in radians."""
    for start in range(0, out.size, RUN):
        n = min(RUN, out.size - start)
        a, o = span(x, start, n), span(out, start, n)
        if trig.all_near(a):
            for i in range(n):
                o[i] = trig.cos(a[i])
        else:
            for i in range(n):
                o[i] = trig.cos_far(a[i])


@njit(**SERIAL)
def exp2(x, out):
    """`2**x`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.exp2(x[i])


@njit(**SERIAL)
def expm1(x, out):
    """`e**x - 1`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.expm1(x[i])


@njit(**SERIAL)
def log1p(x, out):
    """Natural logarithm of `1 + x`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.log1p(x[i])


@njit(**SERIAL)
def floor_(x, out):
    """The largest whole number not above `x`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = floor(x[i])


@njit(**SERIAL)
def ceil_(x, out):
    """The smallest whole number not below `x`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = ceil(x[i])


@njit(**SERIAL)
def trunc_(x, out):
    """`x` without its fraction."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = trunc(x[i])


@njit(**SERIAL)
def frac(x, out):
    """The fraction of `x`, of its sign."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = x[i] - trunc(x[i])


@njit(**SERIAL)
def round_(x, out):
    """The nearest whole number, the even one of two."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = rint(x[i])


@njit(**SERIAL)
def tanh(x, out):
    """Hyperbolic tangent."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.tanh(x[i])


@njit(**SERIAL)
def sigmoid(x, out):
    """Logistic function."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.sigmoid(x[i])


@njit(**SERIAL)
def erf(x, out):
    """Error function."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.erf(x[i])


@njit(**SERIAL)
def relu(x, out):
    """`max(x, 0)`; NaN stays."""
    x, out = flat(x), flat(out)
    zero = out.dtype.type(0)
    for i in range(out.size):
        out[i] = maximum(x[i], zero)


@njit(**SERIAL)
def silu(x, out):
    """`x * sigmoid(x)`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = x[i] * m.sigmoid(x[i])


@njit(**SERIAL)
def gelu(x, out):
    """`x * (1 + erf(x / sqrt(2))) / 2`."""
    x, out = flat(x), flat(out)
    half, one, scale = out.dtype.type(0.5), out.dtype.type(1), out.dtype.type(0.7071067811865476)
    for i in range(out.size):
        out[i] = half * x[i] * (one + m.erf(x[i] * scale))


@njit(**SERIAL)
def gelu_tanh(x, out):
    """The tanh form of gelu, as `x * sigmoid(2 u)` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`."""
    x, out = flat(x), flat(out)
    two_c, cubic, one = out.dtype.type(1.5957691216057308), out.dtype.type(0.044715), out.dtype.type(1)
    for i in range(out.size):
        v = x[i]
        out[i] = v * m.sigmoid(two_c * v * (one + cubic * v * v))


@njit(**SERIAL)
def neg(x, out):
    """`-x`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = -x[i]


@njit(**SERIAL)
def absolute(x, out):
    """`|x|` of floating-point numbers."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = fabs(x[i])


@njit(**SERIAL)
def square(x, out):
    """`x * x`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = x[i] * x[i]


@njit(**SERIAL)
def reciprocal(x, out):
    """`1 / x`."""
    x, out = flat(x), flat(out)
    one = out.dtype.type(1)
    for i in range(out.size):
        out[i] = one / x[i]


@njit(**SERIAL)
def sign(x, out):
    """-1, 0 or 1; NaN gives 0, as in PyTorch."""
    x, out = flat(x), flat(out)
    zero, one = out.dtype.type(0), out.dtype.type(1)
    for i in range(out.size):
        out[i] = (one if x[i] > zero else zero) - (one if x[i] < zero else zero)
