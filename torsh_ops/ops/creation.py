"""New tensors, from data or by rule. `dtype` is the default floating dtype unless the values say otherwise."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.dtypes import as_dtype
from torsh_ops.errors import ArgumentError, DTypeError, OperandError, ShapeError
from torsh_ops.ops.dispatch import copy_into, write_out
from torsh_ops.tensor import Tensor
from torsh_ops.tensor import device as make_device

Size = int | Sequence[int]


def finish(array: np.ndarray, device: Any, requires_grad: bool, out: Tensor | None = None) -> Tensor:
    """Wrap a new array for a creation function, or copy it into `out`; check the arguments that all of them share."""
    if device is not None:
        make_device(device)
    if out is not None:
        return write_out(tensor, array, out)
    result = Tensor(array)
    return result.requires_grad_() if requires_grad else result


def shape_of(size: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the shape that `f(2, 3)`, `f((2, 3))` and `f([2, 3])` name.

    Raises ShapeError on a negative size, OperandError on one that is no integer.
    """
    if len(size) == 1:
        only = size[0]
        if type(only) is int and only >= 0:
            return size
        if isinstance(only, (tuple, list)):
            size = tuple(only)
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
    python = not isinstance(data, (np.ndarray, np.generic))
    if dtype is not None:
        wanted = as_dtype(dtype)
        if given.dtype.kind == "c" and python and not wanted.is_complex:
            raise DTypeError(f"complex numbers cannot be converted to {wanted} without loss; take their real parts")
    elif given.dtype == np.float64 and python:
        wanted = dtypes.get_default_dtype()
    elif given.dtype == np.complex128 and python:
        wanted = dtypes.get_default_dtype().to_complex()
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


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`as_tensor`, with a choice of requires_grad."""
    result = as_tensor(obj, dtype, device)
    return result.detach().requires_grad_() if requires_grad else result


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a 0-d tensor of the default floating dtype, whatever kind of number `s` is."""
    return full((), s, dtype=dtypes.get_default_dtype() if dtype is None else dtype, requires_grad=requires_grad)


def empty(
    *size: Any, out: Tensor | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of `size` whose values are whatever the memory held."""
    return finish(memory.empty(shape_of(size), _dtype_for(out, dtype)), device, requires_grad, out)


def _dtype_for(out: Tensor | None, dtype: Any) -> np.dtype:
    """Return the NumPy dtype asked for: that of `out` where neither says."""
    return float_dtype(dtype) if out is None or dtype is not None else out._array.dtype


def _filled(size: Any, value: Any, np_dtype: np.dtype, device: Any, requires_grad: bool, out: Tensor | None) -> Tensor:
    array = memory.empty(shape_of(size), np_dtype)
    try:
        array.fill(value)
    except (OverflowError, TypeError, ValueError):
        raise DTypeError(
            f"value {value!r} cannot be converted to {dtypes.OF_NUMPY[np_dtype]} without overflow"
        ) from None
    return finish(array, device, requires_grad, out)


def full(
    size: Size,
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of `size` filled with a number (or 0-d tensor), whose kind gives the dtype unless `dtype` does.

    Raises DTypeError when the dtype cannot hold it.
    """
    wanted = out.dtype if dtype is None and out is not None else None if dtype is None else as_dtype(dtype)
    if isinstance(fill_value, Tensor):
        wanted, fill_value = wanted or fill_value.dtype, fill_value.item()
    own = wanted or dtypes.of_scalar(fill_value)
    return _filled((size,), fill_value, own.numpy, device, requires_grad, out)


def zeros(
    *size: Any, out: Tensor | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of `size` filled with 0."""
    return _filled(size, 0, _dtype_for(out, dtype), device, requires_grad, out)


def ones(
    *size: Any, out: Tensor | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of `size` filled with 1."""
    return _filled(size, 1, _dtype_for(out, dtype), device, requires_grad, out)


def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros in the shape and dtype of `input`."""
    return zeros(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones in the shape and dtype of `input`."""
    return ones(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return an uninitialised tensor in the shape and dtype of `input`."""
    return empty(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor filled with a number in the shape and dtype of `input`."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def new_empty(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return an uninitialised tensor of `size` and of this tensor's dtype."""
    return empty(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def new_zeros(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of `size` and of this tensor's dtype."""
    return zeros(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def new_ones(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones of `size` and of this tensor's dtype."""
    return ones(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def new_full(
    self: Tensor, size: Size, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of `size` filled with a number, of this tensor's dtype."""
    return full(size, fill_value, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Copy `data` into a new tensor of this tensor's dtype."""
    return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the (n, m) matrix with 1 on the diagonal and 0 elsewhere; square without `m`."""
    array = memory.empty(shape_of((n, n if m is None else m)), _dtype_for(out, dtype))
    array.fill(0)
    np.fill_diagonal(array, 1)
    return finish(array, device, requires_grad, out)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `ceil((end - start) / step)` numbers from `start` on; int64 when all three are integers.

    With an integer dtype all three are cut to integers first. Raises ArgumentError when `step` is 0 or points away
    from `end`, or the range is not finite.
    """
    start, end, step = (_number(v) for v in ((0, start, step) if end is None else (start, end, step)))
    if not all(math.isfinite(v) for v in (start, end, step)):
        raise ArgumentError(f"unsupported range: {start} -> {end} by {step}")
    whole = all(isinstance(v, (int, np.integer)) for v in (start, end, step))
    usual = dtypes.int64 if whole else dtypes.get_default_dtype()
    wanted = usual if dtype is None and out is None else as_dtype(_dtype_for(out, dtype))
    if wanted.is_complex or wanted is dtypes.bool_:
        raise DTypeError(f"arange is not implemented for {wanted}")
    if not wanted.is_floating_point:
        start, end, step, whole = int(start), int(end), int(step), True
    if step == 0:
        raise ArgumentError("step must be nonzero")
    if (end - start) / step < 0:
        raise ArgumentError(f"upper bound and lower bound inconsistent with step sign: {start}, {end}, {step}")
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    places: Any = np.arange(count, dtype=np.int64 if whole else np.float64)
    return finish((places * step + start).astype(wanted.numpy, copy=False), device, requires_grad, out)


def _spaced(start: Any, end: Any, steps: int, base: float | None, np_dtype: np.dtype) -> np.ndarray:
    """Return numbers from `start` to `end`, or `base` to their power, in double precision before they are cast."""
    if not isinstance(steps, int) or steps < 0:
        raise ArgumentError(f"number of steps must be a non-negative integer, but got {steps!r}")
    values = np.linspace(_number(start), _number(end), steps)
    if base is not None:
        with np.errstate(all="ignore"):
            values = np.power(np.float64(base), values)
    if np_dtype.kind not in "fc":
        values = np.trunc(values)
    return values.astype(np_dtype)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `steps` evenly spaced numbers from `start` to `end`, both included; complex where either is."""
    return _linear(start, end, steps, None, out, dtype, device, requires_grad)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `base` to the power of `steps` evenly spaced numbers from `start` to `end`."""
    return _linear(start, end, steps, base, out, dtype, device, requires_grad)


def _linear(
    start: Any, end: Any, steps: int, base: float | None, out: Tensor | None, dtype: Any, device: Any, grad: bool
) -> Tensor:
    if dtype is None and out is None and any(isinstance(_number(v), complex) for v in (start, end)):
        dtype = dtypes.get_default_dtype().to_complex()
    return finish(_spaced(start, end, steps, base, _dtype_for(out, dtype)), device, grad, out)


__all__ = [
    "arange", "as_tensor", "asarray", "empty", "empty_like", "eye", "from_numpy", "full", "full_like", "linspace",
    "logspace", "ones", "ones_like", "scalar_tensor", "tensor", "zeros", "zeros_like",
]  # fmt: skip
METHODS = (
    new_empty, new_full, new_ones, new_tensor, new_zeros,
)  # fmt: skip
