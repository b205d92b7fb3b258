"""How often `bisect` names the right commit and what it costs, beside `asv find`, on made noise with fixed seeds."""

import math
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import mean, median

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ..bisection.search import Search

COMMITS, STEP, NOISE, BROKEN = 64, 0.05, 0.03, 3
RUNS, ENOUGH, WIDEST = 100, 0.95, 3
# A search that needs more is counted as wrong.
MOST_LAUNCHES = 600
# Processes that asv's `rounds` would launch for each commit.
REPEATS = (1, 2, 4, 8, 12, 16, 20, 24, 32, 48, 64)
# What a build costs, in launches: 2 s beside 2 s for a launch of the suite's own light environment.
BUILD_COST = 1.0

# Logarithms of the samples of the next launch, over what they would be on a still machine.
Noise = Callable[[], NDArray[np.float64]]


def independent(rng: np.random.Generator) -> Noise:
    """Normal, 3 % from launch to launch."""
    return lambda: rng.normal(0, NOISE, 1)


def outliers(rng: np.random.Generator) -> Noise:
    """Independent, and one launch in 20 is off by an exponential of mean 30 %, four times in five slower."""

    def launch() -> NDArray[np.float64]:
        off = rng.exponential(0.3) * rng.choice([1, -1], p=[0.8, 0.2]) if rng.random() < 0.05 else 0.0
        return rng.normal(off, NOISE, 1)

    return launch


def autocorrelated(rng: np.random.Generator) -> Noise:
    """AR(1) from launch to launch: correlation 0.3, 3 % all in all."""
    state = rng.normal(0, NOISE, 1)

    def launch() -> NDArray[np.float64]:
        state[:] = 0.3 * state + rng.normal(0, NOISE * math.sqrt(1 - 0.3**2), 1)
        return state.copy()

    return launch


def between_processes(rng: np.random.Generator) -> Noise:
    """Processes differ by 3 %; eight samples of one, by an exponential of mean 1.5 % above that."""
    return lambda: rng.normal(0, NOISE) + rng.exponential(0.015, 8)


def drifting(rng: np.random.Generator) -> Noise:
    """Independent, about a machine that slows by up to 5 % and comes back, every 60 to 200 launches."""
    period, phase = rng.uniform(60, 200), rng.uniform(0, 2 * math.pi)
    times = iter(range(10**6))
    return lambda: rng.normal(0, NOISE, 1) + 0.05 * math.sin(phase + 2 * math.pi * next(times) / period)


def jumping(rng: np.random.Generator) -> Noise:
    """Independent, about a machine that changes its speed by some 20 % every 33 launches or so."""
    speed = np.zeros(1)

    def launch() -> NDArray[np.float64]:
        if rng.random() < 0.03:
            speed[:] = rng.normal(0, 0.2)
        return speed + rng.normal(0, NOISE, 1)

    return launch


MODELS = (independent, outliers, autocorrelated, between_processes, drifting, jumping)


@dataclass(frozen=True)
class Outcome:
    """One run: `right` when it held the step in WIDEST commits at most; launches are all that were made."""

    right: bool
    launches: int
    builds: int
    found: bool = True


class Range:
    """COMMITS commits with one step of STEP somewhere, and BROKEN that do not build, neither of them the last."""

    def __init__(self, model: Callable[[np.random.Generator], Noise], seed: int, broken: int = BROKEN):
        rng = np.random.default_rng([COMMITS, seed])
        self.step = int(rng.integers(1, COMMITS + 1))
        self.broken = set(map(int, rng.choice(np.arange(1, COMMITS), broken, replace=False)))
        self.noise, self.launches = model(rng), 0

    def launch(self, position: int) -> NDArray[np.float64]:
        """Samples of one launch of the commit at `position`."""
        self.launches += 1
        return np.exp(self.noise() + math.log1p(STEP) * (position >= self.step))

    def cant_tell(self, position: int) -> bool:
        """Whether `position` is the step, or the first commit after it and broken ones that can be measured."""
        return position >= self.step and all(each in self.broken for each in range(self.step, position))


def search(model: Callable[[np.random.Generator], Noise], seed: int, step: bool = True) -> Outcome:
    """Run our search once; without `step`, on a range without one, where finding one is wrong."""
    commits = Range(model, seed)
    if not step:
        commits.step = COMMITS + 1
    ours, checked = Search(COMMITS), {0, COMMITS}
    ours.build_cost = BUILD_COST
    # As the command does: the first launch of each commit is a check, whose reading is not used.
    for end in checked:
        commits.launch(end)
    while not (ours.found() or ours.refuted()) and commits.launches < MOST_LAUNCHES:
        for position in ours.next():
            if position in commits.broken:
                ours.broken.add(position)
                break
            if position not in checked:
                checked.add(position)
                commits.launch(position)
            ours.observe(position, float(commits.launch(position).min()))
    suspects, found = ours.suspects(), ours.found()
    right = suspects.first <= commits.step <= suspects.last and len(suspects) <= WIDEST and found
    return Outcome(right if step else ours.refuted(), commits.launches, len(checked) + len(ours.broken), found)


def find(model: Callable[[np.random.Generator], Noise], repeats: int, broken: int, seed: int) -> Outcome:
    """Run asv 0.6.6's `find` once, with `repeats` launches for each commit, whose samples it pools.

    It is granted what it lacks: the commit before the range is measured too, so that a step at the first can be found,
    and a commit that does not build is passed over as one that fails is, where asv itself ends.
    """
    commits, values = Range(model, seed, broken), dict[int, float]()

    def measure(position: int) -> bool:
        if position not in commits.broken and position not in values:
            values[position] = median(np.concatenate([commits.launch(position) for _ in range(repeats)]).tolist())
        return position in values

    low, high = 0, COMMITS
    while high - low > 1:
        middle = (low + high) // 2
        while not measure(low) and low < middle:
            low += 1
        while middle < high and not measure(middle):
            middle += 1
        while high > middle and not measure(high):
            high -= 1
        if not low < middle < high:
            break  # "Too many commits failed"
        if values[middle] - values[low] >= values[high] - values[middle]:
            high = middle
        else:
            low = middle
    return Outcome(high - low == 1 and commits.cant_tell(high), commits.launches, len(values))


def table(runs: int = RUNS) -> bool:
    """Print the table; gives whether every bar holds: right in 95 %, with fewer launches than asv's find needs."""
    shown = Table(header_style="bold", box=None)
    for column in ("noise", "right of 100", "launches", "builds", "no step: false", "asv find: right", "with launches"):
        shown.add_column(column, justify="left" if column == "noise" else "right")
    held = True
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None) as pool:
        for model in MODELS:
            print(f"{model.__name__}: {runs} searches and as many without a step", file=sys.stderr, flush=True)
            ours = list(pool.map(partial(search, model), range(runs)))
            none = list(pool.map(partial(search, model, step=False), range(runs, runs + runs // 2)))
            right, launches = mean(each.right for each in ours), mean(each.launches for each in ours)
            best, repeats = asv_needs(pool, model, runs)
            theirs = mean(each.launches for each in best)
            rate = mean(each.right for each in best)
            held = held and right >= ENOUGH and (rate < ENOUGH or launches < theirs)
            shown.add_row(
                model.__name__.replace("_", " "),
                f"{100 * right:.0f}",
                f"{launches:.0f}",
                f"{mean(each.builds for each in ours):.1f}",
                f"{sum(each.found for each in none)} of {len(none)}",
                f"{100 * rate:.0f}{'' if rate >= ENOUGH else ' at best'}",
                f"{theirs:.0f} ({repeats} a commit)",
            )
    console = Console(highlight=False)
    console.width = max(console.width, 110)
    console.print(__doc__, f"\n{ABOUT}", markup=False)
    console.print(shown)
    return held


ABOUT = f"""\
{COMMITS} commits, one step of {STEP:.0%}, {NOISE:.0%} noise from launch to launch, {BROKEN} commits that do not build.
right: the commit, or {WIDEST} at most that hold it. launches: of processes, the check of each new build included.
asv find: with the fewest launches for each commit that make it right in {ENOUGH:.0%} (else the best of up to
{REPEATS[-1]}), in a range without broken builds: with one of them it ends without an answer.
"""


def asv_needs(
    pool: ProcessPoolExecutor, model: Callable[[np.random.Generator], Noise], runs: int
) -> tuple[list[Outcome], int]:
    """Outcomes of asv's find with the fewest repeats that are right often enough, else the best there is."""
    tried: list[tuple[list[Outcome], int]] = []
    for repeats in REPEATS:
        outcomes = list(pool.map(partial(find, model, repeats, 0), range(runs)))
        tried.append((outcomes, repeats))
        if mean(each.right for each in outcomes) >= ENOUGH:
            break
    return max(tried, key=lambda each: mean(outcome.right for outcome in each[0]))
