"""Gradients of the operators that read and write at chosen places."""

from typing import Any

import numpy as np

from torsh_ops.autograd import define_grad
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import index as ix
from torsh_ops.ops import put as pu
from torsh_ops.ops import scatter as sc
from torsh_ops.ops import views as vw
from torsh_ops.tensor import Tensor


def _zeros(like: Tensor, g: Tensor) -> Tensor:
    return Tensor(np.zeros(like.shape, g._array.dtype))


def _of_source(src: Tensor, index: Tensor, g: Tensor) -> Tensor:
    """Return `g`, which has the shape of `index`, in that of `src`: what the index does not reach has no gradient."""
    if src.shape == index.shape:
        return g
    return vw.slice_put(src.shape, tuple(slice(n) for n in index.shape), g)


define_grad(ix.advanced, lambda g, _x, key: ix.put_at(_x.shape, key, g))
define_grad(ix.put_at, None, None, lambda g, _shape, key, _g: ix.advanced(g, key))
define_grad(ix.gather, lambda g, _x, dim, index: sc.scatter_add(_zeros(_x, g), dim, index, g))
define_grad(
    ix.index_select,
    lambda g, _x, dim, index: pu.index_add(_zeros(_x, g), dim, index.reshape(-1), g),
)
define_grad(
    sc.scatter,
    lambda g, _x, dim, index, _src: sc.scatter(g, dim, index, 0),
    None,
    None,
    lambda g, _x, dim, index, _src: (
        _of_source(_src, index, ix.gather(g, dim, index))
        if _src.ndim or not index.ndim
        else ix.gather(g, dim, index).sum()
    ),
)
define_grad(
    sc.scatter_add,
    lambda g, _x, _dim, _index, _src: g,
    None,
    None,
    lambda g, _x, dim, index, _src: _of_source(_src, index, ix.gather(g, dim, index)),
)
define_grad(
    pu.index_add,
    lambda g, _x, _dim, _index, _source, _alpha: g,
    None,
    None,
    lambda g, _x, dim, index, _source, alpha: (ix.index_select(g, dim, index) * alpha).reshape(_source.shape),
)
define_grad(
    pu.index_copy,
    lambda g, _x, dim, index, _source: pu.index_fill(g, dim, index, 0),
    None,
    None,
    lambda g, _x, dim, index, _source: ix.index_select(g, dim, index).reshape(_source.shape),
)
define_grad(
    pu.index_fill,
    lambda g, _x, dim, index, _value: pu.index_fill(g, dim, index, 0),
    None,
    None,
    lambda g, _x, dim, index, _value: ix.index_select(g, dim, index).sum(),
)


def _index_put_values(g: Tensor, _x: Tensor, indices: Any, _values: Tensor, _accumulate: bool) -> Tensor:
    return ix.advanced(g, tuple(slice(None) if i is None else i._array for i in indices))


define_grad(
    pu.index_put,
    lambda g, _x, indices, _values, accumulate: (
        g if accumulate else pu.index_put(g, indices, Tensor(np.zeros((), g._array.dtype)))
    ),
    None,
    _index_put_values,
)
define_grad(
    pu.put,
    lambda g, _x, index, _source, accumulate: (
        g if accumulate else pu.put(g, index, Tensor(np.zeros(index.shape, g._array.dtype)))
    ),
    None,
    lambda g, _x, index, _source, _accumulate: ix.take(g, index).reshape(_source.shape),
)
define_grad(
    pu.masked_fill,
    lambda g, _x, mask, _value: pu.masked_fill(g, mask, 0),
    None,
    lambda g, _x, mask, _value: ew.where(mask, g, 0.0).sum(),
)


def _masked_source(g: Tensor, _x: Tensor, mask: Tensor, _source: Tensor) -> Tensor:
    chosen = ix.masked_select(g, mask)
    return vw.slice_put((_source.numel(),), slice(chosen.numel()), chosen).reshape(_source.shape)


define_grad(pu.masked_scatter, lambda g, _x, mask, _source: pu.masked_fill(g, mask, 0), None, _masked_source)


def _counts(x: Tensor, dim: int, index: Tensor, start: int) -> Tensor:
    """How many values meet at each place of `x`."""
    ones = Tensor(np.ones(index.shape, x._array.dtype))
    return sc.scatter_add(Tensor(np.full(x.shape, start, x._array.dtype)), dim, index, ones)


def _used(src: Tensor, index: Tensor) -> Tensor:
    return src if src.shape == index.shape else vw.slice_view(src, tuple(slice(n) for n in index.shape))


def _others(x: Tensor, dim: int, index: Tensor, src: Tensor, include_self: bool) -> Tensor:
    """The product, at each value of `src`, of all others that meet it."""
    zero = ew.eq(src.detach(), 0)
    safe = ew.where(zero, 1.0, src)
    product = sc.scatter_reduce(x, dim, index, safe, "prod", include_self=include_self)
    zeros = sc.scatter_add(Tensor(np.zeros(x.shape, x._array.dtype)), dim, index, zero.to(x.dtype))
    elsewhere = ix.gather(zeros, dim, index) - zero.to(x.dtype)
    return ew.where(ew.eq(elsewhere, 0), ix.gather(product, dim, index) / safe, 0.0)


def _reduce_self(
    g: Tensor, x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool, *, out: Tensor
) -> Tensor:
    if not include_self:
        # What nothing was written to is still there.
        return sc.scatter(g, dim, index, 0)
    if reduce == "sum":
        return g
    if reduce == "mean":
        return g / _counts(x, dim, index, 1)
    if reduce == "prod":
        ones = Tensor(np.ones(x.shape, x._array.dtype))
        return g * sc.scatter_reduce(ones, dim, index, src, "prod")
    return _shared(g, x, dim, index, src, include_self, out) * ew.eq(x, out.detach()).to(g.dtype)


def _reduce_source(
    g: Tensor, x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool, *, out: Tensor
) -> Tensor:
    used = _used(src, index)
    if reduce == "prod":
        back = ix.gather(g, dim, index) * _others(x, dim, index, used, include_self)
    elif reduce == "sum":
        back = ix.gather(g, dim, index)
    elif reduce == "mean":
        back = ix.gather(g / _counts(x, dim, index, int(include_self)).clamp(min=1), dim, index)
    else:
        best = ew.eq(used.detach(), ix.gather(out.detach(), dim, index)).to(g.dtype)
        back = ix.gather(_shared(g, x, dim, index, src, include_self, out), dim, index) * best
    return _of_source(src, index, back)


def _shared(g: Tensor, x: Tensor, dim: int, index: Tensor, src: Tensor, include_self: bool, out: Tensor) -> Tensor:
    """The gradient of amax and amin, divided among the values that tie."""
    result = out.detach()
    best = ew.eq(_used(src, index).detach(), ix.gather(result, dim, index)).to(g.dtype)
    own = ew.eq(x.detach(), result).to(g.dtype) * float(include_self)
    return g / sc.scatter_add(own, dim, index, best).clamp(min=1.0)


define_grad(sc.scatter_reduce, _reduce_self, None, None, _reduce_source)
