"""Systems of linear equations, inverses and determinants."""

import math
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import record
from torsh_ops.errors import ArgumentError, ShapeError
from torsh_ops.kernels import elimination as ek
from torsh_ops.kernels import lapack as lk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import linalg as la
from torsh_ops.ops.dispatch import broadcast_shapes, contiguous_array
from torsh_ops.ops.factor import factors_of, order_of, records
from torsh_ops.ops.matrices import alone, batch_of, check, check_same, codes, fail, first_bad, owned, work_of
from torsh_ops.ops.plan import New, Plan, Step, planned, seen
from torsh_ops.ops.spectrum import svd
from torsh_ops.tensor import Tensor

SINGULAR = "The solver failed because the input matrix is singular."


class Solved(NamedTuple):
    """What `solve_ex` returns."""

    result: Tensor
    info: Tensor


class Inverted(NamedTuple):
    """What `inv_ex` returns."""

    inverse: Tensor
    info: Tensor


class SlogDet(NamedTuple):
    """Sign of a determinant and logarithm of its absolute value."""

    sign: Tensor
    logabsdet: Tensor


class LeastSquares(NamedTuple):
    """What `lstsq` returns; a part that the driver does not compute is empty."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


class Substituted(NamedTuple):
    """What `triangular_solve` returns."""

    solution: Tensor
    cloned_coefficient: Tensor


def _fit(op: Any, A: Tensor, B: Tensor, left: bool) -> tuple[Tensor, Tensor]:
    """Broadcast the batches of A and the matrices B; raises ShapeError with both shapes."""
    check_same(op, A, B)
    if B.ndim < 2 or B.shape[-2 if left else -1] != A.shape[-1]:
        raise ShapeError(
            f"linalg.{op.__name__}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'}: "
            f"{A.shape} and {B.shape}"
        )
    if A.shape[:-2] == B.shape[:-2]:
        return A, B
    lead = broadcast_shapes(A.shape[:-2], B.shape[:-2])
    return _stretch(A, lead), _stretch(B, lead)


def _stretch(x: Tensor, lead: tuple[int, ...]) -> Tensor:
    return x if x.shape[:-2] == lead else x.expand(*lead, *x.shape[-2:])


# Systems of equations


def _run(A: Tensor, B: Tensor, inverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Solutions, or inverses of A, and the zero pivots."""
    a, b = contiguous_array(A), contiguous_array(B)
    batch, (n, k) = batch_of(a), b.shape[-2:]
    x, info = memory.empty((batch, n, k), a.dtype), codes(batch)

    def run(a: np.ndarray, b: np.ndarray, x: np.ndarray, info: np.ndarray) -> None:
        ek.solve(a, b, inverse, np.empty(2 * n, np.int32), x, info, work_of(ek.room_of(n, n, k, a), a))

    if x.size:
        work = a.size * (n + k) // 64
        threads.rowwise(run, work, batch, a.reshape(batch, n, n), b.reshape(batch, n, k), x, info)
    return x.reshape(b.shape), info


def solve_columns(A: Tensor, B: Tensor) -> Tensor:
    """`solve` of operands whose shapes fit; recorded."""
    result, info = _run(A, B, False)
    zero, place = first_bad(info, A.shape[:-2])
    if zero:
        fail(solve, place, SINGULAR)
    return record(solve_columns, Tensor(result), (A, B)) if A.requires_grad or B.requires_grad else Tensor(result)


def _is_vector(A: Tensor, B: Tensor) -> bool:
    return B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])


def _plan_solve(A: Tensor, B: Tensor, *, left: bool = True) -> Plan | None:
    check(solve, A, square=True)
    check_same(solve, A, B)
    a, b = A._array, B._array
    n, k = a.shape[-1], b.shape[-1] if b.ndim == a.ndim else 1
    fits = left and b.shape in (a.shape[:-1], (*a.shape[:-1], k)) and b.size and b.flags.c_contiguous
    if not fits or not alone(a, a.size * (n + k) // 64):
        return None
    return _plan_run(A, B, False, (batch_of(a), n, k), New(b.shape, b.dtype), 0)


def _plan_run(A: Tensor, B: Tensor, inverse: bool, shape: tuple[int, int, int], x: New, recorded: int) -> Plan:
    """`_run` as a plan; `shape` is that of all solutions."""
    batch, n, k = shape
    kinds = ((2 * n, np.int32), (batch, np.int32), (ek.room_of(n, n, k, A._array), x.dtype))
    pivots, info, work = room = [New((size,), np.dtype(kind)) for size, kind in kinds]
    a, b = seen(A, (batch, n, n)), seen(B, shape)
    step = Step(ek.solve, a, b, inverse, pivots, seen(x, shape), info, work, checked=True)
    return Plan(x, [step], room=room, recorded=recorded)


@planned(_plan_solve)
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with ``A @ X == B``, or ``X @ A == B`` unless `left`; A (..., n, n), B (..., n, k), (..., n) or (n,).

    Raises LinAlgError where a matrix is singular, ShapeError where the shapes do not fit.
    """
    check(solve, A, square=True)
    check_same(solve, A, B)
    if left and A._array.shape[:-1] == B._array.shape[:-1]:  # most calls: nothing to broadcast
        return solve_columns(A, B)
    if _is_vector(A, B):
        if not left:
            raise ShapeError(f"linalg.solve: left=False is for a matrix B only, but B has shape {B.shape}")
        a, b = _fit(solve, A, B.unsqueeze(-1), True)
        return solve_columns(a, b).squeeze(-1)
    a, b = _fit(solve, A, B, left)
    if left:
        return solve_columns(a, b)
    return solve_columns(a.transpose(-1, -2), b.transpose(-1, -2)).transpose(-1, -2)


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Solved:
    """`solve` that tells of a zero pivot in `info`, counted from 1, instead of raising."""
    if check_errors:
        return Solved(solve(A, B, left=left), Tensor(np.zeros(A.shape[:-2], np.int32)))
    check(solve_ex, A, square=True)
    check_same(solve_ex, A, B)
    vector = _is_vector(A, B)
    a, b = _fit(solve_ex, A, B.unsqueeze(-1) if vector else B, left)
    if not left:
        a, b = a.transpose(-1, -2), b.transpose(-1, -2)
    array, info = _run(a, b, False)
    result = record(solve_columns, Tensor(array), (a, b))
    result = result.squeeze(-1) if vector else result if left else result.transpose(-1, -2)
    return Solved(result, Tensor(info.reshape(a.shape[:-2])))


def substitute(A: Tensor, B: Tensor, upper: bool, transposed: bool, unit: bool) -> Tensor:
    """`solve_triangular` of operands whose shapes fit, or with A transposed; recorded."""
    b = owned(B._array)
    if b.size:
        # A transposed view is solved as what lies in memory.
        flipped = not A._array.flags.c_contiguous and A._array.swapaxes(-1, -2).flags.c_contiguous
        a = A._array.swapaxes(-1, -2) if flipped else contiguous_array(A)
        a = a.reshape(batch_of(a), *a.shape[-2:])
        threads.rowwise(
            lambda a, b: lk.substitute(a, upper != flipped, transposed != flipped, unit, b),
            b.size * a.shape[-1] // 64, len(b), a, b,
        )  # fmt: skip
    return record(substitute, Tensor(b.reshape(B.shape)), (A, B, upper, transposed, unit))


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with ``A @ X == B``, or ``X @ A == B`` unless `left`, of triangular (..., n, n) A.

    The other triangle, and with `unitriangular` the diagonal, is not read. A zero on the diagonal is not looked for:
    it gives infinities or NaN, as in PyTorch.
    """
    check(solve_triangular, A, square=True)
    check(solve_triangular, B, name="B")
    a, b = _fit(solve_triangular, A, B, left)
    if left:
        return substitute(a, b, upper, False, unitriangular)
    return substitute(a, b.transpose(-1, -2), upper, True, unitriangular).transpose(-1, -2)


def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Substituted:
    """`solve_triangular` in its older form: A, or A transposed, times the solution is `input`."""
    check(triangular_solve, A, square=True)
    a, b = _fit(triangular_solve, A, check(triangular_solve, input, name="input"), True)
    return Substituted(substitute(a, b, upper, transpose, unitriangular), a.clone())


def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with ``A @ X == input``, given the Cholesky factor of A: L, or U when `upper`."""
    check(cholesky_solve, L, square=True, name="L")
    b, factor = check(cholesky_solve, input, name="input"), L
    factor, b = _fit(cholesky_solve, factor, b, True)
    return substitute(factor, substitute(factor, b, upper, upper, False), upper, not upper, False)


def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, given its Cholesky factor: L, or U when `upper`."""
    n = check(cholesky_inverse, input, square=True, name="input").shape[-1]
    return cholesky_solve(_identity(input, n), input, upper)


def _identity(like: Tensor, n: int) -> Tensor:
    return Tensor(np.broadcast_to(np.eye(n, dtype=like._array.dtype), like.shape))


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with ``A @ X == B`` from what `lu_factor` gave for A; ``X @ A`` unless `left`, A transposed with `adjoint`."""
    check(lu_solve, LU, square=True, name="LU")
    check(lu_solve, B, name="B")
    if pivots.shape != LU.shape[:-1]:
        raise ShapeError(f"linalg.lu_solve: LU {LU.shape} and pivots {pivots.shape} do not fit")
    if not left:
        return lu_solve(LU, pivots, B.transpose(-1, -2), adjoint=not adjoint).transpose(-1, -2)
    a, b = _fit(lu_solve, LU, B, True)
    order = np.broadcast_to(order_of(pivots._array, LU.shape[-1]), a.shape[:-1])
    if adjoint:
        x = substitute(a, substitute(a, b, True, True, False), False, True, True)
        return _rows(x, np.argsort(order, axis=-1))
    return substitute(a, substitute(a, _rows(b, order), False, False, True), True, False, False)


def _rows(x: Tensor, order: np.ndarray) -> Tensor:
    """The rows of each matrix in another order."""
    index = np.broadcast_to(order[..., None], x.shape)
    return x.gather(-2, Tensor(np.ascontiguousarray(index)))


# Inverses


def _plan_inv(A: Tensor) -> Plan | None:
    a = check(inv, A, square=True)._array
    n = a.shape[-1]
    if not alone(a, a.size * n // 32):
        return None
    return _plan_run(A, A, True, (batch_of(a), n, n), New(a.shape, a.dtype), 1)


@planned(_plan_inv)
def inv(A: Tensor) -> Tensor:
    """Inverse of square (..., n, n) matrices. Raises LinAlgError naming the zero pivot of a singular one."""
    a, info = _run(check(inv, A, square=True), A, True)
    zero, place = first_bad(info, A.shape[:-2])
    if zero:
        fail(
            inv, place,
            f"The diagonal element {zero} is zero, the inversion could not be completed because the input matrix is "
            "singular.",
        )  # fmt: skip
    return record(inv, Tensor(a), (A,)) if A.requires_grad else Tensor(a)


def inv_ex(A: Tensor, *, check_errors: bool = False) -> Inverted:
    """`inv` that tells of a zero pivot in `info`, counted from 1, instead of raising."""
    if check_errors:
        return Inverted(inv(A), Tensor(np.zeros(A.shape[:-2], np.int32)))
    a, info = _run(check(inv_ex, A, square=True), A, True)
    return Inverted(record(inv, Tensor(a), (A,)), Tensor(info.reshape(A.shape[:-2])))


def pinv(A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """Moore-Penrose inverse of (..., m, n) matrices, by the SVD.

    Singular values up to ``max(atol, rtol * largest)`` count as 0; `rtol` is ``max(m, n) * eps`` unless either is
    given. `hermitian` takes A as symmetric, its lower triangle read.
    """
    check(pinv, A, square=hermitian)
    source = A if not hermitian else A.tril() + A.tril(-1).transpose(-1, -2)
    rtol = rcond if rtol is None else rtol
    u, s, vh = (x.detach() for x in svd(source.detach(), False))
    inverse = np.where(s._array > tolerance(s, source, atol, rtol), s._array, np.inf)
    scaled = vh.transpose(-1, -2) * Tensor((1 / inverse)[..., None, :].astype(s._array.dtype))
    return record(pinv, la.matmul(scaled, u.transpose(-1, -2)), (source,))


def tolerance(s: Tensor, A: Tensor, atol: Any, rtol: Any) -> np.ndarray:
    """Below which singular values count as 0, (..., 1)."""
    absolute, relative = _number(atol), _number(rtol)
    if relative is None:
        given = absolute is not None and np.any(absolute > 0)
        relative = 0.0 if given else max(A.shape[-2:]) * np.finfo(s._array.dtype).eps
    largest = s._array.max(axis=-1, keepdims=True, initial=0)
    relative, absolute = (np.asarray(x)[..., None] for x in (relative, 0.0 if absolute is None else absolute))
    return np.maximum(absolute, relative * largest)


def _number(value: Any) -> Any:
    return value.detach()._array if isinstance(value, Tensor) else value


# Determinants


def _diagonal(A: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """U's diagonal and the sign of the row exchanges."""
    factors, pivots, _ = factors_of(A)
    swaps = np.sum(pivots != np.arange(1, pivots.shape[-1] + 1), axis=-1)
    return np.diagonal(factors, axis1=-2, axis2=-1), np.where(swaps % 2, -1, 1).astype(A._array.dtype)


def det(A: Tensor) -> Tensor:
    """Determinant of square (..., n, n) matrices, by LU."""
    diagonal, sign = _diagonal(check(det, A, square=True))
    with np.errstate(all="ignore"):
        value = np.asarray(np.prod(diagonal, axis=-1) * sign)
    return record(det, Tensor(value), (A,))


def _slogdet(A: Tensor) -> tuple[np.ndarray, np.ndarray]:
    diagonal, sign = _diagonal(A)
    with np.errstate(all="ignore"):
        return np.asarray(sign * np.prod(np.sign(diagonal), axis=-1)), np.asarray(np.log(np.abs(diagonal)).sum(-1))


def log_abs(A: Tensor) -> Tensor:
    """Logarithm of the absolute value of the determinant; recorded."""
    return record(log_abs, Tensor(_slogdet(A)[1]), (A,))


def slogdet(A: Tensor) -> SlogDet:
    """Sign, and logarithm of the absolute value, of the determinant: 0 and -inf where that is 0."""
    sign, value = _slogdet(check(slogdet, A, square=True))
    return SlogDet(Tensor(sign), record(log_abs, Tensor(value), (A,)))


def logdet(input: Tensor) -> Tensor:
    """Logarithm of the determinant: -inf where it is 0, NaN where negative."""
    sign, value = slogdet(check(logdet, input, square=True, name="input"))
    return value if np.all(sign._array >= 0) else ew.where(ew.lt(sign, 0), math.nan, value)


# Least squares

_DRIVERS = {"gels": 0, "gelsy": 1, "gelsd": 2, "gelss": 2}


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> LeastSquares:
    """X that minimises ``norm(A @ X - B)``; A (..., m, n), B (..., m, k) or (..., m).

    `driver` is "gelsy" (default), "gelsd", "gelss" or, for full rank alone, "gels". Singular values up to
    ``rcond * largest`` count as 0 (eps * max(m, n) unless given). Residuals are sums of squares, of every driver but
    "gelsy", where m > n and every rank is full. Differentiable through the pseudo-inverse.
    """
    check(lstsq, A)
    check_same(lstsq, A, B)
    if driver not in (None, *_DRIVERS):
        raise ArgumentError(f"linalg.lstsq: driver must be one of {', '.join(_DRIVERS)}, but got {driver!r}")
    vector = B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]
    columns = B.unsqueeze(-1) if vector else B
    if columns.ndim < 2 or columns.shape[-2] != A.shape[-2]:
        raise ShapeError(f"linalg.lstsq: A and B must have as many rows, but their shapes are {A.shape} and {B.shape}")
    lead = broadcast_shapes(A.shape[:-2], columns.shape[:-2])
    a, b = _stretch(A, lead), _stretch(columns, lead)
    x, residuals, rank, s = _lstsq(a, b, rcond, driver or "gelsy")
    solution = Tensor(x)
    if records(A, B):
        solution = la.matmul(pinv(a, rtol=rcond), b)
    return LeastSquares(solution.squeeze(-1) if vector else solution, Tensor(residuals), Tensor(rank), Tensor(s))


def _lstsq(A: Tensor, B: Tensor, rcond: float | None, driver: str) -> tuple[np.ndarray, ...]:
    (m, n), k = A.shape[-2:], B.shape[-1]
    a, lead, longer, least = owned(A._array, transposed=True), A.shape[:-2], max(A.shape[-2:]), min(A.shape[-2:])
    b = np.zeros((len(a), k, longer), a.dtype)
    b[:, :, :m] = owned(B._array, transposed=True)
    info, rank = codes(len(a)), codes(len(a))
    s = np.zeros((len(a), least), a.dtype)
    bound = np.finfo(a.dtype).eps * longer if rcond is None else rcond
    levels = int(math.log2(max(least, 1) / 26 + 1)) + 2
    # More than any of the three routines asks for.
    room = work_of(64 * (m + n + k) + (62 + 8 * levels + k) * least + 3 * longer + 26 * 26, a)
    if a.size and b.size:
        integers = np.empty(3 * least * levels + 11 * least + 1, np.int32)
        lk.lstsq(a, b, _DRIVERS[driver], bound, s, np.zeros(n, np.int32), rank, room, integers, info)
    code, place = first_bad(info, lead)
    if code:
        why = "the input matrix does not have full rank" if driver == "gels" else "the algorithm did not converge"
        fail(lstsq, place, f"The least squares solution could not be computed because {why} (error code: {code}).")
    solution = np.ascontiguousarray(b[:, :, :n].swapaxes(1, 2)).reshape(*lead, n, k)
    full = driver == "gels" or bool((rank == least).all())
    residuals = np.empty(0, a.dtype)
    if m > n and full and driver != "gelsy":
        residuals = np.square(b[:, :, n:]).sum(-1).reshape(*lead, k)
    ranks = np.empty(0, np.int64) if driver == "gels" else rank.astype(np.int64).reshape(lead)
    return solution, residuals, ranks, s.reshape(*lead, least) if driver in ("gelsd", "gelss") else np.empty(0, a.dtype)
