"""Batch and layer normalisation."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import define_grad, is_grad_enabled, record
from torsh_ops.dtypes import int64
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import batch_norm as kernels
from torsh_ops.nn.module import Module, Parameter
from torsh_ops.ops.creation import ones, zeros
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.elementwise import rsqrt
from torsh_ops.ops.norm import layer_norm
from torsh_ops.ops.reduce import mean, var
from torsh_ops.tensor import Tensor


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of (n, c, ...), then scale by `weight` (c,) and shift by `bias` (c,).

    With `training` the batch's own mean and biased variance are used, and the running ones move towards them (the
    variance unbiased) by `momentum`; otherwise the running ones are used. Ioffe and Szegedy 2015.
    """
    _check(input, running_mean, running_var, weight, bias, training)
    if training:
        return _by_batch(input, running_mean, running_var, weight, bias, momentum, eps)
    assert running_mean is not None and running_var is not None
    recorded = any(t is not None and t.requires_grad for t in (input, weight, bias))
    if recorded and is_grad_enabled():
        shape = (1, -1, *(1,) * (input.ndim - 2))
        scale = rsqrt(running_var + eps)
        scale = scale if weight is None else scale * weight
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        return input * scale.reshape(shape) + shift.reshape(shape)
    rstd = 1 / np.sqrt(running_var._array + eps)
    return Tensor(_apply(contiguous_array(input), running_mean._array, rstd, weight, bias))


def _check(
    input: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
) -> None:
    if need_tensor(batch_norm, input).ndim < 2 or not input.is_floating_point():
        raise ShapeError(f"batch_norm expects a floating-point input (n, c, ...), but got {input.dtype} {input.shape}")
    if training and input.numel() == input.shape[1]:
        raise ArgumentError(f"Expected more than 1 value per channel when training, got input size {list(input.shape)}")
    if not training and (mean is None or variance is None):
        raise ArgumentError("Expected running_mean and running_var to be defined when training=False")
    named = (("running_mean", mean), ("running_var", variance), ("weight", weight), ("bias", bias))
    for name, tensor in named:
        if tensor is not None and tensor.shape != input.shape[1:2]:
            raise ShapeError(f"{name} should contain {input.shape[1]} elements, not {list(tensor.shape)}")
        if tensor is not None and tensor.dtype is not input.dtype:
            raise DTypeError(f"batch_norm: input is {input.dtype} but {name} is {tensor.dtype}")


def _by_batch(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
) -> Tensor:
    x = contiguous_array(input)
    middle, variance = np.empty(x.shape[1], x.dtype), np.empty(x.shape[1], x.dtype)
    kernels.statistics(_planes(x), middle, variance)
    count = x.size // x.shape[1]
    for running, new in ((running_mean, middle), (running_var, variance * (count / (count - 1)))):
        if running is not None:
            running._array[...] = (1 - momentum) * running._array + momentum * new
            running._bump()
    rstd = (1 / np.sqrt(variance + eps)).astype(x.dtype)
    result = Tensor(_apply(x, middle, rstd, weight, bias))
    return record(_by_batch, result, (input, weight, bias, middle, rstd, eps))


def _planes(x: np.ndarray) -> np.ndarray:
    return x.reshape(x.shape[0], x.shape[1], math.prod(x.shape[2:]))


def _apply(x: np.ndarray, middle: np.ndarray, rstd: np.ndarray, weight: Any, bias: Any) -> np.ndarray:
    scale = rstd if weight is None else rstd * weight._array
    shift = -middle * scale if bias is None else bias._array - middle * scale
    result = memory.empty(x.shape, x.dtype)
    kernels.scale_and_shift(_planes(x), scale.astype(x.dtype), shift.astype(x.dtype), _planes(result))
    return result


def _normal(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The normalised batch and its scale, as operators: what a gradient that is itself recorded is made of."""
    dims = _dims(x)
    scale = rsqrt(var(x, dims, keepdim=True, correction=0) + eps)
    return (x - mean(x, dims, True)) * scale, scale


def _dims(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _sums(g: Tensor, x: Tensor, middle: np.ndarray, rstd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    plain, product = np.empty_like(middle), np.empty_like(middle)
    kernels.products(_planes(contiguous_array(g)), _planes(contiguous_array(x)), middle, rstd, plain, product)
    return plain, product


def _input_grad(
    g: Tensor, x: Tensor, weight: Tensor | None, _bias: Any, middle: np.ndarray, rstd: np.ndarray, eps: float
) -> Tensor:
    if is_grad_enabled():
        dims = _dims(x)
        normal, scale = _normal(x, eps)
        g = g if weight is None else g * weight.reshape(1, -1, *(1,) * (x.ndim - 2))
        return (g - mean(g, dims, True) - normal * mean(g * normal, dims, True)) * scale
    array = contiguous_array(x)
    plain, product = _sums(g, x, middle, rstd)
    count = array.size // array.shape[1]
    scale_by_channel = rstd if weight is None else rstd * weight._array
    result = memory.empty(array.shape, array.dtype)
    arrays = (_planes(contiguous_array(g)), _planes(array), middle, rstd, scale_by_channel)
    kernels.input_gradient(*arrays, plain / count, product / count, _planes(result))
    return Tensor(result)


def _weight_grad(
    g: Tensor, x: Tensor, _weight: Any, _bias: Any, middle: np.ndarray, rstd: np.ndarray, eps: float
) -> Tensor:
    if is_grad_enabled():
        return (g * _normal(x, eps)[0]).sum(_dims(x))
    return Tensor(_sums(g, x, middle, rstd)[1])


define_grad(_by_batch, _input_grad, _weight_grad, lambda g, _x, *_rest: g.sum(_dims(_x)))


class BatchNorm2d(Module):
    """Normalise each channel of images (n, num_features, h, w); see `torsh_ops.nn.functional.batch_norm`.

    `momentum` None averages all batches so far. Without `track_running_stats` the batch's own statistics are always
    used.
    """

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", Parameter(ones(num_features, dtype=dtype)) if affine else None)
        shifted = affine and bias
        self.register_parameter("bias", Parameter(zeros(num_features, dtype=dtype)) if shifted else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype=int64) if tracked else None)

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        if input.ndim != 4:
            raise ShapeError(f"expected 4D input (got {input.ndim}D input)")
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked._array += 1
            if momentum is None:
                momentum = 1 / float(self.num_batches_tracked.item())
        by_batch = self.training or self.running_mean is None
        return batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, by_batch, momentum or 0.0, self.eps
        )

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class LayerNorm(Module):
    """Normalise over the last dimensions; see `torsh_ops.nn.functional.layer_norm`."""

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given = [normalized_shape] if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(given)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape = self.normalized_shape
        self.register_parameter("weight", Parameter(ones(shape, dtype=dtype)) if elementwise_affine else None)
        shifted = elementwise_affine and bias
        self.register_parameter("bias", Parameter(zeros(shape, dtype=dtype)) if shifted else None)

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        text = f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return f"{text}, bias={self.bias is not None}"
