"""Rows of a table by index, one for each index or one for each bag of them."""

from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import no_grad, record
from torsh_ops.errors import ArgumentError, DimError, DTypeError, ShapeError
from torsh_ops.kernels import embedding as kernels
from torsh_ops.kernels import index as ik
from torsh_ops.kernels import short
from torsh_ops.ops import shortcut
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.elementwise import eq, where
from torsh_ops.ops.index import gather
from torsh_ops.tensor import Tensor

_INT64 = np.dtype(np.int64)


@shortcut.lookup(short.lines)
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of `weight` (rows, width) at the integers of `input` (...): (..., width).

    The row `padding_idx` gets no gradient. With `max_norm` rows that are used and whose `norm_type`-norm is greater
    are scaled down to it, in `weight` itself. `scale_grad_by_freq` divides the gradient of a row by how often it was
    used. Raises DimError on an index out of range, and ArgumentError on `sparse`, which is not supported.
    """
    if sparse:
        raise ArgumentError("embedding does not support sparse gradients")
    indices = need_tensor(embedding, input)._array
    if indices.dtype.kind != "i":
        raise DTypeError(f"embedding(): expected indices of dtype int64 or int32, but got {input.dtype}")
    if need_tensor(embedding, weight, "weight").ndim != 2:
        raise ShapeError(f"'weight' must be 2-D, but got shape {weight.shape}")
    rows, width = weight.shape
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ArgumentError(f"padding_idx must be within num_embeddings ({rows}), but got {padding_idx}")
    if max_norm is not None:
        _hold(weight, indices, max_norm, norm_type)
    table = contiguous_array(weight)
    places = (
        indices if indices.dtype is _INT64 and indices.flags.c_contiguous else np.ascontiguousarray(indices, _INT64)
    )
    result = memory.empty((*indices.shape, width), table.dtype)
    bad = ik.take_lines(table.ravel(), places.reshape(-1), result.reshape(-1), 1, rows, width)
    if bad >= 0:
        raise DimError(f"index {places.flat[bad]} is out of range of an embedding with {rows} rows")
    out = Tensor(result)
    if not weight.requires_grad:
        return out
    own = padding_idx % rows if padding_idx is not None else None
    return record(embedding, out, (input, weight, own, scale_grad_by_freq))


def _hold(weight: Tensor, indices: np.ndarray, max_norm: float, norm_type: float) -> None:
    used = np.unique(indices)
    table = weight._array
    if used.size == 0 or used[0] < 0 or used[-1] >= len(table):
        return
    norms = np.linalg.norm(table[used], norm_type, axis=1)
    long = norms > max_norm
    if long.any():
        with no_grad():
            table[used[long]] *= (max_norm / (norms[long] + 1e-7))[:, None].astype(table.dtype)
            weight._bump()


def add_rows(grad: Tensor, input: Tensor, rows: int, padding_idx: int | None, by_freq: bool = False) -> Tensor:
    """A table of `rows` rows: the sum of the rows of `grad` whose index in `input` it is."""
    width = grad.shape[-1]
    result = memory.empty((rows, width), grad._array.dtype)
    result.fill(0)
    indices = np.ascontiguousarray(input._array, _INT64).reshape(-1)
    scales = np.ones(0, result.dtype)
    if by_freq:
        scales = (1 / np.maximum(np.bincount(indices, minlength=rows), 1)).astype(result.dtype)
    left_out = -1 if padding_idx is None else padding_idx
    kernels.add_rows(contiguous_array(grad).reshape(-1, width), indices, left_out, scales, result)
    return record(add_rows, Tensor(result), (grad, input, rows, padding_idx, by_freq))


def add_rows_grad(g: Tensor, input: Tensor, padding_idx: int | None, by_freq: bool) -> Tensor:
    """Gradient of `add_rows`: each row of `g` back to where it was used."""
    if by_freq:
        counts = np.maximum(np.bincount(input._array.reshape(-1), minlength=g.shape[0]), 1)
        g = g / Tensor(counts.astype(g._array.dtype)).unsqueeze(1)
    spread = embedding(input, g)
    return spread if padding_idx is None else spread.masked_fill(eq(input, padding_idx).unsqueeze(-1), 0.0)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sum, mean or maximum of the rows of each bag of indices: (bags, width); an empty bag gives 0.

    Bags are the rows of a 2-D `input`, or begin at `offsets` in a 1-D one. `per_sample_weights` scale the rows before
    the sum. Indices of `padding_idx` count nowhere. Raises ArgumentError on options that do not go together.
    """
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(f"mode has to be one of sum, mean or max, but got {mode!r}")
    if per_sample_weights is not None and mode != "sum":
        raise ArgumentError(f"embedding_bag: per_sample_weights is supported for mode='sum' only, but got {mode!r}")
    if scale_grad_by_freq and mode == "max":
        raise ArgumentError("embedding_bag: max mode does not support scaling the gradient by the frequency")
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ShapeError(
            f"per_sample_weights of shape {per_sample_weights.shape} must have that of input {input.shape}"
        )
    bag, bags = _bags(input, offsets, include_last_offset)
    # What lies behind the last offset is in no bag.
    places = input.reshape(-1)[: len(bag)]
    scale = None if per_sample_weights is None else per_sample_weights.reshape(-1)[: len(bag)]
    if padding_idx is not None:
        kept = np.flatnonzero(places._array != padding_idx % weight.shape[0])
        bag, places = bag[kept], Tensor(places._array[kept])
        scale = None if scale is None else scale[Tensor(kept)]
    rows = embedding(places, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if mode == "max":
        return _greatest(rows, bag, bags)
    if scale is not None:
        rows = rows * scale.unsqueeze(1)
    total = add_rows(rows, Tensor(bag), bags, None)
    if mode == "sum":
        return total
    counts = np.maximum(np.bincount(bag, minlength=bags), 1).astype(total._array.dtype)
    return total / Tensor(counts[:, None])


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[np.ndarray, int]:
    """The bag of each index, and how many there are."""
    if need_tensor(embedding_bag, input).ndim == 2:
        if offsets is not None:
            raise ArgumentError(
                "if input is 2D, then offsets has to be None, as input is treated as bags of one length"
            )
        return np.repeat(np.arange(input.shape[0]), input.shape[1]), input.shape[0]
    if input.ndim != 1:
        raise ShapeError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if offsets is None or offsets.ndim != 1:
        raise ArgumentError("offsets has to be a 1D Tensor when input is 1D")
    starts = offsets._array
    end = input.numel()
    if include_last_offset:
        if not starts.size:
            raise ArgumentError("include_last_offset: number of offset should be at least 1")
        starts, end = starts[:-1], int(starts[-1])
    if starts.size and (starts[0] != 0 or (np.diff(starts) < 0).any() or starts[-1] > end or end > input.numel()):
        raise ArgumentError(f"offsets must begin at 0, not fall, and stay within the {input.numel()} indices")
    lengths = np.diff(np.append(starts, end))
    bag = np.repeat(np.arange(starts.size), lengths)
    return bag, starts.size


def _greatest(rows: Tensor, bag: np.ndarray, bags: int) -> Tensor:
    values, width = rows._array, rows.shape[1]
    if not len(bag):
        return Tensor(np.zeros((bags, width), values.dtype))
    best = np.zeros((bags, width), np.int64)
    filled, firsts = np.unique(bag, return_index=True)
    for number, first, last in zip(filled, firsts, [*firsts[1:], len(bag)], strict=True):
        best[number] = first + values[first:last].argmax(0)
    empty = np.ones((bags, 1), bool)
    empty[filled] = False
    picked = gather(rows, 0, Tensor(best))
    return where(Tensor(empty), 0.0, picked) if empty.any() else picked


__all__: list[str] = []
METHODS: tuple[Any, ...] = ()
