"""LU with partial pivoting and what it solves, row by row, a block at a time in matrix products.

Golub and Van Loan 2013, section 3.4 and algorithm 3.2.3. A matrix lies in a room with its right-hand sides beside it,
so that eliminating also substitutes forward; rows are `row` elements apart, and both begin at vectors.
"""

import numpy as np
from numba import njit

from torsh_ops.kernels.gemm_tile import VECTORS
from torsh_ops.kernels.row_steps import add_multiples, address_of, aligned, lanes_of, multiply, row_of
from torsh_ops.kernels.vector import FORCED, SERIAL, fabs, span

# Columns eliminated before the rest of the matrix follows: whole vectors.
BLOCK = 64


@njit(**SERIAL)
def _subtract_product(w, row, rows_at, columns_at, target_at, rows, columns, depth):
    """``C -= L U``: `rows_at`, `columns_at` and `target_at` are where L (rows, depth), U (depth, columns) and C lie."""
    tile, size, base = VECTORS * lanes_of(w), w.itemsize, address_of(w)
    if depth <= 0:
        return
    one = np.intp(1)
    for j in range(0, columns, tile):
        right, out = base + (columns_at + j) * size, base + (target_at + j) * size
        some = min(tile, columns - j)
        multiply(base + rows_at * size, row, one, right, row, out, row, rows, some, depth, w, one)


@njit(**FORCED)
def _exchange(w, first, second, columns):
    one, other = span(w, first, columns), span(w, second, columns)
    for j in range(columns):
        one[j], other[j] = other[j], one[j]


@njit(**FORCED)
def _largest(w, start, row, rows):
    """Which element of a column is the largest, the first of equal ones."""
    best, found = w.dtype.type(-1), 0
    for i in range(rows):
        x = fabs(w[start + i * row])
        if x > best:
            best, found = x, i
    return found


@njit(**FORCED)
def _is_zero(w, start, row, rows):
    """Whether a column is 0; one that has no numbers does not make a matrix singular, but no result."""
    for i in range(rows):
        if w[start + i * row] != 0:
            return False
    return True


@njit(**SERIAL)
def _eliminate(w, row, rows, j, multiple, scale):
    """Subtract multiples of row j from those below, on the vector that column j is in; the factors stay there."""
    lanes, size = lanes_of(w), w.itemsize
    first, lane = j // lanes * lanes, j % lanes
    start = j * row + first
    pivot = w[start + lane]
    inverse = 1 / pivot
    if not fabs(inverse) <= np.finfo(w.dtype).max:
        inverse = w.dtype.type(1)
        for i in range(1, rows - j):
            w[start + i * row + lane] /= pivot
    scale[1] = -inverse
    for k in range(lane):
        multiple[k] = 0
    multiple[lane] = -1
    for k in range(lane + 1, lanes):
        multiple[k] = w[start + k]
    below = w.ctypes.data + (start + row) * size
    place = scale.ctypes.data + size
    add_multiples((w,), (below, row, below + lane * size, row, rows - j - 1, place, multiple.ctypes.data, lane))


@njit(**SERIAL)
def _forward(w, row, first, count, at, columns, scale):
    """Solve with the unit lower triangle at (first, first), one vector wide, for columns from `at` on, in place."""
    lanes, size, base = lanes_of(w), w.itemsize, w.ctypes.data
    for c in range(at, at + columns, lanes):
        for j in range(first, first + count - 1):
            here, factors = base + (j * row + c) * size, base + ((j + 1) * row + j) * size
            below = first + count - j - 1
            add_multiples((w,), (here + row * size, row, factors, row, below, scale.ctypes.data, here, -1))


@njit(**SERIAL)
def _backward(w, row, first, count, at, columns, scale):
    """Solve with the upper triangle at (first, first), one vector wide, for columns from `at` on, in place."""
    lanes, size, base = lanes_of(w), w.itemsize, w.ctypes.data
    for j in range(first + count - 1, first - 1, -1):
        here, pivot = span(w, j * row + at, -(-columns // lanes) * lanes), w[j * row + j]
        for k in range(here.size):
            here[k] /= pivot
        top = base + (first * row + at) * size
        for c in range(0, columns, lanes):
            factors, place = base + (first * row + j) * size, c * size
            known = here.ctypes.data + place
            add_multiples((w,), (top + place, row, factors, row, j - first, scale.ctypes.data, known, -1))


@njit(**SERIAL)
def _panel(w, row, rows, columns, p, count, beside, along, pivots, multiple, scale):
    """Eliminate `count` columns from p on, and what else their last vector holds.

    Rows change places, and with them `along` columns from `beside` on. The first zero pivot, from 1, or 0.
    """
    lanes, zero = lanes_of(w), 0
    last = p + count
    edge = min(-(-last // lanes) * lanes, columns)
    for s in range(p, last, lanes):
        some = min(lanes, last - s)
        for j in range(s, s + some):
            other = j + _largest(w, j * row + j, row, rows - j)
            pivots[j] = other + 1
            if other != j:
                _exchange(w, j * row, other * row, columns)
                _exchange(w, j * row + beside, other * row + beside, along)
            if w[j * row + j] != 0:
                _eliminate(w, row, rows, j, multiple, scale)
            elif zero == 0 and _is_zero(w, j * row + j, row, rows - j):
                zero = j + 1
        after = s + lanes
        if after < edge:
            _forward(w, row, s, some, after, edge - after, scale)
            _subtract_product(
                w, row, after * row + s, s * row + after, after * (row + 1), rows - after, edge - after, some
            )
    return zero


@njit(**SERIAL)
def _follow(w, row, rows, p, count, at, columns, scale):
    """Do to the columns from `at` on what eliminating `count` columns from p on did."""
    if columns <= 0:
        return
    lanes, last = lanes_of(w), p + count
    for s in range(p, last, lanes):
        some = min(lanes, last - s)
        _forward(w, row, s, some, at, columns, scale)
        below = s + some
        _subtract_product(w, row, below * row + s, s * row + at, below * row + at, last - below, columns, some)
    _subtract_product(w, row, last * row + p, p * row + at, last * row + at, rows - last, columns, count)


@njit(**SERIAL)
def _factor(w, row, m, n, beside, columns, inverse, pivots, multiple, scale):
    """Factor (m, n) and substitute forward in `columns` columns from `beside` on. The first zero pivot, from 1, or 0.

    When `inverse` is 1 these are an identity's, whose rows stay in place: the result is the inverse of L.
    """
    lanes, zero, count = lanes_of(w), 0, min(m, n)
    for p in range(0, count, BLOCK):
        some = min(BLOCK, count - p)
        # An identity's rows stay where they are, but not what earlier blocks made of them.
        along = p if inverse != 0 else columns
        found = _panel(w, row, m, n, p, some, beside, along, pivots, multiple, scale)
        zero = found if zero == 0 else zero
        edge = -(-(p + some) // lanes) * lanes
        _follow(w, row, m, p, some, edge, n - edge, scale)
        _follow(w, row, m, p, some, beside, min(p + some, columns) if inverse != 0 else columns, scale)
    return zero


@njit(**SERIAL)
def _substitute(w, row, n, beside, columns, scale):
    """Solve with the upper triangle (n, n) for the columns from `beside` on, in place."""
    lanes = lanes_of(w)
    for p in range((n - 1) // BLOCK * BLOCK, -1, -BLOCK):
        last = min(p + BLOCK, n)
        for s in range((last - 1) // lanes * lanes, p - 1, -lanes):
            some = min(lanes, last - s)
            _backward(w, row, s, some, beside, columns, scale)
            _subtract_product(w, row, p * row + s, s * row + beside, p * row + beside, s - p, columns, some)
        _subtract_product(w, row, p, p * row + beside, beside, p, columns, last - p)


@njit(**FORCED)
def _places(m, n, columns, like):
    """The distance of rows in the room, where the right-hand sides begin, where numbers are, and the end."""
    lanes = lanes_of(like)
    beside = -(-n // lanes) * lanes
    row = row_of(beside + columns, like)
    numbers = m * row + VECTORS * lanes
    return row, beside, numbers, numbers + 2 * lanes + 2


def room_of(m: int, n: int, columns: int, like: np.ndarray) -> int:
    """Elements of the room for (m, n) matrices with so many columns beside them."""
    return int(_places.py_func(m, n, columns, like)[-1]) + lanes_of.py_func(like)


@njit(**SERIAL)
def _enter(x, w, row, at, width):
    """Copy a matrix to the room from column `at` on, `width` wide with zeros."""
    columns = x.shape[1]
    for i in range(x.shape[0]):
        source, target = span(x, i * columns, columns), span(w, i * row + at, width)
        for j in range(columns):
            target[j] = source[j]
        for j in range(columns, width):
            target[j] = 0


@njit(**FORCED)
def _prepared(room, m, row, numbers, end):
    """The room from its first vector on, and in it what does not depend on the matrix: a row, and numbers for steps."""
    w = span(room, aligned(room), end)
    for j in range(m * row, end):
        w[j] = 0
    lanes = lanes_of(w)
    multiple, scale = span(w, numbers, lanes), span(w, numbers + lanes, 2)
    scale[0] = -1
    return w, multiple, scale


@njit(**SERIAL)
def lu(a, factors, pivots, info, room):
    """Factor each (m, n) matrix: L below the diagonal of `factors`, U above; row exchanges and zero pivots from 1."""
    batch, m, n = a.shape
    row, beside, numbers, end = _places(m, n, 0, a)
    w, multiple, scale = _prepared(room, m, row, numbers, end)
    none = np.intp(0)
    for i in range(batch):
        _enter(a[i], w, row, none, row)
        info[i] = _factor(w, row, m, n, beside, none, none, pivots[i], multiple, scale)
        for j in range(m):
            source, target = span(w, j * row, n), span(factors, (i * m + j) * n, n)
            for k in range(n):
                target[k] = source[k]


@njit(**SERIAL)
def solve(a, b, inverse, pivots, x, info, room):
    """Solve ``a @ x = b`` of (batch, n, n) and (batch, n, columns); -1, or the first matrix with a zero pivot.

    With `inverse`, whatever `b` is: ``a @ x = 1``. `info` gets the zero pivots, from 1; `pivots` is room for 2 n. One
    kernel for both: each would take seconds to compile.
    """
    batch, n, columns = x.shape
    row, beside, numbers, end = _places(n, n, columns, a)
    w, multiple, scale = _prepared(room, n, row, numbers, end)
    order, bad, none = span(pivots, n, n), -1, np.intp(0)
    for i in range(batch):
        _enter(a[i], w, row, none, row if inverse else beside)
        if inverse:
            for j in range(n):
                w[j * row + beside + j] = 1
        else:
            _enter(b[i], w, row, beside, row - beside)
        info[i] = _factor(w, row, n, n, beside, columns, np.intp(inverse), pivots, multiple, scale)
        if info[i] != 0:
            bad = i if bad < 0 else bad
            continue
        _substitute(w, row, n, beside, columns, scale)
        if inverse:
            # Column j is that of the row which the exchanges brought to place j.
            for j in range(n):
                order[j] = j
            for j in range(n):
                other = pivots[j] - 1
                order[j], order[other] = order[other], order[j]
        for j in range(n):
            source, target = span(w, j * row + beside, columns), span(x, (i * n + j) * columns, columns)
            if inverse:
                for k in range(columns):
                    target[order[k]] = source[k]
            else:
                for k in range(columns):
                    target[k] = source[k]
    return bad
