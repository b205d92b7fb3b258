"""Softmax and its kin along a dimension that is not the last: arrays are (outer, n, inner), C-contiguous.

A chunk of neighbours along `inner` is one vector of maxima and one of sums, so nothing is transposed; `best` and
`total` are buffers of CHUNK elements for them.
"""

import math

from numba import njit

from torsh_ops.kernels import math as m
from torsh_ops.kernels.rows import exp_below
from torsh_ops.kernels.vector import FORCED, SERIAL, flat, maximum, span

CHUNK = 512  # 2 KiB each of float32: the buffers stay in L1


@njit(**FORCED)
def _fill(b, value):
    b = flat(b)
    for i in range(b.size):
        b[i] = value


@njit(**FORCED)
def _raise_to(b, a):
    a, b = flat(a), flat(b)
    for i in range(b.size):
        b[i] = maximum(b[i], a[i])


@njit(**FORCED)
def _add_exp(a, b, t):
    a, b, t = flat(a), flat(b), flat(t)
    for i in range(t.size):
        t[i] += exp_below(a[i] - b[i])


@njit(**FORCED)
def _keep_exp(a, b, t, y):
    a, b, t, y = flat(a), flat(b), flat(t), flat(y)
    for i in range(t.size):
        e = exp_below(a[i] - b[i])
        y[i] = e
        t[i] += e


@njit(**FORCED)
def _add_product(t, a, b):
    t, a, b = flat(t), flat(a), flat(b)
    for i in range(t.size):
        t[i] += a[i] * b[i]


@njit(**FORCED)
def _add(t, a):
    t, a = flat(t), flat(a)
    for i in range(t.size):
        t[i] += a[i]


@njit(**FORCED)
def _maxima(x, start, inner, n, b, t):
    """The maximum of each column; sums start at 0, or at NaN where the maximum is not finite."""
    _fill(b, b.dtype.type(-math.inf))
    for k in range(n):
        _raise_to(b, span(x, start + k * inner, b.size))
    for i in range(t.size):
        t[i] = b[i] - b[i]


@njit(**SERIAL)
def softmax(x, best, total, out):
    """Softmax of each column of (outer, n, inner)."""
    outer, n, inner = x.shape
    one = out.dtype.type(1)
    for o in range(outer):
        for first in range(0, inner, CHUNK):
            size, start = min(CHUNK, inner - first), o * n * inner + first
            b, t = span(best, 0, size), span(total, 0, size)
            _maxima(x, start, inner, n, b, t)
            for k in range(n):
                _keep_exp(span(x, start + k * inner, size), b, t, span(out, start + k * inner, size))
            for i in range(size):
                t[i] = one / t[i]
            for k in range(n):
                y = span(out, start + k * inner, size)
                for i in range(size):
                    y[i] *= t[i]


@njit(**SERIAL)
def log_softmax(x, best, total, out):
    """Log-softmax of each column of (outer, n, inner)."""
    outer, n, inner = x.shape
    for o in range(outer):
        for first in range(0, inner, CHUNK):
            size, start = min(CHUNK, inner - first), o * n * inner + first
            b, t = span(best, 0, size), span(total, 0, size)
            _maxima(x, start, inner, n, b, t)
            for k in range(n):
                _add_exp(span(x, start + k * inner, size), b, t)
            for i in range(size):
                t[i] = m.log(t[i])
            for k in range(n):
                a, y = span(x, start + k * inner, size), span(out, start + k * inner, size)
                for i in range(size):
                    y[i] = (a[i] - b[i]) - t[i]


@njit(**SERIAL)
def softmax_grad(g, y, total, out):
    """`y (g - sum(g y))` of each column."""
    outer, n, inner = g.shape
    for o in range(outer):
        for first in range(0, inner, CHUNK):
            size, start = min(CHUNK, inner - first), o * n * inner + first
            t = span(total, 0, size)
            _fill(t, t.dtype.type(0))
            for k in range(n):
                _add_product(t, span(g, start + k * inner, size), span(y, start + k * inner, size))
            for k in range(n):
                d, p = span(g, start + k * inner, size), span(y, start + k * inner, size)
                z = span(out, start + k * inner, size)
                for i in range(size):
                    z[i] = p[i] * (d[i] - t[i])


@njit(**SERIAL)
def log_softmax_grad(g, y, total, out):
    """`g - exp(y) sum(g)` of each column."""
    outer, n, inner = g.shape
    for o in range(outer):
        for first in range(0, inner, CHUNK):
            size, start = min(CHUNK, inner - first), o * n * inner + first
            t = span(total, 0, size)
            _fill(t, t.dtype.type(0))
            for k in range(n):
                _add(t, span(g, start + k * inner, size))
            for k in range(n):
                d, p = span(g, start + k * inner, size), span(y, start + k * inner, size)
                z = span(out, start + k * inner, size)
                for i in range(size):
                    z[i] = d[i] - m.exp(p[i]) * t[i]
