"""Functions of three operands: choice, bounds, interpolation, products added up."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory, threads
from torsh_ops.autograd import record
from torsh_ops.errors import ArgumentError, DTypeError, MissingError
from torsh_ops.kernels import short
from torsh_ops.kernels import ternary as tk
from torsh_ops.ops import complex_forms, shortcut
from torsh_ops.ops.dispatch import Operand, broadcast_shapes, contiguous_array, need_tensor, result_type, write_out
from torsh_ops.tensor import Tensor

_WHERE_KERNEL = frozenset(np.dtype(name) for name in ("float32", "float64", "int64"))


def _laid(value: Operand, shape: tuple[int, ...], np_dtype: np.dtype) -> Any:
    """Return an operand as the kernels take it: a contiguous array of `shape`, or a number where it has one element."""
    if not isinstance(value, Tensor):
        return np_dtype.type(value).item()
    if value._array.size == 1 and value.shape != shape:
        return value._array.astype(np_dtype).item()
    return _array(value, shape, np_dtype)


def _array(value: Operand, shape: tuple[int, ...], np_dtype: np.dtype) -> np.ndarray:
    if isinstance(value, Tensor) and value.shape == shape:
        return contiguous_array(value, np_dtype)
    array = memory.empty(shape, np_dtype)
    array[...] = value._array if isinstance(value, Tensor) else value
    return array


def _shape(*operands: Operand) -> tuple[int, ...]:
    shapes = [v.shape for v in operands if isinstance(v, Tensor)]
    first = shapes[0]
    return first if all(s == first for s in shapes) else broadcast_shapes(*shapes)


def _finish(op: Callable[..., Tensor], result: np.ndarray, out: Tensor | None, args: tuple[Any, ...]) -> Tensor:
    return record(op, Tensor(result), args) if out is None else write_out(op, result, out, *args)


@shortcut.ternary(tk.where, kind=shortcut.CHOICE)
def where(
    condition: Tensor, input: Operand | None = None, other: Operand | None = None, *, out: Tensor | None = None
) -> Any:
    """`input` where `condition` is true, else `other`; all three broadcast. Of a condition alone, where it is true.

    Raises DTypeError when `condition` is not bool, ArgumentError when one of the two is missing.
    """
    if need_tensor(where, condition, "condition").dtype is not dtypes.bool_:
        raise DTypeError(f"where expected condition to be a bool tensor, but got {condition.dtype}")
    if input is None or other is None:
        if input is not other:
            raise ArgumentError("where() takes both input and other, or neither")
        return tuple(Tensor(places) for places in np.nonzero(condition._array))
    np_dtype = result_type(input, other).numpy
    shape = _shape(condition, input, other)
    result = memory.empty(shape, np_dtype)
    if np_dtype in _WHERE_KERNEL:
        chosen = _array(condition, shape, dtypes.bool_.numpy)
        threads.fill(tk.where, chosen, _laid(input, shape, np_dtype), _laid(other, shape, np_dtype), result)
    else:
        a, b = (v._array if isinstance(v, Tensor) else v for v in (input, other))
        np.copyto(result, b, casting="unsafe")
        np.copyto(result, a, casting="unsafe", where=condition._array)
    return _finish(where, result, out, (condition, input, other))


def where_of(self: Tensor, condition: Tensor, other: Operand) -> Tensor:
    """Return this tensor where `condition` is true, else `other`; see torsh_ops.where."""
    return where(condition, self, other)


@shortcut.ternary(tk.clamp, kind=shortcut.BOUNDS)
def clamp(
    input: Tensor, min: Operand | None = None, max: Operand | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`input` held between `min` and `max`, numbers or tensors; NaN stays, and `max` wins over `min`.

    Raises MissingError when both are None, DTypeError on bool tensors.
    """
    if min is None and max is None:
        raise MissingError("torsh_ops.clamp: at least one of 'min' or 'max' must not be None")
    bounds = [v for v in (min, max) if v is not None]
    common = result_type(need_tensor(clamp, input), *bounds)
    if common is dtypes.bool_:
        raise DTypeError("clamp is not implemented for bool tensors; convert with .to(...)")
    if common.category > 2:
        raise complex_forms.refuse(clamp, common)
    shape = _shape(input, *bounds)
    result = memory.empty(shape, common.numpy)
    array = _array(input, shape, common.numpy)
    if common.category == 2:
        low, high = -np.inf if min is None else min, np.inf if max is None else max
        threads.fill(tk.clamp, array, _laid(low, shape, common.numpy), _laid(high, shape, common.numpy), result)
    else:
        result[...] = array
        if min is not None:
            np.maximum(result, _laid(min, shape, common.numpy), out=result)
        if max is not None:
            np.minimum(result, _laid(max, shape, common.numpy), out=result)
    return _finish(clamp, result, out, (input, min, max))


def clamp_min(input: Tensor, min: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input`, at least `min`."""
    return clamp(input, min, out=out)


def clamp_max(input: Tensor, max: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input`, at most `max`."""
    return clamp(input, None, max, out=out)


@shortcut.ternary(tk.lerp, numbers=2)
def lerp(input: Tensor, end: Tensor, weight: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input + weight * (end - input)`, exact at weights 0 and 1; all three broadcast.

    Raises DTypeError unless the tensors have one floating-point dtype.
    """
    tensors = [need_tensor(lerp, input), need_tensor(lerp, end, "end")]
    tensors += [weight] if isinstance(weight, Tensor) else []
    if any(t.dtype is not input.dtype for t in tensors):
        names = ", ".join(str(t.dtype) for t in tensors)
        raise DTypeError(f"lerp: input, end and weight must have one dtype, but got {names}")
    _need_real(lerp, input.dtype)
    np_dtype = input._array.dtype
    shape = _shape(*tensors)
    result = memory.empty(shape, np_dtype)
    arrays = (_array(input, shape, np_dtype), _array(end, shape, np_dtype), _laid(weight, shape, np_dtype))
    threads.fill(tk.lerp, *arrays, result)
    return _finish(lerp, result, out, (input, end, weight))


def _need_real(op: Callable[..., Tensor], dtype: dtypes.dtype) -> None:
    if dtype.category > 2:
        raise complex_forms.refuse(op, dtype)
    if dtype.category < 2:
        raise DTypeError(f"{op.__name__} is not implemented for {dtype}; convert with .to(...)")


@shortcut.ternary(short.addcmul, numbers=0, recorded=False)
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1, out: Tensor | None = None) -> Tensor:
    """`input + value * tensor1 * tensor2`; all three broadcast."""
    return _added(addcmul, _addcmul, tk.addcmul, input, tensor1, tensor2, value, out)


@shortcut.ternary(short.addcdiv, numbers=0, recorded=False)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1, out: Tensor | None = None) -> Tensor:
    """`input + value * tensor1 / tensor2`; all three broadcast. Raises DTypeError on integers."""
    _need_real(addcdiv, result_type(input, tensor1, tensor2))
    return _added(addcdiv, _addcdiv, tk.addcdiv, input, tensor1, tensor2, value, out)


def _added(
    op: Callable[..., Tensor],
    recorded: Callable[..., Tensor],
    kernel: Callable[..., Any],
    input: Tensor,
    tensor1: Tensor,
    tensor2: Tensor,
    value: float,
    out: Tensor | None,
) -> Tensor:
    operands = (need_tensor(op, input), need_tensor(op, tensor1, "tensor1"), need_tensor(op, tensor2, "tensor2"))
    common = result_type(*operands)
    if common.category != 2:
        result = input + tensor1 * tensor2 * value
        return result if out is None else write_out(op, result._array, out, *operands)
    shape = _shape(*operands)
    result_array = memory.empty(shape, common.numpy)
    arrays = [_array(v, shape, common.numpy) for v in operands]
    threads.fill(kernel, *arrays, float(value), result_array)
    return _finish(recorded, result_array, out, (*operands, value))


# The same with `value` in its place, as gradients are kept by position.
def _addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: float) -> Tensor:
    return addcmul(input, tensor1, tensor2, value=value)


def _addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: float) -> Tensor:
    return addcdiv(input, tensor1, tensor2, value=value)


__all__ = ["addcdiv", "addcmul", "clamp", "clamp_max", "clamp_min", "lerp", "where"]
METHODS = (addcdiv, addcmul, clamp, clamp_max, clamp_min, lerp)
IN_PLACE = (addcdiv, addcmul, clamp, clamp_max, clamp_min, lerp)
