"""Quantiles: elements at a share of the way through the sorted order, and between them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops.axes import delivered, need_floating, not_empty
from torsh_ops.ops.sort import sort
from torsh_ops.tensor import Tensor, check_dim

_WAYS = ("linear", "lower", "higher", "midpoint", "nearest")


def _shares(op: Callable[..., Any], input: Tensor, q: float | Tensor) -> np.ndarray:
    """Return `q` as float64, 0-d or 1-D."""
    if isinstance(q, Tensor):
        if q.ndim > 1:
            raise ShapeError(f"{op.__name__}() q must be a scalar or 1D tensor, but got shape {q.shape}")
        if q.dtype is not input.dtype:
            raise DTypeError(f"{op.__name__}() q tensor must be of the input's dtype {input.dtype}, but is {q.dtype}")
    shares = np.asarray(q._array if isinstance(q, Tensor) else q, np.float64)
    for share in shares.ravel().tolist():
        if not 0 <= share <= 1:
            raise ArgumentError(f"{op.__name__}() q must be in the range [0, 1], but got {share}")
    return shares


def _between(values: Tensor, place: np.ndarray, interpolation: str) -> Tensor:
    """Return what lies at `place` (fractional, of the last dimension kept) of rows of sorted `values`."""
    if interpolation == "nearest":
        return _at(values, np.rint(place))
    low = np.ceil(place) if interpolation == "higher" else np.floor(place)
    first = _at(values, low)
    if interpolation in ("lower", "higher"):
        return first
    weight = np.full(place.shape, 0.5) if interpolation == "midpoint" else place - low
    high = np.ceil(place)
    if (high == low).all():
        return first
    share = Tensor(weight.astype(values._array.dtype) * (high != low))
    # Where both are the same infinity their difference would be NaN: nothing is added where the share is 0.
    step = ew.where(ew.eq(share, 0), 0.0, ew.sub(_at(values, high), first))
    return ew.add(first, ew.mul(step, share))


def _at(values: Tensor, place: np.ndarray) -> Tensor:
    return values.gather(-1, Tensor(place.astype(np.int64)))


def _quantile(
    op: Callable[..., Any],
    input: Tensor,
    q: float | Tensor,
    dim: int | None,
    keepdim: bool,
    interpolation: str,
    out: Tensor | None,
) -> Tensor:
    array = need_floating(op, input)
    if interpolation not in _WAYS:
        raise ArgumentError(
            f"{op.__name__}() interpolation must be one of {', '.join(_WAYS)}, but got {interpolation!r}"
        )
    shares = _shares(op, input, q)
    axis = 0 if dim is None else check_dim(dim, array.ndim)
    rows = input.reshape(-1) if dim is None or not array.ndim else input.transpose(axis, -1)
    not_empty(op, rows._array, (rows.ndim - 1,), dim)
    n = rows.shape[-1]
    values = sort(rows, -1).values if input.requires_grad else Tensor(np.sort(rows._array, axis=-1))
    nan = np.isnan(values._array[..., -1])
    if not nan.any():
        if shares.ndim == 0 and not input.requires_grad and axis == input.ndim - 1 and interpolation == "linear":
            return delivered(op, _of_last(values._array, float(shares) * (n - 1), keepdim), out, input)
        # One quantile a column: (..., q).
        place = np.broadcast_to((n - 1) * shares.reshape(-1), (*rows.shape[:-1], shares.size))
    else:
        nans = np.count_nonzero(np.isnan(values._array), axis=-1, keepdims=True)
        place = np.maximum(n - 1 - nans, 0) * shares.reshape(-1)
        if op is quantile:
            place = np.where(nan[..., None], n - 1, (n - 1) * shares.reshape(-1))
    found = _between(values, place, interpolation)
    return delivered(op, _shaped(found, input, dim, axis, keepdim, shares.ndim), out, input)


def _of_last(values: np.ndarray, place: float, keepdim: bool) -> Tensor:
    """Return what lies at `place` of the sorted last dimension."""
    low = int(place)
    found, weight = values[..., low : low + 1], place - low
    if weight:
        high = values[..., low + 1 : low + 2]
        # Two of the same infinity have no difference.
        with np.errstate(invalid="ignore"):
            found = np.where(found == high, found, found + (high - found) * values.dtype.type(weight))
    return Tensor(np.array(found if keepdim else found[..., 0], order="C"))


def _shaped(found: Tensor, input: Tensor, dim: int | None, axis: int, keepdim: bool, share_dims: int) -> Tensor:
    """Bring (..., q), whose last dimension stands for `axis`, into PyTorch's form: q first, then what is left."""
    count, ndim = found.shape[-1], input.ndim
    if dim is None or not ndim:
        result = found.reshape((count, *((1,) * ndim if keepdim else ())))
    else:
        # With q first, the rest are the dimensions of the input but `axis`, and its last one stands where `axis` was.
        left = [d if d != axis else ndim - 1 for d in range(ndim - 1)]
        turned = found.permute((ndim - 1, *(left.index(d) for d in sorted(left))))
        sizes = (1 if d == axis else n for d, n in enumerate(input.shape) if keepdim or d != axis)
        result = turned.reshape((count, *sizes))
    return result if share_dims else result.reshape(result.shape[1:])


def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """The `q`-quantiles along `dim`, or of all elements; NaN where there is one. A 1-D `q` makes the first dimension.

    `interpolation` says what lies between two elements. Raises ArgumentError when `q` is not in [0, 1], DTypeError
    unless floating point.
    """
    return _quantile(quantile, input, q, dim, keepdim, interpolation, out)


def nanquantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """`quantile` of the elements that are not NaN; NaN where all are."""
    return _quantile(nanquantile, input, q, dim, keepdim, interpolation, out)


__all__ = ["nanquantile", "quantile"]
METHODS = (nanquantile, quantile)
