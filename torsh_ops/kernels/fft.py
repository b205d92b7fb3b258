"""Fourier transforms of a power of two of points, on 16 neighbours at a time.

A row of n = a b >= 256 points is seen as a matrix (a, b): its columns are transformed, turned by exp(-2 pi i j k / n),
transposed, and transformed again (Gentleman and Sande 1966); shorter rows are transposed and transformed 16 at a time.

`plan` holds the sizes, `table` the roots of unity: see `torsh_ops.ops.fft_plan`. `work` is room for what is between.
"""

import numpy as np
from numba import njit

from torsh_ops.kernels.fft_emit import (
    address,
    join_half,
    join_pairs,
    reals,
    split_half,
    split_pairs,
    square_back,
    square_pairs,
    square_parts,
    turn,
)
from torsh_ops.kernels.fft_panel import LANES, PAIRS, PARTS, TWISTED, fetch_columns, sixteen, transform_panel, transpose
from torsh_ops.kernels.vector import FORCED, SERIAL, flat, span

_LANES = np.int64(LANES)
_SQUARE = 256  # as many vectors as a vector has lanes
_NONE = np.int64(0)


@njit(**SERIAL)
def _long_row(like, size, swapped, a, b, source, x, xi, target, y, yi, room, table):
    """Transform one row of `a * b` points, in parts or pairs; `room` is for the matrix and three panels."""
    n, row = a * b, LANES * size
    width = size if source == PARTS else 2 * size
    out_width = size if target == PARTS else 2 * size
    tr, ti = room, room + n * size
    panel = ti + n * size
    pi = panel + a * row
    second = table + 2 * (a - 1) * size
    vectors = second + 2 * (b - 1) * size
    numbers = vectors + 2 * a * row
    for k in range(0, b, LANES):
        number = numbers + k // LANES * a * size
        if source == PAIRS:
            fetch_columns(x + (k + LANES if k + LANES < b else n) * width, b * width, a, LANES * width)
        if target == PAIRS:
            fetch_columns(y + k * a * out_width, a * out_width, LANES, LANES * out_width)
        if a == LANES:
            sixteen(
                like, swapped, source, x + k * width, xi + k * width, b * width, tr + k * row, ti + k * row, vectors,
                vectors + a * row, number, number + n // LANES * size,
            )  # fmt: skip
            continue
        transform_panel(
            like, size, swapped, a, source, x + k * width, xi + k * width, b * width, TWISTED, panel, pi, row,
            pi + a * row, table, vectors, vectors + a * row, number, number + n // LANES * size,
        )  # fmt: skip
        for i in range(0, a, LANES):
            turn(like, panel + i * row, row, tr + (k * a + i) * size, a * size)
            turn(like, pi + i * row, row, ti + (k * a + i) * size, a * size)
    for k in range(0, a, LANES):
        if target == PAIRS and k + LANES < a:
            fetch_columns(y + (k + LANES) * out_width, a * out_width, b, LANES * out_width)
        transform_panel(
            like, size, swapped, b, PARTS, tr + k * size, ti + k * size, a * size, target, y + k * out_width,
            yi + k * out_width, a * out_width, panel, second, _NONE, _NONE, _NONE, _NONE,
        )  # fmt: skip


@njit(**FORCED)
def _split(x, re, im):
    n, like, size = re.size, x.dtype.type(1), x.itemsize
    whole = n // LANES * LANES
    for i in range(0, whole, LANES):
        split_pairs(like, address(x) + 2 * i * size, address(re) + i * size, address(im) + i * size)
    for i in range(whole, n):
        re[i], im[i] = x[2 * i], x[2 * i + 1]


@njit(**FORCED)
def _join(re, im, out, scale):
    n, size = re.size, out.itemsize
    whole = n // LANES * LANES
    for i in range(0, whole, LANES):
        join_pairs(scale, address(re) + i * size, address(im) + i * size, address(out) + 2 * i * size)
    for i in range(whole, n):
        out[2 * i], out[2 * i + 1] = re[i] * scale, im[i] * scale


@njit(**FORCED)
def _join_half(re, im, cos, sin, out, scale):
    """The first half of the transform of 2 h real numbers, from that of h pairs of them (Sorensen et al. 1987).

    h is a multiple of 16. Number 0 of the first vector comes out wrong, having no partner, and is put right after.
    """
    h, size, half = re.size, out.itemsize, scale * out.dtype.type(0.5)
    x, y = address(re), address(im)
    for k in range(0, h, LANES):
        end = (h - k - LANES + 1) * size
        join_half(
            half, x + k * size, y + k * size, x + end, y + end, address(cos) + k * size, address(sin) + k * size,
            address(out) + 2 * k * size,
        )  # fmt: skip
    out[0], out[1] = (re[0] + im[0]) * scale, out.dtype.type(0)
    out[2 * h], out[2 * h + 1] = (re[0] - im[0]) * scale, out.dtype.type(0)


@njit(**FORCED)
def _split_half(x, cos, sin, re, im):
    """The reverse of `_join_half`, doubled; the imaginary parts of the first and the last number do not count."""
    h, size, like = re.size, x.itemsize, x.dtype.type(1)
    at = address(x)
    for k in range(0, h, LANES):
        split_half(
            like, at + 2 * k * size, at + 2 * (h - k - LANES + 1) * size, address(cos) + k * size,
            address(sin) + k * size, address(re) + k * size, address(im) + k * size,
        )  # fmt: skip
    re[0], im[0] = x[0] + x[2 * h], x[0] - x[2 * h]


# What the rows are before and after.
COMPLEX, TO_HALF, FROM_HALF = np.int64(0), np.int64(1), np.int64(2)


@njit(**SERIAL)
def _take(kind, x, cos, sin, re, im):
    """Take a row apart into its real and imaginary parts."""
    if kind == FROM_HALF:
        _split_half(flat(x), flat(cos), flat(sin), flat(re), flat(im))
    else:
        _split(flat(x), flat(re), flat(im))


@njit(**SERIAL)
def _give(kind, re, im, cos, sin, out, scale):
    """Put a row together from its real and imaginary parts, times `scale`."""
    if kind == TO_HALF:
        _join_half(flat(re), flat(im), flat(cos), flat(sin), flat(out), scale)
    else:
        _join(flat(re), flat(im), flat(out), scale)


@njit(**SERIAL)
def _square_rows(like, size, swapped, x, count, y):
    """Transform rows of 256 pairs to pairs, in registers: 0.6 of the time of `_long_row`."""
    step = 2 * _SQUARE * size
    for r in range(count):
        if swapped:
            square_back(like, x + r * step, y + r * step, _NONE)
        else:
            square_pairs(like, x + r * step, y + r * step, _NONE)


@njit(**SERIAL)
def _square_row(like, x, y, yi):
    """Transform a row of 256 pairs to parts."""
    square_parts(like, x, y, yi)


@njit(**SERIAL)
def rows(x, out, kind, inverse, scale, a, b, table, work):
    """Transform each row of `a * b` complex numbers (b 1: a short one), times `scale`.

    `x` and `out` are flat. Rows TO_HALF are twice as many real numbers, FROM_HALF come from
    the first half of the coefficients.
    """
    x, out, like, swapped, size = reals(x), reals(out), work.dtype.type(scale), np.int64(inverse), work.itemsize
    n = a * b
    width = 2 * n + 2 if kind == FROM_HALF else 2 * n
    out_width = 2 * n + 2 if kind == TO_HALF else 2 * n
    count = x.size // width
    room, tables, turns = address(work), address(table), table.size - 2 * n
    cos, sin = span(table, turns, n), span(table, turns + n, n)
    if b == 1:
        _short_rows(like, size, kind, inverse, n, count, x, out, tables, cos, sin, work)
        return
    if n == _SQUARE and kind == COMPLEX:
        _square_rows(like, size, swapped, address(x), count, address(out))
        return
    re, im = span(work, 0, n), span(work, n, n)
    rest = room + 2 * n * size
    # In parts, the inverse is had by taking one for the other.
    pr, pi = (room + n * size, room) if inverse else (room, room + n * size)
    for r in range(count):
        row, to = span(x, r * width, width), span(out, r * out_width, out_width)
        source, x_at, xi_at = PAIRS, address(row), _NONE
        target, y_at, yi_at = PAIRS, address(to), _NONE
        if kind == FROM_HALF:
            _take(kind, row, cos, sin, re, im)
            source, x_at, xi_at = PARTS, pr, pi
        if kind == TO_HALF:
            target, y_at, yi_at = PARTS, pr, pi
        if n == _SQUARE and kind == TO_HALF:
            _square_row(like, x_at, y_at, yi_at)
        else:
            _long_row(like, size, swapped, a, b, source, x_at, xi_at, target, y_at, yi_at, rest, tables)
        if kind == TO_HALF:
            _give(kind, re, im, cos, sin, to, like)


@njit(**FORCED)
def _short_rows(like, size, kind, inverse, n, count, x, out, table, cos, sin, work):
    room, block, step = address(work), LANES * n, LANES * size
    part = block * size
    pr, pi = (room + 3 * part, room + 2 * part) if inverse else (room + 2 * part, room + 3 * part)
    width, out_width = x.size // count, out.size // count
    for first in range(0, count, LANES):
        last = min(first + LANES, count)
        for r in range(first, last):
            at = (r - first) * n
            _take(kind, span(x, r * width, width), cos, sin, span(work, at, n), span(work, block + at, n))
        transpose(like, size, _LANES, n, room, room + 2 * part)
        transpose(like, size, _LANES, n, room + part, room + 3 * part)
        transform_panel(
            like,
            size,
            _NONE,
            n,
            PARTS,
            pr,
            pi,
            step,
            PARTS,
            pr,
            pi,
            step,
            room + 4 * part,
            table,
            _NONE,
            _NONE,
            _NONE,
            _NONE,
        )
        transpose(like, size, n, _LANES, room + 2 * part, room)
        transpose(like, size, n, _LANES, room + 3 * part, room + part)
        for r in range(first, last):
            at, to = (r - first) * n, span(out, r * out_width, out_width)
            _give(kind, span(work, at, n), span(work, block + at, n), cos, sin, to, like)


@njit(**SERIAL)
def columns(x, out, outer, n, inverse, scale, table, work):
    """Transform the middle dimension of contiguous complex numbers (outer, n, inner), times `scale`.

    `out` may be `x`.
    """
    x, out, like, swapped, size = reals(x), reals(out), work.dtype.type(scale), np.int64(inverse), work.itemsize
    width = x.size // (outer * n)
    room, tables = address(work), address(table)
    step, block = LANES * size, n * LANES
    pr, pi = room, room + block * size
    for o in range(outer):
        for c in range(0, width, 2 * LANES):
            start = o * n * width + c
            lanes = min(LANES, (width - c) // 2)
            if lanes == LANES:
                source, target = address(span(x, start, 1)), address(span(out, start, 1))
                transform_panel(
                    like, size, swapped, n, PAIRS, source, _NONE, width * size, PAIRS, target, _NONE, width * size,
                    room + 2 * block * size, tables, _NONE, _NONE, _NONE, _NONE,
                )  # fmt: skip
                continue
            for i in range(n):
                at = span(x, start + i * width, 2 * lanes)
                _take(COMPLEX, at, table, table, span(work, i * LANES, lanes), span(work, block + i * LANES, lanes))
            xr, xi = (pi, pr) if inverse else (pr, pi)
            transform_panel(
                like,
                size,
                _NONE,
                n,
                PARTS,
                xr,
                xi,
                step,
                PARTS,
                xr,
                xi,
                step,
                room + 2 * block * size,
                tables,
                _NONE,
                _NONE,
                _NONE,
                _NONE,
            )
            for i in range(n):
                to = span(out, start + i * width, 2 * lanes)
                _give(
                    COMPLEX, span(work, i * LANES, lanes), span(work, block + i * LANES, lanes), table, table, to, like
                )


@njit(**SERIAL)
def frames(x, hop, window, out, scale, a, b, table, work, block):
    """Transform pieces of `x`, `hop` apart and times `window`, to the first half of their coefficients, times `scale`.

    `x` is flat, `out` (count, n / 2 + 1); `block` has room for 16 pieces, so they do not leave the first-level caches.
    """
    n, w, to = window.size, flat(window), reals(out)
    count, width = out.shape[0], 2 * out.shape[1]
    for first in range(0, count, LANES):
        some = min(LANES, count - first)
        for r in range(some):
            source, piece = span(x, (first + r) * hop, n), span(block, r * n, n)
            for i in range(n):
                piece[i] = source[i] * w[i]
        rows(span(block, 0, some * n), span(to, first * width, some * width), TO_HALF, False, scale, a, b, table, work)


@njit(**SERIAL)
def plane(x, out, height, inverse, scale, a, b, table, column_table, work):
    """Transform each contiguous matrix of complex numbers (height, a * b) over its columns and its rows."""
    n = a * b
    columns(x, out, out.size // (height * n), height, inverse, 1.0, column_table, work)
    rows(out, out, COMPLEX, inverse, scale, a, b, table, work)
