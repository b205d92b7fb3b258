"""Gradients of the reductions: what comes back is spread over the dimensions that were reduced."""

import math

import numpy as np

from torsh_ops.autograd import define_grad
from torsh_ops.errors import GradError
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import reduce as rd
from torsh_ops.tensor import Tensor


def _spread(g: Tensor, x: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    if not keepdim:
        g = g.reshape(tuple(1 if d in dims else n for d, n in enumerate(x.shape)))
    return g.expand(*x.shape) if x.ndim else g


def _count(x: Tensor, dims: tuple[int, ...]) -> int:
    return math.prod(x.shape[d] for d in dims)


def _extreme_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], keepdim: bool, *, out: Tensor) -> Tensor:
    hit = ew.eq(x, _spread(out.detach(), x, dims, keepdim)).to(g.dtype)
    return hit / rd.sum(hit, dims, True) * _spread(g, x, dims, keepdim)


def _var_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], divisor: float, keepdim: bool) -> Tensor:
    return _spread(g, x, dims, keepdim) * (x - rd.mean(x, dims, True)) * (2.0 / divisor if divisor else math.nan)


def _std_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], divisor: float, keepdim: bool, *, out: Tensor) -> Tensor:
    return _var_grad(g / (2.0 * out), x, dims, divisor, keepdim)


def _norm_grad(g: Tensor, x: Tensor, p: float, dims: tuple[int, ...], keepdim: bool, *, out: Tensor) -> Tensor:
    g = _spread(g, x, dims, keepdim)
    if p == 1:
        return g * Tensor(np.sign(x._array))
    length = _spread(out, x, dims, keepdim)
    zero = ew.eq(length, 0)  # the norm has no slope at 0; PyTorch gives 0 there
    return g * ew.where(zero, 0.0, x / ew.where(zero, 1.0, length))


def _prod_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], keepdim: bool, *, out: Tensor) -> Tensor:
    if bool(rd.any(ew.eq(x, 0))):
        raise GradError("prod() has no gradient here where an element is 0")
    return _spread(g * out, x, dims, keepdim) / x


define_grad(rd.sum, lambda g, x, dims, keepdim: _spread(g, x, dims, keepdim))
define_grad(rd.mean, lambda g, x, dims, keepdim: _spread(g * (1.0 / (_count(x, dims) or 1)), x, dims, keepdim))
define_grad(rd.prod, _prod_grad)
define_grad(rd.amax, _extreme_grad)
define_grad(rd.amin, _extreme_grad)
define_grad(rd.var, _var_grad)
define_grad(rd.std, _std_grad)
define_grad(rd.norm, _norm_grad)
