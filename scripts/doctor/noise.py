"""How much identical work differs on this machine: a fixed kernel set, again and again in fresh processes.

What samples of one process differ by is not what processes do: memory lies elsewhere in each, and it is processes that
two commits are compared by. Hence two coefficients of variation (standard deviation over mean).
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asv.util import UserError

from benchmarks.frameworks.compare import pinned

PROCESSES = 10
# A step is found nine times in ten when it is 5 sigma sqrt(1/n + 1/n), with n processes a side.
POWER_FACTOR = 5
CHILD = Path(__file__).with_name("noise_process.py")
LONGEST_SECONDS = 120


@dataclass(frozen=True)
class Noise:
    """Noise of one kernel: its median time in seconds and its two coefficients of variation.

    within: of the samples of a process, the median over the processes. between: of the processes' medians.
    """

    kernel: str
    processes: int
    seconds: float
    within: float
    between: float

    @property
    def detectable(self) -> float:
        """Relative change that a comparison of as many processes a side finds nine times in ten."""
        return POWER_FACTOR * self.between * (2 / self.processes) ** 0.5


def measure(processes: int = PROCESSES, progress: Callable[[str], None] = lambda text: None) -> tuple[Noise, ...]:
    """Run the kernels in so many fresh processes, one after the other, each pinned to the same core.

    Raises UserError when a process fails.
    """
    readings = []
    started = time.monotonic()
    for done in range(processes):
        left = (time.monotonic() - started) / max(done, 1) * (processes - done)
        progress(f"process {done + 1} of {processes}" + (f", about {left:.0f} s left" if done else ""))
        readings.append(_one_process())
    return summary(readings)


def summary(readings: Sequence[Mapping[str, Sequence[float]]]) -> tuple[Noise, ...]:
    """Noise of each kernel from its samples in every process (two at least)."""
    found = []
    for kernel in readings[0]:
        samples = [each[kernel] for each in readings]
        medians = [statistics.median(each) for each in samples]
        within = statistics.median(map(_variation, samples))
        found.append(Noise(kernel, len(samples), statistics.median(medians), within, _variation(medians)))
    return tuple(found)


def _variation(values: Sequence[float]) -> float:
    return statistics.stdev(values) / statistics.fmean(values)


def _one_process() -> dict[str, list[float]]:
    with pinned():
        command = [sys.executable, str(CHILD)]
        # The same hash seed in each, as asv.conf.json has it: dictionaries must not be what differs.
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        try:
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=True)
        except subprocess.TimeoutExpired:
            raise UserError(f"the noise kernels took over {LONGEST_SECONDS} s: the machine is too busy") from None
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or [f"status {error.returncode}"])[-1]
            raise UserError(f"the noise kernels failed in a fresh process: {last}") from None
    return json.loads(done.stdout)
