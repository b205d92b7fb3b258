"""From tensors to kernels: operands are checked, promoted and broadcast here, once for all element-wise operators."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory, threads
from torsh_ops.autograd import is_grad_enabled, record
from torsh_ops.dtypes import dtype
from torsh_ops.errors import DTypeError, GradError, OperandError, ShapeError
from torsh_ops.ops import complex_forms
from torsh_ops.ops.layout import rearrange
from torsh_ops.tensor import Tensor

Number = bool | int | float
Operand = Tensor | Number
Kernel = Callable[..., Any]

_BOOL = np.dtype(bool)
_NUMBERS = (float, int, bool)


def need_tensor(op: Callable[..., Any], value: object, name: str = "input") -> Tensor:
    """Return `value` when it is a tensor; raise OperandError otherwise."""
    if isinstance(value, Tensor):
        return value
    hint = "; torsh_ops.from_numpy wraps an array" if isinstance(value, np.ndarray) else ""
    raise OperandError(f"{op.__name__}(): argument {name!r} must be Tensor, not {type(value).__name__}{hint}")


def result_type(*operands: Operand) -> dtype:
    """Return the dtype that an arithmetic operation on the operands gives, by PyTorch's rules."""
    dimensioned, zero_dim, scalars = [], [], []
    for x in operands:
        if not isinstance(x, Tensor):
            scalars.append(dtypes.of_scalar(x))
        elif x._array.ndim:
            dimensioned.append(x.dtype)
        else:
            zero_dim.append(x.dtype)
    return dtypes.promote(dimensioned, zero_dim, scalars)


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the common shape, or raise ShapeError with the sizes that differ and where."""
    ndim = max(map(len, shapes), default=0)
    padded = [(1,) * (ndim - len(s)) + tuple(s) for s in shapes]
    result = []
    for d, sizes in enumerate(zip(*padded, strict=True)):
        size = next((s for s in sizes if s != 1), 1)
        for other in sizes:
            if other not in (1, size):
                raise ShapeError(
                    f"The size of tensor a ({sizes[0]}) must match the size of tensor b ({other}) at non-singleton "
                    f"dimension {d}: shapes {' and '.join(str(tuple(s)) for s in shapes)} do not broadcast"
                )
        result.append(size)
    return tuple(result)


def contiguous_array(x: Tensor, np_dtype: np.dtype | None = None) -> np.ndarray:
    """Return the tensor's array, C-contiguous and of `np_dtype`: itself when it already is, else a pooled copy."""
    array = x._array
    if array.flags.c_contiguous and (np_dtype is None or array.dtype == np_dtype):
        return array
    copy = memory.empty(array.shape, array.dtype if np_dtype is None else np_dtype)
    copy_into(copy, array)
    return copy


def castable(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return `source`, or its real part, with a warning, where `target` is real; bool tells what is not zero."""
    if source.dtype.kind != "c" or target.dtype.kind in "cb":
        return source
    warnings.warn("Casting complex values to real discards the imaginary part", stacklevel=4)
    return source.real


def copy_into(target: np.ndarray, source: np.ndarray) -> None:
    """Copy `source` into the contiguous `target` of its shape, cast."""
    source = castable(source, target)
    if source.dtype is target.dtype:
        rearrange(target, source)
    else:
        with np.errstate(all="ignore"):
            np.copyto(target, source, casting="unsafe")


def unary(op: Callable[..., Any], kernel: Kernel, input: Tensor, out: Tensor | None = None) -> Tensor:
    """Run a floating-point function of one tensor; integers and bools become the default dtype first."""
    if not isinstance(input, Tensor):
        need_tensor(op, input)
    array = input._array
    if array.dtype.kind == "c":
        return _complex_unary(op, input, out)
    if array.dtype.kind != "f" or not array.flags.c_contiguous:
        wanted = array.dtype if array.dtype.kind == "f" else dtypes.get_default_dtype().numpy
        array = contiguous_array(input, wanted)
    if out is not None:
        target = _target(op, out, array.shape, array.dtype, input)
        if target is array:  # LLVM makes vectors only where source and target do not overlap: 8x, the copy included
            target = memory.empty_like(array)
        threads.elementwise(kernel, array, target)
        return _deliver(target, out)
    result = memory.empty_like(array)
    if array.nbytes < memory.POOLED_BYTES:
        kernel(array, result)
    else:
        threads.fill(kernel, array, result)
    tensor = Tensor(result)
    return record(op, tensor, (input,)) if input.requires_grad else tensor


def _complex_unary(op: Callable[..., Any], input: Tensor, out: Tensor | None) -> Tensor:
    result = complex_forms.unary(op, input._array)
    return record(op, Tensor(result), (input,)) if out is None else write_out(op, result, out, input)


def write_out(op: Callable[..., Any], result: np.ndarray, out: Tensor, *inputs: Any) -> Tensor:
    """Check that `out` can take `result`, which was computed beside it, and copy it there."""
    _target(op, out, result.shape, result.dtype, *inputs)
    return _deliver(result, out)


def binary(
    op: Callable[..., Any],
    kernel: Kernel,
    ufunc: Kernel,
    input: Operand,
    other: Operand,
    out: Tensor | None = None,
    result_dtype: np.dtype | None = None,
    true_division: bool = False,
) -> Tensor:
    """Run a function of two operands: the kernel on contiguous arrays of one dtype, NumPy's on the rest.

    `result_dtype` is the result's where it is not the operands' (bool for comparisons). `true_division` turns
    integers into the default floating dtype first.
    """
    x: Any = input._array if isinstance(input, Tensor) else input
    y: Any = other._array if isinstance(other, Tensor) else other
    like = None if out is not None else larger_operand(x, y)
    if like is None or (true_division and like.dtype.kind not in "fc"):
        return _general(op, kernel, ufunc, input, other, out, result_dtype, true_division)
    if like.nbytes < memory.POOLED_BYTES:  # as memory.empty does, without the call
        result = np.empty(like.shape, result_dtype or like.dtype)
        kernel(x, y, result)
    else:
        result = memory.empty(like.shape, result_dtype or like.dtype)
        threads.fill(kernel, x, y, result)
    tensor = Tensor(result)
    if (x is not input and input.requires_grad) or (y is not other and other.requires_grad):  # type: ignore[union-attr]
        return record(op, tensor, (input, other))
    return tensor


def larger_operand(x: Any, y: Any) -> np.ndarray | None:
    """Return the operand that has the result's shape when a kernel can take both as they are, else None."""
    kind, other_kind = type(x), type(y)
    if kind is np.ndarray and other_kind is np.ndarray:
        if x.dtype is not y.dtype or x.dtype.kind in "bc" or not (x.flags.c_contiguous and y.flags.c_contiguous):
            return None
        m, n = x.shape, y.shape
        if m == n:
            return x
        # The smaller repeats along the leading dimensions of the larger.
        if len(n) < len(m):
            return x if m[len(m) - len(n) :] == n and y.size else None
        return y if n[len(n) - len(m) :] == m and x.size else None
    array = x if kind is np.ndarray else y
    number = other_kind if array is x else kind
    if number in _NUMBERS and array.dtype.kind == "f" and array.flags.c_contiguous:
        return array
    return None


def _general(
    op: Callable[..., Any],
    kernel: Kernel,
    ufunc: Kernel,
    input: Operand,
    other: Operand,
    out: Tensor | None,
    result_dtype: np.dtype | None,
    true_division: bool,
) -> Tensor:
    for name, value in (("input", input), ("other", other)):
        if not isinstance(value, (Tensor, bool, int, float, complex)):
            need_tensor(op, value, name)
    common = result_type(input, other).numpy
    if common.kind == "c":
        complex_forms.need_binary(op, ufunc, common)
    elif true_division and common.kind != "f":
        common = dtypes.get_default_dtype().numpy
    a, b = (_cast(v, common) for v in (input, other))
    shape = broadcast_shapes(a.shape, b.shape)
    dtype_out = result_dtype or common
    result = memory.empty(shape, dtype_out) if out is None else _target(op, out, shape, dtype_out, input, other)
    # The machine's own overflow and invalid results are results, as in PyTorch: no warning.
    with np.errstate(all="ignore"):
        ufunc(a, b, out=result)
    if out is not None:
        return _deliver(result, out)
    return record(op, Tensor(result), (input, other))


def _cast(value: Operand, np_dtype: np.dtype) -> np.ndarray:
    if isinstance(value, Tensor):
        return value._array.astype(np_dtype, copy=False)
    return np.asarray(value, np_dtype)


def _target(
    op: Callable[..., Any], out: Tensor, shape: tuple[int, ...], np_dtype: np.dtype, *inputs: Any
) -> np.ndarray:
    """Return the array to compute into for `out=`: its own memory where no input looks into it at another offset."""
    need_tensor(op, out, "out")
    check_writable(op, out, *inputs)
    if out.shape != shape:
        raise ShapeError(f"{op.__name__}(): out has shape {out.shape}, but the result has shape {shape}")
    own = out._array
    moved = any(
        isinstance(x, Tensor)
        and np.may_share_memory(own, x._array)
        and (x._array.ctypes.data != own.ctypes.data or x._array.strides != own.strides)
        for x in inputs
    )
    if own.dtype != np_dtype or not own.flags.c_contiguous or moved:
        return memory.empty(shape, np_dtype)
    return own


def _deliver(result: np.ndarray, out: Tensor) -> Tensor:
    if result is not out._array:
        if not np.can_cast(result.dtype, out._array.dtype, "same_kind"):
            raise DTypeError(
                f"result type {dtypes.OF_NUMPY[result.dtype]} can't be cast to the output type {out.dtype}"
            )
        np.copyto(out._array, result, casting="same_kind")
    out._bump()
    return out


def check_writable(op: Callable[..., Any], target: Tensor, *inputs: Any) -> None:
    """Raise GradError when writing to `target` would lose a gradient: what goes to `out=` is never recorded."""
    if is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in (target, *inputs)):
        raise GradError(
            f"{op.__name__}() with out= is not recorded, and an operand requires grad; "
            "use the form that returns a new tensor, or no_grad()"
        )
