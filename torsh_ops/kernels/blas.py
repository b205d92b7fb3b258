"""GEMM from OpenBLAS, called from compiled code: the function's address is bound when a kernel is loaded."""

import ctypes
import os
from importlib.util import find_spec
from pathlib import Path

import llvmlite.binding
from numba import njit, types
from numba.extending import overload

from torsh_ops.kernels.vector import FORCED, REORDER, SERIAL, flat


def _path() -> str:
    """Where the library is. Its package is not imported: that would load it, with a thread for every core."""
    package = find_spec("scipy_openblas32")
    if package is None or package.origin is None:
        raise ImportError("torsh_ops needs scipy-openblas32 for its matrix products: pip install scipy-openblas32")
    return str(next(Path(package.origin).parent.glob("lib/libscipy_openblas*")))


def _load() -> ctypes.CDLL:
    """Load OpenBLAS for the life of the process, where the kernels find it; it starts no thread of its own."""
    path = _path()
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        llvmlite.binding.load_library_permanently(path)
    finally:
        if before is None:
            del os.environ["OPENBLAS_NUM_THREADS"]
        else:
            os.environ["OPENBLAS_NUM_THREADS"] = before
    library = ctypes.CDLL(path)
    library.scipy_openblas_get_config.restype = ctypes.c_char_p
    library.scipy_openblas_get_corename.restype = ctypes.c_char_p
    return library


_library = _load()


def describe() -> dict[str, str]:
    """Return OpenBLAS's version and build, and the kernel it chose for this CPU."""
    return {
        "build": _library.scipy_openblas_get_config().decode(),
        "core": _library.scipy_openblas_get_corename().decode(),
    }


_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112


def _cblas_gemm(letter, real):
    i, p = types.int32, types.CPointer(real)
    return types.ExternalFunction(
        f"scipy_cblas_{letter}gemm", types.void(i, i, i, i, i, i, real, p, i, p, i, real, p, i)
    )


_sgemm = _cblas_gemm("s", types.float32)
_dgemm = _cblas_gemm("d", types.float64)


def _call(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    """cblas_?gemm of the arrays' dtype."""
    raise NotImplementedError


@overload(_call, jit_options=FORCED)
def _call_form(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    if c.dtype == types.float32:
        return lambda order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc: _sgemm(
            order, ta, tb, m, n, k, alpha, a.ctypes, lda, b.ctypes, ldb, beta, c.ctypes, ldc
        )
    return lambda order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc: _dgemm(
        order, ta, tb, m, n, k, alpha, a.ctypes, lda, b.ctypes, ldb, beta, c.ctypes, ldc
    )


@njit(forceinline=True, **SERIAL)
def leading(a):
    """The distance between rows in elements; of a single row, whose stride may be anything, its length."""
    return max(a.strides[0] // a.itemsize, a.shape[1], 1)


@njit(**SERIAL)
def gemm(a, transpose_a, b, transpose_b, alpha, beta, out):
    """`out = alpha * A @ B + beta * out` of matrices whose rows are contiguous (any distance between rows).

    `a` holds A, or A transposed when `transpose_a`; `b` likewise. float32 or float64, one dtype.
    """
    m, n = out.shape
    k = a.shape[0] if transpose_a else a.shape[1]
    _call(
        _ROW_MAJOR, _TRANSPOSED if transpose_a else _PLAIN, _TRANSPOSED if transpose_b else _PLAIN, m, n, k, alpha,
        a, leading(a), b, leading(b), beta, out, leading(out),
    )  # fmt: skip


def _cblas_gemv(letter, real):
    i, p = types.int32, types.CPointer(real)
    return types.ExternalFunction(f"scipy_cblas_{letter}gemv", types.void(i, i, i, i, real, p, i, p, i, real, p, i))


_sgemv = _cblas_gemv("s", types.float32)
_dgemv = _cblas_gemv("d", types.float64)


def _call_gemv(order, ta, m, n, alpha, a, lda, x, beta, y):
    """cblas_?gemv of the arrays' dtype."""
    raise NotImplementedError


@overload(_call_gemv, jit_options=FORCED)
def _call_gemv_form(order, ta, m, n, alpha, a, lda, x, beta, y):
    if y.dtype == types.float32:
        return lambda order, ta, m, n, alpha, a, lda, x, beta, y: _sgemv(
            order, ta, m, n, alpha, a.ctypes, lda, x.ctypes, 1, beta, y.ctypes, 1
        )
    return lambda order, ta, m, n, alpha, a, lda, x, beta, y: _dgemv(
        order, ta, m, n, alpha, a.ctypes, lda, x.ctypes, 1, beta, y.ctypes, 1
    )


@njit(**SERIAL)
def gemv(a, transpose_a, x, out):
    """`out = A @ x` of a matrix whose rows are contiguous, or that is held transposed, and contiguous vectors."""
    trans = _TRANSPOSED if transpose_a else _PLAIN
    _call_gemv(_ROW_MAJOR, trans, a.shape[0], a.shape[1], 1.0, a, leading(a), x, 0.0, out)


@njit(**SERIAL)
def batched_gemm(a, transpose_a, b, transpose_b, alpha, beta, out):
    """`gemm` for each matrix of (batch, rows, columns) arrays; a batch stride of 0 repeats one matrix."""
    batch, m, n = out.shape
    k = a.shape[1] if transpose_a else a.shape[2]
    for i in range(batch):
        _call(
            _ROW_MAJOR, _TRANSPOSED if transpose_a else _PLAIN, _TRANSPOSED if transpose_b else _PLAIN, m, n, k, alpha,
            a[i], leading(a[i]), b[i], leading(b[i]), beta, out[i], leading(out[i]),
        )  # fmt: skip


@njit(**REORDER)
def dot(x, y, out):
    """The inner product of two contiguous vectors, into the first element of `out`."""
    x, y = flat(x), flat(y)
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i] * y[i]
    out[0] = total
