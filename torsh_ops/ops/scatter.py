"""Writing at chosen places: scatter, index_add, masked_fill and their kin. A trailing underscore writes in place."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import record
from torsh_ops.errors import DimError, DTypeError, OperandError, ShapeError
from torsh_ops.kernels import index as ik
from torsh_ops.kernels import move as mk
from torsh_ops.kernels import ternary as tk
from torsh_ops.ops import shortcut
from torsh_ops.ops.dispatch import broadcast_shapes, need_tensor
from torsh_ops.ops.in_place import change, must_record
from torsh_ops.ops.index import about, check_indices, outside, within, wrapped
from torsh_ops.ops.layout import compact
from torsh_ops.ops.plan import New, Plan, Step, flat, planned
from torsh_ops.ops.views import array_of
from torsh_ops.tensor import Tensor, check_dim

Number = bool | int | float
Write = Callable[..., None]

_I8, _BOOL = np.dtype(np.int64), np.dtype(bool)
_PLAIN = (float, int)

_REDUCE: dict[str, Any] = {
    "sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum,
}  # fmt: skip


def _copied(op: Callable[..., Any], input: Tensor, write: Write, *args: Any) -> Tensor:
    """Return a copy of `input` into which `write` has written, recorded as `op(input, *args)`."""
    result = compact(array_of(op, input))
    write(op, input, result, *args)
    return record(op, Tensor(result), (input, *args))


def _changed(op: Callable[..., Any], self: Tensor, write: Write, *args: Any) -> Tensor:
    """Let `write` write into the tensor itself; return it."""
    if must_record(self, *args):
        return change(self, lambda before: _copied(op, before, write, *args))
    write(op, self, self._array, *(_apart(self, a) for a in args))
    self._bump()
    return self


def _apart(self: Tensor, value: Any) -> Any:
    """Return `value`, copied when it looks into the memory that is about to change."""
    if isinstance(value, Tensor) and np.may_share_memory(value._array, self._array):
        return Tensor(value._array.copy())
    return value


def _source(op: Callable[..., Any], input: Tensor, src: Any, name: str = "src") -> np.ndarray:
    array = need_tensor(op, src, name)._array
    if array.dtype is not input._array.dtype:
        raise DTypeError(
            f"{op.__name__}(): Expected self.dtype to be equal to {name}.dtype, but got {input.dtype} and {src.dtype}"
        )
    return array


def _places(op: Callable[..., Any], input: Tensor, dim: int, index: Tensor, src: np.ndarray | None) -> Any:
    """Check an index of scatter; return it as a key for NumPy, with the part of `src` that it takes."""
    array = check_indices(op, input, dim, index)
    if array.size:
        within(op, "self", array, input.shape, dim)
        if src is not None:
            within(op, "src", array, src.shape, None)
    used = None if src is None else src[tuple(slice(n) for n in array.shape)]
    if not input.ndim or not array.ndim:  # one element, named once or not at all
        return np.full(input.shape, array.size, bool), None if used is None else used.reshape(-1)
    places: list[Any] = list(np.indices(array.shape, sparse=True))
    places[dim] = array
    return tuple(places), used


def _write_scatter(op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, src: Any) -> None:
    array = _source(op, input, src) if isinstance(src, Tensor) else None
    key, used = _places(op, input, dim, index, array)
    if index.numel():
        result[key] = _number(op, input, src) if array is None else used


def _number(op: Callable[..., Any], input: Tensor, value: Any) -> np.ndarray:
    """Return a number, or a tensor of one, in the dtype of `input`; raise where it does not fit."""
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise ShapeError(f"{op.__name__}: value must be a number or a 0-dim tensor, but got shape {value.shape}")
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise OperandError(f"{op.__name__}: value must be a number or a 0-dim tensor, not {type(value).__name__}")
    own = input._array.dtype
    if isinstance(value, complex) and own.kind != "c":
        raise DTypeError(f"{op.__name__}: the complex value {value} does not fit a tensor of {input.dtype}")
    try:
        with np.errstate(all="ignore"):
            return np.asarray(value, own)
    except (OverflowError, ValueError):
        raise ShapeError(f"value cannot be converted to {input.dtype} without overflow: {value}") from None


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """`input` with `src`, a tensor or a number, at `index` along `dim`; `reduce` "add" or "multiply" combines.

    Raises DimError on an index out of range, ShapeError when `index` is larger than `src`, or than `input` elsewhere.
    """
    dim = check_dim(dim, array_of(scatter, input).ndim)
    src = _given(src, value)
    if reduce is not None:
        return scatter_reduce(input, dim, index, _filled(input, index, src), _spelled(reduce))
    return _copied(scatter, input, _write_scatter, dim, index, src)


def scatter_(
    self: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """`scatter` in place; returns the tensor."""
    dim = check_dim(dim, self.ndim)
    src = _given(src, value)
    if reduce is not None:
        return scatter_reduce_(self, dim, index, _filled(self, index, src), _spelled(reduce))
    return _changed(scatter, self, _write_scatter, dim, index, src)


def _given(src: Any, value: Any) -> Any:
    if (src is None) == (value is None):
        raise OperandError("scatter() takes either src or value")
    return value if src is None else src


def _filled(input: Tensor, index: Tensor, src: Any) -> Tensor:
    return src if isinstance(src, Tensor) else Tensor(np.full(index.shape, src, input._array.dtype))


def _spelled(reduce: str) -> str:
    if reduce not in ("add", "multiply"):
        raise ShapeError(f"reduce argument must be either add or multiply, but got {reduce!r}")
    return {"add": "sum", "multiply": "prod"}[reduce]


def _write_add(op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, src: Tensor) -> None:
    array = _source(op, input, src)
    places = need_tensor(op, index, "index")._array
    if _fits_kernel(result, dim, places, array):
        bad = ik.scatter_add(result.ravel(), places.ravel(), array.ravel(), *about(result.shape, dim))
        if bad >= 0:
            raise outside(op, places, bad, dim, result.shape[dim])
        return
    key, used = _places(op, input, dim, index, array)
    np.add.at(result, key, used)


def _fits_kernel(result: np.ndarray, dim: int, places: np.ndarray, source: np.ndarray) -> bool:
    """Tell whether the kernel of scatter_add takes the arrays: where other dimensions are of one size."""
    own, shape = places.shape, result.shape
    alike = own == source.shape and shape[:dim] == own[:dim] and shape[dim + 1 :] == own[dim + 1 :]
    return alike and _all_ready(result, source, places)


def _all_ready(result: np.ndarray, source: np.ndarray, places: np.ndarray) -> bool:
    """Tell whether the kernels that add can take the arrays: of floating point, contiguous, places as int64."""
    return (
        places.size > 0
        and places.ndim == result.ndim > 0
        and result.dtype.kind == "f"
        and places.dtype is _I8
        and result.flags.c_contiguous
        and source.flags.c_contiguous
        and places.flags.c_contiguous
    )


def _plan_scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Plan | None:
    array, places = input._array, index._array
    dim = check_dim(dim, array.ndim)
    if src._array.dtype is not array.dtype or not _fits_kernel(array, dim, places, src._array):
        return None
    out = New(array.shape, input)
    copy = Step(mk.copy_block, flat(input), 0, 0, flat(out), 0, 0, 1, array.size)
    add = Step(ik.scatter_add, flat(out), flat(index), flat(src), *about(array.shape, dim), checked=True)
    return Plan(out, [copy, add], recorded=4)


@planned(_plan_scatter_add)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with `src` added at `index` along `dim`; places named twice get both. Errors as in `scatter`."""
    dim = check_dim(dim, array_of(scatter_add, input).ndim)
    return _copied(scatter_add, input, _write_add, dim, index, src)


def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`scatter_add` in place; returns the tensor."""
    return _changed(scatter_add, self, _write_add, check_dim(dim, self.ndim), index, src)


def _write_reduce(
    op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> None:
    if reduce not in _REDUCE:
        raise ShapeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    key, used = _places(op, input, dim, index, _source(op, input, src))
    if not include_self:
        result[key] = _identity(reduce, result.dtype)
    with np.errstate(all="ignore"):
        _REDUCE[reduce].at(result, key, used)
    if reduce == "mean":
        count = np.full(result.shape, int(include_self))
        np.add.at(count, key, 1)
        np.maximum(count, 1, out=count)
        divide = np.floor_divide if result.dtype.kind in "ib" else np.true_divide
        divide(result, count, out=result, casting="unsafe")


def _identity(reduce: str, dtype: np.dtype) -> Any:
    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    sign = -1 if reduce == "amax" else 1
    if dtype.kind == "f":
        return sign * np.inf
    if dtype.kind == "b":
        return reduce == "amin"
    return np.iinfo(dtype).min if sign < 0 else np.iinfo(dtype).max


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with `src` combined at `index` along `dim` by "sum", "prod", "mean", "amax" or "amin".

    Without `include_self`, the values that are there before do not count. Errors as in `scatter`.
    """
    dim = check_dim(dim, array_of(scatter_reduce, input).ndim)
    return _copied(scatter_reduce, input, _write_reduce, dim, index, src, reduce, include_self)


def scatter_reduce_(
    self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`scatter_reduce` in place; returns the tensor."""
    return _changed(scatter_reduce, self, _write_reduce, check_dim(dim, self.ndim), index, src, reduce, include_self)


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
    array = _source(op, input, source, "source")
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
    if result.ndim and _all_ready(result, array, places.reshape((1,) * (result.ndim - 1) + (-1,))):
        ik.add_lines(result.ravel(), places, array.ravel(), *about(result.shape, dim))
    else:
        np.add.at(result, key, array)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """`input` with `alpha * source` added to the places `index` (1-D) along `dim`; a place named twice gets both.

    Raises DimError on an index out of range, ShapeError when `source` has another shape than the places.
    """
    dim = check_dim(dim, array_of(index_add, input).ndim)
    return _copied(index_add, input, _write_index_add, dim, index, source, alpha)


def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """`index_add` in place; returns the tensor."""
    return _changed(index_add, self, _write_index_add, check_dim(dim, self.ndim), index, source, alpha)


def _write_index_copy(op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, source: Tensor) -> None:
    key, array = _matching(op, input, dim, index, source)
    result[key] = array


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with `source` at the places `index` (1-D) along `dim`. Errors as in `index_add`."""
    dim = check_dim(dim, array_of(index_copy, input).ndim)
    return _copied(index_copy, input, _write_index_copy, dim, index, source)


def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`index_copy` in place; returns the tensor."""
    return _changed(index_copy, self, _write_index_copy, check_dim(dim, self.ndim), index, source)


def _write_index_fill(op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, value: Any) -> None:
    result[_lines(op, input, dim, index)[0]] = _number(op, input, value)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`input` with a number at the places `index` (1-D) along `dim`. Raises DimError on an index out of range."""
    dim = check_dim(dim, array_of(index_fill, input).ndim)
    return _copied(index_fill, input, _write_index_fill, dim, index, value)


def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`index_fill` in place; returns the tensor."""
    return _changed(index_fill, self, _write_index_fill, check_dim(dim, self.ndim), index, value)


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
    array = _source(op, input, values, "values")
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
    return _copied(index_put, input, _write_put, tuple(indices), values, accumulate)


def index_put_(self: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """`index_put` in place; returns the tensor."""
    return _changed(index_put, self, _write_put, tuple(indices), values, accumulate)


def _write_flat(op: Any, input: Tensor, result: np.ndarray, index: Tensor, source: Tensor, accumulate: bool) -> None:
    array = _source(op, input, source, "source")
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
    return _copied(put, input, _write_flat, index, source, accumulate)


def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`put` in place; returns the tensor."""
    return _changed(put, self, _write_flat, index, source, accumulate)


def _mask_over(op: Callable[..., Any], input: Tensor, mask: Any) -> np.ndarray:
    """Return the array of a bool mask that broadcasts to the shape of `input`."""
    array = need_tensor(op, mask, "mask")._array
    if array.dtype.kind != "b":
        raise DTypeError(f"{op.__name__} only supports boolean masks, but got mask with dtype {mask.dtype}")
    if array.shape != input.shape and broadcast_shapes(input.shape, array.shape) != input.shape:
        raise ShapeError(f"{op.__name__}: mask of shape {mask.shape} does not broadcast to {input.shape}")
    return array


def _write_fill(op: Any, input: Tensor, result: np.ndarray, mask: Tensor, value: Any) -> None:
    over, number = _mask_over(op, input, mask), _number(op, input, value)
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
    return _copied(masked_fill, input if shape == array.shape else input.expand(shape), _write_fill, mask, value)


def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`masked_fill` in place; returns the tensor."""
    return _changed(masked_fill, self, _write_fill, mask, value)


def _write_masked(op: Any, input: Tensor, result: np.ndarray, mask: Tensor, source: Tensor) -> None:
    array = _source(op, input, source, "source")
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
    return _copied(masked_scatter, input if shape == input.shape else input.expand(shape), _write_masked, mask, source)


def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`masked_scatter` in place; returns the tensor."""
    return _changed(masked_scatter, self, _write_masked, mask, source)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Zeros with a one at each class: (..., num_classes), int64; as many classes as occur unless given.

    Raises ShapeError on a class that is negative or too great.
    """
    classes = array_of(one_hot, tensor)
    if classes.dtype.kind != "i":
        raise DTypeError(f"one_hot is only applicable to index tensors of type int64, but got {tensor.dtype}")
    if not classes.size and num_classes <= 0:
        raise ShapeError("Can not infer total number of classes from empty tensor.")
    if classes.size and classes.min() < 0:
        raise ShapeError(f"Class values must be non-negative, but got {classes.min()}")
    if num_classes == -1:
        num_classes = int(classes.max()) + 1
    if num_classes < 1:
        raise ShapeError(f"num_classes should be positive, but got {num_classes}")
    if classes.size and classes.max() >= num_classes:
        raise ShapeError(f"Class values must be smaller than num_classes ({num_classes}), but got {classes.max()}")
    return Tensor((classes[..., None] == np.arange(num_classes)).astype(np.int64))


__all__ = [
    "index_add", "index_copy", "index_fill", "index_put", "masked_fill", "masked_scatter", "put", "scatter",
    "scatter_add", "scatter_reduce",
]  # fmt: skip
METHODS = (
    index_add, index_add_, index_copy, index_copy_, index_fill, index_fill_, index_put, index_put_, masked_fill,
    masked_fill_, masked_scatter, masked_scatter_, put, put_, scatter, scatter_, scatter_add, scatter_add_,
    scatter_reduce, scatter_reduce_,
)  # fmt: skip
