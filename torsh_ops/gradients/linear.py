"""Gradients of the affine map."""

from torsh_ops.autograd import define_grad
from torsh_ops.ops.linalg import matmul
from torsh_ops.ops.linear import linear
from torsh_ops.tensor import Tensor


def _rows(x: Tensor) -> Tensor:
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


define_grad(
    linear,
    lambda g, _x, w, _b: matmul(g, w),
    lambda g, x, _w, _b: matmul(_rows(g).t(), _rows(x)),
    lambda g, _x, _w, _b: g if g.ndim == 1 else g.sum(tuple(range(g.ndim - 1))),
)
