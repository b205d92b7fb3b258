"""Copies from one memory layout to another: by lines, or by tiles of a turned matrix."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.kernels import move
from torsh_ops.kernels.run import STREAMED_BYTES

_F4, _F8 = np.dtype(np.float32), np.dtype(np.float64)
# A move of 4 or 8 bytes is the same whatever they mean.
ALIKE: dict[np.dtype, np.dtype] = {
    _F4: _F4,
    _F8: _F8,
    np.dtype(np.int32): _F4,
    np.dtype(np.int64): _F8,
    np.dtype(np.complex64): _F8,
}
# Below, NumPy's own loop is done before a kernel has its arguments.
_SMALL_BYTES = 1 << 14


def rearrange(target: np.ndarray, source: np.ndarray) -> None:
    """Copy `source` into `target` of its shape and dtype; neither looks into the other's memory."""
    size, flags = target.nbytes, source.flags
    in_order = flags.c_contiguous and size < STREAMED_BYTES and target.flags.c_contiguous
    # A kernel would be compiled anew for memory that must not be written, such as an expanded view.
    if size < _SMALL_BYTES or in_order or not flags.writeable or not _by_kernel(target, source):
        np.copyto(target, source)


def compact(array: np.ndarray) -> np.ndarray:
    """Return a C-contiguous copy."""
    if array.nbytes < _SMALL_BYTES:
        return array.copy()
    copy = memory.empty(array.shape, array.dtype)
    rearrange(copy, array)
    return copy


def as_flat(array: np.ndarray) -> np.ndarray | None:
    """Return a contiguous array of elements of 4 or 8 bytes as the kernels that move them take it; None otherwise."""
    dtype = array.dtype
    if dtype is _F4:
        return array.ravel() if array.flags.c_contiguous else None
    real = ALIKE.get(dtype)
    return array.ravel().view(real) if real is not None and array.flags.c_contiguous else None


def _by_kernel(target: np.ndarray, source: np.ndarray) -> bool:
    """Copy by a kernel where one fits; tell whether."""
    real = ALIKE.get(target.dtype)
    if real is None:
        return False
    plan = way(target.shape, target.strides, source.strides, real.itemsize)
    if plan is None:
        return False
    if target.dtype is not real:
        target, source = target.view(real), source.view(real)
    kernel, shape, order = plan
    x, out = in_order(source, shape, order), in_order(target, shape, order)
    if threads.count == 1:
        kernel(x, out)
    else:
        _shared(kernel, x, out)
    return True


def in_order(array: np.ndarray, shape: tuple[int, ...], order: tuple[int, ...] | None) -> np.ndarray:
    """Return an array in the shape and order of dimensions that `way` gave."""
    array = array.reshape(shape)
    return array if order is None else array.transpose(order)


@lru_cache(maxsize=4096)
def way(
    shape: tuple[int, ...], into: tuple[int, ...], steps: tuple[int, ...], item: int
) -> tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...] | None] | None:
    """Return the kernel for these strides, and the shape and order of four dimensions in which it takes both arrays."""
    shape, into, steps = _folded(shape, into, steps)
    ndim = len(shape)
    if not 0 < ndim <= 4 or into[-1] != item:
        return None
    full = (1,) * (4 - ndim) + shape
    if steps[-1] in (item, -item, 2 * item):
        return move.copy_lines, full, None
    if item not in steps:
        return None
    d = 4 - ndim + steps.index(item)
    order = (*(i for i in range(3) if i != d), d, 3)
    return move.turn, full, None if order == (0, 1, 2, 3) else order


def _shared(kernel: Callable[..., Any], x: np.ndarray, out: np.ndarray) -> None:
    """Give each thread a range of the longest dimension but the last."""
    longest = int(np.argmax(out.shape[:-1]))
    threads.rowwise(
        lambda a, b: kernel(a.swapaxes(0, longest), b.swapaxes(0, longest)),
        out.size,
        out.shape[longest],
        x.swapaxes(0, longest),
        out.swapaxes(0, longest),
    )


def _folded(
    shape: tuple[int, ...], into: tuple[int, ...], steps: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return sizes and both strides with the dimensions that are one in either array joined."""
    sizes: list[int] = []
    own: list[int] = []
    others: list[int] = []
    for n, a, b in zip(shape, into, steps, strict=True):
        if n == 1:
            continue
        if sizes and own[-1] == n * a and others[-1] == n * b:
            sizes[-1], own[-1], others[-1] = sizes[-1] * n, a, b
        else:
            sizes.append(n)
            own.append(a)
            others.append(b)
    return tuple(sizes), tuple(own), tuple(others)
