"""New tensors, from data or by rule. `dtype` is the default floating dtype unless the values say otherwise."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.dtypes import as_dtype
from torsh_ops.errors import ArgumentError, OperandError, ShapeError
from torsh_ops.ops.dispatch import copy_into
from torsh_ops.tensor import Tensor
from torsh_ops.tensor import device as make_device

Size = int | Sequence[int]


def finish(array: np.ndarray, device: Any, requires_grad: bool) -> Tensor:
    """Wrap a new array for a creation function, checking the arguments that all of them share."""
    if device is not None:
        make_device(device)
    result = Tensor(array)
    return result.requires_grad_() if requires_grad else result


def shape_of(size: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the shape that `f(2, 3)`, `f((2, 3))` and `f([2, 3])` name.

    Raises ShapeError on a negative size, OperandError on one that is no integer.
    """
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    for n in size:
        if not isinstance(n, (int, np.integer)):
            raise OperandError(f"a size must be an integer, but got {n!r} in {tuple(size)}")
        if n < 0:
            raise ShapeError(f"a size must not be negative, but got {tuple(size)}")
    return tuple(int(n) for n in size)


def float_dtype(dtype: Any) -> np.dtype:
    """Return the NumPy dtype of `dtype`, of the default floating dtype when None."""
    return (dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)).numpy


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Copy `data` (numbers, nested sequences, an array or tensor) into a new tensor.

    Python floats take the default dtype, integers int64; arrays keep theirs. Raises ShapeError on ragged sequences
    and DTypeError on what is not numbers.
    """
    if isinstance(data, Tensor):
        data = data._array
    try:
        given = np.asarray(data)
    except ValueError as error:
        raise ShapeError(f"the nested sequences have different lengths: {error}") from None
    if dtype is not None:
        wanted = as_dtype(dtype)
    elif given.dtype == np.float64 and not isinstance(data, (np.ndarray, np.generic)):
        wanted = dtypes.get_default_dtype()
    else:
        wanted = dtypes.of_array(given)
    # Into the pool's memory: a kernel reads an array that begins on a cache line a fifth faster than NumPy's own.
    array = memory.empty(given.shape, wanted.numpy)
    copy_into(array, given)
    return finish(array, device, requires_grad)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """Wrap an array: the tensor shares its memory. Raises OperandError on another type, DTypeError on its dtype."""
    if not isinstance(ndarray, np.ndarray):
        raise OperandError(f"expected np.ndarray (got {type(ndarray).__name__}); torsh_ops.tensor copies other data")
    return Tensor(dtypes.canonical(ndarray))


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return `data` as a tensor, without a copy where that is possible."""
    if isinstance(data, (Tensor, np.ndarray)):
        wrapped = data if isinstance(data, Tensor) else from_numpy(data)
        return wrapped if dtype is None else wrapped.to(as_dtype(dtype))
    return tensor(data, dtype=dtype, device=device)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of `size` whose values are whatever the memory held."""
    return finish(memory.empty(shape_of(size), float_dtype(dtype)), device, requires_grad)


def full(
    size: Size, fill_value: float, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of `size` filled with a number, whose kind gives the dtype unless `dtype` does."""
    wanted = dtypes.of_scalar(fill_value) if dtype is None else as_dtype(dtype)
    array = memory.empty(shape_of((size,)), wanted.numpy)
    array.fill(fill_value)
    return finish(array, device, requires_grad)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of `size` filled with 0."""
    array = memory.empty(shape_of(size), float_dtype(dtype))
    array.fill(0)
    return finish(array, device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of `size` filled with 1."""
    array = memory.empty(shape_of(size), float_dtype(dtype))
    array.fill(1)
    return finish(array, device, requires_grad)


def zeros_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros in the shape and dtype of `input`."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones in the shape and dtype of `input`."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return an uninitialised tensor in the shape and dtype of `input`."""
    return empty(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def full_like(input: Tensor, fill_value: float, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor filled with a number in the shape and dtype of `input`."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, requires_grad=requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return the (n, m) matrix with 1 on the diagonal and 0 elsewhere; square without `m`."""
    rows, columns = shape_of((n, n if m is None else m))
    array = memory.empty((rows, columns), float_dtype(dtype))
    array.fill(0)
    np.fill_diagonal(array, 1)
    return finish(array, device, requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `ceil((end - start) / step)` numbers from `start` on; int64 when all three are integers.

    Raises ArgumentError when `step` is 0 or points away from `end`.
    """
    if end is None:
        start, end = 0, start
    if step == 0:
        raise ArgumentError("step must be nonzero")
    if (end - start) / step < 0:
        raise ArgumentError(f"upper bound and lower bound inconsistent with step sign: {start}, {end}, {step}")
    whole = all(isinstance(v, int) for v in (start, end, step))
    wanted = (dtypes.int64 if whole else dtypes.get_default_dtype()) if dtype is None else as_dtype(dtype)
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    places: Any = np.arange(count, dtype=np.int64 if whole else np.float64)
    array = (places * step + start).astype(wanted.numpy, copy=False)
    return finish(array, device, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return `steps` evenly spaced numbers from `start` to `end`, both included."""
    if steps < 0:
        raise ArgumentError(f"number of steps must be non-negative, but got {steps}")
    return finish(np.linspace(start, end, steps, dtype=float_dtype(dtype)), device, requires_grad)


__all__ = [
    "arange", "as_tensor", "empty", "empty_like", "eye", "from_numpy", "full", "full_like", "linspace", "ones",
    "ones_like", "tensor", "zeros", "zeros_like",
]  # fmt: skip
