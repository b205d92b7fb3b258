"""States of series, severity, intervals of commits, and agreement across machines."""

import math

import numpy as np
import pytest

from scripts.history.verdicts import judge, judge_all, severity
from tests.scripts.history.made_series import levels, points, series

LEAST = 0.01


@pytest.mark.parametrize(
    ("parts", "less_is_better", "state"),
    [
        ([(60, 1.0)], True, "stable"),
        ([(30, 1.0), (30, 1.2)], True, "regressed"),
        ([(30, 1.0), (30, 1.2)], False, "improved"),
        ([(30, 1.0), (30, 0.8)], True, "improved"),
        ([(30, 1.0), (30, 0.8)], False, "regressed"),
        ([(30, 1.0), (10, 1.3), (30, 1.0)], True, "temporary"),
        ([(30, 1.0), (30, 1.3), (30, 1.0)], True, "temporary"),
        ([(30, 1.0), (30, 1.4), (30, 1.3)], True, "regressed"),
        ([(30, 1.0), (30, 1.3), (30, 0.9)], True, "improved"),
        ([(30, 1.0), (10, 0.7), (30, 1.0)], True, "stable"),
        ([(9, 1.0)], True, "too short"),
    ],
)
def test_states(parts, less_is_better, state):
    assert judge(series(levels(*parts), less_is_better), LEAST).state == state


def test_a_slow_rise_is_drift():
    rising = levels((120, 1.0)) * np.exp(0.08 * np.linspace(0, 1, 120))
    verdict = judge(series(rising), LEAST)
    assert verdict.state == "drifting"
    assert verdict.drift == pytest.approx(0.08, abs=0.02)


@pytest.mark.parametrize(
    ("effect", "name"),
    [(0.01, "minor"), (-0.049, "minor"), (0.05, "moderate"), (0.15, "major"), (-0.2, "major"), (0.3, "critical"),
     (math.inf, "critical")],
)  # fmt: skip
def test_severity_goes_by_size(effect, name):
    assert severity(effect) == name


def test_a_regression_is_the_steps_since_the_best_level():
    verdict = judge(series(levels((30, 1.0), (30, 0.8), (30, 0.9), (30, 1.1))), LEAST)
    assert [change.first for change in verdict.culprits] == [60, 90]
    assert verdict.effect == pytest.approx(1.1 / 0.8 - 1, abs=0.02)
    assert verdict.severity == "critical"


def test_the_interval_counts_the_commits_that_were_not_measured():
    sparse = points(levels((20, 1.0), (20, 2.0)), gap=5)
    (change,) = judge(series([], points=sparse), LEAST).changes
    assert (change.after, change.commit, change.up_to) == (sparse[19].commit, sparse[20].commit, sparse[20].commit)
    assert (change.first, change.last, change.commits) == (96, 100, 5)
    assert set(change.tests) == {"welch", "mann_whitney"}
    assert all(0 <= test.p <= 1 for test in change.tests.values())


def test_values_of_an_unfit_machine_are_not_judged():
    values = levels((40, 1.0))
    values[25:] *= 1.5
    assert judge(series(values), LEAST).state == "regressed"
    assert judge(series(values, unfit=range(25, 40)), LEAST).state == "stable"


def test_only_the_newest_segment_is_judged():
    values = levels((30, 1.0), (30, 1.5))
    assert judge(series(values, border=30, border_reason="os was older"), LEAST).state == "stable"
    assert judge(series(values, border=55), LEAST).state == "too short"


def test_small_changes_are_left_to_a_smaller_least():
    values = levels((60, 1.0), (60, 1.02), noise=0.002)
    assert judge(series(values), 0.01).state == "regressed"
    assert judge(series(values), 0.05).state == "stable"


def test_machines_agree_or_do_not():
    step, flat = levels((30, 1.0), (30, 1.3)), levels((60, 1.0), seed=1)
    late = series([], machine="c", points=points(levels((20, 1.0), seed=2), first=45))
    verdicts = judge_all([series(step, machine="a"), series(step, machine="b"), series(flat, machine="d"), late], LEAST)
    (change,) = verdicts[0].changes
    assert (change.agree, change.compared) == (1, 2)
    assert all(0 <= test.q <= 1 for verdict in verdicts for test in verdict.tests.values())


def test_a_level_of_zero_has_an_infinite_change():
    values = np.concatenate([np.zeros(20), np.full(20, 8.0)])
    verdict = judge(series(values), LEAST)
    assert (verdict.state, verdict.severity, verdict.effect) == ("regressed", "critical", math.inf)
