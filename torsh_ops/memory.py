"""Pooled, page-aligned storage for arrays large enough that fresh pages would cost more than the work on them.

Below `POOLED_BYTES` the C allocator already keeps its own pool. Above, a fresh array costs a page fault every
4 KiB (64 MiB of float32: 28 ms for an addition of 3.5 ms), so freed blocks are kept by size class and used again,
the last one freed first: it may still be in a cache. A block comes back when the last array that looks into it is
gone, in whichever thread that happens.

Nothing here takes a lock (0.1 us, a sixth of an allocation). A block has one owner at any time, since `list.pop`,
`list.append` and `dict.setdefault` are atomic under the GIL; and CPython changes threads, and runs finalizers and
signal handlers, at calls and at the ends of loops only, so that ``counter += number`` is whole.
"""

import contextlib
import math
import mmap
import os
import weakref
from sys import getrefcount
from typing import Any

import numpy as np

from torsh_ops.errors import ArgumentError, OutOfMemoryError

POOLED_BYTES = 128 * 1024
# The results of compiled ways into operators come from the pool from here on: below, the C allocator gives out again
# what was freed in 0.1 us where the pool takes one, and such work takes a few (a copy of 256 KiB: 11.9 -> 7.8 us).
POOLED_RESULT_BYTES = 1024 * 1024
# Blocks of at least one huge page ask for them: at 64 MiB exp runs 1.1x, relu 1.2x as fast as on 4 KiB pages.
HUGE_PAGE_BYTES = 2 * 1024 * 1024

_BYTE = np.dtype(np.uint8)
# What mmap raises for a size that is too large for the machine, or for an address.
_NO_MEMORY = (OSError, MemoryError, OverflowError)


class _Counters:
    """What `stats` tells; `taken` is how many blocks were handed out, `total_bytes` what live and cached ones hold."""

    __slots__ = (
        "allocated", "limit_bytes", "live_bytes", "peak_live_bytes", "released", "returned", "taken", "total_bytes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.taken = self.allocated = self.returned = self.released = 0
        self.live_bytes = self.peak_live_bytes = self.total_bytes = 0
        self.limit_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


class _Bin:
    """The blocks of one size class that nobody uses; `lent`: their array is gone, but a NumPy view of it lives on."""

    __slots__ = ("free", "lent")

    def __init__(self) -> None:
        self.free: list[_Block] = []
        self.lent: list[_Block] = []


class _Block:
    """Memory straight from the operating system, which gets it back when the block goes.

    `form` is an array of the shape and dtype last asked for: a view of it costs 60 ns, a new array 240.
    """

    __slots__ = ("bin", "dtype", "form", "lease", "raw", "shape", "size")
    dtype: np.dtype | None
    form: np.ndarray
    lease: "_Lease | None"

    def __init__(self, size: int, bin: _Bin) -> None:
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if size >= HUGE_PAGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # a kernel built without them
                pages.madvise(mmap.MADV_HUGEPAGE)
        self.size, self.bin = size, bin
        self.raw = self.form = np.ndarray((size,), _BYTE, pages)
        self.shape: tuple[int, ...] | None = None
        self.dtype = self.lease = None


class _Lease(weakref.ref):
    """Watches the array that a block was handed out as."""

    __slots__ = ("block",)
    block: _Block


_counters = _Counters()
# Every block that is lent or kept. It holds on to the leases.
_blocks: set[_Block] = set()
_bins: dict[int, _Bin] = {}
# Bytes asked for -> the free blocks of their class, so that it is not computed anew; at most 4096 sizes.
_free: dict[int, list[_Block]] = {}


def _size_class(nbytes: int) -> int:
    """Round up to an eighth of the power of two below: at most 12.5 % is wasted."""
    step = 1 << (nbytes.bit_length() - 4)
    return -(-nbytes // step) * step


# What it uses is bound here: when the interpreter ends, the names of this module go before the last arrays do.
def _give_back(lease: _Lease, getrefcount: Any = getrefcount, counters: _Counters = _counters) -> None:
    block = lease.block
    # The slot, the base of the form and of the dying array, and the argument; any more is another view.
    if getrefcount(block.raw) > 4:
        block.bin.lent.append(block)
        return
    counters.returned += 1
    counters.live_bytes -= block.size
    if counters.total_bytes - counters.live_bytes <= counters.limit_bytes or _release_free is None:
        block.bin.free.append(block)
        return
    # What is kept may be of sizes that nobody asks for any longer.
    _release_free()
    if block.size <= counters.limit_bytes:
        block.bin.free.append(block)
    else:
        _release(block)


def _release(block: _Block) -> None:
    _counters.released += 1
    _counters.total_bytes -= block.size
    _blocks.discard(block)
    block.lease = None  # they refer to each other


def _release_free() -> None:
    for bin in list(_bins.values()):
        with contextlib.suppress(IndexError):  # none left, or another thread took it
            while True:
                _release(bin.free.pop())


def _collect_lent(bin: _Bin, at_most: int) -> None:
    """Look at the blocks of one class that were viewed, the oldest first; take back those that no longer are."""
    for _ in range(min(len(bin.lent), at_most)):
        with contextlib.suppress(IndexError):  # another thread took it
            block = bin.lent.pop(0)
            dying = block.raw  # noqa: F841  counted in the place of the array that is gone
            assert block.lease is not None
            _give_back(block.lease)


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an uninitialised C-contiguous array of `shape`, page-aligned when it comes from the pool.

    Raises OutOfMemoryError, with the size asked for, when the machine has no more.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    return np.empty(shape, dtype) if nbytes < POOLED_BYTES else _pooled(shape, dtype, nbytes)


def empty_like(array: np.ndarray) -> np.ndarray:
    """Return `empty(array.shape, array.dtype)`, a fifth of a microsecond sooner."""
    nbytes = array.nbytes
    if nbytes < POOLED_BYTES:
        return np.empty(array.shape, array.dtype)
    return _pooled(array.shape, array.dtype, nbytes)


def _pooled(shape: tuple[int, ...], dtype: np.dtype, nbytes: int) -> np.ndarray:
    try:
        block = _free[nbytes].pop()
    except (KeyError, IndexError):
        block = _further_block(shape, dtype, nbytes)
    counters = _counters
    counters.taken += 1
    counters.live_bytes += block.size
    if counters.live_bytes > counters.peak_live_bytes:
        counters.peak_live_bytes = counters.live_bytes
    if block.dtype is not dtype or block.shape != shape:
        block.form = np.ndarray(shape, dtype, block.raw)
        block.shape, block.dtype = shape, dtype
    array = block.form.view()
    block.lease = lease = _Lease(array, _give_back)
    lease.block = block
    return array


def _further_block(shape: tuple[int, ...], dtype: np.dtype, nbytes: int) -> _Block:
    """Return a free block of the class of `nbytes` that a view has let go, or else a new one."""
    size = _size_class(nbytes)
    bin = _bins.setdefault(size, _Bin())
    if len(_free) >= 4096:
        _free.clear()
    _free[nbytes] = bin.free
    _collect_lent(bin, 8)  # a fixed number: thousands may be viewed, and one that is missed now is met later
    with contextlib.suppress(IndexError):
        return bin.free.pop()
    try:
        block = _Block(size, bin)
    except _NO_MEMORY:
        empty_cache()
        try:
            block = _Block(size, bin)
        except _NO_MEMORY as error:
            raise OutOfMemoryError(
                f"can't allocate {nbytes} bytes for a {dtype} array of shape {tuple(shape)}: {error}. "
                f"{_counters.live_bytes} bytes are held by large arrays; let some of them go"
            ) from None
    _counters.allocated += 1
    _counters.total_bytes += size
    _blocks.add(block)
    return block


def stats() -> dict[str, int]:
    """Return the pool's counters.

    Blocks, since the start: `allocated` from the operating system, `reused`, `returned` to the pool when the last
    array that looked into them was gone, `released` to the operating system.
    Bytes: `live_bytes` in use, `peak_live_bytes` the most ever in use, `cached_bytes` kept for reuse, and
    `limit_bytes`, which bounds the latter.
    """
    for bin in list(_bins.values()):
        _collect_lent(bin, len(bin.lent))
    c = _counters
    return {
        "allocated": c.allocated,
        "reused": c.taken - c.allocated,
        "returned": c.returned,
        "released": c.released,
        "live_bytes": c.live_bytes,
        "peak_live_bytes": c.peak_live_bytes,
        "cached_bytes": c.total_bytes - c.live_bytes,
        "limit_bytes": c.limit_bytes,
    }


def reset_peak() -> None:
    """Start `peak_live_bytes` again from what is in use now."""
    _counters.peak_live_bytes = _counters.live_bytes


def empty_cache() -> None:
    """Give every cached block back to the operating system."""
    for bin in list(_bins.values()):
        _collect_lent(bin, len(bin.lent))
    _release_free()


def set_limit(limit_bytes: int) -> None:
    """Bound the bytes kept for reuse (a quarter of the machine's memory unless set); 0 keeps none.

    Where a returned block would exceed the bound, all that is kept goes back to the operating system first.
    Raises ArgumentError when `limit_bytes` is negative or no integer.
    """
    if not isinstance(limit_bytes, int) or limit_bytes < 0:
        raise ArgumentError(f"limit_bytes must be an integer and not negative, but got {limit_bytes!r}")
    _counters.limit_bytes = limit_bytes
    if _counters.total_bytes - _counters.live_bytes > limit_bytes:
        empty_cache()
