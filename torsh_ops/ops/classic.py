"""Linear algebra under PyTorch's older names at the top level; `torsh_ops.linalg` has the newer."""

from typing import NamedTuple

import numpy as np

from torsh_ops.errors import ShapeError
from torsh_ops.ops import factor as fa
from torsh_ops.ops import linalg as la
from torsh_ops.ops import matrix as mx
from torsh_ops.ops import solve as so
from torsh_ops.ops import spectrum as sp
from torsh_ops.ops.factor import geqrf, lu_unpack
from torsh_ops.ops.matrix import matrix_exp, matrix_power
from torsh_ops.ops.solve import cholesky_inverse, cholesky_solve, logdet, triangular_solve
from torsh_ops.tensor import Tensor


class SVDTransposed(NamedTuple):
    """``U @ diag(S) @ V.mT``."""

    U: Tensor
    S: Tensor
    V: Tensor


def inverse(input: Tensor) -> Tensor:
    """Inverse of square (..., n, n) matrices; see `linalg.inv`."""
    return so.inv(input)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """Moore-Penrose inverse; see `linalg.pinv`."""
    return so.pinv(input, rcond)


def det(input: Tensor) -> Tensor:
    """Determinant of square (..., n, n) matrices; see `linalg.det`."""
    return so.det(input)


def slogdet(input: Tensor) -> so.SlogDet:
    """Sign and logarithm of the absolute value of the determinant; see `linalg.slogdet`."""
    return so.slogdet(input)


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """Cholesky factor; see `linalg.cholesky`."""
    return fa.cholesky(input, upper=upper)


def qr(input: Tensor, some: bool = True) -> fa.QR:
    """``Q @ R``, reduced when `some`, else complete; see `linalg.qr`."""
    return fa.qr(input, "reduced" if some else "complete")


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> SVDTransposed:
    """``U @ diag(S) @ V.mT``, thin when `some`; zeros for U and V unless `compute_uv`. See `linalg.svd`."""
    if compute_uv:
        u, s, vh = sp.svd(input, not some)
        return SVDTransposed(u, s, vh.transpose(-1, -2))
    s, (m, n) = sp.svdvals(input), input.shape[-2:]
    zeros = (Tensor(np.zeros((*input.shape[:-2], size, size), input._array.dtype)) for size in (m, n))
    return SVDTransposed(next(zeros), s, next(zeros))


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> tuple[Tensor, ...]:
    """The factors packed in one tensor and the row exchanges, with `get_infos` codes too; see `linalg.lu_factor`."""
    found = fa.lu_factor_ex(A, pivot=pivot, check_errors=not get_infos)
    return tuple(found) if get_infos else tuple(found[:2])


def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """X with ``A @ X == b`` from `lu`'s results; see `linalg.lu_solve`."""
    return so.lu_solve(LU_data, LU_pivots, b)


def orgqr(input: Tensor, tau: Tensor) -> Tensor:
    """See `linalg.householder_product`."""
    return fa.householder_product(input, tau)


def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """The whole Q of `geqrf`'s reflections, or its transpose, times `other`; from the right unless `left`."""
    m, n = input.shape[-2:]
    if other.shape[-2 if left else -1] != m:
        raise ShapeError(f"ormqr: other {other.shape} does not fit reflections of {m} rows")
    wide = Tensor(np.zeros((*input.shape[:-1], m), input._array.dtype))
    k = min(n, m)
    wide._array[..., :k] = input._array[..., :k]
    q = fa.householder_product(wide, tau)
    q = q.transpose(-1, -2) if transpose else q
    return la.matmul(q, other) if left else la.matmul(other, q)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of each element of a vector, the highest first unless `increasing`."""
    if x.ndim != 1:
        raise ShapeError(f"vander: x must be a one-dimensional tensor, but got shape {x.shape}")
    powers = mx.vander(x, N)
    return powers if increasing else powers.flip(-1)


__all__ = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "det", "geqrf", "inverse", "logdet", "lu", "lu_solve",
    "lu_unpack", "matrix_exp", "matrix_power", "orgqr", "ormqr", "pinverse", "qr", "slogdet", "svd",
    "triangular_solve", "vander",
]  # fmt: skip
METHODS = (
    cholesky, cholesky_inverse, cholesky_solve, det, geqrf, inverse, logdet, lu, lu_solve, matrix_exp, matrix_power,
    orgqr, ormqr, pinverse, qr, slogdet, svd, triangular_solve,
)  # fmt: skip
