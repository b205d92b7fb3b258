"""Attention, and the Transformer's encoder layer. Vaswani et al. 2017."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops.errors import ArgumentError, OperandError, ShapeError
from torsh_ops.nn import init
from torsh_ops.nn.dropout import Dropout, dropout
from torsh_ops.nn.linear import Linear
from torsh_ops.nn.module import Module, Parameter
from torsh_ops.nn.normalization import LayerNorm
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops.attention import scaled_dot_product_attention, weights_of
from torsh_ops.ops.creation import empty, zeros
from torsh_ops.ops.linalg import matmul
from torsh_ops.ops.linear import linear
from torsh_ops.tensor import Tensor


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float) -> tuple[Tensor, Tensor]:
    """The result and the weights."""
    weights = weights_of(query, key, mask, False, 1 / math.sqrt(query.shape[-1]))
    return matmul(dropout(weights, dropout_p) if dropout_p else weights, value), weights


def _unsupported(owner: str, **given: Any) -> None:
    named = [name for name, value in given.items() if value]
    if named:
        raise ArgumentError(f"{owner} does not support {', '.join(named)}")


class MultiheadAttention(Module):
    """Attention in `num_heads` parts of the last dimension at once, between learnt projections.

    Inputs are (length, batch, embed_dim), or (batch, length, embed_dim) with `batch_first`, or (length, embed_dim).
    """

    in_proj_weight: Parameter
    in_proj_bias: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        other = {"kdim": kdim not in (None, embed_dim), "vdim": vdim not in (None, embed_dim)}
        _unsupported("MultiheadAttention", add_bias_kv=add_bias_kv, add_zero_attn=add_zero_attn, **other)
        if num_heads < 1 or embed_dim % num_heads:
            raise ArgumentError(f"embed_dim must be divisible by num_heads, but got {embed_dim} and {num_heads}")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.dropout, self.batch_first = dropout, batch_first
        self.in_proj_weight = Parameter(empty(3 * embed_dim, embed_dim, dtype=dtype))
        self.register_parameter("in_proj_bias", Parameter(zeros(3 * embed_dim, dtype=dtype)) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, dtype=dtype)
        init.xavier_uniform_(self.in_proj_weight)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The result, in the shape of `query`, and the weights (batch, length, source length) when needed.

        Masks are true, or -inf, where a place is left out: `key_padding_mask` (batch, source length), `attn_mask`
        (length, source length) or (batch * num_heads, length, source length). `is_causal` only says of `attn_mask`
        that it is causal.
        """
        if is_causal and attn_mask is None:
            raise ArgumentError("Need attn_mask if specifying the is_causal hint.")
        batched = query.ndim == 3
        if not batched and query.ndim != 2:
            raise ShapeError(
                f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
            )
        inputs = (query, key, value) if batched else tuple(x.unsqueeze(0) for x in (query, key, value))
        swapped = batched and not self.batch_first
        q, k, v = self._project(inputs, swapped)
        mask = self._mask(key_padding_mask, attn_mask, k, batched)
        left_out = self.dropout if self.training else 0.0
        if need_weights:
            mixed, weights = _attend(q, k, v, mask, left_out)
            shown = weights.mean(1) if average_attn_weights else weights
        else:
            mixed, shown = scaled_dot_product_attention(q, k, v, mask, left_out), None
        joined = mixed.permute(2, 0, 1, 3) if swapped else mixed.transpose(1, 2)
        result = self.out_proj(joined.reshape(*joined.shape[:2], self.embed_dim))
        if batched:
            return result, shown
        return result.squeeze(0), None if shown is None else shown.squeeze(0)

    def _project(self, inputs: tuple[Tensor, ...], swapped: bool) -> list[Tensor]:
        """Query, key and value as (batch, heads, length, head_dim)."""
        query, key, value = inputs
        if query is key and key is value:
            projected = linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        else:
            weights = self.in_proj_weight.chunk(3, 0)
            biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3, 0)
            projected = tuple(linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True))
        order = (1, 2, 0, 3) if swapped else (0, 2, 1, 3)
        return [x.reshape(*x.shape[:2], self.num_heads, self.head_dim).permute(order) for x in projected]

    def _mask(self, padding: Tensor | None, mask: Tensor | None, key: Tensor, batched: bool) -> Tensor | None:
        """Both masks as one to be added to the scores (batch, heads, length, source length)."""
        total = None
        if mask is not None:
            total = _added(mask, key)
            if mask.ndim == 3:
                total = total.reshape(key.shape[0], self.num_heads, *mask.shape[1:])
        if padding is not None:
            padding = padding if batched else padding.unsqueeze(0)
            if padding.shape != (key.shape[0], key.shape[2]):
                raise ShapeError(
                    f"key_padding_mask should have shape {(key.shape[0], key.shape[2])}, but got {padding.shape}"
                )
            own = _added(padding, key).reshape(key.shape[0], 1, 1, key.shape[2])
            total = own if total is None else total + own
        return total


def _added(mask: Tensor, like: Tensor) -> Tensor:
    """A mask that leaves out where true, as numbers to add."""
    if mask._array.dtype != bool:
        return mask
    numbers = np.zeros(mask.shape, like._array.dtype)
    numbers[mask._array] = -np.inf
    return Tensor(numbers)


class TransformerEncoderLayer(Module):
    """Self-attention and a feed-forward network of two layers, each with dropout, a sum and a LayerNorm.

    `activation` is "relu", "gelu" or a function. With `norm_first` each part is normalised before it, else after the
    sum. Shapes as `MultiheadAttention`.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The shape of `src`."""
        masks = (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            src = src + self._attention(self.norm1(src), *masks)
            return src + self._feed_forward(self.norm2(src))
        src = self.norm1(src + self._attention(src, *masks))
        return self.norm2(src + self._feed_forward(src))

    def _attention(self, x: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool) -> Tensor:
        result, _ = self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal)
        return self.dropout1(result)

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


def _activation(activation: str | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    if activation == "relu":
        return ew.relu
    if activation == "gelu":
        return ew.gelu
    if not callable(activation):
        raise OperandError(f"activation should be relu/gelu or a function, not {activation!r}")
    return activation
