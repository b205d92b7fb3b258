"""Kernels in the forms that the short way calls: defaults filled in, reductions as `(x, n, out)`."""

from numba import njit

from torsh_ops.kernels import activation as ak
from torsh_ops.kernels import blas
from torsh_ops.kernels import gemm as gk
from torsh_ops.kernels import index as ik
from torsh_ops.kernels import random as xk
from torsh_ops.kernels import reduce as rk
from torsh_ops.kernels import ternary as tk
from torsh_ops.kernels.run import copy_run
from torsh_ops.kernels.vector import SERIAL, flat, span


@njit(**SERIAL)
def total(x, n, out):
    """Sum of each row of `n`."""
    rk.sum_last(x, n, 1.0, out)


@njit(**SERIAL)
def mean(x, n, out):
    """Mean of each row of `n`."""
    rk.sum_last(x, n, 1.0 / n, out)


@njit(**SERIAL)
def var(x, n, out):
    """Variance of each row of `n`, with Bessel's correction."""
    rk.var_last(x, n, 1.0, False, out, out)


@njit(**SERIAL)
def std(x, n, out):
    """Standard deviation of each row of `n`, with Bessel's correction."""
    rk.var_last(x, n, 1.0, True, out, out)


@njit(**SERIAL)
def mm(a, transposed_a, b, transposed_b, out):
    """`a @ b`."""
    (m, n), depth = out.shape, b.shape[0]
    if transposed_a == 0 and transposed_b == 0 and gk.fits_direct(m, n, depth, out.itemsize):
        gk.direct(flat(a), flat(b), flat(out), (1, 0, depth, 1, 0, n, 1, 0, n), m, n, depth)
        return
    blas.gemm(a, transposed_a != 0, b, transposed_b != 0, 1.0, 0.0, out)


@njit(**SERIAL)
def mv(a, transposed_a, x, out):
    """`a @ x` of a vector."""
    blas.gemv(a, transposed_a != 0, x, out)


@njit(**SERIAL)
def bmm(a, transposed_a, b, transposed_b, out):
    """`mm` of each pair of matrices; none is transposed."""
    batch, m, n = out.shape
    depth = a.shape[2]
    if gk.fits_direct(m, n, depth, out.itemsize):
        strides = (batch, m * depth, depth, 1, depth * n, n, 1, m * n, n)
        gk.direct(flat(a), flat(b), flat(out), strides, m, n, depth)
        return
    blas.batched_gemm(a, transposed_a != 0, b, transposed_b != 0, 1.0, 0.0, out)


@njit(**SERIAL)
def lines(table, index, out, rows, width, bad):
    """`table[index]`; `bad` gets the place of an index out of range, or -1."""
    bad[0] = ik.take_lines(table, index, out, 1, rows, width)


@njit(**SERIAL)
def uniform(state, out, rest):
    """Numbers of [0, 1) from a generator's state, which is spent on them; `rest` is room for a group."""
    groups, whole = -(-out.size // xk.GROUP), out.size // xk.GROUP * xk.GROUP
    key, start = state[0], state[1]
    state[1] = start + groups * xk.LANES
    xk.uniform_f32(key, 0.0, 1.0, 1.0, span(out, 0, whole), start)
    if whole < out.size:
        xk.uniform_f32(key, 0.0, 1.0, 1.0, rest, start + whole // xk.GROUP * xk.LANES)
        copy_run(rest, 0, out, whole, out.size - whole, False)


@njit(**SERIAL)
def normal(state, out, rest):
    """Standard normal numbers, as `uniform`."""
    groups, whole = -(-out.size // xk.GROUP), out.size // xk.GROUP * xk.GROUP
    key, start = state[0], state[1]
    state[1] = start + groups * xk.LANES
    xk.normal_f32(key, 0.0, 1.0, span(out, 0, whole), start)
    if whole < out.size:
        xk.normal_f32(key, 0.0, 1.0, rest, start + whole // xk.GROUP * xk.LANES)
        copy_run(rest, 0, out, whole, out.size - whole, False)


@njit(**SERIAL)
def addcmul(x, y, z, out):
    """`x + y z`."""
    tk.addcmul(x, y, z, 1.0, out)


@njit(**SERIAL)
def addcdiv(x, y, z, out):
    """`x + y / z`."""
    tk.addcdiv(x, y, z, 1.0, out)


@njit(**SERIAL)
def leaky_relu(x, out):
    """`x` where positive, else a hundredth of it."""
    ak.leaky_relu(x, 0.01, out)


@njit(**SERIAL)
def elu(x, out):
    """`x` where positive, else `exp(x) - 1`."""
    ak.elu(x, 1.0, 1.0, 1.0, out)


@njit(**SERIAL)
def softplus(x, out):
    """`log(1 + exp(x))`, `x` itself above 20."""
    ak.softplus(x, 1.0, 20.0, out)
