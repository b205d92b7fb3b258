"""Sorted sequences, distinct values and counts of values."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import search as sk
from torsh_ops.ops.axes import INT64, delivered, need_floating, need_real
from torsh_ops.ops.dispatch import Number, contiguous_array, need_tensor
from torsh_ops.ops.plan import New, Plan, Step, flat, planned
from torsh_ops.tensor import Tensor, check_dim

# Below that many numbers NumPy's own count costs less than the three calls of ours.
_FEW = 4096
_INT32 = np.dtype(np.int32)


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | Number,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    out: Tensor | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each element of `input` goes into the sorted last dimension of `sorted_sequence` to keep its order.

    Before its equals, or behind them when `right` (or side="right"). The sequence has one dimension, or all but the
    last of `input`. `sorter` says which element comes at each place of an unsorted sequence. Raises ShapeError when
    the shapes do not fit, DTypeError when the dtypes differ, ArgumentError on another `side`.
    """
    if side is None and sorter is None and out is None and not out_int32 and isinstance(input, Tensor):
        found = _simply_searched(sorted_sequence, input, right)
        if found is not None:
            return found
    if side not in (None, "left", "right"):
        raise ArgumentError(f"searchsorted(): side can only be 'left' or 'right' but got {side!r}")
    if right and side == "left":
        raise ArgumentError("searchsorted(): side and right can't be set to opposites, got side of left and right=True")
    sequence = need_real(searchsorted, sorted_sequence)
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape or sorter._array.dtype is not INT64:
            raise ShapeError(
                f"searchsorted(): sorter must be int64 of the sequence's shape {sequence.shape}, but is "
                f"{sorter.dtype} of {sorter.shape}"
            )
        sequence = np.take_along_axis(sequence, sorter._array, -1)
    if isinstance(input, (bool, int, float)):
        input = Tensor(np.asarray(input, sequence.dtype))
    values = need_real(searchsorted, input)
    result = _searched(sequence, values, right or side == "right", _INT32 if out_int32 else INT64)
    return delivered(searchsorted, Tensor(result), out, sorted_sequence, input)


def _simply_searched(sorted_sequence: Tensor, input: Tensor, right: bool) -> Tensor | None:
    """Search one contiguous sequence of the dtype of contiguous values; None where the general way is wanted."""
    sequence, values = need_tensor(searchsorted, sorted_sequence)._array, input._array
    if sequence.ndim != 1 or sequence.dtype is not values.dtype or values.dtype.kind not in "fi":
        return None
    n, m = sequence.size, values.size
    if not n or not m or not values.flags.c_contiguous or not sequence.flags.c_contiguous:
        return None
    found = memory.empty(values.shape, INT64)
    sk.searchsorted(sequence, n, values.ravel(), m, right, found.ravel())
    return Tensor(found)


def _searched(sequence: np.ndarray, values: np.ndarray, right: bool, np_dtype: np.dtype) -> np.ndarray:
    if sequence.ndim == 0 or (sequence.ndim > 1 and sequence.shape[:-1] != values.shape[:-1]):
        raise ShapeError(
            "searchsorted(): boundaries must have one dimension, or the first dimensions of input: boundaries "
            f"{sequence.shape}, input {values.shape}"
        )
    if sequence.dtype != values.dtype:
        raise DTypeError(
            f"searchsorted(): boundaries and input must have the same dtype, but got {sequence.dtype} "
            f"and {values.dtype}"
        )
    if not values.size or not sequence.size:
        return np.zeros(values.shape, np_dtype)
    if sequence.dtype.kind == "b":
        sequence, values = sequence.astype(_INT32), values.astype(_INT32)
    n = sequence.shape[-1]
    m = values.size if sequence.ndim == 1 else values.shape[-1]
    result = memory.empty(values.shape, INT64)
    rows, queries = np.ascontiguousarray(sequence).reshape(-1), contiguous_array(Tensor(values)).reshape(-1)
    sk.searchsorted(rows, n, queries, m, right, result.reshape(-1))
    return result if np_dtype is INT64 else result.astype(np_dtype)


def bucketize(
    input: Tensor | Number,
    boundaries: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """The number of the bucket between the sorted `boundaries` (1-D) in which each element of `input` lies.

    A boundary belongs to the bucket below it, or above it when `right`.
    """
    if need_tensor(bucketize, boundaries, "boundaries").ndim != 1:
        raise ShapeError(f"bucketize(): boundaries tensor must be 1 dimension, but got shape {boundaries.shape}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in ascending order, or the distinct slices along `dim`; each NaN counts as distinct.

    With `return_inverse` and `return_counts` also where each element of `input` is among them, and how often each
    comes.
    """
    array = need_real(unique, input)
    axis = None if dim is None else check_dim(dim, array.ndim)
    asked: dict[str, Any] = {"return_inverse": return_inverse, "return_counts": return_counts}
    found = np.unique(array, axis=axis, equal_nan=False, **asked)
    return _tensors(found, return_inverse or return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or slices along `dim`) without those equal to the one before; the rest as in `unique`."""
    array = need_real(unique_consecutive, input)
    moved = array.reshape(-1) if dim is None else np.moveaxis(array, check_dim(dim, array.ndim), 0)
    changed = np.ones(len(moved), bool)
    if len(moved):
        flat = moved.reshape(len(moved), math.prod(moved.shape[1:]))
        changed[1:] = (flat[1:] != flat[:-1]).any(1)
    values = moved[changed]
    found = [values if dim is None else np.moveaxis(values, 0, check_dim(dim, array.ndim))]
    if return_inverse:
        places = np.cumsum(changed) - 1
        found.append(places.reshape(array.shape) if dim is None else places)
    if return_counts:
        found.append(np.diff(np.flatnonzero(changed), append=len(moved)))
    return _tensors(tuple(found) if len(found) > 1 else found[0], len(found) > 1)


def _tensors(found: Any, several: bool) -> Any:
    arrays = found if several else (found,)
    tensors = tuple(Tensor(np.ascontiguousarray(a).reshape(a.shape)) for a in arrays)
    return tensors if several else tensors[0]


def _plan_bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Plan | None:
    """Few numbers, when none is above `minlength`."""
    array = input._array
    if weights is not None or array.ndim != 1 or array.dtype is not INT64 or not 0 < array.size < _FEW:
        return None
    if not 0 < minlength <= _FEW:
        return None
    out = New((minlength,), INT64)
    return Plan(out, [Step(sk.count_below, flat(input), out, checked=True)])


@planned(_plan_bincount)
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 comes in `input` (1-D, not negative), or the sum of its `weights`.

    int64, or the dtype of floating-point weights. Raises ShapeError on another shape, DTypeError on another dtype,
    ArgumentError on negative numbers or `minlength`.
    """
    array = need_tensor(bincount, input)._array
    if array.ndim != 1 or (weights is not None and weights.shape != input.shape):
        raise ShapeError(
            f"bincount only supports 1-d inputs, with weights of the same shape, but got {input.shape}"
            + ("" if weights is None else f" and {weights.shape}")
        )
    if array.dtype.kind != "i":
        raise DTypeError(f"bincount only supports integers, but got {input.dtype}")
    if minlength < 0:
        raise ArgumentError(f"minlength should be >= 0, but got {minlength}")
    if not array.size:
        return Tensor(np.zeros(minlength, INT64))
    if weights is not None or array.size < _FEW:
        return _weighed(array, weights, minlength)
    ends, numbers = np.empty(2, INT64), np.ascontiguousarray(array)
    sk.bounds(numbers, ends)
    bins = max(int(ends[1]) + 1, minlength)
    if ends[0] < 0 or bins > array.size:
        return _weighed(array, None, minlength)
    tables = np.zeros((4, bins), INT64)
    sk.count_values(numbers, tables.reshape(-1))
    return Tensor(tables.sum(0))


def _weighed(array: np.ndarray, weights: Tensor | None, minlength: int) -> Tensor:
    try:
        found = np.bincount(array, None if weights is None else weights._array, minlength)
    except ValueError:
        raise ArgumentError(f"bincount only supports non-negative numbers, but got {array.min()}") from None
    single = weights is not None and weights._array.dtype == np.float32
    return Tensor(found.astype(np.float32) if single else found)


def _range(op: Callable[..., Any], array: np.ndarray, low: float, high: float) -> tuple[float, float]:
    if low == high and array.size:
        low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ArgumentError(f"{op.__name__}: range of [{low}, {high}] is not finite")
    if low > high:
        raise ArgumentError(f"{op.__name__}: max must be larger than min, but got min={low} and max={high}")
    return (low - 1, high + 1) if low == high else (low, high)


def _counted(array: np.ndarray, bins: int, low: float, high: float) -> np.ndarray:
    counts = np.zeros(bins, INT64)
    sk.count_bins(contiguous_array(Tensor(array)).reshape(-1), low, high, counts)
    return counts


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Tensor | None = None) -> Tensor:
    """How many elements lie in each of `bins` bins of one width from `min` to `max`, in the dtype of `input`.

    Without a range it is that of the elements; those outside, and NaN, are left out. Raises ArgumentError when `bins`
    is not positive or the range not finite, DTypeError unless floating point.
    """
    array = need_floating(histc, input)
    if bins < 1:
        raise ArgumentError(f"histc: bins must be > 0, but got {bins}")
    low, high = _range(histc, array, float(min), float(max))
    return delivered(histc, Tensor(_counted(array, bins, low, high).astype(array.dtype)), out, input)


__all__ = ["bincount", "bucketize", "histc", "searchsorted", "unique", "unique_consecutive"]
METHODS = (bincount, histc, unique, unique_consecutive)
