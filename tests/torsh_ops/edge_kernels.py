"""Kernels that test_edge_retarget.py sends to other machines, each with one thing that could go wrong."""

import math

import numpy as np
from numba import njit, prange

from torsh_ops.kernels.vector import fma


@njit
def root_and_floor(x, out):
    for i in range(x.shape[0]):
        # Numba compiles math's names to intrinsics and NumPy's to calls of libm.
        out[i] = math.sqrt(x[i]) + np.sqrt(x[i]) + math.floor(x[i]) + np.floor(x[i]) + np.ceil(x[i]) + np.trunc(x[i])


@njit
def scaled_volume(a, x, out):
    # Every axis has another length: a wrong stride reads another element.
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                out[k, i, j] = a * x[i, j, k]


@njit
def scramble(x, out):
    # True 64-bit integers, also on a target whose pointers have 32 bits.
    for i in range(x.shape[0]):
        out[i] = (x[i] * np.int64(6364136223846793005) + np.int64(1442695040888963407)) >> np.int64(33)


@njit
def dot_int8(a, b, out):
    total = np.int32(0)
    for i in range(a.shape[0]):
        total += np.int32(np.int32(a[i]) * np.int32(b[i]))
    out[0] = total


@njit
def fused(x, out):
    for i in range(x.shape[0]):
        out[i] = fma(x[i], x[i], np.float32(-1))


@njit
def refuse_negative(x, out):
    if x[0] < 0:
        raise ValueError("negative")
    out[0] = x[0]


@njit
def reverse(x, out):
    copy = np.empty_like(x)
    for i in range(x.shape[0]):
        copy[i] = x[i]
    for i in range(x.shape[0]):
        out[i] = copy[x.shape[0] - 1 - i]


@njit(parallel=True)
def copy_in_parallel(x, out):
    for i in prange(x.shape[0]):
        out[i] = x[i]


@njit
def exp(x, out):
    for i in range(x.shape[0]):
        out[i] = math.exp(x[i])


@njit
def remainder(x, out):
    for i in range(x.shape[0]):
        out[i] = x[i] % np.float32(3)


def not_compiled(x, out):
    out[0] = x[0]
