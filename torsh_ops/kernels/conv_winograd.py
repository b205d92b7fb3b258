"""3x3 convolutions with fewer multiplications: Winograd's minimal filtering (see conv_transform).

Every 6x6 piece of the image and every 3x3 kernel is transformed; 36 small matrix products over the channels take the
place of the convolution, and each result transforms back to 4x4 outputs: a quarter of the multiplications. With stride
2, pieces are 9x9 and there are 81 products: nine sixteenths. Rounding errors are some times those of the direct sum,
and an infinity or NaN reaches every output of its piece.

The transformed pieces of a block stay in the second-level cache, and some kernels at a time are transformed, multiplied
and transformed back next to them. Where there are several blocks, the first keeps the transformed kernels for the rest.
"""

import itertools
from typing import Any, NamedTuple

from numba import njit

from torsh_ops.kernels import conv_transform as to
from torsh_ops.kernels.conv_copy import copy, copy_apart
from torsh_ops.kernels.conv_emit import INT64, ROWS, Emitter, kernel_intrinsic
from torsh_ops.kernels.conv_transform import GROUPS, KERNELS, LANES, SIDE, WIDTH
from torsh_ops.kernels.vector import SERIAL, flat

# Rows of a product's tile; transformed kernels lie side by side by vectors of them.
TILE = min(ROWS, LANES)


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
    step: int  # the stride of the convolution, 1 or 2
    side: int  # of a transformed piece
    apart: int  # elements from one of 36 rows of transformed kernels to the next
    kept: bool  # there are several blocks


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


# Eight rows of three vectors need 11 loads for 24 multiply-adds: neither the load ports nor the multipliers wait.
_three, _two, _one = _tile_of(3), _tile_of(2), _tile_of(1)


@njit(**SERIAL)
def _find(pieces, begin, end, out, sources, targets, rows, columns):
    """Where the groups of a block begin in the copies and in the output, and which rows and columns there are."""
    area = out.shape[2] * out.shape[3]
    width = pieces.step * WIDTH * pieces.wide + 2
    first = begin // (pieces.wide * pieces.high)
    for i in range(sources.size):
        row, column = divmod(min(begin + i, end - 1), pieces.wide)
        image, row = divmod(row, pieces.high)
        sources[i] = (image - first) * pieces.plane + SIDE * pieces.step * row * width + WIDTH * column
        targets[i] = image * out.shape[1] * area + SIDE * row * out.shape[3] + WIDTH * column
        rows[i] = SIDE * row
        # What fills up the last vector stores nothing.
        columns[i] = min(out.shape[3] - WIDTH * column, WIDTH) if begin + i < end else 0


@njit(**SERIAL)
def _copy(pieces, begin, end, x, c, padded):
    """Copy the rows of one channel that a block needs, next to their border; with step 2 odd columns behind even."""
    source, height, width, step = flat(x), x.shape[2], x.shape[3], pieces.step
    copy_width = step * WIDTH * pieces.wide + 2
    first, last = begin // pieces.wide, (end - 1) // pieces.wide
    # A negative border is columns that nothing reads.
    skipped, left = max(-pieces.left, 0), max(pieces.left, 0)
    columns = min(width - skipped, copy_width - left)
    for image in range(first // pieces.high, last // pieces.high + 1):
        row = max(first - image * pieces.high, 0)
        after = min(last - image * pieces.high + 1, pieces.high)
        top = max(SIDE * step * row - pieces.top, 0)
        count = min(SIDE * step * after + 3 - step - pieces.top, height) - top
        at = ((image * x.shape[1] + c) * height + top) * width + skipped
        place = (image - first // pieces.high) * pieces.plane + (top + pieces.top) * copy_width
        if count <= 0 or columns <= 0:
            continue
        if step == 1:
            copy((source, padded), (at, width, columns, place + left, 0, copy_width, count))
        else:
            half, odd = copy_width // 2, left % 2
            even_at, odd_at = place + left // 2 + odd * half, place + left // 2 + (half if odd == 0 else 1)
            copy_apart((source, padded), (at, width, columns, even_at, odd_at, copy_width, count))


@njit(**SERIAL)
def _inputs(pieces, begin, end, x, padded, sources, vectors, v, v_apart):
    """Transform the pieces of a block."""
    width = pieces.step * WIDTH * pieces.wide + 2
    for c in range(x.shape[1]):
        _copy(pieces, begin, end, x, c, padded)
        for vector in range(vectors):
            numbers = (width, width // 2, GROUPS * vector, (c * vectors + vector) * LANES, v_apart)
            if pieces.step == 1:
                to.inputs((padded, v, sources), numbers)
            else:
                to.inputs_second((padded, v, sources), numbers)


@njit(**SERIAL)
def _kernels(pieces, w, channels, k, some, c, count, u, u_at):
    """Transform `some` kernels from `k` on, in `count` channels from `c` on."""
    for row in range(0, some, LANES):
        for channel in range(count):
            place = ((k + row) * channels + c + channel) * 9
            at = u_at + (row * count) + channel * LANES
            numbers = (place, 9 * channels, at, pieces.apart, min(some - row, LANES))
            if pieces.step == 1:
                to.weights((w, u), numbers)
            else:
                to.weights_second((w, u), numbers)


@njit(**SERIAL)
def _multiply(pieces, u, u_at, v, v_at, v_apart, m, m_apart, vectors, some, depth, add):
    """Multiply the transformed kernels and pieces of some channels."""
    arrays, width = (u, v, m), vectors * LANES
    for number in range(pieces.side**2):
        # With step 2, rows and columns of a piece from the sixth on are multiplied with the same kernels.
        kernel = min(number // pieces.side, 5) * 6 + min(number % pieces.side, 5)
        first = 0
        while first < vectors:
            left = vectors - first
            taken = 2 if left == 2 or left == 4 else min(left, 3)
            for row in range(0, some, TILE):
                kernels = u_at + kernel * pieces.apart + row // LANES * depth * LANES + row % LANES
                at = number * m_apart + row * width + first * LANES
                place = v_at + number * v_apart + first * LANES
                numbers = (kernels, place, width, at, width, depth, pieces.apart, add)
                if taken == 3:
                    _three(arrays, numbers)
                elif taken == 2:
                    _two(arrays, numbers)
                else:
                    _one(arrays, numbers)
            first += taken


@njit(**SERIAL)
def _outputs(pieces, k, some, m, m_apart, init, tables, vectors, out):
    """Transform the products of `some` kernels from `k` on back."""
    arrays, area = (m, flat(out), init, tables[1], tables[2], tables[3]), out.shape[2] * out.shape[3]
    for row in range(some):
        for vector in range(vectors):
            numbers = (
                (row * vectors + vector) * LANES, m_apart, k + row, (k + row) * area, out.shape[3], out.shape[2],
                GROUPS * vector,
            )  # fmt: skip
            if pieces.step == 1:
                to.outputs(arrays, numbers)
            else:
                to.outputs_second(arrays, numbers)


@njit(**SERIAL)
def winograd(pieces, x, weights, init, padded, u, v, m, tables, out):
    """Write the correlation of `x` with 3x3 `weights`, begun from `init`, into `out`.

    `padded` is a buffer for one channel of the images of a block, `tables` for four numbers of each of its groups; `u`
    is for the 36 rows of transformed kernels (of all blocks where they are kept), `v` and `m` for transformed pieces
    and products, with a row for each product.
    """
    w, rows, channels = flat(weights), out.shape[1], x.shape[1]
    v_apart, m_apart = v.size // pieces.side**2, m.size // pieces.side**2
    total, at_once = x.shape[0] * pieces.high * pieces.wide, pieces.vectors * GROUPS
    padded[:] = 0
    for begin in range(0, total, at_once):
        end = min(begin + at_once, total)
        vectors = -(-(end - begin) // GROUPS)
        _find(pieces, begin, end, out, tables[0], tables[1], tables[2], tables[3])
        _inputs(pieces, begin, end, x, padded, tables[0], vectors, v, v_apart)
        at = 0
        for k in range(0, rows, pieces.rows):
            some = min(pieces.rows, rows - k)
            for c in range(0, channels, pieces.channels):
                count = min(pieces.channels, channels - c)
                if begin == 0:
                    _kernels(pieces, w, channels, k, some, c, count, u, at)
                v_at = c * vectors * LANES
                _multiply(pieces, u, at, v, v_at, v_apart, m, m_apart, vectors, some, count, int(c > 0))
                at += KERNELS * pieces.apart * int(pieces.kept)
            _outputs(pieces, k, some, m, m_apart, init, tables, vectors, out)
