"""Elements by their place. Arrays are flat; (outer, n, inner) is the shape of any array about one of its dimensions."""

from numba import njit

from torsh_ops.kernels.run import STREAMED_BYTES, add_run, copy_run, fetch_ahead, settle
from torsh_ops.kernels.vector import SERIAL, flat, span


@njit(**SERIAL)
def first_outside(index, size):
    """Position of the first element of the flat `index` that is not in [0, size); -1 when all are."""
    index = flat(index)
    outside = 0
    for i in range(index.size):
        outside += (index[i] < 0) | (index[i] >= size)
    if outside:
        for i in range(index.size):
            if index[i] < 0 or index[i] >= size:
                return i
    return -1


@njit(**SERIAL)
def take_lines(x, index, out, outer, n, inner):
    """`out[a, i] = x[a, index[i]]`, lines of (outer, n, inner). Returns what `first_outside` says; copies if -1."""
    bad = first_outside(index, n)
    if bad >= 0:
        return bad
    taken = index.size
    large = out.size * out.itemsize >= STREAMED_BYTES
    large = large and inner * out.itemsize % 64 == 0 and out.ctypes.data % 64 == 0
    for a in range(outer):
        if inner == 1:
            source, y = span(x, a * n, n), span(out, a * taken, taken)
            for i in range(taken):
                y[i] = source[index[i]]
            continue
        for i in range(taken):
            # The line eight ahead is on its way while this one is copied.
            fetch_ahead(x, (a * n + index[min(i + 8, taken - 1)]) * inner)
            copy_run(x, (a * n + index[i]) * inner, out, (a * taken + i) * inner, inner, large)
    if large:
        settle()
    return -1


@njit(**SERIAL)
def add_lines(out, index, source, outer, n, inner):
    """`out[a, index[i]] += source[a, i]`, lines of (outer, n, inner). Returns as `take_lines`."""
    bad = first_outside(index, n)
    if bad >= 0:
        return bad
    count = index.size
    for a in range(outer):
        for i in range(count):
            add_run(source, (a * count + i) * inner, out, (a * n + index[i]) * inner, inner, False)
    return -1


@njit(**SERIAL)
def gather(x, index, out, outer, n, inner):
    """`out[a, i, k] = x[a, index[a, i, k], k]` of (outer, n, inner). Returns as `take_lines`."""
    bad = first_outside(index, n)
    if bad >= 0:
        return bad
    m = index.size // (outer * inner)
    for a in range(outer):
        if inner == 1:
            source, places, y = span(x, a * n, n), span(index, a * m, m), span(out, a * m, m)
            for i in range(m):
                y[i] = source[places[i]]
            continue
        source = span(x, a * n * inner, n * inner)
        for i in range(m):
            places, y = span(index, (a * m + i) * inner, inner), span(out, (a * m + i) * inner, inner)
            for k in range(inner):
                y[k] = source[places[k] * inner + k]
    return -1


@njit(**SERIAL)
def scatter_add(out, index, source, outer, n, inner):
    """`out[a, index[a, i, k], k] += source[a, i, k]` of (outer, n, inner). Returns as `take_lines`."""
    bad = first_outside(index, n)
    if bad >= 0:
        return bad
    m = index.size // (outer * inner)
    for a in range(outer):
        y = span(out, a * n * inner, n * inner)
        if inner == 1:
            places, s = span(index, a * m, m), span(source, a * m, m)
            for i in range(m):
                y[places[i]] += s[i]
            continue
        for i in range(m):
            places, s = span(index, (a * m + i) * inner, inner), span(source, (a * m + i) * inner, inner)
            for k in range(inner):
                y[places[k] * inner + k] += s[k]
    return -1


@njit(**SERIAL)
def fill_masked(x, mask, value, out):
    """`value` where `mask` is true, else `x`; the mask repeats along the leading dimensions."""
    n, value = mask.size, out.dtype.type(value)
    for start in range(0, out.size, n):
        source, y = span(x, start, n), span(out, start, n)
        for i in range(n):
            y[i] = value if mask[i] else source[i]


@njit(**SERIAL)
def select_masked(x, mask, out):
    """The elements where `mask` is true, in order; `out` has one place more, for what is written and not kept."""
    kept = 0
    for i in range(mask.size):
        out[kept] = x[i]
        kept += mask[i]


@njit(**SERIAL)
def places(mask, columns, out):
    """Row and column, as pairs, of what is true in rows of `columns`; `out` has one pair more than there are.

    Returns how many there are.
    """
    kept = 0
    for r in range(mask.size // columns):
        line = span(mask, r * columns, columns)
        for c in range(columns):
            out[2 * kept] = r
            out[2 * kept + 1] = c
            kept += line[c]
    return kept
