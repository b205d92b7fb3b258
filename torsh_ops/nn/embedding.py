"""Rows of a table, by index."""

from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import define_grad, record
from torsh_ops.errors import ArgumentError, DimError, DTypeError, ShapeError
from torsh_ops.nn import init
from torsh_ops.nn.module import Module, Parameter
from torsh_ops.ops.creation import empty
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.elementwise import eq
from torsh_ops.tensor import Tensor


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

    The row `padding_idx` gets no gradient. Raises DimError on an index out of range, and ArgumentError on the last
    four arguments, which are not supported.
    """
    _check_unsupported(max_norm, scale_grad_by_freq, sparse)
    indices = need_tensor(embedding, input)._array
    if indices.dtype.kind != "i":
        raise DTypeError(f"embedding(): expected indices of dtype int64 or int32, but got {input.dtype}")
    if need_tensor(embedding, weight, "weight").ndim != 2:
        raise ShapeError(f"'weight' must be 2-D, but got shape {weight.shape}")
    rows = weight.shape[0]
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ArgumentError(f"padding_idx must be within num_embeddings ({rows}), but got {padding_idx}")
    if indices.size and (indices.min() < 0 or indices.max() >= rows):
        bad = indices[(indices < 0) | (indices >= rows)].flat[0]
        raise DimError(f"index {bad} is out of range of an embedding with {rows} rows")
    result = memory.empty((*indices.shape, weight.shape[1]), weight._array.dtype)
    # The indices are checked: "clip" spares NumPy a check of its own and a copy of `out`.
    np.take(weight._array, indices, axis=0, out=result, mode="clip")
    own = padding_idx % rows if padding_idx is not None else None
    return record(embedding, Tensor(result), (input, weight, own))


def _check_unsupported(max_norm: float | None, scale_grad_by_freq: bool, sparse: bool) -> None:
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise ArgumentError("embedding does not support max_norm, scale_grad_by_freq or sparse gradients")


def _gather_rows(grad: Tensor, input: Tensor, rows: int, padding_idx: int | None) -> Tensor:
    """Sum the gradients of each row of the table."""
    result = memory.empty((rows, grad.shape[-1]), grad._array.dtype)
    result.fill(0)
    indices, g = input._array.reshape(-1), contiguous_array(grad).reshape(-1, grad.shape[-1])
    if padding_idx is not None:
        kept = indices != padding_idx
        indices, g = indices[kept], g[kept]
    np.add.at(result, indices, g)
    return record(_gather_rows, Tensor(result), (grad, input, rows, padding_idx))


def _spread_rows(g: Tensor, input: Tensor, padding_idx: int | None) -> Tensor:
    spread = embedding(input, g, padding_idx)
    return spread if padding_idx is None else spread.masked_fill(eq(input, padding_idx).unsqueeze(-1), 0.0)


define_grad(embedding, None, lambda g, input, _w, padding: _gather_rows(g, input, _w.shape[0], padding))
define_grad(_gather_rows, lambda g, _grad, input, _rows, padding: _spread_rows(g, input, padding))


class Embedding(Module):
    """A learnt table of `num_embeddings` rows; integers (...) become vectors (..., embedding_dim)."""

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_unsupported(max_norm, scale_grad_by_freq, sparse)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ArgumentError(f"padding_idx must be within num_embeddings ({num_embeddings}), but got {padding_idx}")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(empty(num_embeddings, embedding_dim, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start again from standard normal rows; the padding row is zeros."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.detach()[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        """(...) integers to (..., embedding_dim)."""
        return embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The arguments."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
