"""Matrix products by register tiles: small ones straight from the operands, others out of packed blocks.

A transposed right operand is turned while it is packed.
"""

from numba import njit

from torsh_ops.kernels.conv_emit import VECTOR_BYTES
from torsh_ops.kernels.gemm_tile import FEWEST_ROWS, ROWS, VECTORS, copy_tile, lined_tile, plain_tile, turn
from torsh_ops.kernels.vector import FORCED, SERIAL, span

# A block of the right operand, DEPTH by one tile, takes two thirds of a first-level cache of 48 KiB while HIGH rows of
# the left one pass over it, where they lie.
DEPTH, HIGH = 256, 256
# A right operand of more bytes, multiplied with at least LONG rows, is packed in blocks of WIDTH columns, half of a
# second-level cache of 2 MiB; ROWS rows of the left one, packed, stay in the first level while the block streams past.
WIDE_BYTES, LONG, WIDTH = 1 << 20, 512, 1024
# So that rows and tiles of a packed operand do not fall on the same lines of the cache.
_APART = 16
_LEFT_ROOM = ROWS * (DEPTH + _APART)
# A right operand up to this size, its columns whole vectors, is read where it lies (256 cubed: 198 us, packed 204).
DIRECT_BYTES = 512 * 1024


@njit(**FORCED)
def _tile_columns(itemsize):
    return VECTORS * (VECTOR_BYTES // itemsize)


@njit(**SERIAL)
def _turn_into(b, b_at, b_row, columns, depth, out, step):
    """Bring transposed columns into tiles: element (k, j) to ``j // tile * step + k * tile + j % tile``."""
    tile, lanes = _tile_columns(out.itemsize), VECTOR_BYTES // out.itemsize
    for j in range(0, columns, lanes):
        place = j // tile * step + j % tile
        for k in range(0, depth, lanes):
            some, deep = min(lanes, columns - j), min(lanes, depth - k)
            turn((b, out), (b_at + j * b_row + k, b_row, place + k * tile, tile, some, deep))


@njit(**SERIAL)
def pack_rows(b, b_at, b_row, columns, depth, out, step):
    """Bring contiguous rows into tiles: element (k, j) to ``j // tile * step + k * tile + j % tile``."""
    tile = _tile_columns(out.itemsize)
    for j in range(0, columns, tile):
        copy_tile((b, out), (b_at + j, b_row, j // tile * step, depth, min(tile, columns - j)))


@njit(**SERIAL)
def _pack_strip(a, a_at, a_row, rows, depth, out):
    """Bring rows of the left operand together, DEPTH + _APART apart."""
    for i in range(rows):
        source, target = span(a, a_at + i * a_row, depth), span(out, i * (DEPTH + _APART), depth)
        for k in range(depth):
            target[k] = source[k]


@njit(**SERIAL)
def _by_tile(a, b, c, numbers, out):
    """``c = begin + a @ b`` of up to DEPTH columns of `a`, a tile's width of `b` at a time; `begin` is an address."""
    a_at, a_row, b_at, b_row, b_col, c_at, c_row, m, n, depth, begin, begin_row, begin_col = numbers
    size, tile = c.itemsize, _tile_columns(c.itemsize)
    strips = -(-m // ROWS)
    few = m // strips
    more = m - strips * few
    for j in range(0, n, tile):
        columns = min(tile, n - j)
        source = b_at + j * b_col
        if b_col == 1:
            copy_tile((b, out), (source, b_row, 0, depth, columns))
        else:
            _turn_into(b, source, b_col, columns, depth, out, 0)
        left, result, start = a.ctypes.data + a_at * size, c.ctypes.data + (c_at + j) * size, begin
        # The block after this one, both lines of each row, or every line where its columns follow one another.
        following = b.ctypes.data + (source + tile * b_col) * size
        step = b_row if b_col == 1 else tile // VECTORS
        line = (tile if b_col == 1 else depth * tile) // VECTORS * size
        for s in range(strips):
            rows = few + 1 if s < more else few
            ahead, ahead_step = (following + s * line, step) if s < VECTORS else (out.ctypes.data, 0)
            lined_tile(
                (c,),
                (left, a_row, 1, out.ctypes.data, tile, result, c_row, depth, columns, ahead, ahead_step,
                 start, begin_row, rows * c_row, rows),
            )  # fmt: skip
            left += rows * a_row * size
            result += rows * c_row * size
            start += rows * begin_row * size
        begin += tile * begin_col * size


@njit(**SERIAL)
def _by_block(a, b, c, numbers, out):
    """`_by_tile` of up to WIDTH columns of `b` at a time."""
    a_at, a_row, b_at, b_row, b_col, c_at, c_row, m, n, depth, begin, begin_row, begin_col = numbers
    size, tile = c.itemsize, _tile_columns(c.itemsize)
    packed, block = span(out, 0, _LEFT_ROOM), span(out, _LEFT_ROOM, out.size - _LEFT_ROOM)
    step = depth * tile + _APART
    strips = -(-m // ROWS)
    few = m // strips
    more = m - strips * few
    if b_col == 1:
        pack_rows(b, b_at, b_row, n, depth, block, step)
    else:
        _turn_into(b, b_at, b_col, n, depth, block, step)
    row = 0
    for s in range(strips):
        rows = few + 1 if s < more else few
        _pack_strip(a, a_at + row * a_row, a_row, rows, depth, packed)
        right, result = block.ctypes.data, c.ctypes.data + (c_at + row * c_row) * size
        start = begin + row * begin_row * size
        for j in range(0, n, tile):
            lined_tile(
                (c,),
                (packed.ctypes.data, DEPTH + _APART, 1, right, tile, result, c_row, depth, n - j, right, 0,
                 start, begin_row, tile, rows),
            )  # fmt: skip
            right += step * size
            result += tile * size
            start += tile * begin_col * size
        row += rows


@njit(**SERIAL)
def product(a, b, c, strides, m, n, depth, start, start_strides, room):
    """``c = start + a @ b`` for each pair of matrices of a batch; `m` and `depth` are at least FEWEST_ROWS and 1.

    Arrays are flat and begin at the first element; `strides` has the number of matrices, then the distances of
    matrices, rows and columns of `a` and of `b`, and of matrices and rows of `c`. Columns of `a` are 1 apart, and
    columns or rows of `b`. `start_strides` are the distances of matrices, rows and columns of `start`, which may be
    `c`; of columns 1, or 0 where it is a tile's width of zeros. `room` has the elements that `room_of` says.
    """
    batch, a_next, a_row, _, b_next, b_row, b_col, c_next, c_row = strides
    start_next, start_row, start_col = start_strides
    size, large = c.itemsize, _is_large(m, n, depth, c.itemsize)
    width = WIDTH if large else n
    # Shared out evenly, for no strip may be too short.
    bands, parts = 1 if large else -(-m // HIGH), -(-depth // DEPTH)
    deepest = -(-depth // parts)
    for i in range(batch):
        for k in range(0, depth, deepest):
            deep = min(deepest, depth - k)
            for j in range(0, n, width):
                for q in range(bands):
                    row, end = m * q // bands, m * (q + 1) // bands
                    left_at, right_at = i * a_next + row * a_row + k, i * b_next + k * b_row + j * b_col
                    c_at, begin_row, begin_col = i * c_next + row * c_row + j, start_row, start_col
                    begin = start.ctypes.data + (i * start_next + row * start_row + j * start_col) * size
                    if k:
                        begin, begin_row, begin_col = c.ctypes.data + c_at * size, c_row, 1
                    numbers = (
                        left_at, a_row, right_at, b_row, b_col, c_at, c_row,
                        end - row, min(width, n - j), deep, begin, begin_row, begin_col,
                    )  # fmt: skip
                    if large:
                        _by_block(a, b, c, numbers, room)
                    else:
                        _by_tile(a, b, c, numbers, room)


@njit(**SERIAL)
def fits_direct(m, n, depth, itemsize):
    """Whether `direct` can multiply matrices of that size, and is the fastest way."""
    return m >= FEWEST_ROWS and n % (VECTOR_BYTES // itemsize) == 0 and 0 < n * depth * itemsize <= DIRECT_BYTES


@njit(**SERIAL)
def direct(a, b, c, strides, m, n, depth):
    """``c = a @ b`` for each pair of matrices of a batch, as `product`, without packing.

    Rows of `b` are contiguous and `fits_direct` holds.
    """
    batch, a_next, a_row, a_col, b_next, b_row, _, c_next, c_row = strides
    size, tile, lanes = c.itemsize, _tile_columns(c.itemsize), VECTOR_BYTES // c.itemsize
    strips = -(-m // ROWS)
    few = m // strips
    more = m - strips * few
    # Vectors of the next pair and its result, fetched a few at each tile: 96 pairs of 128 by 64 and 64 by 128 take
    # 1.28 ms, without 1.85.
    parts = (a_next // lanes, b_next // lanes, c_next // lanes) if batch > 1 else (0, 0, 0)
    for i in range(batch):
        fetched = 0
        for j in range(0, n, tile):
            left, result = a.ctypes.data + i * a_next * size, c.ctypes.data + (i * c_next + j) * size
            right = b.ctypes.data + (i * b_next + j) * size
            for s in range(strips):
                rows = few + 1 if s < more else few
                ahead, step, place = right, 0, fetched
                if place < parts[0]:
                    ahead, step = a.ctypes.data + ((i + 1) * a_next + place * lanes) * size, lanes
                elif place - parts[0] < parts[1]:
                    ahead, step = b.ctypes.data + ((i + 1) * b_next + (place - parts[0]) * lanes) * size, lanes
                elif place - parts[0] - parts[1] < parts[2]:
                    place -= parts[0] + parts[1]
                    ahead, step = c.ctypes.data + ((i + 1) * c_next + place * lanes) * size, lanes
                fetched += depth
                plain_tile((c,), (left, a_row, a_col, right, b_row, result, c_row, depth, n - j, ahead, step, rows))
                left += rows * a_row * size
                result += rows * c_row * size


@njit(**FORCED)
def _is_large(m, n, depth, itemsize):
    """Whether blocks for the second-level cache pay."""
    return depth * n * itemsize > WIDE_BYTES and m >= LONG


def room_of(m: int, n: int, depth: int, itemsize: int) -> int:
    """Elements that `product` needs beside the operands."""
    tile = VECTORS * (VECTOR_BYTES // itemsize)
    deep = min(depth, DEPTH)
    if not (depth * n * itemsize > WIDE_BYTES and m >= LONG):
        return deep * tile
    return _LEFT_ROOM + -(-min(n, WIDTH) // tile) * (deep * tile + _APART)
