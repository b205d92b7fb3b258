"""Writing lines, places and where a mask is true: index_add, put, masked_fill; a trailing underscore is in place."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.errors import DimError, DTypeError, ShapeError
from torsh_ops.kernels import index as ik
from torsh_ops.kernels import ternary as tk
from torsh_ops.ops import shortcut
from torsh_ops.ops.dispatch import broadcast_shapes, need_tensor
from torsh_ops.ops.index import about, check_indices, wrapped
from torsh_ops.ops.scatter import Number, all_ready, changed, copied, number_of, source_of
from torsh_ops.ops.views import array_of
from torsh_ops.tensor import Tensor, check_dim

_BOOL = np.dtype(bool)
_PLAIN = (float, int)


def _lines(op: Callable[..., Any], input: Tensor, dim: int, index: Tensor) -> tuple[tuple[Any, ...], int]:
    """Check a vector of places along `dim`; return it as a key for NumPy, and how many there are."""
    array = check_indices(op, input, dim, index)
    if array.ndim > 1:
        raise DimError(f"{op.__name__}(): Index is supposed to be a vector, but got shape {array.shape}")
    flat = array.reshape(-1)
    return ((*(slice(None),) * dim, flat) if input.ndim else (...,)), flat.size


def _matching(
    op: Callable[..., Any], input: Tensor, dim: int, index: Tensor, source: Any
) -> tuple[tuple[Any, ...], np.ndarray]:
    """Check the places and the source of index_add and index_copy; return the key and the source's array."""
    array = source_of(op, input, source, "source")
    key, count = _lines(op, input, dim, index)
    shape = (*input.shape[:dim], count, *input.shape[dim + 1 :]) if input.ndim else ()
    if array.shape != shape and not (array.size == 1 and count == 1 and np.prod(shape) == 1):
        raise ShapeError(
            f"{op.__name__}(): for self {list(input.shape)} and {count} indices along dimension {dim}, source must "
            f"have shape {list(shape)}, but got {list(array.shape)}"
        )
    return key, array.reshape(shape)


def _write_index_add(
    op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, source: Tensor, alpha: Number
) -> None:
    key, array = _matching(op, input, dim, index, source)
    array = array if alpha == 1 else array * array.dtype.type(alpha)
    places = index._array.reshape(-1)
    if result.ndim and all_ready(result, array, places.reshape((1,) * (result.ndim - 1) + (-1,))):
        ik.add_lines(result.ravel(), places, array.ravel(), *about(result.shape, dim))
    else:
        np.add.at(result, key, array)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """`input` with `alpha * source` added to the places `index` (1-D) along `dim`; a place named twice gets both.

    Raises DimError on an index out of range, ShapeError when `source` has another shape than the places.
    """
    dim = check_dim(dim, array_of(index_add, input).ndim)
    return copied(index_add, input, _write_index_add, dim, index, source, alpha)


def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """`index_add` in place; returns the tensor."""
    return changed(index_add, self, _write_index_add, check_dim(dim, self.ndim), index, source, alpha)


def _write_index_copy(op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, source: Tensor) -> None:
    key, array = _matching(op, input, dim, index, source)
    result[key] = array


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with `source` at the places `index` (1-D) along `dim`. Errors as in `index_add`."""
    dim = check_dim(dim, array_of(index_copy, input).ndim)
    return copied(index_copy, input, _write_index_copy, dim, index, source)


def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`index_copy` in place; returns the tensor."""
    return changed(index_copy, self, _write_index_copy, check_dim(dim, self.ndim), index, source)


def _write_index_fill(op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, value: Any) -> None:
    result[_lines(op, input, dim, index)[0]] = number_of(op, input, value)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`input` with a number at the places `index` (1-D) along `dim`. Raises DimError on an index out of range."""
    dim = check_dim(dim, array_of(index_fill, input).ndim)
    return copied(index_fill, input, _write_index_fill, dim, index, value)


def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`index_fill` in place; returns the tensor."""
    return changed(index_fill, self, _write_index_fill, check_dim(dim, self.ndim), index, value)


def _keys(indices: Sequence[Tensor | None], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the indices of index_put as NumPy takes them, checked against `shape`."""
    if len(indices) > len(shape):
        raise DimError(f"too many indices for tensor of dimension {len(shape)} (got {len(indices)})")
    keys: list[Any] = []
    for x in indices:
        if x is not None and need_tensor(index_put, x, "indices")._array.dtype.kind not in "ib":
            raise DTypeError(f"tensors used as indices must be integer or bool tensors, but got {x.dtype}")
        keys.append(slice(None) if x is None else x._array)
    return tuple(keys)


def _write_put(op: Any, input: Tensor, result: np.ndarray, indices: Any, values: Tensor, accumulate: bool) -> None:
    array = source_of(op, input, values, "values")
    key = _keys(indices, input.shape)
    try:
        if accumulate:
            np.add.at(result, key, array)
        else:
            result[key] = array
    except IndexError as error:
        raise DimError(f"{str(error).replace('axis', 'dimension')} (shape {list(input.shape)})") from None
    except ValueError:
        raise ShapeError(
            f"shape mismatch: value tensor of shape {list(array.shape)} cannot be broadcast to indexing result of "
            f"shape {list(input._array[key].shape)}"
        ) from None


def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values`, broadcast, at `input[indices]`; `accumulate` adds, also where a place is named twice."""
    return copied(index_put, input, _write_put, tuple(indices), values, accumulate)


def index_put_(self: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """`index_put` in place; returns the tensor."""
    return changed(index_put, self, _write_put, tuple(indices), values, accumulate)


def _write_flat(op: Any, input: Tensor, result: np.ndarray, index: Tensor, source: Tensor, accumulate: bool) -> None:
    array = source_of(op, input, source, "source")
    places = wrapped(op, index, result.size)
    if array.size != places.size:
        raise ShapeError(
            f"{op.__name__}(): Expected source and index to have the same number of elements, but got source.numel() "
            f"= {array.size}, index.numel() = {places.size}"
        )
    key = np.unravel_index(places.reshape(-1), result.shape) if result.ndim else (np.zeros(places.size, int),)
    target = result if result.ndim else result.reshape(1)
    if accumulate:
        np.add.at(target, key, array.reshape(-1))
    else:
        target[key] = array.reshape(-1)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `source` at the places `index` of its elements taken in order; `accumulate` adds.

    Raises DimError on an index out of range, ShapeError when the two differ in number.
    """
    return copied(put, input, _write_flat, index, source, accumulate)


def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`put` in place; returns the tensor."""
    return changed(put, self, _write_flat, index, source, accumulate)


def _mask_over(op: Callable[..., Any], input: Tensor, mask: Any) -> np.ndarray:
    """Return the array of a bool mask that broadcasts to the shape of `input`."""
    array = need_tensor(op, mask, "mask")._array
    if array.dtype.kind != "b":
        raise DTypeError(f"{op.__name__} only supports boolean masks, but got mask with dtype {mask.dtype}")
    if array.shape != input.shape and broadcast_shapes(input.shape, array.shape) != input.shape:
        raise ShapeError(f"{op.__name__}: mask of shape {mask.shape} does not broadcast to {input.shape}")
    return array


def _write_fill(op: Any, input: Tensor, result: np.ndarray, mask: Tensor, value: Any) -> None:
    over, number = _mask_over(op, input, mask), number_of(op, input, value)
    if result.dtype.kind == "f" and result.flags.c_contiguous and over.flags.c_contiguous and over.size:
        if result.shape[result.ndim - over.ndim :] == over.shape:
            ik.fill_masked(result.ravel(), over.ravel(), float(number), result.ravel())
            return
    np.copyto(result, number, where=over)


@shortcut.ternary(tk.where, kind=shortcut.FILLING, numbers=1, recorded=False)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`input` with the number `value` where `mask` is true; the two broadcast.

    Raises DTypeError unless the mask is bool.
    """
    array = array_of(masked_fill, input)
    over = need_tensor(masked_fill, mask, "mask")._array
    if over.shape == array.shape and type(value) in _PLAIN and not input.requires_grad and over.dtype is _BOOL:
        if array.dtype.kind == "f" and array.flags.c_contiguous and over.flags.c_contiguous:
            result = memory.empty_like(array)
            ik.fill_masked(array.ravel(), over.ravel(), float(value), result.ravel())
            return Tensor(result)
    shape = broadcast_shapes(array.shape, over.shape)
    return copied(masked_fill, input if shape == array.shape else input.expand(shape), _write_fill, mask, value)


def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`masked_fill` in place; returns the tensor."""
    return changed(masked_fill, self, _write_fill, mask, value)


def _write_masked(op: Any, input: Tensor, result: np.ndarray, mask: Tensor, source: Tensor) -> None:
    array = source_of(op, input, source, "source")
    places = np.broadcast_to(_mask_over(op, input, mask), result.shape)
    count = np.count_nonzero(places)
    if count > array.size:
        raise ShapeError(f"{op.__name__}: expected at least {count} elements in source, but got {array.size}")
    result[places] = array.reshape(-1)[:count]


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements of `source` in order where `mask`, broadcast, is true.

    Raises ShapeError when `source` has too few.
    """
    shape = broadcast_shapes(array_of(masked_scatter, input).shape, need_tensor(masked_scatter, mask, "mask").shape)
    return copied(masked_scatter, input if shape == input.shape else input.expand(shape), _write_masked, mask, source)


def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`masked_scatter` in place; returns the tensor."""
    return changed(masked_scatter, self, _write_masked, mask, source)


__all__ = ["index_add", "index_copy", "index_fill", "index_put", "masked_fill", "masked_scatter", "put"]
METHODS = (
    index_add, index_add_, index_copy, index_copy_, index_fill, index_fill_, index_put, index_put_, masked_fill,
    masked_fill_, masked_scatter, masked_scatter_, put, put_,
)  # fmt: skip
