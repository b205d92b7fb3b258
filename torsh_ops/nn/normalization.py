"""Normalisations as layers."""

from collections.abc import Sequence
from typing import Any, ClassVar

from torsh_ops.dtypes import int64
from torsh_ops.errors import ArgumentError, ShapeError
from torsh_ops.nn import init
from torsh_ops.nn.module import Module, Parameter
from torsh_ops.ops.channel_norm import batch_norm, group_norm, instance_norm, local_response_norm
from torsh_ops.ops.creation import ones, zeros
from torsh_ops.ops.norm import layer_norm, rms_norm
from torsh_ops.tensor import Tensor


class _ChannelNorm(Module):
    """Base: weight, bias and running statistics of `num_features` channels."""

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
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        made: dict[str, Any] = {"dtype": dtype, "device": device}
        self.register_parameter("weight", Parameter(ones(num_features, **made)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_features, **made)) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, **made) if tracked else None)
        self.register_buffer("running_var", ones(num_features, **made) if tracked else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype=int64) if tracked else None)

    def reset_running_stats(self) -> None:
        """Start the running statistics again: mean 0, variance 1."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Start again: weight 1, bias 0, no running statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    """Base of batch norm; `dims` are the numbers of dimensions that it takes."""

    dims: ClassVar[tuple[int, ...]]

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        if input.ndim not in self.dims:
            raise ShapeError(f"expected {' or '.join(f'{n}D' for n in self.dims)} input (got {input.ndim}D input)")
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked._array += 1
            if momentum is None:
                momentum = 1 / float(self.num_batches_tracked.item())
        by_batch = self.training or self.running_mean is None
        # In training without tracking there is nothing to move.
        return batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, by_batch, momentum or 0.0, self.eps
        )


class BatchNorm1d(_BatchNorm):
    """Normalise each channel of (n, c) or (n, c, l); see `torsh_ops.nn.functional.batch_norm`.

    `momentum` None averages all batches so far. Without `track_running_stats` the batch's own statistics are always
    used.
    """

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalise each channel of images (n, c, h, w); see `BatchNorm1d`."""

    dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalise each channel of volumes (n, c, d, h, w); see `BatchNorm1d`."""

    dims = (5,)


class _InstanceNorm(_ChannelNorm):
    """Base of instance norm; `batched` is the number of dimensions with a batch, one less is one sample."""

    batched: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        if input.ndim not in (self.batched - 1, self.batched):
            raise ShapeError(f"expected {self.batched - 1}D or {self.batched}D input (got {input.ndim}D input)")
        single = input.ndim < self.batched
        if input.shape[0 if single else 1] != self.num_features and self.affine:
            raise ArgumentError(
                f"expected input's size at dim={0 if single else 1} to match num_features ({self.num_features}), "
                f"but got: {input.shape[0 if single else 1]}."
            )
        result = instance_norm(
            input.unsqueeze(0) if single else input, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats, self.momentum or 0.0, self.eps,
        )  # fmt: skip
        return result.squeeze(0) if single else result


class InstanceNorm1d(_InstanceNorm):
    """Normalise each channel of each sample of (n, c, l) or (c, l)."""

    batched = 3


class InstanceNorm2d(_InstanceNorm):
    """Normalise each channel of each image of (n, c, h, w) or (c, h, w)."""

    batched = 4


class InstanceNorm3d(_InstanceNorm):
    """Normalise each channel of each volume of (n, c, d, h, w) or (c, d, h, w)."""

    batched = 5


class GroupNorm(Module):
    """Normalise each sample over groups of channels; see `torsh_ops.nn.functional.group_norm`."""

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ArgumentError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        made: dict[str, Any] = {"dtype": dtype, "device": device}
        self.register_parameter("weight", Parameter(ones(num_channels, **made)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_channels, **made)) if affine and bias else None)

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        text = f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
        return f"{text}, bias={self.bias is not None}"


class LocalResponseNorm(Module):
    """Divide by the response of neighbouring channels; see `torsh_ops.nn.functional.local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


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
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        made: dict[str, Any] = {"dtype": dtype, "device": device}
        self.register_parameter("weight", Parameter(ones(shape, **made)) if elementwise_affine else None)
        self.register_parameter("bias", Parameter(zeros(shape, **made)) if elementwise_affine and bias else None)

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        text = f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return f"{text}, bias={self.bias is not None}"


class RMSNorm(Module):
    """Divide by the root of the mean square of the last dimensions; see `torsh_ops.nn.functional.rms_norm`."""

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = Parameter(ones(shape, dtype=dtype, device=device)) if elementwise_affine else None
        self.register_parameter("weight", weight)

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
