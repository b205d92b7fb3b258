"""Rows added to those of a table by index: rows (…, width), indices int64. `index.take_lines` takes them out."""

from numba import njit

from torsh_ops.kernels.vector import FORCED, SERIAL, flat, span


@njit(**FORCED)
def _add(a, scale, o):
    a, o = flat(a), flat(o)
    for i in range(o.size):
        o[i] += a[i] * scale


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
