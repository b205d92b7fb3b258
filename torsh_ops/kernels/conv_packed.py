"""Convolution as a blocked matrix product: weights times panels of pixels.

A panel holds, for some taps, the inputs of three vectors of output pixels, one tap behind the other. Some panels are
gathered from the image and stay in the L2 cache while all weights sweep over them: no copy of the size of im2col's is
ever made. One panel at a time, which would stay in L1, is slower: its outputs lie on other pages for every tile.
Blocking as in Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from torsh_ops.kernels.conv import split
from torsh_ops.kernels.conv_emit import Emitter, kernel_intrinsic
from torsh_ops.kernels.conv_tile import TILE_VECTORS, sweep
from torsh_ops.kernels.vector import SERIAL, flat

# Taps that a piece is fetched before it is copied: the next page is no business of the machine's own prefetching.
_AHEAD = 4


class Panels(NamedTuple):
    """How the output pixels of one block, some images or some rows of one, are cut into panels."""

    images: int
    copied: bool  # the image is read from a copy with its border; else as it is
    pixels: int  # of one block
    width: int  # elements of a panel's rows
    depth: int  # taps of a panel, at most
    together: int  # panels that are gathered before the weights sweep over them
    firsts: np.ndarray  # each panel's first piece, and the number of pieces
    sources: np.ndarray  # where each piece of neighbours begins in the image
    targets: np.ndarray  # and in the panels, for the first tap
    lanes: np.ndarray  # its length
    rows: np.ndarray  # where each row of a panel begins
    vectors: np.ndarray  # where each vector of the panels begins
    places: np.ndarray  # and in the output, from the first panel's on
    counts: np.ndarray  # lanes that each vector of the block has


def _emit_move(e: Emitter) -> None:
    """Copy one piece of neighbours, and fetch the one that is copied some steps later."""
    a = e.args
    e.prefetch(e.at(a["x"], a["ahead"]), write=False)
    mask = e.first_lanes(a["lanes"])
    e.write_masked(mask, e.read_masked(mask, a["x"], a["x_at"]), a["panel"], a["panel_at"])


_move: Any = kernel_intrinsic("x panel", "x_at ahead panel_at lanes", _emit_move)


@njit(**SERIAL)
def _multiply(plan, panels, a, a_at, x, x_at, init, zeros, init_at, c, c_at, c_stride, panel):
    """Write one block of one group's output."""
    depth = plan.taps.size
    for first in range(0, depth, panels.depth):
        count = min(panels.depth, depth - first)
        for begin in range(0, panels.firsts.size - 1, panels.together):
            end = min(begin + panels.together, panels.firsts.size - 1)
            # Tap by tap: pieces lie side by side in the image, taps on pages of their own.
            for t in range(count):
                at, ahead = x_at + plan.taps[first + t], x_at + plan.taps[min(first + t + _AHEAD, depth - 1)]
                for piece in range(panels.firsts[begin], panels.firsts[end]):
                    source, target = panels.sources[piece], panels.targets[piece] + t * panels.width
                    _move((x, panel), (at + source, ahead + source, target, panels.lanes[piece]))
            counts = panels.counts[begin * TILE_VECTORS : end * TILE_VECTORS]
            sweep(
                a, a_at + first, depth, plan.rows, panel, 0, panels.rows, count,
                panels.vectors[: counts.size], panels.places[: counts.size], counts, c, c_at + begin * panels.width,
                c_stride, init if first == 0 else zeros, init_at, int(first > 0),
            )  # fmt: skip


@njit(**SERIAL)
def packed(plan, panels, x, weights, init, zeros, out, padded, panel, sums):
    """Write the correlation of `x` with `weights` (rows by taps), begun from `init`, into `out`.

    `padded` is a buffer for the copies of one block's images, `panel` for one panel, and `sums` for the output of a
    block of several images.
    """
    a, c, source = flat(weights), flat(out), flat(x)
    depth, area = plan.taps.size, out.shape[2] * out.shape[3]
    one = plan.channels * plan.height * plan.width * plan.row_phases.size * plan.column_phases.size
    height, wide = (out.shape[2], out.shape[3]) if panels.copied else (area, 1)
    for begin in range(0, x.shape[0], panels.images):
        # The last block of images, and of rows, begins early enough to be a whole one.
        image = min(begin, x.shape[0] - panels.images)
        for group in range(plan.groups):
            channel = group * plan.rows
            at = (image * out.shape[1] + channel) * area
            for begin_row in range(0, height, plan.band):
                row = min(begin_row, height - plan.band)
                if panels.images == 1:
                    target, room, stride = c, at + row * wide, area
                else:
                    target, room, stride = sums, 0, panels.pixels
                if panels.copied:
                    for n in range(panels.images):
                        split(plan, x, image + n, group * plan.channels, row, padded[n * one : (n + 1) * one])
                    _multiply(
                        plan, panels, a, channel * depth, padded, 0, init, zeros, channel, target, room, stride, panel
                    )
                else:
                    place = (image * x.shape[1] + group * plan.channels) * area + row
                    _multiply(
                        plan, panels, a, channel * depth, source, place, init, zeros, channel, target, room, stride,
                        panel,
                    )  # fmt: skip
            if panels.images > 1:
                for n in range(panels.images):
                    for k in range(np.uint64(plan.rows)):
                        begin_sum = k * np.uint64(panels.pixels) + np.uint64(n * area)
                        begin_out = np.uint64(at + n * out.shape[1] * area) + k * np.uint64(area)
                        for j in range(np.uint64(area)):
                            c[begin_out + j] = sums[begin_sum + j]
