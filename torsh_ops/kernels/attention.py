"""Attention of one head at a time: its scores stay in the cache, and no operand is permuted in memory."""

from typing import NamedTuple

import numpy as np
from numba import njit

from torsh_ops.kernels.conv_tile import sweep
from torsh_ops.kernels.rows import softmax
from torsh_ops.kernels.vector import SERIAL, flat

BLOCK = 64  # queries at a time: with 1024 keys their float32 scores are 256 KiB, within the L2 cache


class Tables(NamedTuple):
    """The vectors of one product for `sweep`: taps, where vectors begin in the operand and result, and their lanes."""

    taps: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    lanes: np.ndarray


@njit(**SERIAL)
def _turn(key, batch, head, scale, out):
    """Copy one head's keys (length, width), scaled, as (width, length)."""
    scale, length = key.dtype.type(scale), np.uint64(key.shape[2])
    for j in range(length):
        for d in range(np.uint64(key.shape[3])):
            out[d * length + j] = key[batch, head, j, d] * scale


@njit(**SERIAL)
def _copy(value, batch, head, out):
    """Copy one head's values (length, width)."""
    width = np.uint64(value.shape[3])
    for j in range(np.uint64(value.shape[2])):
        for d in range(width):
            out[j * width + d] = value[batch, head, j, d]


@njit(**SERIAL)
def attention(query, key, value, scale, to_scores, to_result, turned, values, scores, weights, zeros, out):
    """``softmax(query @ key.T * scale) @ value``; operands are (batch, heads, length, width), each row contiguous.

    `out` is (batch, length, heads, width). `turned` and `values` are flat buffers for one head's keys and values, with
    a vector to spare; `scores` and `weights` are (BLOCK, keys), and `zeros` has BLOCK elements.
    """
    length, keys, width = query.shape[2], key.shape[2], value.shape[3]
    row_scores, row_weights, result, item = flat(scores), flat(weights), flat(out), query.itemsize
    stride = query.strides[2] // item
    for batch in range(query.shape[0]):
        for head in range(query.shape[1]):
            _turn(key, batch, head, scale, turned)
            _copy(value, batch, head, values)
            start = (batch * query.strides[0] + head * query.strides[1]) // item
            for row in range(0, length, BLOCK):
                rows = min(BLOCK, length - row)
                sweep(
                    query, start + row * stride, stride, rows, turned, 0, to_scores.taps, query.shape[3],
                    to_scores.sources, to_scores.targets, to_scores.lanes, row_scores, 0, keys, zeros, 0, 0,
                )  # fmt: skip
                # Not in place: LLVM makes vectors only where the two do not overlap (4x).
                softmax(scores[:rows], weights[:rows])
                at = ((batch * length + row) * query.shape[1] + head) * width
                sweep(
                    row_weights, 0, keys, rows, values, 0, to_result.taps, keys, to_result.sources, to_result.targets,
                    to_result.lanes, result, at, query.shape[1] * width, zeros, 0, 0,
                )  # fmt: skip
