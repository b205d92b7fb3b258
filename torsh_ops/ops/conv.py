"""Two-dimensional convolution and its gradients."""

from functools import lru_cache
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import define_grad, record
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import conv as kernels
from torsh_ops.ops.conv_method import choose, weight_gradient
from torsh_ops.ops.conv_plan import Offsets
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.index import cat
from torsh_ops.ops.windows import Pair, hashable, pair
from torsh_ops.tensor import Tensor


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
    computed by Winograd's F(4x4, 3x3), whose rounding errors are about eight times those of the plain sum.
    Raises ShapeError and DTypeError on operands that do not fit, ArgumentError on the numbers.
    """
    _check_tensors(input, weight, bias)
    bias_shape = None if bias is None else bias.shape
    given = (hashable(stride), hashable(padding), hashable(dilation), groups)
    out, how, ends = _check_shapes(input.shape, weight.shape, bias_shape, *given)
    x = input if input.ndim == 4 else input.unsqueeze(0)
    if any(ends):
        x = _with_zeros(x, ends)
    init = None if bias is None else contiguous_array(bias)
    offsets = _forward_offsets(weight.shape, *how[1:3])
    y = _correlate(contiguous_array(x), contiguous_array(weight), init, out, offsets, how[0], groups)
    result = record(conv2d, Tensor(y), (x, weight, bias, *how))
    return result if input.ndim == 4 else result.squeeze(0)


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
        method = choose(x.shape[0], out, groups, channels, rows // groups, offsets, stride, x.dtype)
        method.run(x, weights, init, result)
    return result


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


def _with_zeros(x: Tensor, ends: Pair) -> Tensor:
    """Append rows and columns of zeros: what padding="same" needs beyond equal borders."""
    for dim, count in zip((-2, -1), ends, strict=True):
        if count:
            shape = list(x.shape)
            shape[dim] = count
            x = cat([x, Tensor(np.zeros(shape, x._array.dtype))], dim)
    return x


def _check_tensors(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    own = need_tensor(conv2d, input)._array.dtype
    if need_tensor(conv2d, weight, "weight")._array.dtype != own:
        raise DTypeError(f"Input type ({input.dtype}) and weight type ({weight.dtype}) should be the same")
    if bias is not None and need_tensor(conv2d, bias, "bias")._array.dtype != own:
        raise DTypeError(f"Input type ({input.dtype}) and bias type ({bias.dtype}) should be the same")
    if own.kind != "f":
        raise DTypeError(f"conv2d() is not implemented for {input.dtype}; convert the operands with .to(...)")


@lru_cache(maxsize=512)
def _check_shapes(
    size: tuple[int, ...],
    weight_size: tuple[int, ...],
    bias_size: tuple[int, ...] | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> tuple[Pair, tuple[Pair, Pair, Pair, int], Pair]:
    """Return the output's height and width; stride, padding, dilation and groups; and the zeros to append."""
    if len(size) not in (3, 4):
        raise ShapeError(
            f"Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: {list(size)}"
        )
    if len(weight_size) != 4 or 0 in weight_size:
        raise ShapeError(f"conv2d(): weight must be of shape (k, c / groups, kh, kw), but got {list(weight_size)}")
    if not isinstance(groups, int) or groups < 1:
        raise ArgumentError(f"conv2d(): groups must be a positive integer, but got {groups!r}")
    if weight_size[0] % groups:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {list(weight_size)} instead"
        )
    if size[-3] != weight_size[1] * groups:
        raise ShapeError(
            f"Given groups={groups}, weight of size {list(weight_size)}, expected input{list(size)} to have "
            f"{weight_size[1] * groups} channels, but got {size[-3]} channels instead"
        )
    if bias_size is not None and bias_size != weight_size[:1]:
        raise ShapeError(
            f"Given weight of size {list(weight_size)}, expected bias to be 1-dimensional with "
            f"{weight_size[0]} elements, but got bias of size {list(bias_size)} instead"
        )
    stride, dilation = pair("conv2d", "stride", stride, 1), pair("conv2d", "dilation", dilation, 1)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(weight_size[2:], dilation, strict=True))
    ends = (0, 0)
    if isinstance(padding, str):
        padding, ends = _named_padding(padding, reach, stride)
    padding = pair("conv2d", "padding", padding, 0)
    padded = tuple(n + 2 * p + e for n, p, e in zip(size[-2:], padding, ends, strict=True))
    if any(r > n for r, n in zip(reach, padded, strict=True)):
        raise ShapeError(
            f"Calculated padded input size per channel: {padded}. Kernel size: {reach}. Kernel size can't be greater "
            "than actual input size"
        )
    height, width = ((n - r) // s + 1 for n, r, s in zip(padded, reach, stride, strict=True))
    return (height, width), (stride, padding, dilation, groups), ends


def _named_padding(padding: str, reach: tuple[int, ...], stride: Pair) -> tuple[Pair, Pair]:
    """Zeros on both sides, and more at the end, that "valid" or "same" stands for."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding != "same":
        raise ArgumentError(f"Invalid padding string {padding!r}: conv2d takes 'valid', 'same' or numbers")
    if stride != (1, 1):
        raise ArgumentError(f"padding='same' is not supported for strided convolutions, but got stride {stride}")
    height, width = ((r - 1) // 2 for r in reach)
    return (height, width), ((reach[0] - 1) % 2, (reach[1] - 1) % 2)


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
