"""Products of arrays of matrices: the one place that chooses how, by layout, shape and dtype.

Transposed views and strided rows go in as they are; only other layouts are copied.
"""

from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.kernels import blas, linear
from torsh_ops.kernels import gemm as gk
from torsh_ops.kernels import lapack as lk
from torsh_ops.kernels.gemm_tile import columns_of
from torsh_ops.ops.dispatch import contiguous_array
from torsh_ops.tensor import Tensor


def rows_or_columns(array: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return a (..., m, n) array for GEMM: itself, its transpose with True, or a copy."""
    if array.flags.c_contiguous:
        return array, False
    size, m, n = array.itemsize, array.shape[-2], array.shape[-1]
    row, column = array.strides[-2:]
    if column == size and (row >= n * size or m == 1) and row % size == 0:
        return array, False
    if row == size and (column >= m * size or n == 1) and column % size == 0:
        return array.swapaxes(-1, -2), True
    return contiguous_array(Tensor(array)), False


# Up to so many multiplications OpenBLAS has kernels that pack nothing, the fastest there are (168 of 189 GFLOP/s at
# 96 cubed). Above, our tiles are 1.0 to 1.15 times as fast as its large ones, up to where its blocks for the third
# level of cache pay: at 2048 cubed it is 1.05 times as fast.
_SMALL, _HUGE = 100**3, 1280**3
# A transposed left operand up to this size can be read down its columns; larger ones OpenBLAS packs faster: (256, 1024)
# by (1024, 256) takes it 0.93 ms, our tiles 1.04.
_TURNED = 256 * 1024
# Thin products are bound by memory, like anyone's.
_THIN = 16
_fits_direct = gk.fits_direct.py_func  # without a call into compiled code, 0.5 us
_ZEROS = {dtype: np.zeros(columns_of(dtype.itemsize), dtype) for dtype in (np.dtype(np.float32), np.dtype(np.float64))}


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray, alpha: float = 1.0, beta: float = 0.0) -> None:
    """``out = alpha * a @ b + beta * out`` of matrices of one dtype; `out` is C-contiguous."""
    if a.dtype.kind != "f":
        _other(a, b, out, alpha, beta)
    elif not (out.size and a.shape[1]):
        _empty(out, beta)
    else:
        x, tx = rows_or_columns(a)
        y, ty = rows_or_columns(b)
        if threads.count == 1:
            _multiply(x, tx, y, ty, alpha, beta, out)
        else:
            _split_rows(x, tx, y, ty, alpha, beta, out)


def _multiply(x: np.ndarray, tx: bool, y: np.ndarray, ty: bool, alpha: float, beta: float, out: np.ndarray) -> None:
    """Multiply two matrices, or each pair of two batches, by the kernel that is fastest at it."""
    m, n = out.shape[-2:]
    k = y.shape[-1 if ty else -2]
    plain = alpha == 1 and beta == 0 and not ty
    turned = tx and m * k * out.itemsize > _TURNED
    if plain and not turned and _fits_direct(m, n, k, out.itemsize):
        _direct(x, tx, y, ty, out)
    elif alpha == 1 and beta in (0, 1) and not tx and _fits_tiles(m, n, k):
        _tiles(x, tx, y, ty, out if beta else None, out)
    else:
        _openblas(x, tx, y, ty, alpha, beta, out)


def _fits_tiles(m: int, n: int, k: int) -> bool:
    return _SMALL < m * n * k < _HUGE and min(m, n, k) >= _THIN


def _openblas(x: np.ndarray, tx: bool, y: np.ndarray, ty: bool, alpha: float, beta: float, out: np.ndarray) -> None:
    (blas.gemm if out.ndim == 2 else blas.batched_gemm)(x, tx, y, ty, float(alpha), float(beta), out)


def _tiles(x: np.ndarray, tx: bool, y: np.ndarray, ty: bool, start: np.ndarray | None, out: np.ndarray) -> None:
    """Run the tiles out of packed blocks, begun from nothing, from `out` itself or from one line for all rows."""
    m, n = out.shape[-2:]
    k, size = y.shape[-1 if ty else -2], out.itemsize
    x, y, first, strides = _placed(x, tx, y, ty, out)
    if start is None:
        start, steps = _ZEROS[out.dtype], (0, 0, 0)
    elif start is out:
        start, steps = first, (*strides[7:], 1)
    else:
        steps = (0, 0, 1)
    gk.product(x, y, first, strides, m, n, k, start, steps, memory.empty((gk.room_of(m, n, k, size),), out.dtype))


def _direct(x: np.ndarray, tx: bool, y: np.ndarray, ty: bool, out: np.ndarray) -> None:
    """Run the tiles on the operands as they are."""
    (m, n), k = out.shape[-2:], y.shape[-2]
    x, y, first, strides = _placed(x, tx, y, ty, out)
    gk.direct(x, y, first, strides, m, n, k)


def affine(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, out: np.ndarray) -> None:
    """``out = x @ weight.T + bias`` of contiguous (rows, in), (columns, in) and (columns,)."""
    (m, n), k = out.shape, x.shape[1]
    if _fits_tiles(m, n, k):
        _tiles(x, False, weight, True, bias, out)
    else:
        linear.affine(x, weight, bias, out)


def _placed(x: np.ndarray, tx: bool, y: np.ndarray, ty: bool, out: np.ndarray) -> tuple[Any, ...]:
    """The first row of each array, and the strides that the tiles take."""
    size = out.itemsize
    (x_row, x_col), (y_row, y_col) = x.strides[-2:], y.strides[-2:]
    if tx:
        x_row, x_col = x_col, x_row
    if ty:
        y_row, y_col = y_col, y_row
    if out.ndim == 3:
        batch, x_next, y_next, next_out = len(out), x.strides[0], y.strides[0], out.strides[0]
        x, y, first = x[0, 0], y[0, 0], out[0, 0]
    else:
        batch, x_next, y_next, next_out = 1, 0, 0, 0
        x, y, first = x[0], y[0], out[0]
    return x, y, first, (
        batch, x_next // size, x_row // size, x_col // size, y_next // size, y_row // size, y_col // size,
        next_out // size, out.strides[-2] // size,
    )  # fmt: skip


def _split_rows(x: np.ndarray, tx: bool, y: np.ndarray, ty: bool, alpha: float, beta: float, out: np.ndarray) -> None:
    """Give each thread a range of rows of the result, or of columns when there are more of those."""
    m, n = out.shape
    work = m * n * (x.shape[0] if tx else x.shape[1]) // 64  # a multiply-add costs far less than an element's traffic
    if m >= n:
        a = x.T if tx else x
        threads.rowwise(lambda a, c: _multiply(a.T if tx else a, tx, y, ty, alpha, beta, c), work, m, a, out)
    else:
        b = y if ty else y.T
        threads.rowwise(lambda b, c: _multiply(x, tx, b if ty else b.T, ty, alpha, beta, c.T), work, n, b, out.T)


def batched(a: np.ndarray, b: np.ndarray, out: np.ndarray, alpha: float = 1.0, beta: float = 0.0) -> None:
    """`product` of each pair of matrices of (batch, rows, columns) arrays; a batch stride of 0 repeats one matrix."""
    if a.dtype.kind != "f":
        _other(a, b, out, alpha, beta)
    elif not (out.size and a.shape[2]):
        _empty(out, beta)
    else:
        x, tx = rows_or_columns(a)
        y, ty = rows_or_columns(b)
        if threads.count == 1:
            _multiply(x, tx, y, ty, alpha, beta, out)
        else:
            work = out.size * a.shape[2] // 64
            threads.rowwise(lambda x, y, c: _multiply(x, tx, y, ty, alpha, beta, c), work, len(x), x, y, out)


def matvec(a: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """``out = a @ x``."""
    if a.dtype.kind != "f":
        _other(a, x, out, 1.0, 0.0)
    elif a.size:
        matrix, transposed = rows_or_columns(a)
        blas.gemv(matrix, transposed, x if x.flags.c_contiguous else contiguous_array(Tensor(x)), out)
    else:
        out.fill(0)


def _empty(out: np.ndarray, beta: float) -> None:
    """Add a sum of no products."""
    if beta == 0:
        out.fill(0)
    elif beta != 1:
        out *= beta


def _other(a: np.ndarray, b: np.ndarray, out: np.ndarray, alpha: float, beta: float) -> None:
    """Complex and integer products."""
    if a.dtype.kind == "c" and beta == 0 and alpha == 1:
        x, y, c = (np.ascontiguousarray(z if z.ndim > 1 else z[:, None]) for z in (a, b, out))
        if c.size and a.shape[-1]:
            lk.complex_product(*(z.reshape(-1, *z.shape[-2:]) for z in (x, y, c)))
        else:
            c.fill(0)
        out[...] = c.reshape(out.shape)
    elif beta == 0:
        np.matmul(a, b, out=out)
        if alpha != 1:
            out *= alpha
    else:
        out *= beta
        out += alpha * np.matmul(a, b)
