"""Convolutions of one and three dimensions, and transposed ones, made of two-dimensional convolution.

One dimension is an image of one row. Three are images too: the frames under each kernel, one behind the other as
channels, so that one convolution sums over depth as well.
"""

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import define_grad, record
from torsh_ops.ops import conv_shape
from torsh_ops.ops.conv import conv2d_input, correlate
from torsh_ops.ops.conv_shape import Geometry, check_tensors
from torsh_ops.ops.windows import Pair, hashable
from torsh_ops.tensor import Tensor

Triple = tuple[int, int, int]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] | str = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate signals (n, c, l), or one (c, l), with kernels (k, c / groups, kl); see `conv2d`."""
    check_tensors(conv1d, input, weight, bias)
    given = (hashable(stride), hashable(padding), hashable(dilation), groups)
    geometry = conv_shape.correlation("conv1d", input.shape, weight.shape, _shape(bias), *given)
    x = input if input.ndim == 3 else input.unsqueeze(0)
    y = correlate(x.unsqueeze(2), weight.unsqueeze(2), bias, _one_row(geometry)).squeeze(2)
    return y if input.ndim == 3 else y.squeeze(0)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Triple = 1,
    padding: int | Triple | str = 0,
    dilation: int | Triple = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate volumes (n, c, d, h, w), or one (c, d, h, w), with kernels (k, c / groups, kd, kh, kw); see `conv2d`.

    Takes memory for the frames under each kernel: the input times kd over the stride in depth.
    """
    check_tensors(conv3d, input, weight, bias)
    given = (hashable(stride), hashable(padding), hashable(dilation), groups)
    geometry = conv_shape.correlation("conv3d", input.shape, weight.shape, _shape(bias), *given)
    x = input if input.ndim == 5 else input.unsqueeze(0)
    n, channels, _, height, width = x.shape
    depth, size = geometry.out[0], weight.shape[2]
    how = (geometry.stride[0], geometry.padding[0], geometry.dilation[0])
    frames = _frames(x, depth, size, *how).reshape(n * depth, channels * size, height, width)
    y = correlate(frames, _frame_weights(weight), bias, _in_plane(geometry))
    y = y.reshape(n, depth, *y.shape[1:]).transpose(1, 2).contiguous()
    return y if input.ndim == 5 else y.squeeze(0)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] = 0,
    output_padding: int | tuple[int] = 0,
    groups: int = 1,
    dilation: int | tuple[int] = 1,
) -> Tensor:
    """`conv_transpose2d` of signals (n, c, l), or one (c, l), with kernels (c, k / groups, kl)."""
    check_tensors(conv_transpose1d, input, weight, bias)
    given = (hashable(stride), hashable(padding), hashable(output_padding), groups, hashable(dilation))
    geometry = conv_shape.transposed("conv_transpose1d", input.shape, weight.shape, _shape(bias), *given)
    x = input if input.ndim == 3 else input.unsqueeze(0)
    y = _spread(x.unsqueeze(2), weight.unsqueeze(2), _one_row(geometry)).squeeze(2)
    return _with_bias(y if input.ndim == 3 else y.squeeze(0), bias, 1)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    output_padding: int | Pair = 0,
    groups: int = 1,
    dilation: int | Pair = 1,
) -> Tensor:
    """Spread images (n, c, h, w), or one (c, h, w), by kernels (c, k / groups, kh, kw): the transpose of `conv2d`.

    Returns (n, k, oh, ow) with ``oh = (h - 1) * stride - 2 * padding + dilation * (kh - 1) + output_padding + 1``.
    Raises as `conv2d`; `output_padding` must be smaller than the stride or the dilation.
    """
    check_tensors(conv_transpose2d, input, weight, bias)
    given = (hashable(stride), hashable(padding), hashable(output_padding), groups, hashable(dilation))
    geometry = conv_shape.transposed("conv_transpose2d", input.shape, weight.shape, _shape(bias), *given)
    x = input if input.ndim == 4 else input.unsqueeze(0)
    y = _spread(x, weight, geometry)
    return _with_bias(y if input.ndim == 4 else y.squeeze(0), bias, 2)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Triple = 1,
    padding: int | Triple = 0,
    output_padding: int | Triple = 0,
    groups: int = 1,
    dilation: int | Triple = 1,
) -> Tensor:
    """`conv_transpose2d` of volumes (n, c, d, h, w), or one (c, d, h, w), with kernels (c, k / groups, kd, kh, kw)."""
    check_tensors(conv_transpose3d, input, weight, bias)
    given = (hashable(stride), hashable(padding), hashable(output_padding), groups, hashable(dilation))
    geometry = conv_shape.transposed("conv_transpose3d", input.shape, weight.shape, _shape(bias), *given)
    x = input if input.ndim == 5 else input.unsqueeze(0)
    n, channels, depth, height, width = x.shape
    size = weight.shape[2]
    images = x.transpose(1, 2).reshape(n * depth, channels, height, width)
    spread = _spread(images, _frame_weights(weight), _in_plane(geometry))
    rows = weight.shape[1] * groups
    how = (geometry.stride[0], geometry.padding[0], geometry.dilation[0])
    y = _overlap(spread.reshape(n, depth, rows, size, *spread.shape[2:]), geometry.out[0], *how)
    return _with_bias(y if input.ndim == 5 else y.squeeze(0), bias, 3)


def _shape(bias: Tensor | None) -> tuple[int, ...] | None:
    return None if bias is None else bias.shape


def _one_row(geometry: Geometry) -> Geometry:
    """The geometry of a signal as that of an image of one row."""
    out, stride, padding, dilation, groups, ends = geometry
    return Geometry((1, *out), (1, *stride), (0, *padding), (1, *dilation), groups, (0, *ends))


def _in_plane(geometry: Geometry) -> Geometry:
    """The geometry of a volume without its depth."""
    out, stride, padding, dilation, groups, ends = geometry
    return Geometry(out[1:], stride[1:], padding[1:], dilation[1:], groups, ends[1:])


def _frame_weights(weight: Tensor) -> Tensor:
    k, c, depth, height, width = weight.shape
    return weight.reshape(k, c * depth, height, width)


def _spread(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    size = (x.shape[0], weight.shape[1] * geometry.groups, *geometry.out)
    return conv2d_input(size, weight, x, geometry.stride, geometry.padding, geometry.dilation, geometry.groups)


def _with_bias(y: Tensor, bias: Tensor | None, dims: int) -> Tensor:
    return y if bias is None else y + bias.reshape(-1, *[1] * dims)


def _frames(x: Tensor, count: int, size: int, stride: int, padding: int, dilation: int) -> Tensor:
    """The frames of (n, c, d, h, w) under each of `count` kernels of `size` frames: (n, count, c, size, h, w)."""
    n, channels, depth, height, width = x.shape
    result = memory.empty((n, count, channels, size, height, width), x._array.dtype)
    for t in range(size):
        first, last, frames = _meeting(t, count, depth, stride, padding, dilation)
        result[:, :first, :, t] = 0
        result[:, last:, :, t] = 0
        result[:, first:last, :, t] = x._array[:, :, frames].transpose(0, 2, 1, 3, 4)
    return record(_frames, Tensor(result), (x, count, size, stride, padding, dilation))


def _overlap(y: Tensor, depth: int, stride: int, padding: int, dilation: int) -> Tensor:
    """Add frames up where they came from: the transpose of `_frames`."""
    n, count, channels, size, height, width = y.shape
    result = memory.empty((n, channels, depth, height, width), y._array.dtype)
    result.fill(0)
    for t in range(size):
        first, last, frames = _meeting(t, count, depth, stride, padding, dilation)
        result[:, :, frames] += y._array[:, first:last, :, t].transpose(0, 2, 1, 3, 4)
    return record(_overlap, Tensor(result), (y, depth, stride, padding, dilation))


def _meeting(t: int, count: int, depth: int, stride: int, padding: int, dilation: int) -> tuple[int, int, slice]:
    """The kernels, first to last + 1, whose frame `t` lies in the volume, and those frames."""
    places = np.arange(count) * stride + t * dilation - padding
    inside = np.flatnonzero((places >= 0) & (places < depth))
    if not inside.size:
        return 0, 0, slice(0, 0)
    first, last = int(inside[0]), int(inside[-1]) + 1
    return first, last, slice(int(places[first]), int(places[last - 1]) + 1, stride)


define_grad(_frames, lambda g, _x, _count, _size, *how: _overlap(g, _x.shape[2], *how))
define_grad(_overlap, lambda g, _y, _depth, *how: _frames(g, _y.shape[1], _y.shape[3], *how))

__all__ = ["conv1d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
