"""The one thread pool. Kernels release the GIL; large work is cut into one range a thread.

OpenBLAS is kept at one thread and its work is cut here too, because two spinning pools on the same cores cost
milliseconds at every change between them. One thread is the default; the pool's threads start when work is first cut.

The pool does one operation at a time. A call that comes meanwhile, from another Python thread or from a worker, is
done by its own thread alone. After a fork the child starts with no pool and makes its own.
"""

import os
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numba.core.dispatcher import Dispatcher

from torsh_ops.errors import ArgumentError
from torsh_ops.kernels import stream, team

# Handing work to another thread costs 5 to 10 us: work below that many elements is done where it is.
WORTH_ELEMENTS = 1 << 17
# Results from here on go past the caches: a third of the largest L2, and what two of them leave of most L3.
STREAMED_BYTES = 32 << 20

# How many threads one operation may use; read it, set it with set_num_threads.
count = 1
# The same, where compiled code reads it.
cell = np.ones(1, np.int64)


def get_num_threads() -> int:
    """Return how many threads one operation may use."""
    return count


def set_num_threads(n: int) -> None:
    """Let one operation use `n` threads; 1 unless set.

    Raises ArgumentError when `n` is not a positive integer. More threads than the process may use cores are slower
    than as many as there are cores.
    """
    global count
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ArgumentError(f"set_num_threads expects a positive integer, but got {n!r}")
    count = cell[0] = n
    # While the pool is at work, it is cut or grown when next used.
    if _pool.free.acquire(blocking=False):
        try:
            _pool.resize(0 if n == 1 else min(n - 1, len(_pool.workers)))
        finally:
            _pool.free.release()


class _Worker:
    """A thread with a mailbox (see kernels.team)."""

    def __init__(self, spins: int) -> None:
        self.spins = spins
        self.words = np.zeros(team.WORDS + 8, np.int64)
        # On a line of its own.
        self.mailbox = self.words.ctypes.data + -self.words.ctypes.data % 64
        self.wake = threading.Lock()
        self.wake.acquire()
        self.held: Any = None
        self.task: Callable[[], Any] | None = None
        self.error: BaseException | None = None
        # A daemon: it sleeps in a lock, or in compiled code, when the interpreter ends.
        self.thread = threading.Thread(target=self._serve, name="torsh_ops", daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        _inside.worker = True
        while True:
            message = team.serve(self.mailbox, self.spins)
            if message == team.ASLEEP:
                self.wake.acquire()
            elif message == team.LEAVE:
                return
            else:
                try:
                    assert self.task is not None
                    self.task()
                except BaseException as error:
                    self.error = error
                finally:
                    self.task = None
                    team.done(self.mailbox)

    def call(self, task: Callable[[], Any]) -> None:
        """Start a Python function."""
        self._prepare(task)
        self.task = task
        self._wake(team.post(self.mailbox, team.CALL))

    def run(self, kernel: Dispatcher, arguments: Sequence[Any]) -> None:
        """Start a kernel."""
        self._prepare(arguments)
        self._wake(team.post_kernel(self.mailbox, _address(kernel, arguments), *arguments))

    def _prepare(self, held: Any) -> None:
        if self.held is not None:
            self.wait()
        self.held = held

    def _wake(self, asleep: bool) -> None:
        if asleep and self.wake.locked():
            self.wake.release()

    def wait(self) -> None:
        """Return when what was started has ended.

        Ctrl-C may come between any two lines: a worker that was left without its wake-up gets it here, and what it
        works on is held until it has ended, be it at its next start.
        """
        while not team.wait(self.mailbox, self.spins):
            self._wake(True)
        self.held = None

    def leave(self) -> None:
        """End the thread."""
        self._wake(team.post(self.mailbox, team.LEAVE))
        self.thread.join()


class _Pool:
    """The workers; `free` is held by whoever uses them."""

    def __init__(self) -> None:
        self.free = threading.Lock()
        self.workers: list[_Worker] = []

    def resize(self, n: int) -> None:
        """Have `n` workers."""
        while len(self.workers) > n:
            self.workers.pop().leave()
        while len(self.workers) < n:
            # To spin on a core that others need would keep them from what it waits for.
            self.workers.append(_Worker(team.SPINS if n < _cores() else 0))


_pool = _Pool()
# A worker that splits work again would wait for itself.
_inside = threading.local()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _forget() -> None:
    """Start anew in a forked child, which has no thread but the one that forked."""
    global _pool
    _pool = _Pool()


os.register_at_fork(after_in_child=_forget)

# What a kernel is called by, by its arguments' types; types by what tells them apart.
_addresses: dict[tuple[Any, ...], int] = {}


def _address(kernel: Dispatcher, arguments: Sequence[Any]) -> int:
    """Return where the kernel compiled for these arguments is."""
    key = (kernel, *((a.dtype, a.ndim, a.flags.num) if isinstance(a, np.ndarray) else type(a) for a in arguments))
    address = _addresses.get(key)
    if address is None:
        address = _addresses[key] = team.address_of(kernel, tuple(numba.typeof(a) for a in arguments))
    return address


def _share(kernel: Callable[..., Any], cut: list[list[Any]]) -> None:
    """Run the kernel on each list of arguments, the first one here; the first error is raised after all have ended."""
    pool = _pool
    if len(cut) == 1 or not pool.free.acquire(blocking=False):
        for arguments in cut:
            kernel(*arguments)
        return
    started: list[_Worker] = []
    try:
        if len(pool.workers) < len(cut) - 1:
            pool.resize(len(cut) - 1)
        for worker, arguments in zip(pool.workers, cut[1:], strict=False):
            started.append(worker)
            if isinstance(kernel, Dispatcher):
                worker.run(kernel, arguments)
            else:
                worker.call(lambda a=arguments: kernel(*a))  # type: ignore[misc]
        kernel(*cut[0])
    finally:
        try:
            for worker in started:
                worker.wait()
        finally:
            errors = [worker.error for worker in started if worker.error is not None]
            for worker in started:
                worker.error = None
            pool.free.release()
    if errors:
        raise errors[0]


def parts(n: int, elements: int, grain: int = 1) -> list[slice]:
    """Cut `range(n)` into at most one slice a thread, at multiples of `grain`.

    One slice when `elements` of work are too few to share.
    """
    pieces = 1 if count == 1 or elements < WORTH_ELEMENTS or getattr(_inside, "worker", False) else min(count, n)
    bounds = [n * i // pieces // grain * grain for i in range(pieces)] if pieces else [0]
    return [slice(a, b) for a, b in pairwise([*bounds, n])]


def elementwise(kernel: Callable[..., Any], *arrays: Any) -> None:
    """Run a kernel over C-contiguous arrays, ranges of the first axis of `out` to each thread.

    Arrays of the size of `out` are cut with it; numbers and smaller arrays, which repeat, go to each thread whole.
    """
    out = arrays[-1]
    if count == 1 or out.size < WORTH_ELEMENTS:
        kernel(*arrays)
    else:
        _share(kernel, _cut(arrays))


def _cut(arrays: Sequence[Any]) -> list[list[Any]]:
    out = arrays[-1]
    smaller = [a.size for a in arrays if isinstance(a, np.ndarray) and a.size < out.size]
    rows = (-1, smaller[0]) if smaller else (-1,)
    whole = [not isinstance(a, np.ndarray) or a.size != out.size for a in arrays]
    lanes = [a if w else a.reshape(rows) for a, w in zip(arrays, whole, strict=True)]
    # At whole lines of memory, where the elements lie in one row.
    pieces = parts(len(lanes[-1]), out.size, 1 if smaller else 64)
    return [[a if w else a[piece] for a, w in zip(lanes, whole, strict=True)] for piece in pieces]


def fill(kernel: Callable[..., Any], *arrays: Any) -> None:
    """Do `elementwise` into an `out` that is new: where it is too large for the caches, past them.

    The kernel computes each element from those of the operands at its place alone.
    """
    out = arrays[-1]
    streamed = stream.streamed(kernel, *arrays) if out.nbytes >= STREAMED_BYTES else None
    if streamed is None:
        elementwise(kernel, *arrays)
        return
    cut = _cut(arrays) if count > 1 else [list(arrays)]
    _share(streamed, [[*operands, stream.scratch(out.dtype), part] for *operands, part in cut])


def ranges(kernel: Callable[..., Any], work: int, n: int, arguments: Callable[[slice], Sequence[Any]]) -> None:
    """Run a kernel on the arguments that belong to each thread's part of ``range(n)``; `work` elements in all.

    A compiled kernel with its arguments is run without Python's lock. A lambda around one is not, which costs up to a
    millisecond an operation: two threads take turns at the lock.
    """
    if count == 1 or work < WORTH_ELEMENTS:
        kernel(*arguments(slice(0, n)))
    else:
        _share(kernel, [list(arguments(piece)) for piece in parts(n, work)])


def rowwise(kernel: Callable[..., Any], work: int, rows: int, *arrays: Any, whole: Sequence[Any] = ()) -> None:
    """Run a kernel over the first axis of `arrays`, ranges of rows to each thread; `whole` go first, uncut."""
    if count == 1 or work < WORTH_ELEMENTS:
        kernel(*whole, *arrays)
    else:
        _share(kernel, [[*whole, *(a[piece] for a in arrays)] for piece in parts(rows, work)])
