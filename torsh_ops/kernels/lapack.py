"""LAPACK from OpenBLAS, called from compiled code for each matrix of a batch.

Matrices are row-major, as everywhere here; LAPACK reads them as their transposes. Each kernel says which it
factors. `info` gets LAPACK's own code of each matrix: 0 where all is well.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from torsh_ops.kernels import blas
from torsh_ops.kernels.vector import SERIAL, span

_INT32, _INT64, _BYTE = ir.IntType(32), ir.IntType(64), ir.IntType(8)

_PRECISIONS = {types.float32: "s", types.float64: "d", types.complex64: "c", types.complex128: "z"}

# LAPACK's letters.
LOWER, UPPER, PLAIN, TRANSPOSED, NONE, VECTORS, ALL, THIN = map(ord, "LUNTNVAS")
RIGHT, UNIT, WHOLE = map(ord, "RUI")
# Rows of a triangle that OpenBLAS solves itself; what is left of larger ones is matrix products.
BLOCK = 64


def _pointer(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """What Fortran wants of one argument: an address, of a letter, an int32, a real or an array's first element."""
    if isinstance(kind, types.Array):
        return builder.bitcast(context.make_array(kind)(context, builder, value).data, _BYTE.as_pointer())
    if isinstance(kind, (types.Float, types.Complex)):
        return builder.bitcast(cgutils.alloca_once_value(builder, value), _BYTE.as_pointer())
    number = context.cast(builder, value, kind, types.int32)
    return builder.bitcast(cgutils.alloca_once_value(builder, number), _BYTE.as_pointer())


def _routine(name: str, letters: int) -> Any:
    """Make LAPACK's `name` callable from kernels: ``f((letter, ..., number, ..., array, ...))`` in LAPACK's order.

    The arrays' dtype chooses the precision; `letters` is how many of the arguments are letters, whose lengths
    Fortran passes at the end.
    """

    def typed(context: Any, arguments: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            parts = cgutils.unpack_tuple(builder, values[0])
            pointers = [_pointer(context, builder, k, v) for k, v in zip(arguments.types, parts, strict=True)]
            kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer()] * len(pointers) + [_INT64] * letters)
            element = next(k.dtype for k in arguments.types if isinstance(k, types.Array))
            symbol = f"scipy_{_PRECISIONS[element]}{name}_"
            function = cgutils.get_or_insert_function(builder.module, kind, symbol)
            builder.call(function, pointers + [_INT64(1)] * letters)
            return context.get_dummy_value()

        return types.void(arguments), generate

    return intrinsic(typed)


_getrf = _routine("getrf", 0)
_potrf = _routine("potrf", 1)
_gelqf = _routine("gelqf", 0)
_orglq = _routine("orglq", 0)
_gesdd = _routine("gesdd", 1)
_syevd = _routine("syevd", 2)
_stedc = _routine("stedc", 1)
_geev = _routine("geev", 2)
_gelsy = _routine("gelsy", 0)
_gelsd = _routine("gelsd", 0)
_gels = _routine("gels", 1)
_trsm = _routine("trsm", 4)
_trsv = _routine("trsv", 3)
_gemm = _routine("gemm", 2)
_getrs = _routine("getrs", 1)


@njit(**SERIAL)
def _substitute(a, upper, transposed, unit, b):
    """Solve ``a @ x = b``, or with `a` transposed, in place; `a` is (n, n) triangular, `b` (n, columns)."""
    n, columns = b.shape
    # LAPACK's view is the transpose: the other triangle, multiplied from the right.
    triangle = LOWER if upper else UPPER
    letter = TRANSPOSED if transposed else PLAIN
    diagonal = UNIT if unit else NONE
    if columns == 1:
        _trsv((triangle, PLAIN if transposed else TRANSPOSED, diagonal, n, a, n, b, 1))
        return
    one = a.dtype.type(1)
    down = upper == transposed
    for step in range(0, n, BLOCK):
        if down:
            first, last = step, min(step + BLOCK, n)
            known, end = 0, first
        else:
            first, last = max(n - step - BLOCK, 0), n - step
            known, end = last, n
        if end > known:
            part = a[known:end, first:last] if transposed else a[first:last, known:end]
            blas.gemm(part, transposed, b[known:end], False, -1.0, 1.0, b[first:last])
        corner, rows = a[first:last, first:last], b[first:last]
        _trsm((RIGHT, triangle, letter, diagonal, columns, last - first, one, corner, n, rows, columns))


@njit(**SERIAL)
def substitute(a, upper, transposed, unit, b):
    """Solve with each triangular matrix (batch, n, n) in place of `b` (batch, n, columns)."""
    for i in range(b.shape[0]):
        _substitute(a[i], upper, transposed, unit, b[i])


@njit(**SERIAL)
def cholesky(a, upper, out, info):
    """The factor of each symmetric matrix: L, or U when `upper`; the other triangle becomes 0.

    -1, or the first matrix whose `info` is not 0.
    """
    n, bad = a.shape[1], -1
    for i in range(a.shape[0]):
        source, target = span(a, i * n * n, n * n), span(out, i * n * n, n * n)
        for j in range(n * n):
            target[j] = source[j]
        _potrf((LOWER if upper else UPPER, n, out[i], n, info[i : i + 1]))
        if info[i] != 0 and bad < 0:
            bad = i
        for row in range(n):
            first, last = (0, row) if upper else (row + 1, n)
            line = span(out, (i * n + row) * n + first, last - first)
            for j in range(line.size):
                line[j] = 0
    return bad


@njit(**SERIAL)
def reflections(a, tau, work, info):
    """Factor each (m, n) matrix by Householder reflections, which take its place below the diagonal, R above."""
    m, n = a.shape[1], a.shape[2]
    for i in range(a.shape[0]):
        _gelqf((n, m, a[i], n, tau[i], work, work.size, info[i : i + 1]))


@njit(**SERIAL)
def householder(a, tau, work, info):
    """Replace `reflections` in each (m, columns) matrix by the orthonormal columns they make."""
    m, n = a.shape[1], a.shape[2]
    for i in range(a.shape[0]):
        _orglq((n, m, tau.shape[1], a[i], n, tau[i], work, work.size, info[i : i + 1]))


@njit(**SERIAL)
def svd(a, job, s, u, vh, work, iwork, info):
    """Singular values, and by LAPACK's letter `job` vectors, of each (m, n) matrix, which is overwritten."""
    m, n = a.shape[1], a.shape[2]
    for i in range(a.shape[0]):
        j = i if job != NONE else 0
        arrays = (vh[j], max(n, 1), u[j], max(u.shape[2], 1))
        _gesdd((job, n, m, a[i], n, s[i], *arrays, work, work.size, iwork, info[i : i + 1]))


@njit(**SERIAL)
def eigvalsh(a, triangle, w, work, iwork, info):
    """Eigenvalues of each symmetric matrix, ascending; the matrix is overwritten."""
    n = a.shape[1]
    for i in range(a.shape[0]):
        _syevd((NONE, triangle, n, a[i], n, w[i], work, work.size, iwork, iwork.size, info[i : i + 1]))


@njit(**SERIAL)
def tridiagonal(d, e, vectors, work, iwork, info):
    """Eigenvalues of a tridiagonal matrix in `d`, ascending; the rows of `vectors` become its eigenvectors."""
    n = d.size
    _stedc((WHOLE, n, d, e, vectors, n, work, work.size, iwork, iwork.size, info))


@njit(**SERIAL)
def eig(a, job, real, imaginary, vectors, work, info):
    """Eigenvalues, and by `job` right eigenvectors as LAPACK packs them, of each matrix held transposed."""
    n = a.shape[1]
    for i in range(a.shape[0]):
        v = vectors[i if job != NONE else 0]
        arrays = (a[i], n, real[i], imaginary[i], v, n, v, n)
        _geev((NONE, job, n, *arrays, work, work.size, info[i : i + 1]))


@njit(**SERIAL)
def lstsq(a, b, driver, rcond, s, order, rank, work, iwork, info):
    """Least squares of each matrix held transposed; each row of `b`, max(m, n) long, is a right-hand side.

    `driver`: 0 gels, 1 gelsy, 2 gelsd.
    """
    n, m = a.shape[1], a.shape[2]
    bound = a.dtype.type(rcond)
    for i in range(a.shape[0]):
        matrix = (m, n, b.shape[1], a[i], m, b[i], b.shape[2])
        room = (work, work.size)
        if driver == 0:
            _gels((PLAIN, *matrix, *room, info[i : i + 1]))
        elif driver == 1:
            order[:] = 0
            _gelsy((*matrix, order, bound, rank[i : i + 1], *room, info[i : i + 1]))
        else:
            _gelsd((*matrix, s[i], bound, rank[i : i + 1], *room, iwork, info[i : i + 1]))


@njit(**SERIAL)
def complex_product(a, b, out):
    """``out = a @ b`` of (batch, rows, columns) arrays of complex numbers."""
    m, k, n = a.shape[1], a.shape[2], b.shape[2]
    one, zero = a.dtype.type(1), a.dtype.type(0)
    for i in range(out.shape[0]):
        _gemm((PLAIN, PLAIN, n, m, k, one, b[i], n, a[i], k, zero, out[i], n))


@njit(**SERIAL)
def complex_solve(a, pivots, b, info):
    """Solve with matrices held transposed; each row of `b` (batch, columns, n) is a right-hand side."""
    n = a.shape[1]
    for i in range(a.shape[0]):
        _getrf((n, n, a[i], n, pivots[i], info[i : i + 1]))
        if info[i] == 0:
            _getrs((PLAIN, n, b.shape[1], a[i], n, pivots[i], b[i], n, info[i : i + 1]))
