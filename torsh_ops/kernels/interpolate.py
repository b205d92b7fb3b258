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
    """Emit a loop of `body(e, place of the vector, elements from there on)` over the `size` of a row.

    Rows and weights come as addresses: arrays would cost counts of references at every row.
    """

    def emit(e: Emitter) -> None:
        size = e.args["size"]
        for name in {"source", "lines", "weights", "target"} & e.args.keys():
            e.args[name] = e.builder.inttoptr(e.args[name], e.scalar.as_pointer())
        with cgutils.for_range_slice(e.builder, INT64(0), size, INT64(e.width), INT64) as (first, _):
            body(e, first, e.builder.sub(size, first))

    return emit


def _emit_twice(e: Emitter, first: Any, left: Any) -> None:
    """A vector of the row, and those before and after each of its elements, as two vectors of the result."""
    a, b = e.args, e.builder
    row = e.at(a["source"], a["source_at"])
    here, inside, later = e.at(row, first), e.first_lanes(left), e.first_lanes(b.sub(left, INT64(1)))
    earlier = b.and_(inside, e.lanes_from(b.sub(INT64(1), first)))
    # At the ends an element is its own neighbour.
    before = b.select(earlier, e.read_masked(earlier, here, -1), e.splat(b.load(row)))
    after = b.select(later, e.read_masked(later, here, 1), e.splat(e.load(row, a["size"], -1)))
    mixed = e.combine([[0.25, 0.75, 0], [0, 0.75, 0.25]], [before, e.read_masked(inside, here), after])
    place, left = e.at(a["target"], a["target_at"], first, first), b.mul(left, INT64(2))
    low, high = e.interleave(*mixed)
    e.write_masked(e.first_lanes(left), low, place)
    # A branch, for a store of nothing waits for its cache line too.
    with b.if_then(b.icmp_signed(">", left, INT64(e.width))):
        e.write_masked(e.first_lanes(b.sub(left, INT64(e.width))), high, place, e.width)


def _emit_mix(e: Emitter, first: Any, left: Any) -> None:
    """A vector of the sum of two rows, each times its weight."""
    a, mask, total = e.args, e.first_lanes(left), e.zeros()
    for row, weight in (("one_at", "weight_at"), ("other_at", "second_at")):
        value = e.read_masked(mask, a["lines"], a[row], first)
        total = e.add_product(e.splat(e.load(a["weights"], a[weight])), value, total)
    e.write_masked(mask, total, a["target"], a["target_at"], first)


# Rows are short: a loop of LLVM's own spends half of them on what fills no whole vectors (1.7 times as fast).
_twice: Any = kernel_intrinsic("like", "source target source_at target_at size", _by_vectors(_emit_twice))
_mix: Any = kernel_intrinsic(
    "like", "lines target weights one_at other_at weight_at second_at target_at size", _by_vectors(_emit_mix)
)


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
def resample(x, rows, row_weights, columns, column_weights, twice, lines, out):
    """Resample each plane: every row along itself into the buffer `lines` (height, output width), then the rows.

    `twice` when the columns become twice as many, halfway between their centres and edges: then three quarters of the
    nearer neighbour and one of the other are taken without looking places up, which takes 5 times as long.
    """
    height, length, count, width = x.shape[1], x.shape[2], out.shape[1], out.shape[2]
    here, between, there, factors = x.ctypes.data, lines.ctypes.data, out.ctypes.data, row_weights.ctypes.data
    along = columns.shape[0] != 0
    for plane in range(x.shape[0]):
        begin, out_at = plane * height * length, plane * count * width
        for y in range(height if along else 0):
            if twice:
                _twice((out,), (here, between, begin + y * length, y * width, length))
            else:
                row, line = span(x, begin + y * length, length), span(lines, y * width, width)
                _along_row(row, columns, column_weights, line)
        for i in range(count):
            if rows.shape[0] == 2:
                # Not row after row: what is written goes to memory and would come back (1.3 times as fast).
                given, at = (between, 0) if along else (here, begin)
                one, other = at + rows[0, i] * width, at + rows[1, i] * width
                _mix((out,), (given, there, factors, one, other, i, count + i, out_at + i * width, width))
            else:
                given_lines = flat(lines) if along else span(x, begin, height * width)
                _blend(given_lines, width, rows, row_weights, i, span(out, out_at + i * width, width))


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
