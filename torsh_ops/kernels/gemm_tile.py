"""The register tile that matrix products are made of, and the transposition that brings operands into its order.

A tile keeps ROWS rows of two vectors of the result in registers. On the machine it was measured on (Emerald Rapids,
AVX-512) its inner loop runs at 98 % of the peak of the multiply-add units, out of the first or second level cache.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils

from torsh_ops.kernels.conv_emit import INT32, INT64, VECTOR_BYTES, Emitter, kernel_intrinsic
from torsh_ops.kernels.conv_emit import ROWS as CONV_ROWS
from torsh_ops.kernels.vector import SERIAL

# Two vectors a row: 24 sums, two columns and one factor fill 27 of 32 registers; 8 sums and so on 16 registers.
ROWS = 12 if CONV_ROWS == 8 else 4
VECTORS = 2
# A pointer for every so many rows: one row further and two are addressing modes, so the pointers stay in registers.
_GROUP = 3
# From this depth on a tile lasts long enough for its part of the result to come from memory meanwhile.
DEEP = 128
# Emits what a step of a tile's loop does beside its multiplications, given its number and the columns' vectors.
Beside = Callable[[Emitter, Any, list[Any]], None]


def columns_of(itemsize: int) -> int:
    """Columns of a tile."""
    return VECTORS * VECTOR_BYTES // itemsize


def _pointers(e: Emitter, *names: str) -> None:
    """Make pointers of the arguments that are addresses; arrays would cost a count of references at every tile."""
    for name in names:
        e.args[name] = e.builder.inttoptr(e.args[name], e.scalar.as_pointer())


def _fetch(e: Emitter) -> None:
    _pointers(e, "c")
    b, a = e.builder, e.args
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, INT32, INT32, INT32])
    function = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0")
    for v in range(VECTORS):
        place = b.bitcast(e.at(a["c"], a["c_at"], e.width * v), byte)
        b.call(function, [place, INT32(1), INT32(3), INT32(1)])


# Ask for a tile's width of memory that will be written.
prefetch_tile = kernel_intrinsic("scale", "c c_at", _fetch)


def _opaque(e: Emitter, pointer: Any) -> Any:
    """The pointer, by an instruction that is none: else LLVM makes each row's of the one before, a chain of additions.

    That chain takes longer than the tile's multiplications (13 cycles against 12).
    """
    kind = ir.FunctionType(pointer.type, [pointer.type])
    return e.builder.asm(kind, "", "=r,0", [pointer], side_effect=False)


def _sums(e: Emitter, rows: int, vectors: int, beside: Beside | None) -> list[list[Any]]:
    """Emit the loop over the depth; returns rows x vectors of sums.

    Sums begin at `start` where the tile has one. `beside` emits what else each step does.
    """
    b, a = e.builder, e.args
    heads = [_opaque(e, e.at(a["a"], a["a_at"], b.mul(INT64(row), a["a_row"]))) for row in range(0, rows, _GROUP)]
    start = e.at(a["b"], a["b_at"])
    steps = [None, a["a_row"], b.mul(a["a_row"], INT64(2))]
    begun = [e.splat(e.load(a["start"], a["start_at"], row)) if "start" in a else e.zeros() for row in range(rows)]
    before, loop, after = b.block, b.append_basic_block("depth"), b.append_basic_block("summed")
    b.branch(loop)
    b.position_at_end(loop)
    step = b.phi(INT64)
    pointers, place = [b.phi(head.type) for head in heads], b.phi(start.type)
    sums = [[b.phi(e.vector) for _ in range(vectors)] for _ in range(rows)]
    columns = [e.load_vector(place, e.width * v) for v in range(vectors)]
    if beside:
        beside(e, step, columns)
    grown = []
    for row in range(rows):
        pointer, further = pointers[row // _GROUP], steps[row % _GROUP]
        factor = e.splat(b.load(pointer if further is None else b.gep(pointer, [further])))
        grown.append([e.add_product(factor, x, total) for x, total in zip(columns, sums[row], strict=True)])
    following = b.add(step, INT64(1))
    for phi, first, then in (
        (step, INT64(0), following),
        (place, start, b.gep(place, [a["b_row"]])),
        *((p, head, b.gep(p, [a["a_col"]])) for p, head in zip(pointers, heads, strict=True)),
        *((s, v, g) for v, old, new in zip(begun, sums, grown, strict=True) for s, g in zip(old, new, strict=True)),
    ):
        phi.add_incoming(first, before)
        phi.add_incoming(then, b.block)
    b.cbranch(b.icmp_signed("<", following, a["depth"]), loop, after)
    b.position_at_end(after)
    return grown


def _store(e: Emitter, sums: list[list[Any]], mask: Any) -> None:
    """Store ``alpha * sums + beta * c``, or the sums alone where `add` is 0: a third of the work at small depths."""
    b, a = e.builder, e.args
    if "add" not in a:
        _write(e, sums, mask, [])
        return
    with b.if_else(b.icmp_signed("!=", a["add"], INT64(0))) as (mixed, plain):
        with mixed:
            _write(e, sums, mask, [e.splat(e.load(a["scale"], at)) for at in (0, a["beta_at"])])
        with plain:
            _write(e, sums, mask, [])


def _write(e: Emitter, sums: list[list[Any]], mask: Any, scalars: list[Any]) -> None:
    b, a = e.builder, e.args
    for row, totals in enumerate(sums):
        place = e.at(a["c"], a["c_at"], b.mul(INT64(row), a["c_row"]))
        for v, total in enumerate(totals[:-1]):
            if scalars:
                old = e.load_vector(place, e.width * v)
                total = e.add_product(scalars[0], total, b.fmul(scalars[1], old))
            e.store_vector(total, place, e.width * v)
        last, total = e.width * (len(totals) - 1), totals[-1]
        if scalars:
            total = e.add_product(scalars[0], total, b.fmul(scalars[1], e.read_masked(mask, place, last)))
        e.write_masked(mask, total, place, last)


def emit_tiles(e: Emitter, fewest: int = 1, beside: Beside | None = None) -> None:
    """Choose among the tiles: one for every number of rows, of one and of two vectors."""
    _pointers(e, "a", "b", "c")
    b, a = e.builder, e.args
    after = b.append_basic_block("tiled")
    wide = b.icmp_signed(">", a["columns"], INT64(e.width))
    which = b.add(b.mul(b.zext(wide, INT64), INT64(ROWS)), a["rows"])
    here = b.switch(which, after)
    for vectors in range(1, VECTORS + 1):
        for rows in range(fewest, ROWS + 1):
            block = b.append_basic_block(f"tile{vectors}x{rows}")
            here.add_case(INT64((vectors - 1) * ROWS + rows), block)
            b.position_at_end(block)
            mask = e.first_lanes(b.sub(a["columns"], INT64(e.width * (vectors - 1))))
            _store(e, _sums(e, rows, vectors, beside), mask)
            b.branch(after)
    b.position_at_end(after)


NUMBERS = "a b c a_at a_row a_col b_at b_row c_at c_row rows columns depth"
_tile = kernel_intrinsic("scale", f"{NUMBERS} beta_at add", emit_tiles)
# Rows shared out evenly among tiles are no fewer, once there is a whole tile of them.
FEWEST_ROWS = ROWS // 2
_plain_tile = kernel_intrinsic("like", NUMBERS, lambda e: emit_tiles(e, FEWEST_ROWS))


@njit(**SERIAL)
def strip(a, a_at, a_row, a_col, b, b_at, b_row, b_step, c, c_at, c_row, rows, columns, depth, scale, beta_at, add):
    """Up to ROWS rows of a product: ``c = a @ b``, or ``scale[0] * a @ b + scale[beta_at] * c`` when `add` is 1.

    `a`, `b` and `c` are addresses, `scale` gives the dtype. Element (i, k) of `a` is at
    ``a_at + i * a_row + k * a_col``. Each tile's columns of `b` are contiguous and read in whole vectors; its rows are
    `b_row` apart and tiles `b_step`. `depth` is at least 1.
    """
    tile = VECTORS * (VECTOR_BYTES // scale.itemsize)
    for first in range(0, columns, tile):
        some = min(tile, columns - first)
        if depth >= DEEP:
            for i in range(rows):
                prefetch_tile((scale,), (c, c_at + first + i * c_row))
        numbers = (a, b, c, a_at, a_row, a_col, b_at, b_row, c_at + first, c_row, rows, some, depth, beta_at, add)
        _tile((scale,), numbers)
        b_at += b_step


@njit(**SERIAL)
def plain_strip(a, a_at, a_row, a_col, b, b_at, b_row, c, c_at, c_row, rows, columns, depth, like):
    """``c = a @ b`` as `strip`, of `b` as it lies and FEWEST_ROWS or more; the array `like` gives the dtype."""
    tile = VECTORS * (VECTOR_BYTES // like.itemsize)
    for first in range(0, columns, tile):
        some = min(tile, columns - first)
        numbers = (a, b, c, a_at, a_row, a_col, b_at + first, b_row, c_at + first, c_row, rows, some, depth)
        _plain_tile((like,), numbers)


def _turn(e: Emitter) -> None:
    """Transpose one vector's width of rows and columns by interleaving; what lies beyond the edges is doubled."""
    b, a = e.builder, e.args
    last_row, last_column = (b.sub(a[name], INT64(1)) for name in ("rows", "columns"))
    mask = e.first_lanes(a["columns"])
    vectors = [
        e.read_masked(mask, a["x"], a["x_at"], b.mul(e.at_most(i, last_row), a["x_row"])) for i in range(e.width)
    ]
    half = e.width // 2
    for _ in range(half.bit_length()):
        vectors = [v for i in range(half) for v in e.interleave(vectors[i], vectors[i + half])]
    # From the last on, so that of the lines stored twice the right one stays.
    for i in reversed(range(e.width)):
        e.store_vector(vectors[i], a["out"], a["out_at"], b.mul(e.at_most(i, last_column), a["out_row"]))


turn = kernel_intrinsic("x out", "x_at x_row out_at out_row rows columns", _turn)
