"""Sums, products, norms, and what holds of any or all elements. `dim=None` reduces all; `keepdim` leaves size 1."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops.autograd import record
from torsh_ops.dtypes import as_dtype
from torsh_ops.dtypes import dtype as DType
from torsh_ops.errors import ArgumentError, DimError
from torsh_ops.kernels import logsumexp as lk
from torsh_ops.kernels import reduce as rk
from torsh_ops.kernels import short
from torsh_ops.kernels import truth as tk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import shortcut
from torsh_ops.ops.axes import (
    BOOL,
    INT64,
    Dims,
    Kernels,
    delivered,
    need_floating,
    need_real,
    plan_of,
    reduce,
    to_floating,
)
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.extreme import amax, amin
from torsh_ops.ops.plan import Plan, planned
from torsh_ops.tensor import Tensor, check_dims

_SUM = Kernels(rk.sum_last, rk.sum_middle)
_PROD = Kernels(rk.prod_last, rk.prod_middle)
_NORMS = {1.0: Kernels(rk.norm1_last), 2.0: Kernels(rk.norm2_last, rk.norm2_middle)}
_LOGSUMEXP = Kernels(lk.logsumexp_last, lk.logsumexp_middle)
_WITH_ROOM = Kernels(
    lk.logsumexp_last, lambda x, n, inner, out: lk.logsumexp_middle(x, n, inner, np.empty(inner, x.dtype), out)
)
_ANY = Kernels(tk.any_last, tk.any_middle)
_COUNT = Kernels(tk.count_last)


@shortcut.reduction(short.total, recorded=True)
@planned(plan_of(_SUM, lambda n: (1.0,)))
def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None
) -> Tensor:
    """Sum over `dim`; integers and bools sum to int64.

    Raises DimError when `dim` is out of range. float32 sums keep the error of a block of 4096.
    """
    need_tensor(sum, input)
    if dtype is not None:
        return sum(input.to(as_dtype(dtype)), dim, keepdim, out=out)
    array = input._array
    dims = check_dims(dim, array.ndim)
    if array.dtype.kind == "f":
        result = reduce(_SUM, array, dims, keepdim, array.dtype, 1.0, first=(1.0,))
    elif array.dtype.kind == "b":
        result = np.asarray(np.count_nonzero(array, axis=dims, keepdims=keepdim), INT64)
    else:
        wide = INT64 if array.dtype.kind == "i" else array.dtype
        result = np.asarray(np.sum(array, axis=dims, keepdims=keepdim, dtype=wide))
    return delivered(sum, record(sum, Tensor(result), (input, dims, keepdim)), out, input)


@shortcut.reduction(short.mean, recorded=True)
@planned(plan_of(_SUM, lambda n: (1.0 / n,)))
def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None
) -> Tensor:
    """Mean over `dim`; NaN of nothing. Raises DTypeError unless floating point or complex, or `dtype` is given."""
    if dtype is not None:
        return mean(need_tensor(mean, input).to(as_dtype(dtype)), dim, keepdim, out=out)
    dims = check_dims(dim, need_tensor(mean, input).ndim)
    n = math.prod(input.shape[d] for d in dims)
    scale = 1 / n if n else math.nan
    if input.is_complex():
        return delivered(mean, ew.mul(sum(input, dims, keepdim), scale), out, input)
    array = need_floating(mean, input)
    result = reduce(_SUM, array, dims, keepdim, array.dtype, scale, first=(1.0,))
    return delivered(mean, record(mean, Tensor(result), (input, dims, keepdim)), out, input)


def nansum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None
) -> Tensor:
    """Sum over `dim` of what is not NaN; integers and bools sum to int64."""
    if dtype is not None:
        input = need_tensor(nansum, input).to(as_dtype(dtype))
    need_real(nansum, input)
    numbers = ew.where(ew.isnan(input), 0.0, input) if input.is_floating_point() else input
    return sum(numbers, dim, keepdim, out=out)


def nanmean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None
) -> Tensor:
    """Mean over `dim` of what is not NaN; NaN where nothing else is. Raises DTypeError unless floating point."""
    if dtype is not None:
        input = need_tensor(nanmean, input).to(as_dtype(dtype))
    need_floating(nanmean, input)
    count = sum(ew.logical_not(ew.isnan(input)), dim, keepdim)
    return delivered(nanmean, ew.div(nansum(input, dim, keepdim), count), out, input)


@shortcut.reduction(rk.prod_last)
@planned(plan_of(_PROD))
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None, out: Tensor | None = None
) -> Tensor:
    """Product over one dimension or all; integers and bools give int64."""
    need_tensor(prod, input)
    if dtype is not None:
        return prod(input.to(as_dtype(dtype)), dim, keepdim, out=out)
    array = input._array
    dims = check_dims(dim, array.ndim)
    if array.dtype.kind == "f":
        result = reduce(_PROD, array, dims, keepdim, array.dtype, first=())
    else:
        wide = array.dtype if array.dtype.kind == "c" else INT64
        result = np.asarray(np.prod(array, axis=dims, keepdims=keepdim, dtype=wide))
    return delivered(prod, record(prod, Tensor(result), (input, dims, keepdim)), out, input)


_plan_norm2 = plan_of(_NORMS[2.0])


def _plan_norm(input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False) -> Plan | None:
    return _plan_norm2(input, dim, keepdim) if p in (None, "fro", 2) else None


@shortcut.reduction(rk.norm2_last, dims=shortcut.NO_DIM)
@planned(_plan_norm)
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """The vector p-norm over `dim`: p is 2 ("fro"), 1, 0, plus or minus infinity, or any other number.

    Raises DTypeError unless floating point or complex, ArgumentError on another `p`, DimError where `p` is infinite
    and there is nothing to choose from.
    """
    if p in (None, "fro"):
        p = 2.0
    if isinstance(p, str):
        raise ArgumentError(f"norm(): p must be a number or 'fro', but got {p!r}; torsh_ops.linalg has matrix norms")
    if dtype is not None:
        input = need_tensor(norm, input).to(dtype)
    dims = check_dims(dim, need_tensor(norm, input).ndim)
    x = ew.abs(input) if input.is_complex() else input
    return delivered(norm, _norm(x, float(p), dims, keepdim), out, input)


def _norm(input: Tensor, p: float, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    array = need_floating(norm, input)
    if p in _NORMS:
        result = reduce(_NORMS[p], array, dims, keepdim, array.dtype, first=())
        return record(norm, Tensor(result), (input, p, dims, keepdim))
    if math.isinf(p):
        # The norm of nothing is 0, but nothing has no smallest element.
        if p > 0 and not array.size:
            return sum(input, dims, keepdim)
        return (amax if p > 0 else amin)(ew.abs(input), dims, keepdim)
    if p == 0:
        return record(norm, count_nonzero(input, dims, keepdim).to(input.dtype), (input, p, dims, keepdim))
    length = ew.pow(sum(ew.pow(ew.abs(input.detach()), p), dims, keepdim), 1.0 / p)
    return record(norm, length, (input, p, dims, keepdim))


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of `input - other`, which broadcast."""
    return norm(ew.sub(need_tensor(dist, input), need_tensor(dist, other, "other")), p)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None) -> Tensor:
    """`input` with each slice along `dim` whose p-norm is above `maxnorm` scaled down to it.

    Raises ArgumentError when `p` is not positive or `maxnorm` negative, DimError on fewer than two dimensions.
    """
    if p <= 0 or maxnorm < 0:
        raise ArgumentError(f"renorm: expected positive p and non-negative maxnorm, but got p={p}, maxnorm={maxnorm}")
    if need_tensor(renorm, input).ndim < 2:
        raise DimError(f"renorm: expected input to have at least 2 dimensions, but got shape {input.shape}")
    kept_dim = check_dims(dim, input.ndim)[0]
    length = norm(input, p, tuple(d for d in range(input.ndim) if d != kept_dim), True)
    # PyTorch's own small number, which keeps the division finite.
    scale = ew.where(ew.gt(length, maxnorm), maxnorm / (length + 1e-7), 1.0)
    return delivered(renorm, ew.mul(input, scale), out, input)


@shortcut.reduction(lk.logsumexp_last, dims=shortcut.ONE_DIM)
@planned(plan_of(_LOGSUMEXP, room=lambda inner, results: inner))
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """`log(sum(exp(input)))` over `dim`, shifted by the maximum so that nothing overflows; -inf of nothing."""
    input = to_floating(logsumexp, input)
    dims = check_dims(dim, input.ndim)
    result = reduce(_WITH_ROOM, input._array, dims, keepdim, input._array.dtype, first=())
    return delivered(logsumexp, record(logsumexp, Tensor(result), (input, dims, keepdim)), out, input)


def _truth(
    op: Any, numpy_op: Callable[..., Any], input: Tensor, dim: Dims, keepdim: bool, out: Tensor | None
) -> Tensor:
    array = need_tensor(op, input)._array
    dims = check_dims(dim, array.ndim)
    if array.dtype.kind == "f":
        result = reduce(_ANY, array, dims, keepdim, BOOL, op is all)
    else:
        result = np.asarray(numpy_op(array, axis=dims, keepdims=keepdim))
    return delivered(op, Tensor(result), out, input)


@planned(plan_of(_ANY, lambda n: (False,), BOOL))
def any(input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """True where any element over `dim` is not zero."""
    return _truth(any, np.any, input, dim, keepdim, out)


@planned(plan_of(_ANY, lambda n: (True,), BOOL))
def all(input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """True where every element over `dim` is not zero."""
    return _truth(all, np.all, input, dim, keepdim, out)


def count_nonzero(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """How many elements over `dim` are not zero, int64; NaN is not zero."""
    array = need_tensor(count_nonzero, input)._array
    dims = check_dims(dim, array.ndim)
    if array.dtype.kind == "f":
        return Tensor(reduce(_COUNT, array, dims, keepdim, INT64))
    return Tensor(np.asarray(np.count_nonzero(array, axis=dims, keepdims=keepdim), INT64))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Tell whether all elements agree to `atol + rtol * |other|`."""
    need_tensor(allclose, other, "other")
    return bool(np.allclose(need_tensor(allclose, input)._array, other._array, rtol, atol, equal_nan))


def equal(input: Tensor, other: Tensor) -> bool:
    """Tell whether shape and all elements are the same."""
    return bool(np.array_equal(need_tensor(equal, input)._array, need_tensor(equal, other, "other")._array))


__all__ = [
    "all", "allclose", "any", "count_nonzero", "dist", "equal", "logsumexp", "mean", "nanmean", "nansum", "norm",
    "prod", "renorm", "sum",
]  # fmt: skip
METHODS = (
    all, allclose, any, count_nonzero, dist, equal, logsumexp, mean, nanmean, nansum, norm, prod, renorm, sum,
)  # fmt: skip
