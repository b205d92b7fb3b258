"""Pooling in one and three dimensions, to a given size, by powers, and back, made of two-dimensional pooling.

One dimension is an image of one row. A maximum or a mean over a volume is one over each frame, then over depth.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import define_grad, record
from torsh_ops.errors import ArgumentError, OperandError, ShapeError
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.pool import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d
from torsh_ops.ops.windows import Pair, numbers
from torsh_ops.tensor import Tensor

Triple = tuple[int, int, int]
Single = int | tuple[int]


def max_pool1d(
    input: Tensor,
    kernel_size: Single,
    stride: Single | None = None,
    padding: Single = 0,
    dilation: Single = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window of signals (n, c, l) or of one (c, l); see `max_pool2d`."""
    x = _as_rows(max_pool1d, input)
    kernel, step, pad = _row_numbers("max_pool1d", kernel_size, stride, padding)
    (spread,) = numbers("max_pool1d", "dilation", dilation, 1, 1)
    return _each(max_pool2d(x, kernel, step, pad, (1, spread), ceil_mode, return_indices), lambda y: y.squeeze(-2))


def avg_pool1d(
    input: Tensor,
    kernel_size: Single,
    stride: Single | None = None,
    padding: Single = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window of signals (n, c, l) or of one (c, l); see `avg_pool2d`."""
    x = _as_rows(avg_pool1d, input)
    how = _row_numbers("avg_pool1d", kernel_size, stride, padding)
    return avg_pool2d(x, *how, ceil_mode, count_include_pad).squeeze(-2)


def adaptive_avg_pool1d(input: Tensor, output_size: Single) -> Tensor:
    """Mean over windows that share a signal (n, c, l) or (c, l) out; see `adaptive_avg_pool2d`."""
    x = _as_rows(adaptive_avg_pool1d, input)
    return adaptive_avg_pool2d(x, (1, *_output_size("adaptive_avg_pool1d", output_size, 1))).squeeze(-2)


def adaptive_max_pool1d(input: Tensor, output_size: Single, return_indices: bool = False) -> Any:
    """Largest element of windows that share a signal (n, c, l) or (c, l) out; see `adaptive_max_pool2d`."""
    x = _as_rows(adaptive_max_pool1d, input)
    size = (1, *_output_size("adaptive_max_pool1d", output_size, 1))
    return _each(adaptive_max_pool2d(x, size, return_indices), lambda y: y.squeeze(-2))


def max_pool3d(
    input: Tensor,
    kernel_size: int | Triple,
    stride: int | Triple | None = None,
    padding: int | Triple = 0,
    dilation: int | Triple = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window of volumes (n, c, d, h, w) or of one (c, d, h, w); see `max_pool2d`.

    Indices are ``(frame * h + row) * w + column``.
    """
    frames = _as_frames(max_pool3d, input)
    kernel, step, pad = _numbers("max_pool3d", kernel_size, stride, padding, 3)
    spread = numbers("max_pool3d", "dilation", dilation, 1, 3)
    plane = (kernel[1:], step[1:], pad[1:], spread[1:], ceil_mode, return_indices)
    depth = ((kernel[0], 1), (step[0], 1), (pad[0], 0), (spread[0], 1), ceil_mode, return_indices)
    return _max_of_max(input, frames, return_indices, lambda x: max_pool2d(x, *plane), lambda x: max_pool2d(x, *depth))


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest element of windows that share a volume (n, c, d, h, w) or (c, d, h, w) out; see `max_pool3d`."""
    frames = _as_frames(adaptive_max_pool3d, input)
    depth, *plane = _output_size("adaptive_max_pool3d", output_size, 3)
    return _max_of_max(
        input,
        frames,
        return_indices,
        lambda x: adaptive_max_pool2d(x, tuple(plane), return_indices),
        lambda x: adaptive_max_pool2d(x, (depth, None), return_indices),
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: int | Triple,
    stride: int | Triple | None = None,
    padding: int | Triple = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of volumes (n, c, d, h, w) or of one (c, d, h, w); see `avg_pool2d`."""
    frames = _as_frames(avg_pool3d, input)
    kernel, step, pad = _numbers("avg_pool3d", kernel_size, stride, padding, 3)
    how = (ceil_mode, count_include_pad)
    flat = avg_pool2d(frames, kernel[1:], step[1:], pad[1:], *how, None if divisor_override is None else 1)
    depth = ((kernel[0], 1), (step[0], 1), (pad[0], 0))
    return _by_depth(input, flat, lambda x: avg_pool2d(x, *depth, *how, divisor_override))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Mean over windows that share a volume (n, c, d, h, w) or (c, d, h, w) out; see `adaptive_avg_pool2d`."""
    frames = _as_frames(adaptive_avg_pool3d, input)
    depth, *plane = _output_size("adaptive_avg_pool3d", output_size, 3)
    flat = adaptive_avg_pool2d(frames, tuple(plane))
    return _by_depth(input, flat, lambda x: adaptive_avg_pool2d(x, (depth, None)))


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Single, stride: Single | None = None, ceil_mode: bool = False
) -> Tensor:
    """The `norm_type`-th root of the sum of `norm_type`-th powers of each window of (n, c, l) or (c, l)."""
    kernel = numbers("lp_pool1d", "kernel_size", kernel_size, 1, 1)
    return _root(avg_pool1d(input.pow(norm_type), kernel, stride, 0, ceil_mode), norm_type, kernel)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: int | Pair, stride: int | Pair | None = None, ceil_mode: bool = False
) -> Tensor:
    """The `norm_type`-th root of the sum of `norm_type`-th powers of each window of (n, c, h, w) or (c, h, w).

    A negative sum counts as 0.
    """
    kernel = numbers("lp_pool2d", "kernel_size", kernel_size, 1, 2)
    return _root(avg_pool2d(input.pow(norm_type), kernel, stride, 0, ceil_mode), norm_type, kernel)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: int | Triple,
    stride: int | Triple | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The `norm_type`-th root of the sum of `norm_type`-th powers of each window of (n, c, d, h, w) or (c, d, h, w)."""
    kernel = numbers("lp_pool3d", "kernel_size", kernel_size, 1, 3)
    return _root(avg_pool3d(input.pow(norm_type), kernel, stride, 0, ceil_mode), norm_type, kernel)


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Single, stride: Single | None = None, padding: Single = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Put the maxima of `max_pool1d` back where `indices` says they were, zeros elsewhere; see `max_unpool2d`."""
    return _unpool(max_unpool1d, input, indices, (kernel_size, stride, padding), output_size, 1)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: int | Pair, stride: int | Pair | None = None,
    padding: int | Pair = 0, output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Put the maxima of `max_pool2d` back where `indices` says they were, zeros elsewhere.

    `output_size` names the size where several would have given this one. Raises ArgumentError when it is none of
    them, ShapeError when an index lies outside it.
    """
    return _unpool(max_unpool2d, input, indices, (kernel_size, stride, padding), output_size, 2)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: int | Triple, stride: int | Triple | None = None,
    padding: int | Triple = 0, output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Put the maxima of `max_pool3d` back where `indices` says they were, zeros elsewhere; see `max_unpool2d`."""
    return _unpool(max_unpool3d, input, indices, (kernel_size, stride, padding), output_size, 3)


def _numbers(op: str, kernel_size: Any, stride: Any, padding: Any, count: int) -> tuple[Any, Any, Any]:
    kernel = numbers(op, "kernel_size", kernel_size, 1, count)
    step = kernel if stride is None or stride == () else numbers(op, "stride", stride, 1, count)
    return kernel, step, numbers(op, "padding", padding, 0, count)


def _row_numbers(op: str, kernel_size: Any, stride: Any, padding: Any) -> tuple[Pair, Pair, Pair]:
    (kernel,), (step,), (pad,) = _numbers(op, kernel_size, stride, padding, 1)
    return (1, kernel), (1, step), (0, pad)


def _output_size(op: str, size: Any, count: int) -> Any:
    wanted = tuple(size) if isinstance(size, (tuple, list)) else (size,) * count
    if len(wanted) != count or not all(n is None or (isinstance(n, int) and n > 0) for n in wanted):
        raise ArgumentError(f"{op}: output_size must be one or {count} positive ints, but got {size}")
    return wanted


def _as_rows(op: Callable[..., Any], input: Tensor) -> Tensor:
    if need_tensor(op, input).ndim not in (2, 3):
        raise ShapeError(f"{op.__name__}(): expected 2D or 3D (batch mode) tensor, but got size {list(input.shape)}")
    return input.unsqueeze(-2)


def _as_frames(op: Callable[..., Any], input: Tensor) -> Tensor:
    """Every frame of every channel: (n x c, d, h, w)."""
    if need_tensor(op, input).ndim not in (4, 5) or 0 in input.shape[-4:]:
        raise ShapeError(
            f"{op.__name__}(): expected 4D or 5D (batch mode) tensor with non-zero sizes, but got input of size "
            f"{list(input.shape)}"
        )
    return input.reshape(int(np.prod(input.shape[:-3])), *input.shape[-3:])


def _by_depth(input: Tensor, flat: Tensor, pool: Callable[[Tensor], Tensor]) -> Tensor:
    """Pool frames (n x c, d, h, w) that are pooled already over depth, and give them the batch of `input`."""
    planes, depth, height, width = flat.shape
    return pool(flat.reshape(planes, depth, height * width)).reshape(*input.shape[:-3], -1, height, width)


def _max_of_max(input: Tensor, frames: Tensor, indices: bool, plane: Any, depth: Any) -> Any:
    if not indices:
        return _by_depth(input, plane(frames), depth)
    flat, places = plane(frames)
    found: list[Tensor] = []

    def with_places(x: Tensor) -> Tensor:
        y, at = depth(x)
        width = x.shape[-1]
        frame = at._array // width
        inside = np.take_along_axis(places._array.reshape(x.shape), frame, 1)
        found.append(Tensor(inside + frame * (input.shape[-2] * input.shape[-1])))
        return y

    values = _by_depth(input, flat, with_places)
    return values, found[0].reshape(values.shape)


def _each(result: Any, shape: Callable[[Tensor], Tensor]) -> Any:
    return tuple(shape(x) for x in result) if isinstance(result, tuple) else shape(result)


def _root(mean: Tensor, norm_type: float, kernel: tuple[int, ...]) -> Tensor:
    return (mean.relu() * int(np.prod(kernel))).pow(1.0 / norm_type)


def _unpool(op: Any, input: Tensor, indices: Tensor, how: tuple[Any, Any, Any], output_size: Any, count: int) -> Tensor:
    name = op.__name__
    if need_tensor(op, input).ndim not in (count + 1, count + 2) or input.shape != need_tensor(op, indices).shape:
        raise ShapeError(
            f"{name}(): input of {count + 1} or {count + 2} dimensions and indices must have one shape, but got "
            f"{list(input.shape)} and {list(indices.shape)}"
        )
    kernel, step, pad = _numbers(name, *how, count)
    inner = input.shape[-count:]
    usual = tuple((n - 1) * s + k - 2 * p for n, k, s, p in zip(inner, kernel, step, pad, strict=True))
    size = usual if output_size is None else tuple(output_size)[-count:]
    if len(size) != count or any(not u - s < n < u + s for n, u, s in zip(size, usual, step, strict=True)):
        raise ArgumentError(f"{name}(): output_size must be within a stride of {usual}, but got {output_size}")
    if indices._array.dtype != np.int64:
        raise OperandError(f"{name}(): indices must be of dtype torsh_ops.int64, but got {indices.dtype}")
    places = int(np.prod(size))
    if indices._array.size and not 0 <= indices._array.min() <= indices._array.max() < places:
        raise ShapeError(
            f"{name}(): found an invalid max index: indices reach from {indices._array.min()} to "
            f"{indices._array.max()}, but the output volume is of size {size}"
        )
    return _place(input, indices, size)


def _place(x: Tensor, indices: Tensor, size: tuple[int, ...]) -> Tensor:
    """Zeros of `size` in each plane, with the elements of `x` at their indices; of several the last stays."""
    lead = x.shape[: -len(size)]
    result = memory.empty((*lead, *size), x._array.dtype)
    result.fill(0)
    if x._array.size:
        planes = int(np.prod(lead))
        at = contiguous_array(indices).reshape(planes, -1)
        np.put_along_axis(result.reshape(planes, -1), at, contiguous_array(x).reshape(planes, -1), 1)
    return record(_place, Tensor(result), (x, indices, size))


def _take(x: Tensor, indices: Tensor, size: tuple[int, ...]) -> Tensor:
    """The elements of each plane of `size` at the indices: the transpose of `_place`."""
    lead = x.shape[: -len(size)]
    planes = int(np.prod(lead))
    flat = contiguous_array(x).reshape(planes, int(np.prod(size)))
    taken = np.take_along_axis(flat, contiguous_array(indices).reshape(planes, -1), 1) if planes else flat
    return record(_take, Tensor(taken.reshape(indices.shape)), (x, indices, size))


define_grad(_place, lambda g, _x, indices, _size: _take(g, indices, _size))
define_grad(_take, lambda g, _x, indices, _size: _place(g, indices, _size))

__all__ = ["adaptive_avg_pool1d", "avg_pool1d", "max_pool1d", "max_pool3d"]
