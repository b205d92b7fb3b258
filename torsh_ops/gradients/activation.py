"""Gradients of the activations: one kernel each, and where they are themselves recorded, operators."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import define_grad, is_grad_enabled
from torsh_ops.kernels import activation as ak
from torsh_ops.ops import activation as ac
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops.dispatch import contiguous_array
from torsh_ops.tensor import Tensor

Kernel = Callable[..., Any]


def _run(kernel: Kernel, g: Tensor, x: Tensor, *numbers: float) -> Tensor:
    out = memory.empty(g.shape, g._array.dtype)
    threads.fill(kernel, contiguous_array(g), contiguous_array(x), *numbers, out)
    return Tensor(out)


def _straight(kernel: Kernel, g: Tensor, x: Tensor, *numbers: float) -> Tensor:
    """The gradient of a function made of straight lines: its slope does not change with `x`."""
    if is_grad_enabled():
        return g * _run(kernel, Tensor(np.ones(x.shape, x._array.dtype)), x, *numbers)
    return _run(kernel, g, x, *numbers)


def _curved(kernel: Kernel, composed: Callable[..., Tensor], g: Tensor, x: Tensor, *numbers: float) -> Tensor:
    return g * composed(x, *numbers) if is_grad_enabled() else _run(kernel, g, x, *numbers)


def _elu_slope(x: Tensor, positive: float, negative: float, inner: float) -> Tensor:
    return ew.where(x > 0, positive, negative * inner * ew.exp(ew.clamp(x, max=0.0) * inner))


def _hardswish_slope(x: Tensor) -> Tensor:
    return ew.where(x <= -3, 0.0, ew.where(x >= 3, 1.0, x / 3 + 0.5))


def _softplus_slope(x: Tensor, beta: float, bound: float) -> Tensor:
    return ew.where(x * beta > bound, 1.0, ew.sigmoid(x * beta))


def _mish_slope(x: Tensor) -> Tensor:
    s, t = ew.sigmoid(x), ew.tanh(ac.softplus(x))
    return t + x * s * (1 - t * t)


define_grad(ac.leaky_relu, lambda g, x, slope: _straight(ak.leaky_relu_grad, g, x, slope))
define_grad(ac.hardtanh, lambda g, x, low, high: _straight(ak.inside, g, x, low, high, 1.0))
define_grad(ac.hardsigmoid, lambda g, x: _straight(ak.inside, g, x, -3.0, 3.0, 1 / 6))
define_grad(ac.hardshrink, lambda g, x, bound: _straight(ak.outside, g, x, bound))
define_grad(ac.softshrink, lambda g, x, bound: _straight(ak.outside, g, x, bound))
define_grad(ac.threshold, lambda g, x, bound, _value: _straight(ak.threshold_grad, g, x, bound))
define_grad(ac.hardswish, lambda g, x: _curved(ak.hardswish_grad, _hardswish_slope, g, x))
define_grad(ac.softplus, lambda g, x, *form: _curved(ak.softplus_grad, _softplus_slope, g, x, *form))
define_grad(ac.logsigmoid, lambda g, x: _curved(ak.logsigmoid_grad, lambda x: ew.sigmoid(-x), g, x))
define_grad(ac.mish, lambda g, x: _curved(ak.mish_grad, _mish_slope, g, x))

for _op in (ac.elu, ac.selu, ac.celu):
    define_grad(_op, lambda g, x, *form: _curved(ak.elu_grad, _elu_slope, g, x, *form))
