"""Eigenvalues and eigenvectors of small symmetric matrices: tridiagonal form by reflections, then implicit QL.

Golub and Van Loan 2013, algorithms 8.3.1 and 8.3.3. The tridiagonal matrix is float64 whatever the dtype: then no
square underflows, and the rotations of float32 vectors are exact to their last digit.
"""

import math

import numpy as np
from numba import njit

from torsh_ops.kernels.row_steps import add_multiples, aligned, lanes_of, rotate_rows, row_of, sum_rows
from torsh_ops.kernels.vector import FORCED, REORDER, SERIAL, fabs, span, sqrt

# What the largest element is brought to, so that products neither overflow nor lose what counts.
_SMALL, _LARGE = 2.0**-10, 2.0**20
# Rotations in turn for one eigenvalue; more is a failure, as in LAPACK.
_MOST = 30


@njit(**REORDER)
def dot(x, y):
    """The inner product."""
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@njit(**SERIAL)
def enter(a, w, row, lower):
    """Make both triangles of one; returns what they were multiplied by, 0 where an element is no finite number."""
    n, zero = a.shape[0], a.dtype.type(0)
    largest, sound = zero, zero
    for i in range(n):
        first, last = (0, i + 1) if lower else (i, n)
        for j in range(first, last):
            x = a[i, j]
            w[i * row + j] = x
            w[j * row + i] = x
            largest = max(largest, fabs(x))
            sound += x * 0
        for j in range(n, row):
            w[i * row + j] = 0
    if sound != 0:
        return zero
    factor = zero + 1
    while largest * factor > _LARGE:
        factor /= 2
    while 0 < largest * factor < _SMALL and factor < 2.0**100:
        factor *= 2
    if factor != 1:
        for i in range(n * row):
            w[i] *= factor
    return factor


@njit(**SERIAL)
def reflect_row(w, row, n, j, d, e, taus):
    """Replace row j, from its place j + 1 on, by the vector that makes a multiple of the first unit vector of it."""
    least, start = np.finfo(w.dtype).tiny / np.finfo(w.dtype).eps, j * row
    rest, first = span(w, start + j + 2, n - j - 2), w[start + j + 1]
    d[j], e[j], taus[j] = w[start + j], first, 0
    square = dot(rest, rest)
    if not square > least:
        return
    length = sqrt(first * first + square)
    last = -length if first >= 0 else length
    apart = first - last
    e[j], taus[j] = last, -apart / last
    w[start + j + 1] = 1
    for k in range(rest.size):
        rest[k] /= apart


@njit(**SERIAL)
def _tridiagonal(w, row, n, d, e, taus, v, p, minus):
    """Reduce to a diagonal and its neighbour; row j keeps the vector of reflection j, from its place j + 1 on."""
    lanes, size, base, half = lanes_of(w), w.itemsize, w.ctypes.data, w.dtype.type(0.5)
    for k in range(row):
        v[k], p[k] = 0, 0
    for j in range(n - 1):
        start, left = j * row, n - j - 1
        reflect_row(w, row, n, j, d, e, taus)
        tau = taus[j]
        if tau == 0:
            continue
        mine, own, known = span(w, start + j + 1, left), span(v, j + 1, left), span(p, j + 1, left)
        for k in range(left):
            own[k] = mine[k]
        v[j] = 0
        place, here = base + (start + row) * size, (j + 1) * size
        ours, theirs = v.ctypes.data, p.ctypes.data
        for c in range((j + 1) // lanes * lanes * size, n * size, lanes * size):
            sum_rows((w,), (place + c, row, ours + here, 1, left, theirs + c))
        for k in range((j + 1) // lanes * lanes, j + 1):
            p[k] = 0
        for k in range(left):
            known[k] *= tau
        shift = half * tau * dot(known, own)
        for k in range(left):
            known[k] -= shift * own[k]
        for c in range((j + 1) // lanes * lanes * size, n * size, lanes * size):
            add_multiples((w,), (place + c, row, ours + here, 1, left, minus, theirs + c, -1))
            add_multiples((w,), (place + c, row, theirs + here, 1, left, minus, ours + c, -1))
    d[n - 1], e[n - 1] = w[(n - 1) * (row + 1)], 0


@njit(**SERIAL)
def _gather(w, row, n, taus, z, sums, one):
    """The product of the reflections, in z, then transposed in w."""
    lanes, size = lanes_of(w), w.itemsize
    for i in range(n):
        line = span(z, i * row, row)
        for j in range(row):
            line[j] = 0
        line[i] = 1
    for j in range(n - 3, -1, -1):
        left, tau = n - j - 1, taus[j]
        factors = w.ctypes.data + (j * row + j + 1) * size
        target = z.ctypes.data + (j + 1) * row * size
        for c in range((j + 1) // lanes * lanes, n, lanes):
            place = sums.ctypes.data + c * size
            sum_rows((w,), (target + c * size, row, factors, 1, left, place))
            for k in range(c, c + lanes):
                sums[k] *= -tau
            add_multiples((w,), (target + c * size, row, factors, 1, left, one, place, -1))
    for i in range(n):
        for j in range(n):
            w[i * row + j] = z[j * row + i]


@njit(**FORCED)
def _length(x, y):
    square = x * x + y * y
    if square > 2.0**-960:
        return sqrt(square)
    larger, smaller = max(fabs(x), fabs(y)), min(fabs(x), fabs(y))
    if larger == 0:
        return larger
    ratio = smaller / larger
    return larger * sqrt(1 + ratio * ratio)


@njit(**SERIAL)
def _sweep(d, e, first, last, w, row, angle):
    """One implicit QL step on places `first` to `last`, its rotations done to the rows of `w`."""
    size = w.itemsize
    g = (d[first + 1] - d[first]) / (2 * e[first])
    r = sqrt(g * g + 1)
    g = d[last] - d[first] + e[first] / (g + (r if g >= 0 else -r))
    s, c, p = 1.0, 1.0, 0.0
    for i in range(last - 1, first - 1, -1):
        f, b = s * e[i], c * e[i]
        r = _length(f, g)
        e[i + 1] = r
        if r == 0:
            d[i + 1] -= p
            e[last] = 0
            return
        s, c = f / r, g / r
        g = d[i + 1] - p
        r = (d[i] - g) * s + 2 * c * b
        p = s * r
        d[i + 1] = g + p
        g = c * r - b
        angle[0], angle[1] = c, s
        here = w.ctypes.data + i * row * size
        rotate_rows((w,), (here, here + row * size, row, angle.ctypes.data))
    d[first] -= p
    e[first] = g
    e[last] = 0


@njit(**SERIAL)
def _iterate(d, e, n, w, row, angle):
    """Turn a tridiagonal matrix into its eigenvalues, in any order; whether all were found."""
    eps = np.finfo(w.dtype).eps / 2
    floor = eps**4
    for first in range(n):
        for step in range(_MOST + 1):
            last = first
            while last < n - 1 and e[last] * e[last] > floor + eps * eps * math.fabs(d[last] * d[last + 1]):
                last += 1
            if last == first:
                break
            if step == _MOST:
                return False
            _sweep(d, e, first, last, w, row, angle)
    return True


@njit(**FORCED)
def _places(n, like):
    """The distance of rows, and where behind the matrix lie the other, three rows, numbers, and the end."""
    row = row_of(n, like)
    return row, n * row, 2 * n * row, 2 * n * row + 3 * row, 2 * n * row + 3 * row + 4


def room_of(n: int, like: np.ndarray) -> int:
    """Elements of the room for (n, n) matrices."""
    return int(_places.py_func(n, like)[-1]) + lanes_of.py_func(like)


@njit(**SERIAL)
def eigh(a, lower, values, vectors, info, order, wide, room):
    """Eigenvalues, ascending, and vectors in columns, of each (n, n) matrix, of which one triangle is read.

    -1, or the first matrix whose `info` is not 0: 1 without convergence, -1 where it has non-finite elements. `order`
    is room for n, `wide` for 2 n, `room` what `room_of` says.
    """
    batch, n = a.shape[:2]
    row, z_at, rows_at, numbers, end = _places(n, a)
    w = span(room, aligned(room), end)
    z, taus = span(w, z_at, n * row), span(w, rows_at, row)
    v, p = span(w, rows_at + row, row), span(w, rows_at + 2 * row, row)
    angle, signs = span(w, numbers, 2), span(w, numbers + 2, 2)
    signs[0], signs[1] = -1, 1
    minus = signs.ctypes.data
    d, e, bad = span(wide, 0, n), span(wide, n, n), -1
    for i in range(batch):
        factor = enter(a[i], w, row, lower)
        info[i] = -1 if factor == 0 else 0
        if factor != 0:
            _tridiagonal(w, row, n, d, e, taus, v, p, minus)
            _gather(w, row, n, taus, z, p, minus + w.itemsize)
            info[i] = 0 if _iterate(d, e, n, w, row, angle) else 1
        if info[i] != 0:
            bad = i if bad < 0 else bad
            continue
        for j in range(n):
            k = j
            while k > 0 and d[order[k - 1]] > d[j]:
                order[k] = order[k - 1]
                k -= 1
            order[k] = j
        for j in range(n):
            values[i, j] = d[order[j]] / factor
            source = span(w, order[j] * row, n)
            for k in range(n):
                vectors[i, k, j] = source[k]
    return bad
