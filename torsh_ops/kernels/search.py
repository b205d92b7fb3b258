"""Places of values in sorted rows, and counts of values. Arrays are flat and contiguous."""

import numpy as np
from numba import njit

from torsh_ops.kernels.lanes import SEARCHED, descend
from torsh_ops.kernels.vector import FORCED, SERIAL, flat, span


@njit(**FORCED)
def _one(row, value, right):
    at, length = 0, row.size
    while length > 0:
        half = (length + 1) // 2
        x = row[at + half - 1]
        at += 0 if (x > value if right else x >= value) else half
        length -= half
    return at


@njit(**SERIAL)
def searchsorted(sequence, n, values, m, right, out):
    """Where each of the rows of `m` values goes into its sorted row of `n`, or into the only one.

    Before its equals, or behind them when `right`. No step depends on the outcome of a comparison, so nothing is
    mispredicted (Khuong and Morin 2017).
    """
    for r in range(out.size // m):
        row = span(sequence, (r * n) % sequence.size, n)
        v, at = span(values, r * m, m), span(out, r * m, m)
        for j in range(0, m - SEARCHED + 1, SEARCHED):
            for i in range(SEARCHED):
                at[j + i] = 0
            length = n
            while length > 1:
                half = length // 2
                descend(row, v, at, j, half, right)
                length -= half
            descend(row, v, at, j, 1, right)
        for j in range(m - m % SEARCHED, m):
            at[j] = _one(row, v[j], right)


@njit(**SERIAL)
def bounds(x, out):
    """Smallest and greatest of integers, to out[0] and out[1]."""
    x = flat(x)
    low = high = x[0]
    for i in range(x.size):
        low = x[i] if x[i] < low else low
        high = x[i] if x[i] > high else high
    out[0], out[1] = low, high


@njit(**SERIAL)
def count_below(x, out):
    """Count the integers of `x` by value; returns the place of the first one that `out` has no place for, or -1."""
    bins = np.uint64(out.size)
    for i in range(out.size):
        out[i] = 0
    for i in range(x.size):
        value = np.uint64(x[i])  # of a negative number a great one
        if value >= bins:
            return i
        out[value] += 1
    return -1


@njit(**SERIAL)
def count_values(x, tables):
    """Add 1 to place `x[i]` of one of the four rows of `tables`.

    The rows take turns: an addition would wait for the one before where a value comes again.
    """
    bins = tables.size // 4
    a, b = span(tables, 0, bins), span(tables, bins, bins)
    c, d = span(tables, 2 * bins, bins), span(tables, 3 * bins, bins)
    for i in range(0, x.size - 3, 4):
        a[x[i]] += 1
        b[x[i + 1]] += 1
        c[x[i + 2]] += 1
        d[x[i + 3]] += 1
    for i in range(x.size - x.size % 4, x.size):
        a[x[i]] += 1


@njit(**SERIAL)
def count_bins(x, low, high, counts):
    """Add 1 to the bin of each number from `low` to `high`, of as many of one width as there are counts."""
    bins = counts.size
    scale = bins / (high - low)
    for i in range(x.size):
        value = x[i]
        if low <= value <= high:
            counts[min(np.int64((value - low) * scale), bins - 1)] += 1
