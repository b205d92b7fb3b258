"""Time the kernels of `peak_kernels`, on one core and on all of them at once."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np

from .peak_kernels import CHAINS, LINE, MOVERS, SUMS, chase, fma_kernel, ring, vector_lanes

FMA_ROUNDS = 1_000_000
# About 50 MB a timing: long against the clock's step, short against a neighbour's burst.
TIMED_BYTES = 50_000_000
CHASE_STEPS = 20_000

Call = Callable[[], Any]


def best_of(call: Call, times: int) -> float:
    """Shortest of `times` calls, in seconds; one call before them is not counted."""
    call()
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def best_of_all(make: Callable[[], Call], cores: Sequence[int], times: int) -> float:
    """Shortest time, in seconds, in which a thread on each of `cores` has made one call, from a common start.

    Every thread makes its own call, so that memory is first touched on the core that uses it.
    """
    together = threading.Barrier(len(cores))

    def work(core: int) -> list[tuple[float, float]]:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {core})
        try:
            call = make()
            call()
        except BaseException:
            together.abort()
            raise
        spans = []
        for _ in range(times):
            together.wait()
            start = time.perf_counter()
            call()
            spans.append((start, time.perf_counter()))
        return spans

    with ThreadPoolExecutor(len(cores)) as pool:
        threads = [pool.submit(work, core) for core in cores]
    errors = [error for thread in threads if (error := thread.exception())]
    # The others then say no more than that they were not waited for.
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    rounds = zip(*(thread.result() for thread in threads), strict=True)
    return min(max(end for _, end in spans) - min(start for start, _ in spans) for spans in rounds)


@cache
def _fma() -> Any:
    return fma_kernel(vector_lanes()[0])


def _multiply_add() -> Call:
    # x -> 0.999 x + 0.001 stays near one: neither overflow nor denormals.
    return partial(_fma(), FMA_ROUNDS, np.float32(1), np.float32(0.999), np.float32(0.001))


def _operations() -> int:
    return 2 * vector_lanes()[0] * CHAINS * FMA_ROUNDS


def _move(kernel: Any, count: int, working_set: int) -> Call:
    arrays = [_aligned(_elements(count, working_set)) for _ in range(count)]
    # Every kernel takes three; the ones it does not use are any of those it does.
    return partial(kernel, _repeats(working_set), arrays[0], arrays[count // 2], arrays[-1])


def _bytes(count: int, working_set: int) -> int:
    return count * 4 * _elements(count, working_set) * _repeats(working_set)


def _elements(count: int, working_set: int) -> int:
    return working_set // (LINE * SUMS * count) * (LINE * SUMS // 4)


def _repeats(working_set: int) -> int:
    return max(1, TIMED_BYTES // working_set)


def _aligned(size: int) -> np.ndarray:
    raw = np.ones(size + LINE // 4, np.float32)
    first = -raw.ctypes.data % LINE // 4
    return raw[first : first + size]


def best_flops() -> tuple[float, str]:
    """Return float32 operations a second of this core, and the vector they ran on."""
    return _operations() / best_of(_multiply_add(), 25), vector_lanes()[1]


def best_bandwidth(working_set: int) -> dict[str, float]:
    """Bytes a second of each kernel of MOVERS on this core when its arrays hold `working_set` bytes together."""
    times = 25 if working_set < TIMED_BYTES else 5
    return {
        name: _bytes(count, working_set) / best_of(_move(kernel, count, working_set), times)
        for name, kernel, count in MOVERS
    }


def best_latency(working_set: int) -> float:
    """Seconds from one load to the next where each needs the result of the last and any line may follow."""
    successors, best = ring(working_set), float("inf")
    # Once round, where that is short: then the caches hold what they can.
    at = chase(min(working_set, TIMED_BYTES) // LINE, successors, 0)
    for _ in range(25):
        start = time.perf_counter()
        # On from where the last one stopped, or its lines would be found in the caches.
        at = chase(CHASE_STEPS, successors, at)
        best = min(best, time.perf_counter() - start)
    return best / CHASE_STEPS


def all_cores_flops(cores: Sequence[int]) -> float:
    """Float32 operations a second of all `cores` together."""
    _fma()
    return len(cores) * _operations() / best_of_all(_multiply_add, cores, 15)


def all_cores_bandwidth(cores: Sequence[int], working_set: int) -> dict[str, float]:
    """Bytes a second of all `cores` together, each kernel of MOVERS on `working_set` bytes shared out among them."""
    share = working_set // len(cores)
    return {
        name: len(cores) * _bytes(count, share) / best_of_all(partial(_move, kernel, count, share), cores, 5)
        for name, kernel, count in MOVERS
    }
