"""Scans: each element joined with all before it. `*_last` along rows of `n`, `*_middle` along n of (outer, n, inner).

All arrays are flat and contiguous. What is carried from one vector to the next is float64, so that
the last of 16 Mi sums has the digits of the first.
"""

import numpy as np
from numba import njit

from torsh_ops.kernels import math as m
from torsh_ops.kernels.lanes import SCANNED, prefix_sum
from torsh_ops.kernels.vector import SERIAL, flat, span


@njit(**SERIAL)
def cumsum_last(x, n, out):
    """Sums of each row of `x` up to each element."""
    for start in range(0, out.size, n):
        row, into = span(x, start, n), span(out, start, n)
        carry = 0.0
        whole = n - n % SCANNED
        for i in range(0, whole, SCANNED):
            carry += prefix_sum(row, i, carry, into)
        for i in range(whole, n):
            carry += row[i]
            into[i] = carry


@njit(**SERIAL)
def cumprod_last(x, n, out):
    """Products of each row of `x` up to each element, in order: a product of later ones may overflow, or be inf * 0."""
    for start in range(0, out.size, n):
        row, into = span(x, start, n), span(out, start, n)
        carry = 1.0
        for i in range(n):
            carry *= row[i]
            into[i] = carry


@njit(**SERIAL)
def cumsum_rows(x, out):
    """`cumsum_last` of a matrix."""
    cumsum_last(flat(x), x.shape[1], flat(out))


@njit(**SERIAL)
def cumprod_rows(x, out):
    """`cumprod_last` of a matrix."""
    cumprod_last(flat(x), x.shape[1], flat(out))


@njit(**SERIAL)
def cumsum_middle(x, n, inner, carry, out):
    """Sums along the middle axis; `carry` is a float64 row."""
    for o in range(out.size // (n * inner)):
        total = span(carry, 0, inner)
        for j in range(inner):
            total[j] = 0
        for i in range(n):
            row, into = span(x, (o * n + i) * inner, inner), span(out, (o * n + i) * inner, inner)
            for j in range(inner):
                total[j] += row[j]
                into[j] = total[j]


@njit(**SERIAL)
def cumprod_middle(x, n, inner, carry, out):
    """Products along the middle axis; `carry` is a float64 row."""
    for o in range(out.size // (n * inner)):
        total = span(carry, 0, inner)
        for j in range(inner):
            total[j] = 1
        for i in range(n):
            row, into = span(x, (o * n + i) * inner, inner), span(out, (o * n + i) * inner, inner)
            for j in range(inner):
                total[j] *= row[j]
                into[j] = total[j]


@njit(**SERIAL)
def logcumsumexp_last(x, n, out):
    """`log(sum(exp(x)))` of each row up to each element."""
    for start in range(0, out.size, n):
        row, into = span(x, start, n), span(out, start, n)
        best, total = x.dtype.type(-np.inf), 0.0
        for i in range(n):
            value = row[i]
            if value > best:
                total = total * m.exp(best - value) + 1.0
                best = value
            elif value - value == 0 or value != value:  # an infinity adds nothing here: -inf, or inf once more
                total += m.exp(value - best)
            into[i] = best + np.log(total)


@njit(**SERIAL)
def cummax_last(x, n, out, indices):
    """Greatest element of each row up to each element, and the last place of it; NaN wins."""
    for start in range(0, out.size, n):
        row, into, at = span(x, start, n), span(out, start, n), span(indices, start, n)
        best, place = row[0], 0
        for i in range(n):
            if row[i] >= best or row[i] != row[i]:
                best, place = row[i], i
            into[i] = best
            at[i] = place


@njit(**SERIAL)
def cummin_last(x, n, out, indices):
    """Smallest element of each row up to each element, and the last place of it; NaN wins."""
    for start in range(0, out.size, n):
        row, into, at = span(x, start, n), span(out, start, n), span(indices, start, n)
        best, place = row[0], 0
        for i in range(n):
            if row[i] <= best or row[i] != row[i]:
                best, place = row[i], i
            into[i] = best
            at[i] = place
