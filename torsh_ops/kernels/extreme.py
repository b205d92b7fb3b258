"""Greatest and smallest elements, and where they are: of rows, or over the middle axis of (outer, n, inner).

All arrays are flat and contiguous. NaN wins, the first of them; of equals the first counts.
"""

from numba import njit

from torsh_ops.kernels.lanes import MATCHED, lowest, matches
from torsh_ops.kernels.reduce import BLOCK, row_max, row_min
from torsh_ops.kernels.vector import SERIAL, flat, maximum, minimum, span


@njit(**SERIAL)
def max_last(x, n, out):
    """Maxima of the rows of `x`."""
    for r in range(out.size):
        out[r] = row_max(span(x, r * n, n))


@njit(**SERIAL)
def min_last(x, n, out):
    """Minima of the rows of `x`."""
    for r in range(out.size):
        out[r] = row_min(span(x, r * n, n))


@njit(**SERIAL)
def max_middle(x, n, inner, out):
    """Maxima over the middle axis."""
    for o in range(out.size // inner):
        best = span(out, o * inner, inner)
        row = span(x, o * n * inner, inner)
        for j in range(inner):
            best[j] = row[j]
        for i in range(1, n):
            row = span(x, (o * n + i) * inner, inner)
            for j in range(inner):
                best[j] = maximum(best[j], row[j])


@njit(**SERIAL)
def min_middle(x, n, inner, out):
    """Minima over the middle axis."""
    for o in range(out.size // inner):
        best = span(out, o * inner, inner)
        row = span(x, o * n * inner, inner)
        for j in range(inner):
            best[j] = row[j]
        for i in range(1, n):
            row = span(x, (o * n + i) * inner, inner)
            for j in range(inner):
                best[j] = minimum(best[j], row[j])


@njit(forceinline=True, **SERIAL)
def _first_at(x, best):
    """Index of the first element equal to `best`, or of the first NaN."""
    x = flat(x)
    for first in range(0, x.size - MATCHED + 1, MATCHED):
        hits = matches(x, first, best)
        if hits:
            return first + lowest(hits)
    for i in range(x.size - x.size % MATCHED, x.size):
        if x[i] == best or x[i] != x[i]:
            return i
    return 0


# The row's extreme is found block by block in vectors; only the block that holds it is searched. (256 rows of 256:
# 28 -> 6.0 us; one row of 65536: 6.2 -> 2.4.)


@njit(**SERIAL)
def argmax_last(x, n, out):
    """Index of the first maximum of each row of `x`; the first NaN counts as the maximum."""
    for r in range(out.size):
        row = span(x, r * n, n)
        start, size = 0, min(BLOCK, n)
        best = row_max(span(row, 0, size))
        for first in range(BLOCK, n, BLOCK):
            length = min(BLOCK, n - first)
            other = row_max(span(row, first, length))
            if best == best and not other <= best:
                start, size, best = first, length, other
        out[r] = start + _first_at(span(row, start, size), best)


@njit(**SERIAL)
def argmin_last(x, n, out):
    """Index of the first minimum of each row of `x`; the first NaN counts as the minimum."""
    for r in range(out.size):
        row = span(x, r * n, n)
        start, size = 0, min(BLOCK, n)
        best = row_min(span(row, 0, size))
        for first in range(BLOCK, n, BLOCK):
            length = min(BLOCK, n - first)
            other = row_min(span(row, first, length))
            if best == best and not other >= best:
                start, size, best = first, length, other
        out[r] = start + _first_at(span(row, start, size), best)


@njit(**SERIAL)
def argmax_middle(x, n, inner, best, out):
    """`argmax_last` over the middle axis; the maxima go to `best`."""
    for o in range(out.size // inner):
        top, at = span(best, o * inner, inner), span(out, o * inner, inner)
        row = span(x, o * n * inner, inner)
        for j in range(inner):
            top[j] = row[j]
            at[j] = 0
        for i in range(1, n):
            row = span(x, (o * n + i) * inner, inner)
            for j in range(inner):
                new = (row[j] > top[j]) | ((row[j] != row[j]) & (top[j] == top[j]))
                top[j] = row[j] if new else top[j]
                at[j] = i if new else at[j]


@njit(**SERIAL)
def argmin_middle(x, n, inner, best, out):
    """`argmin_last` over the middle axis; the minima go to `best`."""
    for o in range(out.size // inner):
        top, at = span(best, o * inner, inner), span(out, o * inner, inner)
        row = span(x, o * n * inner, inner)
        for j in range(inner):
            top[j] = row[j]
            at[j] = 0
        for i in range(1, n):
            row = span(x, (o * n + i) * inner, inner)
            for j in range(inner):
                new = (row[j] < top[j]) | ((row[j] != row[j]) & (top[j] == top[j]))
                top[j] = row[j] if new else top[j]
                at[j] = i if new else at[j]
