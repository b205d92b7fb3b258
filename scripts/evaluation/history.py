"""How well change points are found: false alarms on stable series, F1 on stepped ones, beside asv's own detection."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from asv.step_detect import detect_regressions, detect_steps
from rich.console import Console
from rich.table import Table

from ..history import change_points
from . import noise
from .noise import Array, Made

RUNS = 400
# A step is found when a change point is at most so many commits away.
NEAR = 5
STEPS = (0.02, 0.05, 0.10)
BAR_STEP = 0.05
ABOUT = """\
False alarms: stable series with any change point, per 1000. F1: of change points within 5 commits of the one step of
{steps}, over as many stepped as stable series. The real noise is what histories leave about a running median, in
order or permuted; the made noise is of 3 %. Series of {length} values. docs/history.md says what was tuned on what."""


@dataclass(frozen=True)
class Row:
    """One kind of noise; `alarms` per 1000 and `f1` at a step of 5 % are the bars, None where there is none."""

    name: str
    kind: str
    ordered: bool = False
    alarms: float | None = None
    f1: float | None = None


ROWS = (
    Row("dedicated, permuted", "dedicated", False, 5, 0.98),
    Row("dedicated, in order", "dedicated", True, 20, 0.95),
    Row("CI, in order", "ci", True, 20, 0.65),
    Row("made: lognormal", "lognormal"),
    Row("made: outliers", "outliers", alarms=5, f1=0.91),
    Row("made: AR(1) of 0.3", "autocorrelated", alarms=10, f1=0.87),
    Row("made: slow drift", "drifting", alarms=30),
)
SLOWEST = 2e-3


@dataclass(frozen=True)
class Score:
    """False alarms per 1000, F1 by STEPS, and seconds of CPU for a series."""

    alarms: float
    f1: tuple[float, ...]
    seconds: float


def ours(values: Array) -> list[int]:
    """What `history` reports by default."""
    return [s.at for s in change_points.find(values).steps if abs(s.effect) >= change_points.LEAST_EFFECT]


def asv_steps(values: Array) -> list[int]:
    """Every border of asv's step detection."""
    return [left for left, *_ in detect_steps(values.tolist())][1:]


def asv_publish(values: Array) -> list[int]:
    """What `asv publish` would call: steps up of 5 % that still stand."""
    _, _, jumps = detect_regressions(detect_steps(values.tolist()), 0.05)
    return [jump[1] for jump in jumps or ()]


DETECTORS: dict[str, Callable[[Array], list[int]]] = {
    "history": ours, "asv steps": asv_steps, "asv publish": asv_publish,
}  # fmt: skip


def table(runs: int = RUNS, histories: str | None = None) -> bool:
    """Print the table; gives whether every bar holds for `history`. `runs` series of each kind, the seeds fixed."""
    real = noise.load(Path(histories)) if histories else noise.shipped()
    rows = [row for row in ROWS if row.kind not in real or real[row.kind]]
    shown = Table(header_style="bold", box=None)
    for column in ("noise", "detector", "false alarms", "F1 at 2 / 5 / 10 %", "ms a series", "bar"):
        shown.add_column(column, justify="left" if column in ("noise", "detector", "bar") else "right", no_wrap=True)
    held, started, total = True, time.monotonic(), len(rows) * len(DETECTORS)
    with ProcessPoolExecutor(initializer=_load) as pool:
        for done, (row, detector) in enumerate(product(rows, DETECTORS)):
            left = (time.monotonic() - started) / max(done, 1) * (total - done)
            print(f"[{done + 1}/{total}] {row.name}: {detector}, about {left:.0f} s left", file=sys.stderr, flush=True)
            found = score(pool, row, detector, real.get(row.kind, ()), runs)
            good = detector != "history" or _holds(row, found)
            held &= good
            f1 = " / ".join(f"{value:.2f}" for value in found.f1)
            first, bar = (row.name, _bar(row)) if detector == "history" else ("", "")
            bar = bar if good else f"[red]{bar or f'{SLOWEST * 1e3:g} ms'}: no[/]"
            shown.add_row(first, detector, f"{found.alarms:.0f}", f1, f"{found.seconds * 1e3:.1f}", bar)
    console = Console(highlight=False)
    console.width = max(console.width, 130)
    console.print(ABOUT.format(steps=" / ".join(f"{step:.0%}" for step in STEPS), length=noise.LENGTH))
    console.print(shown)
    console.print("Every bar holds." if held else "Not every bar holds.")
    return held


def _load() -> None:
    """Import what detection imports late, before its time is taken."""
    ours(np.arange(1.0, 21.0))


def score(pool: ProcessPoolExecutor, row: Row, detector: str, real: Sequence[Array], runs: int) -> Score:
    """Judge one detector on one kind of noise."""
    job = partial(_detect, row, detector, list(real))
    stable = list(pool.map(partial(job, 0.0), *_slices(runs)))
    outcomes = [list(pool.map(partial(job, step), *_slices(runs))) for step in STEPS]
    counts = [sum(part[0] for part in stable), sum(part[1] for part in stable)]
    f1 = []
    for parts in outcomes:
        hits, points = sum(part[2] for part in parts), sum(part[1] for part in parts) + counts[1]
        # 2 TP / (2 TP + FP + FN): every point is a TP or a FP, every step a TP or a FN.
        f1.append(2 * hits / (points + runs))
    seconds = sum(part[3] for parts in (stable, *outcomes) for part in parts)
    return Score(1000 * counts[0] / runs, tuple(f1), seconds / runs / (1 + len(STEPS)))


def _slices(runs: int, size: int = 50) -> tuple[range, list[int]]:
    starts = range(0, runs, size)
    return starts, [min(start + size, runs) for start in starts]


def _detect(
    row: Row, detector: str, real: Sequence[Array], step: float, start: int, stop: int
) -> tuple[int, int, int, float]:
    """Series with any change point, change points, steps found, and seconds of CPU, for these seeds."""
    any_found = points = hits = 0
    seconds = 0.0
    for series in _series(row, real, step, start, stop):
        began = time.process_time()
        found = DETECTORS[detector](series.values)
        seconds += time.process_time() - began
        any_found += bool(found)
        points += len(found)
        hits += any(abs(at - series.step) <= NEAR for at in found) and bool(step)
    return any_found, points, hits, seconds


def _series(row: Row, real: Sequence[Array], step: float, start: int, stop: int) -> Iterator[Made]:
    for seed in range(start, stop):
        yield noise.real(real, row.ordered, step, seed) if real else noise.made(row.kind, step, seed)


def _holds(row: Row, found: Score) -> bool:
    f1 = found.f1[STEPS.index(BAR_STEP)]
    return (
        (row.alarms is None or found.alarms <= row.alarms)
        and (row.f1 is None or f1 >= row.f1)
        and found.seconds <= SLOWEST
    )


def _bar(row: Row) -> str:
    parts = [f"at most {row.alarms:.0f}" if row.alarms is not None else "", f"F1 {row.f1}" if row.f1 else ""]
    return ", ".join(part for part in parts if part)
