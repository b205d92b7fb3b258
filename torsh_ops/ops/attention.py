"""Scaled dot-product attention. Vaswani et al. 2017."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import record
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import attention as kernels
from torsh_ops.kernels.conv_emit import lanes_of
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import reduce as rd
from torsh_ops.ops.conv_plan import vectors
from torsh_ops.ops.dispatch import broadcast_shapes, contiguous_array, need_tensor
from torsh_ops.ops.linalg import matmul
from torsh_ops.ops.norm import softmax
from torsh_ops.ops.random import rand
from torsh_ops.tensor import Tensor

# Keys in a block: as many panels as keep its scores within half of the L2 cache, forward and backward.
_PANELS = 8
_ROWS_BACK, _KEYS_BACK = 256, 512

Strided = np.ndarray


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query @ key.T * scale + mask) @ value`` over the last two dimensions, (..., length, width).

    `scale` is ``1 / sqrt(width)`` unless given. A bool `attn_mask` is true where a place takes part, another one is
    added; `is_causal` hides later places. A query with nothing left gives 0. With `enable_gqa` groups of neighbouring
    query heads (dim -3) share a head of `key` and `value`. The scores are never whole in memory, except with
    `dropout_p`, which applies whenever it is not 0, and for the gradient of a mask.

    Raises ShapeError on operands that do not fit, and ArgumentError on a mask together with `is_causal`.
    """
    if attn_mask is None and not dropout_p and _is_plain(query, key, value):
        return _plain(query, key, value, int(is_causal), scale)
    group = _check(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    learnt = attn_mask is not None and attn_mask.requires_grad
    if dropout_p or learnt or query.shape[-1] == 0:
        return _composed(query, key, value, attn_mask, dropout_p, is_causal, factor, group)
    call = _Call(query, key, value, attn_mask, is_causal, factor, group)
    result = Tensor(call.forward())
    if query.requires_grad or key.requires_grad or value.requires_grad:
        return record(scaled_dot_product_attention, result, (query, key, value, attn_mask, call))
    return result


def _is_plain(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether all are contiguous, of one floating dtype, (batch, heads, places, width), and for this thread alone."""
    if not (isinstance(query, Tensor) and isinstance(key, Tensor) and isinstance(value, Tensor)):
        return False
    q, k, v = query._array, key._array, value._array
    if q.ndim != 4 or k.ndim != 4 or v.ndim != 4 or q.dtype is not k.dtype or k.dtype is not v.dtype:
        return False
    a, b, c = q.shape, k.shape, v.shape
    return (
        a[0] == b[0] == c[0] and a[1] == b[1] == c[1] and a[3] == b[3] and b[2] == c[2]
        and q.size > 0 and v.size > 0 and q.dtype.kind == "f" and threads.count == 1
        and q.flags.c_contiguous and k.flags.c_contiguous and v.flags.c_contiguous
    )  # fmt: skip


def _plain(query: Tensor, key: Tensor, value: Tensor, causal: int, scale: float | None) -> Tensor:
    """Attention where `_is_plain`: the way to the kernel is a third of that of `_Call`."""
    q, k, v = query._array, key._array, value._array
    (batch, heads, length, width), wide = q.shape, v.shape[3]
    block, panel, table, sizes, rooms, total = _plan(length, k.shape[2], width, wide, q.itemsize)
    out = memory.empty((batch, heads, length, wide), q.dtype)
    logs = np.empty((batch, heads, length), q.dtype)
    factor = width**-0.5 if scale is None else float(scale)
    buffer = memory.empty((total,), q.dtype)
    kernels.attention_of(q, k, v, causal, factor, block, panel, table, sizes, buffer, rooms, out, logs)
    result = Tensor(out)
    if query.requires_grad or key.requires_grad or value.requires_grad:
        call = _PlainCall((q, k, v), causal, factor, out, logs)
        return record(scaled_dot_product_attention, result, (query, key, value, None, call))
    return result


class _PlainCall:
    """What the backward pass needs of a call where `_is_plain`."""

    __slots__ = ("arrays", "causal", "logs", "out", "scale")
    group = 1

    def __init__(
        self, arrays: tuple[np.ndarray, ...], causal: int, scale: float, out: np.ndarray, logs: np.ndarray
    ) -> None:
        self.arrays, self.causal, self.scale, self.out, self.logs = arrays, causal, scale, out, logs

    def gradients(self, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of query, key and value."""
        q, k, v = self.arrays
        rows, block = min(_ROWS_BACK, q.shape[2]), min(_KEYS_BACK, k.shape[2])
        found = memory.empty_like(q), memory.empty_like(k), memory.empty_like(v)
        found[1].fill(0)
        found[2].fill(0)
        buffer = memory.empty((2 * rows * block,), q.dtype)
        kernels.attention_grad_of(
            q, k, v, self.causal, self.scale, rows, block, buffer, contiguous_array(g), self.out, self.logs, *found
        )
        return Tensor(found[0]), Tensor(found[1]), Tensor(found[2])


def _check(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool, gqa: bool
) -> int:
    """Return how many query heads share a key head."""
    op = scaled_dot_product_attention
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if need_tensor(op, tensor, name)._array.dtype is not query._array.dtype or not query.is_floating_point():
            raise DTypeError(
                f"Expected query, key, and value to have the same floating-point dtype, but got {query.dtype}, "
                f"{key.dtype} and {value.dtype}"
            )
    q, k, v = query.shape, key.shape, value.shape
    if min(len(q), len(k), len(v)) < 2 or k[-1] != q[-1] or v[-2] != k[-2]:
        raise ShapeError(f"query {q}, key {k} and value {v} do not fit")
    if is_causal and mask is not None:
        raise ArgumentError("scaled_dot_product_attention: explicit attn_mask should not be set when is_causal=True")
    if not 0 <= dropout_p <= 1:
        raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    if mask is not None and mask._array.dtype != bool and mask._array.dtype != query._array.dtype:
        raise DTypeError(f"attn_mask must be bool or {query.dtype} as the query is, but got {mask.dtype}")
    if not gqa:
        return 1
    if min(len(q), len(k), len(v)) < 3 or k[-3] != v[-3] or k[-3] == 0 or q[-3] % k[-3]:
        raise ShapeError(
            "enable_gqa: the number of query heads must be a multiple of that of key and value, but got query "
            f"{q}, key {k} and value {v}"
        )
    return q[-3] // k[-3]


def _flatten(array: Strided, lead: tuple[int, ...]) -> Strided:
    """Broadcast an operand to `lead`, as (batch, heads, places, width) with a contiguous width."""
    if array.shape[:-2] != lead:
        array = np.broadcast_to(array, (*lead, *array.shape[-2:]))
    if len(lead) != 2:
        heads = lead[-1] if lead else 1
        array = array.reshape(math.prod(lead[:-1]), heads, *array.shape[-2:])
    item = array.itemsize
    if (array.strides[3] != item and array.shape[3] > 1) or any(s < 0 or s % item for s in array.strides):
        array = np.ascontiguousarray(array)
    return array


def _place(array: Strided) -> tuple[int, int, int, int]:
    """Where an operand lies: its address and strides in elements."""
    batch, head, place, _ = array.strides
    item = array.itemsize
    # BLAS wants a distance between rows of at least their length, also of the one row whose distance is anything.
    return array.__array_interface__["data"][0], batch // item, head // item, max(place // item, array.shape[3], 1)


class _Call:
    """One call: its operands as the kernels take them, and what the backward pass needs of the forward one."""

    def __init__(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float, group: int
    ) -> None:
        q, k, v = query._array, key._array, value._array
        if group > 1:
            shared = broadcast_shapes(q.shape[:-3], k.shape[:-3], v.shape[:-3])
            self.lead, lead = (*shared, q.shape[-3]), (*shared, k.shape[-3])
        else:
            lead = q.shape[:-2]
            if not lead == k.shape[:-2] == v.shape[:-2]:
                lead = broadcast_shapes(lead, k.shape[:-2], v.shape[:-2])
            self.lead = lead
        self.key_lead, self.group = lead, group
        self.causal, self.scale = causal, scale
        self.hidden: np.ndarray | None = None
        self.arrays = (_flatten(q, self.lead), _flatten(k, lead), _flatten(v, lead))
        for name, array in zip(("query", "key", "value"), self.arrays, strict=True):
            if array.shape[2] > 1 and array.strides[2] // array.itemsize < array.shape[3]:
                raise ShapeError(f"{name}: overlapping places are not supported; use contiguous()")
        batch, heads, length, width = self.arrays[0].shape
        keys, wide = self.arrays[2].shape[2:]
        where = [number for array in self.arrays for number in _place(array)]
        where += [wide, heads * wide]
        if mask is not None:
            where += self._hide(mask._array, length, keys)
        self.numbers = kernels.Numbers(batch, heads, group, length, keys, width, wide, int(causal), *where)
        self.out: np.ndarray | None = None
        self.logs: np.ndarray | None = None

    def _hide(self, mask: np.ndarray, length: int, keys: int) -> list[int]:
        shape = (*self.lead, length, keys)
        if broadcast_shapes(mask.shape, shape) != shape:
            raise ShapeError(f"attn_mask of shape {mask.shape} does not fit scores of shape {shape}")
        heads = self.lead[-1] if self.lead else 1
        self.hidden = np.broadcast_to(mask, shape).reshape(-1, heads, length, keys)
        kind = kernels.BOOL if mask.dtype == bool else kernels.ADDED
        return [kind, self.hidden.__array_interface__["data"][0], *(s // mask.itemsize for s in self.hidden.strides)]

    def _run(self, kernel: Any, numbers: Sequence[Any], *arrays: np.ndarray) -> None:
        """Give each thread a range of the batch; `arrays` are cut with it, `numbers` are what stands between."""
        c, dtype = self.numbers, self.arrays[0].dtype
        make_buffer, *rest = numbers

        def run(start: int, stop: int, *parts: np.ndarray) -> None:
            step = start * dtype.itemsize
            own = c._replace(
                batch=stop - start,
                query=c.query + step * c.query_batch,
                key=c.key + step * c.key_batch,
                value=c.value + step * c.value_batch,
            )
            if self.hidden is not None:
                own = own._replace(mask=c.mask + start * self.hidden.strides[0])
            kernel(np.array(own, np.int64), self.scale, *rest, *make_buffer(dtype), *parts)

        if threads.count == 1 or c.batch == 1:
            kernel(np.array(c, np.int64), self.scale, *rest, *make_buffer(dtype), *arrays)
            return
        work = c.batch * c.heads * c.length * c.keys * (c.width + c.wide) // 64
        threads.rowwise(
            lambda places, *parts: run(int(places[0]), int(places[-1]) + 1, *parts), work, c.batch,
            np.arange(c.batch), *arrays,
        )  # fmt: skip

    def forward(self) -> np.ndarray:
        """The result, (..., length, wide): a view of memory in the order of (batch, length, heads, wide)."""
        c, dtype = self.numbers, self.arrays[0].dtype
        out = memory.empty((c.batch, c.length, c.heads, c.wide), dtype)
        logs = np.empty((c.batch, c.heads, c.length), dtype)
        if c.keys == 0:
            out.fill(0)
        elif out.size:
            block, panel, table, sizes, rooms, total = _plan(c.length, c.keys, c.width, c.wide, dtype.itemsize)
            self._run(
                kernels.attention,
                (lambda dtype: (memory.empty((total,), dtype), rooms), block, panel, table, sizes),
                out, logs,
            )  # fmt: skip
        self.out, self.logs = out, logs
        result = out.transpose(0, 2, 1, 3)
        return result if len(self.lead) == 2 else result.reshape(*self.lead, c.length, c.wide)

    def gradients(self, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of query, key and value."""
        c, dtype = self.numbers, self.arrays[0].dtype
        given = g._array.reshape(c.batch, c.heads, c.length, c.wide).transpose(0, 2, 1, 3)
        grad = contiguous_array(Tensor(given))
        shared = c.heads // c.group
        for_query = memory.empty((c.batch, c.heads, c.length, c.width), dtype)
        for_key = memory.empty((c.batch, shared, c.keys, c.width), dtype)
        for_value = memory.empty((c.batch, shared, c.keys, c.wide), dtype)
        for_key.fill(0)
        for_value.fill(0)
        if for_query.size and grad.size and c.keys:
            assert self.out is not None and self.logs is not None
            rows, block = min(_ROWS_BACK, c.length), min(_KEYS_BACK, c.keys)
            self._run(
                kernels.attention_grad,
                (lambda dtype: (memory.empty((2 * rows * block,), dtype),), rows, block),
                grad, self.out, self.logs, for_query, for_key, for_value,
            )  # fmt: skip
        else:
            for_query.fill(0)
        return (
            Tensor(for_query.reshape(*self.lead, c.length, c.width)),
            Tensor(for_key.reshape(*self.key_lead, c.keys, c.width)),
            Tensor(for_value.reshape(*self.key_lead, c.keys, c.wide)),
        )


@lru_cache(maxsize=128)
def _plan(length: int, keys: int, width: int, wide: int, itemsize: int) -> tuple[Any, ...]:
    """Keys in a block and in a panel, the table of the kernel, its parts, and those of its buffer with their sum."""
    lanes = lanes_of(itemsize)
    panel = 3 * lanes
    block = min(_PANELS, -(-keys // panel)) * panel
    rooms = kernels.room(keys, width, wide, panel, block, min(kernels.QUERIES, length))
    return (
        block,
        panel,
        _table(keys, width, wide, lanes),
        kernels.table_sizes(keys, width, wide, lanes),
        rooms,
        sum(rooms),
    )


def _table(keys: int, width: int, wide: int, lanes: int) -> np.ndarray:
    """The vectors of both products for `sweep`."""
    panel = 3 * lanes
    number = np.arange(-(-keys // lanes), dtype=np.int64)
    sources = number // 3 * panel * width + number % 3 * lanes
    stored = np.minimum(lanes, keys - number * lanes)
    places = np.arange(wide)
    parts = (
        np.arange(width) * panel, sources, number * lanes, stored,
        np.arange(keys) * wide, *vectors(places, places, lanes, 2),
    )  # fmt: skip
    return np.concatenate(parts).astype(np.int64)


def _scores_mask(query: Tensor, key: Tensor, mask: Tensor | None, is_causal: bool) -> Tensor | None:
    return Tensor(np.tri(query.shape[-2], key.shape[-2], dtype=bool)) if is_causal else mask


def weights_of(query: Tensor, key: Tensor, mask: Tensor | None, is_causal: bool, scale: float) -> Tensor:
    """The whole matrix of weights, as operators. A row with nothing left is NaN."""
    # The scale goes to the query, which is smaller than the scores.
    scores = matmul(query * scale, key.transpose(-2, -1))
    mask = _scores_mask(query, key, mask, is_causal)
    if mask is not None:
        scores = ew.where(mask, scores, -math.inf) if mask._array.dtype == bool else scores + mask
    return softmax(scores, -1)


def _shared_heads(x: Tensor, group: int) -> Tensor:
    if group == 1:
        return x
    lead, heads = x.shape[:-3], x.shape[-3]
    return x.unsqueeze(-3).expand(*lead, heads, group, *x.shape[-2:]).reshape(*lead, heads * group, *x.shape[-2:])


def _without_nothing(weights: Tensor) -> Tensor:
    """0 in the rows where everything was left out."""
    nothing = np.isnan(weights._array).all(-1, keepdims=True)
    return ew.where(Tensor(nothing), 0.0, weights) if nothing.any() else weights


def _composed(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool, scale: float,
    group: int,
) -> Tensor:  # fmt: skip
    key, value = _shared_heads(key, group), _shared_heads(value, group)
    weights = _without_nothing(weights_of(query, key, mask, is_causal, scale))
    if dropout_p:
        kept = rand(weights.shape, dtype=weights.dtype)._array >= dropout_p
        weights = weights * Tensor((kept / max(1 - dropout_p, 1e-30)).astype(weights._array.dtype))
    return matmul(weights, value)


def attention_grad(
    position: int, g: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, call: Any
) -> Tensor:
    """Gradient with regard to query (0), key (1) or value (2), as operators, which can be recorded."""
    full_key, full_value = _shared_heads(key, call.group), _shared_heads(value, call.group)
    weights = _without_nothing(weights_of(query, full_key, mask, call.causal, call.scale))
    if position == 2:
        result = matmul(weights.transpose(-2, -1), g)
    else:
        slopes = matmul(g, full_value.transpose(-2, -1))
        slopes = weights * (slopes - rd.sum(slopes * weights, -1, True)) * call.scale
        result = matmul(slopes, full_key) if position == 0 else matmul(slopes.transpose(-2, -1), query)
    if position == 0 or call.group == 1:
        return result
    lead, heads = result.shape[:-3], result.shape[-3] // call.group
    return rd.sum(result.reshape(*lead, heads, call.group, *result.shape[-2:]), -3)
