"""The register tiles of 1x1 convolutions: those of matrix products, which pack, or fetch, while they multiply."""

from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils

from torsh_ops.kernels.conv_emit import INT32, INT64, VECTOR_BYTES, Emitter, kernel_intrinsic
from torsh_ops.kernels.gemm_tile import FEWEST_ROWS, VALUES, VECTORS, Kind, pointer_of, tile_of
from torsh_ops.kernels.vector import SERIAL

_LINE = 64  # bytes
# Pixels that are each summed along the depth, in vectors of channels, rather than in a vector of pixels.
MOST_ALONE = 4
# In the place of `seldom`: nothing is fetched.
NEVER = 62


def _pack(e: Emitter, step: Any, columns: list[Any]) -> None:
    """Store the columns where the tiles of other rows read them: one behind the other."""
    panel = pointer_of(e, "panel")
    for v, column in enumerate(columns):
        e.store_vector(column, panel, e.builder.mul(step, INT64(VECTORS * e.width)), e.width * v)


def _fetch(e: Emitter, step: Any, columns: list[Any]) -> None:
    """Bring a line to the second-level cache, at every ``2 ** seldom``-th step: rows of ``2 ** wide`` lines."""
    b, a = e.builder, e.args
    due, inside = (b.sub(b.shl(INT64(1), a[name]), INT64(1)) for name in ("seldom", "wide"))
    with b.if_then(b.icmp_signed("==", b.and_(step, due), INT64(0))):
        line = b.add(a["line"], b.lshr(step, a["seldom"]))
        row = b.mul(b.lshr(line, a["wide"]), a["fetch_row"])
        column = b.mul(b.and_(line, inside), INT64(_LINE * 8 // e.bits))
        e.prefetch(e.at(pointer_of(e, "fetch"), row, column), write=False, nearest=2)


_packing_tile = tile_of(Kind("packing", VALUES, numbers="panel", beside=_pack))
_fetching_tile = tile_of(Kind("fetching", VALUES, numbers="fetch fetch_row line seldom wide", beside=_fetch))


@njit(**SERIAL)
def packing_tile(a, a_at, b, b_at, b_row, panel, c, c_at, c_row, rows, columns, depth, start, start_at):
    """``c = a @ b + start[start_at + row]`` for a tile of whole vectors of columns, which are copied to `panel`.

    `a`, `b`, `c` and `panel` are addresses, `start` is an array; rows of `a` are contiguous, of `b` and `c` `b_row`
    and `c_row` apart. There are FEWEST_ROWS or more.
    """
    size = start.itemsize
    left, right, result, begin = a + a_at * size, b + b_at * size, c + c_at * size, start.ctypes.data + start_at * size
    _packing_tile(
        (start,), (left, depth, 1, right, b_row, result, c_row, depth, columns, panel, begin, 1, rows)
    )  # fmt: skip


@njit(**SERIAL)
def fetching_tile(
    a, a_at, panel, c, c_at, c_row, rows, columns, depth, start, start_at, fetch, fetch_row, line, seldom, wide
):
    """`packing_tile` for columns that are in `panel`, while lines are brought to the second-level cache.

    These are numbered from the address `fetch` on, ``2 ** wide`` of them in each of the rows that are `fetch_row`
    elements apart: those from `line` on, one in ``2 ** seldom`` steps of the depth.
    """
    size, tile = start.itemsize, VECTORS * (VECTOR_BYTES // start.itemsize)
    left, result, begin = a + a_at * size, c + c_at * size, start.ctypes.data + start_at * size
    _fetching_tile(
        (start,),
        (left, depth, 1, panel, tile, result, c_row, depth, columns, fetch, fetch_row, line, seldom, wide,
         begin, 1, rows),
    )  # fmt: skip


def _emit_pick(e: Emitter) -> None:
    b, a = e.builder, e.args
    none, one = INT64(0), INT64(1)
    places: Any = ir.Constant(ir.VectorType(INT64, e.width), ir.Undefined)
    mask: Any = ir.Constant(ir.VectorType(ir.IntType(1), e.width), ir.Undefined)
    i, j = a["i"], a["j"]
    for lane in range(e.width):
        row = b.sub(b.mul(i, a["row_stride"]), a["top"])
        column = b.sub(b.mul(j, a["column_stride"]), a["left"])
        # Unsigned, numbers below zero are large ones.
        inside = b.and_(b.icmp_unsigned("<", row, a["height"]), b.icmp_unsigned("<", column, a["width"]))
        wanted = b.and_(inside, b.icmp_signed("<", INT64(lane), a["count"]))
        place = b.add(b.mul(row, a["width"]), column)
        places = b.insert_element(places, place, INT32(lane))
        mask = b.insert_element(mask, wanted, INT32(lane))
        j = b.add(j, one)
        ended = b.icmp_signed("==", j, a["out_width"])
        i, j = b.select(ended, b.add(i, one), i), b.select(ended, none, j)
    before, loop, after = b.block, b.append_basic_block("channels"), b.append_basic_block("picked")
    b.branch(loop)
    b.position_at_end(loop)
    k = b.phi(INT64)
    image = e.at(a["x"], a["x_at"], b.mul(k, b.mul(a["height"], a["width"])))
    e.store_vector(e.gather_masked(image, places, mask), a["panels"], a["place"], b.mul(k, INT64(VECTORS * e.width)))
    following = b.add(k, one)
    k.add_incoming(none, before)
    k.add_incoming(following, loop)
    b.cbranch(b.icmp_signed("<", following, a["depth"]), loop, after)
    b.position_at_end(after)


# Bring a vector of up to `count` output pixels, of all channels, into a tile: those from row `i`, column `j` on.
pick = kernel_intrinsic(
    "x panels",
    "x_at place count depth i j out_width height width row_stride column_stride top left",
    _emit_pick,
)


def _total(e: Emitter, first: Any, vector: Any) -> Any:
    """``first`` and the sum of a vector's lanes, in any order."""
    kind = ir.FunctionType(e.scalar, [e.scalar, e.vector])
    name = f"llvm.vector.reduce.fadd.v{e.width}f{e.bits}"
    function = cgutils.get_or_insert_function(e.builder.module, kind, name)
    return e.builder.call(function, [first, vector], fastmath=("reassoc",))


def _emit_alone(e: Emitter, columns: int) -> None:
    """FEWEST_ROWS rows of `columns` sums along the depth, both operands contiguous along it."""
    b, a = e.builder, e.args
    weights = [e.at(pointer_of(e, "a"), a["a_at"], b.mul(INT64(i), a["depth"])) for i in range(FEWEST_ROWS)]
    pixels = [e.at(pointer_of(e, "panel"), b.mul(INT64(j), a["depth"])) for j in range(columns)]
    before, loop, after = b.block, b.append_basic_block("depth"), b.append_basic_block("summed")
    b.branch(loop)
    b.position_at_end(loop)
    step = b.phi(INT64)
    sums = [[b.phi(e.vector) for _ in pixels] for _ in weights]
    mask = e.first_lanes(b.sub(a["depth"], step))
    values = [e.read_masked(mask, pixel, step) for pixel in pixels]
    following = b.add(step, INT64(e.width))
    step.add_incoming(INT64(0), before)
    step.add_incoming(following, loop)
    grown = []
    for weight, row in zip(weights, sums, strict=True):
        factor = e.read_masked(mask, weight, step)
        grown.append([e.add_product(factor, x, total) for x, total in zip(values, row, strict=True)])
        for total, new in zip(row, grown[-1], strict=True):
            total.add_incoming(e.zeros(), before)
            total.add_incoming(new, loop)
    b.cbranch(b.icmp_signed("<", following, a["depth"]), loop, after)
    b.position_at_end(after)
    for i, row in enumerate(grown):
        start = e.load(a["start"], a["start_at"], i)
        for j, total in enumerate(row):
            b.store(_total(e, start, total), e.at(pointer_of(e, "c"), a["c_at"], b.mul(INT64(i), a["c_row"]), j))


def _emit_any_alone(e: Emitter) -> None:
    after = e.builder.append_basic_block("alone")
    here = e.builder.switch(e.args["columns"], after)
    for columns in range(1, MOST_ALONE + 1):
        block = e.builder.append_basic_block(f"alone{columns}")
        here.add_case(INT64(columns), block)
        e.builder.position_at_end(block)
        _emit_alone(e, columns)
        e.builder.branch(after)
    e.builder.position_at_end(after)


_alone = kernel_intrinsic("start", "a panel c a_at c_at c_row columns depth start_at", _emit_any_alone)


@njit(**SERIAL)
def columns_alone(a, a_at, panel, c, c_at, c_row, rows, columns, depth, start, start_at):
    """`packing_tile` for up to MOST_ALONE columns, each of which is contiguous in `panel`.

    The last columns of a row, where they are few, would take as long as a whole vector of them.
    """
    for row in (0, rows - FEWEST_ROWS):  # some rows are computed twice
        numbers = (a, panel, c, a_at + row * depth, c_at + row * c_row, c_row, columns, depth, start_at + row)
        _alone((start,), numbers)
