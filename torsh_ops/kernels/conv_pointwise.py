"""Convolution with 1x1 kernels: a matrix product of the weights and the image, without a pass over the image first.

A block of pixels, all channels of them, is brought into tiles while the first weights are multiplied with it, and stays
in the second-level cache while all others pass over it: there its columns are contiguous, aligned, and on few pages.
Meanwhile the block after it is fetched, a line at a time. 256 channels to 64 at 56x56, one image: 110 GFLOP/s when all
tiles read the image as it lies and one strip of weights fetches the next block, 143 so.
"""

from typing import NamedTuple

from numba import njit

from torsh_ops.kernels.conv_emit import VECTOR_BYTES
from torsh_ops.kernels.conv_pointwise_tile import (
    MOST_ALONE,
    NEVER,
    columns_alone,
    fetching_tile,
    packing_tile,
    pick,
)
from torsh_ops.kernels.gemm import pack_rows
from torsh_ops.kernels.gemm_tile import ROWS, VECTORS, columns_of
from torsh_ops.kernels.vector import FORCED, SERIAL, flat, span

# So that tiles do not begin on the same lines of the cache.
APART = 16
# So that tiles can begin on a line.
LINE = 64


class Layer(NamedTuple):
    """Sizes of one group: channels in and out, pixels, and how far images are apart in both."""

    depth: int
    rows: int
    area: int
    image: int
    result: int


class Grid(NamedTuple):
    """Which pixels of an image are wanted: row ``i * row_stride - top`` and column ``j * column_stride - left``."""

    picked: bool  # not all, as they lie
    height: int
    width: int
    out_width: int
    row_stride: int
    column_stride: int
    top: int
    left: int


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
def _pick_block(layer, grid, x, x_at, first, columns, alone, panels):
    """Bring pixels from number `first` on, of all channels, into the places that tiles read; zeros in the border."""
    lanes = VECTOR_BYTES // x.itemsize
    tile, whole = VECTORS * lanes, columns - alone
    step, tiles = layer.depth * tile + APART, -(-whole // tile)
    for p in range(0, whole, lanes):
        place = p // tile * step + p % tile
        numbers = (x_at, place, whole - p, layer.depth, (first + p) // grid.out_width, (first + p) % grid.out_width)
        pick((x, panels), (*numbers, grid.out_width, *grid[1:3], *grid[4:]))
    for p in range(whole, columns):
        y = (first + p) // grid.out_width * grid.row_stride - grid.top
        column = (first + p) % grid.out_width * grid.column_stride - grid.left
        wanted = 0 <= y < grid.height and 0 <= column < grid.width
        place, at = tiles * step + (p - whole) * layer.depth, x_at + y * grid.width + column
        for k in range(layer.depth):
            panels[place + k] = x[at + k * grid.height * grid.width] if wanted else 0


@njit(**SERIAL)
def _block(layer, grid, a, a_at, x, x_at, images, first, columns, further, init, init_at, c, c_at, panels):
    """Write `columns` pixels from number `first` on of some images' output.

    Their channels begin at x[x_at]; those of the images after them, or -1, at x[further].
    """
    depth, area, size = layer.depth, layer.area, x.itemsize
    lanes = VECTOR_BYTES // size
    tile = VECTORS * lanes
    step, alone = depth * tile + APART, count_alone(columns, depth, lanes)
    whole, begin = columns - alone, x_at + first
    # A vector may not be read whole where the image may end before it does.
    plain = 0 if grid.picked else whole if whole % lanes == 0 else whole // tile * tile
    if grid.picked:
        _pick_block(layer, grid, x, x_at, first, columns, alone, panels)
    elif plain < columns:
        _pack_ends(layer, x, begin, images, columns, plain, alone, panels)
    tiles, strips = -(-whole // tile), -(-layer.rows // ROWS)
    # Of the next block: so many lines of each channel, or all lines of whole images, which lie one behind the other.
    wide, ahead, channel = NEVER, further, grid.height * grid.width
    lines = images * depth * channel // (LINE // size) + 1
    if columns < area:
        reach = columns
        if grid.picked:
            reach = -(-columns // grid.out_width) * grid.row_stride * grid.width
        if first + columns < area:
            ahead = begin + columns
            if grid.picked:
                ahead = x_at + (first + columns) // grid.out_width * grid.row_stride * grid.width
        wide = 1
        while (LINE // size) << wide < reach:
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
            place, source = c_at + i * layer.result + row * area, begin + i * layer.image
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
                    there + ahead * size, channel, line, often, wide,
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
def pointwise(x, weights, init, numbers, room, out):
    """Write the correlation of `x` with 1x1 kernels, begun from `init`, into `out`.

    `numbers` are the groups; the pixels and the images of a block; whether not all pixels are wanted as they lie; and
    the strides, rows above and columns left of the first pixel. `room` is a buffer for the tiles of a block.
    """
    a, c, source, panels = flat(weights), flat(out), flat(x), _on_lines(room)
    groups, width, together = numbers[0], numbers[1], numbers[2]
    grid = Grid(numbers[3] != 0, x.shape[2], x.shape[3], out.shape[3], numbers[4], numbers[5], numbers[6], numbers[7])
    depth, rows, area = weights.shape[1], weights.shape[0] // groups, out.shape[2] * out.shape[3]
    channels, results = depth * grid.height * grid.width, rows * area
    layer = Layer(depth, rows, area, groups * channels, groups * results)
    for group in range(groups):
        for image in range(0, x.shape[0], together):
            images = min(together, x.shape[0] - image)
            x_at = image * layer.image + group * channels
            c_at = image * layer.result + group * results
            further = x_at + images * layer.image if image + images < x.shape[0] else -1
            for j in range(0, area, width):
                _block(
                    layer, grid, a, group * rows * depth, source, x_at, images, j, min(width, area - j), further,
                    init, group * rows, c, c_at + j, panels,
                )  # fmt: skip
