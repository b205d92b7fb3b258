"""The sequential paired comparison: from the changes between two sides, launch by launch, to what may be said of each.

A change is log(head / base) of two readings taken one after the other, above 0 where head is worse. The samples of one
process agree far more than processes do, so a launch counts once. The evidence is looked at more and more launches
later, with the chance of a false alarm shared out over the looks beforehand; across cells it is held by Benjamini and
Hochberg (1995).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, takewhile

import numpy as np
from scipy import stats

FIRST_LOOKS = (4, 6, 8, 10, 12, 15, 20, 25, 30, 35, 40)
# A tenth of the rounds at either end does not move the estimate: a neighbour on the machine spoils single rounds.
TRIM = 0.1
# How the chance of an error is spent: after a share t of the rounds, t ** SPENDING of it.
SPENDING = 1.5
# Looks overlap: adding up their chances exceeds that of an error at any of them. Measured on 500,000 series of normal
# noise, 40 and 80 rounds: 0.55 to 0.65 of the sum at 0.005, 0.75 to 0.8 at 0.0005, where a suite of cells is decided.
OVERLAP = 0.8
# Below this no clock tells two launches apart, and four equal pairs of a deterministic value are proof enough.
LEAST_ERROR = 1e-9


class Outcome(StrEnum):
    """What may be said of a cell."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    NOT_REGRESSED = "not regressed"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Plan:
    """How sure, and how many rounds at most.

    effect: the least change that is called one. false_alarms: the chance that an unchanged cell is called regressed.
    discoveries: the share of false ones among the cells called so (Benjamini and Hochberg). misses: the chance that a
    cell that became worse by `tolerance` is called not regressed.
    """

    rounds: int = 40
    effect: float = 0.02
    false_alarms: float = 0.005
    discoveries: float = 0.05
    misses: float = 0.05

    @property
    def tolerance(self) -> float:
        """The change that "not regressed" rules out."""
        return 2.5 * self.effect

    @property
    def looks(self) -> tuple[int, ...]:
        """Rounds after which the evidence is weighed: closer together at first, every tenth one after the fortieth."""
        every = (*FIRST_LOOKS, *takewhile(lambda n: n < self.rounds, count(FIRST_LOOKS[-1] + 10, 10)))
        return (*(n for n in every if n < self.rounds), self.rounds)


@dataclass(frozen=True)
class Evidence:
    """Of several cells with as many rounds: the estimated log change with its standard error, and p-values.

    `p_slower` is that of "head is not worse at all", `p_faster` of "not better", `p_within` of "worse by the tolerance
    or more"; each holds for all looks so far together.
    """

    estimate: np.ndarray
    error: np.ndarray
    freedom: int
    p_slower: np.ndarray
    p_faster: np.ndarray
    p_within: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """One cell: the change as a fraction (0.05 is 5 % worse) with its 95 % interval at this number of rounds.

    `p` is that of no change for the worse, adjusted for the looks and for the number of cells.
    """

    outcome: Outcome
    rounds: int
    change: float
    low: float
    high: float
    p: float


def trimmed(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Trimmed mean along the last axis, its standard error from the winsorised variance, and degrees of freedom.

    Yuen (1974), with TRIM of the values left out at either end.
    """
    n = changes.shape[-1]
    cut = int(TRIM * n)
    ordered = np.sort(changes, axis=-1)
    kept = n - 2 * cut
    held = np.clip(ordered, ordered[..., [cut]], ordered[..., [n - cut - 1]])
    error = np.sqrt(held.var(axis=-1) * n / ((kept - 1) * kept))
    return ordered[..., cut : n - cut].mean(axis=-1), np.maximum(error, LEAST_ERROR), kept - 1


def weigh(changes: np.ndarray, plan: Plan) -> Evidence:
    """Weigh `changes` (cells, rounds) at each look until now; there must be as many rounds as the first look takes."""
    slower, faster, within = (np.ones(len(changes)) for _ in range(3))
    spent = 0.0
    for n in (n for n in plan.looks if n <= changes.shape[1]):
        share = (n / plan.rounds) ** SPENDING - spent
        spent += share
        estimate, error, freedom = trimmed(changes[:, :n])
        for p, z in ((slower, estimate), (faster, -estimate), (within, math.log1p(plan.tolerance) - estimate)):
            np.minimum(p, stats.t.sf(z / error, freedom) * OVERLAP / share, out=p)
    return Evidence(estimate, error, freedom, slower, faster, within)


def judge(changes: Mapping[str, Sequence[float]], plan: Plan) -> dict[str, Comparison]:
    """Say of each cell what its changes allow, all cells together; one with fewer rounds than a look is undecided.

    Deciding again with more rounds of some cells takes no regression or improvement back that has been called.
    """
    groups: dict[int, list[str]] = {}
    for name, values in changes.items():
        groups.setdefault(len(values), []).append(name)
    enough = {n: names for n, names in groups.items() if n >= plan.looks[0]}
    evidence = {n: weigh(np.array([changes[name] for name in names]), plan) for n, names in enough.items()}
    slower = _adjusted([each.p_slower for each in evidence.values()])
    faster = _adjusted([each.p_faster for each in evidence.values()])
    found = {name: _unknown(values) for name, values in changes.items()}
    for (n, each), p_slower, p_faster in zip(evidence.items(), slower, faster, strict=True):
        outcomes = _outcomes(each, p_slower, p_faster, plan)
        reach = stats.t.ppf(0.975, each.freedom) * each.error
        bounds = (np.expm1(values).tolist() for values in (each.estimate, each.estimate - reach, each.estimate + reach))
        rows = zip(enough[n], outcomes, *bounds, p_slower.tolist(), strict=True)
        found |= {name: Comparison(outcome, n, *numbers) for name, outcome, *numbers in rows}
    return found


def _adjusted(groups: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Benjamini and Hochberg's adjusted p-values, over all groups together."""
    if not groups:
        return []
    every = stats.false_discovery_control(np.minimum(np.concatenate(groups), 1.0))
    return np.split(every, np.cumsum([len(group) for group in groups])[:-1])


def _outcomes(evidence: Evidence, slower: np.ndarray, faster: np.ndarray, plan: Plan) -> np.ndarray:
    """Outcome of each cell; `slower` and `faster` are p-values adjusted for the number of cells."""
    least = math.log1p(plan.effect)
    worse = (evidence.p_slower <= plan.false_alarms) & (slower <= plan.discoveries) & (evidence.estimate >= least)
    better = (evidence.p_faster <= plan.false_alarms) & (faster <= plan.discoveries) & (evidence.estimate <= -least)
    names = [Outcome.REGRESSED, Outcome.IMPROVED, Outcome.NOT_REGRESSED]
    found = np.array([Outcome.UNDECIDED] * len(worse), dtype=object)
    # The first that holds wins.
    for holds, name in reversed(list(zip((worse, better, evidence.p_within <= plan.misses), names, strict=True))):
        found[holds] = name
    return found


def _unknown(changes: Sequence[float]) -> Comparison:
    change = math.expm1(float(np.mean(changes))) if len(changes) else math.nan
    return Comparison(Outcome.UNDECIDED, len(changes), change, -1.0, math.inf, 1.0)


def follow(changes: np.ndarray, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Follow each row of `changes` (series, rounds) as the only cell of a gate: its outcome, and the rounds it took.

    For measuring the procedure itself, on thousands of series at once.
    """
    outcomes = np.array([Outcome.UNDECIDED] * len(changes), dtype=object)
    rounds = np.full(len(changes), plan.rounds)
    live = np.arange(len(changes))
    for n in plan.looks:
        evidence = weigh(changes[live, :n], plan)
        found = _outcomes(evidence, evidence.p_slower, evidence.p_faster, plan)
        outcomes[live], rounds[live] = found, n
        live = live[found == Outcome.UNDECIDED]
    return outcomes, rounds


def log_change(base: float, head: float, less_is_better: bool = True) -> float | None:
    """Give log(head / base), above 0 where head is worse; None where two different values have no ratio."""
    if base == head:
        return 0.0
    if base <= 0 or head <= 0:
        return None
    return math.log(head / base) if less_is_better else math.log(base / head)
