"""Element-wise functions of two operands: `out[i] = f(x[i], y[i])`.

Arrays are C-contiguous and of one size. Either operand may be a Python float instead, cast to the other's dtype as
PyTorch does: `at` reads an array or repeats a number, decided when the kernel is compiled.
"""

from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels.vector import SERIAL, flat, maximum, minimum


def at(x, i):
    """`x[i]` of an array; `x` of a number."""
    raise NotImplementedError


@overload(at, inline="always")
def _at(x, i):
    if isinstance(x, types.Array):
        return lambda x, i: x[i]
    return lambda x, i: x


def lane(x, like):
    """An array in one dimension; a number in the dtype of `like`."""
    raise NotImplementedError


@overload(lane, inline="always")
def _lane(x, like):
    if isinstance(x, types.Array):
        return lambda x, like: flat(x)
    if isinstance(like, types.Array):
        return lambda x, like: like.dtype.type(x)
    return lambda x, like: x


@njit(**SERIAL)
def add(x, y, out):
    """`x + y`."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = at(a, i) + at(b, i)


@njit(**SERIAL)
def sub(x, y, out):
    """`x - y`."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = at(a, i) - at(b, i)


@njit(**SERIAL)
def mul(x, y, out):
    """`x * y`."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = at(a, i) * at(b, i)


@njit(**SERIAL)
def div(x, y, out):
    """`x / y`."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = at(a, i) / at(b, i)


@njit(**SERIAL)
def maximum_(x, y, out):
    """The greater of the two; NaN wins."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = maximum(at(a, i), at(b, i))


@njit(**SERIAL)
def minimum_(x, y, out):
    """The smaller of the two; NaN wins."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = minimum(at(a, i), at(b, i))


@njit(**SERIAL)
def eq(x, y, out):
    """`x == y`."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = at(a, i) == at(b, i)


@njit(**SERIAL)
def ne(x, y, out):
    """`x != y`."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = at(a, i) != at(b, i)


@njit(**SERIAL)
def lt(x, y, out):
    """`x < y`."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = at(a, i) < at(b, i)


@njit(**SERIAL)
def le(x, y, out):
    """`x <= y`."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = at(a, i) <= at(b, i)


@njit(**SERIAL)
def gt(x, y, out):
    """`x > y`."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = at(a, i) > at(b, i)


@njit(**SERIAL)
def ge(x, y, out):
    """`x >= y`."""
    a, b, out = lane(x, y), lane(y, x), flat(out)
    for i in range(out.size):
        out[i] = at(a, i) >= at(b, i)
