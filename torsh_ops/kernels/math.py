"""Transcendental functions as polynomials that vectorise. float32: at most 2 ulp; float64: the C library's, scalar.

Each function is a name for `overload`: a kernel writes ``exp(x)`` and Numba picks the float32 or float64 form. The
coefficients are minimax fits made for this file (Lawson iteration against 40-digit references). What bounds a kernel
in the caches is its count of vector instructions, about 1.3 a cycle: hence one shift instead of an integer sum for a
power of two, and `log` and `root` in two forms, of which the short one needs every argument of a run to be ordinary.
"""

import math

import numpy as np
from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels.vector import (
    FORCED,
    bits_of_f32,
    copysign,
    f4,
    f32_of_bits,
    fabs,
    fma,
    rsqrt_estimate,
    sqrt,
)

# Numba widens int32 arithmetic to int64, which halves the vector: every step is cast back.
_i4, _u4 = np.int32, np.uint32

_LOG2E = f4(1.44269504)
_LN2_HI, _LN2_LO = f4(0.693359375), f4(-2.12194440e-4)
_INF, _NAN = f4(np.inf), f4(np.nan)

# Adding 1.5 * 2**23 to a small float32 rounds it to an integer n and leaves n in the low mantissa bits. With 127 on
# top, the sum's bits shifted left by 23 are those of 2**n; twice the step gives n even and the bits of 2**(n / 2).
_STEP = 12582912.0
_WHOLE, _EVEN = f4(_STEP + 127), f4(2 * (_STEP + 127))


@njit(**FORCED)
def _power_of_two(t):
    return f32_of_bits(_i4(bits_of_f32(t) << _i4(23)))


@njit(**FORCED)
def _rest(x, n):
    return fma(n, -_LN2_LO, fma(n, -_LN2_HI, x))


@njit(**FORCED)
def _expm1_near(r):
    """expm1 for |r| <= ln 2 / 2."""
    q = fma(f4(0.0013870696), r, f4(0.008366272))
    q = fma(q, r, f4(0.041667435))
    q = fma(q, r, f4(0.16666546))
    q = fma(q, r, f4(0.49999997))
    return fma(q, r * r, r)


@njit(**FORCED)
def exp_f32(x):
    """exp: 0 below -104, infinity above 88.73, denormals between: the scale is applied in two equal halves for them."""
    x = f4(-104.0) if f4(-104.0) > x else x
    x = f4(89.0) if f4(89.0) < x else x
    t = fma(x, _LOG2E, _EVEN)
    r = _rest(x, t - _EVEN)
    q = fma(f4(0.0001962975), r, f4(0.0014104778))
    q = fma(q, r, f4(0.008335935))
    q = fma(q, r, f4(0.04166123))
    q = fma(q, r, f4(0.16666618))
    q = fma(q, r, f4(0.50000036))
    q = fma(q, r, f4(1.0))
    q = fma(q, r, f4(1.0))
    half = _power_of_two(t)
    return q * half * half


@njit(**FORCED)
def exp2_near_f32(r):
    """2 to the power r, |r| <= 1."""
    q = fma(f4(1.4916963e-05), r, f4(0.00015645292))
    q = fma(q, r, f4(0.001334172))
    q = fma(q, r, f4(0.009616844))
    q = fma(q, r, f4(0.05550366))
    q = fma(q, r, f4(0.24022669))
    q = fma(q, r, f4(0.69314724))
    return fma(q, r, f4(1.0))


@njit(**FORCED)
def exp2_f32(x):
    """2**x, as exp; whole numbers give exact results."""
    x = f4(-151.0) if f4(-151.0) > x else x
    x = f4(128.5) if f4(128.5) < x else x
    t = x + _EVEN
    r = x - (t - _EVEN)
    q = exp2_near_f32(r)
    half = _power_of_two(t)
    return q * half * half


@njit(**FORCED)
def expm1_f32(x):
    """exp(x) - 1 without cancellation near 0, through half of it: 2**128 is no float32."""
    low = f4(-18.0) if f4(-18.0) > x else x
    low = f4(89.0) if f4(89.0) < low else low
    t = fma(low, _LOG2E, f4(_STEP + 126))
    p = _expm1_near(_rest(low, t - f4(_STEP + 126)))
    half = _power_of_two(t)
    return copysign(f4(2.0) * fma(half, p, half - f4(0.5)), x)


@njit(**FORCED)
def tanh_f32(x):
    """tanh(|x|) with |x| = n ln(2) / 2 + r and h = tanh(r): (s - 1 + (s + 1) h) / (s + 1 + (s - 1) h), s = 2**n.

    n = 2 starts where tanh is a half: what rounding the three terms costs is 2.3 ulp just below a power of two. From
    n = 3 on, 1 is taken off the numerator and added after the division, which then is all but exact. 1 from 9.02 on.
    """
    a = fabs(x)
    a = f4(9.02) if f4(9.02) < a else a
    t = fma(a, f4(2.8853901), f4(-0.085)) + _WHOLE
    r = fma(t - _WHOLE, f4(-0.34657359), a)
    u = r * r
    p = fma(fma(f4(-0.052242275), u, f4(0.13329159)), u, f4(-0.33333305))
    h = fma(r * u, p, r)
    s = _power_of_two(t)
    more, less = s + f4(1.0), s - f4(1.0)
    large = s > f4(4.0)
    q = fma(f4(2.0) if large else more, h, f4(-2.0) if large else less) / fma(less, h, more)
    return copysign(q + f4(1.0) if large else q, x)


@njit(**FORCED)
def sigmoid_f32(x):
    """1 - e / (1 + e), or e - e e / (1 + e) for x < 0, e = exp(-|x|) scaled down last for denormals."""
    a = -fabs(x)
    a = f4(-104.0) if f4(-104.0) > a else a
    t = fma(a, _LOG2E, f4(_STEP + 127 + 64))
    p = _expm1_near(_rest(a, t - f4(_STEP + 127 + 64)))
    e = (p + f4(1.0)) * _power_of_two(t) * f4(2.0**-64)
    scale = e if x < f4(0.0) else f4(1.0)
    return fma(-scale, e / (f4(1.0) + e), scale)


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
def _log1p_near(f):
    """log1p for -1/3 <= f <= 1/3."""
    q = fma(f4(0.1400127), f, f4(-0.15391138))
    q = fma(q, f, f4(0.14002647))
    q = fma(q, f, f4(-0.16415358))
    q = fma(q, f, f4(0.20010567))
    q = fma(q, f, f4(-0.2500787))
    q = fma(q, f, f4(0.33333215))
    q = fma(q, f, f4(-0.49999934))
    return fma(f * f, q, f)


@njit(**FORCED)
def _exponent(bits):
    """The exponent field of x = 2**e m, 2/3 <= m < 4/3, in place: e * 2**23."""
    return _i4(_i4(bits - _i4(0x3F2AAAAB)) & _i4(-8388608))


@njit(**FORCED)
def log_normal_f32(x):
    """Logarithm of a positive normal number."""
    bits = bits_of_f32(x)
    e = _exponent(bits)
    p = _log1p_near(f32_of_bits(_i4(bits - e)) - f4(1.0))
    return fma(f4(e), f4(math.log(2) / 8388608), p)


@njit(**FORCED)
def log_f32(x):
    """log: x = 2^e m with m in [2/3, 4/3), then a polynomial in m - 1; denormals are scaled first."""
    tiny = x < f4(1.17549435e-38)
    bits = bits_of_f32(x * f4(8388608.0) if tiny else x)
    e = _exponent(bits)
    p = _log1p_near(f32_of_bits(_i4(bits - e)) - f4(1.0))
    whole = f4(e) - (f4(23.0 * 8388608.0) if tiny else f4(0.0))
    result = fma(whole, f4(math.log(2) / 8388608), p)
    result = x if x == _INF else result
    result = -_INF if x == f4(0.0) else result
    return result if x >= f4(0.0) else _NAN


@njit(**FORCED)
def log1p_f32(x):
    """log(1 + x): what the rounding of u = 1 + x lost is given back to the mantissa of u."""
    u = f4(1.0) + x
    lost = x - (u - f4(1.0))
    bits = bits_of_f32(u)
    e = _exponent(bits)
    scale = _i4(_i4(0x3F800000) - e)
    scale = scale if scale > _i4(0) else _i4(0)
    f = fma(lost, f32_of_bits(scale), f32_of_bits(_i4(bits - e)) - f4(1.0))
    result = copysign(fma(f4(e), f4(math.log(2) / 8388608), _log1p_near(f)), x)
    result = x if x == _INF else result
    result = -_INF if x == f4(-1.0) else result
    return result if x >= f4(-1.0) else _NAN


@njit(**FORCED)
def root_normal_f32(x):
    """The square root, correctly rounded, of a number from 2**-96 on: an estimate and one exact remainder.

    The machine's own instruction takes 16 cycles for 16 numbers, this 11.
    """
    y = rsqrt_estimate(x)
    s = x * y
    return fma(fma(-s, s, x), f4(0.5) * y, s)


@njit(**FORCED)
def rsqrt_normal_f32(x):
    """One over the square root of a number from 2**-96 on: an estimate and one more step of Newton's."""
    y = rsqrt_estimate(x)
    return fma(f4(0.5) * y, fma(-(x * y), y, f4(1.0)), y)


@njit(**FORCED)
def within_f32(x, low, high):
    """Whether the bits of every element of an array lie from `low` to `high`, as unsigned numbers."""
    worst = _u4(0)
    for i in range(x.size):
        above = _u4(_u4(bits_of_f32(x[i])) - low)
        worst = above if above > worst else worst
    return worst <= _u4(high - low)


@njit(**FORCED)
def sizes_within_f32(x, most):
    """Whether the bits of the absolute value of every element are those of `most` or less."""
    worst = _i4(0)
    for i in range(x.size):
        size = bits_of_f32(fabs(x[i]))
        worst = size if size > worst else worst
    return worst <= most


@njit(**FORCED)
def _all_normal_f32(x):
    return within_f32(x, _u4(0x00800000), _u4(0x7F7FFFFF))


@njit(**FORCED)
def _all_rootable_f32(x):
    return within_f32(x, _u4(0x0F800000), _u4(0x7F7FFFFF))


@njit(**FORCED)
def _sigmoid_f64(x):
    return 1.0 / (1.0 + math.exp(-x))


@njit(**FORCED)
def _rsqrt_f64(x):
    return 1.0 / sqrt(x)


@njit(**FORCED)
def never(x):
    """What `all_normal` and its like are of float64."""
    return False


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


def exp2(x):
    """2 to the power x."""
    raise NotImplementedError


def log1p(x):
    """Natural logarithm of 1 + x."""
    raise NotImplementedError


def log_normal(x):
    """Natural logarithm of what `all_normal` holds of."""
    raise NotImplementedError


def root_normal(x):
    """Square root of what `all_rootable` holds of."""
    raise NotImplementedError


def rsqrt_normal(x):
    """One over the square root of what `all_rootable` holds of."""
    raise NotImplementedError


def all_normal(x):
    """Whether every element of an array is a positive normal float32; never of float64."""
    raise NotImplementedError


def all_rootable(x):
    """Whether every element of an array is a float32 from 2**-96 on and finite; never of float64."""
    raise NotImplementedError


def choose(name, single, double):
    """Make `name`, of a number or an array, the function `single` of float32 and `double` of float64."""

    @overload(name, jit_options=FORCED)
    def form(x):
        if getattr(x, "dtype", x) == types.float32:
            return lambda x: single(x)
        return lambda x: double(x)


choose(exp, exp_f32, math.exp)
choose(expm1, expm1_f32, math.expm1)
choose(log, log_f32, math.log)
choose(tanh, tanh_f32, math.tanh)
choose(sigmoid, sigmoid_f32, _sigmoid_f64)
choose(erf, erf_f32, math.erf)
choose(root, sqrt, sqrt)
choose(exp2, exp2_f32, math.exp2)
choose(log1p, log1p_f32, math.log1p)
choose(log_normal, log_normal_f32, math.log)
choose(root_normal, root_normal_f32, sqrt)
choose(rsqrt_normal, rsqrt_normal_f32, _rsqrt_f64)
choose(all_normal, _all_normal_f32, never)
choose(all_rootable, _all_rootable_f32, never)
