"""Workloads on every framework in alternation, each result checked before it is timed."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from statistics import median
from typing import Any

from benchmarks import frameworks
from benchmarks.frameworks import UnknownName, compare
from benchmarks.frameworks.compare import Interval, Samples
from benchmarks.workloads import WORKLOADS, Workload

from .machine import Peaks

OURS = "torsh"
# Enough for a 95 % interval of about a tenth of the spread; the budget of seconds ends most cells before.
ROUNDS = 301
WRONG = "wrong result: "


@dataclass(frozen=True)
class Cell:
    """One workload at one size: the samples of each framework, and why the others have none."""

    workload: Workload
    size: str
    samples: Mapping[str, Samples]
    reasons: Mapping[str, str]

    @property
    def peer(self) -> str | None:
        """The fastest framework but ours."""
        others = {name: samples for name, samples in self.samples.items() if name != OURS}
        return compare.fastest(others) if others else None

    @property
    def wrong(self) -> list[str]:
        """Frameworks whose result missed the oracle's."""
        return [name for name, reason in self.reasons.items() if reason.startswith(WRONG)]

    @property
    def ratio(self) -> Interval | None:
        """Time of the fastest peer over ours, round by round: above 1 ours is faster."""
        if self.peer is None or OURS not in self.samples:
            return None
        return self.samples[self.peer].ratio(self.samples[OURS])

    def fraction(self, name: str, peaks: Peaks) -> tuple[float, str]:
        """Share of the measured peak that framework `name` reached, and what bounds this workload."""
        dims = self.workload.sizes[self.size]
        floor, bound = peaks.floor(self.workload.flops(*dims), self.workload.bytes(*dims))
        return floor / median(self.samples[name].seconds), bound


def choose(names: Sequence[str], families: Sequence[str], sizes: Sequence[str]) -> list[tuple[Workload, str]]:
    """Workloads and sizes that match: `names` are globs, an empty list is everything.

    Raises UnknownName for a name, family or size that nothing has.
    """
    every = list(WORKLOADS.values())
    known_sizes = sorted({size for workload in every for size in workload.sizes})
    _demand("workload", names, [workload.name for workload in every])
    _demand("family", families, sorted({workload.family for workload in every}))
    _demand("size", sizes, known_sizes)
    return [
        (workload, size)
        for workload in every
        if (not names or any(fnmatchcase(workload.name, glob) for glob in names))
        and (not families or any(fnmatchcase(workload.family, glob) for glob in families))
        for size in workload.sizes
        if not sizes or any(fnmatchcase(size, glob) for glob in sizes)
    ]


def _demand(kind: str, globs: Sequence[str], known: Sequence[str]) -> None:
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in known):
            raise UnknownName(kind, glob, known)


def measure(
    chosen: Sequence[tuple[Workload, str]], names: Sequence[str], seconds: float, cores: int = 1
) -> tuple[list[Cell], bool]:
    """Measure every chosen cell on as many cores and say on stderr what remains; gives (cells, whether Ctrl-C came)."""
    cells: list[Cell] = []
    started = time.monotonic()
    try:
        with compare.pinned(count=cores):
            for done, (workload, size) in enumerate(chosen):
                left = (time.monotonic() - started) / max(done, 1) * (len(chosen) - done)
                remains = f", about {left:.0f} s left" if done else ""
                print(f"[{done + 1}/{len(chosen)}] {workload.name} {size}{remains}", file=sys.stderr)
                cells.append(measure_cell(workload, size, names, seconds))
    except KeyboardInterrupt:
        return cells, True
    return cells, False


def measure_cell(workload: Workload, size: str, names: Sequence[str], seconds: float) -> Cell:
    """Bind, check and time one cell in `seconds`, or in three rounds where these take longer.

    A framework that fails or answers wrongly is left out, with its reason.
    """
    inputs = workload.make_inputs(size)
    expected = workload.expected(inputs)
    calls: dict[str, Callable[[], Any]] = {}
    reasons: dict[str, str] = {}
    with ExitStack() as stack:
        for name in names:
            try:
                adapter = frameworks.load(name)
                call = stack.enter_context(adapter.bind(workload, inputs))
                wrong = workload.difference(adapter.outputs(workload, call()), expected)
            except NotImplementedError as error:
                reasons[name] = str(error)
            # Whatever one framework raises, the others are measured.
            except Exception as error:
                reasons[name] = f"failed: {type(error).__name__}: {error}"
            else:
                if wrong:
                    reasons[name] = WRONG + wrong
                else:
                    calls[name] = call
        samples = compare.alternate(calls, rounds=ROUNDS, seconds=seconds) if calls else {}
    return Cell(workload, size, samples, reasons)
