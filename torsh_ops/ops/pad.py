"""Padding."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import record
from torsh_ops.errors import OperandError, ShapeError
from torsh_ops.kernels import move as mk
from torsh_ops.ops.index import index_select
from torsh_ops.ops.layout import rearrange
from torsh_ops.ops.views import array_of, slice_put, slice_view
from torsh_ops.tensor import Tensor

_FOLDED = ("reflect", "replicate", "circular")
Widths = tuple[tuple[int, int], ...]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """`input` made larger by `pad`: places before and after the last dimension, then the one before it, and so on.

    `mode` "constant" writes `value` (0), and takes off where a number is negative; "reflect" mirrors without the edge,
    "replicate" repeats the edge, "circular" goes round. Raises ShapeError when the numbers do not fit the shape.
    """
    array = array_of(_constant, input)
    widths = tuple(pad)
    if mode == "constant" and len(widths) in (2, 4) and not input.requires_grad:
        if (result := _padded_planes(array, widths, 0.0 if value is None else value)) is not None:
            return Tensor(result)
    if len(widths) % 2 or len(widths) > 2 * array.ndim:
        raise ShapeError(
            f"Padding length must be divisible by 2 and at most twice the number of dimensions of the input. "
            f"Pad has length {len(widths)}, the input {array.ndim} dimensions"
        )
    pairs = tuple(zip(widths[0::2], widths[1::2], strict=True))[::-1]
    sides = ((0, 0),) * (array.ndim - len(pairs)) + pairs
    if mode == "constant":
        return _constant(input, sides, 0 if value is None else value)
    if mode not in _FOLDED:
        raise ShapeError(f"pad: mode must be 'constant' or one of {_FOLDED}, but got {mode!r}")
    if value is not None and value != 0:
        raise OperandError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if not 2 <= array.ndim <= 5 or len(pairs) not in (array.ndim - 2, array.ndim - 1):
        raise ShapeError(
            f"Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: pad {list(widths)} of "
            f"shape {list(array.shape)} must name the last one, two or three dimensions behind one or two others"
        )
    for dim, side in enumerate(sides):
        if side != (0, 0):
            input = index_select(input, dim, Tensor(_source_places(mode, array.shape[dim], side, dim)))
    return input


def _padded_planes(array: np.ndarray, widths: tuple[int, ...], value: float) -> np.ndarray | None:
    """Pad the last one or two dimensions by the kernel; None where it does not fit."""
    shape = array.shape
    if array.dtype.kind != "f" or not array.flags.c_contiguous or len(shape) < 2 or not array.size:
        return None
    left, right = widths[:2]
    top, bottom = widths[2:] or (0, 0)
    if left < 0 or right < 0 or top < 0 or bottom < 0:
        return None
    rows, columns = shape[-2:]
    height, width = top + rows + bottom, left + columns + right
    result = memory.empty((*shape[:-2], height, width), array.dtype)
    mk.pad_planes(array.ravel(), result.ravel(), rows, columns, top, left, height, width, float(value))
    return result


def _constant(input: Tensor, sides: Widths, value: Any) -> Tensor:
    array = input._array
    shape = tuple(before + n + after for n, (before, after) in zip(array.shape, sides, strict=True))
    if any(n < 0 for n in shape):
        raise ShapeError(f"pad: the input size {list(array.shape)}, plus negative padding {sides}, is negative")
    result = memory.empty(shape, array.dtype)
    into, part = _overlap(array.shape, sides)
    if result.nbytes < memory.POOLED_BYTES:
        result.fill(value)
    else:  # only the border: the rest is about to be written
        for d, inner in enumerate(into):
            lead = (*into[:d],)
            result[(*lead, slice(None, inner.start))] = value
            result[(*lead, slice(inner.stop, None))] = value
    rearrange(result[into], array[part])
    tensor = Tensor(result)
    return record(_constant, tensor, (input, sides, value)) if input.requires_grad else tensor


def _overlap(shape: tuple[int, ...], sides: Widths) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where the input is in the result, and which part of it."""
    into = tuple(
        slice(max(b, 0), max(b, 0) + n + min(a, 0) + min(b, 0)) for n, (b, a) in zip(shape, sides, strict=True)
    )
    part = tuple(slice(max(-b, 0), n + min(a, 0)) for n, (b, a) in zip(shape, sides, strict=True))
    return into, part


def _constant_grad(g: Tensor, _x: Tensor, sides: Widths, _value: Any) -> Tensor:
    into, part = _overlap(_x.shape, sides)
    inner = slice_view(g, into)
    return inner if inner.shape == _x.shape else slice_put(_x.shape, part, inner)


def _source_places(mode: str, n: int, side: tuple[int, int], dim: int) -> np.ndarray:
    """Return, for each place of the result, the place of the input that it shows."""
    before, after = side
    most = n - 1 if mode == "reflect" else n if mode == "circular" else None
    if (most is not None and max(side) > most) or n + before + after < 1 or (n == 0 and max(side) > 0):
        raise ShapeError(
            f"Padding size should be less than the corresponding input dimension: padding {side} in mode {mode!r} "
            f"at dimension {dim} of size {n}"
        )
    places = np.arange(-before, n + after)
    if mode == "circular":
        return places % n
    if mode == "replicate":
        return places.clip(0, n - 1)
    return n - 1 - np.abs(n - 1 - np.abs(places))
