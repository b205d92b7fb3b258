"""Products made of multiplications and matrix products: inner, outer, Kronecker, cross, and sums of them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops.autograd import record
from torsh_ops.errors import DTypeError, ShapeError
from torsh_ops.kernels import blas
from torsh_ops.ops import linalg as la
from torsh_ops.ops import reduce as rd
from torsh_ops.ops.dispatch import broadcast_shapes, contiguous_array, need_tensor, write_out
from torsh_ops.ops.joining import stack
from torsh_ops.ops.matrix import multi_dot
from torsh_ops.tensor import Tensor, check_dim


def _given(op: Callable[..., Any], result: Tensor, out: Tensor | None, *inputs: Tensor) -> Tensor:
    return result if out is None else write_out(op, result._array, out, *inputs)


def _need_vectors(op: Callable[..., Any], x: Tensor, y: Tensor, name: str) -> None:
    if need_tensor(op, x).ndim != 1 or need_tensor(op, y, name).ndim != 1:
        raise ShapeError(f"{op.__name__}: 1D tensors expected, but got shapes {x.shape} and {y.shape}")


def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Inner product of two vectors of one length."""
    _need_vectors(dot, input, tensor, "tensor")
    a, b = input._array, tensor._array
    if a.dtype is not b.dtype:
        raise DTypeError(f"dot: expected both vectors to have the same dtype, but got {input.dtype} and {tensor.dtype}")
    if a.size != b.size:
        raise ShapeError(f"dot: inconsistent sizes: vectors of {a.size} and {b.size} elements")
    if a.dtype.kind == "f":
        result = np.empty((), a.dtype)
        blas.dot(contiguous_array(input), contiguous_array(tensor), result.reshape(1))
    elif a.dtype.kind == "b":
        raise DTypeError("dot is not implemented for bool tensors; convert them with .to(...)")
    else:
        # Not np.dot, whose complex form is another copy of BLAS.
        result = np.asarray((a * b).sum(dtype=a.dtype))
    return _given(dot, record(dot, Tensor(result), (input, tensor)), out, input, tensor)


def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`dot` with the first vector conjugated."""
    _need_vectors(vdot, input, other, "other")
    return dot(input.conj() if input.is_complex() else input, other, out=out)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Inner products of vectors along `dim`, the first conjugated; the other dimensions broadcast."""
    first = need_tensor(vecdot, x, "x")
    return rd.sum((first.conj() if first.is_complex() else first) * y, dim)


def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sums of products over the last dimension of both; a product with a number when either is 0-d."""
    a, b = need_tensor(inner, input), need_tensor(inner, other, "other")
    if a.ndim == 0 or b.ndim == 0:
        return _given(inner, a * b, out, a, b)
    if a.shape[-1] != b.shape[-1]:
        raise ShapeError(
            f"inner() the last dimension must match on both input tensors but got shapes {a.shape}, {b.shape}"
        )
    n = a.shape[-1]
    rows, columns = a.reshape(math.prod(a.shape[:-1]), n), b.reshape(math.prod(b.shape[:-1]), n)
    return _given(inner, la.mm(rows, columns.t()).reshape(*a.shape[:-1], *b.shape[:-1]), out, a, b)


def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Products of each element of one vector with each of another, (m, n)."""
    _need_vectors(outer, input, vec2, "vec2")
    return _given(outer, input.unsqueeze(1) * vec2.unsqueeze(0), out, input, vec2)


def ger(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The older name of `outer`."""
    return outer(input, vec2, out=out)


def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Kronecker product: every element of `input` times all of `other`, block by block."""
    a, b = need_tensor(kron, input), need_tensor(kron, other, "other")
    ndim = max(a.ndim, b.ndim)
    m, n = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    left = a.reshape([size for s in m for size in (s, 1)])
    right = b.reshape([size for s in n for size in (1, s)])
    return _given(kron, (left * right).reshape([s * t for s, t in zip(m, n, strict=True)]), out, a, b)


def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """Vector products along `dim` of size 3 (the first such unless given); the other dimensions broadcast."""
    shape = broadcast_shapes(need_tensor(cross, input).shape, need_tensor(cross, other, "other").shape)
    if dim is None:
        if 3 not in shape:
            raise ShapeError(f"cross: no dimension of size 3 in input: shapes {input.shape} and {other.shape}")
        dim = shape.index(3)
    d = check_dim(dim, len(shape))
    a, b = (x if x.shape == shape else x.expand(*shape) for x in (input, other))
    if shape[d] != 3:
        raise ShapeError(f"cross: inputs dimension {dim} must have length 3: shapes {input.shape} and {other.shape}")
    (a0, a1, a2), (b0, b1, b2) = (x.unbind(d) for x in (a, b))
    return _given(cross, stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], d), out, input, other)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Vector products along `dim` of size 3; the other dimensions broadcast."""
    return cross(input, other, dim)


def _sum(op: Callable[..., Any], input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """``beta * input + alpha * product``."""
    if broadcast_shapes(need_tensor(op, input).shape, product.shape) != product.shape:
        raise ShapeError(f"{op.__name__}: input {input.shape} does not expand to the result's shape {product.shape}")
    product = product if alpha == 1 else product * alpha
    if beta == 0:  # what is not added need not be a number
        return product
    return product + (input if beta == 1 else input * beta)


def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``."""
    return _given(addmv, _sum(addmv, input, la.mv(mat, vec), beta, alpha), out, input, mat, vec)


def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``."""
    return _given(addr, _sum(addr, input, outer(vec1, vec2), beta, alpha), out, input, vec1, vec2)


def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``."""
    product = rd.sum(la.bmm(batch1, batch2), 0)
    return _given(addbmm, _sum(addbmm, input, product, beta, alpha), out, input, batch1, batch2)


def chain_matmul(*matrices: Tensor) -> Tensor:
    """Product of matrices in the order that multiplies least."""
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


__all__ = [
    "addbmm", "addmv", "addr", "chain_matmul", "cross", "dot", "ger", "inner", "kron", "outer", "vdot",
]  # fmt: skip
METHODS = (addbmm, addmv, addr, cross, dot, ger, inner, kron, outer, vdot)
IN_PLACE = (addbmm, addmv, addr)
