"""Transcendental functions as polynomials that vectorise. float32: at most 2 ulp; float64: the C library's, scalar.

Each function is a name for `overload`: a kernel writes ``exp(x)`` and Numba picks the float32 or float64 form. The
coefficients are minimax fits made for this file (Lawson iteration against 40-digit references).
"""

import math

import numpy as np
from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels.vector import FORCED, bits_of_f32, copysign, f4, f32_of_bits, fabs, fma, sqrt

_i4 = np.int32  # Numba widens int32 arithmetic to int64, which halves the vector: every step is cast back

# Adding 1.5 * 2**23 to a small float32 rounds it to an integer and leaves that integer in the low mantissa bits.
_ROUND = f4(12582912.0)
_LOG2E = f4(1.44269504)
_LN2_HI, _LN2_LO = f4(0.693359375), f4(-2.12194440e-4)
_INF, _NAN = f4(np.inf), f4(np.nan)


@njit(**FORCED)
def _reduce(x):
    """Split exp's argument: x = n ln 2 + r, |r| <= ln 2 / 2; returns n as int32 and exp(r) - 1."""
    t = fma(x, _LOG2E, _ROUND)
    n = t - _ROUND
    r = fma(n, -_LN2_LO, fma(n, -_LN2_HI, x))
    q = fma(f4(0.0013814467), r, f4(0.008368781))
    q = fma(q, r, f4(0.041668393))
    q = fma(q, r, f4(0.1666652))
    q = fma(q, r, f4(0.49999994))
    return _i4(bits_of_f32(t) - bits_of_f32(_ROUND)), fma(q, r * r, r)


@njit(**FORCED)
def _power_of_two(n):
    return f32_of_bits(_i4(_i4(n + _i4(127)) << _i4(23)))


@njit(**FORCED)
def exp_f32(x):
    """exp: 0 below -104, infinity above 88.73, denormals between; the scale is applied in two halves for them."""
    x = f4(-104.0) if f4(-104.0) > x else x
    x = f4(89.0) if f4(89.0) < x else x
    n, p = _reduce(x)
    half = _i4(n >> _i4(1))
    return (p + f4(1.0)) * _power_of_two(half) * _power_of_two(_i4(n - half))


@njit(**FORCED)
def expm1_f32(x):
    """exp(x) - 1 without cancellation near 0."""
    x = f4(-18.0) if f4(-18.0) > x else x
    x = f4(89.0) if f4(89.0) < x else x
    n, p = _reduce(x)
    half = _i4(n >> _i4(1))
    low, high = _power_of_two(half), _power_of_two(_i4(n - half))
    return fma(p * low, high, fma(low, high, f4(-1.0)))


@njit(**FORCED)
def tanh_f32(x):
    """tanh(x) = e / (e + 2) with e = expm1(2 |x|), which is exact enough near 0 and saturates at 9.02."""
    a = fabs(x)
    a = f4(9.02) if f4(9.02) < a else a
    e = expm1_f32(a + a)
    return copysign(e / (e + f4(2.0)), x)


@njit(**FORCED)
def sigmoid_f32(x):
    """1 / (1 + exp(-x))."""
    return f4(1.0) / (f4(1.0) + exp_f32(-x))


@njit(**FORCED)
def erf_f32(x):
    """erf: x + x p(x^2) below 1, a polynomial about 2.4 from there to 3.92, where it rounds to 1.

    Both are computed and one is taken: 21 multiply-adds cost less than one division.
    """
    a = fabs(x)
    t = x * x
    p = fma(f4(7.720853e-05), t, f4(-0.0007972473))
    p = fma(p, t, f4(0.00518434))
    p = fma(p, t, f4(-0.026851881))
    p = fma(p, t, f4(0.11283543))
    p = fma(p, t, f4(-0.37612623))
    p = fma(p, t, f4(0.12837917))
    u = a - f4(2.4)
    q = fma(f4(-9.0552e-06), u, f4(3.1963795e-05))
    q = fma(q, u, f4(3.2299136e-05))
    q = fma(q, u, f4(-0.00032708014))
    q = fma(q, u, f4(0.0005623989))
    q = fma(q, u, f4(0.00023388062))
    q = fma(q, u, f4(-0.003113584))
    q = fma(q, u, f4(0.007894387))
    q = fma(q, u, f4(-0.012106799))
    q = fma(q, u, f4(0.0124678165))
    q = fma(q, u, f4(-0.00853499))
    q = fma(q, u, f4(0.0035556972))
    q = fma(q, u, f4(0.9993115))
    large = copysign(f4(1.0) if a >= f4(3.92) else q, x)
    return large if a >= f4(1.0) else fma(x, p, x)


@njit(**FORCED)
def log_f32(x):
    """log: x = 2^e m with m in [sqrt(1/2), sqrt(2)), then a polynomial in m - 1; denormals are scaled first."""
    tiny = x < f4(1.17549435e-38)
    bits = bits_of_f32(x * f4(8388608.0) if tiny else x)
    offset = _i4(bits - _i4(0x3F3504F3))
    e = f4(_i4(offset >> _i4(23))) - (f4(23.0) if tiny else f4(0.0))
    f = f32_of_bits(_i4((offset & _i4(0x7FFFFF)) + _i4(0x3F3504F3))) - f4(1.0)
    q = fma(f4(0.0674664), f, f4(-0.11675652))
    q = fma(q, f, f4(0.11888162))
    q = fma(q, f, f4(-0.12405589))
    q = fma(q, f, f4(0.14219552))
    q = fma(q, f, f4(-0.16667996))
    q = fma(q, f, f4(0.20002119))
    q = fma(q, f, f4(-0.2500001))
    q = fma(q, f, f4(0.33333313))
    square = f * f
    tail = fma(f * square, q, fma(e, _LN2_LO, f4(-0.5) * square))
    result = fma(e, _LN2_HI, f + tail)
    result = x if x == _INF else result
    result = -_INF if x == f4(0.0) else result
    return result if x >= f4(0.0) else _NAN


@njit(**FORCED)
def _sigmoid_f64(x):
    return 1.0 / (1.0 + math.exp(-x))


def exp(x):
    """E to the power x."""
    raise NotImplementedError


def expm1(x):
    """E to the power x, less one."""
    raise NotImplementedError


def log(x):
    """Natural logarithm."""
    raise NotImplementedError


def tanh(x):
    """Hyperbolic tangent."""
    raise NotImplementedError


def sigmoid(x):
    """Logistic function."""
    raise NotImplementedError


def erf(x):
    """Error function."""
    raise NotImplementedError


def root(x):
    """Square root."""
    raise NotImplementedError


def _choose(name, single, double):
    @overload(name, jit_options=FORCED)
    def form(x):
        if x == types.float32:
            return lambda x: single(x)
        return lambda x: double(x)


_choose(exp, exp_f32, math.exp)
_choose(expm1, expm1_f32, math.expm1)
_choose(log, log_f32, math.log)
_choose(tanh, tanh_f32, math.tanh)
_choose(sigmoid, sigmoid_f32, _sigmoid_f64)
_choose(erf, erf_f32, math.erf)
_choose(root, sqrt, sqrt)
