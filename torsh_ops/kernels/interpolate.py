"""Resampling of images: every output is a weighted sum of a few inputs in each direction.

Images come as planes (n x c, height, width). A table has, for each output row or column, the places (taps, outputs)
of its inputs and their weights; an empty table of columns leaves them as they are.
"""

from numba import njit

from torsh_ops.kernels.vector import SERIAL, span


@njit(**SERIAL)
def _along_row(source, places, weights, target):
    """Resample one row."""
    for t in range(places.shape[0]):
        at, weight = span(places, t * target.size, target.size), span(weights, t * target.size, target.size)
        if t == 0:
            for j in range(target.size):
                target[j] = weight[j] * source[at[j]]
        else:
            for j in range(target.size):
                target[j] += weight[j] * source[at[j]]


@njit(**SERIAL)
def _blend(lines, width, places, weights, i, target):
    """Output row `i`: the weighted sum of rows of `lines`."""
    for t in range(places.shape[0]):
        line, weight = span(lines, places[t, i] * width, width), weights[t, i]
        if t == 0:
            for j in range(width):
                target[j] = weight * line[j]
        else:
            for j in range(width):
                target[j] += weight * line[j]


@njit(**SERIAL)
def resample(x, rows, row_weights, columns, column_weights, lines, out):
    """Resample each plane: every row along itself into the buffer `lines` (height, output width), then the rows."""
    height, width = x.shape[1], out.shape[2]
    for plane in range(x.shape[0]):
        begin, between = plane * height, lines
        if columns.shape[0] == 0:
            between = x[plane]
        else:
            for y in range(height):
                row = span(x, (begin + y) * x.shape[2], x.shape[2])
                _along_row(row, columns, column_weights, span(lines, y * width, width))
        for i in range(out.shape[1]):
            target = span(out, (plane * out.shape[1] + i) * width, width)
            _blend(between, width, rows, row_weights, i, target)


@njit(**SERIAL)
def spread(g, rows, row_weights, columns, column_weights, lines, out):
    """Add each element's share to every input that it came from: the transpose of `resample`."""
    height, width = out.shape[1], g.shape[2]
    out[:] = 0
    for plane in range(g.shape[0]):
        between = lines
        if columns.shape[0] == 0:
            between = out[plane]
        between[:] = 0
        for i in range(g.shape[1]):
            source = span(g, (plane * g.shape[1] + i) * width, width)
            for t in range(rows.shape[0]):
                line, weight = span(between, rows[t, i] * width, width), row_weights[t, i]
                for j in range(width):
                    line[j] += weight * source[j]
        if columns.shape[0] != 0:
            for y in range(height):
                line, row = span(lines, y * width, width), span(out, (plane * height + y) * out.shape[2], out.shape[2])
                for t in range(columns.shape[0]):
                    for j in range(width):
                        row[columns[t, j]] += column_weights[t, j] * line[j]
