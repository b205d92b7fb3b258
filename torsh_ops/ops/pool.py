"""Two-dimensional pooling: maximum, average, and average to a given size."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import define_grad, is_grad_enabled, record
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import pool as kernels
from torsh_ops.kernels import pool_tile
from torsh_ops.kernels.conv_emit import lanes_of
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.plan import New, Plan, Step, planned, seen
from torsh_ops.ops.windows import Pair, hashable, pair
from torsh_ops.tensor import Tensor

Tile = tuple[int, int, int] | None


class _Windows(NamedTuple):
    """Where windows are averaged: bounds (2, outputs) and scale (outputs,) by row and by column; for `pool_tile`."""

    row_bounds: np.ndarray
    column_bounds: np.ndarray
    row_scale: np.ndarray
    column_scale: np.ndarray
    tile: Tile = None

    @property
    def out(self) -> Pair:
        return self.row_scale.size, self.column_scale.size


def _plan_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Plan | None:
    planes = _plan_planes(max_pool2d, input)
    if planes is None or return_indices:
        return None
    how = (hashable(kernel_size), hashable(stride), hashable(padding), hashable(dilation), ceil_mode)
    size, tables, tile = _max_windows(input.shape[-2:], *how)
    out = New((*input.shape[:-2], *size), input)
    x, y = seen(input, planes), seen(out, (planes[0], *size))
    if tile:
        return Plan(out, [Step(pool_tile.maximum, x, *tile, lanes_of(x.dtype.itemsize), y)])
    return Plan(out, [Step(kernels.maximum, x, *tables, y)])


def _plan_planes(op: Any, input: Tensor) -> tuple[int, int, int] | None:
    """The shape of the images of a contiguous tensor that one thread pools; None of any other."""
    if input._array.size >= threads.WORTH_ELEMENTS or not input._array.flags.c_contiguous:
        return None
    return _planes(op, input).shape


@planned(_plan_max_pool2d)
def max_pool2d(
    input: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of each window of images (n, c, h, w) or of one (c, h, w); NaN wins.

    `stride` is `kernel_size` unless given; places in the padding never win. With `return_indices` also returns where
    each maximum is, as ``row * w + column``. Raises ShapeError and ArgumentError where windows do not fit.
    """
    planes = _planes(max_pool2d, input)
    how = (hashable(kernel_size), hashable(stride), hashable(padding), hashable(dilation), ceil_mode)
    out, tables, tile = _max_windows(input.shape[-2:], *how)
    result = memory.empty((*input.shape[:-2], *out), planes.dtype)
    flat = result.reshape(len(planes), *out)
    if not return_indices and not (input.requires_grad and is_grad_enabled()):
        if tile:
            kernel = lambda x, y: pool_tile.maximum(x, *tile, lanes_of(x.itemsize), y)  # noqa: E731
        else:
            kernel = lambda x, y: kernels.maximum(x, *tables, y)  # noqa: E731
        threads.rowwise(kernel, planes.size, len(planes), planes, flat)
        return Tensor(result)
    # Of the width of float32, so that both fit the same vectors (3x).
    where = memory.empty(result.shape, np.dtype(np.int32))
    threads.rowwise(
        lambda x, y, at: kernels.maximum_at(x, *tables, y, at), planes.size, len(planes),
        planes, flat, where.reshape(flat.shape),
    )  # fmt: skip
    indices = Tensor(where)
    values = record(max_pool2d, Tensor(result), (input, indices, *how))
    return (values, indices.long()) if return_indices else values


def _plan_avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Plan | None:
    planes = _plan_planes(avg_pool2d, input)
    if planes is None:
        return None
    how = (hashable(kernel_size), hashable(stride), hashable(padding), ceil_mode, count_include_pad)
    windows = _mean_windows(input.shape[-2:], *how, divisor_override, input._array.dtype)
    out = New((*input.shape[:-2], *windows.out), input)
    x, y = seen(input, planes), seen(out, (planes[0], *windows.out))
    if windows.tile:
        scales = windows.row_scale, windows.column_scale
        return Plan(out, [Step(pool_tile.mean, x, *scales, *windows.tile, lanes_of(x.dtype.itemsize), y)])
    return Plan(out, [Step(kernels.average, x, *windows[:4], y)])


@planned(_plan_avg_pool2d)
def avg_pool2d(
    input: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of images (n, c, h, w) or of one (c, h, w).

    `stride` is `kernel_size` unless given; `padding` counts as zeros unless `count_include_pad` is False.
    `divisor_override` takes the place of the number of elements. Raises as `max_pool2d`.
    """
    need_tensor(avg_pool2d, input)
    how = (hashable(kernel_size), hashable(stride), hashable(padding), ceil_mode, count_include_pad)
    _planes(avg_pool2d, input)
    windows = _mean_windows(input.shape[-2:], *how, divisor_override, input._array.dtype)
    return _average(input, windows)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Mean over windows that share an image out as evenly as they can; None in `output_size` keeps that size.

    Output i covers rows floor(i * h / oh) to ceil((i + 1) * h / oh).
    """
    _planes(adaptive_avg_pool2d, input)
    if output_size in (1, (1, 1)):
        return input.mean((-2, -1), keepdim=True)
    out = _wanted(adaptive_avg_pool2d, output_size, input.shape[-2:])
    return _average(input, _even_windows(input.shape[-2:], out, input._array.dtype))


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest element of the windows of `adaptive_avg_pool2d`; NaN wins. Indices are as those of `max_pool2d`."""
    planes = _planes(adaptive_max_pool2d, input)
    out = _wanted(adaptive_max_pool2d, output_size, input.shape[-2:])
    windows = _even_windows(input.shape[-2:], out, planes.dtype)
    result = memory.empty((*input.shape[:-2], *out), planes.dtype)
    where = memory.empty(result.shape, np.dtype(np.int32))
    flat = (len(planes), *out)
    threads.rowwise(
        lambda x, y, at: kernels.maximum_within(x, windows.row_bounds, windows.column_bounds, y, at), planes.size,
        len(planes), planes, result.reshape(flat), where.reshape(flat),
    )  # fmt: skip
    indices = Tensor(where)
    values = record(max_pool2d, Tensor(result), (input, indices))
    return (values, indices.long()) if return_indices else values


def _wanted(op: Any, output_size: Any, size: tuple[int, ...]) -> Pair:
    wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(wanted) != 2 or not all(n is None or (isinstance(n, int) and n > 0) for n in wanted):
        raise ArgumentError(f"{op.__name__}: output_size must be one or two positive ints, but got {output_size}")
    height, width = (have if n is None else n for n, have in zip(wanted, size, strict=True))
    return height, width


def _average(input: Tensor, windows: _Windows) -> Tensor:
    result = _run(_tiled_average if windows.tile else _plain_average, input, windows, windows.out)
    return record(_average, result, (input, windows))


def _plain_average(x: np.ndarray, windows: _Windows, out: np.ndarray) -> None:
    kernels.average(x, *windows[:4], out)


def _plain_spread(g: np.ndarray, windows: _Windows, out: np.ndarray) -> None:
    out.fill(0)
    kernels.spread(g, *windows[:4], out)


def _tiled_average(x: np.ndarray, windows: _Windows, out: np.ndarray) -> None:
    scales = windows.row_scale, windows.column_scale
    pool_tile.mean(x, *scales, *windows.tile, lanes_of(x.itemsize), out)  # type: ignore[misc]


def _spread(grad: Tensor, windows: _Windows, size: Pair) -> Tensor:
    return record(_spread, _run(_plain_spread, grad, windows, size), (grad, windows, size))


def _run(kernel: Any, input: Tensor, windows: _Windows, size: Pair) -> Tensor:
    array = contiguous_array(input)
    result = memory.empty((*input.shape[:-2], *size), array.dtype)
    planes, out = array.reshape(-1, *array.shape[-2:]), result.reshape(-1, *size)
    threads.rowwise(lambda x, y: kernel(x, windows, y), max(array.size, result.size), len(planes), planes, out)
    return Tensor(result)


def _scatter(grad: Tensor, indices: Tensor, size: tuple[int, ...]) -> Tensor:
    result = memory.empty(size, grad._array.dtype)
    result.fill(0)
    _move(kernels.scatter, contiguous_array(grad), indices, result)
    return record(_scatter, Tensor(result), (grad, indices, size))


def _gather(input: Tensor, indices: Tensor) -> Tensor:
    result = memory.empty(indices.shape, input._array.dtype)
    _move(kernels.gather, contiguous_array(input), indices, result)
    return record(_gather, Tensor(result), (input, indices))


def _move(kernel: Any, source: np.ndarray, indices: Tensor, target: np.ndarray) -> None:
    if source.size:
        planes = source.size // (source.shape[-2] * source.shape[-1])
        kernel(source.reshape(planes, -1), indices._array.reshape(planes, -1), target.reshape(planes, -1))


def _planes(op: Any, input: Tensor) -> np.ndarray:
    if need_tensor(op, input).ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise ShapeError(
            f"{op.__name__}(): expected 3D or 4D (batch mode) tensor with non-zero sizes, but got input of size "
            f"{list(input.shape)}"
        )
    if not input.is_floating_point():
        raise DTypeError(f"{op.__name__}() is not implemented for {input.dtype}; convert it with .to(...)")
    return contiguous_array(input).reshape(-1, *input.shape[-2:])


def _numbers(kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Pair, Pair, Pair, Pair]:
    kernel = pair("pool2d", "kernel_size", kernel, 1)
    padding = pair("pool2d", "padding", padding, 0)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ArgumentError(
            f"pad should be at most half of kernel size, but got pad={padding} and kernel_size={kernel}"
        )
    step = kernel if stride is None or stride == () else pair("pool2d", "stride", stride, 1)
    return kernel, step, padding, pair("pool2d", "dilation", dilation, 1)


def _count(size: int, reach: int, stride: int, padding: int, ceil_mode: bool) -> int:
    """Number of windows along one side; with `ceil_mode` the last may leave the image, but not begin outside it."""
    room = size + 2 * padding - reach
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    if count < 1:
        raise ShapeError(
            f"pool2d(): a window of {reach} with padding {padding} does not fit into a side of {size}: output size is "
            "too small"
        )
    return count


def _tile(kernel: Pair, stride: Pair, padding: Pair) -> Tile:
    """Side, rows above and columns before the first window, where `pool_tile` has a kernel for these windows."""
    return (kernel[0], *padding) if kernel in ((2, 2), (3, 3)) and stride == (2, 2) else None


@lru_cache(maxsize=512)
def _max_windows(
    size: Pair, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Pair, tuple[int, int, np.ndarray, np.ndarray], Tile]:
    """Output size; stride and the offsets of a window's rows and columns; what `pool_tile` needs."""
    kernel, stride, padding, dilation = _numbers(kernel, stride, padding, dilation)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    height, width = (_count(n, r, s, p, ceil_mode) for n, r, s, p in zip(size, reach, stride, padding, strict=True))
    rows, columns = (np.arange(k, dtype=np.int64) * d - p for k, d, p in zip(kernel, dilation, padding, strict=True))
    tile = _tile(kernel, stride, padding) if dilation == (1, 1) else None
    return (height, width), (*stride, rows, columns), tile


@lru_cache(maxsize=512)
def _mean_windows(
    size: Pair,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
    dtype: np.dtype,
) -> _Windows:
    if divisor == 0:
        raise ArgumentError("divisor must be not zero")
    kernel, stride, padding, _ = _numbers(kernel, stride, padding, 1)
    bounds: list[np.ndarray] = []
    scales: list[np.ndarray] = []
    for n, k, s, p in zip(size, kernel, stride, padding, strict=True):
        begin = np.arange(_count(n, k, s, p, ceil_mode), dtype=np.int64) * s - p
        end = np.minimum(begin + k, n + p)
        inside = np.stack([np.maximum(begin, 0), np.minimum(end, n)])
        covered = end - begin if count_include_pad else inside[1] - inside[0]
        bounds.append(inside)
        scales.append(1 / covered if divisor is None else np.ones(begin.size))
    if divisor is not None:
        scales[0] /= divisor
    rows, columns = bounds
    row_scale, column_scale = (scale.astype(dtype) for scale in scales)
    return _Windows(rows, columns, row_scale, column_scale, _tile(kernel, stride, padding))


@lru_cache(maxsize=512)
def _even_windows(size: Pair, out: Pair, dtype: np.dtype) -> _Windows:
    bounds = []
    for n, count in zip(size, out, strict=True):
        i = np.arange(count, dtype=np.int64)
        bounds.append(np.stack([i * n // count, -(-(i + 1) * n // count)]))
    rows, columns = bounds
    row_scale, column_scale = ((1 / (b[1] - b[0])).astype(dtype) for b in bounds)
    return _Windows(rows, columns, row_scale, column_scale)


define_grad(max_pool2d, lambda g, _x, indices, *_how: _scatter(g, indices, _x.shape))
define_grad(_scatter, lambda g, _g, indices, _size: _gather(g, indices))
define_grad(_gather, lambda g, _x, indices: _scatter(g, indices, _x.shape))
define_grad(_average, lambda g, _x, windows: _spread(g, windows, _x.shape[-2:]))
define_grad(_spread, lambda g, _g, windows, _size: _average(g, windows))

__all__ = ["max_pool2d"]
