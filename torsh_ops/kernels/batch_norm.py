"""Batch normalisation: sums over the images of each channel. Arrays are (n, c, places)."""

import numpy as np
from numba import njit

from torsh_ops.kernels.vector import REORDER, SERIAL


@njit(**REORDER)
def statistics(x, mean, variance):
    """Mean and biased variance of each channel, in two passes; rows are summed in their dtype, totals in float64."""
    count = x.shape[0] * x.shape[2]
    for c in range(x.shape[1]):
        total = 0.0
        for n in range(x.shape[0]):
            row = x.dtype.type(0)
            for i in range(x.shape[2]):
                row += x[n, c, i]
            total += row
        mean[c] = total / count
        middle, total = mean[c], 0.0
        for n in range(x.shape[0]):
            row = x.dtype.type(0)
            for i in range(x.shape[2]):
                row += (x[n, c, i] - middle) * (x[n, c, i] - middle)
            total += row
        variance[c] = total / count


@njit(**SERIAL)
def scale_and_shift(x, scale, shift, out):
    """``x * scale + shift`` by channel."""
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            factor, term = scale[c], shift[c]
            for i in range(x.shape[2]):
                out[n, c, i] = x[n, c, i] * factor + term


@njit(**REORDER)
def products(g, x, mean, rstd, g_sum, gx_sum):
    """Sums over each channel of the gradient, and of the gradient times the normalised input."""
    for c in range(x.shape[1]):
        middle, plain, product = mean[c], 0.0, 0.0
        for n in range(x.shape[0]):
            row, row_product = x.dtype.type(0), x.dtype.type(0)
            for i in range(x.shape[2]):
                row += g[n, c, i]
                row_product += g[n, c, i] * (x[n, c, i] - middle)
            plain += row
            product += row_product
        g_sum[c] = plain
        gx_sum[c] = product * np.float64(rstd[c])


@njit(**SERIAL)
def input_gradient(g, x, mean, rstd, scale, g_mean, gx_mean, out):
    """``scale * (g - g_mean - normalised x * gx_mean)`` by channel."""
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            factor, slope = scale[c], rstd[c] * gx_mean[c]
            middle, level = mean[c], g_mean[c]
            for i in range(x.shape[2]):
                out[n, c, i] = factor * (g[n, c, i] - level - (x[n, c, i] - middle) * slope)
