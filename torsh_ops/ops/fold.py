"""Windows of images as columns, and back: `unfold` and `fold`."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import record
from torsh_ops.errors import ShapeError
from torsh_ops.ops.views import array_of, reshape
from torsh_ops.tensor import Tensor

Pair = tuple[int, int]
# Kernel, dilation, padding, stride.
Window = tuple[Pair, Pair, Pair, Pair]


def _pair(name: str, value: int | Sequence[int], least: int) -> Pair:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) == 1:
        pair = pair * 2
    if len(pair) != 2 or min(pair) < least:
        raise ShapeError(f"{name} should be one or two numbers of at least {least}, but got {value}")
    return pair[0], pair[1]


def _window(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Window:
    return (
        _pair("kernel_size", kernel_size, 1),
        _pair("dilation", dilation, 1),
        _pair("padding", padding, 0),
        _pair("stride", stride, 1),
    )


def _blocks(size: Sequence[int], window: Window) -> Pair:
    """Return how many windows fit on rows and columns; raise ShapeError when none does."""
    rows, columns = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in zip(size, *window, strict=True))
    if rows < 1 or columns < 1:
        kernel, dilation, padding, stride = window
        raise ShapeError(
            f"images of {tuple(size)} with kernel_size={kernel}, dilation={dilation}, padding={padding} and "
            f"stride={stride} have no window: ({rows}, {columns}) is not positive"
        )
    return rows, columns


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The windows of images (n, c, h, w) as columns, (n, c * kernel area, windows); n may be missing.

    Raises ShapeError when no window fits.
    """
    array = array_of(unfold, input)
    window = _window(kernel_size, dilation, padding, stride)
    if array.ndim not in (3, 4) or 0 in array.shape[1:]:
        raise ShapeError(
            f"Expected 3D or 4D (batch mode) tensor for input with possibly 0 batch size, but got: {list(array.shape)}"
        )
    if array.ndim == 3:
        columns = _columns(reshape(input, (1, *array.shape)), window)
        return reshape(columns, columns.shape[1:])
    return _columns(input, window)


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Images (n, c, *output_size) of columns (n, c * kernel area, windows), summed where windows overlap.

    The reverse of `unfold` but for the sums; n may be missing. Raises ShapeError when the columns do not fit.
    """
    array = array_of(fold, input)
    window = _window(kernel_size, dilation, padding, stride)
    size = _pair("output_size", output_size, 1)
    area, count = math.prod(window[0]), math.prod(_blocks(size, window))
    if array.ndim not in (2, 3) or array.shape[-2] % area or array.shape[-1] != count:
        raise ShapeError(
            f"fold expects columns of shape (n, c * {area}, {count}) or (c * {area}, {count}) for output_size={size}, "
            f"kernel_size={window[0]}, dilation={window[1]}, padding={window[2]}, stride={window[3]}, "
            f"but got {list(array.shape)}"
        )
    if array.ndim == 2:
        images = _images(reshape(input, (1, *array.shape)), size, window)
        return reshape(images, images.shape[1:])
    return _images(input, size, window)


def _taps(padded: np.ndarray, blocks: Pair, window: Window) -> list[tuple[int, int, np.ndarray]]:
    """Return each place in the kernel with what of the padded images it meets, as a view (n, c, rows, columns)."""
    (kh, kw), (dh, dw), _, (sh, sw) = window
    rows, columns = blocks
    return [
        (i, j, padded[:, :, i * dh : i * dh + sh * (rows - 1) + 1 : sh, j * dw : j * dw + sw * (columns - 1) + 1 : sw])
        for i in range(kh)
        for j in range(kw)
    ]


def _columns(input: Tensor, window: Window) -> Tensor:
    array = input._array
    n, c, h, w = array.shape
    (kh, kw), _, (ph, pw), _ = window
    blocks = _blocks((h, w), window)
    padded = np.pad(array, ((0, 0), (0, 0), (ph, ph), (pw, pw))) if ph or pw else array
    result = memory.empty((n, c, kh, kw, *blocks), array.dtype)
    for i, j, part in _taps(padded, blocks, window):
        result[:, :, i, j] = part
    return record(_columns, Tensor(result.reshape(n, c * kh * kw, math.prod(blocks))), (input, window))


def _images(input: Tensor, size: Pair, window: Window) -> Tensor:
    array = input._array
    (kh, kw), _, (ph, pw), _ = window
    n, c = array.shape[0], array.shape[1] // (kh * kw)
    blocks = _blocks(size, window)
    columns = array.reshape(n, c, kh, kw, *blocks)
    padded = np.zeros((n, c, size[0] + 2 * ph, size[1] + 2 * pw), array.dtype)
    for i, j, part in _taps(padded, blocks, window):
        part += columns[:, :, i, j]
    inner = padded[:, :, ph : ph + size[0], pw : pw + size[1]]
    return record(_images, Tensor(np.ascontiguousarray(inner)), (input, size, window))
