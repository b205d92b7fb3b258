"""Reductions: `*_last` of rows of `n` neighbours, one for each element of `out`; `*_middle` of (outer, n, inner).

Arrays are C-contiguous; those of `*_last` are flat.

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

_BLOCK = 4096


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
    for first in range(0, x.size, _BLOCK):
        block = span(x, first, min(_BLOCK, x.size - first))
        part = x.dtype.type(0)
        for i in range(block.size):
            part += block[i]
        total += part
    return total


@njit(forceinline=True, **REORDER)
def row_squares(x, centre):
    """Sum of `(x - centre)**2` over a flat array."""
    total = wide(x.dtype.type(0))
    for first in range(0, x.size, _BLOCK):
        block = span(x, first, min(_BLOCK, x.size - first))
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
    for first in range(0, x.size, _BLOCK):
        block = span(x, first, min(_BLOCK, x.size - first))
        part = x.dtype.type(0)
        for i in range(block.size):
            part += fabs(block[i])
        total += part
    return total


# A maximum that NaN wins takes three instructions a vector, one that does not know NaN takes one. So NaN is looked for
# apart, by a sum of x * 0, which infinities spoil too; only then is the row gone through again with care. (256 rows of
# 256: 12.5 -> 5.8 us.)
_NUMBERS = {**FORCED, "fastmath": {"nnan", "nsz", "reassoc"}}


@njit(**_NUMBERS)
def _max_of_numbers(x):
    x = flat(x)
    best = x[0]
    for i in range(1, x.size):
        best = fmaximum(best, x[i])
    return best


@njit(**_NUMBERS)
def _min_of_numbers(x):
    x = flat(x)
    best = x[0]
    for i in range(1, x.size):
        best = fminimum(best, x[i])
    return best


@njit(forceinline=True, **REORDER)
def _all_finite(x):
    x = flat(x)
    zero = x.dtype.type(0)
    total = zero
    for i in range(x.size):
        total += x[i] * zero
    return total == total


@njit(forceinline=True, **REORDER)
def _max_with_care(x):
    x = flat(x)
    best = x[0]
    for i in range(1, x.size):
        best = maximum(best, x[i])
    return best


@njit(forceinline=True, **REORDER)
def _min_with_care(x):
    x = flat(x)
    best = x[0]
    for i in range(1, x.size):
        best = minimum(best, x[i])
    return best


def row_max(x):
    """Greatest element of a flat array; NaN wins."""
    raise NotImplementedError


def row_min(x):
    """Smallest element of a flat array; NaN wins."""
    raise NotImplementedError


@overload(row_max, jit_options=FORCED)
def _row_max(x):
    if isinstance(x.dtype, types.Float):
        return lambda x: _max_of_numbers(x) if _all_finite(x) else _max_with_care(x)
    return lambda x: _max_with_care(x)


@overload(row_min, jit_options=FORCED)
def _row_min(x):
    if isinstance(x.dtype, types.Float):
        return lambda x: _min_of_numbers(x) if _all_finite(x) else _min_with_care(x)
    return lambda x: _min_with_care(x)


@njit(**REORDER)
def sum_last(x, n, scale, out):
    """Sums of the rows of `x`, times `scale`."""
    for r in range(out.size):
        out[r] = row_sum(span(x, r * n, n)) * scale


@njit(**REORDER)
def sum_middle(x, scale, out):
    """Sums over the middle axis of (outer, n, inner), times `scale`; `out` (outer, inner) is the accumulator.

    Four rows are added before they reach `out`: a quarter of its traffic, and of the rounding.
    """
    outer, n, inner = x.shape
    zero = out.dtype.type(0)
    for o in range(outer):
        for j in range(inner):
            out[o, j] = zero
        for first in range(0, n - n % 4, 4):
            for j in range(inner):
                out[o, j] += (x[o, first, j] + x[o, first + 1, j]) + (x[o, first + 2, j] + x[o, first + 3, j])
        for i in range(n - n % 4, n):
            for j in range(inner):
                out[o, j] += x[o, i, j]
        for j in range(inner):
            out[o, j] *= scale


@njit(**REORDER)
def max_last(x, n, out):
    """Maxima of the rows of `x`."""
    for r in range(out.size):
        out[r] = row_max(span(x, r * n, n))


@njit(**REORDER)
def min_last(x, n, out):
    """Minima of the rows of `x`."""
    for r in range(out.size):
        out[r] = row_min(span(x, r * n, n))


@njit(**SERIAL)
def max_middle(x, out):
    """Maxima over the middle axis of (outer, n, inner)."""
    outer, n, inner = x.shape
    for o in range(outer):
        for j in range(inner):
            out[o, j] = x[o, 0, j]
        for i in range(1, n):
            for j in range(inner):
                out[o, j] = maximum(out[o, j], x[o, i, j])


@njit(**SERIAL)
def min_middle(x, out):
    """Minima over the middle axis of (outer, n, inner)."""
    outer, n, inner = x.shape
    for o in range(outer):
        for j in range(inner):
            out[o, j] = x[o, 0, j]
        for i in range(1, n):
            for j in range(inner):
                out[o, j] = minimum(out[o, j], x[o, i, j])


@njit(forceinline=True, **SERIAL)
def _first_at(x, best):
    """Index of the first element equal to `best`, or of the first NaN when `best` is NaN; 64 at a time."""
    for first in range(0, x.size, 64):
        block = span(x, first, min(64, x.size - first))
        hits = 0
        for i in range(block.size):
            hits += (block[i] == best) | (block[i] != block[i])
        if hits:
            for i in range(block.size):
                if block[i] == best or block[i] != block[i]:
                    return first + i
    return 0


@njit(**SERIAL)
def argmax_last(x, n, out):
    """Index of the first maximum of each row of `x`; the first NaN counts as the maximum."""
    for r in range(out.size):
        row = span(x, r * n, n)
        out[r] = _first_at(row, row_max(row))


@njit(**SERIAL)
def argmin_last(x, n, out):
    """Index of the first minimum of each row of `x`; the first NaN counts as the minimum."""
    for r in range(out.size):
        row = span(x, r * n, n)
        out[r] = _first_at(row, row_min(row))


@njit(**REORDER)
def var_last(x, n, divisor, root, out):
    """Sum of squared distances from the mean of each row over `divisor`; its square root when `root`. Two passes."""
    for r in range(out.size):
        mean = x.dtype.type(row_sum(span(x, r * n, n)) / n)
        v = x.dtype.type(row_squares(span(x, r * n, n), mean) / divisor)
        out[r] = sqrt(v) if root else v


@njit(**REORDER)
def norm2_last(x, n, out):
    """Euclidean norm of each row of `x`."""
    for r in range(out.size):
        out[r] = np.sqrt(row_squares(span(x, r * n, n), x.dtype.type(0)))


@njit(**REORDER)
def norm1_last(x, n, out):
    """Sum of absolute values of each row of `x`."""
    for r in range(out.size):
        out[r] = row_magnitudes(span(x, r * n, n))
