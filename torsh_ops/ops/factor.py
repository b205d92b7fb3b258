"""Factorisations of any number of matrices at once: Cholesky by LAPACK, LU and QR by kernels of our own."""

from typing import Any, NamedTuple

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import is_grad_enabled, record
from torsh_ops.errors import ArgumentError, GradError, ShapeError
from torsh_ops.kernels import elimination as ek
from torsh_ops.kernels import householder as hk
from torsh_ops.kernels import lapack as lk
from torsh_ops.ops import linalg as la
from torsh_ops.ops.dispatch import contiguous_array
from torsh_ops.ops.joining import cat
from torsh_ops.ops.matrices import alone, batch_of, check, codes, fail, first_bad, owned, work_of
from torsh_ops.ops.plan import New, Plan, Step, planned, seen
from torsh_ops.tensor import Tensor

# Columns that LAPACK's blocked routines like to work on at a time.
PANEL = 64


class Part:
    """One result of a factorisation as the tape knows it: each has a rule of its own, and their gradients add up."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *args: Any) -> Tensor:
        """Raise GradError: the whole factorisation is what can be called."""
        raise GradError(f"{self.__name__} is part of a factorisation and cannot be computed alone")


class Factored(NamedTuple):
    """What `cholesky_ex` returns."""

    L: Tensor
    info: Tensor


class LUFactors(NamedTuple):
    """What `lu_factor` returns: L below the diagonal, U on and above it, and LAPACK's row exchanges, from 1."""

    LU: Tensor
    pivots: Tensor


class LUFactorsInfo(NamedTuple):
    """What `lu_factor_ex` returns."""

    LU: Tensor
    pivots: Tensor
    info: Tensor


class LU(NamedTuple):
    """``P @ L @ U``."""

    P: Tensor
    L: Tensor
    U: Tensor


class QR(NamedTuple):
    """``Q @ R``."""

    Q: Tensor
    R: Tensor


class Reflections(NamedTuple):
    """What `geqrf` returns: R above, Householder vectors below the diagonal, and their factors."""

    a: Tensor
    tau: Tensor


def records(*tensors: Tensor) -> bool:
    """Whether what is computed from these goes on the tape."""
    return is_grad_enabled() and any(t.requires_grad for t in tensors)


# Cholesky


def _cholesky(A: Tensor, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    x = contiguous_array(A)
    a, info = x.reshape(batch_of(x), *x.shape[-2:]), codes(batch_of(x))
    result = memory.empty(a.shape, a.dtype)
    if a.size:
        work = a.size * a.shape[-1] // 64
        threads.rowwise(lambda a, out, info: lk.cholesky(a, upper, out, info), work, len(a), a, result, info)
    return result.reshape(A.shape), info


def _plan_cholesky(A: Tensor, *, upper: bool = False) -> Plan | None:
    a = check(cholesky, A, square=True)._array
    n, batch = a.shape[-1], batch_of(a)
    if not alone(a, a.size * n // 64):
        return None
    result, info, shape = New(a.shape, a.dtype), New((batch,), np.dtype(np.int32)), (batch, n, n)
    step = Step(lk.cholesky, seen(A, shape), bool(upper), seen(result, shape), info, checked=True)
    return Plan(result, [step], room=[info])


@planned(_plan_cholesky)
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """Factor symmetric positive-definite (..., n, n) matrices: L with ``L @ L.mT == A``, or U with ``U.mT @ U``.

    One triangle of A is read. Raises LinAlgError with the leading minor that is not positive-definite.
    """
    a, info = _cholesky(check(cholesky, A, square=True), upper)
    minor, place = first_bad(info, A.shape[:-2])
    if minor:
        fail(
            cholesky, place,
            "The factorization could not be completed because the input is not positive-definite "
            f"(the leading minor of order {minor} is not positive-definite).",
        )  # fmt: skip
    return record(cholesky, Tensor(a), (A, upper))


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Factored:
    """`cholesky` that tells of a failure in `info`, the order of the leading minor, instead of raising."""
    if check_errors:
        return Factored(cholesky(A, upper=upper), Tensor(np.zeros(A.shape[:-2], np.int32)))
    a, info = _cholesky(check(cholesky_ex, A, square=True), upper)
    return Factored(record(cholesky, Tensor(a), (A, upper)), Tensor(info.reshape(A.shape[:-2])))


# LU

LU_PLAIN = Part("linalg_lu_factor")


def factors_of(A: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The factors of each matrix packed in one array, row exchanges from 1, and codes."""
    m, n = A.shape[-2:]
    a, lead = contiguous_array(A), A.shape[:-2]
    batch = batch_of(a)
    factors, info = memory.empty((batch, m, n), a.dtype), codes(batch)
    pivots = np.zeros((batch, min(m, n)), np.int32)
    if a.size:
        threads.rowwise(
            lambda a, f, p, i: ek.lu(a, f, p, i, work_of(ek.room_of(m, n, 0, a), a)),
            a.size * min(m, n) // 64, batch, a.reshape(batch, m, n), factors, pivots, info,
        )  # fmt: skip
    return factors.reshape(A.shape), pivots.reshape(*lead, min(m, n)), info


def order_of(pivots: np.ndarray, m: int) -> np.ndarray:
    """The rows of A in the order that the exchanges bring them to, (..., m)."""
    lead = pivots.shape[:-1]
    order = np.broadcast_to(np.arange(m), (int(np.prod(lead)), m)).copy()
    batch = np.arange(len(order))
    for i, target in enumerate(pivots.reshape(len(order), pivots.shape[-1]).T - 1):
        order[batch, i], order[batch, target] = order[batch, target], order[batch, i]
    return order.reshape(*lead, m)


def permutation(pivots: np.ndarray, m: int, dtype: np.dtype) -> Tensor:
    """P of ``P @ L @ U``."""
    return Tensor(np.eye(m, dtype=dtype)[order_of(pivots, m)].swapaxes(-1, -2))


def _packed(A: Tensor, factors: np.ndarray, pivots: np.ndarray) -> Tensor:
    """The packed factors, on the tape: those of the leading square, and what they make of the rest."""
    result = Tensor(factors)
    if not records(A):
        return result
    m, n = A.shape[-2:]
    k = min(m, n)
    rows = la.matmul(permutation(pivots, m, A._array.dtype).transpose(-1, -2), A)
    square = record(LU_PLAIN, Tensor(factors[..., :k, :k]), (rows[..., :k, :k], factors[..., :k, :k]))
    if m > n:
        from torsh_ops.ops.solve import solve_triangular

        below = solve_triangular(square.triu(), rows[..., k:, :], upper=True, left=False)
        return cat([square, below], -2)
    if n > m:
        from torsh_ops.ops.solve import solve_triangular

        beside = solve_triangular(square, rows[..., :, k:], upper=False, unitriangular=True)
        return cat([square, beside], -1)
    return square


def _need_pivots(op: Any, pivot: bool) -> None:
    if not pivot:
        raise ArgumentError(f"linalg.{op.__name__}: LU without pivoting is not implemented on the CPU; use pivot=True")


def lu_factor(A: Tensor, *, pivot: bool = True) -> LUFactors:
    """LU with partial pivoting of (..., m, n) matrices, packed for `lu_solve`.

    Raises LinAlgError where U has a zero on its diagonal.
    """
    _need_pivots(lu_factor, pivot)
    factors, pivots, info = factors_of(check(lu_factor, A))
    zero, place = first_bad(info, A.shape[:-2])
    if zero:
        fail(
            lu_factor, place,
            f"U[{zero},{zero}] is zero and using it on lu_solve would result in a division by zero. If you still want "
            "to perform the factorization, consider calling linalg.lu(A) or linalg.lu_factor_ex(A)",
        )  # fmt: skip
    return LUFactors(_packed(A, factors, pivots), Tensor(pivots))


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> LUFactorsInfo:
    """`lu_factor` that tells of a zero on U's diagonal in `info`, counted from 1, instead of raising."""
    if check_errors:
        return LUFactorsInfo(*lu_factor(A, pivot=pivot), Tensor(np.zeros(A.shape[:-2], np.int32)))
    _need_pivots(lu_factor_ex, pivot)
    factors, pivots, info = factors_of(check(lu_factor_ex, A))
    return LUFactorsInfo(_packed(A, factors, pivots), Tensor(pivots), Tensor(info.reshape(A.shape[:-2])))


def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True) -> LU:
    """P, L and U from what `lu_factor` returns; a part that is not unpacked is empty."""
    m, n = check(lu_unpack, LU_data, name="LU_data").shape[-2:]
    k, dtype = min(m, n), LU_data._array.dtype
    nothing = Tensor(np.empty(0, dtype))
    p = permutation(LU_pivots._array, m, dtype) if unpack_pivots else nothing
    if not unpack_data:
        return LU(p, nothing, nothing)
    lower = LU_data[..., :, :k].tril(-1) + Tensor(np.eye(m, k, dtype=dtype))
    return LU(p, lower, LU_data[..., :k, :].triu())


def lu(A: Tensor, *, pivot: bool = True) -> LU:
    """``P @ L @ U`` of (..., m, n) matrices: a permutation, unit lower (m, k) and upper (k, n), k = min(m, n)."""
    _need_pivots(lu, pivot)
    factors, pivots, _ = factors_of(check(lu, A))
    return lu_unpack(_packed(A, factors, pivots), Tensor(pivots))


# QR

QR_Q, QR_R = Part("linalg_qr_q"), Part("linalg_qr_r")


def _columns(a: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Turn reflections into the columns of Q, in place."""
    if a.size:
        threads.rowwise(
            lambda a, t, i: lk.householder(a, t, work_of(PANEL * max(a.shape[-2:]), a), i),
            a.size * tau.shape[1] // 64, len(a), a, tau, codes(len(a)),
        )  # fmt: skip
    return a


def _qr(A: Tensor, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Q with so many columns (0: none), and R with as many rows, or k."""
    x = contiguous_array(A)
    m, n = x.shape[-2:]
    batch, lead = batch_of(x), x.shape[:-2]
    q = memory.empty((batch, m, columns), x.dtype)
    r = memory.empty((batch, max(columns, min(m, n)), n), x.dtype)
    if x.size:
        threads.rowwise(
            lambda a, q, r: hk.qr(a, q, r, work_of(hk.room_of(m, n, columns, a), a)),
            x.size * min(m, n) // 64, batch, x.reshape(batch, m, n), q, r,
        )  # fmt: skip
    return q.reshape(*lead, m, columns), r.reshape(*lead, r.shape[1], n)


def _q_columns(mode: str, m: int, n: int) -> int:
    return {"reduced": min(m, n), "complete": m, "r": 0}[mode]


def _plan_qr(A: Tensor, mode: str = "reduced") -> Plan | None:
    """The same by compiled code alone, of what one thread does."""
    x = check(qr, A)._array
    (m, n), batch = x.shape[-2:], batch_of(x)
    if not alone(x, x.size * min(m, n) // 64) or mode == "r":
        return None
    columns = _q_columns(mode, m, n)
    q, r = New((*x.shape[:-1], columns), x.dtype), New((*x.shape[:-2], columns, n), x.dtype)
    room = New((hk.room_of(m, n, columns, x),), x.dtype)
    arrays = (seen(y, (batch, *y.shape[-2:])) for y in (A, q, r))
    return Plan([q, r], [Step(hk.qr, *arrays, room)], of=QR, room=[room])


@planned(_plan_qr)
def qr(A: Tensor, mode: str = "reduced") -> QR:
    """``Q @ R`` of (..., m, n) matrices, k = min(m, n).

    "reduced": Q (m, k), R (k, n); "complete": Q (m, m), R (m, n); "r": an empty Q and R (k, n). Differentiable when
    reduced, or complete with m <= n.
    """
    m, n = check(qr, A).shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"linalg.qr: mode must be one of 'reduced', 'complete' and 'r', but got {mode!r}")
    k, columns = min(m, n), _q_columns(mode, m, n)
    if records(A) and mode != "r" and m < n:
        # R's columns beyond the square follow from Q.
        first, square = qr(A[..., :m])
        return QR(first, cat([square, la.matmul(first.transpose(-1, -2), A[..., m:])], -1))
    q, r = _qr(A, columns)
    if k and columns:
        known = (A, mode, q, r)
        return QR(record(QR_Q, Tensor(q), known), record(QR_R, Tensor(r), known))
    if mode == "r":
        return QR(Tensor(np.empty(0, r.dtype)), record(QR_R, Tensor(r), (A, mode, q, r)))
    eye = np.eye(m, columns).astype(r.dtype)
    return QR(Tensor(np.broadcast_to(eye, (*A.shape[:-2], m, columns)).copy()), Tensor(r))


def geqrf(input: Tensor) -> Reflections:
    """QR as LAPACK holds it: see `householder_product`."""
    a = owned(check(geqrf, input, name="input")._array)
    tau = np.zeros((len(a), min(a.shape[1:])), a.dtype)
    if a.size:
        threads.rowwise(
            lambda a, t, i: lk.reflections(a, t, work_of(PANEL * max(a.shape[1:]), a), i),
            a.size * tau.shape[1] // 64, len(a), a, tau, codes(len(a)),
        )  # fmt: skip
    return Reflections(Tensor(a.reshape(input.shape)), Tensor(tau.reshape(*input.shape[:-2], tau.shape[1])))


def householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """The first n columns of the product of the Householder reflections in (..., m, n), factors `tau` (..., k)."""
    m, n = check(householder_product, input, name="input").shape[-2:]
    k = need_reflections(input, tau)
    if m < n or k > n:
        raise ShapeError(
            f"householder_product: input must have at least as many rows as columns and as tau has factors, but got "
            f"shapes {input.shape} and {tau.shape}"
        )
    factors = np.ascontiguousarray(tau._array).reshape(batch_of(input._array), k)
    return record(
        householder_product, Tensor(_columns(owned(input._array), factors).reshape(input.shape)), (input, tau)
    )


def need_reflections(input: Tensor, tau: Tensor) -> int:
    """Return how many factors `tau` has for each matrix of `input`; raises ShapeError when the batches differ."""
    if tau.ndim != input.ndim - 1 or tau.shape[:-1] != input.shape[:-2]:
        raise ShapeError(f"householder_product: input {input.shape} and tau {tau.shape} do not fit")
    return tau.shape[-1]
