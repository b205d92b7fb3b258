"""Functions of whole rows: softmax, layer and RMS norm, and their gradients. Arrays are (rows, n), C-contiguous.

Each row is read from memory once and stays in cache for its other passes. Only the sums may be reordered: with that
freedom LLVM turns `(x - max) - log(total)` into `x - (max + log(total))`, which loses the digits of the logarithm.
A function that is inlined is vectorised before that: each sees its arrays through `flat`, for the wide vectors.
"""

import math

import numpy as np
from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels import math as m
from torsh_ops.kernels.reduce import row_max, row_squares, row_sum
from torsh_ops.kernels.vector import FORCED, REORDER, SERIAL, bits_of_f32, f4, f32_of_bits, flat, fma, span

_i4 = np.int32
# Adding 1.5 * 2**23 to a small float32 rounds it to an integer and leaves that integer in the low mantissa bits.
_ROUND = f4(12582912.0)
_LEAST = f4(-86.5)


@njit(**FORCED)
def _exp_below_f32(x):
    t = fma(_LEAST if _LEAST > x else x, f4(1.44269504), _ROUND)
    n = t - _ROUND
    # ln 2 in two parts; the argument of one below the least is of no account.
    r = fma(n, f4(2.12194440e-4), fma(n, f4(-0.693359375), x))
    q = fma(f4(0.0013814467), r, f4(0.008368781))
    q = fma(q, r, f4(0.041668393))
    q = fma(q, r, f4(0.1666652))
    q = fma(q, r, f4(0.49999994))
    p = fma(q, r * r, r) + f4(1.0)
    # Added to the exponent: the scale needs no multiplication.
    scaled = f32_of_bits(_i4(bits_of_f32(p) + _i4(bits_of_f32(t) << _i4(23))))
    return f4(0.0) if x < _LEAST else scaled


def exp_below(x):
    """The exp of a number that is not positive, in two thirds of exp's instructions: float32 gives 0 below 2.7e-38.

    NaN and infinity come out as anything; what calls this must look after them.
    """
    raise NotImplementedError


@overload(exp_below, jit_options=FORCED)
def _exp_below_form(x):
    if x == types.float32:
        return lambda x: _exp_below_f32(x)
    return lambda x: math.exp(x)


@njit(forceinline=True, **REORDER)
def _exp_total(a, best, y):
    """Write `exp(a - best)` to `y`; return the sum, NaN where `best` is not finite."""
    a, y = flat(a), flat(y)
    total = y.dtype.type(0)
    for i in range(y.size):
        e = exp_below(a[i] - best)
        y[i] = e
        total += e
    return total + (best - best)


@njit(forceinline=True, **REORDER)
def _log_total(a, best):
    """The logarithm of the sum of `exp(a - best)`, NaN where `best` is not finite."""
    a = flat(a)
    total = a.dtype.type(0)
    for i in range(a.size):
        total += exp_below(a[i] - best)
    return m.log(total) + (best - best)


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
    d, weight, a = flat(d), flat(weight), flat(a)
    total, dot = d.dtype.type(0), d.dtype.type(0)
    for i in range(d.size):
        dw = d[i] * weight[i]
        total += dw
        dot += dw * (a[i] - centre)
    return total, dot


@njit(**SERIAL)
def softmax(x, out):
    """`exp(x - max) / sum(exp(x - max))` of each row; float32 gives 0 where a numerator is below 2.7e-38."""
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
def layer_norm(x, weight, bias, eps, out, kept):
    """`(x - mean) / sqrt(var + eps) * weight + bias` of each row; `kept` (rows, 2) gets mean and 1 / sqrt(...)."""
    rows, n = x.shape
    w, b = flat(weight), flat(bias)
    for r in range(rows):
        a, y = span(x, r * n, n), span(out, r * n, n)
        centre = y.dtype.type(row_sum(a) / n)
        scale = y.dtype.type(1) / m.root(y.dtype.type(row_squares(a, centre) / n + eps))
        kept[r, 0], kept[r, 1] = centre, scale
        for i in range(n):
            y[i] = (a[i] - centre) * scale * w[i] + b[i]


@njit(**SERIAL)
def layer_norm_grad(g, x, weight, kept, out):
    """Gradient of layer_norm with regard to `x`."""
    rows, n = g.shape
    w = flat(weight)
    for r in range(rows):
        d, a, o = span(g, r * n, n), span(x, r * n, n), span(out, r * n, n)
        centre, scale = kept[r, 0], kept[r, 1]
        total, dot = _weighted(d, w, a, centre)
        shift = o.dtype.type(total / n)
        slope = o.dtype.type(dot * scale * scale / n)
        for i in range(n):
            o[i] = scale * (d[i] * w[i] - shift - (a[i] - centre) * slope)


@njit(**SERIAL)
def layer_norm_weight_grad(g, x, kept, out):
    """Gradient of layer_norm with regard to weight, added to the zeroed `out`: a sum over the rows."""
    rows, n = g.shape
    out = span(out, 0, n)
    for r in range(rows):
        d, a = span(g, r * n, n), span(x, r * n, n)
        centre, scale = kept[r, 0], kept[r, 1]
        for i in range(n):
            out[i] += d[i] * (a[i] - centre) * scale


@njit(**SERIAL)
def layer_norm_grads(g, x, weight, kept, out, for_weight, for_bias):
    """Gradients of layer_norm with regard to `x`, weight and bias."""
    rows, n = g.shape
    w, dw, db = flat(weight), span(for_weight, 0, n), span(for_bias, 0, n)
    for i in range(n):
        dw[i] = db[i] = 0
    for r in range(rows):
        d, a, o = span(g, r * n, n), span(x, r * n, n), span(out, r * n, n)
        centre, scale = kept[r, 0], kept[r, 1]
        total, dot = _weighted(d, w, a, centre)
        shift = o.dtype.type(total / n)
        slope = o.dtype.type(dot * scale * scale / n)
        for i in range(n):
            apart = a[i] - centre
            o[i] = scale * (d[i] * w[i] - shift - apart * slope)
            dw[i] += d[i] * apart * scale
            db[i] += d[i]


@njit(**SERIAL)
def rms_norm(x, weight, eps, out, kept):
    """`x / sqrt(mean(x^2) + eps) * weight` of each row; `kept` as of layer_norm, with a mean of 0."""
    rows, n = x.shape
    w = flat(weight)
    zero = x.dtype.type(0)
    for r in range(rows):
        a, y = span(x, r * n, n), span(out, r * n, n)
        scale = y.dtype.type(1) / m.root(y.dtype.type(row_squares(a, zero) / n + eps))
        kept[r, 0], kept[r, 1] = zero, scale
        for i in range(n):
            y[i] = a[i] * scale * w[i]


@njit(**SERIAL)
def rms_norm_grad(g, x, weight, kept, out):
    """Gradient of rms_norm with regard to `x`."""
    rows, n = g.shape
    w = flat(weight)
    for r in range(rows):
        d, a, o = span(g, r * n, n), span(x, r * n, n), span(out, r * n, n)
        scale = kept[r, 1]
        slope = o.dtype.type(_weighted(d, w, a, o.dtype.type(0))[1] * scale * scale / n)
        for i in range(n):
            o[i] = scale * (d[i] * w[i] - a[i] * slope)
