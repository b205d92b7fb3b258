"""Convolution of each channel with its own 3x3 kernels, without a copy: borders are lanes that are not loaded.

A tile is one vector of pixels of ROWS rows below one another, so that each input row is loaded for three of them. Small
images have few such tiles, which begin slowly: they are one line of pixels, and a table says which neighbours exist.
"""

from typing import Any

from llvmlite import ir
from numba import njit

from torsh_ops.kernels.conv_emit import INT64, Emitter, kernel_intrinsic
from torsh_ops.kernels.vector import SERIAL, flat
from torsh_ops.kernels.window_tile import is_inside, masks, row, row_or_border, store

SIDE = 3
# The sides of common layers are multiples of seven; 7 sums, 9 weights and 3 inputs fit into 32 registers.
ROWS = 7


def _sums(e: Emitter, stride: int, inside: list[Any], weights: list[Any], whole: bool) -> list[Any]:
    b, a = e.builder, e.args
    sums = [e.splat(e.load(a["init"], a["init_at"]))] * ROWS
    take = row if whole else row_or_border
    for q in range(stride * (ROWS - 1) + SIDE):
        y = b.add(b.sub(b.mul(a["row"], INT64(stride)), a["top"]), INT64(q))
        inputs = take(e, SIDE, stride, y, inside, e.zeros())
        for r in range(ROWS):
            i = q - stride * r
            if 0 <= i < SIDE:
                for weight, x in zip(weights[SIDE * i : SIDE * (i + 1)], inputs, strict=True):
                    sums[r] = e.add_product(weight, x, sums[r])
    return sums


def _tile_of(stride: int) -> Any:
    def emit(e: Emitter) -> None:
        a, b = e.args, e.builder
        lanes = masks(e, SIDE, stride)
        weights = [e.splat(e.load(a["w"], a["w_at"], t)) for t in range(SIDE * SIDE)]
        with b.if_else(is_inside(e, SIDE, stride, ROWS)) as (whole, rest):
            with whole:
                store(e, _sums(e, stride, lanes, weights, True), True)
            with rest:
                store(e, _sums(e, stride, lanes, weights, False), False)

    return kernel_intrinsic(
        "x w init y", "x_at w_at init_at y_at row column height width out_height out_width top left", emit
    )


_every = _tile_of(1)
_second = _tile_of(2)


def _emit_line(e: Emitter) -> None:
    """One vector of an image as large as its output, all rows in one line."""
    a, b = e.args, e.builder
    total = e.splat(e.load(a["init"], a["init_at"]))
    for tap in range(SIDE * SIDE):
        bits = b.trunc(e.load(a["masks"], a["masks_at"], tap), ir.IntType(e.width))
        mask = b.bitcast(bits, ir.VectorType(ir.IntType(1), e.width))
        row, column = tap // SIDE - 1, tap % SIDE - 1
        x = e.read_masked(mask, a["x"], a["x_at"], b.mul(a["width"], INT64(row)), column)
        total = e.add_product(e.splat(e.load(a["w"], a["w_at"], tap)), x, total)
    e.write_masked(e.first_lanes(a["left"]), total, a["y"], a["y_at"])


_line = kernel_intrinsic("x w init masks y", "x_at w_at init_at masks_at y_at width left", _emit_line)


@njit(**SERIAL)
def _lines(x, weights, init, lanes, masks, out):
    arrays, area, width = (flat(x), flat(weights), flat(init), masks, flat(out)), x.shape[2] * x.shape[3], x.shape[3]
    each = out.shape[1] // x.shape[1]
    for n in range(out.shape[0]):
        for k in range(out.shape[1]):
            x_at, y_at = (n * x.shape[1] + k // each) * area, (n * out.shape[1] + k) * area
            masks_at = 0
            for first in range(0, area, lanes):
                numbers = (x_at + first, k * SIDE * SIDE, k, masks_at, y_at + first, width, area - first)
                _line(arrays, numbers)
                masks_at += SIDE * SIDE


@njit(**SERIAL)
def depthwise(x, weights, init, stride, top, left, lanes, masks, out):
    """Write the correlation of each channel of `x` with its kernels, begun from `init`, into `out`.

    ``out[n, k, i, j]`` begins at row ``i * stride - top`` and column ``j * stride - left`` of channel
    ``k // (kernels per channel)``; `stride` is 1 or 2. `masks` has, for each vector of a small output as large as the
    image, and each tap, the lanes that lie in the image, as bits; or it is empty.
    """
    if masks.size > 0 and x.shape[2] == out.shape[2] and x.shape[3] == out.shape[3]:
        _lines(x, weights, init, lanes, masks, out)
        return
    arrays = (flat(x), flat(weights), flat(init), flat(out))
    each = out.shape[1] // x.shape[1]
    height, width, out_height, out_width = x.shape[2], x.shape[3], out.shape[2], out.shape[3]
    for n in range(out.shape[0]):
        for k in range(out.shape[1]):
            x_at = (n * x.shape[1] + k // each) * height * width
            y_at = (n * out.shape[1] + k) * out_height * out_width
            for i in range(0, out_height, ROWS):
                for j in range(0, out_width, lanes):
                    numbers = (
                        x_at, k * SIDE * SIDE, k, y_at, i, j, height, width, out_height, out_width, top, left
                    )  # fmt: skip
                    if stride == 1:
                        _every(arrays, numbers)
                    else:
                        _second(arrays, numbers)
