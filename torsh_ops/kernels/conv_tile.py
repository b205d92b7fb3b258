"""The register tiles that every convolution is made of.

LLVM's own vectoriser keeps one row of sums at a time; a tile keeps ROWS rows of two or three vectors in registers,
which is what brings a convolution from about a quarter of the machine's peak to nine tenths of it.
"""

from typing import Any

from numba import njit

from torsh_ops.kernels.conv_emit import INT64, ROWS, Emitter, kernel_intrinsic
from torsh_ops.kernels.vector import SERIAL

# Vectors of a full tile.
TILE_VECTORS = 3
# One row of weights alone, as in a depthwise convolution: more vectors in its place.
LINE_VECTORS = 8


def _row_numbers(e: Emitter, rows: int) -> list[Any]:
    """Row of each line of the tile; lines beyond the last row compute it again and store the same."""
    last = e.builder.sub(e.args["rows"], INT64(1))
    return [e.at_most(i, last) for i in range(rows)]


def _sums(e: Emitter, row_numbers: list[Any], vectors: int) -> list[list[Any]]:
    """Emit the loop over the taps; returns rows x vectors of sums."""
    b, a = e.builder, e.args
    weights = [e.at(a["a"], a["a_at"], b.mul(i, a["a_stride"])) for i in row_numbers]
    inputs = [e.at(a["b"], a["b_at"], e.load(a["sources"], a["first"], v)) for v in range(vectors)]
    starts = [e.splat(e.load(a["init"], a["init_at"], i)) for i in row_numbers]
    before, loop, after = b.block, b.append_basic_block("taps"), b.append_basic_block("tapped")
    b.branch(loop)
    b.position_at_end(loop)
    tap = b.phi(INT64)
    sums = [[b.phi(e.vector) for _ in inputs] for _ in weights]
    offset = e.load(a["taps"], tap)
    columns = [e.load_vector(pointer, offset) for pointer in inputs]
    grown = []
    for weight, row in zip(weights, sums, strict=True):
        factor = e.splat(e.load(weight, tap))
        grown.append([e.add_product(factor, x, total) for x, total in zip(columns, row, strict=True)])
    following = b.add(tap, INT64(1))
    tap.add_incoming(INT64(0), before)
    tap.add_incoming(following, loop)
    for start, row, new_row in zip(starts, sums, grown, strict=True):
        for total, new in zip(row, new_row, strict=True):
            total.add_incoming(start, before)
            total.add_incoming(new, loop)
    b.cbranch(b.icmp_signed("<", following, a["depth"]), loop, after)
    b.position_at_end(after)
    return grown


def _places(e: Emitter, row_numbers: list[Any], vector: int) -> list[Any]:
    a = e.args
    target = e.load(a["targets"], a["first"], vector)
    return [e.at(a["c"], a["c_at"], target, e.builder.mul(i, a["c_stride"])) for i in row_numbers]


def _store(e: Emitter, row_numbers: list[Any], sums: list[list[Any]]) -> None:
    """Store the lanes that exist; with `add` 1, on top of what is there."""
    a, b = e.args, e.builder
    columns = list(zip(*sums, strict=True))
    masks = [e.first_lanes(e.load(a["lanes"], a["first"], v)) for v in range(len(columns))]
    # A branch, for even a masked load of nothing waits for its cache line.
    with b.if_else(b.icmp_signed("!=", a["add"], INT64(0))) as (added, alone):
        with added:
            for v, (mask, column) in enumerate(zip(masks, columns, strict=True)):
                places = _places(e, row_numbers, v)
                # All are read before any is stored, for the last row may be among them more than once.
                before = [e.read_masked(mask, place) for place in places]
                for place, old, value in zip(places, before, column, strict=True):
                    e.write_masked(mask, b.fadd(value, old), place)
        with alone:
            for v, (mask, column) in enumerate(zip(masks, columns, strict=True)):
                for place, value in zip(_places(e, row_numbers, v), column, strict=True):
                    e.write_masked(mask, value, place)


def _tile_of(rows: int, vectors: int) -> Any:
    def emit(e: Emitter) -> None:
        numbers = _row_numbers(e, rows)
        for v in range(vectors):
            for place in _places(e, numbers, v):
                e.prefetch(place, write=True)
        _store(e, numbers, _sums(e, numbers, vectors))

    return kernel_intrinsic(
        "a b taps sources targets lanes c init", "a_at a_stride rows b_at depth first c_at c_stride init_at add", emit
    )


# Eight rows of three vectors need 11 loads for 24 multiply-adds: neither the load ports nor the multipliers wait.
_three = _tile_of(ROWS, TILE_VECTORS)
_two = _tile_of(ROWS, 2)
_one = _tile_of(ROWS, 1)
_line = _tile_of(1, LINE_VECTORS)


def whole_tiles(vectors: int, rows: int) -> int:
    """How many vectors `sweep` needs tables for, to do `vectors` of them."""
    return -(-vectors // LINE_VECTORS) * LINE_VECTORS if rows == 1 else vectors


@njit(**SERIAL)
def sweep(
    a, a_at, a_stride, rows, b, b_at, taps, depth, sources, targets, lanes, c, c_at, c_stride, init, init_at, add
):
    """Sum weights times shifted vectors.

    ``c[row, targets[v] + lane] = init[row] + sum over t < depth of a[row, t] * b[sources[v] + taps[t] + lane]``
    for the first ``lanes[v]`` lanes of every vector v. `a`, `b`, `c` and `init` are flat and begin at `a_at`, `b_at`,
    `c_at` and `init_at`; rows of `a` and `c` are `a_stride` and `c_stride` apart. `b` has a vector to spare at its
    end, for vectors are read whole. `add` is 1 to add to `c`, 0 to overwrite it. The
    tables have `whole_tiles` entries.
    """
    arrays = (a, b, taps, sources, targets, lanes, c, init)
    if rows == 1 and sources.size % LINE_VECTORS == 0:
        for first in range(0, sources.size, LINE_VECTORS):
            _line(arrays, (a_at, a_stride, rows, b_at, depth, first, c_at, c_stride, init_at, add))
        return
    for row in range(0, rows, ROWS):
        some = min(ROWS, rows - row)
        weights, place = a_at + row * a_stride, c_at + row * c_stride
        first = 0
        while first < sources.size:
            left = sources.size - first
            numbers = (weights, a_stride, some, b_at, depth, first, place, c_stride, init_at + row, add)
            if left == 2 or left == 4:
                _two(arrays, numbers)
                first += 2
            elif left == 1:
                _one(arrays, numbers)
                first += 1
            else:
                _three(arrays, numbers)
                first += 3
