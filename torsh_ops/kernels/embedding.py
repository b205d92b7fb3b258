"""Rows of a table by index: taken out, and added back in. The table and the rows are (…, width), indices int64."""

from numba import njit

from torsh_ops.kernels.vector import FORCED, SERIAL, flat, span


@njit(**FORCED)
def _copy(a, o):
    a, o = flat(a), flat(o)
    for i in range(o.size):
        o[i] = a[i]


@njit(**FORCED)
def _add(a, scale, o):
    a, o = flat(a), flat(o)
    for i in range(o.size):
        o[i] += a[i] * scale


@njit(**SERIAL)
def take_rows(table, indices, out):
    """Copy row `indices[i]` to row i of `out`; return the place of the first index out of range, or -1."""
    rows, width = table.shape
    for i in range(indices.size):
        row = indices[i]
        if row < 0 or row >= rows:
            return i
        _copy(span(table, row * width, width), span(out, i * width, width))
    return -1


@njit(**SERIAL)
def add_rows(given, indices, left_out, scales, out):
    """Add row i of `given`, times ``scales[indices[i]]`` where there are scales, to row `indices[i]` of `out`.

    Rows of index `left_out` are not added.
    """
    width, one = given.shape[1], out.dtype.type(1)
    for i in range(indices.size):
        row = indices[i]
        if row != left_out:
            scale = scales[row] if scales.size else one
            _add(span(given, i * width, width), scale, span(out, row * width, width))
