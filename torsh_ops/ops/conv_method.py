"""The methods of a convolution, and the choice between them; each is prepared once for a shape and kept."""

from functools import lru_cache

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.kernels import conv as kernels
from torsh_ops.kernels import conv_winograd
from torsh_ops.kernels.conv_emit import ROWS
from torsh_ops.ops import conv_plan
from torsh_ops.ops.conv_plan import Offsets
from torsh_ops.ops.windows import Pair

_LINE = 64  # bytes
_KEPT = 512  # shapes


class Buffers:
    """Flat buffers that begin on cache lines: stores that cross two lines halve the speed of a transform."""

    def __init__(self, dtype: np.dtype, *sizes: int) -> None:
        line = _LINE // dtype.itemsize
        ends = np.cumsum([0, *(-(-size // line) * line for size in sizes)]).tolist()
        self.dtype = dtype
        self.slices = [slice(at, at + size) for at, size in zip(ends, sizes, strict=False)]
        self.total = (max(ends[-1], memory.POOLED_BYTES // dtype.itemsize),)

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
        self.cycles = bands * groups * -(-rows // ROWS) * self.plan.sources.size * tile

    def run(self, x: np.ndarray, weights: np.ndarray, init: np.ndarray, out: np.ndarray) -> None:
        """Write the correlation of `x` with `weights`, begun from `init`, into `out`."""
        if threads.get_num_threads() == 1:
            kernels.correlate(self.plan, x, weights, init, out, *self.buffers.take())
            return
        threads.rowwise(
            lambda x, y: kernels.correlate(self.plan, x, weights, init, y, *self.buffers.take()),
            out.size * self.plan.taps.size // 64, x.shape[0], x, out,
        )  # fmt: skip


class Winograd:
    """F(4x4, 3x3): more work on each piece of the image, a quarter of the multiplications."""

    def __init__(self, images: int, out: Pair, channels: int, rows: int, offset: Pair) -> None:
        self.pieces, copy = conv_plan.winograd(images, out, channels, rows, offset)
        vectors = self.pieces.sources.size // 4
        count = vectors * conv_winograd.LANES
        products = conv_winograd.PRODUCTS
        single = np.dtype(np.float32)
        self.rows, self.channels = rows, channels
        self.weights = Buffers(single, products * conv_plan.apart(rows * channels))
        self.buffers = Buffers(
            single, copy, products * conv_plan.apart(channels * count), products * conv_plan.apart(rows * count)
        )
        blocks = -(-images // self.pieces.images) * -(-out[0] // self.pieces.copy.band)
        tiles = products * -(-rows // ROWS) * self.pieces.lanes.size * (ROWS * channels / 2 + 40)
        transforms = vectors * (280 * channels + 240 * rows)
        once = 350 * rows * -(-channels // conv_winograd.LANES)
        self.cycles = (blocks * (tiles + transforms) + once) / images

    def run(self, x: np.ndarray, weights: np.ndarray, init: np.ndarray, out: np.ndarray) -> None:
        """Write the correlation of `x` with `weights`, begun from `init`, into `out`."""
        u = self.weights.take()[0].reshape(conv_winograd.PRODUCTS, -1)
        conv_winograd.transform_weights(weights, u)
        zeros = np.zeros(self.rows, x.dtype)
        padded, v, m = self.buffers.take()
        v, m = v.reshape(conv_winograd.PRODUCTS, -1), m.reshape(conv_winograd.PRODUCTS, -1)
        conv_winograd.winograd(self.pieces, x, u, init, zeros, out, padded, v, m)


Method = Direct | Winograd


@lru_cache(maxsize=_KEPT)
def choose(
    images: int, out: Pair, groups: int, channels: int, rows: int, offsets: tuple[Offsets, Offsets], stride: Pair,
    dtype: np.dtype,
) -> Method:  # fmt: skip
    """Return the method that is fastest for the shape: `channels` in and `rows` out of each of `groups`."""
    direct = Direct(out, groups, channels, rows, offsets, stride, dtype)
    fits = (
        dtype == np.float32
        and groups == 1
        and stride == (1, 1)
        and all(len(o) == 3 and o == tuple(range(o[0], o[0] + 3)) for o in offsets)
    )
    if not fits:
        return direct
    winograd = Winograd(images, out, channels, rows, (offsets[0][0], offsets[1][0]))
    # A tenth less than it seems to gain is what it costs in rounding errors and cache misses.
    return winograd if winograd.cycles < 0.9 * direct.cycles else direct


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
