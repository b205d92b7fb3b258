"""Time several calls beside one another in one process, so that the machine's mood falls on all alike.

The machine's clock and neighbours change a time by 2x within minutes; what holds is the ratio of samples
taken next to each other. So each round takes one sample of every call, in an order shuffled anew, and ratios
are paired within rounds. Medians come with a distribution-free interval (order statistics; David and Nagaraja
2003, §7.1).
"""

import gc
import math
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import repeat
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import frameworks
from benchmarks.frameworks.adapter import Call

if TYPE_CHECKING:
    from benchmarks.workloads.record import Workload

SAMPLE_SECONDS = 200e-6
WARM_UP_SECONDS = 0.02


@dataclass(frozen=True)
class Interval:
    """A median and the bounds that hold it with `confidence` (unknown distribution, independent samples)."""

    median: float
    low: float
    high: float
    confidence: float = 0.95


@dataclass(frozen=True)
class Samples:
    """Seconds per call, one for each round, each the mean of `number` calls in a row."""

    seconds: tuple[float, ...]
    number: int

    def interval(self) -> Interval:
        """Median seconds per call with its 95 % interval."""
        return interval(self.seconds)

    def ratio(self, other: "Samples") -> Interval:
        """Median of this time over the `other`'s, round by round: below 1 this call is the faster one."""
        return interval([a / b for a, b in zip(self.seconds, other.seconds, strict=True)])


def interval(values: Iterable[float], confidence: float = 0.95) -> Interval:
    """Give the median of `values` and the tightest order statistics about it that hold it with `confidence`.

    Fewer than six values can't reach 95 %: the bounds are then the least and the greatest, with the
    confidence that these give.
    """
    ordered = sorted(values)
    n = len(ordered)
    # P(x[k] < median < x[n-1-k]) = 1 - 2 P(Binomial(n, 1/2) <= k).
    outside, k = 2 * 0.5**n, 0
    while outside + (step := 2 * math.comb(n, k + 1) * 0.5**n) <= 1 - confidence:
        outside, k = outside + step, k + 1
    return Interval(median(ordered), ordered[k], ordered[n - 1 - k], max(0.0, 1 - outside))


@contextmanager
def pinned(core: int | None = None, count: int = 1) -> Iterator[int | None]:
    """Keep this thread, and what it starts, on one core, or `count` (the last allowed by default); put it back after.

    Yields the last core, or None on a system that can't pin.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    cores = sorted(before)[-count:] if core is None else [core]
    os.sched_setaffinity(0, cores)
    try:
        yield cores[-1]
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def bind(
    workload: "Workload", size: str, names: Iterable[str] = frameworks.NAMES
) -> Iterator[tuple[dict[str, Call], dict[str, str]]]:
    """Make `workload` ready on every framework of `names`: (calls, reasons), each keyed by name.

    `reasons` says of a framework that has no call here why: not installed, broken, or without the operator.
    Inputs are made once; each call has run once, so it is compiled.
    """
    inputs = workload.make_inputs(size)
    calls: dict[str, Call] = {}
    reasons: dict[str, str] = {}
    with ExitStack() as stack:
        for name in names:
            try:
                call = stack.enter_context(frameworks.load(name).bind(workload, inputs))
                call()
            except NotImplementedError as error:
                reasons[name] = str(error)
            else:
                calls[name] = call
        yield calls, reasons


def alternate(
    calls: Mapping[str, Call],
    *,
    rounds: int = 21,
    seconds: float = math.inf,
    sample_seconds: float = SAMPLE_SECONDS,
    seed: int = 0,
) -> dict[str, Samples]:
    """Time `calls` in turn: `rounds` samples of each, fewer when `seconds` are over (never below 3).

    A sample is as many calls in a row as `sample_seconds` takes, after one untimed call, because what ran before
    has emptied the caches; not so where one call takes WARM_UP_SECONDS, which fills any cache anew. The garbage
    collector is off.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    order, shuffle = list(calls), random.Random(seed).shuffle
    with _no_garbage_collection():
        numbers = {name: _number(call, sample_seconds) for name, call in calls.items()}
        end = time.perf_counter() + seconds
        for done in range(rounds):
            if done >= 3 and time.perf_counter() > end:
                break
            shuffle(order)
            for name in order:
                if not taken[name] or taken[name][-1] < WARM_UP_SECONDS:
                    calls[name]()
                taken[name].append(_time(calls[name], numbers[name]) / numbers[name])
    return {name: Samples(tuple(taken[name]), numbers[name]) for name in calls}


def fastest(samples: Mapping[str, Samples]) -> str:
    """Name of the call with the least median."""
    return min(samples, key=lambda name: median(samples[name].seconds))


def _number(call: Call, sample_seconds: float) -> int:
    """Warm `call` up and choose how many calls in a row take `sample_seconds`."""
    number, spent, least = 1, 0.0, math.inf
    while True:
        # First-call costs and a preemption only lengthen a reading: of a call that compiles once, in 30 ms, a single
        # reading says that one call is a sample (torsh's pow of 16x16 then read 1.4 us, 0.7 in a row).
        readings = _time(call, number), _time(call, number)
        took = min(readings)
        spent += sum(readings)
        least = min(least, took / number)
        if took >= sample_seconds and spent >= WARM_UP_SECONDS:
            return max(1, math.ceil(sample_seconds / least))
        if took < sample_seconds:
            number *= 2


def _time(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in repeat(None, number):
        call()
    return time.perf_counter() - start


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
