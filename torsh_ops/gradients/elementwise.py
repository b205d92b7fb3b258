"""Gradients of the element-wise operators."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import define_grad, is_grad_enabled
from torsh_ops.kernels import slopes as sk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import shortcut
from torsh_ops.ops.dispatch import contiguous_array
from torsh_ops.tensor import Tensor


def _fused(kernel: Callable[..., Any], composed: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Make the gradient `kernel(g, x, out)`; it is the composed form while gradients themselves are recorded."""

    def run(g: Tensor, x: Tensor) -> Tensor:
        out = memory.empty(x.shape, x._array.dtype)
        threads.fill(kernel, contiguous_array(g), contiguous_array(x), out)
        return Tensor(out)

    run.__name__ = kernel.__name__
    at_once = shortcut.binary(kernel)(run)
    return lambda g, x: composed(g, x) if is_grad_enabled() else at_once(g, x)


def _gelu_slope(g: Tensor, x: Tensor) -> Tensor:
    cdf = 0.5 * (1.0 + ew.erf(x * math.sqrt(0.5)))
    return g * (cdf + x * ew.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def _gelu_tanh_slope(g: Tensor, x: Tensor) -> Tensor:
    c = math.sqrt(2 / math.pi)
    t = ew.tanh(c * (x + 0.044715 * x * x * x))
    return g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * c * (1.0 + 3 * 0.044715 * x * x))


def _silu_slope(g: Tensor, x: Tensor) -> Tensor:
    s = ew.sigmoid(x)
    return g * s * (1.0 + x * (1.0 - s))


_square_grad = _fused(sk.square_grad, lambda g, x: g * (conj(x) * 2.0))
_relu_grad = _fused(sk.relu_grad, lambda g, y: g * ew.gt(y, 0).to(g.dtype))
_tanh_grad = _fused(sk.tanh_grad, lambda g, y: g * (1.0 - y * y))
_sigmoid_grad = _fused(sk.sigmoid_grad, lambda g, y: g * y * (1.0 - y))


def conj(x: Any) -> Any:
    """`x`, conjugated where it is complex: gradients are conjugate Wirtinger derivatives."""
    if isinstance(x, Tensor):
        return x.conj() if x._array.dtype.kind == "c" else x
    return x.conjugate()


# Arithmetic. A parameter that starts with an underscore is not looked at, so it may change before backward.
define_grad(ew.add, lambda g, _x, _y: g, lambda g, _x, _y: g)
define_grad(ew.sub, lambda g, _x, _y: g, lambda g, _x, _y: -g)
define_grad(ew.mul, lambda g, _x, y: g * conj(y), lambda g, x, _y: g * conj(x))
define_grad(ew.div, lambda g, _x, y: g / conj(y), lambda g, x, y: -g * conj(x / (y * y)))
define_grad(ew.neg, lambda g, _x: -g)
define_grad(ew.abs, lambda g, x: g * sign_of(x))
define_grad(
    ew.pow,
    lambda g, x, y: _pow_base_grad(g, x, y),
    # 0 ** y does not depend on y for y > 0; log(0) would make it NaN.
    lambda g, x, _y, *, out: g * ew.where(_eq_zero(x), 0.0, out * ew.log(ew.where(_eq_zero(x), 1.0, x))),
)
define_grad(ew.remainder, lambda g, _x, _y: g, lambda g, x, y: -g * ew.floor_divide(detached(x), detached(y)))
define_grad(ew.maximum, lambda g, x, y: g * _share(x, y), lambda g, x, y: g * _share(y, x))
define_grad(ew.minimum, lambda g, x, y: g * _share(-x, -y), lambda g, x, y: g * _share(-y, -x))
define_grad(ew.clone, lambda g, _x: g)
define_grad(ew.to, lambda g, _x: g)


def _pow_base_grad(g: Tensor, x: Any, y: Any) -> Tensor:
    if isinstance(y, Tensor):
        return g * (y * ew.pow(x, y - 1))
    if y == 0:
        return g * 0.0
    return _square_grad(g, x) if y == 2 else g * (ew.pow(x, y - 1) * y)


def sign_of(x: Tensor) -> Tensor:
    """-1, 0, 1 or NaN, which does not change with `x`."""
    return Tensor(np.asarray(np.sign(x._array)))


def detached(x: Any) -> Any:
    """`x` as a constant."""
    return x.detach() if isinstance(x, Tensor) else x


def _eq_zero(x: Any) -> Tensor:
    return ew.eq(x, 0) if isinstance(x, Tensor) else Tensor(np.asarray(x == 0))


def _share(x: Tensor, y: Tensor) -> Tensor:
    """1 where `x` is the greater, a half where they tie, else 0."""
    return ew.gt(x, y).to(x.dtype) + 0.5 * ew.eq(x, y).to(x.dtype)


# Functions of one tensor.
define_grad(ew.exp, lambda g, _x, *, out: g * conj(out))
define_grad(ew.log, lambda g, x: g / conj(x))
define_grad(ew.sqrt, lambda g, _x, *, out: g / (2.0 * out))
define_grad(ew.reciprocal, lambda g, _x, *, out: -g * out * out)
define_grad(ew.square, lambda g, x: _square_grad(g, x))
define_grad(ew.rsqrt, lambda g, _x, *, out: -0.5 * g * out * out * out)
define_grad(ew.erf, lambda g, x: g * (2 / math.sqrt(math.pi)) * ew.exp(-x * x))
define_grad(ew.tanh, lambda g, _x, *, out: _tanh_grad(g, out))
define_grad(ew.sigmoid, lambda g, _x, *, out: _sigmoid_grad(g, out))
define_grad(ew.relu, lambda g, _x, *, out: _relu_grad(g, out))
define_grad(ew.silu, _fused(sk.silu_grad, _silu_slope))
define_grad(ew.gelu, _fused(sk.gelu_grad, _gelu_slope))
define_grad(ew.gelu_tanh, _gelu_tanh_slope)
