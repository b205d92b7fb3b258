"""Elements by their place: `x[...]`, gather, take, masks. What a tensor of integers or bools chooses is a copy."""

import math
from collections.abc import Callable
from operator import index as whole
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import record
from torsh_ops.errors import ArgumentError, DimError, DTypeError, OperandError, ShapeError
from torsh_ops.kernels import index as ik
from torsh_ops.kernels import short
from torsh_ops.ops import shortcut
from torsh_ops.ops.dispatch import broadcast_shapes, need_tensor
from torsh_ops.ops.in_place import change, must_record
from torsh_ops.ops.layout import ALIKE, as_flat
from torsh_ops.ops.places import written
from torsh_ops.ops.plan import New, Plan, Step, alike, flat, plan_view, planned
from torsh_ops.ops.views import array_of, expand, reshape, slice_view
from torsh_ops.tensor import Tensor, check_dim

_WHOLE = slice(None)
_I8, _BOOL = np.dtype(np.int64), np.dtype(bool)
# Below, NumPy's own masks are done before a kernel has its arguments.
_MASKED_BY_KERNEL = 2048


def _part(index: Any) -> Any:
    """Return one part of an index as NumPy takes it: a number, slice, None, Ellipsis, or an array to index by."""
    if isinstance(index, Tensor):
        array = index._array
        if array.dtype.kind not in "ib":
            raise DTypeError(f"tensors used as indices must be integer or bool tensors, but got {index.dtype}")
        return int(array) if array.ndim == 0 and array.dtype.kind == "i" else array
    if isinstance(index, slice):
        try:
            ends = [None if v is None else whole(v) for v in (index.start, index.stop, index.step)]
        except TypeError:
            raise OperandError(f"slice indices must be integers or None, but got {index}") from None
        if ends[2] is not None and ends[2] <= 0:
            raise ArgumentError("step must be greater than zero")
        return slice(*ends)
    if index is None or index is Ellipsis or isinstance(index, (int, np.integer)):
        return index
    if isinstance(index, (list, tuple, range, np.ndarray)):
        array = np.asarray([i.item() if isinstance(i, Tensor) else i for i in index] if len(index) else [], None)
        if not array.size:
            array = array.astype(np.int64)
        if array.dtype.kind in "ib":
            return array
    raise OperandError(
        "only integers, slices, ellipsis, None and integer or bool tensors are valid indices, "
        f"got {type(index).__name__}"
    )


def _split_key(array: np.ndarray, index: Any) -> tuple[Any, tuple[Any, ...] | None]:
    """Split an index as PyTorch reads it: first the basic parts, which give a view, then arrays into that view.

    The second is None when there are no arrays. Read at once, as NumPy does, `x[0, :, [1, 2]]` would give its
    dimensions in another order.
    """
    parts = [_part(i) for i in (index if isinstance(index, tuple) else (index,))]
    if not any(isinstance(p, (np.ndarray, bool)) for p in parts):
        return tuple(parts), None
    used = sum(
        p.ndim if isinstance(p, np.ndarray) and p.dtype.kind == "b" else 1
        for p in parts
        if p is not None and p is not Ellipsis and not isinstance(p, bool)
    )
    if sum(p is Ellipsis for p in parts) > 1:
        raise DimError("an index can only have a single ellipsis ('...')")
    if used > array.ndim:
        raise DimError(f"too many indices for tensor of dimension {array.ndim}")
    basic: list[Any] = []
    chosen: list[Any] = []
    for p in parts:
        if isinstance(p, bool):
            basic.append(None)
            chosen.append(np.array([0] if p else [], np.int64))
        elif isinstance(p, np.ndarray):
            dims = p.ndim if p.dtype.kind == "b" else 1
            basic += [_WHOLE] * dims
            chosen.append(p)
        elif p is Ellipsis:
            basic += [_WHOLE] * (array.ndim - used)
            chosen += [_WHOLE] * (array.ndim - used)
        else:
            basic.append(p)
            if not isinstance(p, (int, np.integer)):
                chosen.append(_WHOLE)
    return tuple(basic), tuple(chosen)


def _named(error: IndexError, shape: tuple[int, ...]) -> DimError:
    """Return NumPy's complaint in PyTorch's words."""
    text = str(error).replace("axis", "dimension")
    return DimError(f"{text} (shape {list(shape)})")


def _plan_getitem(input: Tensor, index: Any) -> Plan | None:
    """Slices and integers, where they leave dimensions."""
    parts = index if isinstance(index, tuple) else (index,)
    if not all(isinstance(p, slice) or type(p) is int or p is None or p is Ellipsis for p in parts):
        return None
    if any(p.step is not None and p.step <= 0 for p in parts if isinstance(p, slice)):
        return None
    view = input._array[index]
    return plan_view(input, view) if isinstance(view, np.ndarray) else None


@planned(_plan_getitem)
@shortcut.getitem
def getitem(input: Tensor, index: Any) -> Tensor:
    """`input[index]`: a view for integers, slices, None and Ellipsis; a copy for integer or bool tensors.

    Raises DimError on an index out of range, naming it, the dimension and its size.
    """
    for part in index if type(index) is tuple else (index,):
        kind = type(part)
        if kind is slice:
            step = part.step
            if step is not None and not (type(step) is int and step > 0):
                break
        elif kind is not int and part is not None and part is not Ellipsis:
            break
    else:
        try:
            return slice_view(input, index)
        except IndexError as error:
            raise _named(error, input.shape) from None
        except TypeError:
            pass  # a slice of something else: explained below
    array = input._array
    if isinstance(index, Tensor) and array.ndim and index._array.ndim:
        if index._array.dtype.kind == "i":
            return _rows(input, index._array)
        if index._array.dtype is _BOOL and index._array.shape == array.shape:
            return advanced(input, (index._array,))
    basic, chosen = _split_key(array, index)
    try:
        view = slice_view(input, basic)
        return view if chosen is None else advanced(view, chosen)
    except IndexError as error:
        raise error if isinstance(error, DimError) else _named(error, input.shape) from None


def _rows(input: Tensor, places: np.ndarray) -> Tensor:
    """`input[places]`: lines of the first dimension, counted from the end where negative."""
    flat = places.reshape(-1)
    try:
        rows = index_select(input, 0, Tensor(flat))
    except DimError:
        size = input._array.shape[0]
        beyond = (flat < -size) | (flat >= size)
        if beyond.any():
            raise DimError(f"index {flat[beyond][0]} is out of bounds for dimension 0 with size {size}") from None
        rows = index_select(input, 0, Tensor(np.where(flat < 0, flat + size, flat)))
    return rows if places.ndim == 1 else reshape(rows, (*places.shape, *input._array.shape[1:]))


def advanced(input: Tensor, key: tuple[Any, ...]) -> Tensor:
    """`input[key]`, a copy: `key` holds arrays of integers or bools, and full slices."""
    array, first = input._array, key[0]
    if len(key) == 1 and first.dtype is _BOOL and first.shape == array.shape:
        result = Tensor(_chosen(array, first))
    else:
        result = Tensor(np.ascontiguousarray(array[key]))
    return record(advanced, result, (input, key)) if input.requires_grad else result


def put_at(shape: tuple[int, ...], key: Any, g: Tensor) -> Tensor:
    """Zeros of `shape` with `g` added at the index `key`: the gradient of `advanced`."""
    result = memory.empty(shape, g._array.dtype)
    result.fill(0)
    if len(key) == 1 and key[0].dtype is _BOOL:
        result[key] = g._array  # no place is named twice
    else:
        np.add.at(result, key, g._array)
    return record(put_at, Tensor(result), (shape, key, g))


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """`self[index] = value`, broadcast and cast. Raises ShapeError when the value does not fit."""
    array = value._array if isinstance(value, Tensor) else value
    try:
        basic, chosen = _split_key(self._array, index)
        target = self._array[basic] if chosen is not None else self._array
        if must_record(self, value):
            change(self, lambda before: _with(before, basic, chosen, value))
            return
        target[basic if chosen is None else chosen] = array
    except IndexError as error:
        raise error if isinstance(error, DimError) else _named(error, self.shape) from None
    except ValueError:
        target = getitem(self.detach(), index)
        raise ShapeError(f"shape mismatch: value of shape {np.shape(array)} does not fit into {target.shape}") from None
    self._bump()


def _with(input: Tensor, basic: Any, chosen: tuple[Any, ...] | None, value: Any) -> Tensor:
    """`input` with `value` at an index split by `_split_key`."""
    if chosen is None:
        return written(input, basic, value)
    return written(input, basic, written(slice_view(input, basic), chosen, value))


def about(shape: tuple[int, ...], dim: int) -> tuple[int, int, int]:
    """Return how many elements there are before, along and after a dimension."""
    if len(shape) == 2:
        return (shape[0], shape[1], 1) if dim else (1, *shape)
    return math.prod(shape[:dim]), shape[dim], math.prod(shape[dim + 1 :])


def outside(op: Callable[..., Any], index: np.ndarray, bad: int, dim: int, size: int) -> DimError:
    """Return the error for the place at the flat position `bad` of `index`."""
    return DimError(
        f"{op.__name__}(): index {index.ravel()[bad]} is out of bounds for dimension {dim} with size {size}"
    )


def check_indices(op: Callable[..., Any], input: Tensor, dim: int, index: Tensor) -> np.ndarray:
    """Return the array of `index`; raise DimError naming the first one that is no place along `dim` of `input`."""
    array = need_tensor(op, index, "index")._array
    if array.dtype.kind != "i":
        raise DTypeError(f"{op.__name__}(): expected dtype int64 for index, but got {index.dtype}")
    size = input._array.shape[dim] if input._array.ndim else 1
    if (bad := ik.first_outside(array.ravel(), size)) >= 0:
        raise outside(op, array, bad, dim, size)
    return array


def within(op: Callable[..., Any], name: str, index: np.ndarray, shape: tuple[int, ...], dim: int | None) -> None:
    """Raise ShapeError when `index` has other dimensions than `shape`, or is larger anywhere but along `dim`."""
    # A 0-d tensor counts as one of 1 element.
    own, limit = index.shape or (1,), shape or (1,)
    if len(own) != len(limit):
        raise ShapeError(
            f"{op.__name__}(): Index tensor must have the same number of dimensions as {name} tensor: "
            f"index {list(index.shape)}, {name} {list(shape)}"
        )
    if any(i > n for d, (i, n) in enumerate(zip(own, limit, strict=True)) if d != dim):
        but = "" if dim is None else f" apart from dimension {dim}"
        raise ShapeError(
            f"{op.__name__}(): Expected index {list(index.shape)} to be no larger than {name} {list(shape)}{but}"
        )


def _plan_gather(input: Tensor, dim: int, index: Tensor) -> Plan | None:
    """Gather by the kernel, where other dimensions are of one size."""
    shape, own = input._array.shape, index._array.shape
    dim = check_dim(dim, len(shape))
    alike_elsewhere = len(own) == len(shape) > 0 and shape[:dim] == own[:dim] and shape[dim + 1 :] == own[dim + 1 :]
    if not alike_elsewhere or index._array.dtype is not _I8 or input._array.dtype not in ALIKE:
        return None
    out = New(own, input)
    step = Step(ik.gather, alike(flat(input)), flat(index), alike(flat(out)), *about(shape, dim), checked=True)
    return Plan(out, [step], recorded=3)


@planned(_plan_gather)
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """`out[i][j] = input[index[i][j]][j]` for dim 0, and so on; the shape of `index`.

    Raises DimError on an index out of range, ShapeError when `index` is larger than `input` elsewhere.
    """
    table = array_of(gather, input)
    dim = check_dim(dim, table.ndim)
    array = check_indices(gather, input, dim, index)
    if array.size:
        within(gather, "input", array, table.shape, dim)
    source = table[tuple(_WHOLE if d == dim else slice(n) for d, n in enumerate(array.shape))] if table.ndim else table
    if array.ndim and table.ndim:
        result = np.asarray(np.take_along_axis(source, array, dim))
    else:
        result = np.broadcast_to(source, array.shape).copy()
    return record(gather, Tensor(result), (input, dim, index))


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with the other dimensions broadcast, or of all elements in one dimension without `dim`."""
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    ndim = array_of(take_along_dim, input).ndim
    if need_tensor(take_along_dim, indices, "indices").ndim != ndim:
        raise ShapeError(
            f"take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    dim = check_dim(dim, ndim)
    shapes = [[1 if d == dim else n for d, n in enumerate(x.shape)] for x in (input, indices)]
    common = broadcast_shapes(*map(tuple, shapes))
    full = [(*common[:dim], x.shape[dim], *common[dim + 1 :]) for x in (input, indices)]
    return gather(expand(input, full[0]), dim, expand(indices, full[1]))


@shortcut.lookup(short.lines, selects=True)
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The places `index` (1-D) along `dim`, as a copy. Raises DimError on an index out of range."""
    table = array_of(index_select, input)
    dim = check_dim(dim, table.ndim)
    array = need_tensor(index_select, index, "index")._array
    if array.dtype.kind != "i":
        raise DTypeError(f"index_select(): expected dtype int64 for index, but got {index.dtype}")
    if array.ndim > 1:
        raise ShapeError(f"index_select(): index is supposed to be a vector, but got shape {array.shape}")
    if not table.ndim:
        if check_indices(index_select, input, dim, index).size != 1:
            raise ShapeError(f"index_select(): index to a scalar must have one element, but got {array.size}")
        return reshape(input, ()).clone()
    tensor = Tensor(_lines_at(index_select, table, dim, array.reshape(-1)))
    return record(index_select, tensor, (input, dim, index)) if input.requires_grad else tensor


def _lines_at(op: Callable[..., Any], table: np.ndarray, dim: int, places: np.ndarray) -> np.ndarray:
    """Return the lines of `table` at the vector `places` along `dim`; raise DimError where there is none."""
    shape = table.shape
    lead, n, tail = shape[:dim], shape[dim], shape[dim + 1 :]
    result = memory.empty((*lead, places.size, *tail), table.dtype)
    source = as_flat(table)
    if source is not None and places.dtype is _I8 and places.flags.c_contiguous:
        into = result.reshape(-1)
        if table.dtype is not source.dtype:
            into = into.view(source.dtype)
        bad = ik.take_lines(source, places, into, math.prod(lead), n, math.prod(tail))
    else:
        bad = ik.first_outside(places.ravel(), n)
        if bad < 0:
            # The places are checked: "clip" spares NumPy a check of its own and a copy of `out`.
            np.take(table, places, axis=dim, out=result, mode="clip")
    if bad >= 0:
        raise outside(op, places, bad, dim, n)
    return result


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at the places `index` of the flat input, which may count from the end; the shape of `index`."""
    flat = reshape(input, -1)
    places = wrapped(take, index, flat.numel())
    return reshape(index_select(flat, 0, Tensor(places.reshape(-1))), places.shape)


def wrapped(op: Callable[..., Any], index: Tensor, size: int) -> np.ndarray:
    """Return the places `index` of `size` counted from the front; raise DimError on one out of range."""
    array = need_tensor(op, index, "index")._array
    if array.dtype.kind != "i":
        raise DTypeError(f"{op.__name__}(): expected dtype int64 for index, but got {index.dtype}")
    outside = (array < -size) | (array >= size)
    if outside.any():
        raise DimError(f"{op.__name__}(): index {array[outside][0]} is out of range for a tensor of {size} elements")
    return np.where(array < 0, array + size, array)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where `mask` is true, in order, in one dimension; the two broadcast."""
    array, chosen = array_of(masked_select, input), need_tensor(masked_select, mask, "mask")._array
    if chosen.dtype.kind != "b":
        raise DTypeError(f"masked_select: expected BoolTensor for mask, but got {mask.dtype}")
    if array.shape != chosen.shape:
        shape = broadcast_shapes(array.shape, chosen.shape)
        input, chosen = expand(input, shape), np.broadcast_to(chosen, shape)
    return advanced(input, (chosen,))


def _chosen(array: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the elements where the mask, of the same shape, is true."""
    source = as_flat(array) if array.size >= _MASKED_BY_KERNEL else None
    if source is None or not mask.flags.c_contiguous:
        return array[mask]
    count = int(np.count_nonzero(mask))
    result = memory.empty((count + 1,), array.dtype)
    ik.select_masked(source, mask.reshape(-1), result if array.dtype is source.dtype else result.view(source.dtype))
    return result[:count]


def _plan_nonzero(input: Tensor) -> Plan | None:
    array = input._array
    # The rows that are not needed stay as they are with the result.
    if array.dtype is not _BOOL or array.ndim != 2 or not 0 < array.size < _MASKED_BY_KERNEL:
        return None
    out = New((array.size + 1, 2), _I8)
    return Plan(out, [Step(ik.places, flat(input), array.shape[1], flat(out), counts=out)])


@planned(_plan_nonzero)
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The places of what is not zero, in order: (count, ndim), or a tuple of one vector a dimension."""
    array = array_of(nonzero, input)
    if as_tuple:
        return tuple(Tensor(a) for a in np.nonzero(array if array.ndim else array.reshape(1)))
    mask = array if array.dtype is _BOOL else array != 0
    if mask.ndim != 2 or not mask.size or not mask.flags.c_contiguous:
        return Tensor(np.ascontiguousarray(np.argwhere(mask)))
    count = int(np.count_nonzero(mask))
    result = memory.empty((count + 1, 2), _I8)
    ik.places(mask.reshape(-1), mask.shape[1], result.reshape(-1))
    return Tensor(result[:count])


def argwhere(input: Tensor) -> Tensor:
    """The places of what is not zero, in order: (count, ndim)."""
    return nonzero(need_tensor(argwhere, input))


__all__ = [
    "argwhere", "gather", "index_select", "masked_select", "nonzero", "take", "take_along_dim",
]  # fmt: skip
METHODS = (
    argwhere, gather, index_select, masked_select, nonzero, take, take_along_dim,
)  # fmt: skip
