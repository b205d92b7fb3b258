"""How many samples, processes and rounds a stated precision takes on this machine: a model of three variances.

A time varies between samples of one process, between processes forked from one server, and between servers. Measured
here (two cores of a shared VM, 57 cells, five frameworks, 6 servers of 3 processes): samples differ by 1.1 %, processes
of one server by 1.9 %, rounds that each have their own server by 3.5 %. So samples beyond a few buy nothing, processes
that share a server's addresses little; one process of a few samples in each round, every round from a fresh server, is
the cheapest way to any precision.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from .conditions import unfit
from .results import plain
from .tags import Tag

# What one round's result differs by from the next one's, and one sample from the next, before a machine is known.
BETWEEN, WITHIN = 0.035, 0.011
# What a cell's process costs before its first sample, over what one sample costs: 80 ms and 4 ms here.
PROCESS_OVER_SAMPLE = 20.0
# The median of five is right when two of them were disturbed; more than twenty never paid.
LEAST_SAMPLES, MOST_SAMPLES = 5, 20
# A kind of cell counts as known from this many cells with two rounds or more.
LEAST_CELLS = 8
# Rounds that what is known of the kind counts for beside a cell's own: two alone may agree by chance.
PRIOR_ROUNDS = 4
# What makes a median deviation right on the average of so few values (Croux and Rousseeuw 1992).
FEW = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}
# Variance of a median over that of a mean, for many normal values.
MEDIAN_COST = math.pi / 2


@dataclass(frozen=True)
class Noise:
    """A/A noise of a machine, as relative standard deviations: of samples in a process, and of rounds by kind.

    A kind is a cell's parameters, such as "torsh, dispatch". cells: how many were measured in rounds enough.
    """

    within: float = WITHIN
    between: float = BETWEEN
    kinds: Mapping[str, float] | None = None
    cells: int = 0

    def of(self, kind: str) -> float:
        """What rounds of this kind differ by; of all kinds where it isn't known."""
        return (self.kinds or {}).get(kind, self.between)

    def samples(self) -> int:
        """How many samples a process should take: the square root of cost ratio times variance ratio.

        Two-stage sampling at least cost (Cochran 1977, section 10.6).
        """
        best = math.sqrt(PROCESS_OVER_SAMPLE) * self.within / self.between if self.between else MOST_SAMPLES
        return min(max(math.ceil(best), LEAST_SAMPLES), MOST_SAMPLES)

    def rounds(self, precision: float, kind: str = "") -> int:
        """How many rounds a cell of `kind` will take to the standard error `precision`, as far as is known."""
        return next(n for n in itertools.count(1) if _error(self.of(kind) ** 2, n) <= precision)


def measured(tags: Iterable[Tag], benchmarks: Mapping[str, Mapping[str, Any]]) -> Noise:
    """Noise of the machine that `tags` come from, of cells that one run measured in two rounds or more.

    What was measured on an unfit machine teaches nothing; what is not known yet is the default's. Values are medians
    over cells, so that a few odd ones do not count.
    """
    rounds: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    spreads = []
    for tag in tags:
        if unfit(tag.conditions):
            continue
        kinds = kinds_of(benchmarks.get(tag.benchmark))
        if len(kinds) == len(tag.medians):
            for index, (kind, middle) in enumerate(zip(kinds, tag.medians, strict=True)):
                if tag.run and middle:
                    rounds[tag.run, tag.commit, tag.environment, tag.benchmark, tag.version, index, kind].append(middle)
        spreads += [value for value in tag.spreads if value is not None]
    by_kind: dict[str, list[float]] = defaultdict(list)
    for key, values in rounds.items():
        if len(values) > 1:
            by_kind[key[-1]].append(relative_spread(values) ** 2)
    every = [value for values in by_kind.values() for value in values]
    if len(every) < LEAST_CELLS:
        return Noise(cells=len(every))
    return Noise(
        within=median(spreads) if len(spreads) >= LEAST_CELLS else WITHIN,
        between=math.sqrt(median(every)),
        kinds={kind: math.sqrt(median(found)) for kind, found in by_kind.items() if len(found) >= LEAST_CELLS},
        cells=len(every),
    )


def standard_error(values: Sequence[float], prior: float) -> float:
    """Relative standard error of the median of `values`, one for each round, on a cell whose kind varies by `prior`.

    The variance is what the rounds show and what is known of the kind, weighted by how much each knows.
    """
    n = len(values)
    if n == 0:
        return math.inf
    own = relative_spread(values) ** 2 if n > 1 else 0.0
    return _error((PRIOR_ROUNDS * prior**2 + (n - 1) * own) / (PRIOR_ROUNDS + n - 1), n)


def relative_spread(values: Sequence[float]) -> float:
    """Relative standard deviation of `values` from their median deviation: one slow round moves it little."""
    logs = [math.log(value) for value in values]
    middle, n = median(logs), len(logs)
    few = FEW.get(n, n / (n - 0.8))
    return 1.4826 * few * median(abs(value - middle) for value in logs)


def _error(one: float, n: int) -> float:
    # The median of two is their mean.
    return math.sqrt(one / n * (MEDIAN_COST if n > 2 else 1.0))


def kinds_of(benchmark: Mapping[str, Any] | None) -> list[str]:
    """Kind of each cell of a benchmark, in asv's order: its parameters, as a person reads them."""
    if benchmark is None:
        return []
    return [", ".join(map(plain, cell)) for cell in itertools.product(*benchmark["params"])]
