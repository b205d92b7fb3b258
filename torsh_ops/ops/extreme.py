"""Greatest and smallest elements and their places. NaN wins; of equals the first counts."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import threads
from torsh_ops.autograd import record
from torsh_ops.kernels import extreme as xk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import shortcut
from torsh_ops.ops.axes import (
    INT64,
    Dims,
    Kernels,
    ValuesIndices,
    arrange,
    delivered,
    kept,
    need_real,
    not_empty,
    picked,
    plan_of,
    reduce,
)
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.plan import Plan, planned
from torsh_ops.tensor import Tensor, check_dims


class MinMax(NamedTuple):
    """What `aminmax` returns."""

    min: Tensor
    max: Tensor


def _with_best(middle: Callable[..., Any]) -> Callable[..., Any]:
    """Give a kernel the array that it keeps the extremes in."""
    return lambda x, n, inner, out: middle(x, n, inner, np.empty(out.size, x.dtype), out)


_MAX = Kernels(xk.max_last, xk.max_middle)
_MIN = Kernels(xk.min_last, xk.min_middle)
_ARGMAX = Kernels(xk.argmax_last, _with_best(xk.argmax_middle))
_ARGMIN = Kernels(xk.argmin_last, _with_best(xk.argmin_middle))


def _extreme(
    op: Callable[..., Any], input: Tensor, dim: Dims, keepdim: bool, out: Tensor | None, kernels: Kernels, numpy_op: Any
) -> Tensor:
    array = need_real(op, input)
    dims = check_dims(dim, array.ndim)
    not_empty(op, array, dims, dim)
    if array.dtype.kind == "f":
        result = reduce(kernels, array, dims, keepdim, array.dtype, first=())
    else:
        result = np.asarray(numpy_op(array, axis=dims, keepdims=keepdim))
    return delivered(op, record(op, Tensor(result), (input, dims, keepdim)), out, input)


@shortcut.reduction(xk.max_last, recorded=True)
@planned(plan_of(_MAX))
def amax(input: Tensor, dim: Dims = (), keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Greatest element over `dim`; NaN wins. Ties share the gradient. Raises DimError on an empty dimension."""
    return _extreme(amax, input, dim, keepdim, out, _MAX, np.max)


@shortcut.reduction(xk.min_last, recorded=True)
@planned(plan_of(_MIN))
def amin(input: Tensor, dim: Dims = (), keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Smallest element over `dim`; NaN wins. Ties share the gradient. Raises DimError on an empty dimension."""
    return _extreme(amin, input, dim, keepdim, out, _MIN, np.min)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> MinMax:
    """Smallest and greatest element, as the pair (min, max)."""
    over = () if dim is None else dim
    return delivered(aminmax, MinMax(amin(input, over, keepdim), amax(input, over, keepdim)), out, input)


@shortcut.reduction(xk.max_last, dims=shortcut.NO_DIM)
def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """Greatest element; with `dim` a pair (values, indices); with a tensor the element-wise maximum."""
    if dim is None:
        return amax(input, (), False, out=out)
    if isinstance(dim, Tensor):
        return ew.maximum(input, dim, out=out)
    return delivered(max, _with_indices(amax, argmax, input, dim, keepdim), out, input)


@shortcut.reduction(xk.min_last, dims=shortcut.NO_DIM)
def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """Smallest element; with `dim` a pair (values, indices); with a tensor the element-wise minimum."""
    if dim is None:
        return amin(input, (), False, out=out)
    if isinstance(dim, Tensor):
        return ew.minimum(input, dim, out=out)
    return delivered(min, _with_indices(amin, argmin, input, dim, keepdim), out, input)


def _with_indices(
    op: Callable[..., Tensor], arg: Callable[..., Tensor], input: Tensor, dim: int, keepdim: bool
) -> ValuesIndices:
    need_tensor(op, input)
    if input.requires_grad or not input.ndim:
        return picked(input, arg(input, dim, True), dim, keepdim)
    # Two readings cost less than one and a gather (256 elements: 7.8 -> 1.5 us).
    return ValuesIndices(op(input, dim, keepdim), arg(input, dim, keepdim))


def _arg(
    op: Callable[..., Any],
    input: Tensor,
    dim: int | None,
    keepdim: bool,
    out: Tensor | None,
    kernels: Kernels,
    numpy_op: Callable[..., Any],
) -> Tensor:
    array = need_real(op, input)
    dims = check_dims(dim, array.ndim)
    not_empty(op, array, dims, dim)
    if array.dtype.kind == "f":
        result = _places(kernels, numpy_op, array, dims, keepdim)
    else:
        result = np.asarray(numpy_op(array, axis=None if dim is None else dims[0] if dims else None, keepdims=keepdim))
    return delivered(op, Tensor(result), out, input)


def _places(
    kernels: Kernels, numpy_op: Callable[..., Any], array: np.ndarray, dims: tuple[int, ...], keepdim: bool
) -> np.ndarray:
    if len(dims) == array.ndim and threads.count > 1 and array.size >= threads.WORTH_ELEMENTS:
        place = _place_of_pieces(kernels, numpy_op, arrange(array, dims, False).reshape(-1))
        return np.asarray(place).reshape(kept(array.shape, dims, keepdim))
    return reduce(kernels, array, dims, keepdim, INT64)


def _place_of_pieces(kernels: Kernels, numpy_op: Callable[..., Any], x: np.ndarray) -> int:
    """Find the place in one long row piece by piece, a piece for each thread."""
    count = threads.count
    n = -(-x.size // count)
    starts = np.arange(0, x.size, n)
    found = np.empty(len(starts), INT64)

    def piece(first: np.ndarray, out: np.ndarray) -> None:
        for start, place in zip(first.tolist(), range(len(out)), strict=True):
            row = x[start : start + n]
            kernels.last(row, row.size, out[place : place + 1])

    threads.rowwise(piece, x.size, len(starts), starts, found)
    found += starts
    return int(found[numpy_op(x[found])])


def _plan_place(last: Any, middle: Any) -> Callable[..., Plan | None]:
    return plan_of(Kernels(last, middle), np_dtype=INT64, room=lambda inner, results: results)


@shortcut.reduction(xk.argmax_last, to_index=True)
@planned(_plan_place(xk.argmax_last, xk.argmax_middle))
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Index (int64) of the first greatest element over `dim`, of the flattened tensor without one."""
    return _arg(argmax, input, dim, keepdim, out, _ARGMAX, np.argmax)


@shortcut.reduction(xk.argmin_last, to_index=True)
@planned(_plan_place(xk.argmin_last, xk.argmin_middle))
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Index (int64) of the first smallest element over `dim`, of the flattened tensor without one."""
    return _arg(argmin, input, dim, keepdim, out, _ARGMIN, np.argmin)


__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]
METHODS = (amax, amin, aminmax, argmax, argmin, max, min)
