"""Sorting by keys: an int64 made of a number's rank among its kind and its place in the row.

Sorting the keys sorts the numbers and says where they were, and of equals the first stays first. NaN ranks above all
numbers and -0 with 0, as PyTorch sorts them. Arrays are flat and contiguous, of float32 or int32.
"""

import numpy as np
from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels.vector import FORCED, SERIAL, bits_of_f32, span

_BLOCK = 64
_PLACE = (1 << 32) - 1


def rank(x):
    """An int32 in the order of `x`."""
    raise NotImplementedError


@njit(**FORCED)
def _rank_f32(x):
    bits = bits_of_f32(x + np.float32(0))  # -0 becomes 0
    ordered = np.int32(bits ^ np.int32(np.int32(bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))
    return ordered if x == x else np.int32(0x7FFFFFFF)


@overload(rank, jit_options=FORCED)
def _rank(x):
    if x == types.float32:
        return lambda x: _rank_f32(x)
    return lambda x: np.int32(x)


@njit(**SERIAL)
def pack(x, n, flip, keys):
    """Write the key of each element of rows of `n`; those of greater numbers are less when `flip`."""
    mask = np.int32(-1 if flip else 0)
    for start in range(0, x.size, n):
        row, into = span(x, start, n), span(keys, start, n)
        for i in range(n):
            into[i] = (np.int64(np.int32(rank(row[i]) ^ mask)) << 32) | i


@njit(**SERIAL)
def unpack(keys, width, x, n, first, k, values, indices):
    """Write what `k` keys from `first` on of each row of `width` stand for: elements of the row of `n`, and places."""
    for r in range(x.size // n):
        row, key = span(x, r * n, n), span(keys, r * width + first, k)
        into, at = span(values, r * k, k), span(indices, r * k, k)
        for i in range(k):
            place = key[i] & _PLACE
            at[i] = place
            into[i] = row[place]


@njit(**SERIAL)
def smallest(x, n, k, flip, best, values, indices):
    """Write the elements of the `k` smallest keys of each row of `n` in order, and their places; `best` has room for k.

    A block whose smallest rank is no less than the last of them holds none and is left after one vector comparison.
    """
    mask = np.int32(-1 if flip else 0)
    for r in range(x.size // n):
        row = span(x, r * n, n)
        for i in range(k):
            best[i] = np.int64(0x7FFFFFFFFFFFFFFF)
        for first in range(0, n, _BLOCK):
            block = span(row, first, min(_BLOCK, n - first))
            low = np.int32(0x7FFFFFFF)
            for i in range(block.size):
                other = np.int32(rank(block[i]) ^ mask)
                low = other if other < low else low
            if np.int64(low) <= best[k - 1] >> 32:
                for i in range(block.size):
                    key = (np.int64(np.int32(rank(block[i]) ^ mask)) << 32) | (first + i)
                    if key < best[k - 1]:
                        place = k - 1
                        while place > 0 and best[place - 1] > key:
                            best[place] = best[place - 1]
                            place -= 1
                        best[place] = key
        unpack(best, k, row, n, 0, k, span(values, r * k, k), span(indices, r * k, k))
