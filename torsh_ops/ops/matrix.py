"""Functions of whole matrices: powers, exponential, norms, rank and condition."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops.autograd import no_grad, record
from torsh_ops.dtypes import as_dtype
from torsh_ops.errors import ArgumentError, LinAlgError, ShapeError
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import linalg as la
from torsh_ops.ops import reduce as rd
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.joining import stack
from torsh_ops.ops.matrices import check
from torsh_ops.ops.solve import inv, inv_ex, solve, tolerance
from torsh_ops.ops.spectrum import eigvalsh, svdvals
from torsh_ops.tensor import Tensor, check_dim, check_dims

Dims = int | tuple[int, ...] | list[int] | None

# Numerator of the [13/13] Pade approximant of exp, and up to which 1-norm it holds in float64 (Higham 2005, table 2.3).
_PADE = (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
    670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
)  # fmt: skip
_PADE_BOUND = 5.371920351148152


def matrix_power(input: Tensor, n: int) -> Tensor:
    """`n`-th power of square (..., m, m) matrices by squaring; the inverse's when negative, the identity for 0."""
    if need_tensor(matrix_power, input).ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise ShapeError(f"linalg.matrix_power: expected batches of square matrices, but got shape {input.shape}")
    if not isinstance(n, int):
        raise ArgumentError(f"linalg.matrix_power: n must be an integer, but got {n!r}")
    if n < 0:
        return matrix_power(inv(input), -n)
    if n == 0:
        eye = np.eye(input.shape[-1], dtype=input._array.dtype)
        return Tensor(np.broadcast_to(eye, input.shape).copy())
    result: Tensor | None = None
    square = input
    while True:
        if n & 1:
            result = square if result is None else la.matmul(result, square)
        n >>= 1
        if not n:
            return result if result is not input else input.clone()  # type: ignore[return-value]
        square = la.matmul(square, square)


def matrix_exp(input: Tensor) -> Tensor:
    """Exponential of square (..., n, n) matrices by scaling and squaring, in float64 (Higham 2005)."""
    check(matrix_exp, input, square=True, name="A")
    with no_grad():
        x = input.detach().to(as_dtype(np.float64))
        result = _exponential(x) if x.numel() else x
    return record(matrix_exp, result.to(input.dtype, copy=True), (input,))


def _exponential(x: Tensor) -> Tensor:
    size = np.abs(x._array).sum(-2).max(-1)
    with np.errstate(all="ignore"):
        halvings = np.where(size > _PADE_BOUND, np.ceil(np.log2(size / _PADE_BOUND)), 0)
    halvings = np.where(np.isfinite(halvings), halvings, 0)
    x = x * Tensor(np.asarray(0.5**halvings)[..., None, None])
    eye = np.eye(x.shape[-1])
    x2 = la.matmul(x, x)
    x4 = la.matmul(x2, x2)
    x6 = la.matmul(x4, x2)
    b = _PADE
    high = la.matmul(x6, b[13] * x6 + b[11] * x4 + b[9] * x2)
    odd = la.matmul(x, high + b[7] * x6 + b[5] * x4 + b[3] * x2 + Tensor(b[1] * eye))
    high = la.matmul(x6, b[12] * x6 + b[10] * x4 + b[8] * x2)
    even = high + b[6] * x6 + b[4] * x4 + b[2] * x2 + Tensor(b[0] * eye)
    result = solve(even - odd, even + odd)
    for i in range(int(halvings.max())):
        squared = la.matmul(result, result)
        result = ew.where(Tensor(np.asarray(halvings > i)[..., None, None]), squared, result)
    return result


def vector_norm(x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """``sum(abs(x) ** ord) ** (1 / ord)`` over `dim`, or all; the greatest and least magnitude for inf and -inf."""
    x = need_tensor(vector_norm, x, "x") if dtype is None else x.to(as_dtype(dtype))
    if ord == -math.inf:
        return rd.amin(ew.abs(x), () if dim is None else dim, keepdim)
    if ord == 0:
        return rd.sum(ew.ne(x, 0).to(x.dtype), dim, keepdim)
    return rd.norm(x, ord, dim, keepdim)


def matrix_norm(
    A: Tensor, ord: float | str = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Norm of the matrices in two dims: "fro", "nuc", or inf, -inf, 1, -1, 2, -2."""
    check(matrix_norm, A)
    A = A if dtype is None else A.to(as_dtype(dtype))
    if len(dim) != 2 or len(check_dims(tuple(dim), A.ndim)) != 2:
        raise ShapeError(f"linalg.matrix_norm: dim must be two dimensions, but got {tuple(dim)}")
    row, column = (check_dim(d, A.ndim) for d in dim)
    if ord == "fro":
        return rd.norm(A, 2, (row, column), keepdim)
    if ord not in ("nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise ArgumentError(f"linalg.matrix_norm: order {ord!r} is not one of 'fro', 'nuc', inf, -inf, 1, -1, 2, -2")
    rest = [d for d in range(A.ndim) if d not in (row, column)]
    x = A.permute(*rest, row, column)
    extreme = rd.amax if isinstance(ord, str) or ord > 0 else rd.amin
    if ord == "nuc":
        value = rd.sum(svdvals(x), -1)
    elif ord in (2, -2):
        value = extreme(svdvals(x), -1)
    else:
        value = extreme(rd.sum(ew.abs(x), -2 if ord in (1, -1) else -1), -1)
    if not keepdim:
        return value
    return value.reshape(tuple(1 if d in (row, column) else n for d, n in enumerate(A.shape)))


def norm(
    A: Tensor, ord: float | str | None = None, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """`matrix_norm` over two dims, `vector_norm` over one, or the 2-norm of all elements without `ord` and `dim`."""
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    dims = dim if dim is not None else tuple(range(need_tensor(norm, A, "A").ndim))
    if isinstance(dims, int) or len(dims) == 1:
        if isinstance(ord, str):
            raise ArgumentError(f"linalg.norm: order {ord!r} is for matrices, but dim is {dims}")
        return vector_norm(A, ord, dims, keepdim, dtype=dtype)
    if len(dims) != 2:
        raise ShapeError(f"linalg.norm: with ord the input must be 1D or 2D, or dim given, but its shape is {A.shape}")
    return matrix_norm(A, ord, dims, keepdim, dtype=dtype)


def cond(A: Tensor, p: float | str | None = None) -> Tensor:
    """Condition number of (..., m, n) matrices in the norm `p` (2 unless given); infinite where singular."""
    if p in (None, 2, -2):
        s = svdvals(check(cond, A))
        with np.errstate(all="ignore"):
            return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    check(cond, A, square=True)
    try:
        inverse = inv(A)
    except LinAlgError:
        singular = inv_ex(A.detach()).info._array != 0
        sizes = matrix_norm(A.detach(), p)._array
        safe = A._array.copy()
        safe[singular] = np.eye(A.shape[-1])
        good = cond(Tensor(safe), p)._array
        return Tensor(np.where(singular, np.inf, good).astype(sizes.dtype))
    return matrix_norm(A, p) * matrix_norm(inverse, p)


def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """How many singular values exceed ``max(atol, rtol * largest)``; `rtol` is ``max(m, n) * eps`` unless one is given.

    `tol` is the older name of `atol`. `hermitian` takes A as symmetric and counts eigenvalues' magnitudes.
    """
    check(matrix_rank, A, square=hermitian)
    A = A.detach()
    s = ew.abs(eigvalsh(A)) if hermitian else svdvals(A)
    counted = s._array > tolerance(s, A, tol if atol is None else atol, rtol)
    return Tensor(np.asarray(counted.sum(-1), np.int64))


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Product of two or more matrices in the order that multiplies least; the first and last may be vectors."""
    if len(tensors) < 2:
        raise ArgumentError(f"linalg.multi_dot: expected at least 2 tensors, but got {len(tensors)}")
    for i, x in enumerate(tensors):
        end = i in (0, len(tensors) - 1)
        if need_tensor(multi_dot, x, f"tensors[{i}]").ndim != 2 and not (end and x.ndim == 1):
            raise ShapeError(
                f"linalg.multi_dot: tensor {i} must be {'1D or ' if end else ''}2D, but got shape {x.shape}"
            )
    parts = list(tensors)
    first, last = parts[0].ndim == 1, parts[-1].ndim == 1
    parts[0] = parts[0].unsqueeze(0) if first else parts[0]
    parts[-1] = parts[-1].unsqueeze(1) if last else parts[-1]
    sizes = [parts[0].shape[0], *(x.shape[1] for x in parts)]
    result = _chain(parts, _splits(sizes), 0, len(parts) - 1)
    return result.squeeze(tuple(d for d, vector in ((-1, last), (-2, first)) if vector)) if first or last else result


def _splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each range of the chain (Cormen et al. 2009, section 15.2)."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    cut: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs = {k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)}
            cut[i, j] = min(costs, key=costs.__getitem__)
            cost[i, j] = costs[cut[i, j]]
    return cut


def _chain(parts: list[Tensor], cut: dict[tuple[int, int], int], i: int, j: int) -> Tensor:
    if i == j:
        return parts[i]
    k = cut[i, j]
    return la.mm(_chain(parts, cut, i, k), _chain(parts, cut, k + 1, j))


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """Powers 0 to N - 1 (as many as elements unless given) of each element of (..., n), in a last dimension."""
    if need_tensor(vander, x, "x").ndim < 1:
        raise ShapeError("linalg.vander: x must have at least 1 dimension, but it has none")
    count = x.shape[-1] if N is None else N
    if count < 1:
        raise ArgumentError(f"linalg.vander: N must be at least 1, but got {count}")
    powers = [Tensor(np.ones(x.shape, x._array.dtype))]
    for _ in range(count - 1):
        powers.append(powers[-1] * x)
    return stack(powers, -1)


def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """X with ``tensordot(A, X, X.ndim) == B``; A's dimensions `dims` are moved to its end first."""
    moved = [check_dim(d, A.ndim) for d in dims or ()]
    x = A.permute(*(d for d in range(A.ndim) if d not in moved), *moved) if moved else A
    rest = x.shape[B.ndim :]
    if math.prod(rest) != B.numel():
        raise ShapeError(f"linalg.tensorsolve: A {A.shape} is no square system for B {B.shape}")
    return solve(x.reshape(B.numel(), math.prod(rest)), B.reshape(-1)).reshape(rest)


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of A as a map from its last dimensions to its first `ind`."""
    if ind < 1:
        raise ArgumentError(f"linalg.tensorinv: ind must be at least 1, but got {ind}")
    rows, columns = A.shape[:ind], A.shape[ind:]
    if math.prod(rows) != math.prod(columns):
        raise ShapeError(f"linalg.tensorinv: A {A.shape} is not square in its first {ind} and its other dimensions")
    return inv(A.reshape(math.prod(rows), -1)).reshape(*columns, *rows)
