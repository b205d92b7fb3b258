"""Distances between all pairs of rows."""

import math
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import no_grad, record
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.ops.dispatch import broadcast_shapes, need_tensor
from torsh_ops.ops.linalg import matmul
from torsh_ops.tensor import Tensor

_MODES = {
    "use_mm_for_euclid_dist_if_necessary": 25,
    "use_mm_for_euclid_dist": -1,
    "donot_use_mm_for_euclid_dist": math.inf,
}


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """The p-norm distance of each row of `x1` (..., m, k) to each row of `x2` (..., n, k): (..., m, n).

    Euclidean distances between more than 25 rows go through a matrix product, which loses digits where rows are
    close; `compute_mode` "donot_use_mm_for_euclid_dist" takes differences. Raises ShapeError when widths differ.
    """
    a, b = need_tensor(cdist, x1, "x1"), need_tensor(cdist, x2, "x2")
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"cdist takes (..., m, k) and (..., n, k), but got shapes {a.shape} and {b.shape}")
    if not (a.is_floating_point() and b.is_floating_point()):
        raise DTypeError(f"cdist only supports floating-point dtypes, but got {a.dtype} and {b.dtype}")
    if p < 0:
        raise ShapeError(f"cdist only supports non-negative p values, but got {p}")
    if compute_mode not in _MODES:
        raise ArgumentError(f"{compute_mode!r} is not a valid value for compute_mode: one of {', '.join(_MODES)}")
    if a.dtype is not b.dtype:
        raise DTypeError(f"cdist: expected both tensors to have the same dtype, but got {a.dtype} and {b.dtype}")
    lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if lead != a.shape[:-2] or lead != b.shape[:-2]:
        a, b = a.expand(*lead, *a.shape[-2:]), b.expand(*lead, *b.shape[-2:])
    return _cdist(a, b, float(p), max(a.shape[-2], b.shape[-2]) > _MODES[compute_mode])


def _cdist(x1: Tensor, x2: Tensor, p: float, by_product: bool) -> Tensor:
    with no_grad():
        result = _by_product(x1, x2) if p == 2 and by_product else _by_difference(x1._array, x2._array, p)
    return record(_cdist, Tensor(result), (x1, x2, p, by_product))


def _by_product(x1: Tensor, x2: Tensor) -> np.ndarray:
    """`|a - b|^2 = |a|^2 + |b|^2 - 2 a b`; rounding may leave it just below 0."""
    result = matmul(x1, x2.transpose(-1, -2))._array
    result *= -2
    result += np.square(x1._array).sum(-1)[..., :, None]
    result += np.square(x2._array).sum(-1)[..., None, :]
    np.maximum(result, 0, out=result)
    return np.sqrt(result, out=result)


def _by_difference(a: np.ndarray, b: np.ndarray, p: float) -> np.ndarray:
    result = memory.empty((*a.shape[:-1], b.shape[-2]), a.dtype)
    # Row by row: all differences at once would take k times the memory of the result.
    for i in range(a.shape[-2]):
        result[..., i, :] = _norm(np.abs(a[..., i, None, :] - b), p)
    return result


def _norm(size: np.ndarray, p: float) -> Any:
    if p == 0:
        return (size != 0).sum(-1)
    if p == 1:
        return size.sum(-1)
    if p == 2:
        return np.sqrt(np.square(size).sum(-1))
    if p == math.inf:
        return size.max(-1, initial=0)
    return (size**p).sum(-1) ** (1 / p)


__all__ = ["cdist"]
METHODS: tuple[Any, ...] = ()
