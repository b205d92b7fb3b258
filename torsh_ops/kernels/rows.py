"""Functions of whole rows: softmax, layer norm and their gradients. Arrays are (rows, n), C-contiguous.

Each row is read from memory once and stays in cache for its other passes. Only the sums may be reordered: with that
freedom LLVM turns `(x - max) - log(total)` into `x - (max + log(total))`, which loses the digits of the logarithm.
A function that is inlined is vectorised before that: each sees its arrays through `flat`, for the wide vectors.
"""

from numba import njit

from torsh_ops.kernels import math as m
from torsh_ops.kernels.reduce import row_max, row_squares, row_sum
from torsh_ops.kernels.vector import REORDER, SERIAL, flat, span


@njit(forceinline=True, **REORDER)
def _exp_total(a, best, y):
    """Write `exp(a - best)` to `y`; return the sum."""
    a, y = flat(a), flat(y)
    total = y.dtype.type(0)
    for i in range(y.size):
        e = m.exp(a[i] - best)
        y[i] = e
        total += e
    return total


@njit(forceinline=True, **REORDER)
def _log_total(a, best):
    """The logarithm of the sum of `exp(a - best)`."""
    a = flat(a)
    total = a.dtype.type(0)
    for i in range(a.size):
        total += m.exp(a[i] - best)
    return m.log(total)


@njit(forceinline=True, **REORDER)
def _dot(a, b):
    """Sum of `a * b`."""
    a, b = flat(a), flat(b)
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@njit(forceinline=True, **REORDER)
def _weighted(d, weight, a, centre):
    """Sums of `d * weight` and of `d * weight * (a - centre)`."""
    d, a = flat(d), flat(a)
    total, dot = d.dtype.type(0), d.dtype.type(0)
    for i in range(d.size):
        dw = d[i] * weight[i]
        total += dw
        dot += dw * (a[i] - centre)
    return total, dot


@njit(**SERIAL)
def softmax(x, out):
    """`exp(x - max) / sum(exp(x - max))` of each row."""
    rows, n = x.shape
    for r in range(rows):
        a, y = span(x, r * n, n), span(out, r * n, n)
        scale = y.dtype.type(1) / _exp_total(a, row_max(a), y)
        for i in range(n):
            y[i] *= scale


@njit(**SERIAL)
def log_softmax(x, out):
    """`x - max - log(sum(exp(x - max)))` of each row."""
    rows, n = x.shape
    for r in range(rows):
        a, y = span(x, r * n, n), span(out, r * n, n)
        best = row_max(a)
        shift = _log_total(a, best)
        for i in range(n):
            y[i] = (a[i] - best) - shift


@njit(**SERIAL)
def softmax_grad(g, y, out):
    """`y (g - sum(g y))` of each row, `y` the result of softmax."""
    rows, n = g.shape
    for r in range(rows):
        d, p, o = span(g, r * n, n), span(y, r * n, n), span(out, r * n, n)
        dot = _dot(d, p)
        for i in range(n):
            o[i] = p[i] * (d[i] - dot)


@njit(**SERIAL)
def log_softmax_grad(g, y, out):
    """`g - exp(y) sum(g)` of each row, `y` the result of log_softmax."""
    rows, n = g.shape
    for r in range(rows):
        d, p, o = span(g, r * n, n), span(y, r * n, n), span(out, r * n, n)
        total = o.dtype.type(row_sum(d))
        for i in range(n):
            o[i] = d[i] - m.exp(p[i]) * total


@njit(**SERIAL)
def layer_norm(x, weight, bias, eps, out, mean, rstd):
    """`(x - mean) / sqrt(var + eps) * weight + bias` of each row; the row's mean and 1 / sqrt(...) are kept."""
    rows, n = x.shape
    for r in range(rows):
        a, y = span(x, r * n, n), span(out, r * n, n)
        centre = y.dtype.type(row_sum(a) / n)
        scale = y.dtype.type(1) / m.root(y.dtype.type(row_squares(a, centre) / n + eps))
        mean[r], rstd[r] = centre, scale
        for i in range(n):
            y[i] = (a[i] - centre) * scale * weight[i] + bias[i]


@njit(**SERIAL)
def layer_norm_grad(g, x, weight, mean, rstd, out):
    """Gradient of layer_norm with regard to `x`."""
    rows, n = g.shape
    for r in range(rows):
        d, a, o = span(g, r * n, n), span(x, r * n, n), span(out, r * n, n)
        centre, scale = mean[r], rstd[r]
        total, dot = _weighted(d, weight, a, centre)
        shift = o.dtype.type(total / n)
        slope = o.dtype.type(dot * scale * scale / n)
        for i in range(n):
            o[i] = scale * (d[i] * weight[i] - shift - (a[i] - centre) * slope)


@njit(**SERIAL)
def layer_norm_weight_grad(g, x, mean, rstd, out):
    """Gradient of layer_norm with regard to weight, added to the zeroed `out`: a sum over the rows."""
    rows, n = g.shape
    out = span(out, 0, n)
    for r in range(rows):
        d, a = span(g, r * n, n), span(x, r * n, n)
        centre, scale = mean[r], rstd[r]
        for i in range(n):
            out[i] += d[i] * (a[i] - centre) * scale
