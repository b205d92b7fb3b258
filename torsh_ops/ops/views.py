"""Views: the same memory in another shape or order. They share their source's memory and its version."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import record
from torsh_ops.dtypes import as_dtype
from torsh_ops.dtypes import dtype as DType
from torsh_ops.errors import ArgumentError, DimError, ShapeError
from torsh_ops.ops import shortcut
from torsh_ops.ops.dispatch import broadcast_shapes, need_tensor
from torsh_ops.ops.elementwise import clone
from torsh_ops.ops.layout import ALIKE, compact, in_order, way
from torsh_ops.ops.places import view_by
from torsh_ops.ops.plan import New, Plan, Seen, Step, plan_view, planned
from torsh_ops.tensor import Tensor, check_dim


def array_of(op: Callable[..., Any], input: Tensor) -> np.ndarray:
    """Return the tensor's array; raise OperandError when it is none."""
    return input._array if isinstance(input, Tensor) else need_tensor(op, input)._array


def sizes_of(size: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the sizes given one by one or as one sequence."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        return tuple(size[0])
    return size


def _in_shape(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return `array` in another shape, one -1 inferred; a view where strides allow."""
    try:
        return array.reshape(shape)
    except (ValueError, TypeError):
        if shape.count(-1) > 1:
            raise ShapeError(f"only one dimension can be inferred, but got shape {list(shape)}") from None
        raise ShapeError(f"shape {list(shape)} is invalid for input of size {array.size}") from None


@shortcut.view("reshape", from_rows=True)
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape, one -1 inferred: a view where strides allow, else a copy.

    Raises ShapeError when the number of elements differs.
    """
    array = array_of(reshape, input)
    result = _in_shape(array, sizes_of(shape))
    shared = array.flags.c_contiguous or np.may_share_memory(result, array)
    tensor = input._view(result) if shared else Tensor(result)
    return record(reshape, tensor, (input, result.shape)) if input.requires_grad else tensor


@shortcut.view("reshape", from_rows=True)
def view(input: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape, one -1 inferred, or read as another dtype.

    Raises ShapeError when a shape needs a copy, or when the bytes do not divide into the dtype.
    """
    array = array_of(view, input)
    if len(shape) == 1 and isinstance(shape[0], (DType, np.dtype, type)):
        return _as_bytes_of(input, as_dtype(shape[0]))
    result = _in_shape(array, sizes_of(shape))
    if not array.flags.c_contiguous and array.size and not np.may_share_memory(result, array):
        raise ShapeError(
            f"view size {list(result.shape)} is not compatible with input of shape {list(array.shape)} and strides "
            f"{list(input.stride())}; use reshape(...)"
        )
    tensor = input._view(result)
    return record(reshape, tensor, (input, result.shape)) if input.requires_grad else tensor


def _as_bytes_of(input: Tensor, dtype: DType) -> Tensor:
    if dtype is input.dtype:
        return view(input, input.shape)
    try:
        return input._view(input._array.view(dtype.numpy))
    except ValueError:
        raise ShapeError(
            f"a tensor of shape {input.shape}, strides {input.stride()} and {input.dtype} cannot be viewed as {dtype}"
        ) from None


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` viewed in the shape of `other`."""
    return view(input, other.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` in the shape of `other`."""
    return reshape(input, other.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the dimensions from `start_dim` to `end_dim` into one."""
    shape = array_of(flatten, input).shape
    first, last = check_dim(start_dim, len(shape)), check_dim(end_dim, len(shape))
    if first > last:
        raise ShapeError(f"flatten() has invalid args: start_dim {start_dim} comes after end_dim {end_dim}")
    if not shape:
        return reshape(input, 1)
    return reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return reshape(input, -1)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Cut one dimension into several of `sizes`, one -1 inferred. Raises ShapeError when they do not multiply to it."""
    shape = array_of(unflatten, input).shape
    dim = check_dim(dim, len(shape))
    known = math.prod(n for n in sizes if n != -1)
    free = sum(n == -1 for n in sizes)
    fits = shape[dim] == known if not free else free == 1 and known and shape[dim] % known == 0
    if not sizes or not fits:
        raise ShapeError(
            f"unflatten: sizes {list(sizes)} do not multiply up to the size of dim {dim} ({shape[dim]}) in the input"
        )
    given = tuple(shape[dim] // known if n == -1 else n for n in sizes)
    return reshape(input, (*shape[:dim], *given, *shape[dim + 1 :]))


def _reordered(input: Tensor, order: tuple[int, ...]) -> Tensor:
    result = input._view(input._array.transpose(order))
    return record(permute, result, (input, order)) if input.requires_grad else result


@planned(lambda input, *dims: plan_view(input, input._array.transpose(sizes_of(dims))))
@shortcut.view("transpose")
def permute(input: Tensor, *dims: Any) -> Tensor:
    """A view with the dimensions in another order. Raises ArgumentError unless each is named once."""
    array = array_of(permute, input)
    order = sizes_of(dims)
    try:
        # NumPy checks the same, in a tenth of the time.
        result = array.transpose(order)
    except (ValueError, TypeError):
        wrapped = tuple(check_dim(d, array.ndim) for d in order)
        raise ArgumentError(
            f"permute(dims={wrapped}) must name each of {array.ndim} dimensions of the input once"
        ) from None
    tensor = input._view(result)
    if input.requires_grad:
        return record(permute, tensor, (input, tuple(check_dim(d, array.ndim) for d in order)))
    return tensor


@planned(lambda input, dim0, dim1: plan_view(input, input._array.swapaxes(dim0, dim1)))
@shortcut.view("swapaxes")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions exchanged."""
    array = array_of(transpose, input)
    try:
        result = array.swapaxes(dim0, dim1)
    except ValueError:  # NumPy's error says less
        check_dim(dim0, array.ndim)
        check_dim(dim1, array.ndim)
        result = array  # 0-d
    tensor = input._view(result)
    if not input.requires_grad:
        return tensor
    a, b = check_dim(dim0, array.ndim), check_dim(dim1, array.ndim)
    order = list(range(array.ndim))
    if order:
        order[a], order[b] = b, a
    return record(permute, tensor, (input, tuple(order)))


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """`transpose` by NumPy's name."""
    return transpose(input, axis0, axis1)


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """`transpose` by another name."""
    return transpose(input, dim0, dim1)


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix (a view); a vector is its own. Raises ShapeError on more dimensions."""
    array = array_of(t, input)
    if array.ndim > 2:
        raise ShapeError(f"t() expects a tensor of at most 2 dimensions, but got shape {array.shape}; use permute")
    return _reordered(input, tuple(range(array.ndim))[::-1])


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """A view with the dimensions `source` moved to `destination`, the others in their order.

    Raises ArgumentError when the two differ in number, or name a dimension twice.
    """
    ndim = array_of(movedim, input).ndim
    given = [[x] if isinstance(x, int) else list(x) for x in (source, destination)]
    a, b = ([check_dim(d, ndim) for d in dims] for dims in given)
    if len(a) != len(b) or len(set(a)) != len(a) or len(set(b)) != len(b):
        raise ArgumentError(
            f"movedim: source {given[0]} and destination {given[1]} must name as many dimensions, each once"
        )
    order = [d for d in range(ndim) if d not in a]
    for to, frm in sorted(zip(b, a, strict=True)) if ndim else ():
        order.insert(to, frm)
    return _reordered(input, tuple(order))


def moveaxis(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """`movedim` by NumPy's name."""
    return movedim(input, source, destination)


def _plan_contiguous(input: Tensor) -> Plan | None:
    """A copy by one of the kernels that move lines or turn tiles."""
    array = input._array
    real = ALIKE.get(array.dtype)
    if real is None or not array.size or array.size >= threads.WORTH_ELEMENTS or not array.flags.writeable:
        return None
    copy = np.empty(array.shape, array.dtype)
    found = way(array.shape, copy.strides, array.strides, array.itemsize)
    if found is None:
        return None
    kernel, shape, order = found
    out = New(array.shape, input)
    x, y = in_order(array, shape, order), in_order(copy, shape, order)
    if not np.may_share_memory(x, array):
        return None
    return Plan(out, [Step(kernel, Seen(input, x.shape, real, x.strides), Seen(out, y.shape, real, y.strides))])


@planned(_plan_contiguous, unless_contiguous=True)
def contiguous(input: Tensor) -> Tensor:
    """`input` itself when its elements lie in order, else a copy in which they do."""
    array = array_of(contiguous, input)
    if array.flags.c_contiguous:
        return input
    if input.requires_grad:
        return clone(input)
    return Tensor(array.copy() if array.nbytes < memory.POOLED_BYTES // 8 else compact(array))


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """A view without the dimensions of size 1, or without those of `dim` that are of size 1."""
    shape = array_of(squeeze, input).shape
    if dim is None:
        return reshape(input, tuple(n for n in shape if n != 1))
    dims = [check_dim(d, len(shape)) for d in ([dim] if isinstance(dim, int) else dim)]
    return reshape(input, tuple(n for d, n in enumerate(shape) if n != 1 or d not in dims))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a dimension of size 1 put in at `dim`."""
    shape = array_of(unsqueeze, input).shape
    dim = check_dim(dim, len(shape) + 1)
    return reshape(input, (*shape[:dim], 1, *shape[dim:]))


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """A view in which dimensions of size 1 are repeated without a copy; -1 keeps a size.

    Raises ShapeError when another dimension would have to change.
    """
    array = array_of(expand, input)
    shape = array.shape
    wanted = sizes_of(sizes)
    if not shape and array.flags.writeable and -1 not in wanted:
        # One number in another shape, as the gradient of a full sum: broadcast_to takes six times as long.
        result = input._view(np.ndarray(wanted, array.dtype, array, 0, (0,) * len(wanted)))
        return record(expand, result, (input, wanted)) if input.requires_grad else result
    if len(wanted) < len(shape):
        raise ShapeError(f"expand: the number of sizes {wanted} must not be less than the dimensions of {shape}")
    padded = (1,) * (len(wanted) - len(shape)) + shape
    full = tuple(n if w == -1 else w for w, n in zip(wanted, padded, strict=True))
    for d, (w, n) in enumerate(zip(full, padded, strict=True)):
        if n not in (1, w) or w < 0:
            raise ShapeError(
                f"The expanded size of the tensor ({w}) must match the existing size ({n}) at non-singleton "
                f"dimension {d}. Target sizes: {list(wanted)}. Tensor sizes: {list(shape)}"
            )
    return record(expand, input._view(np.broadcast_to(array, full)), (input, full))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` expanded to the shape of `other`."""
    return expand(input, other.shape)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """`expand` by another name."""
    return expand(input, tuple(size))


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors, expanded to their common shape. Raises ShapeError when there is none."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    shape = broadcast_shapes(*(array_of(broadcast_tensors, x).shape for x in given))
    return tuple(expand(x, shape) for x in given)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions as a view, last in the result; `offset` above (below when negative) the main one.

    Raises ShapeError when both dimensions are the same.
    """
    ndim = array_of(diagonal, input).ndim
    a, b = check_dim(dim1, ndim), check_dim(dim2, ndim)
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")

    def how(array: np.ndarray) -> np.ndarray:
        result = array.diagonal(offset, a, b)
        result.flags.writeable = array.flags.writeable
        return result

    return view_by(input, how)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` along a dimension, `step` apart, as a view: (..., windows, ..., size).

    Raises ShapeError when no window fits or `step` is not positive.
    """
    shape = array_of(unfold, input).shape
    dim = check_dim(dimension, len(shape))
    n = shape[dim] if shape else 1
    if not 0 <= size <= n:
        raise ShapeError(f"maximum size for tensor at dimension {dim} is {n} but size is {size}")
    if step <= 0:
        raise ShapeError(f"step is {step} but must be > 0")
    count = (n - size) // step + 1

    def how(array: np.ndarray) -> np.ndarray:
        if not array.ndim:
            return array.reshape(1)[:size]
        sizes = (*array.shape[:dim], count, *array.shape[dim + 1 :], size)
        own = array.strides
        strides = (*own[:dim], own[dim] * step, *own[dim + 1 :], own[dim])
        return np.lib.stride_tricks.as_strided(array, sizes, strides)

    return view_by(input, how)


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """A view of `size` with strides in elements, from `storage_offset` in the storage (the input's own unless given).

    Raises ShapeError where it would look beyond the memory, or, under gradients, beyond the input.
    """
    need_tensor(as_strided, input)
    if len(size) != len(stride) or any(n < 0 for n in (*size, *stride)):
        raise ShapeError(f"as_strided: sizes {list(size)} and strides {list(stride)} must match and not be negative")
    root = input if input.requires_grad else input._root()
    own = input.storage_offset()
    first = (own if storage_offset is None else storage_offset) - (own if root is input else 0)
    last = first + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    whole = root._array
    if not whole.flags.c_contiguous or (0 not in size and not 0 <= first <= last < whole.size):
        raise ShapeError(
            f"as_strided: size {list(size)}, stride {list(stride)}, storage offset {storage_offset} reach places "
            f"{first} to {last} of a memory of {whole.size} elements"
        )

    def how(array: np.ndarray) -> np.ndarray:
        strides = tuple(s * array.itemsize for s in stride)
        return np.lib.stride_tricks.as_strided(array.reshape(-1)[first:], tuple(size), strides)

    return view_by(root, how) if root is input else input._view(how(whole))


def storage_offset(input: Tensor) -> int:
    """Elements between the start of the memory and the tensor's first one."""
    return (input.data_ptr() - input._root().data_ptr()) // input.itemsize


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of one place along `dim`, without that dimension. Raises DimError on an index out of range."""
    array = array_of(select, input)
    if not array.ndim:
        raise DimError("select() cannot be applied to a 0-dim tensor.")
    dim = check_dim(dim, array.ndim)
    n = array.shape[dim]
    if not -n <= index < n:
        raise DimError(
            f"select(): index {index} out of range for tensor of size {list(array.shape)} at dimension {dim}"
        )
    return slice_view(input, (*(slice(None),) * dim, int(index)))


def slice_view(input: Tensor, key: Any) -> Tensor:
    """`input[key]`, a view: `key` holds integers, slices, None and Ellipsis, and fits."""
    array = input._array
    part = array[key]
    if type(part) is not np.ndarray:
        # A full set of integers gives a NumPy number; with an ellipsis it stays a view of the memory.
        part = array[(*key, Ellipsis) if type(key) is tuple else (key, Ellipsis)]
    result = input._view(part)
    return record(slice_view, result, (input, key)) if input.requires_grad else result


def slice_put(shape: tuple[int, ...], key: Any, g: Tensor) -> Tensor:
    """Zeros of `shape` with `g` at the basic index `key`: the gradient of `slice_view`."""
    result = memory.empty(shape, g._array.dtype)
    result.fill(0)
    result[key] = g._array
    return record(slice_put, Tensor(result), (shape, key, g))


def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """A view of `length` places along `dim` from `start` on, which may count from the end."""
    array = array_of(narrow, input)
    if not array.ndim:
        raise ShapeError("narrow() cannot be applied to a 0-dim tensor.")
    dim = check_dim(dim, array.ndim)
    n = array.shape[dim]
    first = int(start) + n if int(start) < 0 else int(start)
    if length < 0:
        raise ShapeError(f"narrow(): length must be non-negative, but got {length}")
    if not 0 <= first <= n:
        raise DimError(f"start out of range (expected to be in range of [{-n}, {n}], but got {int(start)})")
    if first + length > n:
        raise ShapeError(f"start ({first}) + length ({length}) exceeds dimension size ({n}).")
    return slice_view(input, (*(slice(None),) * dim, slice(first, first + length)))


__all__ = [
    "as_strided", "broadcast_tensors", "broadcast_to", "diagonal", "flatten", "moveaxis", "movedim", "narrow",
    "permute", "ravel", "reshape", "select", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unflatten",
    "unsqueeze",
]  # fmt: skip
METHODS = (
    as_strided, broadcast_to, contiguous, diagonal, expand, expand_as, flatten, moveaxis, movedim, narrow, permute,
    ravel, reshape, reshape_as, select, squeeze, storage_offset, swapaxes, swapdims, t, transpose, unflatten, unfold,
    unsqueeze, view, view_as,
)  # fmt: skip
