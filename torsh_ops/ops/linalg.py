"""Matrix products by GEMM. Transposed views and strided rows go in as they are; only other layouts are copied."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import record
from torsh_ops.errors import DTypeError, ShapeError
from torsh_ops.kernels import blas
from torsh_ops.ops.dispatch import broadcast_shapes, contiguous_array, need_tensor
from torsh_ops.tensor import Tensor


def _rows_or_columns(array: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return a (…, m, n) array for GEMM: itself, its transpose with True, or a copy."""
    if array.flags.c_contiguous:
        return array, False
    size, m, n = array.itemsize, array.shape[-2], array.shape[-1]
    row, column = array.strides[-2:]
    if column == size and (row >= n * size or m == 1) and row % size == 0:
        return array, False
    if row == size and (column >= m * size or n == 1) and column % size == 0:
        return array.swapaxes(-1, -2), True
    return contiguous_array(Tensor(array)), False


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


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply two matrices of one dtype."""
    m, k = a.shape
    n = b.shape[1]
    result = memory.empty((m, n), a.dtype)
    if a.dtype.kind != "f":
        np.matmul(a, b, out=result)
    elif result.size and k:
        x, tx = _rows_or_columns(a)
        y, ty = _rows_or_columns(b)
        if threads.count == 1:
            blas.gemm(x, tx, y, ty, 0.0, result)
        else:
            _split_rows(x, tx, y, ty, result, k)
    else:
        result.fill(0)
    return result


def _split_rows(x: np.ndarray, tx: bool, y: np.ndarray, ty: bool, result: np.ndarray, k: int) -> None:
    """Give each thread a range of rows of the result, or of columns when there are more of those."""
    m, n = result.shape
    work = m * n * k // 64  # a multiply-add costs far less than an element of a memory-bound kernel
    if m >= n:
        a = x.T if tx else x
        threads.rowwise(lambda a, c: blas.gemm(a.T if tx else a, tx, y, ty, 0.0, c), work, m, a, result)
    else:
        b = y if ty else y.T
        threads.rowwise(lambda b, c: blas.gemm(x, tx, b if ty else b.T, ty, 0.0, c.T), work, n, b, result.T)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices, (m, k) by (k, n). Raises ShapeError unless both are 2-D and fit."""
    _check_dtypes(mm, input, mat2)
    if input.ndim != 2 or mat2.ndim != 2:
        raise ShapeError(f"mm takes two matrices, but got shapes {input.shape} and {mat2.shape}")
    return _mm(input, mat2)


def _mm(input: Tensor, mat2: Tensor) -> Tensor:
    """`mm` of what has been checked to be two matrices of one dtype."""
    a, b = input._array, mat2._array
    if a.shape[1] != b.shape[0]:
        raise ShapeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
        )
    result = Tensor(_product(a, b))
    return record(mm, result, (input, mat2)) if input.requires_grad or mat2.requires_grad else result


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix (m, k) and a vector (k). Raises ShapeError unless they are 2-D and 1-D and fit."""
    _check_dtypes(mv, input, vec)
    a, x = input._array, vec._array
    if a.ndim != 2 or x.ndim != 1:
        raise ShapeError(f"mv takes a matrix and a vector, but got shapes {a.shape} and {x.shape}")
    if a.shape[1] != x.shape[0]:
        raise ShapeError(f"size mismatch: a matrix of shape {a.shape} and a vector of length {x.shape[0]}")
    out = memory.empty((a.shape[0],), a.dtype)
    if a.dtype.kind != "f":
        np.matmul(a, x, out=out)
    elif a.size:
        matrix, transposed = _rows_or_columns(a)
        blas.gemv(matrix, transposed, contiguous_array(vec), out)
    else:
        out.fill(0)
    result = Tensor(out)
    return record(mv, result, (input, vec)) if input.requires_grad or vec.requires_grad else result


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of matrices pairwise, (b, m, k) by (b, k, n). Raises ShapeError unless both are 3-D and fit."""
    _check_dtypes(bmm, input, mat2)
    a, b = input._array, mat2._array
    if a.ndim != 3 or b.ndim != 3:
        raise ShapeError(f"batch1 and batch2 must be 3D tensors, but got shapes {a.shape} and {b.shape}")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise ShapeError(f"bmm: shapes {a.shape} and {b.shape} do not fit: expected (b, m, k) and (b, k, n)")
    result = memory.empty((a.shape[0], a.shape[1], b.shape[2]), a.dtype)
    if a.dtype.kind != "f":
        np.matmul(a, b, out=result)
    elif result.size and a.shape[2]:
        x, tx = _rows_or_columns(a)
        y, ty = _rows_or_columns(b)
        work = result.size * a.shape[2] // 64
        threads.rowwise(lambda x, y, c: blas.batched_gemm(x, tx, y, ty, 0.0, c), work, len(x), x, y, result)
    else:
        result.fill(0)
    tensor = Tensor(result)
    return record(bmm, tensor, (input, mat2)) if input.requires_grad or mat2.requires_grad else tensor


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The product of vectors, matrices or broadcast batches of matrices, by the rules of NumPy's `@`.

    Raises ShapeError when the inner sizes differ or an operand is 0-d.
    """
    _check_dtypes(matmul, input, other)
    a, b = input.ndim, other.ndim
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
        flat = mm(input.reshape(-1, input.shape[-1]), other)
        return flat.reshape(*input.shape[:-1], other.shape[-1])
    lead = broadcast_shapes(input.shape[:-2], other.shape[:-2])
    n = math.prod(lead)
    left = input.expand(*lead, *input.shape[-2:]).reshape(n, *input.shape[-2:])
    right = other.expand(*lead, *other.shape[-2:]).reshape(n, *other.shape[-2:])
    return bmm(left, right).reshape(*lead, input.shape[-2], other.shape[-1])


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Inner product of two vectors of one length."""
    if need_tensor(dot, input).ndim != 1 or need_tensor(dot, tensor, "tensor").ndim != 1:
        raise ShapeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    return matmul(input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Products of each element of one vector with each of another, (m, n)."""
    if need_tensor(outer, input).ndim != 1 or need_tensor(outer, vec2, "vec2").ndim != 1:
        raise ShapeError(f"outer: expected 1D tensors, but got shapes {input.shape} and {vec2.shape}")
    return input.unsqueeze(1) * vec2.unsqueeze(0)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`beta * input + alpha * (mat1 @ mat2)`."""
    product = mm(mat1, mat2)
    product = product if alpha == 1 else product * alpha
    return product + (input if beta == 1 else input * beta)


__all__ = [
    "addmm", "bmm", "dot", "matmul", "mm", "mv", "outer",
]  # fmt: skip
METHODS = (
    addmm, bmm, dot, matmul, mm, mv, outer,
)  # fmt: skip
