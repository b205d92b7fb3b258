"""Shape and indexing. What can be a view is one, and shares memory with its source."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.autograd import record
from torsh_ops.errors import ArgumentError, DimError, DTypeError, OperandError, ShapeError
from torsh_ops.kernels.index import first_outside
from torsh_ops.ops.dispatch import check_writable, need_tensor
from torsh_ops.ops.elementwise import clone, where
from torsh_ops.tensor import Tensor, check_dim


def _in_shape(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return `array` in another shape, one -1 inferred; a view where strides allow."""
    try:
        return array.reshape(shape)
    except (ValueError, TypeError):
        if shape.count(-1) > 1:
            raise ShapeError(f"only one dimension can be inferred, but got shape {list(shape)}") from None
        raise ShapeError(f"shape {list(shape)} is invalid for input of size {array.size}") from None


def _sizes(size: tuple[Any, ...]) -> tuple[int, ...]:
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        return tuple(size[0])
    return size


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape, one -1 inferred: a view where strides allow, else a copy.

    Raises ShapeError when the number of elements differs.
    """
    array = need_tensor(reshape, input)._array
    result = _in_shape(array, _sizes(shape))
    shared = array.flags.c_contiguous or np.may_share_memory(result, array)
    tensor = input._view(result) if shared else Tensor(result)
    return record(reshape, tensor, (input, result.shape)) if input.requires_grad else tensor


def view(input: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape, one -1 inferred. Raises ShapeError when that needs a copy."""
    array = need_tensor(view, input)._array
    result = _in_shape(array, _sizes(shape))
    if array.size and not np.may_share_memory(result, array):
        raise ShapeError(
            f"view size {list(result.shape)} is not compatible with input of shape {list(array.shape)} and strides "
            f"{list(input.stride())}; use reshape(...)"
        )
    return record(reshape, input._view(result), (input, result.shape))


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` in the shape of `other`."""
    return view(input, other.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the dimensions from `start_dim` to `end_dim` into one."""
    first, last = check_dim(start_dim, input.ndim), check_dim(end_dim, input.ndim)
    if first > last:
        raise ShapeError(f"flatten() has invalid args: start_dim {start_dim} comes after end_dim {end_dim}")
    if input.ndim == 0:
        return reshape(input, 1)
    joined = math.prod(input.shape[first : last + 1])
    return reshape(input, (*input.shape[:first], joined, *input.shape[last + 1 :]))


def permute(input: Tensor, *dims: Any) -> Tensor:
    """A view with the dimensions in another order. Raises ArgumentError unless each is named once."""
    array = need_tensor(permute, input)._array
    wrapped = tuple(check_dim(d, array.ndim) for d in _sizes(dims))
    if sorted(wrapped) != list(range(array.ndim)):
        raise ArgumentError(f"permute(dims={wrapped}) must name each of {array.ndim} dimensions of the input once")
    result = input._view(array.transpose(wrapped))
    return record(permute, result, (input, wrapped)) if input.requires_grad else result


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions exchanged."""
    ndim = need_tensor(transpose, input).ndim
    a, b = check_dim(dim0, ndim), check_dim(dim1, ndim)
    if ndim == 0:
        return input._view(input._array)
    result = input._view(input._array.swapaxes(a, b))
    if not input.requires_grad:
        return result
    order = list(range(ndim))
    order[a], order[b] = b, a
    return record(permute, result, (input, tuple(order)))


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix (a view); a vector is its own. Raises ShapeError on more dimensions."""
    array = need_tensor(t, input)._array
    if array.ndim > 2:
        raise ShapeError(f"t() expects a tensor of at most 2 dimensions, but got shape {array.shape}; use permute")
    result = input._view(array.T)
    return record(permute, result, (input, tuple(range(array.ndim))[::-1])) if input.requires_grad else result


def contiguous(input: Tensor) -> Tensor:
    """`input` itself when its elements lie in order, else a copy in which they do."""
    return input if need_tensor(contiguous, input).is_contiguous() else clone(input)


def squeeze(input: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """A view without the dimensions of size 1, or without those of `dim` that are of size 1."""
    shape = need_tensor(squeeze, input).shape
    dims = (
        range(len(shape))
        if dim is None
        else [check_dim(d, len(shape)) for d in ([dim] if isinstance(dim, int) else dim)]
    )
    return reshape(input, tuple(n for d, n in enumerate(shape) if d not in dims or n != 1))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a dimension of size 1 put in at `dim`."""
    shape = list(need_tensor(unsqueeze, input).shape)
    shape.insert(check_dim(dim, len(shape) + 1), 1)
    return reshape(input, tuple(shape))


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """A view in which dimensions of size 1 are repeated without a copy; -1 keeps a size.

    Raises ShapeError when another dimension would have to change.
    """
    shape = need_tensor(expand, input).shape
    wanted = _sizes(sizes)
    if len(wanted) < len(shape):
        raise ShapeError(f"expand: the number of sizes {wanted} must not be less than the dimensions of {shape}")
    padded = (1,) * (len(wanted) - len(shape)) + shape
    full = tuple(n if w == -1 else w for w, n in zip(wanted, padded, strict=True))
    for d, (w, n) in enumerate(zip(full, padded, strict=True)):
        if n not in (1, w):
            raise ShapeError(
                f"The expanded size of the tensor ({w}) must match the existing size ({n}) at non-singleton "
                f"dimension {d}. Target sizes: {list(wanted)}. Tensor sizes: {list(shape)}"
            )
    return record(expand, input._view(np.broadcast_to(input._array, full)), (input, full))


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """`expand` by another name."""
    return expand(input, tuple(size))


def _same_dtype(tensors: Sequence[Tensor], op: Any) -> np.dtype:
    if not tensors:
        raise ArgumentError(f"{op.__name__} expects a non-empty list of tensors")
    tensors = [need_tensor(op, x, "tensors") for x in tensors]
    return dtypes.promote([x.dtype for x in tensors], [], []).numpy


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors along a dimension they have. Raises ShapeError when another dimension differs."""
    np_dtype = _same_dtype(tensors, cat)
    dim = check_dim(dim, tensors[0].ndim)
    first = tensors[0].shape
    for i, x in enumerate(tensors):
        if (
            x.ndim != len(first)
            or x.ndim == 0
            or any(a != b for d, (a, b) in enumerate(zip(x.shape, first, strict=True)) if d != dim)
        ):
            raise ShapeError(
                f"Sizes of tensors must match except in dimension {dim}. Expected {list(first)} but got "
                f"{list(x.shape)} for tensor number {i} in the list."
            )
    shape = (*first[:dim], sum(x.shape[dim] for x in tensors), *first[dim + 1 :])
    result = memory.empty(shape, np_dtype)
    np.concatenate([x._array for x in tensors], axis=dim, out=result)
    return record(cat, Tensor(result), (dim, *tensors))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors of one shape along a new dimension."""
    _same_dtype(tensors, stack)
    for i, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and "
                f"{list(x.shape)} at entry {i}"
            )
    return cat([unsqueeze(x, dim) for x in tensors], check_dim(dim, tensors[0].ndim + 1))


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive pieces along `dim`: of one size (the last may be less), or of the sizes given."""
    dim = check_dim(dim, need_tensor(split, tensor, "tensor").ndim)
    n = tensor.shape[dim]
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step < 1:
            raise ArgumentError(f"split expects split_size to be positive, but got {step}")
        sizes = [min(step, n - i) for i in range(0, n, step)] or [0]
    else:
        sizes = list(split_size_or_sections)
        if sum(sizes) != n:
            raise ShapeError(f"split expects sizes that sum to {n} (the size of dimension {dim}), but got {sizes}")
    starts = np.cumsum([0, *sizes]).tolist()
    return tuple(narrow(tensor, dim, a, size) for a, size in zip(starts, sizes, strict=False))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most `chunks` pieces along `dim`."""
    size = need_tensor(chunk, input).shape[check_dim(dim, input.ndim)]
    return split(input, max(-(-size // chunks), 1), dim)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A view of `length` places along `dim` from `start` on."""
    dim = check_dim(dim, need_tensor(narrow, input).ndim)
    if not 0 <= start <= start + length <= input.shape[dim]:
        raise DimError(f"start ({start}) + length ({length}) exceeds dimension size ({input.shape[dim]}).")
    return getitem(input, (slice(None),) * dim + (slice(start, start + length),))


def _plain(index: Any) -> Any:
    """Return an index NumPy understands the way PyTorch does."""
    if isinstance(index, tuple):
        return tuple(_plain(i) for i in index)
    if isinstance(index, list):
        return np.asarray([_plain(i) for i in index])
    if isinstance(index, Tensor):
        if index._array.dtype.kind == "f":
            raise DTypeError(f"tensors used as indices must be integer or bool tensors, but got {index.dtype}")
        return index._array
    if isinstance(index, slice):
        step = index.step
        if step is not None and step <= 0:
            raise ArgumentError("step must be greater than zero")
        return slice(*(None if v is None else int(v) for v in (index.start, index.stop, step)))
    if index is None or index is Ellipsis or isinstance(index, (int, bool, np.ndarray, np.integer)):
        return index
    raise OperandError(
        "only integers, slices, ellipsis, None and integer or bool tensors are valid indices, "
        f"got {type(index).__name__}"
    )


def _take(array: np.ndarray, key: Any) -> Any:
    try:
        return array[key]
    except IndexError as error:
        raise DimError(f"{error} (shape {array.shape})") from None


def getitem(input: Tensor, index: Any) -> Tensor:
    """`input[index]`: a view for integers, slices, None and Ellipsis; a copy for integer or bool tensors."""
    basic = _is_basic(index)
    key = index if basic else _plain(index)
    taken = _take(input._array, key)
    if not isinstance(taken, np.ndarray):
        # A full set of integers gives a NumPy number; the same as slices keeps it a view of the memory.
        taken = _take(input._array, (*key, Ellipsis) if isinstance(key, tuple) else (key, Ellipsis))
    basic = basic or not _has_array(key)
    result = input._view(taken) if basic else Tensor(np.ascontiguousarray(taken).reshape(taken.shape))
    return record(getitem, result, (input, key)) if input.requires_grad else result


def _is_basic(index: Any) -> bool:
    """Tell whether NumPy understands the index as it is, and gives a view: integers and forward slices of them."""
    if type(index) is tuple:
        return all(map(_is_basic, index))
    if type(index) is slice:
        start, stop, step = index.start, index.stop, index.step
        return (
            (start is None or type(start) is int)
            and (stop is None or type(stop) is int)
            and (step is None or (type(step) is int and step > 0))
        )
    return type(index) is int


def _has_array(key: Any) -> bool:
    return any(isinstance(k, np.ndarray) for k in (key if isinstance(key, tuple) else (key,)))


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """`self[index] = value`, broadcast and cast. Raises ShapeError when the value does not fit."""
    check_writable(setitem, self, value)
    key = _plain(index)
    array = value._array if isinstance(value, Tensor) else value
    try:
        self._array[key] = array
    except IndexError as error:
        raise DimError(f"{error} (shape {self.shape})") from None
    except ValueError:
        target = _take(self._array, key)
        raise ShapeError(
            f"shape mismatch: value of shape {np.shape(array)} does not fit into {np.shape(target)}"
        ) from None
    self._bump()


def _check_indices(op: Any, input: Tensor, dim: int, index: Tensor) -> np.ndarray:
    array = need_tensor(op, index, "index")._array
    if array.dtype.kind != "i":
        raise DTypeError(f"{op.__name__}(): expected dtype int64 for index, but got {index.dtype}")
    size = input.shape[dim] if input.ndim else 1
    if (bad := first_outside(array.ravel(), size)) >= 0:
        raise DimError(
            f"{op.__name__}(): index {array.ravel()[bad]} is out of bounds for dimension {dim} with size {size}"
        )
    return array


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """`out[i][j] = input[index[i][j]][j]` for dim 0, and so on; the shape of `index`.

    Raises DimError on an index out of range, ShapeError when `index` is larger than `input` elsewhere.
    """
    dim = check_dim(dim, need_tensor(gather, input).ndim)
    array = _check_indices(gather, input, dim, index)
    if array.ndim != input.ndim or any(
        i > n for d, (i, n) in enumerate(zip(array.shape, input.shape, strict=False)) if d != dim
    ):
        raise ShapeError(
            f"Size does not match at a dimension apart from {dim}: index {list(array.shape)}, input {list(input.shape)}"
        )
    source = input._array[tuple(slice(None) if d == dim else slice(n) for d, n in enumerate(array.shape))]
    result = np.asarray(np.take_along_axis(source, array, dim)) if array.ndim else source.copy()
    return record(gather, Tensor(result), (input, dim, index))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The places `index` (1-D) along `dim`, as a copy. Raises DimError on an index out of range."""
    dim = check_dim(dim, need_tensor(index_select, input).ndim)
    array = _check_indices(index_select, input, dim, index)
    if array.ndim > 1:
        raise ShapeError(f"index_select(): index is supposed to be a vector, but got shape {array.shape}")
    shape = (*input.shape[:dim], array.size, *input.shape[dim + 1 :])
    result = memory.empty(shape, input._array.dtype)
    np.take(input._array, array.reshape(-1), axis=dim, out=result, mode="clip")
    return record(index_select, Tensor(result), (input, dim, index))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with `src` added at `index` along `dim`; places named twice get both."""
    dim = check_dim(dim, need_tensor(scatter_add, input).ndim)
    array = _check_indices(scatter_add, input, dim, index)
    result = clone(input.detach())._array
    places: list[Any] = list(np.indices(array.shape, sparse=True))
    places[dim] = array
    np.add.at(result, tuple(places), need_tensor(scatter_add, src, "src")._array[tuple(slice(n) for n in array.shape)])
    return record(scatter_add, Tensor(result), (input, dim, index, src))


def put_at(shape: tuple[int, ...], key: Any, g: Tensor) -> Tensor:
    """Zeros of `shape` with `g` added at the index `key`: the gradient of `getitem`."""
    result = memory.empty(shape, g._array.dtype)
    result.fill(0)
    if not _has_array(key):
        result[key] = g._array
    else:
        np.add.at(result, key, g._array)
    return record(put_at, Tensor(result), (shape, key, g))


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, 0 above `diagonal`."""
    return record(tril, Tensor(np.tril(need_tensor(tril, input)._array, diagonal)), (input, diagonal))


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions, 0 below `diagonal`."""
    return record(triu, Tensor(np.triu(need_tensor(triu, input)._array, diagonal)), (input, diagonal))


def masked_fill(input: Tensor, mask: Tensor, value: float | Tensor) -> Tensor:
    """`input` with `value` where `mask` is true."""
    fill = value.item() if isinstance(value, Tensor) else value
    return where(mask, Tensor(np.asarray(fill, input._array.dtype)), input)


__all__ = [
    "broadcast_to", "cat", "chunk", "flatten", "gather", "index_select", "masked_fill", "narrow", "permute",
    "reshape", "scatter_add", "split", "squeeze", "stack", "t", "transpose", "tril", "triu", "unsqueeze",
]  # fmt: skip
METHODS = (
    broadcast_to, chunk, contiguous, expand, flatten, gather, index_select, masked_fill, narrow, permute, reshape,
    scatter_add, split, squeeze, t, transpose, tril, triu, unsqueeze, view, view_as,
)  # fmt: skip
