"""Convolutions as sums of shifted vectors: copy the image with its border, then sweep the register tile over it.

The image is copied once, with its zero border and with rows and columns of equal remainder modulo the stride lying
together. Every tap of every kernel, stride and dilation is then one constant offset, so nothing like the kernel-sized
copies of im2col is made and one tile serves the values and both gradients.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from torsh_ops.kernels.conv_tile import sweep
from torsh_ops.kernels.vector import REORDER, SERIAL, flat


class Plan(NamedTuple):
    """Where everything lies in one correlation; all counts and offsets are in elements.

    ``out[i, j] = sum over taps of w[tap] * x[i * row_stride - top + a, j * column_stride - left + b]``.
    """

    groups: int
    channels: int  # of the input, in one group
    rows: int  # of weights, in one group
    row_stride: int
    column_stride: int
    top: int
    left: int
    row_phases: np.ndarray  # remainders modulo the stride that any tap needs
    column_phases: np.ndarray
    height: int  # of one phase of the copy
    width: int
    band: int  # output rows that are made from one copy, so that it stays in the L2 cache
    taps: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    lanes: np.ndarray
    line: int  # width of the output's rows, border included, when it is made in a buffer and cut out; else 0


@njit(**SERIAL)
def _columns(plan, phase, width):
    """First column of a phase that lies in the image, the number of such columns, and the image's first column."""
    start = phase - plan.left
    first = 0 if start >= 0 else -(start // plan.column_stride)
    last = min((width - 1 - start) // plan.column_stride + 1, plan.width)
    return np.uint64(first), np.uint64(max(last - first, 0)), start + first * plan.column_stride


# Unsigned indices below: signed ones are tested for counting from the end, and keep the loops from vectors (3x).


@njit(**SERIAL)
def split(plan, x, image, channel, row, padded):
    """Copy one group of one image, from output row `row` on, as [channel, phase, row, column]."""
    source, at = flat(x), np.uint64(0)
    padded[:] = 0
    for c in range(channel, channel + plan.channels):
        for row_phase in plan.row_phases:
            for column_phase in plan.column_phases:
                first, count, column = _columns(plan, column_phase, x.shape[3])
                for i in range(plan.height):
                    y = (row + i) * plan.row_stride + row_phase - plan.top
                    if 0 <= y < x.shape[2]:
                        begin = np.uint64(((image * x.shape[1] + c) * x.shape[2] + y) * x.shape[3] + column)
                        for j in range(count):
                            padded[at + first + j] = source[begin + j * np.uint64(plan.column_stride)]
                    at += np.uint64(plan.width)


@njit(**SERIAL)
def split_last(plan, x, image, channel, row, padded):
    """Copy one group of one image, from output row `row` on, as [phase, row, column, channel]."""
    source, at = flat(x), np.uint64(0)
    channels, area = np.uint64(plan.channels), np.uint64(x.shape[2] * x.shape[3])
    padded[:] = 0
    for row_phase in plan.row_phases:
        for column_phase in plan.column_phases:
            first, count, column = _columns(plan, column_phase, x.shape[3])
            for i in range(plan.height):
                y = (row + i) * plan.row_stride + row_phase - plan.top
                if 0 <= y < x.shape[2]:
                    begin = np.uint64(((image * x.shape[1] + channel) * x.shape[2] + y) * x.shape[3] + column)
                    for j in range(count):
                        place, pixel = at + (first + j) * channels, begin + j * np.uint64(plan.column_stride)
                        for c in range(channels):
                            padded[place + c] = source[pixel + c * area]
                at += np.uint64(plan.width) * channels


@njit(**SERIAL)
def _cut(plan, lines, channel, image, row, out):
    """Copy the rows of the buffer without the border between them."""
    stride = lines.size // plan.rows
    for k in range(plan.rows):
        for i in range(plan.band):
            for j in range(out.shape[3]):
                out[image, channel + k, row + i, j] = lines[k * stride + i * plan.line + j]


@njit(**SERIAL)
def correlate(plan, x, weights, init, out, padded, lines):
    """Write the correlation of `x` with `weights` (rows by taps), begun from `init`, into `out`."""
    a, c = flat(weights), flat(out)
    depth, height, area = plan.taps.size, out.shape[2], out.shape[2] * out.shape[3]
    for image in range(x.shape[0]):
        for group in range(plan.groups):
            channel = group * plan.rows
            at = (image * out.shape[1] + channel) * area
            for begin in range(0, height, plan.band):
                # The last band begins early enough to be a whole one.
                row = min(begin, height - plan.band)
                split(plan, x, image, group * plan.channels, row, padded)
                if plan.line == 0:
                    target, room, stride = c, at + row * out.shape[3], area
                else:
                    target, room, stride = lines, 0, lines.size // plan.rows
                sweep(
                    a, channel * depth, depth, plan.rows, padded, 0, plan.taps, depth,
                    plan.sources, plan.targets, plan.lanes, target, room, stride, init, channel, 0,
                )  # fmt: skip
                if plan.line != 0:
                    _cut(plan, lines, channel, image, row, out)


@njit(**SERIAL)
def weight_gradient(plan, order, x, g, zeros, out, padded, sums):
    """Write the gradient of the weights into `out` (rows by taps); `sums` is a buffer of its size.

    The tile's vectors run over a row's taps as they lie in the copy; `order` is where each belongs in `out`.
    """
    a, c = flat(g), flat(sums)
    height, width, area = g.shape[2], g.shape[3], g.shape[2] * g.shape[3]
    count = order.size
    for group in range(plan.groups):
        channel = group * plan.rows
        for image in range(x.shape[0]):
            for row in range(0, height, plan.band):
                split_last(plan, x, image, group * plan.channels, row, padded)
                sweep(
                    a, (image * g.shape[1] + channel) * area + row * width, area, plan.rows, padded, 0,
                    plan.taps, min(plan.band, height - row) * width, plan.sources, plan.targets, plan.lanes,
                    c, channel * count, count, zeros, channel, int(image + row > 0),
                )  # fmt: skip
    for k in range(out.shape[0]):
        for t in range(count):
            out[k, order[t]] = sums[k, t]


@njit(**REORDER)
def _dot(a, a_at, b, b_at, count):
    total = a.dtype.type(0)
    for j in range(np.uint64(count)):
        total += a[np.uint64(a_at) + j] * b[np.uint64(b_at) + j]
    return total


@njit(**SERIAL)
def depthwise_weight_gradient(plan, x, g, out, padded):
    """Write the gradient of the weights where each group has one input channel: each tap is one long product."""
    height, width = g.shape[2], g.shape[3]
    gradient = flat(g)
    out[:] = 0
    for k in range(out.shape[0]):
        for image in range(x.shape[0]):
            for row in range(0, height, plan.band):
                split(plan, x, image, k // plan.rows, row, padded)
                for i in range(min(plan.band, height - row)):
                    at = ((image * g.shape[1] + k) * height + row + i) * width
                    for t in range(out.shape[1]):
                        out[k, t] += _dot(gradient, at, padded, plan.taps[t] + i * plan.width, width)


@njit(**SERIAL)
def turn_weights(weights, groups, rows, columns, out):
    """Copy [group x k, c, rows, columns] as [group x c, k, rows, columns], taking only the given rows and columns."""
    source, target = flat(weights), flat(out)
    kernels, channels = np.uint64(weights.shape[0] // groups), np.uint64(weights.shape[1])
    width, taps = np.uint64(weights.shape[3]), np.uint64(weights.shape[2] * weights.shape[3])
    kept, some, more = np.uint64(rows.size * columns.size), np.uint64(16), np.uint64(64)
    for group in range(np.uint64(groups)):
        # In blocks: across the whole of a large layer every element would be on a page of its own (3x).
        for begin in range(np.uint64(0), channels, some):
            for first in range(np.uint64(0), kernels, more):
                for c in range(begin, min(begin + some, channels)):
                    taken = ((group * kernels + first) * channels + c) * taps
                    put = ((group * channels + c) * kernels + first) * kept
                    for _ in range(first, min(first + more, kernels)):
                        for row in rows:
                            for column in columns:
                                target[put] = source[taken + np.uint64(row) * width + np.uint64(column)]
                                put += np.uint64(1)
                        taken += channels * taps


@njit(**SERIAL)
def interleave(part, row, column, row_stride, column_stride, out):
    """Copy `part` to every row_stride-th row and column_stride-th column of `out`, from (row, column) on."""
    for n in range(part.shape[0]):
        for c in range(part.shape[1]):
            for i in range(part.shape[2]):
                for j in range(part.shape[3]):
                    out[n, c, row + i * row_stride, column + j * column_stride] = part[n, c, i, j]
