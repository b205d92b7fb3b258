"""Activations and their gradients in one pass: ``out[i] = f(x[i])``, ``out[i] = g[i] * f'(x[i])``.

Arrays are C-contiguous, of any number of dimensions and of one size; numbers come as float64. A NaN comes out as one.
"""

import math

from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels import math as m
from torsh_ops.kernels.vector import FORCED, SERIAL, f4, fabs, flat, fma, maximum, minimum


@njit(**FORCED)
def _log1p_f32(x):
    """log(1 + x) of x in [0, 1]: a minimax polynomial, 4.7e-9 before rounding."""
    p = fma(f4(-0.0032440247), x, f4(0.019851463))
    p = fma(p, x, f4(-0.05695954))
    p = fma(p, x, f4(0.10603656))
    p = fma(p, x, f4(-0.15305594))
    p = fma(p, x, f4(0.1967594))
    p = fma(p, x, f4(-0.24954134))
    p = fma(p, x, f4(0.33329964))
    p = fma(p, x, f4(-0.499999))
    return fma(p * x, x, x)


def _log1p_unit(x):
    """log(1 + x) of x in [0, 1]."""
    raise NotImplementedError


@overload(_log1p_unit, jit_options=FORCED)
def _log1p_form(x):
    if x == types.float32:
        return lambda x: _log1p_f32(x)
    return lambda x: math.log1p(x)


@njit(**FORCED)
def _softplus(x, zero):
    """log(1 + exp(x)) without overflow."""
    return maximum(x, zero) + _log1p_unit(m.exp(-fabs(x)))


@njit(**SERIAL)
def leaky_relu(x, slope, out):
    """`x` where positive, else `slope * x`."""
    x, out = flat(x), flat(out)
    zero, slope = out.dtype.type(0), out.dtype.type(slope)
    for i in range(out.size):
        out[i] = x[i] if x[i] > zero else x[i] * slope


@njit(**SERIAL)
def leaky_relu_grad(g, x, slope, out):
    """`g` where `x` is positive, else `slope * g`."""
    g, x, out = flat(g), flat(x), flat(out)
    zero, slope = out.dtype.type(0), out.dtype.type(slope)
    for i in range(out.size):
        out[i] = g[i] if x[i] > zero else g[i] * slope


@njit(**SERIAL)
def elu(x, positive, negative, inner, out):
    """`positive * x` where positive, else `negative * (exp(inner * x) - 1)`: elu, selu and celu."""
    x, out = flat(x), flat(out)
    zero, inner = out.dtype.type(0), out.dtype.type(inner)
    positive, negative = out.dtype.type(positive), out.dtype.type(negative)
    for i in range(out.size):
        low = negative * m.expm1(minimum(x[i], zero) * inner)
        out[i] = x[i] * positive if x[i] > zero else low


@njit(**SERIAL)
def elu_grad(g, x, positive, negative, inner, out):
    """`positive * g` where `x` is positive, else `negative * inner * exp(inner * x) * g`."""
    g, x, out = flat(g), flat(x), flat(out)
    zero, slope, inner = out.dtype.type(0), out.dtype.type(negative * inner), out.dtype.type(inner)
    positive = out.dtype.type(positive)
    for i in range(out.size):
        low = slope * m.exp(minimum(x[i], zero) * inner)
        out[i] = g[i] * (positive if x[i] > zero else low)


@njit(**SERIAL)
def hardtanh(x, low, high, out):
    """`x`, held between `low` and `high`."""
    x, out = flat(x), flat(out)
    low, high = out.dtype.type(low), out.dtype.type(high)
    for i in range(out.size):
        out[i] = minimum(maximum(x[i], low), high)


@njit(**SERIAL)
def inside(g, x, low, high, slope, out):
    """`slope * g` where `x` is between `low` and `high`, else 0: the gradient of hardtanh and hardsigmoid."""
    g, x, out = flat(g), flat(x), flat(out)
    zero, slope = out.dtype.type(0), out.dtype.type(slope)
    low, high = out.dtype.type(low), out.dtype.type(high)
    for i in range(out.size):
        out[i] = g[i] * slope if (x[i] > low) & (x[i] < high) else zero


@njit(**SERIAL)
def hardsigmoid(x, out):
    """`x / 6 + 1 / 2`, held between 0 and 1."""
    x, out = flat(x), flat(out)
    zero, three, six = out.dtype.type(0), out.dtype.type(3), out.dtype.type(6)
    sixth = out.dtype.type(1 / 6)
    for i in range(out.size):
        out[i] = minimum(maximum(x[i] + three, zero), six) * sixth


@njit(**SERIAL)
def hardswish(x, out):
    """`x * hardsigmoid(x)`."""
    x, out = flat(x), flat(out)
    zero, three, six = out.dtype.type(0), out.dtype.type(3), out.dtype.type(6)
    sixth = out.dtype.type(1 / 6)
    for i in range(out.size):
        out[i] = x[i] * minimum(maximum(x[i] + three, zero), six) * sixth


@njit(**SERIAL)
def hardswish_grad(g, x, out):
    """`g` above 3, 0 below -3, `g (x / 3 + 1 / 2)` between."""
    g, x, out = flat(g), flat(x), flat(out)
    zero, half, one = out.dtype.type(0), out.dtype.type(0.5), out.dtype.type(1)
    third, three = out.dtype.type(1 / 3), out.dtype.type(3)
    for i in range(out.size):
        slope = x[i] * third + half
        slope = one if x[i] >= three else slope
        out[i] = g[i] * (zero if x[i] <= -three else slope)


@njit(**SERIAL)
def hardshrink(x, bound, out):
    """0 between `-bound` and `bound`, else `x`."""
    x, out = flat(x), flat(out)
    zero, bound = out.dtype.type(0), out.dtype.type(bound)
    for i in range(out.size):
        out[i] = zero if fabs(x[i]) <= bound else x[i]


@njit(**SERIAL)
def outside(g, x, bound, out):
    """`g`, but 0 where `x` is between `-bound` and `bound`: the gradient of both shrinks."""
    g, x, out = flat(g), flat(x), flat(out)
    zero, bound = out.dtype.type(0), out.dtype.type(bound)
    for i in range(out.size):
        out[i] = g[i] if fabs(x[i]) > bound else zero


@njit(**SERIAL)
def softshrink(x, bound, out):
    """`x` moved towards 0 by `bound`, 0 where it would pass it."""
    x, out = flat(x), flat(out)
    zero, bound = out.dtype.type(0), out.dtype.type(bound)
    for i in range(out.size):
        out[i] = maximum(x[i] - bound, zero) + minimum(x[i] + bound, zero)


@njit(**SERIAL)
def threshold(x, bound, value, out):
    """`x` above `bound`, else `value`."""
    x, out = flat(x), flat(out)
    bound, value = out.dtype.type(bound), out.dtype.type(value)
    for i in range(out.size):
        out[i] = value if x[i] <= bound else x[i]


@njit(**SERIAL)
def threshold_grad(g, x, bound, out):
    """`g` where `x` is above `bound`, else 0."""
    g, x, out = flat(g), flat(x), flat(out)
    zero, bound = out.dtype.type(0), out.dtype.type(bound)
    for i in range(out.size):
        out[i] = zero if x[i] <= bound else g[i]


@njit(**SERIAL)
def softplus(x, beta, bound, out):
    """`log(1 + exp(beta x)) / beta`, `x` itself where `beta x` is above `bound`."""
    x, out = flat(x), flat(out)
    zero, bound = out.dtype.type(0), out.dtype.type(bound)
    beta, inverse = out.dtype.type(beta), out.dtype.type(1 / beta)
    for i in range(out.size):
        v = x[i] * beta
        soft = _softplus(v, zero) * inverse
        out[i] = x[i] if v > bound else soft


@njit(**SERIAL)
def softplus_grad(g, x, beta, bound, out):
    """`g sigmoid(beta x)`, `g` where `beta x` is above `bound`."""
    g, x, out = flat(g), flat(x), flat(out)
    beta, bound = out.dtype.type(beta), out.dtype.type(bound)
    for i in range(out.size):
        v = x[i] * beta
        soft = g[i] * m.sigmoid(v)
        out[i] = g[i] if v > bound else soft


@njit(**SERIAL)
def logsigmoid(x, out):
    """`-log(1 + exp(-x))`."""
    x, out = flat(x), flat(out)
    zero = out.dtype.type(0)
    for i in range(out.size):
        out[i] = -_softplus(-x[i], zero)


@njit(**SERIAL)
def logsigmoid_grad(g, x, out):
    """`g sigmoid(-x)`."""
    g, x, out = flat(g), flat(x), flat(out)
    for i in range(out.size):
        out[i] = g[i] * m.sigmoid(-x[i])


@njit(**SERIAL)
def mish(x, out):
    """`x tanh(log(1 + exp(x)))`, as `x n / (n + 2)` with `n = e (e + 2)`, `e = exp(x)`; above 20 that is `x`."""
    x, out = flat(x), flat(out)
    two, most = out.dtype.type(2), out.dtype.type(20)
    for i in range(out.size):
        e = m.exp(minimum(x[i], most))
        n = e * (e + two)
        out[i] = x[i] * (n / (n + two))


@njit(**SERIAL)
def mish_grad(g, x, out):
    """`g (n (n + 2) + 4 x e (1 + e)) / (n + 2)^2` with `n = e (e + 2)`, `e = exp(x)`."""
    g, x, out = flat(g), flat(x), flat(out)
    one, two, four, most = out.dtype.type(1), out.dtype.type(2), out.dtype.type(4), out.dtype.type(20)
    for i in range(out.size):
        v = minimum(x[i], most)
        e = m.exp(v)
        n = e * (e + two)
        scale = one / (n + two)
        out[i] = g[i] * (scale * (n + four * v * e * (one + e) * scale))


@njit(**SERIAL)
def dropout_factor(drawn, p, scale, out):
    """`scale` where the number drawn from [0, 1) is at least `p`, else 0."""
    drawn, out = flat(drawn), flat(out)
    zero, p, scale = out.dtype.type(0), out.dtype.type(p), out.dtype.type(scale)
    for i in range(out.size):
        out[i] = scale if drawn[i] >= p else zero
