"""Normalisation by channel: over the batch (batch norm), or over groups of channels of one sample (group norm).

float32 rows are summed in vector lanes, totals in float64.
"""

import numpy as np
from numba import njit

from torsh_ops.kernels import math as m
from torsh_ops.kernels.reduce import row_squares, row_sum
from torsh_ops.kernels.vector import REORDER, SERIAL, flat, span


@njit(forceinline=True, **SERIAL)
def _affine(a, y, centre, scale, shift):
    a, y = flat(a), flat(y)
    for i in range(y.size):
        y[i] = (a[i] - centre) * scale + shift


@njit(forceinline=True, **REORDER)
def _products(d, a, centre):
    """Sums of `d` and of `d * (a - centre)`."""
    d, a = flat(d), flat(a)
    total, dot = d.dtype.type(0), d.dtype.type(0)
    for i in range(d.size):
        total += d[i]
        dot += d[i] * (a[i] - centre)
    return np.float64(total), np.float64(dot)


@njit(forceinline=True, **SERIAL)
def _combine(d, a, o, factor, centre, slope, level):
    """`factor * d - (a - centre) * slope - level`."""
    d, a, o = flat(d), flat(a), flat(o)
    for i in range(o.size):
        o[i] = d[i] * factor - (a[i] - centre) * slope - level


@njit(**SERIAL)
def statistics(x, mean, variance):
    """Mean and biased variance of each channel of (n, c, places), in two passes."""
    samples, channels, places = x.shape
    count = samples * places
    for c in range(channels):
        total = 0.0
        for n in range(samples):
            total += row_sum(span(x, (n * channels + c) * places, places))
        mean[c] = total / count
        total = 0.0
        for n in range(samples):
            total += row_squares(span(x, (n * channels + c) * places, places), mean[c])
        variance[c] = total / count


@njit(**SERIAL)
def batch_norm(x, weight, bias, mean, variance, eps, rstd, out):
    """`(x - mean) / sqrt(variance + eps) * weight + bias` by channel; `rstd` gets 1 / sqrt(...)."""
    samples, channels, places = x.shape
    one = out.dtype.type(1)
    for c in range(channels):
        rstd[c] = one / m.root(out.dtype.type(variance[c] + eps))
    for n in range(samples):
        for c in range(channels):
            at = (n * channels + c) * places
            _affine(span(x, at, places), span(out, at, places), mean[c], rstd[c] * weight[c], bias[c])


@njit(**SERIAL)
def batch_norm_sums(g, x, mean, rstd, for_weight, for_bias):
    """Gradients of batch norm with regard to weight and bias."""
    samples, channels, places = x.shape
    for c in range(channels):
        plain, product = 0.0, 0.0
        for n in range(samples):
            at = (n * channels + c) * places
            total, dot = _products(span(g, at, places), span(x, at, places), mean[c])
            plain += total
            product += dot
        for_bias[c], for_weight[c] = plain, product * rstd[c]


@njit(**SERIAL)
def batch_norm_grad(g, x, weight, mean, rstd, for_weight, for_bias, out):
    """Gradient of batch norm with regard to `x`, from those with regard to weight and bias."""
    samples, channels, places = x.shape
    share = out.dtype.type(1 / (samples * places))
    for n in range(samples):
        for c in range(channels):
            at = (n * channels + c) * places
            factor = rstd[c] * weight[c]
            slope, level = factor * for_weight[c] * rstd[c] * share, factor * for_bias[c] * share
            _combine(span(g, at, places), span(x, at, places), span(out, at, places), factor, mean[c], slope, level)


@njit(**SERIAL)
def group_norm(x, weight, bias, eps, out, kept):
    """Normalise each row of (rows, channels of a group, places); `kept` (rows, 2) gets mean and 1 / deviation.

    Row r holds channels from r * (channels of a group) on, modulo the number of weights.
    """
    rows, channels, places = x.shape
    size, one = channels * places, out.dtype.type(1)
    for r in range(rows):
        a = span(x, r * size, size)
        centre = out.dtype.type(row_sum(a) / size)
        scale = one / m.root(out.dtype.type(row_squares(a, centre) / size + eps))
        kept[r, 0], kept[r, 1] = centre, scale
        first = r * channels % weight.size
        for c in range(channels):
            at = r * size + c * places
            _affine(span(x, at, places), span(out, at, places), centre, scale * weight[first + c], bias[first + c])


@njit(**SERIAL)
def group_norm_grad(g, x, weight, kept, out, for_weight, for_bias):
    """All gradients of group norm; those of weight and bias are added to the zeroed float64 arrays."""
    rows, channels, places = x.shape
    size = channels * places
    for r in range(rows):
        centre, scale = kept[r, 0], kept[r, 1]
        first = r * channels % weight.size
        total, dot = 0.0, 0.0
        for c in range(channels):
            at = r * size + c * places
            plain, product = _products(span(g, at, places), span(x, at, places), centre)
            for_bias[first + c] += plain
            for_weight[first + c] += product * scale
            total += plain * weight[first + c]
            dot += product * weight[first + c]
        level = out.dtype.type(total * scale / size)
        slope = out.dtype.type(dot * scale * scale * scale / size)
        for c in range(channels):
            at = r * size + c * places
            factor = scale * weight[first + c]
            _combine(span(g, at, places), span(x, at, places), span(out, at, places), factor, centre, slope, level)
