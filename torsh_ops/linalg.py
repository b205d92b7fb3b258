"""Linear algebra under PyTorch's names, `torch.linalg`'s; what is LAPACK's comes from OpenBLAS."""

from torsh_ops.errors import LinAlgError
from torsh_ops.ops.factor import (
    cholesky,
    cholesky_ex,
    householder_product,
    lu,
    lu_factor,
    lu_factor_ex,
    qr,
)
from torsh_ops.ops.linalg import matmul
from torsh_ops.ops.matrix import (
    cond,
    matrix_exp,
    matrix_norm,
    matrix_power,
    matrix_rank,
    multi_dot,
    norm,
    tensorinv,
    tensorsolve,
    vander,
    vector_norm,
)
from torsh_ops.ops.products import linalg_cross as cross
from torsh_ops.ops.products import vecdot
from torsh_ops.ops.solve import det, inv, inv_ex, lstsq, lu_solve, pinv, slogdet, solve, solve_ex, solve_triangular
from torsh_ops.ops.spectrum import eig, eigh, eigvals, eigvalsh, svd, svdvals
from torsh_ops.ops.views import diagonal as _diagonal
from torsh_ops.tensor import Tensor


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonals of the matrices in two dims."""
    return _diagonal(A, offset, dim1, dim2)


__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul",
    "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve",
    "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip
