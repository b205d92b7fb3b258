"""Resampling of images: every output is a weighted sum of a few inputs in each direction.

Images come as planes (n x c, height, width). A table has, for each output row or column, the places (taps, outputs)
of its inputs and their weights; an empty table of columns leaves them as they are.
"""

from typing import Any

from numba import njit
from numba.core import cgutils

from torsh_ops.kernels.conv_emit import INT64, Emitter, kernel_intrinsic
from torsh_ops.kernels.vector import SERIAL, flat, span


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


def _by_vectors(body: Any) -> Any:
    """Emit a loop of `body(e, place of the vector, elements from there on)` over the `size` of a row."""

    def emit(e: Emitter) -> None:
        size = e.args["size"]
        with cgutils.for_range_slice(e.builder, INT64(0), size, INT64(e.width), INT64) as (first, _):
            body(e, first, e.builder.sub(size, first))

    return emit


def _emit_twice(e: Emitter, first: Any, left: Any) -> None:
    """A vector of the row, and those before and after each of its elements, as two vectors of the result."""
    a, b = e.args, e.builder
    here, inside = e.at(a["source"], a["source_at"], first), e.first_lanes(left)
    vectors = [
        e.read_masked(b.and_(inside, e.lanes_from(b.sub(INT64(1), first))), here, -1),
        e.read_masked(inside, here),
        e.read_masked(e.first_lanes(b.sub(left, INT64(1))), here, 1),
    ]
    place, left = e.at(a["target"], a["target_at"], first, first), b.mul(left, INT64(2))
    for n, half in enumerate(e.interleave(*e.combine([[0.25, 0.75, 0], [0, 0.75, 0.25]], vectors))):
        e.write_masked(e.first_lanes(b.sub(left, INT64(n * e.width))), half, place, n * e.width)


def _emit_mix(e: Emitter, first: Any, left: Any) -> None:
    """A vector of the sum of two rows, each times its weight."""
    a, mask, total = e.args, e.first_lanes(left), e.zeros()
    for row, weight in (("one_at", "weight_at"), ("other_at", "second_at")):
        value = e.read_masked(mask, a["lines"], a[row], first)
        total = e.add_product(e.splat(e.load(a["weights"], a[weight])), value, total)
    e.write_masked(mask, total, a["target"], a["target_at"], first)


# Rows are short: a loop of LLVM's own spends half of them on what fills no whole vectors (1.7 times as fast).
_twice: Any = kernel_intrinsic("source target", "source_at target_at size", _by_vectors(_emit_twice))
_mix: Any = kernel_intrinsic(
    "lines target weights", "one_at other_at weight_at second_at target_at size", _by_vectors(_emit_mix)
)


@njit(**SERIAL)
def _twice_along_row(source, source_at, size, target, target_at):
    """Resample one row to twice its size: three quarters of the nearer neighbour and one of the other.

    As `_along_row` does, without looking places up: a vector of elements from anywhere takes 5 times as long.
    """
    _twice((source, target), (source_at, target_at, size))
    near, far = source.dtype.type(0.75), source.dtype.type(0.25)
    last = source[source_at + size - 1]
    target[target_at], target[target_at + 2 * size - 1] = source[source_at], near * last + far * last


@njit(**SERIAL)
def _blend(lines, width, places, weights, i, out, out_at):
    """Output row `i`: the weighted sum of rows of `lines`."""
    if places.shape[0] == 2:
        one, other, factors = places[0, i] * width, places[1, i] * width, flat(weights)
        _mix((lines, out, factors), (one, other, i, weights.shape[1] + i, out_at, width))
        return
    target = span(out, out_at, width)
    for t in range(places.shape[0]):
        line, weight = span(lines, places[t, i] * width, width), weights[t, i]
        if t == 0:
            for j in range(width):
                target[j] = weight * line[j]
        else:
            for j in range(width):
                target[j] += weight * line[j]


@njit(**SERIAL)
def resample(x, rows, row_weights, columns, column_weights, twice, lines, out):
    """Resample each plane: every row along itself into the buffer `lines` (height, output width), then the rows.

    `twice` when the columns become twice as many, halfway between their centres and edges.
    """
    height, width, source, target = x.shape[1], out.shape[2], flat(x), flat(out)
    for plane in range(x.shape[0]):
        begin, between = plane * height * x.shape[2], flat(lines)
        if columns.shape[0] == 0:
            between = span(x, begin, height * width)
        else:
            for y in range(height):
                at = begin + y * x.shape[2]
                if twice:
                    _twice_along_row(source, at, x.shape[2], between, y * width)
                else:
                    row, line = span(x, at, x.shape[2]), span(lines, y * width, width)
                    _along_row(row, columns, column_weights, line)
        for i in range(out.shape[1]):
            _blend(between, width, rows, row_weights, i, target, (plane * out.shape[1] + i) * width)


@njit(**SERIAL)
def spread(g, rows, row_weights, columns, column_weights, twice, lines, out):
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
