"""Pooling over the windows that networks use most, 2x2 and 3x3 two pixels apart, in vectors of outputs."""

from typing import Any

import llvmlite.ir as ir
from numba import njit

from torsh_ops.kernels.conv_emit import INT64, Emitter, kernel_intrinsic
from torsh_ops.kernels.vector import SERIAL, flat
from torsh_ops.kernels.window_tile import is_inside, masks, row, row_or_border, store

_STRIDE = 2
_ROWS = 4


def _larger(e: Emitter, x: Any, best: Any) -> Any:
    """The larger element; NaN wins."""
    b = e.builder
    return b.select(b.fcmp_unordered("uno", x, x), x, b.select(b.fcmp_ordered(">", x, best), x, best))


def _total(e: Emitter, x: Any, total: Any) -> Any:
    return e.builder.fadd(total, x)


def _folded(e: Emitter, side: int, combine: Any, border: Any, whole: bool) -> list[Any]:
    """What `combine` makes of the windows of each row of the tile."""
    a, b = e.args, e.builder
    inside, take = masks(e, side, _STRIDE), row if whole else row_or_border
    found: list[Any] = [None] * _ROWS
    for q in range(_STRIDE * (_ROWS - 1) + side):
        y = b.add(b.sub(b.mul(a["row"], INT64(_STRIDE)), a["top"]), INT64(q))
        first, *others = take(e, side, _STRIDE, y, inside, border)
        for x in others:
            first = combine(e, x, first)
        for r in range(_ROWS):
            if 0 <= q - _STRIDE * r < side:
                found[r] = first if found[r] is None else combine(e, first, found[r])
    return found


def _maximum_of(side: int) -> Any:
    def emit(e: Emitter) -> None:
        lowest = ir.Constant(e.vector, [float("-inf")] * e.width)
        with e.builder.if_else(is_inside(e, side, _STRIDE, _ROWS)) as (whole, rest):
            for branch, complete in ((whole, True), (rest, False)):
                with branch:
                    store(e, _folded(e, side, _larger, lowest, complete), complete)

    return kernel_intrinsic("x y", "x_at y_at row column height width out_height out_width top left", emit)


def _mean_of(side: int) -> Any:
    def emit(e: Emitter) -> None:
        a, b = e.args, e.builder
        last = b.sub(a["out_height"], INT64(1))
        columns = e.read_masked(e.first_lanes(b.sub(a["out_width"], a["column"])), a["column_scale"], a["column"])
        with b.if_else(is_inside(e, side, _STRIDE, _ROWS)) as (whole, rest):
            for branch, complete in ((whole, True), (rest, False)):
                with branch:
                    means = []
                    for r, total in enumerate(_folded(e, side, _total, e.zeros(), complete)):
                        number = b.add(a["row"], INT64(r))
                        number = b.select(b.icmp_signed("<", number, last), number, last)
                        means.append(b.fmul(total, b.fmul(columns, e.splat(e.load(a["row_scale"], number)))))
                    store(e, means, complete)

    return kernel_intrinsic(
        "x row_scale column_scale y", "x_at y_at row column height width out_height out_width top left", emit
    )


_maximum_of_two, _maximum_of_three = _maximum_of(2), _maximum_of(3)
_mean_of_two, _mean_of_three = _mean_of(2), _mean_of(3)


@njit(**SERIAL)
def maximum(x, side, top, left, lanes, out):
    """Largest element of each window of 2x2 or 3x3 of (planes, height, width), two pixels apart; NaN wins."""
    arrays = (flat(x), flat(out))
    height, width, out_height, out_width = x.shape[1], x.shape[2], out.shape[1], out.shape[2]
    for plane in range(x.shape[0]):
        x_at, y_at = plane * height * width, plane * out_height * out_width
        for i in range(0, out_height, _ROWS):
            for j in range(0, out_width, lanes):
                numbers = (x_at, y_at, i, j, height, width, out_height, out_width, top, left)
                if side == 2:
                    _maximum_of_two(arrays, numbers)
                else:
                    _maximum_of_three(arrays, numbers)


@njit(**SERIAL)
def mean(x, row_scale, column_scale, side, top, left, lanes, out):
    """Sum of each window, as those of `maximum`, times the scales of its row and column."""
    arrays = (flat(x), flat(row_scale), flat(column_scale), flat(out))
    height, width, out_height, out_width = x.shape[1], x.shape[2], out.shape[1], out.shape[2]
    for plane in range(x.shape[0]):
        x_at, y_at = plane * height * width, plane * out_height * out_width
        for i in range(0, out_height, _ROWS):
            for j in range(0, out_width, lanes):
                numbers = (x_at, y_at, i, j, height, width, out_height, out_width, top, left)
                if side == 2:
                    _mean_of_two(arrays, numbers)
                else:
                    _mean_of_three(arrays, numbers)
