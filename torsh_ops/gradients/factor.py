"""Gradients of factorisations, solutions and functions of matrices.

A factorisation's results have a rule each, of which the sum is the gradient. While gradients are themselves recorded
a rule factors its argument again, so that what it uses is on the tape. Formulas: Giles 2008, "Collected matrix
derivative results"; for QR Walter and Lehmann 2012; eigenvectors and SVD as in PyTorch's documentation.
"""

from typing import Any

import numpy as np

from torsh_ops import autograd
from torsh_ops.autograd import define_grad, is_grad_enabled
from torsh_ops.errors import GradError
from torsh_ops.kernels import lapack as lk
from torsh_ops.ops import factor as fa
from torsh_ops.ops import matrix as mx
from torsh_ops.ops import solve as so
from torsh_ops.ops import spectrum as sp
from torsh_ops.ops.joining import cat
from torsh_ops.ops.linalg import matmul
from torsh_ops.ops.matrices import codes, owned
from torsh_ops.tensor import Tensor


def _t(x: Tensor) -> Tensor:
    return x.transpose(-1, -2)


def _h(x: Tensor) -> Tensor:
    return _t(x).conj()


def _halved(x: Tensor) -> Tensor:
    """The lower triangle with half of the diagonal."""
    n = x.shape[-1]
    return x * Tensor((np.tri(n) - 0.5 * np.eye(n)).astype(x._array.dtype))


def _eye(x: Tensor, n: int) -> Tensor:
    return Tensor(np.eye(n, dtype=x._array.dtype))


def _gaps(values: Tensor) -> Tensor:
    """Difference of values j and i at (i, j), infinite on the diagonal."""
    n = values.shape[-1]
    apart = values.unsqueeze(-2) - values.unsqueeze(-1)
    return apart + Tensor(np.diag(np.full(n, np.inf)).astype(apart._array.real.dtype))


def _cholesky_grad(g: Tensor, a: Tensor, upper: bool, *, out: Tensor) -> Tensor:
    factor, g = (_t(out), _t(g)) if upper else (out, g)
    inner = so.solve_triangular(_t(factor), _halved(matmul(_t(factor), g)), upper=True)
    whole = so.solve_triangular(factor, inner, upper=False, left=False)
    return (whole + _t(whole)) * 0.5


def _lu_grad(g: Tensor, a: Tensor, _factors: Any, *, out: Tensor) -> Tensor:
    lower = out.tril(-1) + _eye(out, out.shape[-1])
    upper = out.triu()
    inner = matmul(_t(lower), g.tril(-1)).tril(-1) + matmul(g.triu(), _t(upper)).triu()
    beside = so.solve_triangular(_t(upper), inner, upper=False, left=False)
    return so.solve_triangular(_t(lower), beside, upper=True, unitriangular=True)


def _qr_parts(a: Tensor, mode: str, q: np.ndarray, r: np.ndarray) -> tuple[Tensor, Tensor]:
    m, n = a.shape[-2:]
    if mode == "r":
        raise GradError("linalg.qr: the derivative is not implemented when mode='r'; use mode='reduced'")
    if mode == "complete" and m > n:
        raise GradError(f"linalg.qr: mode='complete' with more rows than columns ({m} and {n}) has no derivative here")
    return fa.qr(a) if is_grad_enabled() else (Tensor(q), Tensor(r))


def _qr_grad(product: Tensor, along: Tensor | None, q: Tensor, r: Tensor) -> Tensor:
    """``(along + q @ copyltu(product)) @ r^-T``."""
    mirrored = matmul(q, product.tril() + _t(product.tril(-1)))
    total = mirrored if along is None else along + mirrored
    return so.solve_triangular(_t(r), total, upper=False, left=False)


def _q_grad(g: Tensor, a: Tensor, mode: str, q: Any, r: Any) -> Tensor:
    q, r = _qr_parts(a, mode, q, r)
    return _qr_grad(-matmul(_t(g), q), g, q, r)


def _r_grad(g: Tensor, a: Tensor, mode: str, q: Any, r: Any) -> Tensor:
    q, r = _qr_parts(a, mode, q, r)
    return _qr_grad(matmul(r, _t(g)), None, q, r)


def _svd_parts(a: Tensor, u: np.ndarray, s: np.ndarray, vh: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    if is_grad_enabled():
        return sp.svd(a, False)
    k = s.shape[-1]
    return Tensor(u[..., :k]), Tensor(s), Tensor(vh[..., :k, :])


def _skew_over_gaps(x: Tensor, s: Tensor) -> Tensor:
    return (x - _t(x)) / _gaps(s * s)


def _svd_u_grad(g: Tensor, a: Tensor, u: Any, s: Any, vh: Any) -> Tensor:
    u, s, vh = _svd_parts(a, u, s, vh)
    k, m = s.shape[-1], a.shape[-2]
    g = g[..., :k]
    inner = matmul(u, _skew_over_gaps(matmul(_t(u), g), s) * s.unsqueeze(-2))
    if m > k:
        outside = g - matmul(u, matmul(_t(u), g))
        inner = inner + outside / s.unsqueeze(-2)
    return matmul(inner, vh)


def _svd_vh_grad(g: Tensor, a: Tensor, u: Any, s: Any, vh: Any) -> Tensor:
    u, s, vh = _svd_parts(a, u, s, vh)
    k, n = s.shape[-1], a.shape[-1]
    g = g[..., :k, :]
    inner = matmul(s.unsqueeze(-1) * _skew_over_gaps(matmul(vh, _t(g)), s), vh)
    if n > k:
        outside = g - matmul(matmul(g, _t(vh)), vh)
        inner = inner + outside / s.unsqueeze(-1)
    return matmul(u, inner)


def _svd_s_grad(g: Tensor, a: Tensor, u: Any, s: Any, vh: Any) -> Tensor:
    u, s, vh = _svd_parts(a, u, s, vh)
    return matmul(u * g.unsqueeze(-2), vh)


def _eigh_parts(a: Tensor, triangle: str, w: np.ndarray, v: np.ndarray) -> tuple[Tensor, Tensor]:
    return sp.eigh(a, triangle) if is_grad_enabled() else (Tensor(w), Tensor(v))


def _eigh_values_grad(g: Tensor, a: Tensor, triangle: str, w: Any, v: Any) -> Tensor:
    w, v = _eigh_parts(a, triangle, w, v)
    return matmul(v * g.unsqueeze(-2), _t(v))


def _eigh_vectors_grad(g: Tensor, a: Tensor, triangle: str, w: Any, v: Any) -> Tensor:
    w, v = _eigh_parts(a, triangle, w, v)
    return matmul(matmul(v, matmul(_t(v), g) / _gaps(w)), _t(v))


def _eig_parts(a: Tensor, w: np.ndarray, v: np.ndarray) -> tuple[Tensor, Tensor]:
    if is_grad_enabled():
        raise GradError("linalg.eig: second derivatives are not implemented")
    return Tensor(w), Tensor(v)


def _solve_complex(a: Tensor, b: Tensor) -> Tensor:
    columns, rows = owned(a._array, transposed=True), owned(b._array, transposed=True)
    pivots = np.empty(rows.shape[::2], np.int32)
    if rows.size:
        lk.complex_solve(columns, pivots, rows, codes(len(rows)))
    return Tensor(rows.swapaxes(-1, -2).reshape(b.shape))


def _eig_values_grad(g: Tensor, a: Tensor, w: Any, v: Any) -> Tensor:
    w, v = _eig_parts(a, w, v)
    return _solve_complex(_h(v), g.unsqueeze(-1) * _h(v))


def _eig_vectors_grad(g: Tensor, a: Tensor, w: Any, v: Any) -> Tensor:
    w, v = _eig_parts(a, w, v)
    inner = matmul(_h(v), g)
    # Vectors are of unit length: what would stretch them has no part in the gradient.
    along = np.diagonal(inner._array.real, axis1=-2, axis2=-1)
    inner = inner - matmul(matmul(_h(v), v), Tensor(along[..., None] * np.eye(along.shape[-1])).to(v.dtype))
    return _solve_complex(_h(v), matmul(inner / _gaps(w).conj(), _h(v)))


define_grad(fa.cholesky, _cholesky_grad)
define_grad(fa.LU_PLAIN, _lu_grad)
define_grad(fa.QR_Q, _q_grad)
define_grad(fa.QR_R, _r_grad)
define_grad(sp.SVD_U, _svd_u_grad)
define_grad(sp.SVD_S, _svd_s_grad)
define_grad(sp.SVD_VH, _svd_vh_grad)
define_grad(sp.EIGH_VALUES, _eigh_values_grad)
define_grad(sp.EIGH_VECTORS, _eigh_vectors_grad)
define_grad(sp.EIG_VALUES, _eig_values_grad)
define_grad(sp.EIG_VECTORS, _eig_vectors_grad)
autograd.COMPLEX.update(("linalg_eig_values", "linalg_eig_vectors"))


# Solutions


def _substitute_grad(g: Tensor, a: Tensor, _b: Tensor, upper: bool, transposed: bool, unit: bool) -> Tensor:
    return so.substitute(a, g, upper, not transposed, unit)


def _coefficient_grad(
    g: Tensor, a: Tensor, b: Tensor, upper: bool, transposed: bool, unit: bool, *, out: Tensor
) -> Tensor:
    back = so.substitute(a, g, upper, not transposed, unit)
    whole = -(matmul(out, _t(back)) if transposed else matmul(back, _t(out)))
    return whole.triu(1 if unit else 0) if upper else whole.tril(-1 if unit else 0)


define_grad(so.substitute, _coefficient_grad, _substitute_grad)
define_grad(
    so.solve_columns,
    lambda g, a, b, *, out: -matmul(so.solve(_t(a), g), _t(out)),
    lambda g, a, _b: so.solve(_t(a), g),
)
define_grad(so.inv, lambda g, _a, *, out: -matmul(_t(out), matmul(g, _t(out))))


def _pinv_grad(g: Tensor, a: Tensor, *, out: Tensor) -> Tensor:
    # Golub and Pereyra 1973, theorem 4.3.
    m, n = a.shape[-2:]
    p, pt, gt = out, _t(out), _t(g)
    rows = matmul(_eye(a, m) - matmul(a, p), matmul(gt, matmul(p, pt)))
    columns = matmul(matmul(pt, matmul(p, gt)), _eye(a, n) - matmul(p, a))
    return rows + columns - matmul(pt, matmul(g, pt))


define_grad(so.pinv, _pinv_grad)


def _cofactors(a: Tensor) -> Tensor:
    """The gradient of the determinant, from the SVD: it is finite where the inverse is not."""
    u, s, vh = (x._array for x in sp.svd(a.detach(), False))
    n = s.shape[-1]
    without = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = so.det(Tensor(u))._array * so.det(Tensor(vh))._array
    return matmul(Tensor(u * (without * np.rint(sign)[..., None])[..., None, :].astype(u.dtype)), Tensor(vh))


def _det_grad(g: Tensor, a: Tensor, *, out: Tensor) -> Tensor:
    scale = (g * out).unsqueeze(-1).unsqueeze(-1)
    if np.all(out._array != 0):
        return scale * _t(so.inv(a))
    if is_grad_enabled():
        raise GradError("linalg.det: second derivatives at a singular matrix are not implemented")
    return g.unsqueeze(-1).unsqueeze(-1) * _cofactors(a)


define_grad(so.det, _det_grad)
define_grad(so.log_abs, lambda g, a: g.unsqueeze(-1).unsqueeze(-1) * _t(so.inv(a)))


def _matrix_exp_grad(g: Tensor, a: Tensor) -> Tensor:
    # The corner of the exponential of a block-triangular matrix (Mathias 1996).
    n = a.shape[-1]
    at = _t(a)
    zeros = Tensor(np.zeros(a.shape, a._array.dtype))
    whole = mx.matrix_exp(cat([cat([at, g], -1), cat([zeros, at], -1)], -2))
    return whole[..., :n, n:]


define_grad(mx.matrix_exp, _matrix_exp_grad)
