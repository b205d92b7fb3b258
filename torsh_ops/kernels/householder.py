"""QR by Householder reflections, row by row, a block of them at a time in matrix products.

Golub and Van Loan 2013, algorithms 5.1.1 and 5.2.2, and for the products the compact form of Schreiber and Van Loan
1989: ``H1 H2 ... = I - V T V'``. Matrices lie in a room, where rows are `row` elements apart.
"""

import numpy as np
from numba import njit

from torsh_ops.kernels.gemm_tile import VECTORS
from torsh_ops.kernels.row_steps import add_multiples, address_of, aligned, lanes_of, multiply, row_of, sum_rows
from torsh_ops.kernels.vector import FORCED, SERIAL, fabs, span, sqrt

# Reflections in a block: whole vectors, and whole tiles of rows.
BLOCK = 48
# So many columns are factored without blocks.
_FEW = 64
# Where squares of what is smaller lose digits, and products of what is larger may overflow (float32; float64 has room).
_SMALL, _LARGE = 2.0**-33, 2.0**50


@njit(**FORCED)
def _safe_column(w, start, row, rows):
    """The length of a column without overflow, and its largest element."""
    largest = w.dtype.type(0)
    for i in range(rows):
        largest = max(largest, fabs(w[start + i * row]))
    if not largest > 0:
        return w.dtype.type(0), largest
    total = w.dtype.type(0)
    for i in range(rows):
        x = w[start + i * row] / largest
        total += x * x
    return largest * sqrt(total), largest


@njit(**SERIAL)
def _reflection(w, start, row, rows, careful, square):
    """Scale a column to the vector of its reflection, but for its first element, 1, when `careful`.

    Returns what to scale the rest by, the reflection's factor and the column's first element afterwards.
    """
    one = w.dtype.type(1)
    first, below = w[start], sqrt(square)
    if careful:
        below, largest = _safe_column(w, start + row, row, rows - 1)
        if largest == 0:  # not when it is NaN
            return one, w.dtype.type(0), first
    larger, smaller = max(fabs(first), below), min(fabs(first), below)
    ratio = smaller / larger
    length = larger * sqrt(one + ratio * ratio)
    last = -length if first >= 0 else length
    apart = first - last
    if not careful:
        return one / apart, -apart / last, last
    for i in range(1, rows):
        w[start + i * row] /= apart
    return one, -apart / last, last


@njit(**FORCED)
def _sum_below(w, row, below, next_row, factors, own, vectors, multiples):
    """`multiples` becomes the sums of the rows below, times their factors, from vector `own` on."""
    step = lanes_of(w) * w.itemsize
    for c in range(own, vectors):
        sum_rows((w,), (next_row + c * step, row, factors, row, below, multiples + c * step))


@njit(**FORCED)
def _add_below(w, row, below, next_row, factors, own, vectors, lane, scale, multiples):
    """Add `multiples`, times their factors, to the rows below; the factors' column, `lane` of `own`, counts as 0."""
    step = lanes_of(w) * w.itemsize
    for c in range(vectors - 1, own - 1, -1):
        held = lane if c == own else -1
        add_multiples((w,), (next_row + c * step, row, factors, row, below, scale, multiples + c * step, held))


@njit(**SERIAL)
def _reflect(w, at, row, rows, columns, count, taus, tau_at, large, sums):
    """Factor `count` columns in place and reflect the others; `sums` is room for a row, at an aligned place."""
    lanes, size, base = lanes_of(w), w.itemsize, w.ctypes.data
    vectors = -(-columns // lanes)
    multiples, scale = sums.ctypes.data, taus.ctypes.data + (tau_at + count) * size
    for j in range(count):
        own, start, below = j // lanes, at + j * row + j, rows - j - 1
        next_row = base + (at + (j + 1) * row) * size
        factors = next_row + j * size
        _sum_below(w, row, below, next_row, factors, own, vectors, multiples)
        careful = large or not sums[j] > _SMALL * _SMALL
        inverse, tau, last = _reflection(w, start, row, rows - j, careful, sums[j])
        taus[tau_at + j], taus[tau_at + count] = tau, inverse
        w[start] = last
        if tau == 0:
            continue
        if careful:
            _sum_below(w, row, below, next_row, factors, own, vectors, multiples)
        for k in range(own * lanes, j):
            sums[k] = 0
        for k in range(columns, vectors * lanes):
            sums[k] = 0
        sums[j] = 1
        for k in range(j + 1, columns):
            change = -tau * (w[start - j + k] + inverse * sums[k])
            w[start - j + k] += change
            sums[k] = change
        _add_below(w, row, below, next_row, factors, own, vectors, j % lanes, scale, multiples)


@njit(**SERIAL)
def _expand(w, at, row, rows, columns, count, taus, tau_at, sums):
    """Turn the vectors of `count` reflections into the columns that these make of an identity's."""
    lanes, size, base = lanes_of(w), w.itemsize, w.ctypes.data
    vectors = -(-columns // lanes)
    multiples, scale = sums.ctypes.data, taus.ctypes.data + (tau_at + count) * size
    taus[tau_at + count] = 1
    for j in range(count - 1, -1, -1):
        own, start, below, tau = j // lanes, at + j * row, rows - j - 1, taus[tau_at + j]
        next_row = base + (start + row) * size
        factors = next_row + j * size
        _sum_below(w, row, below, next_row, factors, own, vectors, multiples)
        for k in range(own * lanes, j):
            sums[k] = 0
        for k in range(columns, vectors * lanes):
            sums[k] = 0
        sums[j] = -tau
        w[start + j] = 1 - tau
        for k in range(j + 1, columns):
            sums[k] *= -tau
            w[start + k] = sums[k]
        _add_below(w, row, below, next_row, factors, own, vectors, j % lanes, scale, multiples)


@njit(**SERIAL)
def _take_vectors(w, at, row, rows, count, v):
    """The vectors of reflections by themselves, BLOCK apart, with the ones and zeros that are not stored."""
    for i in range(rows):
        for j in range(min(i, count)):
            v[i * BLOCK + j] = w[at + i * row + j]
        for j in range(i, count):
            v[i * BLOCK + j] = 0
        if i < count:
            v[i * BLOCK + i] = 1


@njit(**SERIAL)
def block_factor(v, rows, count, taus, tau_at, t):
    """T of ``H1 H2 ... = I - V T V'``, BLOCK apart."""
    tile, size = np.intp(VECTORS * lanes_of(v)), v.itemsize
    left, out, one, apart, none = address_of(v), address_of(t), np.intp(1), np.intp(BLOCK), np.intp(0)
    for j in range(0, BLOCK, tile):
        some = min(tile, BLOCK - j)
        multiply(left, one, apart, left + j * size, apart, out + j * size, apart, count, some, rows, v, none)
    for j in range(count):
        tau = taus[tau_at + j]
        for i in range(j):
            total = t.dtype.type(0)
            for k in range(i, j):
                total += t[i * BLOCK + k] * t[k * BLOCK + j]
            v[rows * BLOCK + i] = -tau * total
        for i in range(j):
            t[i * BLOCK + j] = v[rows * BLOCK + i]
        t[j * BLOCK + j] = tau
        for i in range(j + 1, count):
            t[i * BLOCK + j] = 0


@njit(**SERIAL)
def apply_block(v, rows, count, t, turned, c, at, row, columns, w):
    """``C -= V T V' C`` of `rows` rows and `columns` columns of `c`, with T transposed when `turned` is 1."""
    tile, size = np.intp(VECTORS * lanes_of(c)), c.itemsize
    vectors, factor, target = address_of(v), address_of(t), address_of(c) + at * size
    first, one, apart, none = address_of(w), np.intp(1), np.intp(BLOCK), np.intp(0)
    second = first + BLOCK * tile * size
    t_row, t_col = (one, apart) if turned != 0 else (apart, one)
    for j in range(0, columns, tile):
        some, here = min(tile, columns - j), target + j * size
        multiply(vectors, one, apart, here, row, first, tile, count, tile, rows, c, none)
        multiply(factor, t_row, t_col, first, tile, second, tile, count, tile, count, c, none)
        multiply(vectors, apart, one, second, tile, here, row, rows, some, count, c, one)


@njit(**SERIAL)
def _enter(a, w, at, row, columns):
    """Copy a matrix to the room, with zeros behind each row; whether an element is large, or no number."""
    limit, large = a.dtype.type(_LARGE), False
    for i in range(a.shape[0]):
        source, target = span(a, i * a.shape[1], a.shape[1]), span(w, at + i * row, columns)
        for j in range(source.size):
            target[j] = source[j]
            large |= not fabs(source[j]) <= limit
        for j in range(source.size, columns):
            target[j] = 0
    return large


@njit(**SERIAL)
def _take_r(w, at, row, r):
    """The triangle."""
    for i in range(r.shape[0]):
        source, target = span(w, at + i * row, r.shape[1]), span(r, i * r.shape[1], r.shape[1])
        for j in range(min(i, target.size)):
            target[j] = 0
        for j in range(i, target.size):
            target[j] = source[j]


@njit(**SERIAL)
def _clear(w, at, row, rows, columns):
    for i in range(rows):
        target = span(w, at + i * row, columns)
        for j in range(columns):
            target[j] = 0


@njit(**FORCED)
def _places(m, n, columns, like):
    """The distance of rows in the room, and where behind the matrix lie a row, T, V, products, factors, and the end."""
    lanes = lanes_of(like)
    row, count = row_of(max(n, columns), like), min(m, n)
    sums = m * row + 2 * lanes
    blocks = -(-count // BLOCK) if count > _FEW else 0
    t = sums + row
    v = t + blocks * BLOCK * BLOCK
    products = v + (m + 1) * BLOCK * (blocks > 0)
    taus = products + 2 * BLOCK * VECTORS * lanes * (blocks > 0)
    return row, sums, t, v, products, taus, taus + count + 1


def room_of(m: int, n: int, columns: int, like: np.ndarray) -> int:
    """Elements of the room that `qr` of (m, n) matrices needs, for so many columns of Q."""
    return int(_places.py_func(m, n, columns, like)[-1]) + lanes_of.py_func(like)


@njit(**SERIAL)
def qr(a, q, r, room):
    """Q and R of each (m, n) matrix; Q has no columns, min(m, n) or m, and `room` what `room_of` says."""
    batch, m, n = a.shape
    columns = q.shape[2]
    count = min(m, n)
    row, sums_at, t_at, v_at, products_at, taus_at, end = _places(m, n, columns, a)
    w = span(room, aligned(room), end)
    sums, t, v = span(w, sums_at, row), span(w, t_at, v_at - t_at), span(w, v_at, products_at - v_at)
    products, taus = span(w, products_at, taus_at - products_at), span(w, taus_at, count + 1)
    step = BLOCK if count > _FEW else max(count, 1)
    _clear(w, m * row, row, np.intp(1), sums_at - m * row)
    for i in range(batch):
        large = _enter(a[i], w, 0, row, row)
        for j in range(0, count, step):
            at, some = j * (row + 1), min(step, count - j)
            inside = some if count > _FEW else n
            _reflect(w, at, row, m - j, inside, some, taus, j, large, sums)
            if count > _FEW:
                own = span(t, j * BLOCK, BLOCK * BLOCK)
                _take_vectors(w, at, row, m - j, some, v)
                block_factor(v, m - j, some, taus, j, own)
                apply_block(v, m - j, some, own, np.intp(1), w, at + some, row, n - j - some, products)
        _take_r(w, 0, row, r[i])
        if columns == 0:
            continue
        _clear(w, count, row, m, columns - count)
        for j in range(count, columns):
            w[j * row + j] = 1
        last = (count - 1) // step * step
        for j in range(last, -1, -step):
            at, some = j * (row + 1), min(step, count - j)
            inside = some if count > _FEW else columns
            if count > _FEW:
                own = span(t, j * BLOCK, BLOCK * BLOCK)
                _clear(w, at + some, row, some, columns - j - some)
                _take_vectors(w, at, row, m - j, some, v)
                apply_block(v, m - j, some, own, np.intp(0), w, at + some, row, columns - j - some, products)
            _expand(w, at, row, m - j, inside, some, taus, j, sums)
        for j in range(m):
            source, target = span(w, j * row, columns), span(q, (i * m + j) * columns, columns)
            for k in range(columns):
                target[k] = source[k]
