"""Layers that shrink or enlarge signals, images and volumes: pooling, its reverse, resampling, pixel shuffling."""

from collections.abc import Callable
from typing import Any, ClassVar

from torsh_ops.nn.module import Module
from torsh_ops.ops import pool, pool_nd
from torsh_ops.ops.interpolate import interpolate, pixel_shuffle, pixel_unshuffle
from torsh_ops.tensor import Tensor


class _Pool(Module):
    """A layer without weights: its operator and the operator's arguments."""

    operator: ClassVar[Callable[..., Any]]
    shown: ClassVar[tuple[str, ...]]

    def extra_repr(self) -> str:
        """The arguments."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.shown)


class _MaxPool(_Pool):
    shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.stride = kernel_size if stride is None else stride
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        """(n, c, *size) to (n, c, *new size), with the indices when asked for."""
        how = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)
        return type(self).operator(input, *how)


class MaxPool1d(_MaxPool):
    """Largest element of each window; see `torsh_ops.nn.functional.max_pool1d`."""

    operator = pool_nd.max_pool1d


class MaxPool2d(_MaxPool):
    """Largest element of each window; see `torsh_ops.nn.functional.max_pool2d`."""

    operator = pool.max_pool2d


class MaxPool3d(_MaxPool):
    """Largest element of each window; see `torsh_ops.nn.functional.max_pool3d`."""

    operator = pool_nd.max_pool3d


class _MaxUnpool(_Pool):
    shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(n, c, *size) to (n, c, *old size): each element where `indices` says, zeros elsewhere."""
        return type(self).operator(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpool):
    """Put maxima back; see `torsh_ops.nn.functional.max_unpool1d`."""

    operator = pool_nd.max_unpool1d


class MaxUnpool2d(_MaxUnpool):
    """Put maxima back; see `torsh_ops.nn.functional.max_unpool2d`."""

    operator = pool_nd.max_unpool2d


class MaxUnpool3d(_MaxUnpool):
    """Put maxima back; see `torsh_ops.nn.functional.max_unpool3d`."""

    operator = pool_nd.max_unpool3d


class AvgPool1d(_Pool):
    """Mean of each window; see `torsh_ops.nn.functional.avg_pool1d`."""

    shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """(n, c, l) to (n, c, ol)."""
        how = (self.kernel_size, self.stride, self.padding)
        return pool_nd.avg_pool1d(input, *how, self.ceil_mode, self.count_include_pad)


class _AvgPool(_Pool):
    shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """(n, c, *size) to (n, c, *new size)."""
        how = (self.kernel_size, self.stride, self.padding)
        return type(self).operator(input, *how, self.ceil_mode, self.count_include_pad, self.divisor_override)


class AvgPool2d(_AvgPool):
    """Mean of each window; see `torsh_ops.nn.functional.avg_pool2d`."""

    operator = pool.avg_pool2d


class AvgPool3d(_AvgPool):
    """Mean of each window; see `torsh_ops.nn.functional.avg_pool3d`."""

    operator = pool_nd.avg_pool3d


class _LPPool(_Pool):
    shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self,
        norm_type: float,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """(n, c, *size) to (n, c, *new size)."""
        return type(self).operator(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool1d(_LPPool):
    """Power mean of each window, as a sum; see `torsh_ops.nn.functional.lp_pool1d`."""

    operator = pool_nd.lp_pool1d


class LPPool2d(_LPPool):
    """Power mean of each window, as a sum; see `torsh_ops.nn.functional.lp_pool2d`."""

    operator = pool_nd.lp_pool2d


class LPPool3d(_LPPool):
    """Power mean of each window, as a sum; see `torsh_ops.nn.functional.lp_pool3d`."""

    operator = pool_nd.lp_pool3d


class _AdaptiveAvgPool(_Pool):
    shown = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """(n, c, *size) to (n, c, *output_size)."""
        return type(self).operator(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Mean over windows that share the signal out; see `torsh_ops.nn.functional.adaptive_avg_pool1d`."""

    operator = pool_nd.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Mean over windows that share the image out; see `torsh_ops.nn.functional.adaptive_avg_pool2d`."""

    operator = pool.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Mean over windows that share the volume out; see `torsh_ops.nn.functional.adaptive_avg_pool3d`."""

    operator = pool_nd.adaptive_avg_pool3d


class _AdaptiveMaxPool(_Pool):
    shown = ("output_size",)

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        """(n, c, *size) to (n, c, *output_size), with the indices when asked for."""
        return type(self).operator(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Largest element of windows that share the signal out; see `torsh_ops.nn.functional.adaptive_max_pool1d`."""

    operator = pool_nd.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Largest element of windows that share the image out; see `torsh_ops.nn.functional.adaptive_max_pool2d`."""

    operator = pool.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Largest element of windows that share the volume out; see `torsh_ops.nn.functional.adaptive_max_pool3d`."""

    operator = pool_nd.adaptive_max_pool3d


class Upsample(Module):
    """Resample to `size` or by `scale_factor`; see `torsh_ops.nn.functional.interpolate`."""

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(n, c, *size) to (n, c, *new size)."""
        how = (self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)
        return interpolate(input, *how)

    def extra_repr(self) -> str:
        """The arguments."""
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of images to the nearest pixel."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of images by bilinear interpolation with aligned corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class PixelShuffle(Module):
    """Channels to places; see `torsh_ops.nn.functional.pixel_shuffle`."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(*, c * r * r, h, w) to (*, c, h * r, w * r)."""
        return pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """The argument."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Places to channels; see `torsh_ops.nn.functional.pixel_unshuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(*, c, h * r, w * r) to (*, c * r * r, h, w)."""
        return pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """The argument."""
        return f"downscale_factor={self.downscale_factor}"
