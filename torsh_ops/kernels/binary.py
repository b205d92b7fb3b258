"""Element-wise functions of two operands: `out[i] = f(x[i], y[i])`.

Arrays are C-contiguous. Either operand may be smaller than `out` when it repeats along the leading dimensions (a bias
added to rows), or be a Python float, cast to the other's dtype as PyTorch does. What each is, is decided when the
kernel is compiled: `part` gives the operand's share of one repetition, `at` reads it.
"""

from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels.vector import FORCED, SERIAL, maximum, minimum, span


def at(x, i):
    """`x[i]` of an array; `x` of a number."""
    raise NotImplementedError


@overload(at, jit_options=FORCED)
def _at(x, i):
    if isinstance(x, types.Array):
        return lambda x, i: x[i]
    return lambda x, i: x


def period(x, y):
    """The length after which the smaller operand repeats."""
    raise NotImplementedError


@overload(period, jit_options=FORCED)
def _period(x, y):
    if not isinstance(y, types.Array):
        return lambda x, y: max(x.size, 1)
    if not isinstance(x, types.Array):
        return lambda x, y: max(y.size, 1)
    return lambda x, y: max(min(x.size, y.size), 1)


def part(x, like, start, n):
    """The `n` elements of an array that belong to those of `out` from `start` on; a number in the dtype of `like`."""
    raise NotImplementedError


@overload(part, jit_options=FORCED)
def _part(x, like, start, n):
    if isinstance(x, types.Array):
        return lambda x, like, start, n: span(x, start if x.size > n else 0, n)
    if isinstance(like, types.Array):
        return lambda x, like, start, n: like.dtype.type(x)
    return lambda x, like, start, n: x


def run_of(x, start, n):
    """The `n` elements of an array from `start` on; a number as it is."""
    raise NotImplementedError


@overload(run_of, jit_options=FORCED)
def _run_of(x, start, n):
    if isinstance(x, types.Array):
        return lambda x, start, n: span(x, start, n)
    return lambda x, start, n: x


@njit(**SERIAL)
def add(x, y, out):
    """`x + y`."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(a, i) + at(b, i)


@njit(**SERIAL)
def sub(x, y, out):
    """`x - y`."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(a, i) - at(b, i)


@njit(**SERIAL)
def mul(x, y, out):
    """`x * y`."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(a, i) * at(b, i)


@njit(**SERIAL)
def div(x, y, out):
    """`x / y`."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(a, i) / at(b, i)


@njit(**SERIAL)
def maximum_(x, y, out):
    """The greater of the two; NaN wins."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = maximum(at(a, i), at(b, i))


@njit(**SERIAL)
def minimum_(x, y, out):
    """The smaller of the two; NaN wins."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = minimum(at(a, i), at(b, i))


@njit(**SERIAL)
def eq(x, y, out):
    """`x == y`."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(a, i) == at(b, i)


@njit(**SERIAL)
def ne(x, y, out):
    """`x != y`."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(a, i) != at(b, i)


@njit(**SERIAL)
def lt(x, y, out):
    """`x < y`."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(a, i) < at(b, i)


@njit(**SERIAL)
def le(x, y, out):
    """`x <= y`."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(a, i) <= at(b, i)


@njit(**SERIAL)
def gt(x, y, out):
    """`x > y`."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(a, i) > at(b, i)


@njit(**SERIAL)
def ge(x, y, out):
    """`x >= y`."""
    n = period(x, y)
    for start in range(0, out.size, n):
        a, b, o = part(x, y, start, n), part(y, x, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(a, i) >= at(b, i)
