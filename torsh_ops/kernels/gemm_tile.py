"""The register tile that matrix products are made of, and the packing that brings operands into its order.

A tile keeps ROWS rows of two vectors of the result in registers. On the machine it was measured on (Emerald Rapids,
AVX-512) its inner loop runs at 98 % of the peak of the multiply-add units, out of the first or second level cache.
Every number of rows and vectors is a function of its own: one function with all of them inside spilled what they
share at each entry, and 64 pairs of 32 by 32 matrices took 29.5 us instead of 27.2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types

from torsh_ops.kernels.conv_emit import INT64, VECTOR_BYTES, Emitter, kernel_intrinsic
from torsh_ops.kernels.conv_emit import ROWS as CONV_ROWS
from torsh_ops.kernels.vector import WIDE

# Two vectors a row: 24 sums, two columns and one factor fill 27 of 32 registers; 8 sums and so on 16 registers.
ROWS = 12 if CONV_ROWS == 8 else 4
VECTORS = 2
# Rows shared out evenly among tiles are no fewer, once there is a whole tile of them.
FEWEST_ROWS = ROWS // 2
# A pointer for every so many rows: one row further and two are addressing modes, so the pointers stay in registers.
_GROUP = 3
# From this depth on a tile lasts long enough for the next one's part of the result to come from memory meanwhile; 1x1
# convolutions do without (24 channels to 144 at 56x56: 172 us with it, 163 without).
_DEEP = 128
# What the sums begin from: nothing, one value a row, or lines as long as the result's.
NOTHING, VALUES, LINES = "nothing", "values", "lines"
_PRODUCT = "a a_row a_col b b_row c c_row depth columns"
_ADDRESSES = ("a", "b", "c", "start")


@dataclass(frozen=True)
class Kind:
    """What a tile does: its sums' begin, their sign, and what each step of the loop does beside multiplying.

    `beside` emits that, given the step's number and the columns' vectors; `numbers` are the names of its arguments.
    Tiles are made of `fewest` rows on.
    """

    name: str
    begin: str = NOTHING
    minus: bool = False
    numbers: str = ""
    beside: Callable[[Emitter, Any, list[Any]], None] | None = None
    fewest: int = FEWEST_ROWS

    @property
    def names(self) -> list[str]:
        """The arguments of the tile, in order."""
        begun = {NOTHING: "", VALUES: "start start_row", LINES: "start start_row next_c"}
        return f"{_PRODUCT} {self.numbers} {begun[self.begin]}".split()


def columns_of(itemsize: int) -> int:
    """Columns of a tile."""
    return VECTORS * VECTOR_BYTES // itemsize


def _opaque(e: Emitter, value: Any) -> Any:
    """The value, by an instruction that is none.

    Else LLVM makes each row's pointer of the one before, a chain of additions that takes longer than the tile's
    multiplications (13 cycles against 12), and unrolls the loop, for which there are not registers enough.
    """
    kind = ir.FunctionType(value.type, [value.type])
    return e.builder.asm(kind, "", "=r,0", [value], side_effect=False)


def _place(e: Emitter, name: str, row: int) -> Any:
    """Where a row of the tile begins in the result, or in what it begins from."""
    return e.at(e.args[name], e.builder.mul(INT64(row), e.args[f"{name}_row"]))


def _fetch_next(e: Emitter, rows: int, vectors: int) -> None:
    """Ask for the part of the result that the next tile will write."""
    b, a = e.builder, e.args
    with b.if_then(b.icmp_signed(">=", a["depth"], INT64(_DEEP))):
        for row in range(rows):
            for v in range(vectors):
                e.prefetch(e.at(_place(e, "c", row), a["next_c"], e.width * v), write=True)


def _starts(e: Emitter, rows: int, vectors: int, begin: str, mask: Any) -> list[list[Any]]:
    """What the sums begin from, rows x vectors."""
    if begin == NOTHING:
        return [[e.zeros()] * vectors] * rows
    places = [_place(e, "start", row) for row in range(rows)]
    if begin == VALUES:
        return [[e.splat(e.builder.load(place))] * vectors for place in places]
    last = e.width * (vectors - 1)
    return [
        [*(e.load_vector(place, e.width * v) for v in range(vectors - 1)), e.read_masked(mask, place, last)]
        for place in places
    ]


def _sums(e: Emitter, starts: list[list[Any]], kind: Kind) -> list[list[Any]]:
    """Emit the loop over the depth, begun from `starts`; returns rows x vectors of sums."""
    b, a = e.builder, e.args
    rows, vectors = len(starts), len(starts[0])
    heads = [_opaque(e, e.at(a["a"], b.mul(INT64(row), a["a_row"]))) for row in range(0, rows, _GROUP)]
    steps = [None, a["a_row"], b.mul(a["a_row"], INT64(2))]
    before, loop, after = b.block, b.append_basic_block("depth"), b.append_basic_block("summed")
    b.branch(loop)
    b.position_at_end(loop)
    left, place = b.phi(INT64), b.phi(a["b"].type)
    pointers = [b.phi(head.type) for head in heads]
    sums = [[b.phi(e.vector) for _ in range(vectors)] for _ in range(rows)]
    columns = [e.load_vector(place, e.width * v) for v in range(vectors)]
    if kind.beside:
        kind.beside(e, b.sub(a["depth"], left), columns)
    grown = []
    for row in range(rows):
        pointer, further = pointers[row // _GROUP], steps[row % _GROUP]
        factor = e.splat(b.load(pointer if further is None else b.gep(pointer, [further])))
        if kind.minus:
            factor = b.fneg(factor)
        grown.append([e.add_product(factor, x, total) for x, total in zip(columns, sums[row], strict=True)])
    fewer = _opaque(e, b.sub(left, INT64(1)))
    for phi, first, then in (
        (left, a["depth"], fewer),
        (place, a["b"], b.gep(place, [a["b_row"]])),
        *((p, head, b.gep(p, [a["a_col"]])) for p, head in zip(pointers, heads, strict=True)),
        *(
            (s, v, g)
            for v, old, new in zip(starts, sums, grown, strict=True)
            for s, v, g in zip(old, v, new, strict=True)
        ),
    ):
        phi.add_incoming(first, before)
        phi.add_incoming(then, b.block)
    b.cbranch(b.icmp_signed(">", fewer, INT64(0)), loop, after)
    b.position_at_end(after)
    return grown


def _store(e: Emitter, sums: list[list[Any]], mask: Any) -> None:
    for row, totals in enumerate(sums):
        place = _place(e, "c", row)
        for v, total in enumerate(totals[:-1]):
            e.store_vector(total, place, e.width * v)
        e.write_masked(mask, totals[-1], place, e.width * (len(totals) - 1))


def _tile(e: Emitter, rows: int, vectors: int, kind: Kind) -> ir.Function:
    """The function of the tile of so many rows and vectors, made once in a module."""
    name = f"gemm_tile_{kind.name}_{e.bits}_{rows}x{vectors}"
    module = e.builder.module
    if name in module.globals:
        return module.globals[name]
    kinds = [e.scalar.as_pointer() if name in _ADDRESSES else INT64 for name in kind.names]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    set.add(function.attributes, WIDE)
    element = types.float32 if e.bits == 32 else types.float64
    args = dict(zip(kind.names, function.args, strict=True))
    inner = Emitter(ir.IRBuilder(function.append_basic_block()), element, args)
    mask = inner.first_lanes(inner.builder.sub(args["columns"], INT64(e.width * (vectors - 1))))
    if kind.begin == LINES:
        _fetch_next(inner, rows, vectors)
    _store(inner, _sums(inner, _starts(inner, rows, vectors, kind.begin, mask), kind), mask)
    inner.builder.ret_void()
    return function


def tile_of(kind: Kind) -> Any:
    """Make a kind of tile callable from kernels as ``tile((like,), numbers)``.

    `like` is an array that gives the dtype. The numbers are those of `kind` and the rows: addresses of the tile's first
    elements, and distances in elements. The columns of `b` are read in whole vectors.
    """
    names = kind.names

    def emit(e: Emitter) -> None:
        b, a = e.builder, e.args
        values = [b.inttoptr(a[name], e.scalar.as_pointer()) if name in _ADDRESSES else a[name] for name in names]
        after = b.append_basic_block("tiled")
        wide = b.icmp_signed(">", a["columns"], INT64(e.width))
        here = b.switch(b.add(b.mul(b.zext(wide, INT64), INT64(ROWS)), a["rows"]), after)
        for vectors in range(1, VECTORS + 1):
            for rows in range(kind.fewest, ROWS + 1):
                block = b.append_basic_block()
                here.add_case(INT64((vectors - 1) * ROWS + rows), block)
                b.position_at_end(block)
                b.call(_tile(e, rows, vectors, kind), values)
                b.branch(after)
        b.position_at_end(after)

    return kernel_intrinsic("like", " ".join([*names, "rows"]), emit)


def pointer_of(e: Emitter, name: str) -> Any:
    """An argument that is an address, as a pointer."""
    return e.builder.inttoptr(e.args[name], e.scalar.as_pointer())


def _fetch_ahead(e: Emitter, step: Any, columns: list[Any]) -> None:
    """Bring a line of what lies `ahead` to the second-level cache."""
    line = e.at(pointer_of(e, "ahead"), e.builder.mul(step, e.args["ahead_step"]))
    e.prefetch(line, write=False, nearest=2)


_AHEAD: dict[str, Any] = {"numbers": "ahead ahead_step", "beside": _fetch_ahead}
plain_tile = tile_of(Kind("plain", **_AHEAD))
lined_tile = tile_of(Kind("lined", LINES, **_AHEAD))


def _copy(e: Emitter) -> None:
    """Bring `columns` of rows together, in two vectors each, zeros behind them."""
    b, a = e.builder, e.args
    masks = [e.first_lanes(b.sub(a["columns"], INT64(e.width * v))) for v in range(VECTORS)]
    source, target = e.at(a["x"], a["x_at"]), e.at(a["out"], a["out_at"])
    before, loop, after = b.block, b.append_basic_block("row"), b.append_basic_block("copied")
    b.branch(loop)
    b.position_at_end(loop)
    left, here, there = b.phi(INT64), b.phi(source.type), b.phi(target.type)
    for v, mask in enumerate(masks):
        e.store_vector(e.read_masked(mask, here, e.width * v), there, e.width * v)
    fewer = b.sub(left, INT64(1))
    for phi, first, then in (
        (left, a["rows"], fewer),
        (here, source, b.gep(here, [a["x_row"]])),
        (there, target, b.gep(there, [INT64(e.width * VECTORS)])),
    ):
        phi.add_incoming(first, before)
        phi.add_incoming(then, loop)
    b.cbranch(b.icmp_signed(">", fewer, INT64(0)), loop, after)
    b.position_at_end(after)


# ``copy_tile((x, out), ...)``: up to a tile's columns of `rows` rows, at least one. What lay behind the last columns
# would be multiplied too: with denormal numbers a tile 160 deep takes 207 us, not 0.7.
copy_tile = kernel_intrinsic("x out", "x_at x_row out_at rows columns", _copy)


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
