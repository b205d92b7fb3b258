"""Elements in another order, triangles and diagonals: each result is new memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import record
from torsh_ops.dtypes import as_dtype
from torsh_ops.errors import ArgumentError, DimError, DTypeError, ShapeError
from torsh_ops.kernels import move as mk
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.elementwise import clone
from torsh_ops.ops.in_place import change, must_record
from torsh_ops.ops.index import about
from torsh_ops.ops.layout import ALIKE, as_flat, compact, rearrange
from torsh_ops.ops.plan import New, Plan, Step, alike, flat, planned
from torsh_ops.ops.reduce import sum as sum_of
from torsh_ops.ops.views import array_of, diagonal, sizes_of, transpose
from torsh_ops.tensor import Tensor, check_dim


def _plan_flip(input: Tensor, *dims: Any) -> Plan | None:
    """One dimension of a contiguous tensor by the kernel."""
    array, given = input._array, sizes_of(dims)
    if len(given) != 1 or not array.ndim or not array.size or array.dtype not in ALIKE:
        return None
    out, lines = New(array.shape, input), about(array.shape, check_dim(given[0], array.ndim))
    return Plan(out, [Step(mk.flip_lines, alike(flat(input)), alike(flat(out)), *lines)], recorded=2)


@planned(_plan_flip)
def flip(input: Tensor, *dims: Any) -> Tensor:
    """The order along each of `dims` reversed. Raises ArgumentError on a dimension named twice."""
    array = array_of(flip, input)
    given = sizes_of(dims)
    wrapped = [check_dim(d, array.ndim) for d in given]
    if len(wrapped) > 1 and len(set(wrapped)) != len(wrapped):
        raise ArgumentError(f"flip: a dim appears multiple times in {list(given)}")
    turned = array[tuple(slice(None, None, -1) if d in wrapped else slice(None) for d in range(array.ndim))]
    tensor = Tensor(compact(turned))
    return record(flip, tensor, (input, tuple(wrapped))) if input.requires_grad else tensor


def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse. Raises ShapeError on fewer than 2 dimensions."""
    if array_of(fliplr, input).ndim < 2:
        raise ShapeError(f"Input must be >= 2-d, but got shape {input.shape}")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Rows in reverse. Raises ShapeError on a 0-d tensor."""
    if array_of(flipud, input).ndim < 1:
        raise ShapeError(f"Input must be >= 1-d, but got shape {input.shape}")
    return flip(input, 0)


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """Elements moved by `shifts` places along `dims`; what leaves the end comes back at the start.

    Without `dims`, all elements count as one dimension. Raises ShapeError when the two differ in number.
    """
    array = array_of(roll, input)
    by = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if dims is None or dims == () or dims == []:
        if len(by) != 1:
            raise ShapeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:0")
        whole = np.ascontiguousarray(array).reshape(-1)
        result = Tensor(_rolled(whole, by[0], 0).reshape(array.shape))
        return record(roll, result, (input, by, None)) if input.requires_grad else result
    along = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(along) != len(by):
        raise ShapeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(along)}")
    moved = array
    for shift, d in zip(by, along, strict=True):
        place = check_dim(d, array.ndim)
        moved = _rolled(moved, shift, place) if array.ndim else array.copy()
    result = Tensor(moved)
    return record(roll, result, (input, by, along)) if input.requires_grad else result


def _rolled(array: np.ndarray, shift: int, dim: int) -> np.ndarray:
    result = memory.empty(array.shape, array.dtype)
    n = array.shape[dim]
    cut = shift % n if n else 0
    source = as_flat(array)
    if source is not None and array.size:
        into = result.ravel()
        if array.dtype is not source.dtype:
            into = into.view(source.dtype)
        outer, _, inner = about(array.shape, dim)
        step, head, tail = n * inner, cut * inner, (n - cut) * inner
        mk.copy_block(source, 0, step, into, head, step, outer, tail)
        mk.copy_block(source, tail, step, into, 0, step, outer, head)
        return result
    lead = (slice(None),) * dim
    rearrange(result[(*lead, slice(cut, None))], array[(*lead, slice(None, n - cut))])
    rearrange(result[(*lead, slice(None, cut))], array[(*lead, slice(n - cut, None))])
    return result


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """The plane of two dimensions turned `k` times by 90 degrees, from the first towards the second.

    Raises ShapeError unless two different dimensions are given.
    """
    ndim = array_of(rot90, input).ndim
    if len(dims) != 2:
        raise ShapeError(f"expected total rotation dims == 2, but got dims = {list(dims)}")
    if ndim < 2:
        raise ShapeError(f"expected total dims >= 2, but got total dims = {ndim}")
    a, b = (check_dim(d, ndim) for d in dims)
    if a == b:
        raise ShapeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    if k % 4 == 1:
        return clone(transpose(flip(input, b), a, b))
    if k % 4 == 2:
        return flip(input, a, b)
    if k % 4 == 3:
        return clone(transpose(flip(input, a), a, b))
    return clone(input)


def _triangle(op: Any, input: Tensor, diagonal: int) -> np.ndarray:
    array = array_of(op, input)
    if array.ndim < 2:
        raise ShapeError(f"{op.__name__}: input tensor must have at least 2 dimensions, but got shape {array.shape}")
    source = as_flat(array)
    if source is None or not array.size:
        return np.ascontiguousarray((np.tril if op is tril else np.triu)(array, diagonal))
    result = memory.empty(array.shape, array.dtype)
    into = result.ravel()
    if array.dtype is not source.dtype:
        into = into.view(source.dtype)
    mk.triangle(source, diagonal, op is tril, into, *array.shape[-2:])
    return result


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, 0 above `diagonal`."""
    result = Tensor(_triangle(tril, input, diagonal))
    return record(tril, result, (input, diagonal)) if input.requires_grad else result


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions, 0 below `diagonal`."""
    result = Tensor(_triangle(triu, input, diagonal))
    return record(triu, result, (input, diagonal)) if input.requires_grad else result


def tril_(self: Tensor, diagonal: int = 0) -> Tensor:
    """`tril` in place; returns the tensor."""
    return _keep_triangle(tril, self, diagonal)


def triu_(self: Tensor, diagonal: int = 0) -> Tensor:
    """`triu` in place; returns the tensor."""
    return _keep_triangle(triu, self, diagonal)


def _keep_triangle(op: Any, self: Tensor, diagonal: int) -> Tensor:
    if must_record(self):
        return change(self, lambda before: op(before, diagonal))
    np.copyto(self._array, _triangle(op, self, diagonal))
    self._bump()
    return self


def _triangle_indices(op: Any, row: int, col: int, offset: int, dtype: Any) -> Tensor:
    if row < 0 or col < 0:
        raise ShapeError(f"{op.__name__}: row and col must be non-negative, but got row={row} and col={col}")
    wanted = np.dtype(np.int64) if dtype is None else as_dtype(dtype).numpy
    if wanted.kind != "i":
        raise DTypeError(f"{op.__name__}: dtype must be int32 or int64, but got {dtype}")
    find = np.tril_indices if op is tril_indices else np.triu_indices
    return Tensor(np.stack(find(row, offset, col)).astype(wanted, copy=False))


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None) -> Tensor:
    """Rows and columns of the lower triangle of a `row` by `col` matrix, in order: (2, count)."""
    return _triangle_indices(tril_indices, row, col, offset, dtype)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None) -> Tensor:
    """Rows and columns of the upper triangle of a `row` by `col` matrix, in order: (2, count)."""
    return _triangle_indices(triu_indices, row, col, offset, dtype)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension on their diagonals and zeros elsewhere, in the new dimensions `dim1`, `dim2`."""
    array = array_of(diag_embed, input)
    if not array.ndim:
        raise DimError("diag_embed() expects at least a 1-dimensional tensor")
    a, b = (check_dim(d, array.ndim + 1) for d in (dim1, dim2))
    if a == b:
        raise ShapeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = array.shape[-1] + abs(offset)
    shape = list(array.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, n)
    result = memory.empty(tuple(shape), array.dtype)
    result.fill(0)
    into = result.diagonal(offset, a, b)
    into.flags.writeable = True
    into[...] = array
    return record(diag_embed, Tensor(result), (input, offset, a, b))


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrix with a vector on its diagonal, or a copy of a matrix's diagonal."""
    ndim = array_of(diag, input).ndim
    if ndim == 1:
        return diag_embed(input, diagonal)
    if ndim == 2:
        return clone(_diagonal(input, diagonal))
    raise ShapeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")


# The parameter `diagonal` of `diag` hides the function.
_diagonal = diagonal


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements of `input` on its diagonal."""
    return diag_embed(need_tensor(diagflat, input).reshape(-1), offset)


def trace(input: Tensor) -> Tensor:
    """Sum of the main diagonal. Raises ShapeError unless 2-D."""
    if array_of(trace, input).ndim != 2:
        raise ShapeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return sum_of(diagonal(input))


__all__ = [
    "diag", "diag_embed", "diagflat", "flip", "fliplr", "flipud", "roll", "rot90", "trace", "tril", "tril_indices",
    "triu", "triu_indices",
]  # fmt: skip
METHODS = (
    diag, diag_embed, diagflat, flip, fliplr, flipud, roll, rot90, trace, tril, tril_, triu, triu_,
)  # fmt: skip
