"""3x3 convolutions with a quarter of the multiplications: Winograd's minimal filtering F(4x4, 3x3).

Every 6x6 piece of the image and every 3x3 kernel is transformed; 36 small matrix products over the channels take the
place of the convolution, and each result transforms back to 4x4 outputs. Source: Lavin & Gray, "Fast Algorithms for
Convolutional Neural Networks", CVPR 2016, with the points 0, 1, -1, 2, -2. Rounding errors are some times those of
the direct sum, and an infinity or NaN reaches every output of its piece.

The transformed pieces of a block stay in the second-level cache, and some kernels at a time are transformed, multiplied
and transformed back next to them. Where there are several blocks, the first keeps the transformed kernels for the rest.
"""

import itertools
from typing import Any, NamedTuple

from llvmlite import ir
from numba import njit
from numba.core import cgutils

from torsh_ops.kernels.conv_emit import INT32, INT64, ROWS, Emitter, kernel_intrinsic, lanes_of
from torsh_ops.kernels.vector import SERIAL, flat

PRODUCTS = 36
SIDE = 4  # of the output of a piece
Matrix = list[list[float]]
LANES = lanes_of(4)  # float32 alone: in float64 nobody trades exactness for speed
# Neighbours in a row are transformed together: the outputs of a group, and the groups in a vector of pieces.
WIDTH = max(LANES // 2, SIDE)
GROUPS = LANES * SIDE // WIDTH
# Rows of a product's tile; transformed kernels lie side by side by vectors of them.
TILE = min(ROWS, LANES)

# Each transform is a product of two matrices, whose zeros and ones are half the work of the one.
_INPUT: list[Matrix] = [
    [
        [4, 0, -5, 0, 1, 0],
        [0, 0, -4, 0, 1, 0],
        [0, -4, 0, 1, 0, 0],
        [0, 0, -1, 0, 1, 0],
        [0, -1, 0, 1, 0, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, -1, 0, 0, 0],
        [0, 0, 0, 1, 2, 0],
        [0, 0, 0, 1, -2, 0],
        [0, 0, 0, 0, 0, 1],
    ],
]
_WEIGHT: list[Matrix] = [
    [[1 / 4, 0, 0], [-1 / 6, 0, -1 / 6], [0, 1 / 6, 0], [1 / 24, 0, 1 / 6], [0, 1 / 12, 0], [0, 0, 1]],
    [
        [1, 0, 0, 0, 0, 0],
        [0, 1, -1, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 1, 0],
        [0, 0, 0, 1, -1, 0],
        [0, 0, 0, 0, 0, 1],
    ],
]
_OUTPUT: list[Matrix] = [
    [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, -1, 0, 0, 0],
        [0, 0, 0, 1, 1, 0],
        [0, 0, 0, 1, -1, 0],
        [0, 0, 0, 0, 0, 1],
    ],
    [[1, 1, 0, 1, 0, 0], [0, 0, 1, 0, 2, 0], [0, 1, 0, 4, 0, 0], [0, 0, 1, 0, 8, 1]],
]


class Pieces(NamedTuple):
    """How the work is cut into blocks that fit the second-level cache."""

    top: int  # rows of zeros above the image
    left: int  # columns of zeros before it
    vectors: int  # of pieces in a block
    rows: int  # kernels that are multiplied at a time
    channels: int  # channels likewise
    high: int  # pieces in a column of an output image
    wide: int  # groups in a row
    plane: int  # elements of one channel's copy with its border
    stride: int  # from one of 36 rows of transformed kernels to the next
    kept: bool  # there are several blocks


def _transform(e: Emitter, matrices: list[Matrix], square: list[list[Any]]) -> list[list[Any]]:
    """``matrix @ square @ matrix.T`` for a square of vectors and a product of matrices."""
    for _ in range(2):
        columns = [list(column) for column in zip(*square, strict=True)]
        for matrix in matrices:
            columns = [e.combine(matrix, column) for column in columns]
        square = columns
    return square


def _turned(e: Emitter, vectors: list[Any]) -> list[Any]:
    """A square of elements transposed."""
    half = e.width // 2
    for _ in range(half.bit_length()):
        vectors = [v for i in range(half) for v in e.interleave(vectors[i], vectors[i + half])]
    return vectors


def _emit_weights(e: Emitter) -> None:
    """Transform the kernels of one channel, as many as there are lanes."""
    a, b = e.args, e.builder
    last = b.sub(a["count"], INT64(1))
    kernels = [e.at(a["w"], a["w_at"], b.mul(e.at_most(lane, last), a["w_stride"])) for lane in range(e.width)]
    taps: list[Any] = []
    for first in range(0, 9, e.width):
        there = e.first_lanes(INT64(min(9 - first, e.width)))
        taps += _turned(e, [e.read_masked(there, kernel, first) for kernel in kernels])[: 9 - first]
    square = [taps[i : i + 3] for i in (0, 3, 6)]
    for number, value in enumerate(itertools.chain(*_transform(e, _WEIGHT, square))):
        e.store_vector(value, a["u"], a["u_at"], b.mul(a["u_stride"], INT64(number)))


def _half(e: Emitter) -> Any:
    """The pointer to what one row of a group is."""
    return ir.VectorType(e.scalar, WIDTH).as_pointer()


def _row(e: Emitter, places: list[Any]) -> Any:
    """One vector of a row of one group, or of two."""
    b = e.builder
    parts = [b.load(b.bitcast(place, _half(e)), align=4) for place in places]
    if len(parts) == 1:
        return parts[0]
    return b.shuffle_vector(*parts, ir.Constant(ir.VectorType(INT32, e.width), list(range(e.width))))


def _emit_input(e: Emitter) -> None:
    """Transform the pieces of one vector, in one channel."""
    a, b = e.args, e.builder
    groups = [e.at(a["x"], a["x_at"], e.load(a["sources"], a["first"], q)) for q in range(GROUPS)]
    pairs = [groups[i : i + GROUPS // 4] for i in range(0, GROUPS, GROUPS // 4)]
    square = []
    for i in range(6):
        row = b.mul(a["x_width"], INT64(i))
        columns = e.every_fourth([_row(e, [e.at(group, row) for group in pair]) for pair in pairs])
        columns += e.every_fourth([_row(e, [e.at(group, row, SIDE) for group in pair]) for pair in pairs])[:2]
        square.append(columns)
    for number, value in enumerate(itertools.chain(*_transform(e, _INPUT, square))):
        e.store_vector(value, a["v"], a["v_at"], b.mul(a["v_stride"], INT64(number)))


def _emit_output(e: Emitter) -> None:
    """Transform the pieces of one vector back, in one channel, and store the outputs that exist."""
    a, b = e.args, e.builder
    products = [e.load_vector(a["m"], a["m_at"], b.mul(a["m_stride"], INT64(n))) for n in range(PRODUCTS)]
    start = e.splat(e.load(a["init"], a["init_at"]))
    pieces = _transform(e, _OUTPUT, [products[6 * i : 6 * i + 6] for i in range(6)])
    for i, row in enumerate(pieces):
        for q, values in enumerate(e.in_fours([b.fadd(start, value) for value in row])):
            for part in range(GROUPS // 4):
                group = q * (GROUPS // 4) + part
                exists = b.icmp_signed("<", b.add(e.load(a["rows"], a["first"], group), INT64(i)), a["height"])
                count = b.select(exists, e.load(a["columns"], a["first"], group), INT64(0))
                lanes = e.first_lanes(b.add(count, INT64(part * WIDTH)))
                if part:
                    lanes = b.and_(lanes, e.lanes_from(INT64(part * WIDTH)))
                elif GROUPS > 4:
                    lanes = b.and_(lanes, e.first_lanes(INT64(WIDTH)))
                place = e.at(a["y"], a["y_at"], e.load(a["targets"], a["first"], group), b.mul(a["y_width"], INT64(i)))
                e.write_masked(lanes, values, place, -part * WIDTH)


def _tile_of(vectors: int) -> Any:
    """Emit one tile of a product: TILE kernels by some vectors of pieces."""

    def emit(e: Emitter) -> None:
        a, b = e.args, e.builder
        head, start = e.at(a["u"], a["u_at"]), e.at(a["v"], a["v_at"])
        before, loop, after = b.block, b.append_basic_block("channels"), b.append_basic_block("summed")
        b.branch(loop)
        b.position_at_end(loop)
        step, kernels, place = b.phi(INT64), b.phi(head.type), b.phi(start.type)
        sums = [[b.phi(e.vector) for _ in range(vectors)] for _ in range(TILE)]
        e.prefetch(b.gep(kernels, [a["ahead"]]), write=False, nearest=2)
        columns = [e.load_vector(place, e.width * v) for v in range(vectors)]
        factors = [e.splat(e.load(kernels, row)) for row in range(TILE)]
        grown = [
            [e.add_product(factor, x, total) for x, total in zip(columns, row, strict=True)]
            for factor, row in zip(factors, sums, strict=True)
        ]
        following = b.add(step, INT64(1))
        for phi, first, then in (
            (step, INT64(0), following),
            (kernels, head, b.gep(kernels, [INT64(e.width)])),
            (place, start, b.gep(place, [a["v_row"]])),
            *((s, e.zeros(), g) for row, new in zip(sums, grown, strict=True) for s, g in zip(row, new, strict=True)),
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(then, loop)
        b.cbranch(b.icmp_signed("<", following, a["depth"]), loop, after)
        b.position_at_end(after)
        places = [
            [e.at(a["m"], a["m_at"], b.mul(a["m_row"], INT64(row)), e.width * v) for v in range(vectors)]
            for row in range(TILE)
        ]
        with b.if_else(b.icmp_signed("!=", a["add"], INT64(0))) as (added, alone):
            for branch, more in ((added, True), (alone, False)):
                with branch:
                    for total, target in zip(itertools.chain(*grown), itertools.chain(*places), strict=True):
                        e.store_vector(b.fadd(e.load_vector(target), total) if more else total, target)

    return kernel_intrinsic("u v m", "u_at v_at v_row m_at m_row depth ahead add", emit)


def _emit_copy(e: Emitter) -> None:
    """Copy rows of an image."""
    a, b = e.args, e.builder
    with cgutils.for_range_slice(b, INT64(0), a["count"], INT64(1), INT64) as (row, _):
        source, target = (e.at(a[n], a[f"{n}_at"], b.mul(row, a[f"{n}_width"])) for n in ("x", "copy"))
        with cgutils.for_range_slice(b, INT64(0), a["size"], INT64(e.width), INT64) as (first, _):
            inside = e.first_lanes(b.sub(a["size"], first))
            e.write_masked(inside, e.read_masked(inside, source, first), target, first)


_weights = kernel_intrinsic("w u", "w_at w_stride u_at u_stride count", _emit_weights)
_input = kernel_intrinsic("x v sources", "x_at x_width first v_at v_stride", _emit_input)
_output = kernel_intrinsic(
    "m y init targets rows columns", "m_at m_stride init_at y_at y_width height first", _emit_output
)
_copy = kernel_intrinsic("x copy", "x_at x_width size copy_at copy_width count", _emit_copy)
# Eight rows of three vectors need 11 loads for 24 multiply-adds: neither the load ports nor the multipliers wait.
_three, _two, _one = _tile_of(3), _tile_of(2), _tile_of(1)


@njit(**SERIAL)
def _find(pieces, begin, end, out, sources, targets, rows, columns):
    """Where the groups of a block begin in the copies and in the output, and which rows and columns there are."""
    area = out.shape[2] * out.shape[3]
    width = WIDTH * pieces.wide + 2
    first = begin // (pieces.wide * pieces.high)
    for i in range(sources.size):
        row, column = divmod(min(begin + i, end - 1), pieces.wide)
        image, row = divmod(row, pieces.high)
        sources[i] = (image - first) * pieces.plane + SIDE * row * width + WIDTH * column
        targets[i] = image * out.shape[1] * area + SIDE * row * out.shape[3] + WIDTH * column
        rows[i] = SIDE * row
        # What fills up the last vector stores nothing.
        columns[i] = min(out.shape[3] - WIDTH * column, WIDTH) if begin + i < end else 0


@njit(**SERIAL)
def _inputs(pieces, begin, end, x, padded, sources, vectors, v, v_stride):
    """Transform the pieces of a block: each channel's rows are copied next to their border, and taken from there."""
    source = flat(x)
    height, width, copy_width = x.shape[2], x.shape[3], WIDTH * pieces.wide + 2
    first, last = begin // pieces.wide, (end - 1) // pieces.wide
    # A negative border is columns that nothing reads.
    left = max(-pieces.left, 0)
    columns = min(width, copy_width - pieces.left) - left
    for c in range(x.shape[1]):
        for image in range(first // pieces.high, last // pieces.high + 1):
            row = max(first - image * pieces.high, 0)
            after = min(last - image * pieces.high + 1, pieces.high)
            top = max(SIDE * row - pieces.top, 0)
            count = min(SIDE * after + 2 - pieces.top, height) - top
            place = (image - first // pieces.high) * pieces.plane + (top + pieces.top) * copy_width + pieces.left + left
            if count > 0:
                at = ((image * x.shape[1] + c) * height + top) * width + left
                _copy((source, padded), (at, width, columns, place, copy_width, count))
        for vector in range(vectors):
            at = (c * vectors + vector) * LANES
            _input((padded, v, sources), (0, copy_width, GROUPS * vector, at, v_stride))


@njit(**SERIAL)
def _kernels(w, channels, k, some, c, count, u, u_at, u_stride):
    """Transform `some` kernels from `k` on, in `count` channels from `c` on."""
    for row in range(0, some, LANES):
        for channel in range(count):
            place = ((k + row) * channels + c + channel) * 9
            at = u_at + (row * count) + channel * LANES
            _weights((w, u), (place, 9 * channels, at, u_stride, min(some - row, LANES)))


@njit(**SERIAL)
def _multiply(u, u_at, u_stride, v, v_at, v_stride, m, m_stride, vectors, some, depth, add):
    """Multiply the transformed kernels and pieces of some channels."""
    arrays, width = (u, v, m), vectors * LANES
    for number in range(PRODUCTS):
        first = 0
        while first < vectors:
            left = vectors - first
            taken = 2 if left == 2 or left == 4 else min(left, 3)
            for row in range(0, some, TILE):
                kernels = u_at + number * u_stride + row // LANES * depth * LANES + row % LANES
                at = number * m_stride + row * width + first * LANES
                place = v_at + number * v_stride + first * LANES
                numbers = (kernels, place, width, at, width, depth, u_stride, add)
                if taken == 3:
                    _three(arrays, numbers)
                elif taken == 2:
                    _two(arrays, numbers)
                else:
                    _one(arrays, numbers)
            first += taken


@njit(**SERIAL)
def winograd(pieces, x, weights, init, padded, u, v, m, tables, out):
    """Write the correlation of `x` with 3x3 `weights`, begun from `init`, into `out`.

    `padded` is a buffer for one channel of the images of a block, `tables` for four numbers of each of its groups;
    `u`, `v` and `m`, of 36 rows each, for transformed kernels (of all blocks where they are kept), pieces and products.
    """
    w, y = flat(weights), flat(out)
    rows, channels, area = out.shape[1], x.shape[1], out.shape[2] * out.shape[3]
    v_stride, m_stride = v.size // PRODUCTS, m.size // PRODUCTS
    total, at_once = x.shape[0] * pieces.high * pieces.wide, pieces.vectors * GROUPS
    padded[:] = 0
    for begin in range(0, total, at_once):
        end = min(begin + at_once, total)
        vectors = -(-(end - begin) // GROUPS)
        sources, targets, firsts, columns = tables[0], tables[1], tables[2], tables[3]
        _find(pieces, begin, end, out, sources, targets, firsts, columns)
        _inputs(pieces, begin, end, x, padded, sources, vectors, v, v_stride)
        at = 0
        for k in range(0, rows, pieces.rows):
            some = min(pieces.rows, rows - k)
            for c in range(0, channels, pieces.channels):
                count = min(pieces.channels, channels - c)
                if begin == 0:
                    _kernels(w, channels, k, some, c, count, u, at, pieces.stride)
                v_at = c * vectors * LANES
                _multiply(u, at, pieces.stride, v, v_at, v_stride, m, m_stride, vectors, some, count, int(c > 0))
                at += PRODUCTS * pieces.stride * int(pieces.kept)
            for row in range(some):
                for vector in range(vectors):
                    numbers = (
                        (row * vectors + vector) * LANES, m_stride, k + row, (k + row) * area, out.shape[3],
                        out.shape[2], GROUPS * vector,
                    )  # fmt: skip
                    _output((m, y, init, targets, firsts, columns), numbers)
