"""Joining tensors, and repeating them."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.autograd import record
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import move as mk
from torsh_ops.kernels.run import STREAMED_BYTES
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.index import index_select
from torsh_ops.ops.layout import ALIKE, as_flat, rearrange
from torsh_ops.ops.plan import New, Plan, Step, alike, flat, planned
from torsh_ops.ops.views import array_of, broadcast_tensors, reshape, sizes_of, unsqueeze
from torsh_ops.tensor import Tensor, check_dim


def _joinable(tensors: Sequence[Tensor], dim: int) -> tuple[int, list[np.ndarray]]:
    """Return `dim` from the front and the arrays to join, of one dtype; raise where they do not fit."""
    if not tensors:
        raise ArgumentError("cat expects a non-empty list of tensors")
    arrays = [need_tensor(cat, x, "tensors")._array for x in tensors]
    # PyTorch lets an empty vector join anything.
    kept = [(i, a) for i, a in enumerate(arrays) if a.shape != (0,)] or [(0, arrays[0])]
    first = kept[0][1].shape
    dim = check_dim(dim, len(first))
    for i, a in kept:
        if a.ndim == 0:
            raise ShapeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
        if a.ndim != len(first) or any(m != n for d, (m, n) in enumerate(zip(a.shape, first, strict=True)) if d != dim):
            raise ShapeError(
                f"Sizes of tensors must match except in dimension {dim}. Expected {list(first)} but got "
                f"{list(a.shape)} for tensor number {i} in the list."
            )
    common = dtypes.promote([x.dtype for x in tensors], [], []).numpy
    return dim, [a.astype(common, copy=False) for _, a in kept]


def _plan_cat(tensors: Sequence[Tensor], dim: int = 0) -> Plan | None:
    """Contiguous tensors of one dtype, piece by piece."""
    first = tensors[0]._array
    dim = check_dim(dim, first.ndim)
    lead, tail = first.shape[:dim], first.shape[dim + 1 :]
    if not first.ndim or first.dtype not in ALIKE or any(x.requires_grad for x in tensors):
        return None
    if any(x._array.dtype is not first.dtype or x.shape[:dim] != lead or x.shape[dim + 1 :] != tail for x in tensors):
        return None
    if any(not x._array.size for x in tensors):
        return None
    out = New((*lead, sum(x.shape[dim] for x in tensors), *tail), first.dtype)
    rows, inner, start, steps = math.prod(lead), math.prod(tail), 0, []
    for x in tensors:
        width = x.shape[dim] * inner
        target = alike(flat(out)), start, out.shape[dim] * inner
        steps.append(Step(mk.copy_block, alike(flat(x)), 0, width, *target, rows, width))
        start += width
    return Plan(out, steps)


@planned(_plan_cat)
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors along a dimension they have; dtypes are promoted.

    Raises ShapeError when another dimension differs. An empty vector joins anything.
    """
    try:
        arrays = [x._array for x in tensors]
        dtype, size = arrays[0].dtype, 0
        for a in arrays:
            size += a.nbytes
            if a.dtype is not dtype:
                raise ValueError
        # NumPy checks the rest. A small result is its own; a large one comes from the pool.
        result = np.concatenate(arrays, dim) if size < memory.POOLED_BYTES // 2 else _joined(arrays, dim)
    except (ValueError, IndexError, AttributeError):
        dim, arrays = _joinable(tensors, dim)
        result = np.concatenate(arrays, dim)
    tensor = Tensor(result)
    for x in tensors:
        if x.requires_grad:
            return record(cat, tensor, (check_dim(dim, result.ndim), *tensors))
    return tensor


def _joined(arrays: list[np.ndarray], dim: int, into: np.ndarray | None = None) -> np.ndarray:
    """Join large arrays of one dtype, piece by piece; raise ValueError where they do not fit."""
    shape = arrays[0].shape
    dim = dim + len(shape) if dim < 0 else dim
    lead, tail = shape[:dim], shape[dim + 1 :]
    if not 0 <= dim < len(shape) or any(a.shape[:dim] != lead or a.shape[dim + 1 :] != tail for a in arrays):
        raise ValueError
    total = sum(a.shape[dim] for a in arrays)
    result = memory.empty((*lead, total, *tail), arrays[0].dtype) if into is None else into
    rows, inner = math.prod(lead), math.prod(tail)
    target = as_flat(result)
    start = 0
    for a in arrays:
        n = a.shape[dim]
        if target is not None and (source := as_flat(a)) is not None:
            mk.copy_block(source, 0, n * inner, target, start * inner, total * inner, rows, n * inner)
        else:
            rearrange(result[(*(slice(None),) * dim, slice(start, start + n))], a)
        start += n
    return result


def concat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """`cat` by another name."""
    return cat(tensors, dim)


def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """`cat` by NumPy's name."""
    return cat(tensors, axis)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors of one shape along a new dimension."""
    if not tensors:
        raise ArgumentError("stack expects a non-empty list of tensors")
    arrays = [array_of(stack, x) for x in tensors]
    first, recorded = arrays[0], False
    shape, dtype = first.shape, first.dtype
    for i, a in enumerate(arrays):
        if a.shape != shape:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(a.shape)} at entry {i}"
            )
        recorded = recorded or a.dtype is not dtype or tensors[i].requires_grad
    place = check_dim(dim, len(shape) + 1)
    if recorded or place == len(shape):
        return cat([unsqueeze(x, place) for x in tensors], place)
    # Joined along the dimension that comes after, the pieces lie as they do along the new one.
    full = (*shape[:place], len(arrays), *shape[place:])
    if len(arrays) * first.nbytes < memory.POOLED_BYTES // 2:
        return Tensor(np.concatenate(arrays, place).reshape(full))
    result = memory.empty(full, dtype)
    _joined(arrays, place, result.reshape((*shape[:place], len(arrays) * shape[place], *shape[place + 1 :])))
    return Tensor(result)


def _at_least(ndim: int, tensors: Sequence[Tensor], name: str) -> list[Tensor]:
    if not tensors:
        raise ShapeError(f"{name} expects a non-empty TensorList")
    grow = {1: atleast_1d, 2: atleast_2d, 3: atleast_3d}[ndim]
    return [grow(x) for x in tensors]


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the second dimension, vectors along the first."""
    given = _at_least(1, tensors, "hstack")
    return cat(given, 0 if given[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the first dimension; vectors are rows."""
    return cat(_at_least(2, tensors, "vstack"), 0)


def row_stack(tensors: Sequence[Tensor]) -> Tensor:
    """`vstack` by another name."""
    return vstack(tensors)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the third dimension, which what has fewer gets."""
    return cat(_at_least(3, tensors, "dstack"), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the second dimension; vectors are columns."""
    return cat([reshape(x, (x.numel(), 1)) if x.ndim < 2 else x for x in _at_least(1, tensors, "column_stack")], 1)


def _each(tensors: Sequence[Any], grow: Any) -> Any:
    if len(tensors) == 1:
        given = tensors[0]
        return tuple(grow(x) for x in given) if isinstance(given, (tuple, list)) else grow(given)
    return tuple(grow(x) for x in tensors)


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with one dimension at least; one tensor, or a tuple of several."""
    return _each(tensors, lambda x: x if array_of(atleast_1d, x).ndim else reshape(x, 1))


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with two dimensions at least, new ones in front."""
    return _each(tensors, lambda x: x if array_of(atleast_2d, x).ndim > 1 else reshape(x, (1, -1)))


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with three dimensions at least: a matrix gets a last one, a vector one on either side."""

    def grow(x: Tensor) -> Tensor:
        ndim = array_of(atleast_3d, x).ndim
        return x if ndim > 2 else unsqueeze(x, -1) if ndim == 2 else reshape(x, (1, -1, 1))

    return _each(tensors, grow)


def block_diag(*tensors: Tensor) -> Tensor:
    """The matrix with the given ones on its diagonal and zeros elsewhere; vectors are rows, numbers are 1 by 1."""
    blocks = [atleast_2d(need_tensor(block_diag, x, "tensors")) for x in tensors]
    for i, x in enumerate(blocks):
        if x.ndim != 2:
            raise ShapeError(f"block_diag: input tensors must have 2 or fewer dimensions. Input {i} has {x.ndim}")
    width = sum(x.shape[1] for x in blocks)
    rows, start = [], 0
    for x in blocks:
        sides = [Tensor(np.zeros((x.shape[0], n), x._array.dtype)) for n in (start, width - start - x.shape[1])]
        rows.append(cat([sides[0], x, sides[1]], 1))
        start += x.shape[1]
    return cat(rows, 0) if rows else Tensor(np.zeros((1, 0), dtypes.get_default_dtype().numpy))


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Each vector expanded to the grid of them all: `indexing` "ij" (matrix order, the default) or "xy"."""
    given = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else list(tensors)
    if indexing not in (None, "ij", "xy"):
        raise ShapeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for x in given:
        if array_of(meshgrid, x).ndim > 1:
            raise ShapeError(f"meshgrid: expected scalar or 1D tensors, but got shape {x.shape}")
    if not given:
        raise ShapeError("meshgrid expects a non-empty TensorList")
    if len({x.dtype for x in given}) > 1:
        raise ShapeError("meshgrid expects all tensors to have the same dtype")
    n = len(given)
    places = list(range(n))
    if indexing == "xy" and n > 1:
        places[:2] = 1, 0
    shaped = [
        reshape(x, tuple(-1 if d == place else 1 for d in range(n))) for x, place in zip(given, places, strict=True)
    ]
    return broadcast_tensors(*shaped)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples of one element of each vector, as rows; of one vector, itself."""
    for x in tensors:
        if need_tensor(cartesian_prod, x, "tensors").ndim != 1:
            raise ShapeError(f"cartesian_prod: expected a 1D vector, but got shape {x.shape}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(x, -1) for x in meshgrid(*tensors)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All subsets of `r` elements of a vector, as rows in order; with repetition when `with_replacement`."""
    if array_of(combinations, input).ndim != 1:
        raise ShapeError(f"combinations: expected a 1D vector, but got shape {input.shape}")
    if r < 0:
        raise ShapeError(f"combinations: expected a non-negative number, but got {r}")
    if r == 0:
        return Tensor(np.empty(0, input._array.dtype))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(input.numel()), r)), np.int64).reshape(-1, r)
    return reshape(index_select(input, 0, Tensor(places.reshape(-1))), places.shape)


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Copies of the whole, so many along each dimension; more numbers than dimensions add some in front.

    Raises ShapeError on fewer numbers than dimensions, or a negative one.
    """
    array = array_of(repeat, input)
    times = sizes_of(repeats)
    lead = len(times) - array.ndim
    if lead < 0:
        raise ShapeError(
            f"repeat: {len(times)} repeats {list(times)} for {array.ndim} dimensions: "
            "there can not be fewer than dimensions"
        )
    if any(n < 0 for n in times):
        raise ShapeError(f"repeat: repeats must not be negative, but got {list(times)}")
    shape = (1,) * lead + array.shape
    result = memory.empty(tuple(r * n for r, n in zip(times, shape, strict=True)), array.dtype)
    # Each dimension as (repeats, size): the input is broadcast along the repeats, or copied as often.
    apart = result.reshape(tuple(n for pair in zip(times, shape, strict=True) for n in pair))
    if result.nbytes < STREAMED_BYTES:
        np.copyto(apart, array.reshape(tuple(n for size in shape for n in (1, size))))
    else:
        for copy in np.ndindex(times):
            rearrange(apart[tuple(part for i in copy for part in (i, slice(None)))], array.reshape(shape))
    tensor = Tensor(result)
    return record(repeat, tensor, (input, times)) if input.requires_grad else tensor


def tile(input: Tensor, *dims: Any) -> Tensor:
    """`repeat` that takes fewer numbers than dimensions: the first dimensions then stay."""
    times = sizes_of(dims)
    return repeat(input, (1,) * (array_of(tile, input).ndim - len(times)) + times)


def repeat_interleave(
    input: Tensor, repeats: int | Tensor | None = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element so many times along `dim` (of all in one dimension unless given).

    With one tensor alone: each place as often as it says. Raises ShapeError when the numbers do not fit `dim`.
    """
    if repeats is None:
        counts = _counts(input)
        return Tensor(np.repeat(np.arange(counts.size), counts))
    if dim is None:
        input, dim = reshape(input, -1), 0
    dim = check_dim(dim, array_of(repeat_interleave, input).ndim)
    n = input.shape[dim] if input.ndim else 1
    counts = np.array([repeats]) if isinstance(repeats, int) else _counts(repeats)
    if counts.size not in (1, n) or counts.ndim > 1:
        raise ShapeError(f"repeats must have the same size as input along dim {dim} ({n}), but got {counts.shape}")
    if (counts < 0).any():
        raise ShapeError(f"repeats can not be negative, but got {counts.min()}")
    if counts.size == 1 and input.ndim:
        times = int(counts.reshape(-1)[0])
        wider = unsqueeze(input, dim + 1).expand(*input.shape[: dim + 1], times, *input.shape[dim + 1 :])
        result = wider.reshape(*input.shape[:dim], n * times, *input.shape[dim + 1 :])
    else:
        result = index_select(input, dim, Tensor(np.repeat(np.arange(n), counts)))
    if output_size is not None and result.shape[dim] != output_size:
        raise ShapeError(f"repeat_interleave: output_size {output_size} does not match the {result.shape[dim]} given")
    return result


def _counts(repeats: Any) -> np.ndarray:
    array = need_tensor(repeat_interleave, repeats, "repeats")._array
    if array.dtype.kind != "i":
        raise DTypeError(f"repeats has to be an integer tensor, but got {repeats.dtype}")
    return array


__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "cartesian_prod", "cat", "column_stack", "combinations",
    "concat", "concatenate", "dstack", "hstack", "meshgrid", "repeat_interleave", "row_stack", "stack", "tile",
    "vstack",
]  # fmt: skip
METHODS = (repeat, repeat_interleave, tile)
