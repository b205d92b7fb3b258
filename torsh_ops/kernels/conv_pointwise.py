"""Convolution with 1x1 kernels: a matrix product of the weights and the image, without a pass over the image first.

A block of pixels, all channels of them, is brought into tiles while the first weights are multiplied with it, and stays
in the second-level cache while all others pass over it: there its columns are contiguous, aligned, and on few pages.
Meanwhile the block after it is fetched, a line at a time: (256 channels to 64 at 56x56, 8 images: 109 GFLOP/s when
tiles read the image as it lies and a strip of weights fetches all, 145 so).
"""

from typing import NamedTuple

from numba import njit

from torsh_ops.kernels.conv import split
from torsh_ops.kernels.conv_emit import VECTOR_BYTES
from torsh_ops.kernels.conv_pointwise_tile import MOST_ALONE, NEVER, columns_alone, fetching_tile, packing_tile
from torsh_ops.kernels.gemm import pack_rows
from torsh_ops.kernels.gemm_tile import ROWS, VECTORS, columns_of
from torsh_ops.kernels.vector import FORCED, SERIAL, flat, span

# So that tiles do not begin on the same lines of the cache.
APART = 16
# So that tiles can begin on a line.
LINE = 64


class Layer(NamedTuple):
    """Sizes of one group: channels in and out, pixels, and from one image to the next in both."""

    depth: int
    rows: int
    area: int
    image: int
    result: int


@njit(**FORCED)
def count_alone(columns, depth, lanes):
    """How many of the last columns are summed each by itself: those that fill little of a vector.

    In cycles for a tile's rows: 3/8 of the depth and 50 to add the lanes up, for each, against 6 times the depth.
    """
    rest = columns % lanes
    return rest if rest <= MOST_ALONE and rest * (3 * depth + 400) < 48 * depth else 0


@njit(**SERIAL)
def _pack_ends(layer, x, x_at, images, columns, plain, alone, panels):
    """Bring those columns of each image into their places that no tile packs: the last ones."""
    depth, area, tile = layer.depth, layer.area, VECTORS * (VECTOR_BYTES // x.itemsize)
    step, whole = depth * tile + APART, columns - alone
    tiles = -(-whole // tile)
    for i in range(images):
        at = x_at + i * layer.image
        if plain < whole:
            place = (i * tiles + plain // tile) * step
            pack_rows(x, at + plain, area, whole - plain, depth, span(panels, place, step), 0)
        for j in range(alone):
            place = images * tiles * step + (i * alone + j) * depth
            for k in range(depth):
                panels[place + k] = x[at + whole + j + k * area]


@njit(**SERIAL)
def _block(layer, a, a_at, x, x_at, images, columns, ahead, init, init_at, c, c_at, panels):
    """Write `columns` pixels of some images' output; from x[ahead] on lies what the next block reads, or -1."""
    depth, area, size = layer.depth, layer.area, x.itemsize
    lanes = VECTOR_BYTES // size
    tile = VECTORS * lanes
    step, alone = depth * tile + APART, count_alone(columns, depth, lanes)
    whole = columns - alone
    # A vector may not be read whole where the image may end before it does.
    plain = whole if whole % lanes == 0 else whole // tile * tile
    if plain < columns:
        _pack_ends(layer, x, x_at, images, columns, plain, alone, panels)
    tiles, strips = -(-whole // tile), -(-layer.rows // ROWS)
    # Whole images lie one behind the other; of others, so many pixels of each channel do.
    wide = NEVER
    lines = images * depth * columns // (LINE // size) + 1
    if columns < area:
        wide = 1
        while (1 << wide) < tiles * VECTORS:
            wide += 1
        lines = depth << wide
    # As seldom as will do, in strips but the first.
    seldom = 0
    while (strips - 1) * images * tiles * (depth >> (seldom + 1)) >= lines:
        seldom += 1
    each = -(-depth >> seldom)
    here, there, result, room = a.ctypes.data, x.ctypes.data, c.ctypes.data, panels.ctypes.data
    row, line = 0, 0
    for s in range(strips):
        some = -(-(layer.rows - row) // (strips - s))  # as even as can be
        left, start = a_at + row * depth, init_at + row
        for i in range(images):
            place, source = c_at + i * layer.result + row * area, x_at + i * layer.image
            for t in range(tiles):
                j, panel = t * tile, room + (i * tiles + t) * step * size
                count = min(tile, whole - j)
                if s == 0 and j < plain:
                    packing_tile(
                        here, left, there, source + j, area, panel, result, place + j, area, some, count, depth,
                        init, start,
                    )  # fmt: skip
                    continue
                often = seldom if 0 <= ahead and line < lines else NEVER
                fetching_tile(
                    here, left, panel, result, place + j, area, some, count, depth, init, start,
                    there + ahead * size, area, line, often, wide,
                )  # fmt: skip
                line += each
            if alone:
                panel = room + (images * tiles * step + i * alone * depth) * size
                columns_alone(here, left, panel, result, place + whole, area, some, alone, depth, init, start)
        row += some


def room_of(depth: int, columns: int, images: int, itemsize: int) -> int:
    """Elements that a block of so many columns of each image needs."""
    tile = columns_of(itemsize)
    return images * (-(-columns // tile) * (depth * tile + APART) + MOST_ALONE * depth) + LINE // itemsize


@njit(**FORCED)
def _on_lines(room):
    """The buffer from its first whole line on."""
    skip = -room.ctypes.data % LINE // room.itemsize
    return span(room, skip, room.size - skip)


@njit(**SERIAL)
def pointwise(x, weights, init, groups, width, together, room, out):
    """Write the correlation of `x` with 1x1 kernels, begun from `init`, into `out`.

    `width` pixels at a time, or of `together` images all. `room` is a buffer for the tiles of a block.
    """
    a, c, source, panels = flat(weights), flat(out), flat(x), _on_lines(room)
    depth, rows, area = weights.shape[1], weights.shape[0] // groups, out.shape[2] * out.shape[3]
    layer = Layer(depth, rows, area, groups * depth * area, groups * rows * area)
    for group in range(groups):
        for image in range(0, x.shape[0], together):
            images = min(together, x.shape[0] - image)
            x_at = image * layer.image + group * depth * area
            c_at = image * layer.result + group * rows * area
            for j in range(0, area, width):
                ahead = x_at + j + width
                if j + width >= area:
                    ahead = x_at + images * layer.image if image + images < x.shape[0] else -1
                _block(
                    layer, a, group * rows * depth, source, x_at + j, images, min(width, area - j), ahead,
                    init, group * rows, c, c_at + j, panels,
                )  # fmt: skip


@njit(**SERIAL)
def pointwise_of_copy(plan, x, weights, init, width, padded, room, out):
    """`pointwise` where some pixels are not wanted, or lie in the border: on a copy of each image, `padded`."""
    a, c, panels = flat(weights), flat(out), _on_lines(room)
    area = out.shape[2] * out.shape[3]
    layer = Layer(plan.channels, plan.rows, area, 0, 0)
    for number in range(x.shape[0] * plan.groups):
        group = number % plan.groups
        split(plan, x, number // plan.groups, group * plan.channels, 0, padded)
        for j in range(0, area, width):
            _block(
                layer, a, group * plan.rows * plan.channels, padded, j, 1, min(width, area - j), -1,
                init, group * plan.rows, c, number * plan.rows * area + j, panels,
            )  # fmt: skip
