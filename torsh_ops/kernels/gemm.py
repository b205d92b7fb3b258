"""Matrix products by register tiles: small ones straight from the operands, large ones out of packed blocks.

Operands are read through their strides, so a transposed left one costs nothing and a transposed right one is turned
while it is packed. `scale` holds alpha, beta and 1.
"""

from numba import njit

from torsh_ops.kernels.conv_emit import VECTOR_BYTES
from torsh_ops.kernels.gemm_tile import FEWEST_ROWS, ROWS, VECTORS, plain_strip, strip, turn
from torsh_ops.kernels.vector import FORCED, SERIAL, span

# A block of the right operand, DEPTH by WIDTH, takes half of a second-level cache of 2 MiB; ROWS rows of the left
# one, DEPTH long, stay in the first level while the block streams past.
DEPTH, WIDTH = 256, 1024
# So that rows and tiles of a packed operand do not fall on the same lines of the cache.
_APART = 16
_LEFT_ROOM = ROWS * (DEPTH + _APART)
# A right operand up to this size is read from where it lies.
DIRECT_BYTES = 128 * 1024
# And up to this one where its columns are whole vectors and nothing is to be added (256 cubed: 218 us packed, 199 not).
UNPACKED_BYTES = 512 * 1024


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
    """Bring contiguous rows into tiles, row by row, as memory likes to be read."""
    tile = _tile_columns(out.itemsize)
    whole = columns // tile * tile
    for k in range(depth):
        row = b_at + k * b_row
        for j in range(0, whole, tile):
            source, target = span(b, row + j, tile), span(out, j // tile * step + k * tile, tile)
            for x in range(tile):
                target[x] = source[x]
        if whole < columns:
            source, target = span(b, row + whole, columns - whole), span(out, whole // tile * step + k * tile, tile)
            for x in range(source.size):
                target[x] = source[x]
            # What lay there would be multiplied too: with denormal numbers a tile 160 deep takes 207 us, not 0.7.
            for x in range(source.size, tile):
                target[x] = 0


@njit(**SERIAL)
def _pack_strip(a, a_at, a_row, a_col, rows, depth, out):
    """Bring rows of the left operand together; returns the distances of rows and columns there."""
    if a_col == 1:
        for i in range(rows):
            source, target = span(a, a_at + i * a_row, depth), span(out, i * (DEPTH + _APART), depth)
            for k in range(depth):
                target[k] = source[k]
        return DEPTH + _APART, 1
    for k in range(depth):
        source, target = a_at + k * a_col, k * ROWS
        for i in range(rows):
            out[target + i] = a[source + i * a_row]
    return 1, ROWS


@njit(**SERIAL)
def product(a, b, c, strides, m, n, depth, scale, add, room):
    """``c = a @ b``, or ``scale[0] * a @ b + scale[1] * c`` when `add` is 1, for each pair of matrices of a batch.

    Arrays are flat and begin at the first element; `strides` has the number of matrices, then the distances of
    matrices, rows and columns of `a` and of `b`, and of matrices and rows of `c`. Columns or rows of `b` are 1 apart.
    `room` has the elements that `room_of` says.
    """
    batch, a_next, a_row, a_col, b_next, b_row, b_col, c_next, c_row = strides
    tile = _tile_columns(c.itemsize)
    large, turned = _is_large(m, n, depth, c.itemsize), b_col != 1
    width, deepest = (WIDTH, DEPTH) if large else (n, depth)
    packed, block = span(room, 0, _LEFT_ROOM), span(room, _LEFT_ROOM if large else 0, 1)
    here, there, result = a.ctypes.data, b.ctypes.data, c.ctypes.data
    packed_here, packed_there = packed.ctypes.data, block.ctypes.data
    strips = -(-m // ROWS)
    # Columns read from where they lie; a last tile that is no whole vectors is packed.
    plain = 0 if large or turned else n if n % (tile // VECTORS) == 0 else n // tile * tile
    for i in range(batch):
        for j in range(0, n, width):
            columns = min(width, n - j)
            for k in range(0, depth, deepest):
                deep = min(deepest, depth - k)
                step = deep * tile + _APART
                source = i * b_next + k * b_row + j * b_col
                if turned:
                    _turn_into(b, source, b_col, columns, deep, block, step)
                elif plain < n:
                    pack_rows(b, source + plain, b_row, columns - plain, deep, block, step)
                row = 0
                for s in range(strips):
                    rows = -(-(m - row) // (strips - s))  # as even as can be
                    left, left_at, left_row, left_col = here, i * a_next + row * a_row, a_row, a_col
                    if large:
                        left_row, left_col = _pack_strip(a, left_at + k * a_col, a_row, a_col, rows, deep, packed)
                        left, left_at = packed_here, 0
                    c_at = i * c_next + row * c_row + j
                    right, right_at, right_row, right_step, some = there, source, b_row, tile, plain
                    for _ in range(2):
                        if some:
                            strip(
                                left, left_at, left_row, left_col, right, right_at, right_row, right_step,
                                result, c_at, c_row, rows, some, deep, scale, 1 if k == 0 else 2, 1 if k else add,
                            )  # fmt: skip
                        right, right_at, right_row, right_step, some = packed_there, 0, tile, step, columns - plain
                        c_at += plain
                    row += rows


@njit(**SERIAL)
def fits_direct(m, n, depth, itemsize):
    """Whether `direct` can multiply matrices of that size, and is the fastest way."""
    return m >= FEWEST_ROWS and n % (VECTOR_BYTES // itemsize) == 0 and 0 < n * depth * itemsize <= UNPACKED_BYTES


@njit(**SERIAL)
def direct(a, b, c, strides, m, n, depth):
    """``c = a @ b`` for each pair of matrices of a batch, as `product`, without packing.

    Rows of `b` are contiguous and `fits_direct` holds. 64 pairs of 32 by 32 matrices take 30 us, by `product` 42.
    """
    batch, a_next, a_row, a_col, b_next, b_row, _, c_next, c_row = strides
    strips = -(-m // ROWS)
    for i in range(batch):
        row = 0
        for s in range(strips):
            rows = -(-(m - row) // (strips - s))  # as even as can be
            plain_strip(
                a.ctypes.data, i * a_next + row * a_row, a_row, a_col, b.ctypes.data, i * b_next, b_row,
                c.ctypes.data, i * c_next + row * c_row, c_row, rows, n, depth, c,
            )  # fmt: skip
            row += rows


@njit(**FORCED)
def _is_large(m, n, depth, itemsize):
    """Whether packing pays: the right operand is more than a part of the second-level cache, or is read often."""
    return depth * n * itemsize > DIRECT_BYTES and m > 2 * ROWS


def room_of(m: int, n: int, depth: int, itemsize: int, turned: bool) -> int:
    """Elements that `product` needs beside the operands; `turned` when rows of `b` are not contiguous."""
    tile = VECTORS * (VECTOR_BYTES // itemsize)
    if depth * n * itemsize > DIRECT_BYTES and m > 2 * ROWS:
        tiles = -(-min(n, WIDTH) // tile)
        return _LEFT_ROOM + tiles * (min(depth, DEPTH) * tile + _APART)
    return (-(-n // tile) if turned else 1 if n % (tile // VECTORS) else 0) * (depth * tile + _APART)
