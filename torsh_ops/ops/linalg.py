"""Products of matrices and vectors."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import record
from torsh_ops.errors import DTypeError, ShapeError
from torsh_ops.kernels import short
from torsh_ops.ops import gemm, shortcut
from torsh_ops.ops.dispatch import broadcast_shapes, need_tensor, write_out
from torsh_ops.tensor import Tensor


def _check_dtypes(op: Callable[..., Any], a: Tensor, b: Tensor) -> None:
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        need_tensor(op, a)
        need_tensor(op, b, "mat2")
    if a._array.dtype is not b._array.dtype:
        raise DTypeError(
            f"{op.__name__}(): expected both tensors to have the same dtype, but got {a.dtype} and {b.dtype}"
        )
    if a._array.dtype.kind == "b":
        raise DTypeError(f"{op.__name__}() is not implemented for bool tensors; convert them with .to(...)")


def _finish(op: Callable[..., Any], result: np.ndarray, out: Tensor | None, args: tuple[Any, ...]) -> Tensor:
    """Record the result, or write it to `out`."""
    if out is not None:
        return write_out(op, result, out, *args)
    return record(op, Tensor(result), args)


@shortcut.product(mm=short.mm)
def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product of two matrices, (m, k) by (k, n). Raises ShapeError unless both are 2-D and fit."""
    _check_dtypes(mm, input, mat2)
    if input.ndim != 2 or mat2.ndim != 2:
        raise ShapeError(f"mm takes two matrices, but got shapes {input.shape} and {mat2.shape}")
    return _mm(input, mat2, out)


def _mm(input: Tensor, mat2: Tensor, out: Tensor | None = None) -> Tensor:
    """`mm` of what has been checked to be two matrices of one dtype."""
    a, b = input._array, mat2._array
    if a.shape[1] != b.shape[0]:
        raise ShapeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
        )
    result = memory.empty((a.shape[0], b.shape[1]), a.dtype)
    gemm.product(a, b, result)
    if out is not None or input.requires_grad or mat2.requires_grad:
        return _finish(mm, result, out, (input, mat2))
    return Tensor(result)


@shortcut.product(mv=short.mv)
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product of a matrix (m, k) and a vector (k). Raises ShapeError unless they are 2-D and 1-D and fit."""
    _check_dtypes(mv, input, vec)
    a, x = input._array, vec._array
    if a.ndim != 2 or x.ndim != 1:
        raise ShapeError(f"mv takes a matrix and a vector, but got shapes {a.shape} and {x.shape}")
    if a.shape[1] != x.shape[0]:
        raise ShapeError(f"size mismatch: a matrix of shape {a.shape} and a vector of length {x.shape[0]}")
    result = memory.empty((a.shape[0],), a.dtype)
    gemm.matvec(a, x, result)
    if out is not None or input.requires_grad or vec.requires_grad:
        return _finish(mv, result, out, (input, vec))
    return Tensor(result)


def _need_batches(op: Callable[..., Any], a: np.ndarray, b: np.ndarray) -> None:
    if a.ndim != 3 or b.ndim != 3:
        raise ShapeError(f"batch1 and batch2 must be 3D tensors, but got shapes {a.shape} and {b.shape}")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise ShapeError(f"{op.__name__}: shapes {a.shape} and {b.shape} do not fit: expected (b, m, k) and (b, k, n)")


@shortcut.product(bmm=short.bmm)
def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Products of matrices pairwise, (b, m, k) by (b, k, n). Raises ShapeError unless both are 3-D and fit."""
    _check_dtypes(bmm, input, mat2)
    a, b = input._array, mat2._array
    _need_batches(bmm, a, b)
    result = memory.empty((a.shape[0], a.shape[1], b.shape[2]), a.dtype)
    gemm.batched(a, b, result)
    if out is not None or input.requires_grad or mat2.requires_grad:
        return _finish(bmm, result, out, (input, mat2))
    return Tensor(result)


@shortcut.product(short.mm, short.mv, short.bmm, recorded_as=(mm, mv, bmm))
def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of vectors, matrices or broadcast batches of matrices, by the rules of NumPy's `@`.

    Raises ShapeError when the inner sizes differ or an operand is 0-d.
    """
    _check_dtypes(matmul, input, other)
    a, b = input._array.ndim, other._array.ndim
    if out is not None:
        return write_out(matmul, matmul(input, other)._array, out, input, other)
    if a == 2 and b == 2:
        return _mm(input, other)
    if a == 0 or b == 0:
        raise ShapeError(f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D")
    if (a, b) == (2, 1):
        return mv(input, other)
    if (a, b) == (1, 2):
        return mv(other.t(), input)
    if a == 1 or b == 1:
        left = input.unsqueeze(0) if a == 1 else input
        right = other.unsqueeze(1) if b == 1 else other
        product = matmul(left, right)
        return product.squeeze(tuple(d for d, vector in ((-1, b == 1), (-2, a == 1)) if vector))
    if input.shape[-1] != other.shape[-2]:
        raise ShapeError(f"matmul: inner sizes differ: shapes {input.shape} and {other.shape}")
    if b == 2:
        # A batch of matrices by one matrix is one tall product.
        flat = mm(input.reshape(-1, input.shape[-1]), other) if input.numel() else input.new_zeros(0, other.shape[1])
        return flat.reshape(*input.shape[:-1], other.shape[-1])
    lead = broadcast_shapes(input.shape[:-2], other.shape[:-2])
    n = math.prod(lead)
    left = input.expand(*lead, *input.shape[-2:]).reshape(n, *input.shape[-2:])
    right = other.expand(*lead, *other.shape[-2:]).reshape(n, *other.shape[-2:])
    return bmm(left, right).reshape(*lead, input.shape[-2], other.shape[-1])


def _fused(
    op: Callable[..., Any], input: Tensor, left: Tensor, right: Tensor, beta: float, alpha: float, out: Tensor | None
) -> Tensor:
    """``beta * input + alpha * left @ right``: GEMM adds to what is there, so the sum costs no pass of its own."""
    a, b = left._array, right._array
    if need_tensor(op, input)._array.dtype is not a.dtype:
        raise DTypeError(f"{op.__name__}(): expected input to be {left.dtype}, but it is {input.dtype}")
    shape = (*a.shape[:-1], b.shape[-1])
    if broadcast_shapes(input.shape, shape) != shape:
        raise ShapeError(f"{op.__name__}: input {input.shape} does not expand to the result's shape {shape}")
    result = memory.empty(shape, a.dtype)
    if beta != 0:  # what is not added need not be a number
        np.copyto(result, input._array)
    (gemm.product if len(shape) == 2 else gemm.batched)(a, b, result, alpha, beta)
    return _finish(op, result, out, (input, left, right, beta, alpha))


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)`` of matrices; `input` is broadcast."""
    _check_dtypes(addmm, mat1, mat2)
    if mat1.ndim != 2 or mat2.ndim != 2 or mat1.shape[1] != mat2.shape[0]:
        raise ShapeError(f"addmm: mat1 and mat2 shapes cannot be multiplied ({mat1.shape} and {mat2.shape})")
    return _fused(addmm, input, mat1, mat2, beta, alpha, out)


def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``; `input` is broadcast."""
    _check_dtypes(baddbmm, batch1, batch2)
    _need_batches(baddbmm, batch1._array, batch2._array)
    return _fused(baddbmm, input, batch1, batch2, beta, alpha, out)


__all__ = ["addmm", "baddbmm", "bmm", "matmul", "mm", "mv"]
METHODS = (addmm, baddbmm, bmm, matmul, mm, mv)
IN_PLACE = (addmm, baddbmm)
