"""Reductions: `*_last` of rows of `n` neighbours, `*_middle` of the middle axis of (outer, n, inner).

All arrays are flat and contiguous, and `out` has an element for each result.

float32 sums add blocks of 4096 in vector lanes and the blocks in float64: as fast as a plain loop, and the error of
a sum of 16 Mi numbers stays that of one block.
"""

import numpy as np
from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels.vector import (
    FORCED,
    REORDER,
    SERIAL,
    fabs,
    flat,
    fmaximum,
    fminimum,
    maximum,
    minimum,
    span,
    sqrt,
)

BLOCK = 4096


def wide(x):
    """A number in the type sums are kept in: float64 or int64."""
    raise NotImplementedError


@overload(wide, jit_options=FORCED)
def _wide(x):
    if isinstance(x, types.Float):
        return lambda x: np.float64(x)
    return lambda x: np.int64(x)


@njit(forceinline=True, **REORDER)
def row_sum(x):
    """Sum of a flat array."""
    total = wide(x.dtype.type(0))
    for first in range(0, x.size, BLOCK):
        block = span(x, first, min(BLOCK, x.size - first))
        part = x.dtype.type(0)
        for i in range(block.size):
            part += block[i]
        total += part
    return total


@njit(forceinline=True, **REORDER)
def row_squares(x, centre):
    """Sum of `(x - centre)**2` over a flat array."""
    total = wide(x.dtype.type(0))
    for first in range(0, x.size, BLOCK):
        block = span(x, first, min(BLOCK, x.size - first))
        part = x.dtype.type(0)
        for i in range(block.size):
            d = block[i] - centre
            part += d * d
        total += part
    return total


@njit(forceinline=True, **REORDER)
def row_magnitudes(x):
    """Sum of `|x|` over a flat array."""
    total = wide(x.dtype.type(0))
    for first in range(0, x.size, BLOCK):
        block = span(x, first, min(BLOCK, x.size - first))
        part = x.dtype.type(0)
        for i in range(block.size):
            part += fabs(block[i])
        total += part
    return total


# A maximum that NaN wins takes three instructions a vector, one that does not know NaN takes one. So NaN is looked for
# beside it, by a sum of x * 0, which infinities spoil too; only then is the row gone through again with care. (256
# rows of 256: 6.5 us with two passes, 3.1 with both in one.)
_NUMBERS = {**FORCED, "fastmath": {"nnan", "nsz", "reassoc"}}


@njit(**_NUMBERS)
def _greater(x, y):
    return fmaximum(x, y)


@njit(**_NUMBERS)
def _smaller(x, y):
    return fminimum(x, y)


@njit(forceinline=True, **REORDER)
def _max_of_numbers(x):
    x = flat(x)
    best, zeros = x[0], x.dtype.type(0)
    for i in range(x.size):
        best = _greater(best, x[i])
        zeros += x[i] * x.dtype.type(0)
    return best, zeros == zeros


@njit(forceinline=True, **REORDER)
def _min_of_numbers(x):
    x = flat(x)
    best, zeros = x[0], x.dtype.type(0)
    for i in range(x.size):
        best = _smaller(best, x[i])
        zeros += x[i] * x.dtype.type(0)
    return best, zeros == zeros


@njit(forceinline=True, **REORDER)
def row_max(x):
    """Greatest element of a flat array; NaN wins."""
    best, finite = _max_of_numbers(x)
    if not finite:
        x = flat(x)
        best = x[0]
        for i in range(1, x.size):
            best = maximum(best, x[i])
    return best


@njit(forceinline=True, **REORDER)
def row_min(x):
    """Smallest element of a flat array; NaN wins."""
    best, finite = _min_of_numbers(x)
    if not finite:
        x = flat(x)
        best = x[0]
        for i in range(1, x.size):
            best = minimum(best, x[i])
    return best


@njit(**REORDER)
def sum_last(x, n, scale, out):
    """Sums of the rows of `x`, times `scale`."""
    for r in range(out.size):
        out[r] = row_sum(span(x, r * n, n)) * scale


@njit(**REORDER)
def sum_middle(x, n, inner, scale, out):
    """Sums over the middle axis of (outer, n, inner), times `scale`.

    Four rows are added before they reach `out`: a quarter of its traffic, and of the rounding.
    """
    outer = out.size // inner
    zero, scale = out.dtype.type(0), out.dtype.type(scale)
    for o in range(outer):
        row = span(out, o * inner, inner)
        for j in range(inner):
            row[j] = zero
        for i in range(0, n - n % 4, 4):
            at = (o * n + i) * inner
            a, b = span(x, at, inner), span(x, at + inner, inner)
            c, d = span(x, at + 2 * inner, inner), span(x, at + 3 * inner, inner)
            for j in range(inner):
                row[j] += (a[j] + b[j]) + (c[j] + d[j])
        for i in range(n - n % 4, n):
            a = span(x, (o * n + i) * inner, inner)
            for j in range(inner):
                row[j] += a[j]
        for j in range(inner):
            row[j] *= scale


@njit(**REORDER)
def prod_last(x, n, out):
    """Products of the rows of `x`."""
    for r in range(out.size):
        row = span(x, r * n, n)
        total = x.dtype.type(1)
        for i in range(n):
            total *= row[i]
        out[r] = total


@njit(**REORDER)
def prod_middle(x, n, inner, out):
    """Products over the middle axis."""
    for o in range(out.size // inner):
        total = span(out, o * inner, inner)
        for j in range(inner):
            total[j] = 1
        for i in range(n):
            row = span(x, (o * n + i) * inner, inner)
            for j in range(inner):
                total[j] *= row[j]


@njit(forceinline=True, **REORDER)
def _block_moments(x):
    """Mean and sum of squared distances from it of one block, in float64."""
    mean = row_sum(x) / x.size
    centre = x.dtype.type(mean)
    # The distances are from the mean as rounded: what that adds is taken off again.
    return mean, row_squares(x, centre) - x.size * (mean - centre) ** 2


@njit(forceinline=True, **REORDER)
def row_moments(x):
    """Mean of a flat array and the sum of squared distances from it, in one reading.

    Blocks are joined by Chan, Golub and LeVeque 1979.
    """
    mean, squares = _block_moments(span(x, 0, min(BLOCK, x.size)))
    for first in range(BLOCK, x.size, BLOCK):
        size = min(BLOCK, x.size - first)
        other, more = _block_moments(span(x, first, size))
        share = size / (first + size)
        squares += more + (other - mean) ** 2 * first * share
        mean += (other - mean) * share
    return mean, squares


@njit(**SERIAL)
def var_last(x, n, correction, root, mean, out):
    """Variance of each row of `x` over `n - correction`, its square root when `root`, and the mean.

    `mean` may be `out`: it is written first.
    """
    divisor = max(n - correction, 0.0)
    for r in range(out.size):
        centre, squares = row_moments(span(x, r * n, n))
        variance = squares / divisor
        mean[r] = centre
        out[r] = np.sqrt(variance) if root else variance


@njit(**REORDER)
def var_middle(x, n, inner, correction, root, mean, total, out):
    """`var_last` over the middle axis, from the `mean` already there; `total` is a float64 row."""
    scale = 1.0 / max(n - correction, 0.0)
    for o in range(out.size // inner):
        row, centre = span(out, o * inner, inner), span(mean, o * inner, inner)
        for j in range(inner):
            total[j] = 0
        for i in range(n):
            a = span(x, (o * n + i) * inner, inner)
            for j in range(inner):
                d = a[j] - centre[j]
                total[j] += d * d
        for j in range(inner):
            variance = total[j] * scale
            row[j] = np.sqrt(variance) if root else variance


@njit(**REORDER)
def norm2_last(x, n, out):
    """Euclidean norm of each row of `x`."""
    for r in range(out.size):
        out[r] = np.sqrt(row_squares(span(x, r * n, n), x.dtype.type(0)))


@njit(**REORDER)
def norm2_middle(x, n, inner, out):
    """Euclidean norm over the middle axis."""
    for o in range(out.size // inner):
        total = span(out, o * inner, inner)
        for j in range(inner):
            total[j] = 0
        for i in range(n):
            row = span(x, (o * n + i) * inner, inner)
            for j in range(inner):
                total[j] += row[j] * row[j]
        for j in range(inner):
            total[j] = sqrt(total[j])


@njit(**REORDER)
def norm1_last(x, n, out):
    """Sum of absolute values of each row of `x`."""
    for r in range(out.size):
        out[r] = row_magnitudes(span(x, r * n, n))
