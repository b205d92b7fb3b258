"""What Fourier transforms are made of: panels of 16 columns, and the turns between them.

A panel is n rows of 16 complex numbers, real and imaginary parts apart; its columns are transformed together by
Stockham's passes (Cochran et al. 1967: no reordering) of radix 8 and 4. Swapping the parts makes it the inverse.
"""

import numpy as np
from numba import njit

from torsh_ops.kernels.fft_emit import (
    close4,
    close8,
    fetch,
    middle4,
    middle8,
    open4,
    open4_back,
    open8,
    open8_back,
    pairs4,
    pairs4_back,
    pairs8,
    pairs8_back,
    sixteen_back,
    sixteen_pairs,
    sixteen_parts,
    turn,
    twisted4,
    twisted8,
)
from torsh_ops.kernels.vector import FORCED, SERIAL

LANES = 16
# Where a panel comes from and where it goes to. Numba compiles a function again for each literal number that it is
# called with, but not for these.
PARTS, PAIRS, TWISTED = np.int64(0), np.int64(1), np.int64(2)
_ONE = np.int64(1)


@njit(**FORCED)
def _radix(n):
    """The radix of the first pass over n points, a power of two from 4 on: 8 unless that would leave 2."""
    return 4 if n == 4 or n == 16 else 8


@njit(**SERIAL)
def _pass(like, source, swapped, radix, m, s, x, xi, xs, y, yi, ys, w, wi):
    """One of Stockham's passes but the last: `m` groups of `s` small transforms."""
    x_step, y_step, size = m * s * xs, s * ys, ys // LANES
    for p in range(m):
        for q in range(s):
            at, to = (p * s + q) * xs, (p * radix * s + q) * ys
            if source == PARTS and radix == 8:
                middle8(like, x + at, xi + at, x_step, y + to, yi + to, y_step, w, wi, 0, 0)
            elif source == PARTS:
                middle4(like, x + at, xi + at, x_step, y + to, yi + to, y_step, w, wi, 0, 0)
            elif radix == 8 and swapped:
                open8_back(like, x + at, xi, x_step, y + to, yi + to, y_step, w, wi, 0, 0)
            elif radix == 8:
                open8(like, x + at, xi, x_step, y + to, yi + to, y_step, w, wi, 0, 0)
            elif swapped:
                open4_back(like, x + at, xi, x_step, y + to, yi + to, y_step, w, wi, 0, 0)
            else:
                open4(like, x + at, xi, x_step, y + to, yi + to, y_step, w, wi, 0, 0)
        w += (radix - 1) * size
        wi += (radix - 1) * size


@njit(**SERIAL)
def _last_pass(like, target, swapped, radix, s, x, xi, xs, y, yi, ys, a, b, c, d):
    """The last pass, of `s` small transforms."""
    x_step, y_step, small = s * xs, s * ys, ys // LANES
    for q in range(s):
        at, to, number = q * xs, q * ys, q * small
        re, im = x + at, xi + at
        if target == PAIRS and radix == 8 and swapped:
            pairs8_back(like, re, im, x_step, y + to, yi, y_step, 0, 0, 0, 0)
        elif target == PAIRS and radix == 8:
            pairs8(like, re, im, x_step, y + to, yi, y_step, 0, 0, 0, 0)
        elif target == PAIRS and swapped:
            pairs4_back(like, re, im, x_step, y + to, yi, y_step, 0, 0, 0, 0)
        elif target == PAIRS:
            pairs4(like, re, im, x_step, y + to, yi, y_step, 0, 0, 0, 0)
        elif target == PARTS and radix == 8:
            close8(like, re, im, x_step, y + to, yi + to, y_step, 0, 0, 0, 0)
        elif target == PARTS:
            close4(like, re, im, x_step, y + to, yi + to, y_step, 0, 0, 0, 0)
        elif radix == 8:
            twisted8(like, re, im, x_step, y + to, yi + to, y_step, a + to, b + to, c + number, d + number)
        else:
            twisted4(like, re, im, x_step, y + to, yi + to, y_step, a + to, b + to, c + number, d + number)


@njit(**SERIAL)
def transform_panel(like, size, swapped, n, source, x, xi, xs, target, y, yi, ys, room, w, a, b, c, d):
    """Transform `n` >= 16 rows of 16 from x to y, which may be the same; `room` is for two panels.

    PAIRS have their parts side by side, exchanged where `swapped`; a TWISTED target is multiplied by the vectors at a
    and b and the numbers at c and d, one of each for a row.
    """
    row = LANES * size
    here, there = room, room + 2 * n * row
    wi, part, left, s = w + (n - 1) * size, n * row, n, _ONE
    while left > 8:
        radix = _radix(left)
        m = left // radix
        _pass(like, source, swapped, radix, m, s, x, xi, xs, here, here + part, row, w, wi)
        source, x, xi, xs = PARTS, here, here + part, row
        here, there = there, here
        w += m * (radix - 1) * size
        wi += m * (radix - 1) * size
        left, s = m, s * radix
    _last_pass(like, target, swapped, left, s, x, xi, xs, y, yi, ys, a, b, c, d)


@njit(**SERIAL)
def transpose(like, size, rows, columns, x, y):
    """Write the transpose of a matrix; both sizes are multiples of 16."""
    for i in range(0, rows, LANES):
        for j in range(0, columns, LANES):
            turn(like, x + (i * columns + j) * size, columns * size, y + (j * rows + i) * size, rows * size)


@njit(**SERIAL)
def sixteen(like, swapped, source, x, xi, step, y, yi, a, b, c, d):
    """Transform 16 rows of 16, twist and transpose them in registers: 0.4 of the time of a panel and two turns."""
    if source == PARTS:
        sixteen_parts(like, x, xi, step, y, yi, a, b, c, d)
    elif swapped:
        sixteen_back(like, x, xi, step, y, yi, a, b, c, d)
    else:
        sixteen_pairs(like, x, xi, step, y, yi, a, b, c, d)


@njit(**SERIAL)
def fetch_columns(x, step, rows, nbytes):
    """Ask for `nbytes` of each of `rows`, a `step` apart."""
    for i in range(rows):
        for line in range(0, nbytes, 64):
            fetch(x + i * step + line)
