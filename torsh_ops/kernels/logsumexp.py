"""Logarithms of sums of exponentials. Arrays are flat and contiguous, as in `reduce`."""

import numpy as np
from numba import njit

from torsh_ops.kernels import math as m
from torsh_ops.kernels.reduce import BLOCK, row_max
from torsh_ops.kernels.vector import REORDER, SERIAL, flat, maximum, span


@njit(forceinline=True, **REORDER)
def _exp_sum(x, shift):
    x = flat(x)
    total = x.dtype.type(0)
    for i in range(x.size):
        total += m.exp(x[i] - shift)
    return total


@njit(**SERIAL)
def logsumexp_last(x, n, out):
    """`log(sum(exp(x)))` of each row, shifted by the greatest element so far where that is finite."""
    for r in range(out.size):
        row = span(x, r * n, n)
        total, shift = 0.0, x.dtype.type(0)
        for first in range(0, n, BLOCK):
            block = span(row, first, min(BLOCK, n - first))
            best = row_max(block)
            best = best if best - best == 0 else x.dtype.type(0)
            if total == 0 or best > shift:
                total *= m.exp(shift - best) if total != 0 else x.dtype.type(0)
                shift = best
            total += _exp_sum(block, shift)
        out[r] = shift + np.log(total)


@njit(**SERIAL)
def logsumexp_middle(x, n, inner, total, out):
    """`logsumexp_last` over the middle axis; `total` is a row."""
    zero = out.dtype.type(0)
    for o in range(out.size // inner):
        shift = span(out, o * inner, inner)
        row = span(x, o * n * inner, inner)
        for j in range(inner):
            shift[j] = row[j]
            total[j] = zero
        for i in range(1, n):
            row = span(x, (o * n + i) * inner, inner)
            for j in range(inner):
                shift[j] = maximum(shift[j], row[j])
        for j in range(inner):
            shift[j] = shift[j] if shift[j] - shift[j] == zero else zero
        for i in range(n):
            row = span(x, (o * n + i) * inner, inner)
            for j in range(inner):
                total[j] += m.exp(row[j] - shift[j])
        for j in range(inner):
            shift[j] += m.log(total[j])
