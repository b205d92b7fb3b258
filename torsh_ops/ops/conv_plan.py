"""The tables of a convolution: where every vector and every tap of it lies."""

import numpy as np

from torsh_ops.kernels.conv import Plan
from torsh_ops.kernels.conv_emit import lanes_of
from torsh_ops.kernels.conv_packed import Panels
from torsh_ops.kernels.conv_pointwise import room_of as pointwise_room
from torsh_ops.kernels.conv_tile import TILE_VECTORS, whole_tiles
from torsh_ops.kernels.conv_transform import GROUPS, KERNELS, LANES, SIDE, WIDTH
from torsh_ops.kernels.conv_winograd import Pieces
from torsh_ops.kernels.gemm_tile import columns_of
from torsh_ops.ops.windows import Pair

Offsets = tuple[int, ...]

# Half of the smallest L2 cache that this is made for: the other half holds the weights and the output.
_COPY_BYTES = 512 * 1024
# Taps of a panel; bytes of the panels that are swept together; pixels of a block, whose output stays in the L2 cache.
_PANEL_DEPTH = 256
_PANELS_BYTES = 256 * 1024
_BLOCK_PIXELS = 4096
# Of a block of pixels of 1x1 kernels; of one where the weights fill the caches, so that they pass through less often;
# the fewest pixels of a block, and images that are not cut.
_POINTWISE_BYTES, _POINTWISE_MOST_BYTES, _POINTWISE_WEIGHTS = 256 * 1024, 512 * 1024, 512 * 1024
_POINTWISE_WIDTH, _POINTWISE_AREA = 128, 256
# Transformed pieces of one block, and kernels that are multiplied with them at a time.
_PIECES_BYTES, _KERNELS_BYTES = 1400 * 1024, 300 * 1024
# A band of fewer rows would copy its border more often than its rows.
_SMALLEST_BAND = 8


def vectors(addresses: np.ndarray, targets: np.ndarray, lanes: int, rows: int) -> tuple[np.ndarray, ...]:
    """Cut places that are consecutive in both into vectors of `lanes`; (sources, targets, lanes), each int64.

    Filled up to whole tiles with vectors that store nothing.
    """
    gaps = np.flatnonzero((np.diff(addresses) != 1) | (np.diff(targets) != 1)) + 1
    ends = np.append(gaps, addresses.size)
    starts = np.append(0, gaps)
    cut = [
        (at, min(lanes, end - at)) for start, end in zip(starts, ends, strict=True) for at in range(start, end, lanes)
    ]
    missing = whole_tiles(len(cut), rows) - len(cut)
    firsts = np.array([at for at, _ in cut], np.int64)
    empty = np.zeros(missing, np.int64)
    return (
        np.append(addresses[firsts], empty).astype(np.int64),
        np.append(targets[firsts], empty).astype(np.int64),
        np.append(np.array([n for _, n in cut], np.int64), empty),
    )


def _phases(offsets: Offsets, stride: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Remainders that the offsets take modulo the stride; the number of each offset's remainder, and its quotient."""
    quotient, remainder = np.divmod(np.array(offsets, np.int64) - min(offsets), stride)
    found, which = np.unique(remainder, return_inverse=True)
    return found.astype(np.int64), which, quotient


class _Layout:
    """The copy of one image: its phases and the place of every tap in it."""

    def __init__(self, out: Pair, rows: Offsets, columns: Offsets, stride: Pair, bytes_per_place: int) -> None:
        self.row_phases, row_phase, row_shift = _phases(rows, stride[0])
        self.column_phases, column_phase, column_shift = _phases(columns, stride[1])
        self.phases = self.row_phases.size * self.column_phases.size
        self.width = out[1] + int(column_shift.max())
        halo = int(row_shift.max())
        fitting = _COPY_BYTES // (bytes_per_place * self.phases * self.width) - halo
        bands = -(-out[0] // max(fitting, min(out[0], _SMALLEST_BAND)))
        self.band = -(-out[0] // bands)
        self.height = self.band + halo
        self.plane = self.phases * self.height * self.width
        phase = row_phase[:, None] * self.column_phases.size + column_phase
        self.taps = (phase * self.height + row_shift[:, None]) * self.width + column_shift

    def pixels(self, width: int) -> np.ndarray:
        """Place of every output pixel of one band, relative to its taps."""
        return np.add.outer(np.arange(self.band) * self.width, np.arange(width)).ravel()


def _plan(
    layout: _Layout, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets], stride: Pair, *tables
):
    return Plan(
        groups, channels, rows, *stride, -min(offsets[0]), -min(offsets[1]),
        layout.row_phases, layout.column_phases, layout.height, layout.width, layout.band, *tables,
    )  # fmt: skip


def correlation(
    out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets], stride: Pair, itemsize: int
) -> tuple[Plan, int, int]:
    """Plan ``out[i, j] = sum w[c, a, b] * x[c, i * stride + offsets[0][a], j * stride + offsets[1][b]]``.

    Returns the plan, and the elements of its two buffers: the copy of the image, and the output with its border
    (0 when the output is written in place).
    """
    layout = _Layout(out, *offsets, stride, channels * itemsize)
    lanes = lanes_of(itemsize)
    pixels = layout.pixels(out[1])
    tables = vectors(pixels, np.arange(pixels.size), lanes, rows)
    # Narrow images fill few lanes of a row's last vector: then the border between rows is computed too, and cut out.
    length = int(pixels[-1]) + 1
    whole = vectors(np.arange(length), np.arange(length), lanes, rows)
    flat = 5 * whole[0].size < 4 * tables[0].size
    taps = np.add.outer(np.arange(channels) * layout.plane, layout.taps.ravel()).ravel()
    plan = _plan(
        layout, groups, channels, rows, offsets, stride,
        taps, *(whole if flat else tables), layout.width if flat else 0,
    )  # fmt: skip
    return plan, channels * layout.plane + lanes, rows * length if flat else 0


def panels(
    images: int, out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets], stride: Pair,
    itemsize: int,
) -> tuple[Plan, Panels, tuple[int, int, int]]:  # fmt: skip
    """Plan `correlation` as a blocked matrix product: the plan, its panels, and the elements of its three buffers."""
    lanes = lanes_of(itemsize)
    area = out[0] * out[1]
    copied = offsets != ((0,), (0,)) or stride != (1, 1)
    together = max(1, min(images, _BLOCK_PIXELS // area))
    if copied:
        layout = _Layout(out, *offsets, stride, channels * itemsize * together)
        together = together if layout.band == out[0] else 1
        one = channels * layout.plane
        inside, taps = layout.pixels(out[1]), layout.taps.ravel()
        plane = layout.plane
    else:
        blocks = -(-area // _BLOCK_PIXELS)
        layout = _Layout((area, 1), *offsets, stride, itemsize)
        layout.band = -(-area // blocks)
        one, plane = channels * groups * area, area
        inside, taps = np.arange(layout.band), np.zeros(1, np.int64)
    taps = np.add.outer(np.arange(channels) * plane, taps).ravel()
    places = np.add.outer(np.arange(together) * one, inside).ravel()
    none = np.zeros(0, np.int64)
    plan = _plan(layout, groups, channels, rows, offsets, stride, taps, none, none, none, 0)
    width = TILE_VECTORS * lanes
    cut = [vectors(places[i : i + width], np.arange(places[i : i + width].size), lanes, 2)
           for i in range(0, places.size, width)]  # fmt: skip
    depth = -(-taps.size // -(-taps.size // _PANEL_DEPTH))
    counts = np.full(-(-places.size // lanes), lanes, np.int64)
    counts[-1] = places.size - lanes * (counts.size - 1)
    sources, targets, lengths = (np.concatenate(table) for table in zip(*cut, strict=True))
    firsts = np.cumsum([0, *(len(table[0]) for table in cut)])
    at_once = min(max(_PANELS_BYTES // (depth * width * itemsize), 1), len(cut))
    targets += np.repeat(np.arange(len(cut)) % at_once, np.diff(firsts)) * depth * width
    panel, vector = (i.ravel() for i in np.indices((at_once, TILE_VECTORS)))
    found = Panels(
        together, copied, places.size, width, depth, at_once, firsts, sources, targets, lengths,
        np.arange(depth, dtype=np.int64) * width, panel * depth * width + vector * lanes,
        panel * width + vector * lanes, counts,
    )  # fmt: skip
    sizes = (together * one + lanes if copied else 0, at_once * depth * width, rows * places.size * (together > 1))
    return plan, found, sizes


def pointwise(
    images: int, out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets], stride: Pair,
    itemsize: int,
) -> tuple[list[int], int]:  # fmt: skip
    """Plan `correlation` with 1x1 kernels as a matrix product: its kernel's numbers, its buffer's elements."""
    area, tile, pixel = out[0] * out[1], columns_of(itemsize), channels * itemsize
    width = max(_POINTWISE_BYTES // pixel // tile * tile, _POINTWISE_WIDTH)
    if area <= max(width, _POINTWISE_AREA):
        width = area
    picked = offsets != ((0,), (0,)) or stride != (1, 1)
    fitting = _POINTWISE_MOST_BYTES if rows * pixel > _POINTWISE_WEIGHTS else _POINTWISE_BYTES
    together = min(max(fitting // (pixel * area), 1), images) if width == area and not picked else 1
    numbers = [groups, width, together, int(picked), *stride, -offsets[0][0], -offsets[1][0]]
    return numbers, pointwise_room(channels, width, together, itemsize)


def weight_gradient(
    out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets], stride: Pair, itemsize: int
) -> tuple[Plan, int, np.ndarray]:
    """Plan the gradient of the weights of `correlation`; the plan, the elements of its copy, and the taps' order.

    The vectors run over taps that lie together in a copy whose last dimension is the channel.
    """
    layout = _Layout(out, *offsets, stride, channels * itemsize)
    places = np.add.outer(np.arange(channels), layout.taps.ravel() * channels).ravel()
    order = np.argsort(places)
    tables = vectors(places[order], np.arange(order.size), lanes_of(itemsize), rows)
    plan = _plan(layout, groups, channels, rows, offsets, stride, layout.pixels(out[1]) * channels, *tables, 0)
    return plan, channels * layout.plane + lanes_of(itemsize), order


def depthwise_weight_gradient(
    out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets], stride: Pair, itemsize: int
) -> tuple[Plan, int]:
    """Plan the gradient of the weights where each group has one input channel; the plan and its copy's elements."""
    layout = _Layout(out, *offsets, stride, itemsize)
    none = np.zeros(0, np.int64)
    plan = _plan(layout, groups, channels, rows, offsets, stride, layout.taps.ravel(), none, none, none, 0)
    return plan, layout.plane


def neighbours(size: Pair, lanes: int) -> np.ndarray:
    """Which of the nine neighbours of each pixel lie in the image: bits of the lanes, for each vector and neighbour."""
    rows, columns = (
        np.append(i, np.full(-i.size % lanes, -2)).reshape(-1, 1, lanes) for i in np.indices(size).reshape(2, -1)
    )
    row, column = (i.reshape(1, 9, 1) - 1 for i in np.indices((3, 3)))
    inside = (rows + row >= 0) & (rows + row < size[0]) & (columns + column >= 0) & (columns + column < size[1])
    return (inside << np.arange(lanes)).sum(-1).ravel()


def winograd(images: int, out: Pair, channels: int, rows: int, offset: Pair, stride: int) -> tuple[Pieces, list[int]]:
    """Cut a 3x3 correlation, ``offset`` its first row and column, into blocks.

    Returns the pieces, and the elements of the buffers: a channel's copies, transformed kernels, pieces and products.
    """
    high, wide = -(-out[0] // SIDE), -(-out[1] // WIDTH)
    vectors = -(-images * high * wide // GROUPS)
    side = 6 if stride == 1 else 9
    one = channels * side**2 * LANES * 4
    blocks = -(-vectors // max(_PIECES_BYTES // one, 2))
    at_once = -(-vectors // blocks)
    # Pieces that do not stay in the cache are read anew for each block of kernels.
    near = at_once * one <= _PIECES_BYTES
    some = min(-(-rows // LANES), 1 if near else 4) * LANES
    depth = max(_KERNELS_BYTES // (KERNELS * 4 * some), 1)
    depth = -(-channels // -(-channels // depth))
    count = -(-rows // some) * -(-channels // depth) if blocks > 1 else 1
    plane = (SIDE * stride * high + 2) * (WIDTH * stride * wide + 2)
    pieces = Pieces(
        -offset[0], -offset[1], at_once, some, depth, high, wide, plane, stride, side, apart(some * depth), blocks > 1
    )
    touched = min(images, -(-at_once * GROUPS // (high * wide)) + 1)
    return pieces, [
        touched * plane + LANES, KERNELS * count * pieces.apart, side**2 * apart(channels * at_once * LANES),
        side**2 * apart(some * at_once * LANES),
    ]  # fmt: skip


def apart(size: int) -> int:
    """Elements from one row of a transform to the next: stores 4096 bytes apart would share one set of the cache."""
    return -(-size // LANES) * LANES + LANES
