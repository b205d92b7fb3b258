"""One process of the noise measurement: times the kernels in turn and prints their samples in seconds as JSON."""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SAMPLES = 20
# Long against the clock's step and short against the whole: 20 samples of 4 kernels are a third of a second.
SAMPLE_SECONDS = 0.002


def kernels() -> dict[str, Callable[[], Any]]:
    """One of each kind of work: the interpreter, a cache, memory, arithmetic."""
    small, large = np.ones((2, 1 << 16), np.float32), np.ones((2, 8 << 20), np.float32)
    square, product = np.ones((256, 256), np.float32), np.empty((256, 256), np.float32)
    return {
        "interpreter": lambda: sum(range(20_000)),
        "cache": lambda: np.add(small[0], small[1], out=small[1]),
        "memory": lambda: np.add(large[0], large[1], out=large[1]),
        "arithmetic": lambda: np.matmul(square, square, out=product),
    }


def sample(call: Callable[[], Any], number: int) -> float:
    """Mean seconds of `number` calls in a row."""
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number


def main() -> None:
    """Warm up, choose how many calls make a sample, and sample the kernels in alternation."""
    calls = kernels()
    numbers = {}
    for name, call in calls.items():
        call()
        numbers[name] = max(1, round(SAMPLE_SECONDS / sample(call, 3)))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(SAMPLES):
        for name, call in calls.items():
            # What ran before has emptied the caches.
            call()
            taken[name].append(sample(call, numbers[name]))
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
