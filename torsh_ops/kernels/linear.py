"""The affine map of rows: the bias is written first, and GEMM adds to what is there."""

from numba import njit

from torsh_ops.kernels.blas import gemm
from torsh_ops.kernels.vector import SERIAL, flat, span


@njit(**SERIAL)
def affine(x, weight, bias, out):
    """`x @ weight.T + bias`: (rows, in) with (columns, in) and (columns,) gives (rows, columns)."""
    rows, columns = out.shape
    b = flat(bias)
    for r in range(rows):
        o = span(out, r * columns, columns)
        for i in range(columns):
            o[i] = b[i]
    gemm(x, False, weight, True, 1.0, 1.0, out)
