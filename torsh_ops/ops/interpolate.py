"""Resampling of signals, images and volumes to another size."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import define_grad, record
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import interpolate as kernels
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.pool import adaptive_avg_pool2d
from torsh_ops.ops.pool_nd import adaptive_avg_pool1d, adaptive_avg_pool3d
from torsh_ops.ops.windows import hashable, numbers
from torsh_ops.tensor import Tensor

# The number of directions that each mode interpolates in; None: any.
_MODES = {
    "nearest": None, "nearest-exact": None, "area": None, "linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3,
}  # fmt: skip
_PLAIN = ("nearest", "nearest-exact", "area")
_AREA = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
_CUBIC = -0.75  # PyTorch's choice of the parameter a in Keys 1981


class _Table(NamedTuple):
    """Where each output of one direction comes from: places and weights (taps, outputs); columns without any stay.

    `twice`: linearly to twice the size, outer edges kept.
    """

    places: np.ndarray
    weights: np.ndarray
    out: int
    twice: bool = False


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resample signals (n, c, l), images (n, c, h, w) or volumes (n, c, d, h, w) to `size`, or by `scale_factor`.

    `mode` is "nearest", "nearest-exact", "area", "linear" (signals), "bilinear" or "bicubic" (images) or "trilinear"
    (volumes). With `align_corners` the centres of the corner pixels stay where they are, without it their outer
    edges. The result's size is ``floor(size * scale_factor)``. Raises ArgumentError on the arguments, ShapeError
    where the mode does not fit the input.
    """
    count = _check(input, mode, align_corners, antialias)
    wanted = (hashable(size), hashable(scale_factor), bool(recompute_scale_factor))
    out, tables = _tables(tuple(input.shape[2:]), *wanted, mode, bool(align_corners), input._array.dtype)
    if mode == "area":
        return _AREA[count - 1](input, out)
    n, c = input.shape[:2]
    if count == 1:
        one_row = _table(1, 1, None, "nearest", False, input._array.dtype)
        return _resample(input.unsqueeze(2), one_row, tables[0]).squeeze(2)
    if count == 2:
        return _resample(input, *tables)
    flat = _resample(input.reshape(n, c * input.shape[2], *input.shape[3:]), *tables[1:])
    flat = flat.reshape(n, c, input.shape[2], out[1] * out[2])
    return _resample(flat, tables[0], _same(out[1] * out[2], flat._array.dtype)).reshape(n, c, *out)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels to places: (*, c * r * r, h, w) to (*, c, h * r, w * r) for r = `upscale_factor`.

    Raises ShapeError when the channels are not divisible by r * r.
    """
    r = _factor(pixel_shuffle, input, upscale_factor)
    *lead, channels, height, width = input.shape
    if channels % (r * r):
        raise ShapeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    parts = input.reshape(-1, r, r, height, width).permute(0, 3, 1, 4, 2)
    return parts.reshape(*lead, channels // (r * r), height * r, width * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Places to channels: (*, c, h * r, w * r) to (*, c * r * r, h, w) for r = `downscale_factor`.

    Raises ShapeError when height or width is not divisible by r.
    """
    r = _factor(pixel_unshuffle, input, downscale_factor)
    *lead, channels, height, width = input.shape
    if height % r or width % r:
        raise ShapeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, but input "
            f"{list(input.shape)} is not divisible by {r}"
        )
    parts = input.reshape(-1, height // r, r, width // r, r).permute(0, 2, 4, 1, 3)
    return parts.reshape(*lead, channels * r * r, height // r, width // r)


def _factor(op: Any, input: Tensor, factor: Any) -> int:
    if need_tensor(op, input).ndim < 3:
        raise ShapeError(f"{op.__name__} expects input to have at least 3 dimensions, but got {list(input.shape)}")
    (number,) = numbers(op.__name__, "factor", factor, 1, 1)
    return number


def _check(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> int:
    count = need_tensor(interpolate, input).ndim - 2
    if mode not in _MODES:
        raise ArgumentError(f"interpolate(): mode must be one of {', '.join(_MODES)}, but got {mode!r}")
    if count not in (1, 2, 3):
        raise ShapeError(f"interpolate(): expected 3D, 4D or 5D input with its batch, but got {list(input.shape)}")
    if _MODES[mode] not in (None, count):
        raise ShapeError(
            f"Got {count + 2}D input, but {mode} mode needs {_MODES[mode] + 2}D input: {list(input.shape)}"  # type: ignore[operator]
        )
    if mode in _PLAIN and align_corners is not None:
        raise ArgumentError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | "
            f"trilinear, but got mode {mode!r}"
        )
    if antialias:
        raise ArgumentError("interpolate(): antialias=True is not supported; average with mode='area' to shrink")
    if not input.is_floating_point():
        raise DTypeError(f"interpolate() is not implemented for {input.dtype}; convert it with .to(...)")
    return count


@lru_cache(maxsize=512)
def _tables(
    have: tuple[int, ...],
    size: Any,
    scale_factor: Any,
    recompute: bool,
    mode: str,
    align_corners: bool,
    dtype: np.dtype,
) -> tuple[Any, list[_Table]]:
    """The result's size, and the table of each direction; none for averages over areas."""
    out, scales = _output(have, size, scale_factor, recompute)
    if mode == "area":
        return out, []
    return out, [_table(*each, mode, align_corners, dtype) for each in zip(have, out, scales, strict=True)]


def _output(
    have: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool
) -> tuple[Any, tuple[float | None, ...]]:
    """The result's size, and the scale that was asked for, in each direction."""
    count = len(have)
    if (size is None) == (scale_factor is None):
        raise ArgumentError(
            f"only one of size or scale_factor should be defined, but got size={size} and scale_factor={scale_factor}"
        )
    given = size if scale_factor is None else scale_factor
    each = given if isinstance(given, tuple) else (given,) * count
    if len(each) != count:
        raise ArgumentError(
            f"Input and output must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {list(have)} and {'size' if scale_factor is None else 'scale_factor'} {given}"
        )
    scales: tuple[float | None, ...]
    if scale_factor is None:
        out, scales = tuple(int(n) for n in each), (None,) * count
    else:
        out = tuple(math.floor(n * f) for n, f in zip(have, each, strict=True))
        scales = (None,) * count if recompute else tuple(float(f) for f in each)
    if min(*have, *out) < 1:
        raise ShapeError(f"Input and output sizes should be greater than 0, but got {list(have)} and {list(out)}")
    return out, scales


@lru_cache(maxsize=512)
def _table(n: int, m: int, factor: float | None, mode: str, align_corners: bool, dtype: np.dtype) -> _Table:
    """From `n` places to `m`."""
    if mode in ("nearest", "nearest-exact"):
        # In float32 as PyTorch does: where a product is nearly whole, it decides which pixel is the nearest.
        scale = np.float32(n) / np.float32(m) if factor is None else np.float32(1 / factor)
        shift = np.float32(0.5 if mode == "nearest-exact" else 0)
        places = np.minimum(np.floor((np.arange(m, dtype=np.float32) + shift) * scale).astype(np.int64), n - 1)
        return _Table(places[None], np.ones((1, m), dtype), m)
    if align_corners:
        centre = np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        centre = (np.arange(m) + 0.5) * (n / m if factor is None else 1 / factor) - 0.5
    if mode == "bicubic":
        offsets = np.arange(-1, 3)
    else:
        centre, offsets = np.maximum(centre, 0), np.arange(2)
    first = np.floor(centre)
    if mode != "bicubic":
        first = np.minimum(first, n - 1)
    places = np.clip(first.astype(np.int64) + offsets[:, None], 0, n - 1)
    distance = np.abs(centre - first - offsets[:, None])
    if mode == "bicubic":
        return _Table(places, _cubic(distance).astype(dtype), m)
    twice = m == 2 * n and not align_corners and factor in (None, 2)
    return _Table(places, (1 - distance).astype(dtype), m, twice)


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel at distances up to 2."""
    a = _CUBIC
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, far)


def _same(n: int, dtype: np.dtype) -> _Table:
    return _Table(np.zeros((0, n), np.int64), np.zeros((0, n), dtype), n)


def _resample(x: Tensor, rows: _Table, columns: _Table) -> Tensor:
    size = (*x.shape[:2], rows.out, columns.out)
    result = _run(kernels.resample, x, rows, columns, size, x.shape[2])
    return record(_resample, result, (x, rows, columns))


def _spread(g: Tensor, rows: _Table, columns: _Table, size: tuple[int, ...]) -> Tensor:
    return record(_spread, _run(kernels.spread, g, rows, columns, size, size[2]), (g, rows, columns, size))


def _run(kernel: Any, x: Tensor, rows: _Table, columns: _Table, size: tuple[int, ...], height: int) -> Tensor:
    array = contiguous_array(x)
    result = memory.empty(size, array.dtype)
    planes = size[0] * size[1]
    threads.rowwise(
        lambda a, b: kernel(
            a, rows.places, rows.weights, columns.places, columns.weights, columns.twice,
            memory.empty((height if columns.places.size else 0, columns.out), array.dtype), b,
        ),
        max(array.size, result.size), planes,
        array.reshape(planes, *array.shape[2:]), result.reshape(planes, *size[2:]),
    )  # fmt: skip
    return Tensor(result)


define_grad(_resample, lambda g, _x, rows, columns: _spread(g, rows, columns, _x.shape))
define_grad(_spread, lambda g, _g, rows, columns, _size: _resample(g, rows, columns))

__all__ = ["pixel_shuffle", "pixel_unshuffle"]
