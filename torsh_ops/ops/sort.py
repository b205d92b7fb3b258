"""Sorting and choosing by rank. NaN ranks above all numbers; of equals the first stays first."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.errors import DimError
from torsh_ops.kernels import order as ok
from torsh_ops.ops.axes import INT64, ValuesIndices, delivered, need_real, not_empty, picked
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.extreme import amax
from torsh_ops.ops.plan import New, Plan, Step, flat, planned
from torsh_ops.tensor import Tensor, check_dim

_RANKED = (np.dtype(np.float32), np.dtype(np.int32))
# Up to that many elements are chosen in one reading of the row; more are split off, then sorted.
_FEW = 64


def _to_end(array: np.ndarray, dim: int) -> np.ndarray:
    """Return a contiguous array with `dim` last; bools as int32, which have ranks."""
    if array.dtype.kind == "b":
        array = array.astype(np.int32)
    if dim == array.ndim - 1 and array.flags.c_contiguous:
        return array
    return contiguous_array(Tensor(array.swapaxes(dim, -1)))


def _back(array: np.ndarray, dim: int) -> np.ndarray:
    return contiguous_array(Tensor(array.swapaxes(dim, -1)))


def _wide_ranks(array: np.ndarray, flip: bool) -> np.ndarray:
    """Return the ranks of float64 and int64 numbers as int64."""
    ranks = array
    if array.dtype.kind == "f":
        bits = (array + 0.0).view(INT64)  # -0 becomes 0
        ranks = np.where(np.isnan(array), np.iinfo(INT64).max, bits ^ ((bits >> 63) & np.iinfo(INT64).max))
    return ~ranks if flip else ranks


def _ordered(array: np.ndarray, descending: bool, first: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the elements of ranks `first` to `first + k - 1` along the last dimension, and their places."""
    n = array.shape[-1]
    shape = (*array.shape[:-1], k)
    values, indices = memory.empty(shape, array.dtype), memory.empty(shape, INT64)
    if not array.size or not k:
        return values, indices
    if array.itemsize == 8:
        places = np.argsort(_wide_ranks(array, descending), axis=-1, kind="stable")[..., first : first + k]
        indices[...] = places
        values[...] = np.take_along_axis(array, places, -1)
        return values, indices
    if threads.count == 1:
        _order_rows(array.ravel(), n, descending, first, k, values.ravel(), indices.ravel())
        return values, indices
    rows = array.reshape(-1, n)
    threads.rowwise(
        lambda x, into, at: _order_rows(x.reshape(-1), n, descending, first, k, into.reshape(-1), at.reshape(-1)),
        array.size, len(rows), rows, values.reshape(-1, k), indices.reshape(-1, k),
    )  # fmt: skip
    return values, indices


def _order_rows(
    x: np.ndarray, n: int, descending: bool, first: int, k: int, values: np.ndarray, indices: np.ndarray
) -> None:
    if first == 0 and k <= _FEW and 4 * k <= n:
        ok.smallest(x, n, k, descending, np.empty(k, INT64), values, indices)
        return
    keys = memory.empty((x.size // n, n), INT64)
    ok.pack(x, n, descending, keys.ravel())
    last = first + k
    if k == n:
        keys.sort()
    else:
        if last < n:
            keys.partition(last - 1)
        if first and (k > 1 or last == n):
            keys[:, :last].partition(first)
        if k > 1:
            keys[:, first:last].sort()
    ok.unpack(keys.ravel(), n, x, n, first, k, values, indices)


def _simply(input: Any, dim: Any, descending: bool, k: int | None) -> ValuesIndices | None:
    """Choose the first `k` (all for None) along the contiguous last dimension, without the bookkeeping.

    None where the general way is wanted.
    """
    if threads.count != 1 or not isinstance(input, Tensor) or input.requires_grad:
        return None
    array = input._array
    shape = array.shape
    if array.itemsize != 4 or (dim != -1 and dim != len(shape) - 1) or not array.size or not array.flags.c_contiguous:
        return None
    n = shape[-1] if shape else 0
    if k is None:
        k = n
    if not 1 <= k <= n:
        return None
    # As memory.empty does, without the call.
    allocate = np.empty if array.size < memory.POOLED_BYTES // 8 else memory.empty
    left = shape if k == n else (*shape[:-1], k)
    values, indices = allocate(left, array.dtype), allocate(left, INT64)
    _order_rows(array.ravel(), n, descending, 0, k, values.ravel(), indices.ravel())
    return ValuesIndices(Tensor(values), Tensor(indices))


def ranked(input: Tensor, dim: int, descending: bool, first: int, k: int) -> ValuesIndices:
    """Return the elements of ranks `first` to `first + k - 1` along `dim`, which keeps size k, and their places."""
    array = input._array
    if array.ndim == 0:
        return ValuesIndices(input.clone(), Tensor(np.zeros((), INT64)))
    values, indices = _ordered(_to_end(array, dim), descending, first, k)
    if dim != array.ndim - 1:
        values, indices = _back(values, dim), _back(indices, dim)
    if input.requires_grad:
        return picked(input, Tensor(indices), dim, True)
    if values.dtype is not array.dtype:
        values = values.astype(array.dtype)
    return ValuesIndices(Tensor(values), Tensor(indices))


def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False, *, out: Any = None
) -> ValuesIndices:
    """The elements along `dim` in ascending or descending order, and where they were; always stable."""
    if out is None and (found := _simply(input, dim, descending, None)) is not None:
        return found
    need_real(sort, input)
    dim = check_dim(dim, input.ndim)
    n = input.shape[dim] if input.ndim else 1
    return delivered(sort, ranked(input, dim, descending, 0, n), out, input)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The places of the elements along `dim` in ascending or descending order; always stable."""
    return sort(need_tensor(argsort, input).detach(), dim, descending, stable).indices


def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements along the first dimension in ascending order."""
    return delivered(msort, sort(input, 0).values, out, input)


def _plan_topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Plan | None:
    """A few of the elements of rows by the kernel that keeps them in order."""
    array = input._array
    n = array.shape[-1] if array.ndim else 0
    few = 1 <= k <= _FEW and 4 * k <= n and array.size < threads.WORTH_ELEMENTS
    if not few or array.dtype not in _RANKED or dim not in (-1, array.ndim - 1):
        return None
    left = (*array.shape[:-1], k)
    values, indices, best = New(left, input), New(left, INT64), New((k,), INT64)
    step = Step(ok.smallest, flat(input), n, k, largest, best, flat(values), flat(indices))
    return Plan([values, indices], [step], of=ValuesIndices, room=[best])


@planned(_plan_topk)
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out: Any = None
) -> ValuesIndices:
    """The `k` greatest (or smallest) elements along `dim` in order, and where they were.

    Raises DimError when `k` is negative or above the size of `dim`.
    """
    if out is None and (found := _simply(input, dim, largest, k)) is not None:
        return found
    need_real(topk, input)
    dim = check_dim(dim, input.ndim)
    n = input.shape[dim] if input.ndim else 1
    if not 0 <= k <= n:
        raise DimError(f"topk(): selected index k out of range: k is {k}, the size of dim {dim} is {n}")
    return delivered(topk, ranked(input, dim, largest, 0, k), out, input)


def _one(input: Tensor, k: int, dim: int, keepdim: bool) -> ValuesIndices:
    found = ranked(input, dim, False, k, 1)
    if keepdim or not input.ndim:
        return found
    values, indices = found
    if input.requires_grad:
        return ValuesIndices(values.squeeze(dim), indices.squeeze(dim))
    return ValuesIndices(Tensor(values._array.squeeze(dim)), Tensor(indices._array.squeeze(dim)))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> ValuesIndices:
    """The `k`-th smallest element along `dim` (from 1), and where it was. Raises DimError when there is none."""
    need_real(kthvalue, input)
    dim = check_dim(dim, input.ndim)
    n = input.shape[dim] if input.ndim else 1
    if not 1 <= k <= n:
        raise DimError(f"kthvalue(): selected number k out of range for dimension {dim}: k is {k}, its size {n}")
    return delivered(kthvalue, _one(input, k - 1, dim, keepdim), out, input)


def _numbers(array: np.ndarray, dim: int) -> Any:
    """How many elements along `dim` are not NaN."""
    return np.count_nonzero(array == array, axis=dim, keepdims=True)


def _middle(op: Callable[..., Any], input: Tensor, dim: int, keepdim: bool, skip_nan: bool) -> ValuesIndices:
    array = need_real(op, input)
    dim = check_dim(dim, array.ndim)
    if array.ndim == 0:
        return ValuesIndices(input.clone(), Tensor(np.zeros((), INT64)))
    not_empty(op, array, (dim,), dim)
    n = array.shape[dim]
    if array.dtype.kind != "f" or not np.isnan(amax(input.detach())._array):
        return _one(input, (n - 1) // 2, dim, keepdim)
    count = _numbers(array, dim)
    rank = np.maximum(count - 1, 0) // 2 if skip_nan else np.where(count == n, (n - 1) // 2, count)
    places = np.take_along_axis(ranked(input.detach(), dim, False, 0, n).indices._array, rank, dim)
    return picked(input, Tensor(places), dim, keepdim)


def _middle_of_all(op: Callable[..., Any], input: Tensor, skip_nan: bool) -> Tensor:
    array = need_real(op, input)
    if not array.size:
        return Tensor(np.asarray(np.nan, array.dtype)) if array.dtype.kind == "f" else _no_median(op, array)
    if input.requires_grad or array.dtype.kind != "f" or np.isnan(amax(input)._array):
        return _middle(op, input.reshape(-1), 0, False, skip_nan).values
    return Tensor(np.asarray(np.partition(array, (array.size - 1) // 2, axis=None)[(array.size - 1) // 2]))


def _no_median(op: Callable[..., Any], array: np.ndarray) -> Tensor:
    raise DimError(f"{op.__name__}(): an empty tensor of {array.dtype} has no median: shape {array.shape}")


def median(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The middle element, the lower of two; NaN where there is one. With `dim` a pair (values, indices)."""
    if dim is None:
        return _middle_of_all(median, input, False)
    return delivered(median, _middle(median, input, dim, keepdim, False), out, input)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The middle of the elements that are not NaN, the lower of two. With `dim` a pair (values, indices)."""
    if dim is None:
        return _middle_of_all(nanmedian, input, True)
    return delivered(nanmedian, _middle(nanmedian, input, dim, keepdim, True), out, input)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> ValuesIndices:
    """The element that comes most often along `dim`, the smallest of several, and its last place."""
    array = need_real(mode, input)
    dim = check_dim(dim, array.ndim)
    if array.ndim == 0:
        return delivered(mode, ValuesIndices(input.clone(), Tensor(np.zeros((), INT64))), out, input)
    not_empty(mode, array, (dim,), dim)
    rows = _to_end(array, dim)
    values, indices = _ordered(rows, False, 0, rows.shape[-1])
    place = np.arange(rows.shape[-1])
    starts = np.ones(values.shape, bool)
    starts[..., 1:] = values[..., 1:] != values[..., :-1]
    length = place - np.maximum.accumulate(np.where(starts, place, 0), axis=-1)
    last = np.argmax(length, axis=-1, keepdims=True)
    found = Tensor(_back(np.take_along_axis(indices, last, -1), dim))
    return delivered(mode, picked(input, found, dim, keepdim), out, input)


__all__ = ["argsort", "kthvalue", "median", "mode", "msort", "nanmedian", "sort", "topk"]
METHODS = (argsort, kthvalue, median, mode, msort, nanmedian, sort, topk)
