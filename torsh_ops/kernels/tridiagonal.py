"""Large symmetric matrices to tridiagonal form and back, most of it in matrix products.

Dongarra, Hammarling and Sorensen 1989: the reflections of a block are found from the matrix before the block, which
follows as one product. What lies between is LAPACK's: dividing and conquering.
"""

import numpy as np
from numba import njit

from torsh_ops.kernels.gemm_tile import VECTORS, turn
from torsh_ops.kernels.householder import BLOCK as REFLECTED
from torsh_ops.kernels.householder import apply_block, block_factor
from torsh_ops.kernels.lapack import tridiagonal
from torsh_ops.kernels.row_steps import WIDE, address_of, aligned, lanes_of, multiply, row_of, sum_rows, sum_wide_rows
from torsh_ops.kernels.symmetric import dot, enter, reflect_row
from torsh_ops.kernels.vector import FORCED, SERIAL, span

# Reflections in a block.
BLOCK = 32


@njit(**SERIAL)
def _subtract_sums(like, x, row, factors, factor_row, rows, columns, target, room):
    """``target -= factors @ x`` of whole vectors; x and factors are addresses, the other two arrays."""
    lanes, size = lanes_of(like), like.itemsize
    wide = lanes * WIDE
    whole, out = columns // wide * wide, address_of(room)
    for c in range(0, whole, wide):
        sum_wide_rows((like,), (x + c * size, row, factors, factor_row, rows, out + c * size))
    for c in range(whole, columns, lanes):
        sum_rows((like,), (x + c * size, row, factors, factor_row, rows, out + c * size))
    for k in range(columns):
        target[k] -= room[k]


@njit(**SERIAL)
def _column(w, row, n, j, known, pairs, d, e, taus, room, numbers):
    """Reflection j: row j as the `known` pairs before it leave it, its vector to `pairs`, and what goes with that."""
    size, start = w.itemsize, j * row
    one, own = np.intp(1), span(w, start, row)
    others = BLOCK * row * size
    vectors = address_of(pairs)
    _subtract_sums(w, vectors, row, vectors + others + j * size, row, known, row, own, room)
    _subtract_sums(w, vectors + others, row, vectors + j * size, row, known, row, own, room)
    reflect_row(w, row, n, j, d, e, taus)
    v, p = span(pairs, known * row, row), span(pairs, (BLOCK + known) * row, row)
    for k in range(row):
        v[k], p[k] = own[k], 0
    for k in range(j + 1):
        v[k] = 0
    for k in range(n, row):
        v[k] = 0
    if taus[j] == 0:
        for k in range(row):
            v[k] = 0
        return
    place = address_of(w) + (start + row) * size
    _subtract_sums(w, place, row, address_of(v) + (j + 1) * size, one, n - j - 1, row, p, room)
    for k in range(known):
        numbers[k] = -dot(span(pairs, (BLOCK + k) * row, row), v)
        numbers[BLOCK + k] = -dot(span(pairs, k * row, row), v)
    _subtract_sums(w, vectors, row, address_of(numbers), one, known, row, p, room)
    _subtract_sums(w, vectors + others, row, address_of(numbers) + BLOCK * size, one, known, row, p, room)
    for k in range(j + 1):
        p[k] = 0
    for k in range(row):
        p[k] *= -taus[j]
    shift = taus[j] * dot(p, v) / 2
    for k in range(row):
        p[k] -= shift * v[k]


@njit(**SERIAL)
def _reduce(w, row, n, d, e, taus, pairs, room, numbers):
    """The whole reduction; row j keeps the vector of reflection j, from its place j + 1 on."""
    tile, lanes, size = np.intp(VECTORS * lanes_of(w)), lanes_of(w), w.itemsize
    one, deep = np.intp(1), np.intp(2 * BLOCK)
    for first in range(0, n - 1, BLOCK):
        for k in range(BLOCK):
            if first + k < n - 1:
                _column(w, row, n, first + k, k, pairs, d, e, taus, room, numbers)
                continue
            v, p = span(pairs, k * row, row), span(pairs, (BLOCK + k) * row, row)
            for i in range(row):
                v[i], p[i] = 0, 0
        # V W' + W V' is one product, as V stands once more behind W.
        again = span(pairs, 2 * BLOCK * row, BLOCK * row)
        for k in range(again.size):
            again[k] = pairs[k]
        last = min(first + BLOCK, n - 1)
        here = address_of(pairs) + last * size
        for c in range(last // lanes * lanes, row, tile):
            right, out = address_of(pairs) + (BLOCK * row + c) * size, address_of(w) + (last * row + c) * size
            multiply(here, one, row, right, row, out, row, n - last, min(tile, row - c), deep, w, one)
    d[n - 1], e[n - 1] = w[(n - 1) * (row + 1)], 0


@njit(**SERIAL)
def _turned(x, n, z, row):
    """The transpose of (n, n) with rows further apart, and zeros behind them."""
    lanes = lanes_of(x)
    for i in range(0, n, lanes):
        for j in range(0, n, lanes):
            turn((x, z), (i * n + j, n, j * row + i, row, min(lanes, n - i), min(lanes, n - j)))
    for i in range(n):
        for j in range(n, row):
            z[i * row + j] = 0


@njit(**SERIAL)
def _take_back(w, row, n, taus, z, v, t, products):
    """Multiply z by the product of the reflections, blocks of them from the last on."""
    none = np.intp(0)
    for first in range((n - 2) // REFLECTED * REFLECTED, -1, -REFLECTED):
        count, rows = min(REFLECTED, n - 1 - first), n - 1 - first
        for i in range(rows):
            for k in range(count):
                v[i * REFLECTED + k] = w[(first + k) * row + first + 1 + i] if i >= k else 0
        block_factor(v, rows, count, taus, first, t)
        apply_block(v, rows, count, t, none, z, (first + 1) * row, row, n, products)


@njit(**FORCED)
def _places(n, like):
    """The distance of rows, and where behind the matrix lie z, pairs, V, T, products, a row, factors, and the end."""
    lanes, row = lanes_of(like), row_of(n, like)
    slack = VECTORS * lanes
    z = n * row + slack
    pairs = z + n * row + slack
    v = pairs + 3 * BLOCK * row + slack
    t = v + (n + 1) * REFLECTED + slack
    products = t + REFLECTED * REFLECTED + slack
    line = products + 2 * REFLECTED * slack
    taus = line + row
    return row, z, pairs, v, t, products, line, taus, taus + row + 2 * BLOCK


def room_of(n: int, like: np.ndarray) -> int:
    """Elements of the room for (n, n) matrices."""
    return int(_places.py_func(n, like)[-1]) + lanes_of.py_func(like)


@njit(**SERIAL)
def eigh(a, lower, values, vectors, info, e, work, iwork, room):
    """Eigenvalues, ascending, and vectors in columns, of each (n, n) matrix, of which one triangle is read.

    `e` is room for n, `work` and `iwork` are LAPACK's of stedc, `room` what `room_of` says; `info` is its code.
    """
    batch, n = a.shape[:2]
    row, z_at, pairs_at, v_at, t_at, products_at, line_at, taus_at, end = _places(n, a)
    w = span(room, aligned(room), end)
    for k in range(end):
        w[k] = 0
    z, pairs, v = span(w, z_at, pairs_at - z_at), span(w, pairs_at, v_at - pairs_at), span(w, v_at, t_at - v_at)
    t, products = span(w, t_at, products_at - t_at), span(w, products_at, line_at - products_at)
    line, taus = span(w, line_at, row), span(w, taus_at, row)
    numbers = span(w, taus_at + row, 2 * BLOCK)
    for i in range(batch):
        factor = enter(a[i], w, row, lower)
        d, square = values[i], span(vectors, i * n * n, n * n)
        _reduce(w, row, n, d, e, taus, pairs, line, numbers)
        tridiagonal(d, e, square, work, iwork, info[i : i + 1])
        if info[i] != 0:
            continue
        _turned(square, n, z, row)
        _take_back(w, row, n, taus, z, v, t, products)
        for j in range(n):
            d[j] /= factor
            source, target = span(z, j * row, n), span(vectors, (i * n + j) * n, n)
            for k in range(n):
                target[k] = source[k]
