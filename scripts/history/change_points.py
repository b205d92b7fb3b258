"""Where the level of a series of measurements changed for good, and where it only left and came back.

Candidates come from kernel change-point detection (Arlot, Celisse and Harchaoui 2019, in `ruptures`), which takes
outliers well and drift, autocorrelation and short disturbances badly. So each candidate must then hold as a step of
a linear model beside a slow drift, on values from which outliers are removed, against noise of the correlation found.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .step_model import MIN_VALUES, Array, Model, best_model

# Values in a row that make a level within the series. Shorter runs are disturbances; at the end, where nobody knows
# yet whether they last, three that agree are called.
SHORTEST_LEVEL, SHORTEST_NEWEST_LEVEL = 5, 3
# Smaller steps are real on a quiet machine, and nobody acts on them: what `history` and the site report by default.
LEAST_EFFECT = 0.01
# A level that came back within so many values, and within half of the step, was a disturbance.
LONGEST_EXCURSION, RETURN = 20, 0.5
# Of a series of 60 or more; in shorter ones no step can take away as much.
KERNEL_PENALTY = 6.0
# Deviations by which a first level of fewer than MIN_VALUES must differ from the next. On stable real series the short
# ones that measuring began with differ by up to 21.
UNMISTAKABLE = 25.0
# Values back to which a level is remembered where a fresh one is compared with it.
REMEMBERED = 80
# Beyond so many standard deviations a value says nothing about its level (Tukey's biweight).
OUTLIER = 6.0
# Quantile of absolute deviations from which the noise is read. It is low, since on shared runners of two kinds of
# CPU up to half of the values belong to the other kind.
QUANTILE, NORMAL_QUANTILE = 0.3, 0.38532
# Likelihood-ratio bound of a change point's place with 95 % (Hansen 2000, theorem 2), and the normal's 97.5 %.
PLACE_95, NORMAL_95 = 7.352, 1.96


@dataclass(frozen=True)
class Step:
    """A level that changed for good: `at` is the index of its first value, the best guess.

    It happened between `first` and `last`, inclusive, with about 95 %. `effect` is the relative change of the level
    (0.05 is 5 % more), with its 95 % interval.
    """

    at: int
    first: int
    last: int
    effect: float
    effect_low: float
    effect_high: float


@dataclass(frozen=True)
class Excursion:
    """A level left at index `start` and found again at `stop`; `effect` is the relative change between them."""

    start: int
    stop: int
    effect: float


@dataclass(frozen=True)
class Changes:
    """What `find` found: `drift` is the relative change along the fitted drift, `noise` a relative deviation."""

    steps: tuple[Step, ...] = ()
    excursions: tuple[Excursion, ...] = ()
    drift: float = 0.0
    noise: float = math.nan


def find(values: ArrayLike) -> Changes:
    """Steps, excursions and drift of `values`, in the order they were measured.

    Positive values are compared by their ratios, others by differences over their median magnitude. Fewer than
    MIN_VALUES are not judged. Raises ValueError for NaN or infinity.
    """
    x = np.asarray(values, float)
    if not np.isfinite(x).all():
        raise ValueError("values must be finite: leave out what was not measured")
    if len(x) < MIN_VALUES:
        return Changes()
    # Differences of values near the largest floats overflow, and compare as what they are: too far off.
    with np.errstate(over="ignore", invalid="ignore"):
        return _find(x)


def _find(x: Array) -> Changes:
    ratios = bool((x > 0).all())
    x = np.log(x) if ratios else x / _magnitude(x)
    resolution = _resolution(x)
    levels, disturbed = _levels(x, resolution)
    model = best_model(_without_outliers(x, levels, disturbed, resolution), levels, resolution)
    runs = _runs(x - (model.z - model.rest), resolution)
    excursions = [run for run in disturbed if run[1] - run[0] >= SHORTEST_NEWEST_LEVEL]
    excursions += [run for run in runs if all(run[1] <= a or b <= run[0] for a, b in excursions)]
    relative = _ratio if ratios else _plain
    return Changes(
        steps=tuple(_step(model, i, relative) for i in range(len(model.steps))),
        excursions=tuple(
            Excursion(a, b, relative(_offset(x, a, b))) for a, b in sorted(excursions) if a > 0 and b < len(x)
        ),
        drift=relative(model.drift_range()),
        noise=math.sqrt(model.variance),
    )


def _magnitude(x: Array) -> float:
    # Not the median alone: it may be 0, or so small that the largest value over it has no square.
    return max(float(np.median(np.abs(x))), 1e-12 * float(np.abs(x).max())) or 1.0


def _runs(rest: Array, resolution: float) -> list[tuple[int, int]]:
    """Stretches of three or more values in a row far off the fit to one side, too short for the kernel to see.

    Where values are often far off, as on runners of two kinds of CPU, only runs that chance would hardly make count.
    """
    far = np.where(np.abs(rest) > 4 * _deviation(rest, resolution), np.sign(rest), 0)
    ends = [0, *(np.flatnonzero(np.diff(far)) + 1).tolist(), len(far)]
    found = []
    for a, b in itertools.pairwise(ends):
        if far[a] and b - a >= SHORTEST_NEWEST_LEVEL:
            share = (np.count_nonzero(far) - (b - a) + 1) / (len(far) - (b - a) + 1)
            if len(far) * share ** (b - a) < 0.05:
                found.append((a, b))
    return found


def _ratio(log: float) -> float:
    return math.expm1(min(log, 700.0))


def _plain(difference: float) -> float:
    return difference


def _resolution(x: Array) -> float:
    """Half the least difference between neighbours: values rounded to a grid have no less noise than that."""
    distance = np.abs(np.diff(x))
    return 0.5 * float(distance[distance > 0].min(initial=1.0)) if distance.any() else 1e-6


def _deviation(distances: Array, resolution: float) -> float:
    # The middle is fitted to the same values, which makes the deviations of a few too small.
    few = 1 + 5 / len(distances)
    return max(few * float(np.quantile(np.abs(distances), QUANTILE)) / NORMAL_QUANTILE, resolution, 1e-9)


def _wide_deviation(rest: Array, resolution: float) -> float:
    """The larger of two measures of spread: on runners of two kinds of CPU the middle of the values can be one kind."""
    tenth, ninetieth = np.quantile(rest, [0.1, 0.9])
    return max(_deviation(rest, resolution), float(ninetieth - tenth) / 2.563)


def _levels(x: Array, resolution: float) -> tuple[list[int], list[tuple[int, int]]]:
    """Candidates that begin a level, and the stretches between them that belong to none."""
    deviation = _deviation(np.diff(x), resolution) / math.sqrt(2)
    ends = [0, *_candidates(x, deviation), len(x)]
    early = _unmistakable_end(x, ends, resolution)
    if early is not None:
        ends = [0, *ends[early:]]
    middles = [float(np.median(x[a:b])) for a, b in itertools.pairwise(ends)]
    last = len(middles) - 1
    least = {last: SHORTEST_NEWEST_LEVEL}
    if last and early is None:
        # Too few values to know its noise: it may be how measuring began.
        least[0] = MIN_VALUES
    kept = [i for i in range(last + 1) if ends[i + 1] - ends[i] >= least.get(i, SHORTEST_LEVEL)]
    levels, excursions = [], []
    for a, b in zip([-1, *kept], [*kept, last + 1], strict=False):
        start, stop = ends[a + 1], ends[b]
        if 0 <= a and b <= last:
            levels.append(stop if b == a + 1 else _boundary(x, start, stop, middles[a], middles[b]))
        if start < stop:
            excursions.append((start, stop))
    levels, returned = _without_returns(x, levels, excursions)
    fresh = _fresh_level(x, levels[-1] if levels else 0, resolution)
    if fresh is not None:
        levels = [*levels, fresh]
        excursions = [(a, b) for a, b in excursions if b <= fresh]
    return levels, sorted(excursions + returned)


def _unmistakable_end(x: Array, ends: list[int], resolution: float) -> int | None:
    """Which of `ends` is the end of a short first level that lies far from the next one, by the noise of both."""
    for i in range(1, len(ends) - 1):
        if SHORTEST_LEVEL <= ends[i] < MIN_VALUES:
            levels = [x[: ends[i]], x[ends[i] : ends[i + 1]]]
            before, after = (float(np.median(level)) for level in levels)
            noise = np.concatenate([level - np.median(level) for level in levels])
            if abs(after - before) >= UNMISTAKABLE * _wide_deviation(noise, resolution):
                return i
    return None


def _candidates(x: Array, deviation: float) -> list[int]:
    """Kernel change points; the bandwidth comes from the noise, so that a large step does not hide a small one."""
    # It loads scipy, which no other command needs.
    import ruptures

    # The median squared distance of two normal values is 0.91 of their variance.
    detector = ruptures.KernelCPD("rbf", min_size=2, params={"gamma": 1 / (0.91 * deviation**2)})
    detector.fit(x.reshape(-1, 1))
    penalty = KERNEL_PENALTY * min(1.0, len(x) / 60)
    while True:
        found = [int(end) for end in detector.predict(pen=penalty)[:-1]]
        # A random walk would break everywhere, and no step of it is one.
        if len(found) <= max(30, len(x) // 10):
            return found
        penalty *= 2


def _fresh_level(x: Array, start: int, resolution: float) -> int | None:
    """Start of a level so new that the kernel can't see it: every value beyond the range of the level before."""
    found = None
    for length in range(SHORTEST_NEWEST_LEVEL, MIN_VALUES):
        stop = len(x) - length
        former, newest = x[max(start, stop - REMEMBERED) : stop], x[stop:]
        if len(former) < MIN_VALUES:
            break
        middle = np.median(former)
        if not ((newest > middle).all() or (newest < middle).all()):
            break
        low, high = np.quantile(former, [0.02, 0.98])
        spread = _wide_deviation(former - middle, resolution)
        if abs(np.median(newest) - middle) >= 4 * spread and ((newest > high).all() or (newest < low).all()):
            found = stop
    return found


def _boundary(x: Array, start: int, stop: int, before: float, after: float) -> int:
    """Index between two levels at which the values in between are best shared out."""
    cost = np.abs(x[start:stop] - before) - np.abs(x[start:stop] - after)
    return start + int(np.argmin(np.concatenate([[0.0], np.cumsum(cost)])))


def _without_returns(
    x: Array, levels: list[int], masked: list[tuple[int, int]]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Take out each level that is short, shorter than both beside it, and followed by the one before it."""
    free = np.ones(len(x), bool)
    for a, b in masked:
        free[a:b] = False
    returned: list[tuple[int, int]] = []
    while True:
        ends = [0, *levels, len(x)]
        middle = [float(np.median(x[a:b][free[a:b]] if free[a:b].any() else x[a:b]))
                  for a, b in itertools.pairwise(ends)]  # fmt: skip
        found = []
        for i in range(1, len(ends) - 2):
            before, length, after = ends[i] - ends[i - 1], ends[i + 1] - ends[i], ends[i + 2] - ends[i + 1]
            there, back = middle[i] - middle[i - 1], middle[i + 1] - middle[i]
            if length > min(LONGEST_EXCURSION, before, after) or there * back >= 0:
                continue
            if abs(there + back) <= RETURN * min(abs(there), abs(back)):
                found.append((length, i))
        if not found:
            return levels, returned
        _, i = min(found)
        returned.append((ends[i], ends[i + 1]))
        free[ends[i] : ends[i + 1]] = False
        levels = levels[: i - 1] + levels[i + 1 :]


def _offset(x: Array, start: int, stop: int) -> float:
    """Middle of the values in start..stop less that of as many on either side."""
    around = np.concatenate([x[max(0, start - 20) : start], x[stop : stop + 20]])
    return float(np.median(x[start:stop]) - np.median(around))


def _without_outliers(x: Array, levels: list[int], excursions: list[tuple[int, int]], resolution: float) -> Array:
    """Pseudo-values (Huber 1981, section 7.6): least squares on them is a robust fit with its right variance."""
    free = np.ones(len(x), bool)
    for a, b in excursions:
        free[a:b] = False
    middle = np.empty(len(x))
    ends = [0, *levels, len(x)]
    for a, b in itertools.pairwise(ends):
        middle[a:b] = np.median(x[a:b][free[a:b]] if free[a:b].any() else x[a:b])
    rest = x - middle
    square = (rest / (OUTLIER * _deviation(rest[free] if free.any() else rest, resolution))) ** 2
    inside = free & (square < 1)
    weight = np.where(inside, 1 - square, 0.0)
    slope = float(np.where(inside, weight * (1 - 5 * square), 0.0).mean())
    # Where most values are outliers the slope loses its meaning; a tenth keeps their weight bounded.
    return middle + rest * weight**2 / max(slope, 0.1)


def _step(model: Model, i: int, relative: Callable[[float], float]) -> Step:
    near, gain = model.around(i, reach=len(model.z))
    at = model.steps[i]
    likely = near.start + np.flatnonzero(gain[near] >= gain[at] - PLACE_95 * model.variance * model.inflation)
    effect = float(model.effects[i])
    half = NORMAL_95 * math.sqrt(float(model.inverse[i, i]) * model.variance * model.inflation)
    return Step(
        at, min(at, int(likely.min())), max(at, int(likely.max())),
        relative(effect), relative(effect - half), relative(effect + half),
    )  # fmt: skip
