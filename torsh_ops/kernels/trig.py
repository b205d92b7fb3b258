"""Sine and cosine that vectorise: float32 to 2 ulp for any angle; float64: the C library's, scalar.

Up to NEAR the multiple of pi next to x is taken off in three parts, which leaves the rest right to its last digit
(Cody and Waite 1980, chapter 8). Beyond, a run goes element by element through the C library's float64.
"""

import math

import numpy as np
from numba import njit

from torsh_ops.kernels.math import choose, never, sizes_within_f32
from torsh_ops.kernels.vector import FORCED, bits_of_f32, f4, f32_of_bits, fma

_i4 = np.int32
# The rounding of x / pi then is a thousandth of a turn at most: the polynomial still holds.
_NEAR_BITS = np.int32(np.float32(1e5).view(np.int32))
# Rounds to a whole number, its parity in the lowest bit.
_ROUND = 12582912.0
_PI_HI, _PI_MID, _PI_LO = f4(3.1415927), f4(-8.742278e-08), f4(-3.4302490e-15)


@njit(**FORCED)
def _sine(x, n, t):
    """Sine of the rest of x after n pi, its sign turned when t is odd."""
    r = fma(n, -_PI_LO, fma(n, -_PI_MID, fma(n, -_PI_HI, x)))
    u = r * r
    p = fma(f4(2.605784e-06), u, f4(-0.00019809666))
    p = fma(p, u, f4(0.008333068))
    p = fma(p, u, f4(-0.1666666))
    return f32_of_bits(_i4(bits_of_f32(fma(r * u, p, r)) ^ _i4(bits_of_f32(t) << _i4(31))))


@njit(**FORCED)
def _sin_f32(x):
    t = fma(x, f4(1 / math.pi), f4(_ROUND))
    return _sine(x, t - f4(_ROUND), t)


@njit(**FORCED)
def _cos_f32(x):
    # cos((n + 1/2) pi + r) is -sin(r) for even n: one more than n has the parity that says so.
    t = fma(x, f4(1 / math.pi), f4(-0.5)) + f4(_ROUND + 1)
    return _sine(x, (t - f4(_ROUND + 1)) + f4(0.5), t)


@njit(**FORCED)
def _sin_far_f32(x):
    return f4(math.sin(np.float64(x)))


@njit(**FORCED)
def _cos_far_f32(x):
    return f4(math.cos(np.float64(x)))


@njit(**FORCED)
def _all_near_f32(x):
    return sizes_within_f32(x, _NEAR_BITS)


def sin(x):
    """Sine of an angle that `all_near` holds of."""
    raise NotImplementedError


def cos(x):
    """Cosine of an angle that `all_near` holds of."""
    raise NotImplementedError


def sin_far(x):
    """Sine of any angle."""
    raise NotImplementedError


def cos_far(x):
    """Cosine of any angle."""
    raise NotImplementedError


def all_near(x):
    """Whether every element of an array is a float32 of at most 100,000; never of float64."""
    raise NotImplementedError


choose(sin, _sin_f32, math.sin)
choose(cos, _cos_f32, math.cos)
choose(sin_far, _sin_far_f32, math.sin)
choose(cos_far, _cos_far_f32, math.cos)
choose(all_near, _all_near_f32, never)
