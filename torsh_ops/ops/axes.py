"""How reductions reach their kernels: every input becomes rows, or (outer, n, inner) with n reduced."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.dtypes import get_default_dtype
from torsh_ops.errors import DimError, DTypeError
from torsh_ops.ops.dispatch import copy_into, need_tensor, write_out
from torsh_ops.ops.plan import New, Plan, Step, flat
from torsh_ops.tensor import Tensor, check_dim, check_dims

Dims = int | tuple[int, ...] | list[int] | None

INT64 = np.dtype(np.int64)
BOOL = np.dtype(bool)

# Below that many neighbours a middle axis is moved to the end: the vectors would stay empty.
NARROW = 16
# A middle axis is reduced in stacks of that many places, so that float32 sums stay as short.
_STACK = 512
# A reduction writes next to nothing: as much work as this many times fewer elements of an element-wise kernel.
_LIGHT = 4


class ValuesIndices(NamedTuple):
    """Elements along one dimension, and where they were."""

    values: Tensor
    indices: Tensor


class Kernels(NamedTuple):
    """The forms of one reduction: ``last(x, n, ..., out)`` of rows, ``middle(x, n, inner, ..., out)`` where it has one.

    Both take flat arrays.
    """

    last: Callable[..., Any]
    middle: Callable[..., Any] | None = None


def plan_of(
    kernels: Kernels,
    arguments: Callable[[int], tuple[Any, ...]] = lambda n: (),
    np_dtype: np.dtype | None = None,
    room: Callable[[int, int], int] | None = None,
) -> Callable[..., Plan | None]:
    """Return the planner of a reduction of contiguous floating-point tensors over neighbouring dimensions.

    `arguments` gives what the kernels take besides, from the number of elements that make one. `room` gives the size
    of a row that the middle kernel works in, from `inner` and the size of the result.
    """

    def plan(input: Tensor, dim: Any = None, keepdim: bool = False) -> Plan | None:
        array = input._array
        dims = check_dims(dim, array.ndim)
        if array.dtype.kind != "f" or not 0 < array.size < _LIGHT * threads.WORTH_ELEMENTS:
            return None
        if not array.ndim or dims[-1] - dims[0] + 1 != len(dims):
            return None
        n, inner = (math.prod(array.shape[d] for d in part) for part in (dims, range(dims[-1] + 1, array.ndim)))
        out = New(kept(array.shape, dims, keepdim), array.dtype if np_dtype is None else np_dtype)
        if inner == 1:
            return Plan(out, [Step(kernels.last, flat(input), n, *arguments(n), flat(out))])
        if kernels.middle is None or inner < NARROW or n >= 2 * _STACK:
            return None
        rows = [] if room is None else [New((room(inner, math.prod(out.shape)),), input)]
        return Plan(out, [Step(kernels.middle, flat(input), n, inner, *arguments(n), *rows, flat(out))], room=rows)

    return plan


def kept(shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> tuple[int, ...]:
    """Return the shape that a reduction over `dims` leaves."""
    if keepdim:
        return tuple(1 if d in dims else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in dims)


def arrange(array: np.ndarray, dims: tuple[int, ...], middle: bool) -> np.ndarray:
    """Return `array` as contiguous (outer, n, inner) with `dims` as n; inner is 1 unless `middle` is wanted."""
    shape = array.shape
    n = math.prod(shape[d] for d in dims)
    neighbours = bool(dims) and dims[-1] - dims[0] + 1 == len(dims) and array.flags.c_contiguous
    if neighbours or len(dims) == 0:
        inner = math.prod(shape[dims[-1] + 1 :]) if dims else 1
        if inner == 1 or (middle and inner >= NARROW):
            return np.ascontiguousarray(array).reshape(math.prod(shape[: dims[0]]) if dims else array.size, n, inner)
    left = tuple(d for d in range(array.ndim) if d not in dims)
    moved = array.transpose(left + dims)
    if not moved.flags.c_contiguous:
        source, moved = moved, memory.empty(moved.shape, moved.dtype)
        copy_into(moved, source)
    return moved.reshape(math.prod(shape[d] for d in left), n, 1)


def reduce(
    kernels: Kernels,
    array: np.ndarray,
    dims: tuple[int, ...],
    keepdim: bool,
    np_dtype: np.dtype,
    *arguments: Any,
    first: tuple[Any, ...] | None = None,
) -> np.ndarray:
    """Reduce `array` over `dims`.

    With `first`, the reduction of partial results is that of the whole: few long rows are cut, and `first` are the
    kernel's arguments for the pieces.
    """
    parts = arrange(array, dims, kernels.middle is not None)
    outer, n, inner = parts.shape
    result = memory.empty(kept(array.shape, dims, keepdim), np_dtype)
    if inner != 1:
        if first is not None and n >= 2 * _STACK:
            parts = _stacks(kernels, parts, np_dtype, first)
        _middle(kernels, parts, result.reshape(outer, inner), arguments)
        return result
    rows = parts.reshape(outer, n)
    if first is not None and outer == 1 and n // _LIGHT >= threads.WORTH_ELEMENTS and threads.count > 1:
        rows = _pieces(kernels.last, rows.reshape(n), np_dtype, first).reshape(1, -1)
        n = rows.shape[1]
    into = result.reshape(outer)
    threads.ranges(kernels.last, rows.size // _LIGHT, outer, lambda i: (rows[i].reshape(-1), n, *arguments, into[i]))
    return result


def _middle(kernels: Kernels, parts: np.ndarray, table: np.ndarray, arguments: tuple[Any, ...]) -> None:
    """Reduce (outer, n, inner) to `table`, (outer, inner)."""
    middle = kernels.middle
    assert middle is not None
    outer, n, inner = parts.shape
    threads.ranges(
        middle,
        parts.size // _LIGHT,
        outer,
        lambda i: (parts[i].reshape(-1), n, inner, *arguments, table[i].reshape(-1)),
    )


def _stacks(kernels: Kernels, parts: np.ndarray, np_dtype: np.dtype, arguments: tuple[Any, ...]) -> np.ndarray:
    """Reduce (outer, n, inner) to (outer, stacks, inner)."""
    outer, n, inner = parts.shape
    count, left = divmod(n, _STACK)
    found = memory.empty((outer, count + (left > 0), inner), np_dtype)
    for part, into in zip(parts, found, strict=True):
        _middle(kernels, part[: n - left].reshape(count, _STACK, inner), into[:count], arguments)
        if left:
            _middle(kernels, part[None, n - left :], into[count:], arguments)
    return found


def _pieces(last: Callable[..., Any], x: np.ndarray, np_dtype: np.dtype, arguments: tuple[Any, ...]) -> np.ndarray:
    """Reduce one long row in a piece for each thread, and the few elements that are left over."""
    count = threads.count
    n = x.size // count
    found = np.empty(count + (x.size % count > 0), np_dtype)
    threads.ranges(last, x.size, count, lambda i: (x[i.start * n : i.stop * n], n, *arguments, found[i]))
    if found.size > count:
        last(x[n * count :], x.size % count, *arguments, found[count:])
    return found


def need_floating(op: Callable[..., Any], input: Tensor) -> np.ndarray:
    """Return the array of a float32 or float64 tensor; raise DTypeError on another."""
    if not need_tensor(op, input).is_floating_point():
        raise DTypeError(
            f"{op.__name__}(): input dtype must be floating point, but got {input.dtype}; use .to(float32)"
        )
    return input._array


def to_floating(op: Callable[..., Any], input: Tensor) -> Tensor:
    """Return `input`, integers and bools in the default dtype. Raises DTypeError on complex numbers."""
    need_real(op, input)
    return input if input.is_floating_point() else input.to(get_default_dtype())


def need_real(op: Callable[..., Any], input: Tensor) -> np.ndarray:
    """Return the array of a tensor that is not complex; raise DTypeError on one that is, as it has no order."""
    if need_tensor(op, input)._array.dtype.kind == "c":
        raise DTypeError(f"{op.__name__}(): complex tensors are not supported, but got {input.dtype}; use .abs()")
    return input._array


def not_empty(op: Callable[..., Any], array: np.ndarray, dims: tuple[int, ...], dim: Dims) -> None:
    """Raise DimError when there is nothing to choose from."""
    for d in dims:
        if array.shape[d] == 0:
            where = f"Expected reduction dim {d} to have non-zero size" if dim is not None else "the tensor is empty"
            raise DimError(f"{op.__name__}(): {where}: shape {array.shape}")


def one_dim(op: Callable[..., Any], array: np.ndarray, dim: int) -> int:
    """Return `dim` from the front; raise DimError when it is out of range, or empty."""
    d = check_dim(dim, array.ndim)
    if array.ndim:
        not_empty(op, array, (d,), d)
    return d


def delivered(op: Callable[..., Any], result: Any, out: Any, *inputs: Any) -> Any:
    """Write a result, or each of a named pair of results, to `out` where there is one."""
    if out is None:
        return result
    if isinstance(result, Tensor):
        return write_out(op, result._array, out, *inputs)
    for one, target in zip(result, out, strict=True):
        write_out(op, one._array, target, *inputs)
    return type(result)(*out)


def picked(input: Tensor, indices: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
    """Return the elements of `input` at `indices`, which have size 1 or more at `dim`; gradients go back to them."""
    if input.ndim == 0:
        return ValuesIndices(input.clone(), indices)
    values = input.gather(dim, indices)
    return ValuesIndices(values, indices) if keepdim else ValuesIndices(values.squeeze(dim), indices.squeeze(dim))
