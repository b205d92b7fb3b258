"""Copies that change the layout: lines with a step, and matrices turned in tiles of vectors.

Arrays are float32 or float64 (other elements of 4 or 8 bytes are looked at as these: a move changes no bit), of any
strides unless said otherwise. Large results are streamed past the caches: they would not stay there, and a line that
is written whole need not be read first (a 64 MiB transpose: 2.5x).
"""

from typing import Any

import llvmlite.ir as ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from torsh_ops.kernels.run import LINE_BYTES, STREAMED_BYTES, copy_run, settle, store, turn_run
from torsh_ops.kernels.vector import SERIAL, span

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


def _place(context: Any, builder: Any, array: Any, value: Any, indices: list[Any]) -> tuple[Any, list[Any]]:
    """Address of an element of a strided array as a number, and the array's strides."""
    source = arrayobj.make_array(array)(context, builder, value)
    strides = [builder.extract_value(source.strides, d) for d in range(array.ndim)]
    address = builder.ptrtoint(source.data, _INT64)
    for index, stride in zip(indices, strides, strict=True):
        address = builder.add(address, builder.mul(index, stride))
    return address, strides


def _ordered(builder: Any, x: Any, y: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_INT32, len(order)), order))


@intrinsic
def _address_of(typingctx: Any, array: Any, a: Any, b: Any, c: Any) -> Any:
    """Where line [a, b, c] starts in memory."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _place(context, builder, array, args[0], [*args[1:], _INT64(0)])[0]

    return types.intp(array, *[types.intp] * 3), codegen


def _line_copy(step: int) -> Any:
    """Make ``copy(x, out, a, b, c, first, streamed)`` of line [a, b, c] of `x` of a `step`, by vectors.

    Vectors start at element `first`, those of a streamed line at a line of cache; what no whole vector holds goes by
    vectors of half, a quarter and so on: loops over the elements cost 5 ns a line even where there are none.
    """

    def typed(typingctx: Any, x: Any, out: Any, a: Any, b: Any, c: Any, first: Any, streamed: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            element = context.get_data_type(x.dtype)
            itemsize = context.get_abi_sizeof(element)
            n = LINE_BYTES // itemsize
            source, _ = _place(context, builder, x, args[0], [*args[2:5], _INT64(0)])
            target, _ = _place(context, builder, out, args[1], [*args[2:5], _INT64(0)])
            size = builder.extract_value(arrayobj.make_array(out)(context, builder, args[1]).shape, 3)

            def load(index: Any, ahead: int, width: int) -> Any:
                offset = builder.mul(builder.add(builder.mul(index, _INT64(step)), _INT64(ahead)), _INT64(itemsize))
                kind = ir.VectorType(element, width) if width > 1 else element
                return builder.load(builder.inttoptr(builder.add(source, offset), kind.as_pointer()), align=itemsize)

            def move(index: Any, width: int, past_caches: bool) -> None:
                if step == 1 or width == 1:
                    value = load(index, 0, width)
                elif step == -1:
                    last = load(index, 1 - width, width)
                    value = _ordered(builder, last, last, list(range(width - 1, -1, -1)))
                else:
                    # The second vector ends with the last element that is wanted, not beyond it.
                    order = [*range(0, width, 2), *range(width + 1, 2 * width, 2)]
                    value = _ordered(builder, load(index, 0, width), load(index, width - 1, width), order)
                to = builder.add(target, builder.mul(index, _INT64(itemsize)))
                store(builder, value, to, itemsize, past_caches)

            with cgutils.for_range_slice(builder, _INT64(0), args[5], _INT64(1), _INT64) as (index, _):
                move(index, 1, False)
            left = builder.sub(size, args[5])
            stop = builder.add(args[5], builder.and_(left, _INT64(-n)))
            with builder.if_else(args[6]) as branches:
                for branch, past_caches in zip(branches, (True, False), strict=True):
                    with branch, cgutils.for_range_slice(builder, args[5], stop, _INT64(n), _INT64) as (index, _):
                        move(index, n, past_caches)
            while n := n // 2:
                some = builder.and_(left, _INT64(n))
                with builder.if_then(builder.icmp_unsigned("!=", some, _INT64(0))):
                    move(stop, n, False)
                stop = builder.add(stop, some)
            return context.get_dummy_value()

        return types.void(x, out, *[types.intp] * 4, types.boolean), codegen

    return intrinsic(typed)


_forward, _backward, _every_second = (_line_copy(step) for step in (1, -1, 2))


@njit(**SERIAL)
def copy_lines(x, out):
    """`out[:] = x` of 4 dimensions; lines of `out` have a step of 1, those of `x` of 1, -1 or 2 elements."""
    m, n, lines, size = out.shape
    step = x.strides[3] // x.itemsize
    large = out.size * out.itemsize >= STREAMED_BYTES
    for a in range(m):
        for b in range(n):
            for c in range(lines):
                first = 0
                if large:  # streamed stores need whole lines of cache
                    first = min(-_address_of(out, a, b, c) % 64 // x.itemsize, size)
                if step == 1:
                    _forward(x, out, a, b, c, first, large)
                elif step == -1:
                    _backward(x, out, a, b, c, first, large)
                else:
                    _every_second(x, out, a, b, c, first, large)
    if large:
        settle()


def _joined(builder: Any, parts: list[Any]) -> Any:
    """One vector of several of a width."""
    while len(parts) > 1:
        order = list(range(2 * parts[0].type.count))
        parts = [_ordered(builder, x, y, order) for x, y in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _squares_turned(builder: Any, rows: list[Any]) -> list[Any]:
    """Turn the squares, of as many columns as there are rows, that stand side by side in `rows`."""
    n, width = len(rows), rows[0].type.count
    step = 1
    while step < n:
        # Rows `step` apart exchange the odd groups of `step` lanes of the one with the even groups of the other.
        odd = [lane // step % 2 for lane in range(width)]
        low = [lane - step + width if odd[lane] else lane for lane in range(width)]
        high = [lane + width if odd[lane] else lane + step for lane in range(width)]
        turned = list(rows)
        for i in (i for i in range(n) if i // step % 2 == 0):
            turned[i] = _ordered(builder, rows[i], rows[i + step], low)
            turned[i + step] = _ordered(builder, rows[i], rows[i + step], high)
        rows, step = turned, 2 * step
    return rows


def _tile_turn(streamed: bool) -> Any:
    """Make ``turn(x, out, a, b, j, i)``, which copies one tile from [a, b, j, i] on.

    A tile has a line of cache of elements either way. Neighbours along j are neighbours in `x`, those along i in
    `out`. Vectors are put together from quarters of rows that are four rows apart (16 bytes, loaded straight into
    place), so that only squares of four by four (two by two of float64) within the quarters are left to turn: half
    the shuffles of turning whole vectors.
    """

    def typed(typingctx: Any, x: Any, out: Any, a: Any, b: Any, j: Any, i: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            element = context.get_data_type(x.dtype)
            itemsize = context.get_abi_sizeof(element)
            n, part = LINE_BYTES // itemsize, 16 // itemsize
            source, steps = _place(context, builder, x, args[0], list(args[2:]))
            target, leaps = _place(context, builder, out, args[1], list(args[2:]))
            starts = [builder.add(source, builder.mul(steps[3], _INT64(r))) for r in range(n)]
            quarter = ir.VectorType(element, part).as_pointer()
            for group in range(n // part):
                places = [builder.inttoptr(builder.add(s, _INT64(16 * group)), quarter) for s in starts]
                pieces = [builder.load(place, align=itemsize) for place in places]
                columns = _squares_turned(builder, [_joined(builder, pieces[q::part]) for q in range(part)])
                for c, column in enumerate(columns):
                    to = builder.add(target, builder.mul(leaps[2], _INT64(group * part + c)))
                    store(builder, column, to, itemsize, streamed)
            return context.get_dummy_value()

        return types.void(x, out, *[types.intp] * 4), codegen

    return intrinsic(typed)


_turn_tile, _stream_tile = _tile_turn(False), _tile_turn(True)


@njit(**SERIAL)
def turn(x, out):
    """`out[:] = x` of 4 dimensions: neighbours along the last but one in `x`, along the last in `out`.

    In blocks of 64 by 64: a block's lines of both arrays stay in L1 and its pages in the TLB.
    """
    m, n, rows, columns = out.shape
    tile = 64 // x.itemsize
    large = out.size * out.itemsize >= STREAMED_BYTES and out.ctypes.data % 64 == 0
    large = large and out.strides[0] % 64 == 0 and out.strides[1] % 64 == 0 and out.strides[2] % 64 == 0
    whole_rows, whole_columns = rows // tile * tile, columns // tile * tile
    for a in range(m):
        for b in range(n):
            for i0 in range(0, whole_columns, 64):
                for j0 in range(0, whole_rows, 64):
                    for i in range(i0, min(i0 + 64, whole_columns), tile):
                        for j in range(j0, min(j0 + 64, whole_rows), tile):
                            if large:
                                _stream_tile(x, out, a, b, j, i)
                            else:
                                _turn_tile(x, out, a, b, j, i)
            for j in range(rows):
                for i in range(whole_columns if j < whole_rows else 0, columns):
                    out[a, b, j, i] = x[a, b, j, i]
    if large:
        settle()


# The kernels below take flat arrays, for they are called on small ones as well and their numbers cost less than shapes.


@njit(**SERIAL)
def copy_block(x, x_at, x_step, out, out_at, out_step, rows, width):
    """`rows` runs of `width` elements, `x_step` apart in `x` and `out_step` in `out`."""
    large = rows * width * out.itemsize >= STREAMED_BYTES
    large = large and (out.ctypes.data + out_at * out.itemsize) % 64 == 0 and out_step * out.itemsize % 64 == 0
    for r in range(rows):
        copy_run(x, x_at + r * x_step, out, out_at + r * out_step, width, large)
    if large:
        settle()


@njit(**SERIAL)
def flip_lines(x, out, outer, n, inner):
    """`out[a, i] = x[a, n - 1 - i]`, lines of (outer, n, inner)."""
    large = out.size * out.itemsize >= STREAMED_BYTES and out.ctypes.data % 64 == 0
    large = large and (n if inner == 1 else inner) * out.itemsize % 64 == 0
    for a in range(outer):
        if inner == 1:
            turn_run(x, a * n, out, a * n, n, large)
            continue
        for i in range(n):
            copy_run(x, (a * n + n - 1 - i) * inner, out, (a * n + i) * inner, inner, large)
    if large:
        settle()


@njit(**SERIAL)
def pad_planes(x, out, rows, columns, top, left, out_rows, out_columns, value):
    """Planes of (rows, columns) in planes of (out_rows, out_columns), from row `top` and column `left` on."""
    value = out.dtype.type(value)
    for a in range(out.size // (out_rows * out_columns)):
        for r in range(out_rows):
            start = (a * out_rows + r) * out_columns
            y = span(out, start, out_columns)
            inside = top <= r < top + rows
            first = left if inside else out_columns
            for c in range(first):
                y[c] = value
            if inside:
                copy_run(x, (a * rows + r - top) * columns, out, start + left, columns, False)
                for c in range(left + columns, out_columns):
                    y[c] = value


@njit(**SERIAL)
def triangle(x, diagonal, lower, out, rows, columns):
    """The lower (or upper) triangle of each matrix of (rows, columns), 0 elsewhere."""
    for a in range(out.size // (rows * columns)):
        for r in range(rows):
            start = (a * rows + r) * columns
            cut = min(max(r + diagonal + (1 if lower else 0), 0), columns)
            first, last = (0, cut) if lower else (cut, columns)
            y = span(out, start, columns)
            for c in range(first):
                y[c] = 0
            copy_run(x, start + first, out, start + first, last - first, False)
            for c in range(last, columns):
                y[c] = 0
