"""How many elements are not zero, and whether any is. Arrays are flat and contiguous, as in `reduce`."""

import numpy as np
from numba import njit

from torsh_ops.kernels.reduce import BLOCK
from torsh_ops.kernels.vector import SERIAL, flat, span


@njit(forceinline=True, **SERIAL)
def _count_nonzero(x):
    x = flat(x)
    count = np.int32(0)
    for i in range(x.size):
        count = np.int32(count + np.int32(x[i] != 0))
    return count


@njit(**SERIAL)
def count_last(x, n, out):
    """How many elements of each row of `x` are not zero."""
    for r in range(out.size):
        count = 0
        for first in range(0, n, BLOCK):
            count += _count_nonzero(span(x, r * n + first, min(BLOCK, n - first)))
        out[r] = count


@njit(**SERIAL)
def any_last(x, n, every, out):
    """Whether any element of each row is not zero, or with `every` whether none is; no block is read in vain."""
    for r in range(out.size):
        found = every
        for first in range(0, n, BLOCK):
            size = min(BLOCK, n - first)
            count = _count_nonzero(span(x, r * n + first, size))
            found = count == size if every else count > 0
            if found != every:
                break
        out[r] = found


@njit(**SERIAL)
def any_middle(x, n, inner, every, out):
    """`any_last` over the middle axis."""
    for o in range(out.size // inner):
        found = span(out, o * inner, inner)
        for j in range(inner):
            found[j] = every
        for i in range(n):
            row = span(x, (o * n + i) * inner, inner)
            if every:
                for j in range(inner):
                    found[j] &= row[j] != 0
            else:
                for j in range(inner):
                    found[j] |= row[j] != 0
