"""The one thread pool. Kernels release the GIL; large work is cut into one range a thread.

OpenBLAS is kept at one thread and its work is cut here too, because two spinning pools on the same cores cost
milliseconds at every change between them. One thread is the default. After a fork the child starts with no pool.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from torsh_ops.errors import ArgumentError

# Waking a Python thread costs about 30 us: work below that many elements is done where it is.
WORTH_ELEMENTS = 1 << 17

# How many threads one operation may use; read it, set it with set_num_threads.
count = 1
_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()
# A worker that splits work again would wait for itself.
_inside = threading.local()


def get_num_threads() -> int:
    """Return how many threads one operation may use."""
    return count


def set_num_threads(n: int) -> None:
    """Let one operation use `n` threads; 1 unless set.

    Raises ArgumentError when `n` is not a positive integer.
    """
    global count, _pool
    if not isinstance(n, int) or n < 1:
        raise ArgumentError(f"set_num_threads expects a positive integer, but got {n!r}")
    with _lock:
        if n != count and _pool is not None:
            _pool.shutdown(wait=True)
            _pool = None
        count = n


def _forget() -> None:
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


def _run_all(tasks: Sequence[Callable[[], Any]]) -> None:
    """Run the tasks, one of them here; the first error is raised after all have ended."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(count - 1, thread_name_prefix="torsh_ops")
        pool = _pool
    futures = [pool.submit(_worker, task) for task in tasks[1:]]
    try:
        tasks[0]()
    finally:
        for future in futures:
            future.exception()
    for future in futures:
        future.result()


def _worker(task: Callable[[], Any]) -> None:
    _inside.worker = True
    task()


def parts(n: int, elements: int) -> list[slice]:
    """Cut `range(n)` into at most one slice a thread; one slice when `elements` of work are too few to share."""
    pieces = 1 if count == 1 or elements < WORTH_ELEMENTS or getattr(_inside, "worker", False) else min(count, n)
    bounds = [n * i // pieces for i in range(pieces + 1)] if pieces else [0, 0]
    return [slice(a, b) for a, b in pairwise(bounds)]


def elementwise(kernel: Callable[..., Any], *arrays: Any) -> None:
    """Run a kernel over C-contiguous arrays, ranges of the first axis of `out` to each thread.

    Arrays of the size of `out` are cut with it; numbers and smaller arrays, which repeat, go to each thread whole.
    """
    out = arrays[-1]
    if count == 1 or out.size < WORTH_ELEMENTS:
        kernel(*arrays)
        return
    smaller = [a.size for a in arrays if isinstance(a, np.ndarray) and a.size < out.size]
    rows = (-1, smaller[0]) if smaller else (-1,)
    cut = [isinstance(a, np.ndarray) and a.size == out.size for a in arrays]
    lanes = [a.reshape(rows) if whole else a for a, whole in zip(arrays, cut, strict=True)]
    pieces = parts(len(lanes[-1]), out.size)
    _share(kernel, pieces, lambda piece: [a[piece] if c else a for a, c in zip(lanes, cut, strict=True)])


def rowwise(kernel: Callable[..., Any], work: int, rows: int, *arrays: Any, whole: Sequence[Any] = ()) -> None:
    """Run a kernel over the first axis of `arrays`, ranges of rows to each thread; `whole` go first, uncut."""
    if count == 1 or work < WORTH_ELEMENTS:
        kernel(*whole, *arrays)
        return
    _share(kernel, parts(rows, work), lambda piece: [*whole, *(a[piece] for a in arrays)])


def _share(kernel: Callable[..., Any], pieces: list[slice], arguments: Callable[[slice], list[Any]]) -> None:
    cut = [arguments(piece) for piece in pieces]
    if len(cut) == 1:
        kernel(*cut[0])
    else:
        _run_all([lambda a=a: kernel(*a) for a in cut])  # type: ignore[misc]
