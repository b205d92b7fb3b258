"""Gradients of the operators that show, join, repeat and turn elements."""

import math

import numpy as np

from torsh_ops.autograd import define_grad
from torsh_ops.ops import arrange as ar
from torsh_ops.ops import distance as ds
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import fold as fd
from torsh_ops.ops import joining as jn
from torsh_ops.ops import pad as pd
from torsh_ops.ops import views as vw
from torsh_ops.tensor import Tensor

define_grad(vw.reshape, lambda g, _x, _shape: g.reshape(_x.shape))
define_grad(vw.permute, lambda g, _x, dims: g.permute(tuple(int(d) for d in np.argsort(dims))))
define_grad(vw.expand, lambda g, _x, _shape: g)
define_grad(vw.slice_view, lambda g, _x, key: vw.slice_put(_x.shape, key, g))
define_grad(vw.slice_put, None, None, lambda g, _shape, key, _g: vw.slice_view(g, key))


def _cat_grad(g: Tensor, position: int, dim: int, *tensors: Tensor) -> Tensor:
    tensor = tensors[position - 1]
    if tensor.shape == (0,):
        return Tensor(np.zeros(0, g._array.dtype))
    start = sum(x.shape[dim] for x in tensors[: position - 1] if x.shape != (0,))
    return g.narrow(dim, start, tensor.shape[dim])


def _repeat_grad(g: Tensor, _x: Tensor, times: tuple[int, ...]) -> Tensor:
    shape = (1,) * (len(times) - _x.ndim) + _x.shape
    apart = g.reshape(tuple(n for pair in zip(times, shape, strict=True) for n in pair))
    return apart.sum(tuple(range(0, 2 * len(times), 2))).reshape(_x.shape) if times else g


define_grad(jn.cat, None, rest=_cat_grad)
define_grad(jn.repeat, _repeat_grad)
define_grad(ar.flip, lambda g, _x, dims: ar.flip(g, dims))
define_grad(ar.roll, lambda g, _x, shifts, dims: ar.roll(g, tuple(-s for s in shifts), dims))
define_grad(ar.tril, lambda g, _x, diagonal: ar.tril(g, diagonal))
define_grad(ar.triu, lambda g, _x, diagonal: ar.triu(g, diagonal))
define_grad(ar.diag_embed, lambda g, _x, offset, a, b: vw.diagonal(g, offset, a, b))
define_grad(pd._constant, pd._constant_grad)
define_grad(fd._columns, lambda g, _x, window: fd._images(g, _x.shape[-2:], window))
define_grad(fd._images, lambda g, _x, _size, window: fd._columns(g, window))


def _towards(g: Tensor, x: Tensor, y: Tensor, p: float, distance: Tensor) -> Tensor:
    """The gradient of the distances of `x` to `y` with regard to `x`; rows that are equal have none."""
    apart = ew.ne(distance.detach(), 0)
    if p == 2:
        slope = ew.where(apart, g / ew.where(apart, distance, 1.0), 0.0)
        return slope.sum(-1, True) * x - slope @ y
    gap = x.unsqueeze(-2) - y.unsqueeze(-3)
    size = ew.abs(gap)
    sign = ew.gt(gap.detach(), 0).to(g.dtype) - ew.lt(gap.detach(), 0).to(g.dtype)
    if p == 0:
        return x * 0.0
    if p == 1:
        return (g.unsqueeze(-1) * sign).sum(-2)
    if p == math.inf:
        return (g.unsqueeze(-1) * sign * ew.eq(size.detach(), distance.detach().unsqueeze(-1)).to(g.dtype)).sum(-2)
    slope = ew.where(apart, g / ew.where(apart, distance, 1.0) ** (p - 1), 0.0)
    differs = ew.ne(size.detach(), 0)
    power = ew.where(differs, ew.where(differs, size, 1.0) ** (p - 1), 0.0)
    return (slope.unsqueeze(-1) * sign * power).sum(-2)


define_grad(
    ds._cdist,
    lambda g, x, y, p, _by_product, *, out: _towards(g, x, y, p, out),
    lambda g, x, y, p, _by_product, *, out: _towards(g.transpose(-1, -2), y, x, p, out.transpose(-1, -2)),
)
