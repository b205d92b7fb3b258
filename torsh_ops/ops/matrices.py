"""What all functions of matrices share: checks, copies that LAPACK may overwrite, and its error codes as errors."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.errors import DTypeError, LinAlgError, ShapeError
from torsh_ops.ops.dispatch import copy_into, need_tensor
from torsh_ops.tensor import Tensor

Op = Callable[..., Any]


def check(op: Op, A: Tensor, square: bool = False, name: str = "A") -> Tensor:
    """Return `A` when it is a real floating-point tensor of (square) matrices; raise the error that says why not."""
    array = need_tensor(op, A, name)._array
    if array.dtype.kind != "f":
        raise DTypeError(f"linalg.{op.__name__}: expected a tensor of float32 or float64, but {name} is {A.dtype}")
    if array.ndim < 2:
        raise ShapeError(f"linalg.{op.__name__}: {name} must have at least 2 dimensions, but it has shape {A.shape}")
    if square and array.shape[-1] != array.shape[-2]:
        raise ShapeError(
            f"linalg.{op.__name__}: {name} must be batches of square matrices, but they are "
            f"{A.shape[-2]} by {A.shape[-1]} matrices (shape {A.shape})"
        )
    return A


def check_same(op: Op, A: Tensor, B: Tensor) -> None:
    """Raise DTypeError unless both tensors have one dtype."""
    if need_tensor(op, B, "B")._array.dtype is not A._array.dtype:
        raise DTypeError(
            f"linalg.{op.__name__}: expected A and B to have the same dtype, but got {A.dtype} and {B.dtype}"
        )


def check_finite(op: Op, array: np.ndarray) -> None:
    """Raise LinAlgError where an iteration would run on infinities or NaN."""
    if np.count_nonzero(np.isfinite(array)) != array.size:
        raise LinAlgError(
            f"linalg.{op.__name__}: the algorithm failed to converge because the input matrix has non-finite values"
        )


def owned(array: np.ndarray, transposed: bool = False) -> np.ndarray:
    """Copy a (..., m, n) array to (batch, m, n), or each matrix transposed, C-contiguous, to be overwritten."""
    source = array.swapaxes(-1, -2) if transposed else array
    if array.nbytes < memory.POOLED_BYTES:
        copy = source.copy()
    else:
        copy = memory.empty(source.shape, array.dtype)
        copy_into(copy, source)
    return copy if copy.ndim == 3 else copy.reshape(batch_of(array), *source.shape[-2:])


def batch_of(array: np.ndarray) -> int:
    """How many matrices an array of (..., m, n) holds."""
    return 1 if array.ndim == 2 else math.prod(array.shape[:-2])


def alone(array: np.ndarray, work: int) -> bool:
    """Whether the kernels take matrices as they lie, and one thread does them all: what a plan can say."""
    return bool(array.size and array.flags.c_contiguous and (batch_of(array) == 1 or work < threads.WORTH_ELEMENTS))


def codes(batch: int) -> np.ndarray:
    """An array for LAPACK's codes."""
    return np.zeros(batch, np.int32)


def first_bad(info: np.ndarray, lead: tuple[int, ...]) -> tuple[int, str]:
    """The first code that is not 0, and which matrix of the batch it is of; (0, "") when all is well."""
    if not np.count_nonzero(info):  # a third of the time of any()
        return 0, ""
    at = int(np.flatnonzero(info)[0])
    place = "" if not lead else f"(Batch element {at}): "
    return int(info[at]), place


def fail(op: Op, place: str, why: str) -> None:
    """Raise LinAlgError."""
    raise LinAlgError(f"linalg.{op.__name__}: {place}{why}")


def work_of(elements: int, like: np.ndarray) -> np.ndarray:
    """Scratch memory of a kernel; it leaves its length to LAPACK."""
    return memory.empty((max(elements, 1),), like.dtype)
