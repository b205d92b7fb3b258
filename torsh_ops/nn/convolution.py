"""Convolution layers, plain and transposed, of one, two and three dimensions."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

import numpy as np

from torsh_ops.errors import ArgumentError
from torsh_ops.nn import init
from torsh_ops.nn.module import Module, Parameter
from torsh_ops.ops import conv, conv_nd
from torsh_ops.ops.creation import empty, from_numpy
from torsh_ops.ops.index import index_select
from torsh_ops.tensor import Tensor

# PyTorch's names for what surrounds the input, and NumPy's.
_PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class _Convolution(Module):
    """What all have: the numbers, a weight, a bias."""

    count: ClassVar[int]  # of directions
    transposed: ClassVar[bool] = False
    weight: Parameter
    bias: Parameter | None

    def _set_up(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        dtype: Any,
    ) -> None:
        modes = ("zeros",) if self.transposed else tuple(_PADDING_MODES)
        if padding_mode not in modes:
            raise ArgumentError(
                f"padding_mode={padding_mode!r} is not supported: {type(self).__name__} takes {', '.join(modes)}"
            )
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"in_channels and out_channels must be divisible by groups, but got {in_channels}, {out_channels} "
                f"and groups={groups}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = map(self._each, (kernel_size, stride, dilation))
        self.padding = padding if isinstance(padding, str) else self._each(padding)
        self.output_padding, self.padding_mode = self._each(output_padding), padding_mode
        rows, columns = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = Parameter(empty(rows, columns // groups, *self.kernel_size, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def _each(self, value: Any) -> tuple[int, ...]:
        return (value,) * self.count if isinstance(value, int) else tuple(value)

    def reset_parameters(self) -> None:
        """Start again from random values, uniform within 1 / sqrt(weight.shape[1] * kernel area)."""
        init.default_(self.weight, self.bias)

    def extra_repr(self) -> str:
        """The arguments that are not the defaults."""
        none, one = (0,) * self.count, (1,) * self.count
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding}" if self.padding != none else ""
        text += f", dilation={self.dilation}" if self.dilation != one else ""
        text += f", output_padding={self.output_padding}" if self.output_padding != none else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class _Conv(_Convolution):
    operator: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: Any = None,
    ) -> None:
        super().__init__()
        numbers = (kernel_size, stride, padding, dilation, 0)
        self._set_up(in_channels, out_channels, *numbers, groups, bias, padding_mode, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """(n, in_channels, *size) to (n, out_channels, *new size); or both without n."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._surrounded(input), 0
        operator = type(self).operator
        return operator(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _surrounded(self, x: Tensor) -> Tensor:
        """`x` with the border that `padding_mode` names, taken from itself."""
        if self.padding == "same":
            more = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            borders = [(m // 2, m - m // 2) for m in more]
        elif self.padding == "valid":
            return x
        else:
            borders = [(p, p) for p in self.padding]  # type: ignore[misc]
        for dim, border in zip(range(-self.count, 0), borders, strict=True):
            size = x.shape[dim]
            if max(border) > size - (self.padding_mode == "reflect"):
                raise ArgumentError(
                    f"padding {border} is more than padding_mode={self.padding_mode!r} can take from a side of {size} "
                    f"of input {list(x.shape)}"
                )
            places = np.pad(np.arange(size), border, mode=_PADDING_MODES[self.padding_mode])  # type: ignore[call-overload]
            x = index_select(x, dim, from_numpy(places))
        return x


class Conv1d(_Conv):
    """Correlation of signals (n, in_channels, l) with learnt kernels; see `torsh_ops.nn.functional.conv1d`."""

    count = 1
    operator = conv_nd.conv1d


class Conv2d(_Conv):
    """Correlation of images (n, in_channels, h, w) with learnt kernels; see `torsh_ops.nn.functional.conv2d`."""

    count = 2
    operator = conv.conv2d


class Conv3d(_Conv):
    """Correlation of volumes (n, in_channels, d, h, w) with learnt kernels; see `torsh_ops.nn.functional.conv3d`."""

    count = 3
    operator = conv_nd.conv3d


class _ConvTranspose(_Convolution):
    transposed = True
    operator: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        dtype: Any = None,
    ) -> None:
        super().__init__()
        numbers = (kernel_size, stride, padding, dilation, output_padding)
        self._set_up(in_channels, out_channels, *numbers, groups, bias, padding_mode, dtype)

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """(n, in_channels, *size) to (n, out_channels, *new size), which `output_size` may choose among the fitting."""
        more = self.output_padding if output_size is None else self._more(input, tuple(output_size))
        operator = type(self).operator
        return operator(input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation)

    def _more(self, input: Tensor, output_size: tuple[int, ...]) -> tuple[int, ...]:
        """The output_padding that gives `output_size`."""
        wanted = output_size[-self.count :]
        have, padding = input.shape[-self.count :], cast("tuple[int, ...]", self.padding)
        numbers = zip(have, self.kernel_size, self.stride, padding, self.dilation, strict=True)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in numbers]
        if len(wanted) != self.count or any(
            not low <= n < low + s for n, low, s in zip(wanted, least, self.stride, strict=True)
        ):
            raise ArgumentError(
                f"requested an output size of {output_size}, but valid sizes range from {least} to "
                f"{[low + s - 1 for low, s in zip(least, self.stride, strict=True)]} (for an input of "
                f"{list(input.shape)})"
            )
        return tuple(n - low for n, low in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """The transpose of `Conv1d`; see `torsh_ops.nn.functional.conv_transpose1d`."""

    count = 1
    operator = conv_nd.conv_transpose1d


class ConvTranspose2d(_ConvTranspose):
    """The transpose of `Conv2d`; see `torsh_ops.nn.functional.conv_transpose2d`."""

    count = 2
    operator = conv_nd.conv_transpose2d


class ConvTranspose3d(_ConvTranspose):
    """The transpose of `Conv3d`; see `torsh_ops.nn.functional.conv_transpose3d`."""

    count = 3
    operator = conv_nd.conv_transpose3d
