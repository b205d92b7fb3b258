"""Convolution with 1x1 kernels: a matrix product, of the weights and the image as it lies.

The pixels of a channel are neighbours, so tiles of the product read them in whole vectors and nothing is packed but
the last few of them. A block of the image, all channels by `width` pixels, stays in the second-level cache while all
weights pass over it, and the block after it is fetched meanwhile.
"""

from numba import njit

from torsh_ops.kernels.conv import split
from torsh_ops.kernels.conv_emit import VECTOR_BYTES
from torsh_ops.kernels.gemm import pack_rows
from torsh_ops.kernels.gemm_tile import ROWS, VECTORS, eager_strip
from torsh_ops.kernels.vector import SERIAL, flat


@njit(**SERIAL)
def _block(a, a_at, depth, rows, x, x_at, area, columns, ahead, init, init_at, c, c_at, room):
    """Write `columns` pixels of one group's output."""
    lanes = VECTOR_BYTES // x.itemsize
    tile = VECTORS * lanes
    # A vector may not be read whole where the image may end before it does.
    plain = columns if columns % lanes == 0 else columns // tile * tile
    if plain < columns:
        pack_rows(x, x_at + plain, area, columns - plain, depth, room, 0)
    strips, row = -(-rows // ROWS), 0
    for s in range(strips):
        some = -(-(rows - row) // (strips - s))  # as even as can be
        # Both lines of each tile, in strips far apart: as fast as memory delivers.
        further = ahead if s == 0 else ahead + lanes if s == strips // 2 and ahead else 0
        right, right_at, right_row, wide = x.ctypes.data, x_at, area, plain
        place = c_at + row * area
        for _ in range(2):
            if wide:
                eager_strip(
                    a.ctypes.data, a_at + row * depth, depth, right, right_at, right_row, tile, further,
                    c.ctypes.data, place, area, some, wide, depth, init, init_at + row,
                )  # fmt: skip
            right, right_at, right_row, wide = room.ctypes.data, 0, tile, columns - plain
            place += plain
        row += some


@njit(**SERIAL)
def _group(a, a_at, depth, rows, x, x_at, area, width, after, init, init_at, c, c_at, room):
    """Write one group's output; its image is followed by another `after` elements behind it, or by none at 0."""
    for j in range(0, area, width):
        ahead = width if j + width < area else after - j if after else 0
        _block(a, a_at, depth, rows, x, x_at + j, area, min(width, area - j), ahead, init, init_at, c, c_at + j, room)


@njit(**SERIAL)
def pointwise(x, weights, init, groups, width, room, out):
    """Write the correlation of `x` with 1x1 kernels, begun from `init`, into `out`, `width` pixels at a time.

    `room` is a buffer for a tile of pixels.
    """
    a, c, source = flat(weights), flat(out), flat(x)
    depth, rows, area = weights.shape[1], weights.shape[0] // groups, out.shape[2] * out.shape[3]
    count = x.shape[0] * groups
    for number in range(count):
        channel = number % groups * rows
        _group(
            a, channel * depth, depth, rows, source, number * depth * area, area, width,
            depth * area if number + 1 < count else 0, init, channel, c, number * rows * area, room,
        )  # fmt: skip


@njit(**SERIAL)
def pointwise_of_copy(plan, x, weights, init, width, padded, room, out):
    """`pointwise` where some pixels are not wanted, or lie in the border: on a copy of each image, `padded`."""
    a, c = flat(weights), flat(out)
    area = out.shape[2] * out.shape[3]
    for number in range(x.shape[0] * plan.groups):
        group = number % plan.groups
        split(plan, x, number // plan.groups, group * plan.channels, 0, padded)
        _group(
            a, group * plan.rows * plan.channels, plan.channels, plan.rows, padded, 0, area, width, 0,
            init, group * plan.rows, c, number * plan.rows * area, room,
        )  # fmt: skip
