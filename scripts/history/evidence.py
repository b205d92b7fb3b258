"""Further evidence beside a change point: classical tests, with p-values corrected over all series.

The change point was chosen by the same values, so the two tests that compare its sides reject too easily: they
support a step and never make one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from scipy import stats

from .step_model import Array

Values = Sequence[float] | Array
# A test on fewer says nothing at these p-values.
LEAST = 5
# A seasonal group with fewer runs, or fewer groups than two, is no season.
LEAST_IN_GROUP = 3


@dataclass(frozen=True)
class Test:
    """One test: `p` as it is, `q` corrected over all series (Benjamini and Hochberg 1995); `statistic` is its own."""

    statistic: float
    p: float
    q: float = math.nan


def two_levels(before: Values, after: Values) -> dict[str, Test]:
    """Welch's t test and the Mann-Whitney test of two levels; empty where one has fewer than LEAST values."""
    if min(len(before), len(after)) < LEAST:
        return {}
    found = {}
    if np.ptp(before) > 0 or np.ptp(after) > 0:
        found["welch"] = stats.ttest_ind(after, before, equal_var=False)
    if len({*before, *after}) > 1:
        found["mann_whitney"] = stats.mannwhitneyu(after, before)
    return {name: Test(float(each.statistic), float(each.pvalue)) for name, each in found.items()}


def trend(level: Values) -> dict[str, Test]:
    """Mann-Kendall test of a trend along one level: Kendall's tau with the order of measurement."""
    if len(level) < LEAST or len(set(level)) < 2:
        return {}
    found = stats.kendalltau(np.arange(len(level)), level)
    return {"mann_kendall": Test(float(found.statistic), float(found.pvalue))}


def anomaly(level: Values) -> dict[str, Test]:
    """How far the newest value is from those of its level before it.

    The statistic is in robust deviations; p is the share of values as far off as that, the newest counted in, so it
    is never below 1/n: without a distribution, n values can say no more.
    """
    former = np.asarray(level[:-1], float)
    if len(former) < LEAST:
        return {}
    middle = float(np.median(former))
    distances = np.abs(former - middle)
    distance = abs(level[-1] - middle)
    deviation = 1.4826 * float(np.median(distances))
    off = float(level[-1]) - middle
    signed = off / deviation if deviation else math.copysign(math.inf, off) if off else 0.0
    return {"anomaly": Test(signed, float((1 + (distances >= distance).sum()) / len(level)))}


def seasonal(values: Sequence[float], started_at: Sequence[int | None]) -> dict[str, Test]:
    """Kruskal-Wallis test over the hour of the day and the day of the week (UTC) at which runs started.

    `values` are relative to their level. Runs without a time are left out, groups of fewer than LEAST_IN_GROUP too.
    """
    found = {}
    for name, form in (("hour", "%H"), ("weekday", "%w")):
        groups: dict[str, list[float]] = {}
        for value, start in zip(values, started_at, strict=True):
            if start is not None and 0 < start < 4e12:
                when = datetime.fromtimestamp(start / 1000, UTC)
                groups.setdefault(when.strftime(form), []).append(value)
        large = [group for group in groups.values() if len(group) >= LEAST_IN_GROUP]
        if len(large) >= 2 and len({value for group in large for value in group}) > 1:
            test = stats.kruskal(*large)
            found[f"kruskal_{name}"] = Test(float(test.statistic), float(test.pvalue))
    return found


def corrected(found: Sequence[Mapping[str, Test]]) -> list[dict[str, Test]]:
    """The same tests with `q`: each kind is corrected over all series that have it."""
    result = [dict(each) for each in found]
    for name in {name for each in found for name in each}:
        at = [i for i, each in enumerate(found) if name in each]
        q = stats.false_discovery_control([found[i][name].p for i in at])
        for i, value in zip(at, q, strict=True):
            result[i][name] = replace(found[i][name], q=float(value))
    return result
