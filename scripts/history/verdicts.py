"""What became of each series: regressed, improved, temporary, drifting, stable or too short."""

import itertools
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from . import change_points, evidence
from .evidence import Test
from .series import Point, Series
from .step_model import MIN_VALUES, Array

STATES = ("regressed", "improved", "temporary", "drifting", "stable", "too short")
# Relative size from which a change has this severity.
SEVERITIES = {"critical": 0.30, "major": 0.15, "moderate": 0.05, "minor": 0.0}


@dataclass(frozen=True)
class Change:
    """A step of a series: after commit `after`, in `commit` as the best guess, at the latest in `up_to`.

    `commits` counts those of the branch from which it can come. Effects are relative, with a 95 % interval. `agree`
    of `compared` other series of the same cell stepped the same way within these commits.
    """

    after: str
    commit: str
    up_to: str
    first: int
    last: int
    commits: int
    before: float
    level: float
    effect: float
    low: float
    high: float
    worse: bool
    severity: str
    tests: Mapping[str, Test] = field(default_factory=dict)
    agree: int = 0
    compared: int = 0


@dataclass(frozen=True)
class Excursion:
    """A level that was left at commit `start` and found again at `stop`."""

    start: str
    stop: str
    effect: float
    worse: bool


@dataclass(frozen=True)
class Verdict:
    """State of one series and all that led to it; `effect` is what stands now, against the best level before."""

    series: Series
    state: str
    effect: float = 0.0
    severity: str = ""
    changes: tuple[Change, ...] = ()
    excursions: tuple[Excursion, ...] = ()
    drift: float = 0.0
    noise: float = math.nan
    levels: tuple[float, ...] = ()
    tests: Mapping[str, Test] = field(default_factory=dict)

    @property
    def culprits(self) -> tuple[Change, ...]:
        """The worse steps since the best level: those that a regression is made of."""
        best = int(np.argmin(self.levels) if self.series.less_is_better else np.argmax(self.levels))
        return tuple(change for change in self.changes[best:] if change.worse)


def severity(effect: float) -> str:
    """Severity by size: minor below 5 %, moderate below 15, major below 30, critical from there."""
    return next(name for name, least in SEVERITIES.items() if abs(effect) >= least)


def judge_all(every: Sequence[Series], least: float) -> list[Verdict]:
    """Judge each series, correct the p-values over all, and compare machines; progress goes to stderr.

    Changes smaller than `least` (relative) are not reported.
    """
    verdicts, said = [], time.monotonic()
    for done, series in enumerate(every):
        if time.monotonic() - said > 2:
            said = time.monotonic()
            print(f"[{done}/{len(every)}] {series.name}", file=sys.stderr)
        verdicts.append(judge(series, least))
    return _agreement(_corrected(verdicts))


def judge(series: Series, least: float) -> Verdict:
    """State of one series, from its newest segment."""
    points = series.judged
    if len(points) < MIN_VALUES:
        return Verdict(series, "too short")
    values = np.array([point.value for point in points])
    found = change_points.find(values)
    steps = [step for step in found.steps if abs(step.effect) >= least]
    ends = [0, *(step.at for step in steps), len(values)]
    usable = np.ones(len(values), bool)
    for excursion in found.excursions:
        usable[excursion.start : excursion.stop] = False
    parts = [_usable(values[a:b], usable[a:b]) for a, b in itertools.pairwise(ends)]
    levels = tuple(float(np.median(part)) for part in parts)
    changes = tuple(
        _change(series, points, step, levels[i], levels[i + 1], evidence.two_levels(parts[i], parts[i + 1]))
        for i, step in enumerate(steps)
    )
    excursions = tuple(
        Excursion(points[each.start].commit, points[each.stop].commit, each.effect, _worse(series, each.effect))
        for each in found.excursions
        if abs(each.effect) >= max(least, 3 * found.noise)
    )
    newest = points[ends[-2] :]
    relative = np.concatenate([part / level - 1 if level else part for part, level in zip(
        np.split(values, ends[1:-1]), levels, strict=True)])  # fmt: skip
    tests = {
        **evidence.trend(parts[-1]),
        **evidence.anomaly([point.value for point in newest]),
        **evidence.seasonal(relative.tolist(), [point.started_at for point in points]),
    }
    drift = found.drift if abs(found.drift) >= least else 0.0
    effect = _standing(series, levels)
    verdict = Verdict(series, "", effect, "", changes, excursions, drift, found.noise, levels, tests)
    state = _state(verdict, least)
    return replace(verdict, state=state, severity=severity(effect) if state == "regressed" else "")


def _usable(values: Array, usable: NDArray[np.bool_]) -> Array:
    return values[usable] if usable.any() else values


def _standing(series: Series, levels: Sequence[float]) -> float:
    """Relative change of the newest level against the best of those before; 0 with one level."""
    if len(levels) < 2:
        return 0.0
    best = min(levels[:-1]) if series.less_is_better else max(levels[:-1])
    return (levels[-1] - best) / abs(best) if best else math.copysign(math.inf, levels[-1]) if levels[-1] else 0.0


def _state(verdict: Verdict, least: float) -> str:
    if verdict.changes and abs(verdict.effect) >= least and _worse(verdict.series, verdict.effect):
        return "regressed"
    if verdict.changes and not _worse(verdict.series, verdict.effect) and abs(verdict.effect) >= least:
        return "improved"
    if verdict.changes or any(excursion.worse for excursion in verdict.excursions):
        return "temporary"
    return "drifting" if verdict.drift else "stable"


def _worse(series: Series, effect: float) -> bool:
    return effect > 0 if series.less_is_better else effect < 0


def _change(
    series: Series,
    points: Sequence[Point],
    step: change_points.Step,
    before: float,
    level: float,
    tests: Mapping[str, Test],
) -> Change:
    start, stop = points[step.first - 1], points[step.last]
    return Change(
        after=start.commit,
        commit=points[step.at].commit,
        up_to=stop.commit,
        first=start.position + 1,
        last=stop.position,
        commits=stop.position - start.position,
        before=before,
        level=level,
        effect=step.effect,
        low=step.effect_low,
        high=step.effect_high,
        worse=_worse(series, step.effect),
        severity=severity(step.effect),
        tests=tests,
    )


def _corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    own = evidence.corrected([verdict.tests for verdict in verdicts])
    places = [(i, j) for i, verdict in enumerate(verdicts) for j in range(len(verdict.changes))]
    sides = evidence.corrected([verdicts[i].changes[j].tests for i, j in places])
    by_place = dict(zip(places, sides, strict=True))
    return [
        replace(
            verdict,
            tests=own[i],
            changes=tuple(replace(change, tests=by_place[i, j]) for j, change in enumerate(verdict.changes)),
        )
        for i, verdict in enumerate(verdicts)
    ]


def _agreement(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Count, for each change, the other machines and environments that saw it, and those that could have."""
    cells: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        cells.setdefault(verdict.series.name, []).append(verdict)
    result = []
    for verdict in verdicts:
        others = [other for other in cells[verdict.series.name] if other is not verdict]
        changes = []
        for change in verdict.changes:
            compared = [other for other in others if _covers(other, change)]
            agree = sum(any(_same(change, each) for each in other.changes) for other in compared)
            changes.append(replace(change, agree=agree, compared=len(compared)))
        result.append(replace(verdict, changes=tuple(changes)))
    return result


def _same(one: Change, other: Change) -> bool:
    return one.worse == other.worse and one.first <= other.last and other.first <= one.last


def _covers(other: Verdict, change: Change) -> bool:
    positions = [point.position for point in other.series.judged]
    return other.state != "too short" and positions[0] < change.first and change.last <= positions[-1]
