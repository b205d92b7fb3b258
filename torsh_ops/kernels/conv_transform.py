"""The transforms of Winograd's minimal filtering, in vectors of pieces: of kernels, of the image, and back.

A form has the matrices, each a product of some whose zeros and ones save half of the work. With stride 1 it is
F(4x4, 3x3) of Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, points 0, 1, -1, 2, -2.
With stride 2, the even rows of the image meet the first and the last tap, which is F(4, 2) with the points 0, 1, -1, 2,
and the odd rows the middle one, which stays as it is: 9 products for 4 outputs; likewise the columns.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from torsh_ops.kernels.conv_emit import INT32, INT64, Emitter, kernel_intrinsic, lanes_of

SIDE = 4  # of the output of a piece
LANES = lanes_of(4)  # float32 alone: in float64 nobody trades exactness for speed
# Neighbours in a row are transformed together: the outputs of a group, and the groups in a vector of pieces.
WIDTH = max(LANES // 2, SIDE)
GROUPS = LANES * SIDE // WIDTH
KERNELS = 36  # elements of a transformed kernel

Matrix = list[list[float]]


def _identity(size: int) -> Matrix:
    return np.eye(size).tolist()


def _beside(left: Matrix, right: Matrix) -> Matrix:
    """Two matrices as the blocks of a diagonal."""
    a, b = np.array(left), np.array(right)
    return np.block([[a, np.zeros((len(a), b.shape[1]))], [np.zeros((len(b), a.shape[1])), b]]).tolist()


class Form(NamedTuple):
    """One stride's transforms."""

    rows: list[int]  # of the image, in the order in which the matrices take them
    inputs: list[Matrix]
    weights: list[Matrix]
    outputs: list[Matrix]


_EVERY = Form(
    [0, 1, 2, 3, 4, 5],
    [
        [
            [4, 0, -5, 0, 1, 0],
            [0, 0, -4, 0, 1, 0],
            [0, -4, 0, 1, 0, 0],
            [0, 0, -1, 0, 1, 0],
            [0, -1, 0, 1, 0, 0],
            [0, 4, 0, -5, 0, 1],
        ],
        [
            [1, 0, 0, 0, 0, 0],
            [0, 1, 1, 0, 0, 0],
            [0, 1, -1, 0, 0, 0],
            [0, 0, 0, 1, 2, 0],
            [0, 0, 0, 1, -2, 0],
            [0, 0, 0, 0, 0, 1],
        ],
    ],
    [
        [[1 / 4, 0, 0], [-1 / 6, 0, -1 / 6], [0, 1 / 6, 0], [1 / 24, 0, 1 / 6], [0, 1 / 12, 0], [0, 0, 1]],
        [
            [1, 0, 0, 0, 0, 0],
            [0, 1, -1, 0, 0, 0],
            [0, 1, 1, 0, 0, 0],
            [0, 0, 0, 1, 1, 0],
            [0, 0, 0, 1, -1, 0],
            [0, 0, 0, 0, 0, 1],
        ],
    ],
    [
        [
            [1, 0, 0, 0, 0, 0],
            [0, 1, 1, 0, 0, 0],
            [0, 1, -1, 0, 0, 0],
            [0, 0, 0, 1, 1, 0],
            [0, 0, 0, 1, -1, 0],
            [0, 0, 0, 0, 0, 1],
        ],
        [[1, 1, 0, 1, 0, 0], [0, 0, 1, 0, 2, 0], [0, 1, 0, 4, 0, 0], [0, 0, 1, 0, 8, 1]],
    ],
)
_SECOND = Form(
    [0, 2, 4, 6, 8, 1, 3, 5, 7],
    [
        _beside(
            [[2, -1, -2, 1, 0], [0, -2, -1, 1, 0], [0, 2, -3, 1, 0], [0, -1, 0, 1, 0], [0, 2, -1, -2, 1]], _identity(4)
        )
    ],
    [[[1 / 2, 0, 0], [-1 / 2, 0, -1 / 2], [-1 / 6, 0, 1 / 6], [1 / 6, 0, 1 / 3], [0, 0, 1], [0, 1, 0]]],
    [
        _beside([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, -1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]], _identity(4)),
        [
            [1, 1, 0, 1, 0, 1, 0, 0, 0],
            [0, 0, 1, 2, 0, 0, 1, 0, 0],
            [0, 1, 0, 4, 0, 0, 0, 1, 0],
            [0, 0, 1, 8, 1, 0, 0, 0, 1],
        ],
    ],
)


def _transform(e: Emitter, matrices: list[Matrix], square: list[list[Any]]) -> list[list[Any]]:
    """``matrix @ square @ matrix.T`` for a square of vectors and a product of matrices."""
    for _ in range(2):
        columns = [list(column) for column in zip(*square, strict=True)]
        for matrix in matrices:
            columns = [e.combine(matrix, column) for column in columns]
        square = columns
    return square


def _turned(e: Emitter, vectors: list[Any]) -> list[Any]:
    """A square of elements transposed."""
    half = e.width // 2
    for _ in range(half.bit_length()):
        vectors = [v for i in range(half) for v in e.interleave(vectors[i], vectors[i + half])]
    return vectors


def _weights_of(form: Form) -> Any:
    """Transform the kernels of one channel, as many as there are lanes."""

    def emit(e: Emitter) -> None:
        a, b = e.args, e.builder
        last = b.sub(a["count"], INT64(1))
        kernels = [e.at(a["w"], a["w_at"], b.mul(e.at_most(lane, last), a["w_stride"])) for lane in range(e.width)]
        taps: list[Any] = []
        for first in range(0, 9, e.width):
            there = e.first_lanes(INT64(min(9 - first, e.width)))
            taps += _turned(e, [e.read_masked(there, kernel, first) for kernel in kernels])[: 9 - first]
        square = [taps[i : i + 3] for i in (0, 3, 6)]
        for number, value in enumerate(itertools.chain(*_transform(e, form.weights, square))):
            e.store_vector(value, a["u"], a["u_at"], b.mul(a["u_stride"], INT64(number)))

    return kernel_intrinsic("w u", "w_at w_stride u_at u_stride count", emit)


def _half(e: Emitter) -> Any:
    """The pointer to what one row of a group is."""
    return ir.VectorType(e.scalar, WIDTH).as_pointer()


def _row(e: Emitter, places: list[Any]) -> Any:
    """One vector of a row of one group, or of two."""
    b = e.builder
    parts = [b.load(b.bitcast(place, _half(e)), align=4) for place in places]
    if len(parts) == 1:
        return parts[0]
    return b.shuffle_vector(*parts, ir.Constant(ir.VectorType(INT32, e.width), list(range(e.width))))


def _columns(e: Emitter, pairs: list[list[Any]], row: Any, count: int) -> list[Any]:
    """The first `count` columns of each piece of one row, each as a vector."""
    columns: list[Any] = []
    for first in range(0, count, SIDE):
        rows = [_row(e, [e.at(group, row, first) for group in pair]) for pair in pairs]
        columns += e.every_fourth(rows)[: count - first]
    return columns


def _inputs_of(form: Form) -> Any:
    """Transform the pieces of one vector, in one channel; `x_odd` is where odd columns lie behind the even ones."""

    def emit(e: Emitter) -> None:
        a, b = e.args, e.builder
        groups = [e.at(a["x"], e.load(a["sources"], a["first"], q)) for q in range(GROUPS)]
        pairs = [groups[i : i + GROUPS // 4] for i in range(0, GROUPS, GROUPS // 4)]
        square = []
        for i in form.rows:
            row = b.mul(a["x_width"], INT64(i))
            if len(form.rows) == 6:
                square.append(_columns(e, pairs, row, 6))
            else:
                square.append(_columns(e, pairs, row, 5) + _columns(e, pairs, b.add(row, a["x_odd"]), 4))
        for number, value in enumerate(itertools.chain(*_transform(e, form.inputs, square))):
            e.store_vector(value, a["v"], a["v_at"], b.mul(a["v_stride"], INT64(number)))

    return kernel_intrinsic("x v sources", "x_width x_odd first v_at v_stride", emit)


def _outputs_of(form: Form) -> Any:
    """Transform the pieces of one vector back, in one channel, and store the outputs that exist."""

    def emit(e: Emitter) -> None:
        a, b = e.args, e.builder
        side = len(form.rows)
        products = [e.load_vector(a["m"], a["m_at"], b.mul(a["m_stride"], INT64(n))) for n in range(side**2)]
        start = e.splat(e.load(a["init"], a["init_at"]))
        pieces = _transform(e, form.outputs, [products[i : i + side] for i in range(0, side**2, side)])
        for i, row in enumerate(pieces):
            for q, values in enumerate(e.in_fours([b.fadd(start, value) for value in row])):
                for part in range(GROUPS // 4):
                    _store(e, values, i, q * (GROUPS // 4) + part, part)

    return kernel_intrinsic("m y init targets rows columns", "m_at m_stride init_at y_at y_width height first", emit)


def _store(e: Emitter, values: Any, row: int, group: int, part: int) -> None:
    """Store one row of a group, the first or the second part of a vector."""
    a, b = e.args, e.builder
    exists = b.icmp_signed("<", b.add(e.load(a["rows"], a["first"], group), INT64(row)), a["height"])
    count = b.select(exists, e.load(a["columns"], a["first"], group), INT64(0))
    lanes = e.first_lanes(b.add(count, INT64(part * WIDTH)))
    if part:
        lanes = b.and_(lanes, e.lanes_from(INT64(WIDTH)))
    elif GROUPS > 4:
        lanes = b.and_(lanes, e.first_lanes(INT64(WIDTH)))
    place = e.at(a["y"], a["y_at"], e.load(a["targets"], a["first"], group), b.mul(a["y_width"], INT64(row)))
    e.write_masked(lanes, values, place, -part * WIDTH)


weights, weights_second = _weights_of(_EVERY), _weights_of(_SECOND)
inputs, inputs_second = _inputs_of(_EVERY), _inputs_of(_SECOND)
outputs, outputs_second = _outputs_of(_EVERY), _outputs_of(_SECOND)
