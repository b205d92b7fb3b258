"""Reductions over one, several or all dimensions. `dim=None` reduces all; `keepdim` leaves dimensions of size 1."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import record
from torsh_ops.dtypes import as_dtype
from torsh_ops.dtypes import dtype as DType
from torsh_ops.errors import ArgumentError, DimError, DTypeError
from torsh_ops.kernels import reduce as rk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops.dispatch import copy_into, need_tensor
from torsh_ops.tensor import Tensor, check_dims

_INT64 = np.dtype(np.int64)

Dims = int | tuple[int, ...] | list[int] | None


class ValuesIndices(NamedTuple):
    """What `max` and `min` over one dimension return."""

    values: Tensor
    indices: Tensor


def _kept(shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> tuple[int, ...]:
    if not keepdim and len(dims) == len(shape):
        return ()
    if not keepdim and dims == (len(shape) - 1,):
        return shape[:-1]
    if keepdim:
        return tuple(1 if d in dims else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in dims)


def _rows(array: np.ndarray, dims: tuple[int, ...]) -> np.ndarray:
    """Return `array` flat with the reduced `dims` last; a copy when they are not already."""
    if array.flags.c_contiguous and (len(dims) == array.ndim or dims == (array.ndim - 1,)):
        return array.ravel()
    kept = tuple(d for d in range(array.ndim) if d not in dims)
    moved = array.transpose(kept + dims)
    if not moved.flags.c_contiguous:
        source, moved = moved, memory.empty(moved.shape, moved.dtype)
        copy_into(moved, source)
    return moved.ravel()


def _middle(array: np.ndarray, dims: tuple[int, ...]) -> np.ndarray | None:
    """Return `array` as (outer, n, inner) when `dims` are neighbours and not the last ones, else None."""
    if not dims or dims[-1] == array.ndim - 1 or dims[-1] - dims[0] + 1 != len(dims) or not array.flags.c_contiguous:
        return None
    shape = array.shape
    inner = math.prod(shape[dims[-1] + 1 :])
    return array.reshape(math.prod(shape[: dims[0]]), math.prod(shape[dims[0] : dims[-1] + 1]), inner)


def _reduce(
    array: np.ndarray,
    dims: tuple[int, ...],
    keepdim: bool,
    np_dtype: np.dtype,
    last: Callable[..., Any],
    middle: Callable[..., Any] | None = None,
    *arguments: Any,
) -> np.ndarray:
    """Run `last` over rows, or `middle` over (outer, n, inner) where that spares a copy; return the result."""
    if len(dims) == array.ndim and array.flags.c_contiguous:
        whole = np.empty((1,) * array.ndim if keepdim else (), np_dtype)
        last(array.ravel(), array.size, *arguments, whole.ravel())
        return whole
    result = memory.empty(_kept(array.shape, dims, keepdim), np_dtype)
    if middle is not None and (parts := _middle(array, dims)) is not None:
        table = result.reshape(parts.shape[0], parts.shape[2])
        threads.rowwise(lambda x, out: middle(x, *arguments, out), array.size, len(table), parts, table)
        return result
    rows, into = _rows(array, dims), result.ravel()
    n = array.size // into.size if into.size else 0
    if threads.count == 1 or into.size == 1:
        last(rows, n, *arguments, into)
    else:
        cut = rows.reshape(into.size, n)
        threads.rowwise(lambda x, out: last(x.ravel(), n, *arguments, out), array.size, into.size, cut, into)
    return result


def _floating(op: Callable[..., Any], input: Tensor) -> np.ndarray:
    if not need_tensor(op, input).is_floating_point():
        raise DTypeError(
            f"{op.__name__}(): input dtype must be floating point, but got {input.dtype}; use .to(float32)"
        )
    return input._array


def _scaled_sum(array: np.ndarray, dims: tuple[int, ...], keepdim: bool, scale: float) -> Tensor:
    return Tensor(_reduce(array, dims, keepdim, array.dtype, rk.sum_last, rk.sum_middle, scale))


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum over `dim`; integers and bools sum to int64.

    Raises DimError when `dim` is out of range. float32 sums keep the error of a block of 4096.
    """
    array = need_tensor(sum, input)._array
    if dtype is not None:
        return sum(input.to(as_dtype(dtype)), dim, keepdim)
    dims = check_dims(dim, array.ndim)
    if array.dtype.kind == "f":
        result = _scaled_sum(array, dims, keepdim, 1.0)
    else:
        result = _scaled_sum(array.astype(np.int64, copy=False), dims, keepdim, 1)
    return record(sum, result, (input, dims, keepdim)) if input.requires_grad else result


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over `dim`; NaN of nothing. Raises DTypeError unless floating point, or `dtype` is given."""
    if dtype is not None:
        return mean(input.to(as_dtype(dtype)), dim, keepdim)
    array = _floating(mean, input)
    dims = check_dims(dim, array.ndim)
    n = math.prod(array.shape[d] for d in dims)
    result = _scaled_sum(array, dims, keepdim, 1 / n if n else math.nan)
    return record(mean, result, (input, dims, keepdim)) if input.requires_grad else result


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Product over one dimension or all; integers and bools give int64."""
    array = need_tensor(prod, input)._array
    if dtype is not None:
        return prod(input.to(as_dtype(dtype)), dim, keepdim)
    dims = check_dims(dim, array.ndim)
    result = np.asarray(
        np.prod(array, axis=dims, keepdims=keepdim, dtype=array.dtype if array.dtype.kind == "f" else np.int64)
    )
    return record(prod, Tensor(result), (input, dims, keepdim))


def _not_empty(op: Callable[..., Any], array: np.ndarray, dims: tuple[int, ...], dim: Dims) -> None:
    for d in dims:
        if array.shape[d] == 0:
            where = f"Expected reduction dim {d} to have non-zero size" if dim is not None else "the tensor is empty"
            raise DimError(f"{op.__name__}(): {where}: shape {array.shape}")


def _extreme(op: Callable[..., Any], input: Tensor, dim: Dims, keepdim: bool, last: Any, middle: Any) -> Tensor:
    array = need_tensor(op, input)._array
    dims = check_dims(dim, array.ndim)
    _not_empty(op, array, dims, dim)
    if array.dtype.kind == "b":
        return (any if op is amax else all)(input, dims, keepdim)
    result = Tensor(_reduce(array, dims, keepdim, array.dtype, last, middle))
    return record(op, result, (input, dims, keepdim)) if input.requires_grad else result


def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Greatest element over `dim`; NaN wins. Ties share the gradient. Raises DimError on an empty dimension."""
    return _extreme(amax, input, dim, keepdim, rk.max_last, rk.max_middle)


def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`; NaN wins. Ties share the gradient. Raises DimError on an empty dimension."""
    return _extreme(amin, input, dim, keepdim, rk.min_last, rk.min_middle)


def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Greatest element; with `dim` a pair (values, indices); with a tensor the element-wise maximum."""
    if isinstance(dim, Tensor):
        return ew.maximum(input, dim)
    if dim is None:
        return amax(input)
    return _with_indices(input, argmax(input, dim, True), dim, keepdim)


def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Smallest element; with `dim` a pair (values, indices); with a tensor the element-wise minimum."""
    if isinstance(dim, Tensor):
        return ew.minimum(input, dim)
    if dim is None:
        return amin(input)
    return _with_indices(input, argmin(input, dim, True), dim, keepdim)


def _with_indices(input: Tensor, indices: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
    if input.ndim == 0:
        return ValuesIndices(ew.clone(input), indices)
    values = input.gather(dim, indices)
    return ValuesIndices(values, indices) if keepdim else ValuesIndices(values.squeeze(dim), indices.squeeze(dim))


def _arg(op: Callable[..., Any], input: Tensor, dim: int | None, keepdim: bool, kernel: Any) -> Tensor:
    array = need_tensor(op, input)._array
    dims = check_dims(dim, array.ndim)
    _not_empty(op, array, dims, dim)
    if array.dtype.kind == "b":
        array = array.astype(np.int32)
    return Tensor(_reduce(array, dims, keepdim, _INT64, kernel))


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first greatest element over `dim`, of the flattened tensor without one."""
    return _arg(argmax, input, dim, keepdim, rk.argmax_last)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first smallest element over `dim`, of the flattened tensor without one."""
    return _arg(argmin, input, dim, keepdim, rk.argmin_last)


def _spread(op: Any, input: Tensor, dim: Any, unbiased: bool | None, correction: float | None, keepdim: bool) -> Tensor:
    if isinstance(dim, bool):  # PyTorch's older form: var(input, unbiased)
        dim, unbiased = None, dim
    if correction is None:
        correction = 1.0 if unbiased is None or unbiased else 0.0
    array = _floating(op, input)
    dims = check_dims(dim, array.ndim)
    n = math.prod(array.shape[d] for d in dims)
    divisor = float(n - correction) if n > correction else 0.0
    result = Tensor(_reduce(array, dims, keepdim, array.dtype, rk.var_last, None, divisor, op is std))
    return record(op, result, (input, dims, divisor, keepdim)) if input.requires_grad else result


def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Variance over `dim`: squared distances from the mean over n - correction (1 unless given). Two passes."""
    return _spread(var, input, dim, unbiased, correction, keepdim)


def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Standard deviation over `dim`, the square root of `var`."""
    return _spread(std, input, dim, unbiased, correction, keepdim)


def norm(
    input: Tensor, p: float | str | None = "fro", dim: Dims = None, keepdim: bool = False, dtype: DType | None = None
) -> Tensor:
    """The vector p-norm over `dim`: p is 2 ("fro"), 1, 0, plus or minus infinity, or any other number.

    Raises DTypeError unless floating point, ArgumentError on another `p`.
    """
    if dtype is not None:
        input = input.to(dtype)
    array = _floating(norm, input)
    if p in (None, "fro"):
        p = 2.0
    if isinstance(p, str):
        raise ArgumentError(f"norm(): p must be a number or 'fro', but got {p!r}")
    dims = check_dims(dim, array.ndim)
    if p in (1, 2):
        kernel = rk.norm2_last if p == 2 else rk.norm1_last
        return record(norm, Tensor(_reduce(array, dims, keepdim, array.dtype, kernel)), (input, p, dims, keepdim))
    if p == math.inf:
        return amax(ew.abs(input), dims, keepdim)
    if p == -math.inf:
        return amin(ew.abs(input), dims, keepdim)
    if p == 0:
        return sum(ew.ne(input, 0).to(input.dtype), dims, keepdim)
    return sum(ew.abs(input) ** float(p), dims, keepdim) ** (1.0 / float(p))


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """True where any element over `dim` is not zero."""
    dims = check_dims(dim, need_tensor(any, input).ndim)
    return Tensor(np.asarray(np.any(input._array, axis=dims, keepdims=keepdim)))


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """True where every element over `dim` is not zero."""
    dims = check_dims(dim, need_tensor(all, input).ndim)
    return Tensor(np.asarray(np.all(input._array, axis=dims, keepdims=keepdim)))


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """`log(sum(exp(input)))` over `dim`, shifted by the maximum so that nothing overflows."""
    dims = check_dims(dim, need_tensor(logsumexp, input).ndim)
    top = amax(input, dims, True).detach()
    top = ew.where(ew.isfinite(top), top, 0.0)
    total = ew.log(sum(ew.exp(ew.sub(input, top)), dims, True)) + top
    return total if keepdim else total.reshape(_kept(input.shape, dims, False))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Tell whether all elements agree to `atol + rtol * |other|`."""
    need_tensor(allclose, other, "other")
    return bool(np.allclose(need_tensor(allclose, input)._array, other._array, rtol, atol, equal_nan))


def equal(input: Tensor, other: Tensor) -> bool:
    """Tell whether shape and all elements are the same."""
    return bool(np.array_equal(need_tensor(equal, input)._array, need_tensor(equal, other, "other")._array))


__all__ = [
    "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "equal", "logsumexp", "max", "mean", "min", "norm",
    "prod", "std", "sum", "var",
]  # fmt: skip


__all__ = [
    "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "equal", "logsumexp", "max", "mean", "min", "norm",
    "prod", "std", "sum", "var",
]  # fmt: skip
METHODS = (
    all, allclose, amax, amin, any, argmax, argmin, equal, logsumexp, max, mean, min, norm, prod, std, sum, var,
)  # fmt: skip
