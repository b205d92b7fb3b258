"""Dropout, as functions and as layers: what is zeroed is drawn from the default generator. Srivastava et al. 2014."""

import math
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.errors import ArgumentError, ShapeError
from torsh_ops.kernels.activation import dropout_factor
from torsh_ops.nn.module import Module
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.random import rand
from torsh_ops.tensor import Tensor

# What selu is at minus infinity.
_LOWEST = -1.7580993408473766


def _check_p(p: float) -> None:
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {p}")


def factors(input: Tensor, shape: tuple[int, ...], p: float, scale: float) -> Tensor:
    """`scale` with probability 1 - p, else 0, in the dtype of `input`."""
    drawn = rand(shape, dtype=input.dtype)._array
    result = memory.empty_like(drawn)
    threads.fill(dropout_factor, drawn, p, scale, result)
    return Tensor(result)


def _times(input: Tensor, factor: Any, inplace: bool) -> Tensor:
    return input.mul_(factor) if inplace else input * factor


def _drop(op: Any, input: Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool) -> Tensor:
    _check_p(p)
    if not training or p == 0:
        return need_tensor(op, input)
    if p == 1:
        return _times(input, 0.0, inplace)
    return _times(input, factors(input, shape, p, 1 / (1 - p)), inplace)


def _by_channel(input: Tensor) -> tuple[int, ...]:
    return (*input.shape[:2], *(1,) * (input.ndim - 2))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability `p` and scale the others by ``1 / (1 - p)``; `input` unless `training`.

    Raises ArgumentError when `p` is no probability.
    """
    return _drop(dropout, input, need_tensor(dropout, input).shape, p, training, inplace)


def _whole_channels(
    op: Any, input: Tensor, p: float, training: bool, inplace: bool, single: int, dims: tuple[int, ...]
) -> Tensor:
    """Zero whole channels of (n, c, ...); an input of `single` dimensions is one sample."""
    if need_tensor(op, input).ndim not in dims:
        raise ShapeError(f"{op.__name__}: expected an input of {' or '.join(map(str, dims))} dims, got {input.shape}")
    shape = (input.shape[0], *(1,) * (input.ndim - 1)) if input.ndim == single else _by_channel(input)
    return _drop(op, input, shape, p, training, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of (n, c, l) or (c, l)."""
    return _whole_channels(dropout1d, input, p, training, inplace, 2, (2, 3))


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of (n, c, h, w); three dimensions are (n, c, l), as in PyTorch."""
    return _whole_channels(dropout2d, input, p, training, inplace, 0, (3, 4))


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of (n, c, d, h, w) or (c, d, h, w)."""
    return _whole_channels(dropout3d, input, p, training, inplace, 4, (4, 5))


def _alpha(input: Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool) -> Tensor:
    _check_p(p)
    if not training or p == 0:
        return input
    if p == 1:
        return _times(input, 0.0, inplace)
    scale = 1 / math.sqrt((1 - p) * (1 + p * _LOWEST**2))
    kept = factors(input, shape, p, scale)
    shift = Tensor(np.where(kept._array == 0, scale * _LOWEST, 0).astype(kept._array.dtype)) - scale * _LOWEST * p
    return input.mul_(kept).add_(shift) if inplace else input * kept + shift


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Set each element to selu's lowest value with probability `p`, then restore mean and variance.

    Raises ArgumentError when `p` is no probability. Klambauer et al. 2017.
    """
    return _alpha(input, need_tensor(alpha_dropout, input).shape, p, training, inplace)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels of (n, c, ...)."""
    if need_tensor(feature_alpha_dropout, input).ndim < 2:
        raise ShapeError(f"Feature dropout requires at least 2 dimensions in the input, but got {input.shape}")
    return _alpha(input, _by_channel(input), p, training, inplace)


class Dropout(Module):
    """Zero elements with probability `p` while training; see `torsh_ops.nn.functional.dropout`."""

    _function = staticmethod(dropout)

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        _check_p(p)
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return self._function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(Dropout):
    """Zero whole channels of (n, c, l) or (c, l)."""

    _function = staticmethod(dropout1d)


class Dropout2d(Dropout):
    """Zero whole channels of (n, c, h, w)."""

    _function = staticmethod(dropout2d)


class Dropout3d(Dropout):
    """Zero whole channels of (n, c, d, h, w) or (c, d, h, w)."""

    _function = staticmethod(dropout3d)


class AlphaDropout(Dropout):
    """See `torsh_ops.nn.functional.alpha_dropout`."""

    _function = staticmethod(alpha_dropout)


class FeatureAlphaDropout(Dropout):
    """See `torsh_ops.nn.functional.feature_alpha_dropout`."""

    _function = staticmethod(feature_alpha_dropout)
