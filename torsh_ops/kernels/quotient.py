"""Exact remainders and rounded quotients, which have a short form for quotients below 2**22.

As in `binary`, either operand may repeat along the leading dimensions of `out` or be a number. A run of RUN elements is
looked over first; where a quotient is larger or an operand special, the run goes element by element through the C
library's float64, as all of float64 does.
"""

import numpy as np
from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels.binary import at, part, period, run_of
from torsh_ops.kernels.vector import (
    FORCED,
    SERIAL,
    bits_of_f32,
    copysign,
    f4,
    fabs,
    floor,
    fma,
    span,
    trunc,
)

RUN = 1024
_i4, _f8 = np.int32, np.float64
_INFINITE = np.int32(0x7F800000)
_LARGE = np.int32(np.float32(2.0**22).view(np.int32))


@njit(**FORCED)
def _fmod_short_f32(x, y):
    """`x - trunc(x / y) y`, exact; the quotient may have been rounded up to a whole number, which is made good."""
    r = fma(-trunc(x / y), y, x)
    back = r + copysign(y, x)
    wrong = _i4(bits_of_f32(r) ^ bits_of_f32(x)) < _i4(0) and r != f4(0.0)
    return copysign(back if wrong else r, x)


@njit(**FORCED)
def _fmod_f32(x, y):
    return f4(np.fmod(_f8(x), _f8(y)))


@njit(**FORCED)
def _all_short_f32(x, y, n):
    worst, most = _i4(0), _i4(0)
    for i in range(n):
        divisor = at(y, i)
        quotient, size = bits_of_f32(fabs(at(x, i) / divisor)), bits_of_f32(fabs(divisor))
        worst = quotient if quotient > worst else worst
        most = size if size > most else most
    return worst < _LARGE and most < _INFINITE


@njit(**FORCED)
def _never(x, y, n):
    return False


@njit(**FORCED)
def _remainder(y, r, zero):
    """The remainder of the sign of `y` from that of the sign of `x`."""
    return r + y if r != zero and (r < zero) != (y < zero) else r


@njit(**FORCED)
def _floor_quotient(x, y, r, zero, one):
    """`floor(x / y)` from the exact remainder of the sign of `x`: x - r is a multiple of y but for one rounding."""
    q = (x - r) / y
    q = q - one if r != zero and (r < zero) != (y < zero) else q
    whole = floor(q)
    whole = whole + one if q - whole > one / (one + one) else whole
    whole = copysign(zero, x / y) if q == zero else whole
    return x / y if y == zero else whole


def fmod_short(x, y):
    """The exact remainder, of the sign of x, where `fmod_is_short` holds."""
    raise NotImplementedError


def fmod_any(x, y):
    """The exact remainder, of the sign of x."""
    raise NotImplementedError


def fmod_is_short(x, y, n):
    """Whether every quotient is a float32 below 2**22 and every divisor finite; never of float64."""
    raise NotImplementedError


def _choose(name, single, double):
    @overload(name, jit_options=FORCED)
    def form(x, y):
        return (lambda x, y: single(x, y)) if x == types.float32 else (lambda x, y: double(x, y))


_choose(fmod_short, _fmod_short_f32, np.fmod)
_choose(fmod_any, _fmod_f32, np.fmod)


@overload(fmod_is_short, jit_options=FORCED)
def _fmod_is_short(x, y, n):
    single = types.float32 in (getattr(x, "dtype", x), getattr(y, "dtype", y))
    return (lambda x, y, n: _all_short_f32(x, y, n)) if single else (lambda x, y, n: _never(x, y, n))


@njit(**SERIAL)
def fmod_(x, y, out):
    """The remainder of `x / y` rounded towards zero."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for first in range(0, n, RUN):
            k = min(RUN, n - first)
            c, d, p = run_of(a, first, k), run_of(b, first, k), span(o, first, k)
            if fmod_is_short(c, d, k):
                for i in range(k):
                    p[i] = fmod_short(at(c, i), at(d, i))
            else:
                for i in range(k):
                    p[i] = fmod_any(at(c, i), at(d, i))


@njit(**SERIAL)
def remainder(x, y, out):
    """The remainder of `x / y` rounded towards minus infinity."""
    n, zero = period(x, y), out.dtype.type(0)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for first in range(0, n, RUN):
            k = min(RUN, n - first)
            c, d, p = run_of(a, first, k), run_of(b, first, k), span(o, first, k)
            if fmod_is_short(c, d, k):
                for i in range(k):
                    p[i] = _remainder(at(d, i), fmod_short(at(c, i), at(d, i)), zero)
            else:
                for i in range(k):
                    p[i] = _remainder(at(d, i), fmod_any(at(c, i), at(d, i)), zero)


@njit(**SERIAL)
def floor_divide(x, y, out):
    """`x / y` rounded towards minus infinity, as if the quotient were exact."""
    n, zero, one = period(x, y), out.dtype.type(0), out.dtype.type(1)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for first in range(0, n, RUN):
            k = min(RUN, n - first)
            c, d, p = run_of(a, first, k), run_of(b, first, k), span(o, first, k)
            if fmod_is_short(c, d, k):
                for i in range(k):
                    u, v = at(c, i), at(d, i)
                    p[i] = _floor_quotient(u, v, fmod_short(u, v), zero, one)
            else:
                for i in range(k):
                    u, v = at(c, i), at(d, i)
                    p[i] = _floor_quotient(u, v, fmod_any(u, v), zero, one)
