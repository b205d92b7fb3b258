"""Scans along one dimension: what is joined with all before it. The shape stays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import record
from torsh_ops.dtypes import as_dtype
from torsh_ops.errors import ArgumentError, DimError, ShapeError
from torsh_ops.kernels import scan as sk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import reduce as rd
from torsh_ops.ops import shortcut
from torsh_ops.ops.axes import INT64, NARROW, Kernels, ValuesIndices, arrange, delivered, need_real, picked, to_floating
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.joining import cat
from torsh_ops.tensor import Tensor, check_dim

_SUM = Kernels(sk.cumsum_last, sk.cumsum_middle)
_PROD = Kernels(sk.cumprod_last, sk.cumprod_middle)
_LOGSUMEXP = Kernels(sk.logcumsumexp_last)


def along(kernels: Kernels, array: np.ndarray, dim: int, *dtypes: np.dtype) -> list[np.ndarray]:
    """Run a kernel that keeps the shape along `dim`; return its results, one of each of `dtypes`."""
    if array.ndim < 2 or dim == array.ndim - 1 or not array.size:
        rows = np.ascontiguousarray(array)
        results = [memory.empty(array.shape, d) for d in dtypes]
        if array.size:
            _rows(kernels, rows, results)
        return results
    if kernels.middle is not None and array.flags.c_contiguous:
        parts = arrange(array, (dim,), True)
        outer, n, inner = parts.shape
        if inner != 1:
            result = memory.empty(array.shape, dtypes[0])
            threads.rowwise(
                lambda x, into: kernels.middle(x.reshape(-1), n, inner, np.empty(inner), into.reshape(-1)),  # type: ignore[misc]
                array.size, outer, parts, result.reshape(parts.shape),
            )  # fmt: skip
            return [result]
    turned = contiguous_array(Tensor(array.swapaxes(dim, -1)))
    results = [memory.empty(turned.shape, d) for d in dtypes]
    _rows(kernels, turned, results)
    return [contiguous_array(Tensor(r.swapaxes(dim, -1))) for r in results]


def _rows(kernels: Kernels, array: np.ndarray, results: list[np.ndarray]) -> None:
    n = array.shape[-1] if array.ndim else 1
    if threads.count == 1:
        kernels.last(array.ravel(), n, *(r.ravel() for r in results))
        return
    tables = [a.reshape(-1, n) for a in (array, *results)]
    threads.rowwise(
        lambda x, *into: kernels.last(x.reshape(-1), n, *(o.reshape(-1) for o in into)),
        array.size, len(tables[0]), *tables,
    )  # fmt: skip


def _simply_down(kernels: Kernels, input: Any, dim: Any) -> Tensor | None:
    """Scan a contiguous float tensor along a dimension before the last, without the bookkeeping; None for the rest."""
    if threads.count != 1 or not isinstance(input, Tensor) or type(dim) is not int:
        return None
    array = input._array
    ndim, size = array.ndim, array.size
    if not size or not -ndim <= dim < ndim - 1 or dim == -1 or array.dtype.kind != "f" or not array.flags.c_contiguous:
        return None
    inner = array.strides[dim] // array.itemsize
    if inner < NARROW:
        return None
    result = memory.empty_like(array)
    kernels.middle(array.ravel(), array.shape[dim], inner, np.empty(inner), result.ravel())  # type: ignore[misc]
    return Tensor(result)


def _scan(
    op: Callable[..., Any], numpy_op: Any, kernels: Kernels, input: Tensor, dim: int, dtype: Any, out: Tensor | None
) -> Tensor:
    if dtype is None and out is None and (found := _simply_down(kernels, input, dim)) is not None:
        return record(op, found, (input, dim % input.ndim)) if input.requires_grad else found
    if dtype is not None:
        return op(need_tensor(op, input).to(as_dtype(dtype)), dim, out=out)
    array = need_tensor(op, input)._array
    dim = check_dim(dim, array.ndim)
    if array.dtype.kind == "f":
        (result,) = along(kernels, array, dim, array.dtype)
    else:
        wide = array.dtype if array.dtype.kind == "c" else INT64
        result = np.asarray(numpy_op(array, dim if array.ndim else None, wide)).reshape(array.shape)
    return delivered(op, record(op, Tensor(result), (input, dim)), out, input)


@shortcut.rows(sk.cumsum_rows)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None, out: Tensor | None = None) -> Tensor:
    """Sum of the elements up to each along `dim`; integers and bools give int64."""
    return _scan(cumsum, np.cumsum, _SUM, input, dim, dtype, out)


@shortcut.rows(sk.cumprod_rows)
def cumprod(input: Tensor, dim: int, *, dtype: Any = None, out: Tensor | None = None) -> Tensor:
    """Product of the elements up to each along `dim`; integers and bools give int64."""
    return _scan(cumprod, np.cumprod, _PROD, input, dim, dtype, out)


def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """`log(cumsum(exp(input)))` along `dim`, which does not overflow."""
    input = to_floating(logcumsumexp, input)
    dim = check_dim(dim, input.ndim)
    (result,) = along(_LOGSUMEXP, input._array, dim, input._array.dtype)
    return delivered(logcumsumexp, record(logcumsumexp, Tensor(result), (input, dim)), out, input)


def _cumulative(op: Any, kernel: Callable[..., Any], input: Tensor, dim: int, out: Any) -> ValuesIndices:
    array = need_real(op, input)
    dim = check_dim(dim, array.ndim)
    # One form for all that is not floating point.
    source = array if array.dtype.kind == "f" else array.astype(INT64)
    values, places = along(Kernels(kernel), source, dim, source.dtype, INT64)
    if input.requires_grad:
        return delivered(op, picked(input, Tensor(places), dim, True), out, input)
    return delivered(op, ValuesIndices(Tensor(values.astype(array.dtype, copy=False)), Tensor(places)), out, input)


def cummax(input: Tensor, dim: int, *, out: Any = None) -> ValuesIndices:
    """Greatest element up to each along `dim`, and the last place of it; NaN wins."""
    return _cumulative(cummax, sk.cummax_last, input, dim, out)


def cummin(input: Tensor, dim: int, *, out: Any = None) -> ValuesIndices:
    """Smallest element up to each along `dim`, and the last place of it; NaN wins."""
    return _cumulative(cummin, sk.cummin_last, input, dim, out)


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`n` times the difference of neighbours along `dim`; of bools, whether they differ.

    Raises DimError on a 0-d tensor, ArgumentError when `n` is negative.
    """
    if need_tensor(diff, input).ndim == 0:
        raise DimError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise ArgumentError(f"order must be non-negative but got {n}")
    dim = check_dim(dim, input.ndim)
    joined = [t for t in (prepend, input, append) if t is not None]
    x = cat(joined, dim) if len(joined) > 1 else input
    minus = ew.ne if x._array.dtype.kind == "b" else ew.sub
    for _ in range(min(n, x.shape[dim])):
        length = x.shape[dim] - 1
        x = minus(x.narrow(dim, 1, length), x.narrow(dim, 0, length))
    return delivered(diff, x if n else ew.clone(x), out, input)


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """Integral along `dim` by trapezoids, of points `dx` (1 unless given) apart, or at `x`.

    Raises ArgumentError when both are given, ShapeError when `x` has another number of points.
    """
    if x is not None and dx is not None:
        raise ArgumentError("trapezoid: expected one of x and dx, but got both")
    dim = check_dim(dim, need_tensor(trapezoid, y, "y").ndim)
    n = y.shape[dim] if y.ndim else 1
    if n < 2:
        return rd.sum(y, dim) * 0.0
    pairs = ew.add(y.narrow(dim, 1, n - 1), y.narrow(dim, 0, n - 1))
    if x is None:
        return ew.mul(rd.sum(pairs, dim), (1.0 if dx is None else dx) / 2)
    if x.shape[-1 if x.ndim == 1 else dim] != n:
        raise ShapeError(f"trapezoid: there must be one x for each y along dim {dim}, but got {x.shape} and {y.shape}")
    steps = diff(x.reshape(tuple(n if d == dim else 1 for d in range(y.ndim))) if x.ndim == 1 else x, dim=dim)
    return ew.div(rd.sum(ew.mul(pairs, steps), dim), 2.0)


__all__ = ["cummax", "cummin", "cumprod", "cumsum", "diff", "logcumsumexp", "trapezoid"]
METHODS = (cummax, cummin, cumprod, cumsum, diff, logcumsumexp)
IN_PLACE = (cumprod, cumsum)
