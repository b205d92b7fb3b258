"""Element-wise functions of one array: `out[i] = f(x[i])`, and the gradients that are cheaper fused.

Arrays are C-contiguous, of any number of dimensions and of one size.
"""

from numba import njit

from torsh_ops.kernels import math as m
from torsh_ops.kernels.vector import SERIAL, fabs, flat, maximum


@njit(**SERIAL)
def exp(x, out):
    """`e**x`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.exp(x[i])


@njit(**SERIAL)
def log(x, out):
    """Natural logarithm."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.log(x[i])


@njit(**SERIAL)
def sqrt(x, out):
    """Square root."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.root(x[i])


@njit(**SERIAL)
def rsqrt(x, out):
    """One over the square root."""
    x, out = flat(x), flat(out)
    one = out.dtype.type(1)
    for i in range(out.size):
        out[i] = one / m.root(x[i])


@njit(**SERIAL)
def tanh(x, out):
    """Hyperbolic tangent."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.tanh(x[i])


@njit(**SERIAL)
def sigmoid(x, out):
    """Logistic function."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.sigmoid(x[i])


@njit(**SERIAL)
def erf(x, out):
    """Error function."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = m.erf(x[i])


@njit(**SERIAL)
def relu(x, out):
    """`max(x, 0)`; NaN stays."""
    x, out = flat(x), flat(out)
    zero = out.dtype.type(0)
    for i in range(out.size):
        out[i] = maximum(x[i], zero)


@njit(**SERIAL)
def silu(x, out):
    """`x * sigmoid(x)`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = x[i] * m.sigmoid(x[i])


@njit(**SERIAL)
def gelu(x, out):
    """`x * (1 + erf(x / sqrt(2))) / 2`."""
    x, out = flat(x), flat(out)
    half, one, scale = out.dtype.type(0.5), out.dtype.type(1), out.dtype.type(0.7071067811865476)
    for i in range(out.size):
        out[i] = half * x[i] * (one + m.erf(x[i] * scale))


@njit(**SERIAL)
def gelu_tanh(x, out):
    """The tanh form of gelu, as `x * sigmoid(2 u)` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`."""
    x, out = flat(x), flat(out)
    two_c, cubic, one = out.dtype.type(1.5957691216057308), out.dtype.type(0.044715), out.dtype.type(1)
    for i in range(out.size):
        v = x[i]
        out[i] = v * m.sigmoid(two_c * v * (one + cubic * v * v))


@njit(**SERIAL)
def neg(x, out):
    """`-x`."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = -x[i]


@njit(**SERIAL)
def absolute(x, out):
    """`|x|` of floating-point numbers."""
    x, out = flat(x), flat(out)
    for i in range(out.size):
        out[i] = fabs(x[i])


@njit(**SERIAL)
def transpose(x, out):
    """The transpose of the matrix `x`, in tiles of 32 by 32: a tile's lines stay in L1 while it is turned."""
    m, n = x.shape
    for i0 in range(0, m, 32):
        for j0 in range(0, n, 32):
            for j in range(j0, min(j0 + 32, n)):
                for i in range(i0, min(i0 + 32, m)):
                    out[j, i] = x[i, j]


@njit(**SERIAL)
def relu_grad(g, y, out):
    """`g` where the result `y` of relu is positive, else 0."""
    g, y, out = flat(g), flat(y), flat(out)
    zero = out.dtype.type(0)
    for i in range(out.size):
        out[i] = g[i] if y[i] > zero else zero


@njit(**SERIAL)
def tanh_grad(g, y, out):
    """`g (1 - y^2)`, `y` the result of tanh."""
    g, y, out = flat(g), flat(y), flat(out)
    one = out.dtype.type(1)
    for i in range(out.size):
        out[i] = g[i] * (one - y[i] * y[i])


@njit(**SERIAL)
def sigmoid_grad(g, y, out):
    """`g y (1 - y)`, `y` the result of sigmoid."""
    g, y, out = flat(g), flat(y), flat(out)
    one = out.dtype.type(1)
    for i in range(out.size):
        out[i] = g[i] * y[i] * (one - y[i])


@njit(**SERIAL)
def silu_grad(g, x, out):
    """`g s (1 + x (1 - s))`, `s = sigmoid(x)`."""
    g, x, out = flat(g), flat(x), flat(out)
    one = out.dtype.type(1)
    for i in range(out.size):
        s = m.sigmoid(x[i])
        out[i] = g[i] * s * (one + x[i] * (one - s))


@njit(**SERIAL)
def gelu_grad(g, x, out):
    """`g (cdf(x) + x pdf(x))` of the standard normal distribution."""
    g, x, out = flat(g), flat(x), flat(out)
    half, one, scale = out.dtype.type(0.5), out.dtype.type(1), out.dtype.type(0.7071067811865476)
    density = out.dtype.type(0.3989422804014327)
    for i in range(out.size):
        v = x[i]
        cdf = half * (one + m.erf(v * scale))
        out[i] = g[i] * (cdf + v * density * m.exp(-half * v * v))
