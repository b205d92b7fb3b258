"""Gradients of the operators that move elements."""

import numpy as np

from torsh_ops.autograd import define_grad
from torsh_ops.ops import index as ix
from torsh_ops.tensor import Tensor

define_grad(ix.reshape, lambda g, x, _shape: g.reshape(x.shape))
define_grad(ix.permute, lambda g, _x, dims: g.permute(tuple(int(d) for d in np.argsort(dims))))
define_grad(ix.expand, lambda g, _x, _shape: g)
define_grad(ix.getitem, lambda g, x, key: ix.put_at(x.shape, key, g))
define_grad(ix.put_at, None, None, lambda g, _shape, key, _g: ix.getitem(g, key))
define_grad(
    ix.gather, lambda g, x, dim, index: ix.scatter_add(Tensor(np.zeros(x.shape, g._array.dtype)), dim, index, g)
)
define_grad(
    ix.scatter_add,
    lambda g, _x, _dim, _index, _src: g,
    None,
    None,
    # The index never reaches beyond src, and what of src it does not reach has no gradient.
    lambda g, _x, dim, index, src: ix.put_at(src.shape, tuple(slice(n) for n in index.shape), ix.gather(g, dim, index)),
)


def _cat_grad(g: Tensor, position: int, dim: int, *tensors: Tensor) -> Tensor:
    start = sum(x.shape[dim] for x in tensors[: position - 1])
    return g.narrow(dim, start, tensors[position - 1].shape[dim])


define_grad(ix.cat, None, rest=_cat_grad)
define_grad(ix.tril, lambda g, _x, diagonal: ix.tril(g, diagonal))
define_grad(ix.triu, lambda g, _x, diagonal: ix.triu(g, diagonal))


def _index_select_grad(g: Tensor, x: Tensor, dim: int, index: Tensor) -> Tensor:
    key = (*(slice(None) for _ in range(dim)), index._array.reshape(-1))
    return ix.put_at(x.shape, key, g)


define_grad(ix.index_select, _index_select_grad)
