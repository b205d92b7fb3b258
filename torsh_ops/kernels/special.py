"""Functions that few programs spend their time in: the C library's, or series of float64, element by element.

float32 is computed in float64 and rounded once. `logit`, `xlogy`, `logaddexp` and `hypot` are plain vector loops.
"""

import math

import numpy as np
from numba import njit

from torsh_ops.kernels import math as m
from torsh_ops.kernels.binary import at, part, period
from torsh_ops.kernels.vector import FORCED, SERIAL, fabs, flat, maximum, minimum, rint, span

_f8 = np.float64
# A call, not an expansion at every use: these are long and slow.
_CALLED = {**FORCED, "forceinline": False}


@njit(**_CALLED)
def _digamma(x):
    """Reflection below 0, recurrence up to 10, then the asymptotic series (DLMF 5.5.4, 5.5.2, 5.11.2)."""
    if x == 0.0:
        return math.copysign(np.inf, -x)
    result = 0.0
    if x < 0.0:
        off = x - rint(x)
        if off == 0.0:
            return np.nan
        result = -math.pi / math.tan(math.pi * off)
        x = 1.0 - x
    while x < 10.0:
        result -= 1.0 / x
        x += 1.0
    w = 1.0 / (x * x)
    series = w * (1 / 12 - w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w * (1 / 132 - w * (691 / 32760 - w / 12))))))
    return result + math.log(x) - 0.5 / x - series


@njit(**_CALLED)
def _zeta(s, q):
    """Hurwitz' zeta function, sum of (q + k)**-s, by Euler and Maclaurin (DLMF 25.11.28); a whole `s` above 1."""
    if q <= 0.0 and q == rint(q):
        return np.inf
    total, a = 0.0, q
    while a < 12.0:
        total += a**-s
        a += 1.0
    total += a ** (1.0 - s) / (s - 1.0) + 0.5 * a**-s
    term, power = s, a ** (-s - 1.0)
    for k in range(8):
        total += _BERNOULLI[k] * term * power
        term *= (s + 2 * k + 1) * (s + 2 * k + 2)
        power /= a * a
    return total


# B(2k) / (2k)! for k = 1 to 8 (DLMF 24.2).
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000,
)  # fmt: skip


@njit(**_CALLED)
def _erfc_inverse(c):
    """The y >= 0 with erfc(y) = c, for 0 <= c <= 1: Winitzki's estimate (2008), then Halley's steps on erfc."""
    if c == 0.0:
        return np.inf
    log = math.log(c * (2.0 - c))
    b = 2.0 / (math.pi * 0.147) + 0.5 * log
    y = math.sqrt(max(math.sqrt(b * b - log / 0.147) - b, 0.0))
    for _ in range(3):
        step = (math.erfc(y) - c) * 0.5 * math.sqrt(math.pi) * math.exp(y * y)
        y += step / (1.0 - y * step)
    return y


@njit(**_CALLED)
def _erfinv(x):
    a = abs(x)
    if not a <= 1.0:
        return np.nan
    if a < 0.5:  # 1 - x would lose the digits of a small x
        y = x * 0.8862269254527580
        for _ in range(4):
            step = (math.erf(y) - x) * 0.8862269254527580 * math.exp(y * y)
            y -= step / (1.0 + y * step)
        return y
    return math.copysign(_erfc_inverse(1.0 - a), x)


@njit(**_CALLED)
def _ndtri(p):
    if not 0.0 <= p <= 1.0:
        return np.nan
    return -math.sqrt(2.0) * (_erfc_inverse(2.0 * p) if p < 0.5 else -_erfc_inverse(2.0 - 2.0 * p))


@njit(**SERIAL)
def erfc(x, out):
    """`1 - erf(x)`, right where that is small."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = math.erfc(_f8(x[i]))


@njit(**SERIAL)
def lgamma(x, out):
    """Logarithm of the absolute value of the gamma function."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = math.lgamma(_f8(x[i]))


@njit(**SERIAL)
def digamma(x, out):
    """The derivative of `lgamma`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = _digamma(_f8(x[i]))


@njit(**SERIAL)
def polygamma(x, n, out):
    """The n-th derivative of `digamma`, n > 0: (-1)**(n + 1) n! zeta(n + 1, x)."""
    x, out = flat(x), flat(out)
    scale = math.gamma(n + 1.0) * (1.0 if n % 2 else -1.0)
    for i in range(out.size):
        out[i] = scale * _zeta(n + 1.0, _f8(x[i]))


@njit(**SERIAL)
def erfinv(x, out):
    """The inverse of erf; NaN outside of -1 to 1."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = _erfinv(_f8(x[i]))


@njit(**SERIAL)
def ndtri(x, out):
    """The inverse of the standard normal distribution; NaN outside of 0 to 1."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = _ndtri(_f8(x[i]))


@njit(**SERIAL)
def logit(x, out):
    """`log(x / (1 - x))`."""
    x, out = flat(x), flat(out)
    one = out.dtype.type(1)
    for i in range(out.size):
        out[i] = m.log(x[i] / (one - x[i]))


@njit(**SERIAL)
def xlogy(x, y, out):
    """`x log(y)`, 0 where x is 0 and y a number."""
    n, zero = period(x, y), out.dtype.type(0)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            u, v = at(a, i), at(b, i)
            product = u * m.log(v)
            o[i] = zero if u == zero and v == v else product


@njit(**SERIAL)
def logaddexp(x, y, out):
    """`log(exp(x) + exp(y))`: the greater, and what the smaller adds to it; infinities stay."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            u, v = at(a, i), at(b, i)
            high = maximum(u, v)
            added = high + m.log1p(m.exp(minimum(u, v) - high))
            o[i] = high if u == v and fabs(u) == np.inf else added


@njit(**SERIAL)
def hypot(x, y, out):
    """`sqrt(x**2 + y**2)` of float32, in float64: nothing overflows and one rounding is left."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            u, v = _f8(at(a, i)), _f8(at(b, i))
            length = math.sqrt(u * u + v * v)
            o[i] = np.inf if fabs(u) == np.inf or fabs(v) == np.inf else length
