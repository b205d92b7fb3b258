"""Two-dimensional convolution and its gradients."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import define_grad, record
from torsh_ops.kernels import conv as kernels
from torsh_ops.ops import conv_shape
from torsh_ops.ops.conv_method import Packed, Winograd, choose, weight_gradient
from torsh_ops.ops.conv_plan import Offsets
from torsh_ops.ops.conv_shape import Geometry, check_tensors
from torsh_ops.ops.dispatch import contiguous_array
from torsh_ops.ops.joining import cat
from torsh_ops.ops.plan import New, Plan, Step, planned
from torsh_ops.ops.windows import Pair, hashable
from torsh_ops.tensor import Tensor

# Multiply-adds that take as long as an element of element-wise work.
_WORTH = 64


def _plan_conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Plan | None:  # fmt: skip
    """Work for one thread, by a method whose kernel takes words."""
    check_tensors(conv2d, input, weight, bias)
    given = (hashable(stride), hashable(padding), hashable(dilation), groups)
    bias_shape = None if bias is None else bias.shape
    geometry = conv_shape.correlation("conv2d", input.shape, weight.shape, bias_shape, *given)
    out, stride, padding, dilation, groups, ends = geometry
    tensors = [x for x in (input, weight, bias) if x is not None]
    if input.ndim != 4 or any(ends) or not all(x._array.flags.c_contiguous for x in tensors):
        return None
    (rows, channels), dtype = weight.shape[:2], input._array.dtype
    result = New((input.shape[0], rows, *out), input)
    work = math.prod(result.shape) * weight._array[0].size // _WORTH
    if not math.prod(result.shape) or not channels or work >= threads.WORTH_ELEMENTS:
        return None
    offsets = _forward_offsets(weight.shape, padding, dilation)
    method = choose(input.shape[0], out, groups, channels, rows // groups, offsets, stride, dtype)
    if isinstance(method, (Packed, Winograd)):
        return None
    kernel, tables, size = method.planned()
    room, init = New((size,), input), np.zeros(rows, dtype) if bias is None else bias
    step = Step(kernel, input, weight, init, np.array(tables, np.int64), room, result)
    return Plan(result, [step], room=[room])


@planned(_plan_conv2d)
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate images (n, c, h, w), or one (c, h, w), with kernels (k, c / groups, kh, kw) and add `bias` (k,).

    `padding` is zeros on each side, "valid" or "same". Returns (n, k, oh, ow) with
    ``oh = (h + 2 * padding - dilation * (kh - 1) - 1) // stride + 1``. Large float32 layers of 3x3 kernels are
    computed by Winograd's F(4x4, 3x3), or its like for stride 2. Their rounding errors are 5 to 10, and 4 to 5, times
    those of the plain sum in root mean square (2e-6 and 1e-6 of outputs around 1), the largest 10 to 30 times.
    Raises ShapeError and DTypeError on operands that do not fit, ArgumentError on the numbers.
    """
    check_tensors(conv2d, input, weight, bias)
    bias_shape = None if bias is None else bias.shape
    given = (hashable(stride), hashable(padding), hashable(dilation), groups)
    geometry = conv_shape.correlation("conv2d", input.shape, weight.shape, bias_shape, *given)
    if input.ndim == 4:
        return correlate(input, weight, bias, geometry)
    return correlate(input.unsqueeze(0), weight, bias, geometry).squeeze(0)


def correlate(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """`conv2d` of a batch of images and checked arguments."""
    out, stride, padding, dilation, groups, ends = geometry
    if any(ends):
        x = _with_zeros(x, ends)
    init = None if bias is None else contiguous_array(bias)
    offsets = _forward_offsets(weight.shape, padding, dilation)
    y = _correlate(contiguous_array(x), contiguous_array(weight), init, out, offsets, stride, groups)
    return record(conv2d, Tensor(y), (x, weight, bias, stride, padding, dilation, groups))


def conv2d_input(
    input_size: tuple[int, ...],
    weight: Tensor,
    grad_output: Tensor,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Tensor:
    """Gradient of `conv2d` with regard to its input, of shape `input_size`."""
    w, g = contiguous_array(weight), contiguous_array(grad_output)
    height, width = input_size[2:]
    rows, columns = (
        _backward_taps(k, s, p, d) for k, s, p, d in zip(w.shape[2:], stride, padding, dilation, strict=True)
    )
    result = memory.empty(tuple(input_size), g.dtype)
    if not all(taps.size for taps, _ in (*rows, *columns)):
        result.fill(0)
    for y, (row_taps, row_offsets) in enumerate(rows[:height]):
        for x, (column_taps, column_offsets) in enumerate(columns[:width]):
            if row_offsets and column_offsets:
                turned = memory.empty((input_size[1], w.shape[0] // groups, row_taps.size, column_taps.size), w.dtype)
                kernels.turn_weights(w, groups, row_taps, column_taps, turned)
                size = (-(-(height - y) // stride[0]), -(-(width - x) // stride[1]))
                part = _correlate(g, turned, None, size, (row_offsets, column_offsets), (1, 1), groups)
                if stride == (1, 1):
                    result = part
                else:
                    kernels.interleave(part, y, x, *stride, result)
    return record(conv2d_input, Tensor(result), (input_size, weight, grad_output, stride, padding, dilation, groups))


def conv2d_weight(
    input: Tensor,
    weight_size: tuple[int, ...],
    grad_output: Tensor,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Tensor:
    """Gradient of `conv2d` with regard to its weights, of shape `weight_size`."""
    x, g = contiguous_array(input), contiguous_array(grad_output)
    rows, channels = weight_size[:2]
    result = memory.empty((rows, channels * weight_size[2] * weight_size[3]), x.dtype)
    if g.size:
        offsets = _forward_offsets(tuple(weight_size), padding, dilation)
        method = weight_gradient(g.shape[2:], groups, channels, rows // groups, offsets, stride, x.dtype)
        method.run(x, g, result)
    else:
        result.fill(0)
    tensor = Tensor(result.reshape(weight_size))
    return record(conv2d_weight, tensor, (input, weight_size, grad_output, stride, padding, dilation, groups))


def _correlate(
    x: np.ndarray,
    weights: np.ndarray,
    init: np.ndarray | None,
    out: Pair,
    offsets: tuple[Offsets, Offsets],
    stride: Pair,
    groups: int,
) -> np.ndarray:
    rows, channels = weights.shape[:2]
    result = memory.empty((x.shape[0], rows, *out), x.dtype)
    if init is None:
        init = np.zeros(rows, x.dtype)
    if result.size and channels:
        _run(x, weights, init, result, (out, groups, channels, rows // groups, offsets, stride, x.dtype))
    return result


def _run(x: np.ndarray, weights: np.ndarray, init: np.ndarray, result: np.ndarray, shape: tuple[Any, ...]) -> None:
    """Correlate: images, or the rows of a single image's result, to each thread."""
    images, count = len(x), threads.get_num_threads()
    work = result.size * weights[0].size // _WORTH
    if count == 1 or work < threads.WORTH_ELEMENTS:
        choose(images, *shape).run(x, weights, init, result)
    elif images > 1 or shape[1] > 1:
        method = choose(max(images // count, 1), *shape)
        threads.rowwise(lambda a, b: method.run(a, weights, init, b), work, images, x, result)
    else:
        out, groups, channels, _, *how = shape
        threads.rowwise(
            lambda w, i, y: choose(1, out, groups, channels, len(w), *how).run(x, w, i, y[None]), work, len(weights),
            weights, init, result[0],
        )  # fmt: skip


@lru_cache(maxsize=512)
def _forward_offsets(weight_size: tuple[int, ...], padding: Pair, dilation: Pair) -> tuple[Offsets, Offsets]:
    """Where each row and column of a kernel reads, relative to ``output place * stride``."""
    rows, columns = (
        tuple(i * d - p for i in range(n)) for n, p, d in zip(weight_size[2:], padding, dilation, strict=True)
    )
    return rows, columns


@lru_cache(maxsize=512)
def _backward_taps(size: int, stride: int, padding: int, dilation: int) -> list[tuple[np.ndarray, Offsets]]:
    """For each place modulo the stride: the taps that reach it, and the output, i + offset, that each comes from."""
    found = []
    for first in range(stride):
        taps = [t for t in reversed(range(size)) if (first + padding - t * dilation) % stride == 0]
        offsets = tuple((first + padding - t * dilation) // stride for t in taps)
        found.append((np.array(taps, np.int64), offsets))
    return found


def _with_zeros(x: Tensor, ends: tuple[int, ...]) -> Tensor:
    """Append rows and columns of zeros: what padding="same" needs beyond equal borders."""
    for dim, count in zip((-2, -1), ends, strict=True):
        if count:
            shape = list(x.shape)
            shape[dim] = count
            x = cat([x, Tensor(np.zeros(shape, x._array.dtype))], dim)
    return x


define_grad(
    conv2d,
    lambda g, _x, w, _bias, *how: conv2d_input(_x.shape, w, g, *how),
    lambda g, x, _w, _bias, *how: conv2d_weight(x, _w.shape, g, *how),
    lambda g, _x, _w, _bias, *_how: g.sum((0, 2, 3)),
)
define_grad(
    conv2d_input,
    None,
    lambda g, _size, _w, y, *how: conv2d_weight(g, _w.shape, y, *how),
    lambda g, _size, w, _y, *how: conv2d(g, w, None, *how),
)
define_grad(
    conv2d_weight,
    lambda g, _x, _size, y, *how: conv2d_input(_x.shape, g, y, *how),
    None,
    lambda g, x, _size, _y, *how: conv2d(x, g, None, *how),
)

__all__ = ["conv2d"]
