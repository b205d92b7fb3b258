"""3x3 convolutions with a quarter of the multiplications: Winograd's minimal filtering F(4x4, 3x3).

Every 6x6 piece of the image and every 3x3 kernel is transformed; 36 small matrix products over the channels take the
place of the convolution, and each result transforms back to 4x4 outputs. Source: Lavin & Gray, "Fast Algorithms for
Convolutional Neural Networks", CVPR 2016, with the points 0, 1, -1, 2, -2. Rounding errors are some times those of
the direct sum, and an infinity or NaN reaches every output of its piece.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from torsh_ops.kernels.conv import Plan, split
from torsh_ops.kernels.conv_emit import INT64, Emitter, kernel_intrinsic, lanes_of
from torsh_ops.kernels.conv_tile import sweep
from torsh_ops.kernels.vector import SERIAL, flat

PRODUCTS = 36
Matrix = list[list[float]]
LANES = lanes_of(4)  # float32 alone: in float64 nobody trades exactness for speed

_INPUT: Matrix = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_WEIGHT: Matrix = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_OUTPUT: Matrix = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


class Pieces(NamedTuple):
    """How the output is cut into 4x4 pieces; LANES / 4 neighbours in a row are one group, four groups one vector.

    A block is `images` images, or some rows of pieces of one image: what fits into the L2 cache at a time.
    """

    copy: Plan  # of one image's rows for one block
    images: int
    sources: np.ndarray  # where each group's input begins in the copies
    targets: np.ndarray  # where each group's output begins in the block's output
    rows: np.ndarray  # the output row of each group
    columns: np.ndarray  # the output's columns that each group has
    taps: np.ndarray  # for the products: tables as `sweep` takes them
    vectors: np.ndarray
    lanes: np.ndarray


def _on_both_sides(e: Emitter, matrix: Matrix, square: list[list[Any]]) -> list[list[Any]]:
    """``matrix @ square @ matrix.T`` for a square of vectors."""
    half = [e.combine(matrix, list(column)) for column in zip(*square, strict=True)]
    return [e.combine(matrix, list(row)) for row in zip(*half, strict=True)]


def _emit_weights(e: Emitter) -> None:
    """Transform the kernels of as many channels as there are lanes."""
    a = e.args
    last = e.builder.sub(a["count"], INT64(1))
    places = [e.builder.add(a["w_at"], e.builder.mul(e.at_most(lane, last), INT64(9))) for lane in range(e.width)]
    kernel = [[e.gather(e.at(a["w"], 3 * i + j), places) for j in range(3)] for i in range(3)]
    mask = e.first_lanes(a["count"])
    for number, value in enumerate(itertools.chain(*_on_both_sides(e, _WEIGHT, kernel))):
        e.write_masked(mask, value, a["u"], a["u_at"], e.builder.mul(a["u_stride"], INT64(number)))


def _emit_input(e: Emitter) -> None:
    """Transform the pieces of one vector, in one channel."""
    a, b = e.args, e.builder
    groups = [e.at(a["x"], a["x_at"], e.load(a["sources"], a["first"], q)) for q in range(4)]
    square = []
    for i in range(6):
        row = b.mul(a["x_width"], INT64(i))
        columns = e.every_fourth([e.load_vector(group, row) for group in groups])
        columns += e.every_fourth([e.load_vector(group, row, 4) for group in groups])[:2]
        square.append(columns)
    for number, value in enumerate(itertools.chain(*_on_both_sides(e, _INPUT, square))):
        e.store_vector(value, a["v"], a["v_at"], b.mul(a["v_stride"], INT64(number)))


def _emit_output(e: Emitter) -> None:
    """Transform the pieces of one vector back, in one channel, and store the outputs that exist."""
    a, b = e.args, e.builder
    products = [e.load_vector(a["m"], a["m_at"], b.mul(a["m_stride"], INT64(n))) for n in range(PRODUCTS)]
    start = e.splat(e.load(a["init"], a["init_at"]))
    pieces = _on_both_sides(e, _OUTPUT, [products[6 * i : 6 * i + 6] for i in range(6)])
    for i, row in enumerate(pieces):
        for q, values in enumerate(e.in_fours([b.fadd(start, value) for value in row])):
            exists = b.icmp_signed("<", b.add(e.load(a["rows"], a["first"], q), INT64(i)), a["height"])
            mask = e.first_lanes(b.select(exists, e.load(a["columns"], a["first"], q), INT64(0)))
            target = e.load(a["targets"], a["first"], q)
            e.write_masked(mask, values, a["y"], a["y_at"], target, b.mul(a["y_width"], INT64(i)))


_weights = kernel_intrinsic("w u", "w_at u_at u_stride count", _emit_weights)
_input = kernel_intrinsic("x v sources", "x_at x_width first v_at v_stride", _emit_input)
_output = kernel_intrinsic(
    "m y init targets rows columns", "m_at m_stride init_at y_at y_width height first", _emit_output
)


@njit(**SERIAL)
def transform_weights(weights, u):
    """Transform [k, c, 3, 3] to [36, k x c and some space]."""
    w, out = flat(weights), flat(u)
    channels, stride = weights.shape[1], u.shape[1]
    for k in range(weights.shape[0]):
        for c in range(0, channels, LANES):
            at = k * channels + c
            _weights((w, out), (9 * at, at, stride, min(LANES, channels - c)))


@njit(**SERIAL)
def winograd(pieces, x, u, init, zeros, out, padded, v, m):
    """Write the correlation of `x` with the transformed weights `u`, begun from `init`, into `out`.

    `padded` is a buffer for the copies of one block's images; `v` and `m`, of 36 rows, for its transformed inputs and
    its products.
    """
    plan, y = pieces.copy, flat(out)
    rows, channels, vectors = out.shape[1], plan.channels, pieces.sources.size // 4
    count = vectors * LANES
    weights, inputs, products = flat(u), flat(v), flat(m)
    one = channels * plan.height * plan.width
    height, area = out.shape[2], out.shape[2] * out.shape[3]
    for begin in range(0, x.shape[0], pieces.images):
        # The last block of images, and of rows, begins early enough to be a whole one.
        image = min(begin, x.shape[0] - pieces.images)
        for begin_row in range(0, height, plan.band):
            row = max(min(begin_row, height - plan.band), 0)
            for n in range(pieces.images):
                split(plan, x, image + n, 0, row, padded[n * one : (n + 1) * one])
            for c in range(channels):
                for vector in range(vectors):
                    at = c * count + vector * LANES
                    place = (c * plan.height * plan.width, plan.width, 4 * vector, at, v.shape[1])
                    _input((padded, inputs, pieces.sources), place)
            for number in range(PRODUCTS):
                sweep(
                    weights, number * u.shape[1], channels, rows, inputs, number * v.shape[1], pieces.taps,
                    channels, pieces.vectors, pieces.vectors, pieces.lanes,
                    products, number * m.shape[1], count, zeros, 0, 0,
                )  # fmt: skip
            for k in range(rows):
                for vector in range(vectors):
                    at = (image * rows + k) * area + row * out.shape[3]
                    numbers = (
                        k * count + vector * LANES, m.shape[1], k, at, out.shape[3], height - row, 4 * vector
                    )  # fmt: skip
                    _output((products, y, init, pieces.targets, pieces.rows, pieces.columns), numbers)
