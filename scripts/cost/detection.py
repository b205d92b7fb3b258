"""Change points in made series: this project's detector and asv's step detection."""

import random
import time
from collections.abc import Callable, Sequence
from math import exp
from typing import Any

from asv.step_detect import detect_steps

from ..history.change_points import find
from .progress import Progress

LENGTH, NOISE, STEP = 200, 0.01, 0.05


def measure(count: int, progress: Progress, seed: int = 0) -> dict[str, Any]:
    """Look for change points in `count` made series with both; gives seconds per 1,000 series, extrapolated."""
    series = made(count, seed)
    # The first call imports and compiles.
    find(series[0])
    seconds = {}
    detectors: tuple[tuple[str, Callable[[Any], Any]], ...] = (("this suite", find), ("stock asv", detect_steps))
    for who, detect in detectors:
        progress.say(f"change points in {count} series of {LENGTH}: {who}")
        seconds[who] = _seconds(detect, series) * 1000 / count
    return {"series": count, "length": LENGTH, "made": True, "seed": seed, "seconds_per_1000": seconds}


def made(count: int, seed: int) -> list[list[float]]:
    """Series of lognormal noise of 1 %; every second one has a step of 5 %. The same `seed` gives the same."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        step = draw.randrange(20, LENGTH - 20) if number % 2 else LENGTH
        found.append([exp(draw.gauss(0, NOISE)) * (1 + STEP * (at >= step)) for at in range(LENGTH)])
    return found


def _seconds(detect: Callable[[Any], Any], series: Sequence[Any]) -> float:
    start = time.perf_counter()
    for values in series:
        detect(values)
    return time.perf_counter() - start
