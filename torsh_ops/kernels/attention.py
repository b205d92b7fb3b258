"""Attention block by block: a block of scores stays in the cache, and none of the whole matrix is ever kept.

Forward keeps a running maximum and sum of each query (Milakov and Gimelshein 2018), backward computes the scores
again from the logarithm of that sum (Dao et al. 2022). Operands are read where they lie: an address and the distances
between batches, heads and places; the width is contiguous.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numba.np import arrayobj

from torsh_ops.kernels import math as m
from torsh_ops.kernels.blas import _call as cblas_gemm
from torsh_ops.kernels.conv_tile import sweep
from torsh_ops.kernels.reduce import row_max
from torsh_ops.kernels.rows import exp_below
from torsh_ops.kernels.vector import FORCED, REORDER, SERIAL, flat, maximum, span

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112
# Kinds of masks.
NONE, BOOL, ADDED = 0, 1, 2
QUERIES = 128  # in a block of the forward pass; its scores against 384 float32 keys are 192 KiB


class Numbers(NamedTuple):
    """What the kernels know of a call, in the order of their first argument: an array, which Numba takes faster.

    `group` query heads share a key head. An operand is (batch, heads, places, width): its address, and its strides in
    elements. The batches of the result, and of its gradient, follow one another. The mask is (batch, heads, length,
    keys), of kind NONE, BOOL or ADDED.
    """

    batch: int
    heads: int
    group: int
    length: int
    keys: int
    width: int
    wide: int
    causal: int
    query: int
    query_batch: int
    query_head: int
    query_place: int
    key: int
    key_batch: int
    key_head: int
    key_place: int
    value: int
    value_batch: int
    value_head: int
    value_place: int
    out_head: int
    out_place: int
    kind: int = NONE
    mask: int = 0
    mask_batch: int = 0
    mask_head: int = 0
    mask_place: int = 0
    mask_key: int = 0


@njit(**FORCED)
def _read(numbers):
    n = numbers
    return Numbers(
        n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12], n[13], n[14], n[15], n[16],
        n[17], n[18], n[19], n[20], n[21], n[22], n[23], n[24], n[25], n[26], n[27],
    )  # fmt: skip


def table_sizes(keys, width, wide, lanes):
    """Lengths of the parts of the table of `attention`: for each product its taps, then sources, targets and lanes."""
    return width, -(-keys // lanes), keys, -(-wide // lanes)


def _view_at(context: Any, builder: Any, result: Any, address: Any) -> Any:
    item = context.get_data_type(result.dtype)
    view = arrayobj.make_array(result)(context, builder)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(item))
    data = builder.inttoptr(address, item.as_pointer())
    end = context.get_constant(types.intp, 1 << 48)
    arrayobj.populate_array(view, data=data, shape=[end], strides=[itemsize], itemsize=itemsize, meminfo=None)
    return view._getvalue()


@intrinsic
def _memory(typingctx: Any, like: Any, address: Any) -> Any:
    """The memory at an address, as a flat array of the dtype of `like` and of no known end."""
    result = types.Array(like.dtype, 1, "C")
    return result(like, types.intp), lambda context, builder, _, args: _view_at(context, builder, result, args[1])


@intrinsic
def _bytes(typingctx: Any, address: Any) -> Any:
    """The memory at an address, as a flat array of bytes and of no known end."""
    result = types.Array(types.uint8, 1, "C")
    return result(types.intp), lambda context, builder, _, args: _view_at(context, builder, result, args[0])


@njit(**SERIAL)
def _blend(s, added, kept, kind, at, step, n):
    """Add a row of the mask to a row of scores; of a bool mask, leave out where it is false."""
    if kind == BOOL:
        for i in range(n):
            if kept[at + i * step] == 0:
                s[i] = -np.inf
    else:
        for i in range(n):
            s[i] += added[at + i * step]


@njit(forceinline=True, **REORDER)
def _exponentials(s, best):
    """Replace a row by `exp(s - best)`; return the sum, NaN where `best` is not finite."""
    s = flat(s)
    total = s.dtype.type(0)
    for i in range(s.size):
        e = exp_below(s[i] - best)
        s[i] = e
        total += e
    return total + (best - best)


@njit(forceinline=True, **SERIAL)
def _scale(o, factor):
    o = flat(o)
    for i in range(o.size):
        o[i] *= factor


@njit(forceinline=True, **SERIAL)
def _scaled(o, a, factor):
    o, a = flat(o), flat(a)
    for i in range(o.size):
        o[i] = a[i] * factor


@njit(forceinline=True, **SERIAL)
def _zero(o):
    o = flat(o)
    for i in range(o.size):
        o[i] = 0


@njit(**SERIAL)
def _pack(source, start, stride, places, width, panel, scale, out):
    """Copy keys (places, width), scaled, as panels (width, panel) side by side: `sweep` reads each from end to end."""
    scale = out.dtype.type(scale)
    for first in range(0, places, panel):
        some = min(panel, places - first)
        for d in range(width):
            target = span(out, first * width + d * panel, some)
            at = start + first * stride + d
            for j in range(some):
                target[j] = source[at + j * stride] * scale


@njit(**SERIAL)
def _copy(source, start, stride, places, width, out):
    for j in range(places):
        a, o = span(source, start + j * stride, width), span(out, j * width, width)
        for d in range(width):
            o[d] = a[d]


@njit(**SERIAL)
def _soften(scores, stride, rows, n, first_query, first_key, causal, added, kept, kind, mask_at, mask_place, mask_key,
            best, total, sums, wide):  # fmt: skip
    """Turn a block of scores into weights; bring the running maxima, totals and weighted sums up to date."""
    one, zero = scores.dtype.type(1), scores.dtype.type(0)
    for r in range(rows):
        valid = min(n, first_query + r - first_key + 1) if causal else n
        if valid > 0:
            row = span(scores, r * stride, valid)
            if kind != NONE:
                _blend(row, added, kept, kind, mask_at + r * mask_place + first_key * mask_key, mask_key, valid)
            new = maximum(best[r], row_max(row))
            centre = zero if new == -np.inf else new
            factor = exp_below(best[r] - centre)
            total[r] = total[r] * factor + _exponentials(row, centre)
            best[r] = new
            if first_key > 0 and factor != one:
                _scale(span(sums, r * wide, wide), factor)
        if valid < n:
            start = max(valid, 0)
            _zero(span(scores, r * stride + start, n - start))


def room(keys, width, wide, panel, block, rows):
    """Elements of the buffer of `attention`, by part: packed keys, values, scores, sums, maxima, totals, zeros."""
    panels = -(-keys // panel)
    return panels * panel * width + panel, keys * wide + panel, rows * block, rows * wide, rows, rows, QUERIES


@njit(**FORCED)
def _numbers_of(query, key, value, causal):
    """`Numbers` of C-contiguous operands (batch, heads, places, width)."""
    batch, heads, length, width = query.shape
    keys, wide = value.shape[2], value.shape[3]
    return Numbers(
        batch, heads, 1, length, keys, width, wide, causal,
        query.ctypes.data, heads * length * width, length * width, width,
        key.ctypes.data, heads * keys * width, keys * width, width,
        value.ctypes.data, heads * keys * wide, keys * wide, wide,
        length * wide, wide, NONE, 0, 0, 0, 0, 0,
    )  # fmt: skip


@njit(**SERIAL)
def attention(numbers, scale, block, panel, table, sizes, buffer, rooms, out, logs):
    """``softmax(query @ key.T * scale + mask) @ value``, and the logarithm of each query's sum of exponentials.

    `numbers` as `Numbers`; `table` has the parts of `table_sizes`, `sizes`, and `buffer` those of `room`, `rooms`, the
    last of it zeros. `out` is a batch of heads and places as the numbers say, `logs` (batch, heads, length), infinite
    where everything is left out.
    """
    _attend(_read(numbers), scale, block, panel, table, sizes, buffer, rooms, out, logs)


@njit(**SERIAL)
def attention_of(query, key, value, causal, scale, block, panel, table, sizes, buffer, rooms, out, logs):
    """`attention` of C-contiguous operands and result, (batch, heads, places, width): 10 us sooner called."""
    _attend(_numbers_of(query, key, value, causal), scale, block, panel, table, sizes, buffer, rooms, out, logs)


@njit(**SERIAL)
def _attend(c, scale, block, panel, table, sizes, buffer, rooms, out, logs):
    q, k, v = _memory(out, c.query), _memory(out, c.key), _memory(out, c.value)
    added, kept = _memory(out, c.mask), _bytes(c.mask)
    result = flat(out)
    taps, count, more_taps, more = sizes
    at = taps + 3 * count
    to_scores, sources, targets, some_lanes = span(table, 0, taps), taps, taps + count, taps + 2 * count
    to_result = span(table, at, more_taps)
    at += more_taps
    result_sources, result_targets = span(table, at, more), span(table, at + more, more)
    result_lanes = span(table, at + 2 * more, more)
    packed = span(buffer, 0, rooms[0])
    values = span(buffer, rooms[0], rooms[1])
    at = rooms[0] + rooms[1]
    scores, sums = span(buffer, at, rooms[2]), span(buffer, at + rooms[2], rooms[3])
    at += rooms[2] + rooms[3]
    best, total = span(buffer, at, rooms[4]), span(buffer, at + rooms[4], rooms[5])
    zeros = span(buffer, at + rooms[4] + rooms[5], rooms[6])
    length, keys, width, wide = c.length, c.keys, c.width, c.wide
    lanes = panel // 3
    one, zero = out.dtype.type(1), out.dtype.type(0)
    _zero(zeros)
    for batch in range(c.batch):
        for head in range(c.heads):
            if head % c.group == 0:
                shared = head // c.group
                _pack(k, batch * c.key_batch + shared * c.key_head, c.key_place, keys, width, panel, scale, packed)
                _copy(v, batch * c.value_batch + shared * c.value_head, c.value_place, keys, wide, values)
            start = batch * c.query_batch + head * c.query_head
            for row in range(0, length, QUERIES):
                rows = min(QUERIES, length - row)
                for i in range(rows):
                    best[i], total[i] = -np.inf, zero
                end = min(keys, row + rows) if c.causal else keys
                for first in range(0, end, block):
                    n = min(block, end - first)
                    vectors, skipped = (n + lanes - 1) // lanes, first // lanes
                    sweep(
                        q, start + row * c.query_place, c.query_place, rows, packed, 0, to_scores, width,
                        span(table, sources + skipped, vectors), span(table, targets + skipped, vectors),
                        span(table, some_lanes + skipped, vectors), scores, -first, block, zeros, 0, 0,
                    )  # fmt: skip
                    _soften(
                        scores, block, rows, n, row, first, c.causal, added, kept, c.kind,
                        batch * c.mask_batch + head * c.mask_head + row * c.mask_place, c.mask_place, c.mask_key,
                        best, total, sums, wide,
                    )  # fmt: skip
                    sweep(
                        scores, 0, block, rows, values, first * wide, to_result, n, result_sources, result_targets,
                        result_lanes, sums, 0, wide, zeros, 0, 1 if first > 0 else 0,
                    )  # fmt: skip
                for i in range(rows):
                    place = batch * c.heads * length * wide + head * c.out_head + (row + i) * c.out_place
                    inverse = zero if total[i] == zero else one / total[i]
                    _scaled(span(result, place, wide), span(sums, i * wide, wide), inverse)
                    logs[batch, head, row + i] = np.inf if total[i] == zero else best[i] + m.log(total[i])


@njit(forceinline=True, **REORDER)
def _dot(a, b):
    a, b = flat(a), flat(b)
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@njit(forceinline=True, **SERIAL)
def _weights(s, log):
    s = flat(s)
    for i in range(s.size):
        s[i] = exp_below(s[i] - log)


@njit(forceinline=True, **SERIAL)
def _score_slopes(p, d, dot):
    p, d = flat(p), flat(d)
    for i in range(p.size):
        p[i] = p[i] * (d[i] - dot)


@njit(**SERIAL)
def attention_grad(numbers, scale, most_rows, block, buffer, grad, out, logs, for_query, for_key, for_value):
    """Gradients of `attention` from that of its result.

    `grad` and `out` are as the numbers say; `for_query` (batch, heads, length, width), `for_key` and
    `for_value`, zeroed, (batch, heads / group, keys, ...). `buffer` has 2 * most_rows * block elements.
    """
    _attend_back(_read(numbers), scale, most_rows, block, buffer, grad, out, logs, for_query, for_key, for_value)


@njit(**SERIAL)
def attention_grad_of(query, key, value, causal, scale, most_rows, block, buffer, grad, out, logs,
                      for_query, for_key, for_value):  # fmt: skip
    """`attention_grad` of C-contiguous operands, result and gradients."""
    c = _numbers_of(query, key, value, causal)
    _attend_back(c, scale, most_rows, block, buffer, grad, out, logs, for_query, for_key, for_value)


@njit(**SERIAL)
def _attend_back(c, scale, most_rows, block, buffer, grad, out, logs, for_query, for_key, for_value):
    q, k, v = _memory(out, c.query), _memory(out, c.key), _memory(out, c.value)
    added, kept = _memory(out, c.mask), _bytes(c.mask)
    gradient, result, dq, dk, dv = flat(grad), flat(out), flat(for_query), flat(for_key), flat(for_value)
    weights, slopes = span(buffer, 0, most_rows * block), span(buffer, most_rows * block, most_rows * block)
    length, keys, width, wide, heads = c.length, c.keys, c.width, c.wide, c.heads
    one, zero = out.dtype.type(1), out.dtype.type(0)
    factor, between = out.dtype.type(scale), c.out_place
    for batch in range(c.batch):
        for head in range(heads):
            shared = head // c.group
            key_start = batch * c.key_batch + shared * c.key_head
            value_start = batch * c.value_batch + shared * c.value_head
            below = (batch * (heads // c.group) + shared) * keys
            for row in range(0, length, most_rows):
                rows = min(most_rows, length - row)
                q_at = batch * c.query_batch + head * c.query_head + row * c.query_place
                o_at = batch * heads * length * wide + head * c.out_head + row * between
                dq_at = ((batch * heads + head) * length + row) * width
                end = min(keys, row + rows) if c.causal else keys
                for first in range(0, end, block):
                    n = min(block, end - first)
                    k_at, v_at = key_start + first * c.key_place, value_start + first * c.value_place
                    cblas_gemm(ROW_MAJOR, PLAIN, TRANSPOSED, rows, n, width, factor, q[q_at:], c.query_place,
                               k[k_at:], c.key_place, zero, weights, n)  # fmt: skip
                    cblas_gemm(ROW_MAJOR, PLAIN, TRANSPOSED, rows, n, wide, one, gradient[o_at:], between,
                               v[v_at:], c.value_place, zero, slopes, n)  # fmt: skip
                    for r in range(rows):
                        valid = min(n, row + r - first + 1) if c.causal else n
                        valid = max(valid, 0)
                        s = span(weights, r * n, valid)
                        if c.kind != NONE:
                            mask_at = batch * c.mask_batch + head * c.mask_head + first * c.mask_key
                            _blend(s, added, kept, c.kind, mask_at + (row + r) * c.mask_place, c.mask_key, valid)
                        _weights(s, logs[batch, head, row + r])
                        _zero(span(weights, r * n + valid, n - valid))
                    cblas_gemm(ROW_MAJOR, TRANSPOSED, PLAIN, n, wide, rows, one, weights, n, gradient[o_at:], between,
                               one, dv[(below + first) * wide :], wide)  # fmt: skip
                    for r in range(rows):
                        at = o_at + r * between
                        dot = _dot(span(gradient, at, wide), span(result, at, wide))
                        _score_slopes(span(weights, r * n, n), span(slopes, r * n, n), dot)
                    cblas_gemm(ROW_MAJOR, PLAIN, PLAIN, rows, width, n, factor, weights, n, k[k_at:], c.key_place,
                               one if first > 0 else zero, dq[dq_at:], width)  # fmt: skip
                    cblas_gemm(ROW_MAJOR, TRANSPOSED, PLAIN, n, width, rows, factor, weights, n, q[q_at:],
                               c.query_place, one, dk[(below + first) * width :], width)  # fmt: skip
