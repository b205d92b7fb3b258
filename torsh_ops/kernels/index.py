"""Checks of indices."""

from numba import njit

from torsh_ops.kernels.vector import SERIAL, flat


@njit(**SERIAL)
def first_outside(index, size):
    """Position of the first element of the flat `index` that is not in [0, size); -1 when all are."""
    index = flat(index)
    outside = 0
    for i in range(index.size):
        outside += (index[i] < 0) | (index[i] >= size)
    if outside:
        for i in range(index.size):
            if index[i] < 0 or index[i] >= size:
                return i
    return -1
