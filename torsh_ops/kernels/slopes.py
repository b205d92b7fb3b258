"""Gradients of element-wise functions: `out[i] = g[i] f'(x[i])`, some from the result `y` instead of `x`.

`g` may be a number, as the gradient of a full sum is; see `torsh_ops.kernels.binary`.
"""

from numba import njit

from torsh_ops.kernels import math as m
from torsh_ops.kernels.binary import at, part, period
from torsh_ops.kernels.vector import SERIAL, span


@njit(**SERIAL)
def square_grad(g, x, out):
    """`2 g x`."""
    n, two = period(g, x), out.dtype.type(2)
    for start in range(0, out.size, n):
        d, a, o = part(g, x, start, n), part(x, g, start, n), span(out, start, n)
        for i in range(n):
            o[i] = two * at(d, i) * at(a, i)


@njit(**SERIAL)
def relu_grad(g, y, out):
    """`g` where the result `y` of relu is positive, else 0."""
    n, zero = period(g, y), out.dtype.type(0)
    for start in range(0, out.size, n):
        d, a, o = part(g, y, start, n), part(y, g, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(d, i) if at(a, i) > zero else zero


@njit(**SERIAL)
def tanh_grad(g, y, out):
    """`g (1 - y^2)`, `y` the result of tanh."""
    n, one = period(g, y), out.dtype.type(1)
    for start in range(0, out.size, n):
        d, a, o = part(g, y, start, n), part(y, g, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(d, i) * (one - at(a, i) * at(a, i))


@njit(**SERIAL)
def sigmoid_grad(g, y, out):
    """`g y (1 - y)`, `y` the result of sigmoid."""
    n, one = period(g, y), out.dtype.type(1)
    for start in range(0, out.size, n):
        d, a, o = part(g, y, start, n), part(y, g, start, n), span(out, start, n)
        for i in range(n):
            o[i] = at(d, i) * at(a, i) * (one - at(a, i))


@njit(**SERIAL)
def silu_grad(g, x, out):
    """`g s (1 + x (1 - s))`, `s = sigmoid(x)`."""
    n, one = period(g, x), out.dtype.type(1)
    for start in range(0, out.size, n):
        d, a, o = part(g, x, start, n), part(x, g, start, n), span(out, start, n)
        for i in range(n):
            s = m.sigmoid(at(a, i))
            o[i] = at(d, i) * s * (one + at(a, i) * (one - s))


@njit(**SERIAL)
def gelu_grad(g, x, out):
    """`g (cdf(x) + x pdf(x))` of the standard normal distribution."""
    n, half, one, scale = period(g, x), out.dtype.type(0.5), out.dtype.type(1), out.dtype.type(0.7071067811865476)
    density = out.dtype.type(0.3989422804014327)
    for start in range(0, out.size, n):
        d, a, o = part(g, x, start, n), part(x, g, start, n), span(out, start, n)
        for i in range(n):
            v = at(a, i)
            cdf = half * (one + m.erf(v * scale))
            o[i] = at(d, i) * (cdf + v * density * m.exp(-half * v * v))
