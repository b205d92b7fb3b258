"""Convolution with 1x1 kernels: a matrix product, of the weights and the image as it lies.

The pixels of a channel are neighbours, so tiles of the product read them in whole vectors and nothing is packed but
the last few of them. A block of the image, all channels by `width` pixels, stays in the second-level cache while all
weights pass over it, and the block after it is fetched meanwhile.
"""

from numba import njit

from torsh_ops.kernels.conv import split
from torsh_ops.kernels.conv_emit import VECTOR_BYTES
from torsh_ops.kernels.gemm import pack_rows
from torsh_ops.kernels.gemm_tile import ROWS, VECTORS, begun_strip
from torsh_ops.kernels.vector import SERIAL, flat


@njit(**SERIAL)
def _block(a, a_at, depth, rows, x, x_at, area, columns, ahead, init, init_at, c, c_at, scale, room):
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
                begun_strip(
                    a.ctypes.data, a_at + row * depth, depth, right, right_at, right_row, tile, further,
                    c.ctypes.data, place, area, some, wide, depth, scale, init.ctypes.data, init_at + row,
                )  # fmt: skip
            right, right_at, right_row, wide = room.ctypes.data, 0, tile, columns - plain
            place += plain
        row += some


@njit(**SERIAL)
def pointwise(plan, copied, width, x, weights, init, scale, out, padded, room):
    """Write the correlation of `x` with 1x1 kernels, begun from `init`, into `out`, `width` pixels at a time.

    `padded` is a buffer for the copy of one image where it is `copied`, `room` for a tile of pixels.
    """
    a, c, source = flat(weights), flat(out), flat(x)
    depth, area = plan.channels, out.shape[2] * out.shape[3]
    for image in range(x.shape[0]):
        for group in range(plan.groups):
            channel = group * plan.rows
            at = (image * plan.groups + group) * depth * area
            if copied:
                split(plan, x, image, group * depth, 0, padded)
                source, at = padded, 0
            final = copied or (image == x.shape[0] - 1 and group == plan.groups - 1)
            for j in range(0, area, width):
                ahead = width if j + width < area else 0 if final else depth * area - j
                _block(
                    a, channel * depth, depth, plan.rows, source, at + j, area, min(width, area - j), ahead,
                    init, channel, c, (image * plan.groups * plan.rows + channel) * area + j, scale, room,
                )  # fmt: skip
