"""How fine the clock is that times benchmarks, and what reading it costs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

READINGS = 20_000


@dataclass(frozen=True)
class Clock:
    """Seconds: the least step that the clock was seen to take, and the time of one reading."""

    resolution: float
    cost: float


def measure(clock: Callable[[], float] = time.perf_counter) -> Clock:
    """Read `clock` many times in a row; its step is the least difference above 0, never less than a reading takes."""
    readings = [clock() for _ in range(READINGS)]
    steps = [later - earlier for earlier, later in pairwise(readings) if later > earlier]
    span = readings[-1] - readings[0]
    if not steps:
        # The clock stood still all the while: its step is longer than this took.
        started = readings[-1]
        while (now := clock()) == started:
            pass
        steps, span = [now - started], now - started
    return Clock(min(steps), span / READINGS)
