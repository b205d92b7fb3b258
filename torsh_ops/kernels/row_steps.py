"""The vector steps that factorisations are made of: sums of multiples of rows, and multiples added to rows.

Matrices are addresses; element (i, j) of one is `row * i + j` from its start. A row is read and written one vector at
a time, so what lies between a row's last column and the next vector's start must be there to be overwritten.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit

from torsh_ops.kernels.conv_emit import INT32, INT64, VECTOR_BYTES, Emitter, kernel_intrinsic
from torsh_ops.kernels.gemm_tile import LINES, ROWS, Kind, tile_of
from torsh_ops.kernels.vector import FORCED, SERIAL

# Sums kept side by side, so that an addition does not wait for the one before.
_SUMS = 4
WIDE = 4


def _pointers(e: Emitter, *names: str) -> None:
    for name in names:
        e.args[name] = e.builder.inttoptr(e.args[name], e.scalar.as_pointer())


def _loop(e: Emitter, first: Any, last: Any, step: int, carried: list[Any], body: Any) -> list[Any]:
    """Emit ``for i in range(first, last, step): carried = body(i, carried)``; returns what is carried at the end."""
    b = e.builder
    before = b.block
    head, inside, after = (b.append_basic_block(name) for name in ("head", "inside", "after"))
    b.branch(head)
    b.position_at_end(head)
    index = b.phi(INT64)
    phis = [b.phi(value.type) for value in carried]
    b.cbranch(b.icmp_signed("<", index, last), inside, after)
    b.position_at_end(inside)
    grown = body(index, phis)
    following = b.add(index, INT64(step))
    for phi, start, then in zip([index, *phis], [first, *carried], [following, *grown], strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(then, b.block)
    b.branch(head)
    b.position_at_end(after)
    return phis


def _emit_sum(e: Emitter, vectors: int = 1) -> None:
    _pointers(e, "x", "factors", "out")
    b, a = e.builder, e.args

    def products(i: Any, further: int, totals: list[Any]) -> list[Any]:
        row = b.add(i, INT64(further)) if further else i
        factor, place = e.splat(e.load(a["factors"], b.mul(row, a["factor_row"]))), b.mul(row, a["row"])
        return [e.add_product(factor, e.load_vector(a["x"], place, e.width * n), t) for n, t in enumerate(totals)]

    def body(i: Any, sums: list[Any]) -> list[Any]:
        return [t for n in range(_SUMS) for t in products(i, n, sums[n * vectors : (n + 1) * vectors])]

    whole = b.and_(a["rows"], INT64(-_SUMS))
    sums = _loop(e, INT64(0), whole, _SUMS, [e.zeros()] * (_SUMS * vectors), body)
    while len(sums) > vectors:
        half = len(sums) // 2
        sums = [b.fadd(x, y) for x, y in zip(sums[:half], sums[half:], strict=True)]
    sums = _loop(e, whole, a["rows"], 1, sums, lambda i, s: products(i, 0, s))
    for n, total in enumerate(sums):
        e.store_vector(total, a["out"], e.width * n)


def _emit_add(e: Emitter) -> None:
    _pointers(e, "x", "factors", "scale", "multiple")
    b, a = e.builder, e.args
    scale, multiple = e.splat(e.load(a["scale"])), e.load_vector(a["multiple"])
    lanes = ir.Constant(ir.VectorType(INT32, e.width), list(range(e.width)))
    kept = b.icmp_signed("!=", lanes, e.splat(b.trunc(a["lane"], INT32)))

    def body(i: Any, _: Any) -> list[Any]:
        place = b.mul(i, a["row"])
        factor = b.fmul(e.splat(e.load(a["factors"], b.mul(i, a["factor_row"]))), scale)
        e.store_vector(e.add_product(factor, multiple, e.read_masked(kept, a["x"], place)), a["x"], place)
        return []

    _loop(e, INT64(0), a["rows"], 1, [], body)


def _emit_rotation(e: Emitter) -> None:
    _pointers(e, "x", "y", "angle")
    b, a = e.builder, e.args
    cosine, sine = (e.splat(e.load(a["angle"], n)) for n in range(2))
    back = b.fneg(sine)

    def body(j: Any, _: Any) -> list[Any]:
        x, y = e.load_vector(a["x"], j), e.load_vector(a["y"], j)
        e.store_vector(e.add_product(cosine, x, b.fmul(back, y)), a["x"], j)
        e.store_vector(e.add_product(cosine, y, b.fmul(sine, x)), a["y"], j)
        return []

    _loop(e, INT64(0), a["columns"], e.width, [], body)


# ``out = factors @ x``, one vector of it.
sum_rows = kernel_intrinsic("like", "x row factors factor_row rows out", _emit_sum)
# The same of WIDE vectors: rows are then read in longer runs.
sum_wide_rows = kernel_intrinsic("like", "x row factors factor_row rows out", lambda e: _emit_sum(e, WIDE))
# ``x += outer(factors * scale, multiple)``, one vector wide; the column in `lane` (-1: none), which may be that of the
# factors, counts as 0 before.
add_multiples = kernel_intrinsic("like", "x row factors factor_row rows scale multiple lane", _emit_add)

# ``x, y = c x - s y, s x + c y`` of two rows; c and s lie at `angle`, and `columns` are whole vectors.
rotate_rows = kernel_intrinsic("like", "x y columns angle", _emit_rotation)


@njit(**FORCED)
def lanes_of(like):
    """Elements of a vector."""
    return VECTOR_BYTES // like.itemsize


@njit(**FORCED)
def row_of(columns, like):
    """The distance of rows of so many columns: whole vectors, an odd number, so that rows share no lines of a cache."""
    lanes = VECTOR_BYTES // like.itemsize
    return (-(-columns // lanes) | 1) * lanes


@njit(**FORCED)
def aligned(room):
    """The first place in `room` that is the start of a vector."""
    return -(room.ctypes.data // room.itemsize) % (VECTOR_BYTES // room.itemsize)


@njit(**FORCED)
def address_of(array):
    """Where an array lies, as a number of the type of all other numbers: each type compiles its own code."""
    return np.intp(array.ctypes.data)


_product_tile = tile_of(Kind("alone", fewest=1))
_subtracting_tile = tile_of(Kind("subtracting", LINES, minus=True, fewest=1))


@njit(**SERIAL)
def multiply(left, left_row, left_col, right, right_row, out, out_row, rows, columns, depth, like, subtract):
    """``out = left @ right`` of up to a tile's columns, or ``out -= left @ right`` when `subtract` is 1.

    Matrices are addresses, `like` gives the dtype. Whole vectors of `right` are read.
    """
    size = like.itemsize
    for i in range(0, rows, ROWS):
        here, there, some = left + i * left_row * size, out + i * out_row * size, min(ROWS, rows - i)
        numbers = (here, left_row, left_col, right, right_row, there, out_row, depth, columns)
        if subtract:
            _subtracting_tile((like,), (*numbers, there, out_row, 0, some))
        else:
            _product_tile((like,), (*numbers, some))
