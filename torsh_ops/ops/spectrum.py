"""Singular values, eigenvalues and their vectors, of any number of matrices at once.

Those of symmetric matrices come from kernels of our own, but for the dividing and conquering of large ones; the rest
is LAPACK's.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import dtypes, memory, threads
from torsh_ops.autograd import record
from torsh_ops.errors import ArgumentError
from torsh_ops.kernels import lapack as lk
from torsh_ops.kernels import symmetric as sk
from torsh_ops.kernels import tridiagonal as tk
from torsh_ops.ops.dispatch import contiguous_array
from torsh_ops.ops.factor import PANEL, Part, records
from torsh_ops.ops.matrices import alone, batch_of, check, check_finite, codes, fail, first_bad, owned, work_of
from torsh_ops.ops.plan import New, Plan, Step, planned, seen
from torsh_ops.tensor import Tensor


class SVD(NamedTuple):
    """``U @ diag(S) @ Vh``."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class Eigen(NamedTuple):
    """Eigenvalues and, in columns, eigenvectors."""

    eigenvalues: Tensor
    eigenvectors: Tensor


SVD_U, SVD_S, SVD_VH = Part("linalg_svd_u"), Part("linalg_svd_s"), Part("linalg_svd_vh")


def _svd(op: Any, A: Tensor, job: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    check_finite(op, A._array)
    m, n = A.shape[-2:]
    k, a = min(m, n), owned(A._array)
    wide = {lk.THIN: k, lk.ALL: None, lk.NONE: 0}[job]
    batch = 1 if job == lk.NONE else len(a)
    s, info = memory.empty((len(a), k), a.dtype), codes(len(a))
    u = memory.empty((batch, m, m if wide is None else wide), a.dtype)
    vh = memory.empty((batch, n if wide is None else wide, n), a.dtype)
    if a.size:
        _run_svd(a, job, s, u, vh, info)
    else:
        u[...], vh[...] = np.eye(*u.shape[1:]), np.eye(*vh.shape[1:])
    code, place = first_bad(info, A.shape[:-2])
    if code:
        fail(op, place, f"The algorithm failed to converge (error code: {code})")
    lead = A.shape[:-2]
    if job == lk.NONE:
        return u, s.reshape(*lead, k), vh
    return u.reshape(*lead, *u.shape[1:]), s.reshape(*lead, k), vh.reshape(*lead, *vh.shape[1:])


def _run_svd(a: np.ndarray, job: int, s: np.ndarray, u: np.ndarray, vh: np.ndarray, info: np.ndarray) -> None:
    m, n = a.shape[1:]
    k, longer = min(m, n), max(m, n)
    size = (5 * k * k if job != lk.NONE else 0) + 16 * k + longer + PANEL * (m + n)

    def run(a: np.ndarray, s: np.ndarray, info: np.ndarray, *vectors: np.ndarray) -> None:
        lk.svd(a, job, s, *(vectors or (u, vh)), work_of(size, a), np.empty(8 * k, np.int32), info)

    vectors = () if job == lk.NONE else (u, vh)
    threads.rowwise(run, a.size * k // 4, len(a), a, s, info, *vectors)


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> SVD:
    """``U @ diag(S) @ Vh`` of (..., m, n) matrices, S descending, k = min(m, n).

    U is (m, m) and Vh (n, n), or (m, k) and (k, n) without `full_matrices`; gradients are right for the first k
    vectors. `driver` chooses among GPU methods in PyTorch. Raises LinAlgError without convergence.
    """
    check(svd, A)
    _no_driver(svd, driver)
    u, s, vh = _svd(svd, A, lk.ALL if full_matrices else lk.THIN)
    known = (A, u, s, vh)
    return SVD(*(record(op, Tensor(x), known) for op, x in ((SVD_U, u), (SVD_S, s), (SVD_VH, vh))))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """Singular values of (..., m, n) matrices, descending."""
    check(svdvals, A)
    _no_driver(svdvals, driver)
    return svd(A, False).S if records(A) else Tensor(_svd(svdvals, A, lk.NONE)[1])


def _no_driver(op: Any, driver: str | None) -> None:
    if driver is not None:
        raise ArgumentError(f"linalg.{op.__name__}: keyword argument `driver=` is only supported on CUDA inputs")


# Eigenvalues

EIGH_VALUES, EIGH_VECTORS = Part("linalg_eigh_values"), Part("linalg_eigh_vectors")
EIG_VALUES, EIG_VECTORS = Part("linalg_eig_values"), Part("linalg_eig_vectors")


# Up to so many rows the QL iteration is faster than dividing and conquering.
_FEW_ROWS = 128


def _is_lower(op: Any, UPLO: str) -> bool:
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise ArgumentError(f"linalg.{op.__name__}: UPLO must be 'L' or 'U', but got {UPLO!r}")
    return UPLO.upper() == "L"


def _eigh(op: Any, A: Tensor, UPLO: str, vectors: bool) -> tuple[np.ndarray, np.ndarray]:
    lower = _is_lower(op, UPLO)
    check_finite(op, check(op, A, square=True)._array)
    n, lead, info = A.shape[-1], A.shape[:-2], codes(batch_of(A._array))
    a = contiguous_array(A).reshape(len(info), n, n)
    w = memory.empty((len(a), n), a.dtype)
    v = memory.empty(a.shape if vectors else (0, 0, 0), a.dtype)
    if a.size and vectors:
        run = _few_vectors(lower, n) if n <= _FEW_ROWS else _vectors(lower, n)
        threads.rowwise(run, a.size * n // 8, len(a), a, w, v, info)
    elif a.size:
        size, triangle = (2 + PANEL) * n + 1, lk.UPPER if lower else lk.LOWER
        threads.rowwise(
            lambda a, w, i: lk.eigvalsh(a, triangle, w, work_of(size, a), np.empty(1, np.int32), i),
            a.size * n // 8, len(a), owned(a), w, info,
        )  # fmt: skip
    code, place = first_bad(info, lead)
    if code:
        fail(
            op, place,
            "The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated "
            f"eigenvalues (error code: {code}).",
        )  # fmt: skip
    return w.reshape(*lead, n), v.reshape(A.shape) if vectors else v


def _few_vectors(lower: bool, n: int) -> Callable[..., None]:
    def run(a: np.ndarray, w: np.ndarray, v: np.ndarray, info: np.ndarray) -> None:
        sk.eigh(a, lower, w, v, info, np.empty(n, np.int64), np.empty(2 * n), work_of(sk.room_of(n, a), a))

    return run


def _vectors(lower: bool, n: int) -> Callable[..., None]:
    def run(a: np.ndarray, w: np.ndarray, v: np.ndarray, info: np.ndarray) -> None:
        work, integers = work_of(1 + 4 * n + n * n, a), np.empty(3 + 5 * n, np.int32)
        tk.eigh(a, lower, w, v, info, work_of(n, a), work, integers, work_of(tk.room_of(n, a), a))

    return run


def _plan_eigh(A: Tensor, UPLO: str = "L") -> Plan | None:
    """What few rows need; the kernel looks for non-finite elements itself."""
    a = check(eigh, A, square=True)._array
    n = a.shape[-1]
    if n > _FEW_ROWS or not alone(a, a.size * n // 8):
        return None
    shape = (batch_of(a), n, n)
    w, v = New(a.shape[:-1], a.dtype), New(a.shape, a.dtype)
    kinds = ((shape[0], np.int32), (n, np.int64), (2 * n, np.float64), (sk.room_of(n, a), a.dtype))
    room = [New((size,), np.dtype(kind)) for size, kind in kinds]
    arrays = (seen(w, shape[:2]), seen(v, shape), *room)
    step = Step(sk.eigh, seen(A, shape), _is_lower(eigh, UPLO), *arrays, checked=True)
    return Plan([w, v], [step], of=Eigen, room=room)


@planned(_plan_eigh)
def eigh(A: Tensor, UPLO: str = "L") -> Eigen:
    """Eigenvalues, ascending, and orthonormal eigenvectors of symmetric (..., n, n) matrices.

    The triangle `UPLO` names is read. Raises LinAlgError without convergence.
    """
    w, v = _eigh(eigh, A, UPLO, True)
    known = (A, UPLO, w, v)
    return Eigen(record(EIGH_VALUES, Tensor(w), known), record(EIGH_VECTORS, Tensor(v), known))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of symmetric (..., n, n) matrices, ascending."""
    if records(A):
        return eigh(A, UPLO).eigenvalues
    return Tensor(_eigh(eigvalsh, A, UPLO, False)[0])


def _eig(op: Any, A: Tensor, job: int) -> tuple[np.ndarray, np.ndarray]:
    check_finite(op, check(op, A, square=True)._array)
    a, info = owned(A._array, transposed=True), codes(batch_of(A._array))
    n, lead = a.shape[-1], A.shape[:-2]
    real, imaginary = (np.empty((len(a), n), a.dtype) for _ in range(2))
    packed = np.empty(a.shape if job == lk.VECTORS else (1, 1, 1), a.dtype)
    if a.size:
        lk.eig(a, job, real, imaginary, packed, work_of((4 + PANEL) * n, a), info)
    code, place = first_bad(info, lead)
    if code:
        fail(op, place, f"The algorithm failed to converge (error code: {code})")
    w = np.empty((len(a), n), dtypes.of_array(a).to_complex().numpy)
    w.real, w.imag = real, imaginary
    if job == lk.NONE:
        return w.reshape(*lead, n), packed
    # LAPACK holds the two vectors of a conjugate pair as their real and imaginary part, in neighbouring rows.
    v = packed.astype(w.dtype)
    batch, first = np.nonzero(imaginary > 0)
    v[batch, first] = packed[batch, first] + 1j * packed[batch, first + 1]
    v[batch, first + 1] = v[batch, first].conj()
    return w.reshape(*lead, n), v.reshape(A.shape).swapaxes(-1, -2)


def eig(A: Tensor) -> Eigen:
    """Eigenvalues and eigenvectors of unit length of square (..., n, n) matrices, complex always."""
    w, v = _eig(eig, A, lk.VECTORS)
    return Eigen(record(EIG_VALUES, Tensor(w), (A, w, v)), record(EIG_VECTORS, Tensor(v), (A, w, v)))


def eigvals(A: Tensor) -> Tensor:
    """Eigenvalues of square (..., n, n) matrices, complex always."""
    return eig(A).eigenvalues if records(A) else Tensor(_eig(eigvals, A, lk.NONE)[0])
