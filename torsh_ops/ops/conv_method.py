"""The methods of a convolution, and the choice between them; each is prepared once for a shape and kept."""

from functools import lru_cache
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.kernels import conv as kernels
from torsh_ops.kernels import conv_depthwise, conv_packed, conv_pointwise, conv_winograd, gemm_tile, window
from torsh_ops.kernels.conv_emit import ROWS, lanes_of
from torsh_ops.kernels.conv_transform import GROUPS, LANES
from torsh_ops.ops import conv_plan
from torsh_ops.ops.conv_plan import Offsets
from torsh_ops.ops.windows import Pair

_LINE = 64  # bytes
_KEPT = 512  # shapes
_NEAREST = 64 * 1024  # bytes
# Of images that the depthwise kernel takes as one line; larger ones wait for memory either way.
_LINE_PIXELS = 1024


class Buffers:
    """Flat buffers; large ones begin on cache lines: stores that cross two lines halve the speed of a transform."""

    def __init__(self, dtype: np.dtype, *sizes: int) -> None:
        line = _LINE // dtype.itemsize
        ends = np.cumsum([0, *(-(-size // line) * line for size in sizes)]).tolist()
        self.dtype = dtype
        self.slices = [slice(at, at + size) for at, size in zip(ends, sizes, strict=False)]
        # A block from the pool is aligned and takes 2 us: too long for small images, whatever their stores cross.
        least = memory.POOLED_BYTES // dtype.itemsize
        total = ends[-1] if ends[-1] < least // 4 else max(ends[-1], least)
        # A huge page: small ones cost a transform a twentieth.
        huge = memory.HUGE_PAGE_BYTES // dtype.itemsize
        self.total = (total if total < huge // 2 else max(total, huge),)

    def take(self) -> list[np.ndarray]:
        """Memory from the pool, cut."""
        whole = memory.empty(self.total, self.dtype)
        return [whole[piece] for piece in self.slices]


class Direct:
    """The sum over all taps of each vector of the output."""

    def __init__(
        self, out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets], stride: Pair,
        dtype: np.dtype,
    ) -> None:  # fmt: skip
        shape = (out, groups, channels, rows, offsets, stride)
        self.plan, copy, lines = conv_plan.correlation(*shape, dtype.itemsize)
        self.buffers = Buffers(dtype, copy, lines)
        bands = -(-out[0] // self.plan.band)
        # Cycles for one image: two multiply-adds of vectors at a time, and what a tile costs before and after.
        tile = ROWS * self.plan.taps.size / 2 + 20
        # Measured: each channel's taps begin on another page.
        waiting = 1.08 + 0.37 * channels / self.plan.taps.size
        self.cycles = bands * groups * -(-rows // ROWS) * self.plan.sources.size * tile * waiting

    def run(self, x: np.ndarray, weights: np.ndarray, init: np.ndarray, out: np.ndarray) -> None:
        """Write the correlation of `x` with `weights`, begun from `init`, into `out`."""
        kernels.correlate(self.plan, x, weights, init, out, *self.buffers.take())

    def planned(self) -> tuple[Any, list[int], int]:
        """Return what a plan needs: a kernel of `window`, its tables, and the elements of its buffer."""
        return window.direct, [self.buffers.slices[1].start, *window.words(self.plan)], *self.buffers.total


class Packed:
    """A blocked matrix product of the weights and panels of pixels."""

    def __init__(
        self, images: int, out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets],
        stride: Pair, dtype: np.dtype,
    ) -> None:  # fmt: skip
        shape = (images, out, groups, channels, rows, offsets, stride)
        self.plan, self.panels, sizes = conv_plan.panels(*shape, dtype.itemsize)
        self.buffers = Buffers(dtype, *sizes)
        self.zeros = np.zeros(groups * rows, dtype)
        taps, pieces = self.plan.taps.size, self.panels.sources.size
        tiles = self.panels.counts.size * -(-rows // ROWS) * (ROWS * taps / 2 + 20)
        blocks = (
            1 if self.panels.images > 1 else -(-(out[0] if self.panels.copied else out[0] * out[1]) // self.plan.band)
        )
        # Measured: 6 cycles to copy a piece, and a tenth of all time waiting for memory.
        self.cycles = 1.1 * blocks * groups * (tiles + pieces * taps * 6) / self.panels.images

    def run(self, x: np.ndarray, weights: np.ndarray, init: np.ndarray, out: np.ndarray) -> None:
        """Write the correlation of `x` with `weights`, begun from `init`, into `out`."""
        conv_packed.packed(self.plan, self.panels, x, weights, init, self.zeros, out, *self.buffers.take())


class Pointwise:
    """A matrix product of the weights, of 1x1 kernels, and the image as it lies."""

    def __init__(
        self, images: int, out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets],
        stride: Pair, dtype: np.dtype,
    ) -> None:  # fmt: skip
        shape = (images, out, groups, channels, rows, offsets, stride)
        self.numbers, self.room = conv_plan.pointwise(*shape, dtype.itemsize)
        self.table, self.dtype = np.array(self.numbers, np.int64), dtype
        area, lanes = out[0] * out[1], lanes_of(dtype.itemsize)
        alone = conv_pointwise.count_alone.py_func(area, channels, lanes)
        vectors = -(-(area - alone) // lanes)
        # Two multiply-adds a cycle, but a tile of one vector waits for its loads.
        cycles = rows * (vectors * (channels / 2 + 2) + vectors % 2 * channels / 12 + alone * (channels / 32 + 4))
        # Of all time so much is waiting for memory, the more where a strip of weights is larger than the nearest cache.
        waiting = 1.05 if gemm_tile.ROWS * channels * dtype.itemsize <= _NEAREST else 1.2
        # What it takes to pick pixels is left out, as is what the others take to copy them: two cycles for each.
        self.cycles = groups * waiting * cycles

    def run(self, x: np.ndarray, weights: np.ndarray, init: np.ndarray, out: np.ndarray) -> None:
        """Write the correlation of `x` with `weights`, begun from `init`, into `out`."""
        conv_pointwise.pointwise(x, weights, init, self.table, memory.empty((self.room,), self.dtype), out)

    def planned(self) -> tuple[Any, list[int], int]:
        """Return what a plan needs, as `Direct.planned`."""
        return conv_pointwise.pointwise, self.numbers, self.room


class Depthwise:
    """Sums of 3x3 kernels that each read one channel, straight from the image."""

    def __init__(self, out: Pair, offsets: tuple[Offsets, Offsets], stride: Pair, dtype: np.dtype) -> None:
        self.lanes = lanes_of(dtype.itemsize)
        self.where = (stride[0], -offsets[0][0], -offsets[1][0])
        line = self.where == (1, 1, 1) and out[0] * out[1] <= _LINE_PIXELS
        self.masks = conv_plan.neighbours(out, self.lanes) if line else np.zeros(0, np.int64)

    def run(self, x: np.ndarray, weights: np.ndarray, init: np.ndarray, out: np.ndarray) -> None:
        """Write the correlation of `x` with `weights`, begun from `init`, into `out`."""
        conv_depthwise.depthwise(x, weights, init, *self.where, self.lanes, self.masks, out)

    def planned(self) -> tuple[Any, list[int], int]:
        """Return what a plan needs, as `Direct.planned`."""
        return window.depthwise, [*self.where, self.lanes, *self.masks.tolist()], 0


class Winograd:
    """3x3 kernels, one or two pixels apart: more work on each piece of the image, fewer multiplications."""

    def __init__(self, images: int, out: Pair, channels: int, rows: int, offset: Pair, stride: int) -> None:
        self.pieces, sizes = conv_plan.winograd(images, out, channels, rows, offset, stride)
        self.buffers = Buffers(np.dtype(np.float32), *sizes)
        vectors, products = -(-images * self.pieces.high * self.pieces.wide // GROUPS), self.pieces.side**2
        tiles = products * -(-rows // ROWS) * vectors * (ROWS * channels / 2 + 20)
        transforms = vectors * 4 * products * (channels + rows)
        # The weights come from memory, at about 10 bytes a cycle.
        once = rows * channels * (120 / LANES + 36 / 10)
        self.cycles = 1.35 * (tiles + transforms + once) / images

    def run(self, x: np.ndarray, weights: np.ndarray, init: np.ndarray, out: np.ndarray) -> None:
        """Write the correlation of `x` with `weights`, begun from `init`, into `out`."""
        padded, u, v, m = self.buffers.take()
        tables = np.empty((4, self.pieces.vectors * GROUPS), np.int64)
        conv_winograd.winograd(self.pieces, x, weights, init, padded, u, v, m, tables, out)


Method = Direct | Packed | Pointwise | Depthwise | Winograd


@lru_cache(maxsize=_KEPT)
def choose(
    images: int, out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets], stride: Pair,
    dtype: np.dtype,
) -> Method:  # fmt: skip
    """Return the method that is fastest for the shape: `channels` in and `rows` out of each of `groups`."""
    three = all(o == tuple(range(o[0], o[0] + 3)) for o in offsets)
    if three and groups > 1 and channels == 1 and stride in ((1, 1), (2, 2)):
        return Depthwise(out, offsets, stride, dtype)
    if rows < ROWS:
        return Direct(out, groups, channels, rows, offsets, stride, dtype)
    packed = Packed(images, out, groups, channels, rows, offsets, stride, dtype)
    direct = Direct(out, groups, channels, rows, offsets, stride, dtype)
    method: Direct | Packed | Pointwise = packed if packed.cycles < direct.cycles else direct
    if len(offsets[0]) == len(offsets[1]) == 1:
        pointwise = Pointwise(images, out, groups, channels, rows, offsets, stride, dtype)
        return pointwise if pointwise.cycles < method.cycles else method
    if three and dtype == np.float32 and groups == 1 and stride in ((1, 1), (2, 2)):
        winograd = Winograd(images, out, channels, rows, (offsets[0][0], offsets[1][0]), stride[0])
        # A tenth less than it seems to gain is what it costs in rounding errors and cache misses; the copies of a
        # strided image, which nothing counts, cost the others more.
        if winograd.cycles < (0.9 if stride == (1, 1) else 1.15) * method.cycles:
            return winograd
    return method


class WeightGradient:
    """Sums over all places of an image, for vectors of taps; for one channel in a group, one tap at a time."""

    def __init__(
        self, out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets], stride: Pair,
        dtype: np.dtype,
    ) -> None:  # fmt: skip
        shape = (out, groups, channels, rows, offsets, stride, dtype.itemsize)
        self.rows = groups * rows
        self.depthwise = channels == 1
        if self.depthwise:
            self.plan, copy = conv_plan.depthwise_weight_gradient(*shape)
            self.buffers = Buffers(dtype, copy)
        else:
            self.plan, copy, self.order = conv_plan.weight_gradient(*shape)
            self.buffers = Buffers(dtype, copy, self.rows * self.order.size)

    def run(self, x: np.ndarray, g: np.ndarray, out: np.ndarray) -> None:
        """Write the gradient of the weights into `out` (rows by taps)."""
        if self.depthwise:
            kernels.depthwise_weight_gradient(self.plan, x, g, out, *self.buffers.take())
            return
        padded, sums = self.buffers.take()
        zeros = np.zeros(self.rows, x.dtype)
        kernels.weight_gradient(self.plan, self.order, x, g, zeros, out, padded, sums.reshape(out.shape))


weight_gradient = lru_cache(maxsize=_KEPT)(WeightGradient)
