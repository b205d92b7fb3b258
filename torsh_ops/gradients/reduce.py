"""Gradients of the reductions: what comes back is spread over the dimensions that were reduced."""

import math

import numpy as np

from torsh_ops.autograd import define_grad
from torsh_ops.gradients.elementwise import sign_of
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import extreme as xt
from torsh_ops.ops import reduce as rd
from torsh_ops.ops import scan as sc
from torsh_ops.ops import statistics as st
from torsh_ops.ops.joining import cat
from torsh_ops.ops.plan import New, Plan, planned
from torsh_ops.tensor import Tensor


@planned(lambda g, x: None if g.ndim or not x.ndim else Plan(New(x.shape, g, (0,) * x.ndim)))
def _spread_number(g: Tensor, x: Tensor) -> Tensor:
    return g.expand(x.shape)


def _spread(g: Tensor, x: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    if not x._array.ndim:
        return g
    if not g._array.ndim:
        return _spread_number(g, x)
    if not keepdim:
        g = g.reshape(tuple(1 if d in dims else n for d, n in enumerate(x.shape)))
    return g.expand(x.shape)


def _count(x: Tensor, dims: tuple[int, ...]) -> int:
    if len(dims) == x._array.ndim:
        return x._array.size
    return math.prod(x.shape[d] for d in dims)


def _extreme_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], keepdim: bool, *, out: Tensor) -> Tensor:
    best = _spread(out.detach(), x, dims, keepdim)
    hit = ew.eq(x, best)
    if bool(rd.any(ew.isnan(best))):
        hit = Tensor(hit._array | (np.isnan(best._array) & np.isnan(x._array)))
    hit = hit.to(g.dtype)
    return hit / rd.sum(hit, dims, True) * _spread(g, x, dims, keepdim)


def _var_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], divisor: float, keepdim: bool) -> Tensor:
    return _spread(g, x, dims, keepdim) * (x - rd.mean(x, dims, True)) * (2.0 / divisor if divisor else math.nan)


def _std_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], divisor: float, keepdim: bool, *, out: Tensor) -> Tensor:
    zero = ew.eq(out, 0)  # std has no slope at 0; PyTorch gives 0 there
    slope = ew.where(zero, 0.0, g / (2.0 * ew.where(zero, 1.0, out)))
    return _var_grad(slope, x, dims, divisor, keepdim)


def _norm_grad(g: Tensor, x: Tensor, p: float, dims: tuple[int, ...], keepdim: bool, *, out: Tensor) -> Tensor:
    g = _spread(g, x, dims, keepdim)
    if p == 0:
        return g * 0.0
    if p == 1:
        return g * sign_of(x)
    length = _spread(out, x, dims, keepdim)
    zero = ew.eq(length, 0)  # the norm has no slope at 0; PyTorch gives 0 there
    share = x / ew.where(zero, 1.0, length)
    if p == 2:
        return g * ew.where(zero, 0.0, share)
    at = ew.eq(x, 0)
    power = ew.where(at, 0.0, ew.pow(ew.where(at, 1.0, ew.abs(share)), p - 1))
    return g * ew.where(zero, 0.0, power * sign_of(x))


def _prod_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], keepdim: bool, *, out: Tensor) -> Tensor:
    g = _spread(g, x, dims, keepdim)
    if not bool(rd.any(ew.eq(x, 0))):
        return g * _spread(out, x, dims, keepdim) / x
    return g * _products_of_others(x, dims)


def _products_of_others(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """For each element the product of the rest: what stands before it times what stands behind it."""
    order = (*(d for d in range(x.ndim) if d not in dims), *dims)
    moved = x.permute(order)
    n = _count(x, dims)
    rows = moved.reshape(-1, n)
    one = Tensor(np.ones((rows.shape[0], 1), x._array.dtype))
    before = sc.cumprod(cat([one, rows.narrow(1, 0, n - 1)], 1), 1)
    behind = sc.cumprod(cat([one, rows.narrow(1, 1, n - 1).flip(1)], 1), 1).flip(1)
    return (before * behind).reshape(moved.shape).permute(tuple(int(d) for d in np.argsort(order)))


def _logsumexp_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], keepdim: bool, *, out: Tensor) -> Tensor:
    out = _spread(out, x, dims, keepdim)
    # Where all elements are -inf, so is the result, and their difference would be NaN: the slope is 0, as in PyTorch.
    nothing = ew.eq(out, -math.inf)
    return _spread(g, x, dims, keepdim) * ew.exp(x - ew.where(nothing, 0.0, out))


define_grad(rd.sum, lambda g, x, dims, keepdim: _spread(g, x, dims, keepdim))
define_grad(rd.mean, lambda g, x, dims, keepdim: _spread(g * (1.0 / (_count(x, dims) or 1)), x, dims, keepdim))
define_grad(rd.prod, _prod_grad)
define_grad(rd.norm, _norm_grad)
define_grad(rd.logsumexp, _logsumexp_grad)
define_grad(xt.amax, _extreme_grad)
define_grad(xt.amin, _extreme_grad)
define_grad(st.var, _var_grad)
define_grad(st.std, _std_grad)
