"""The sequential paired comparison: what it calls, how often it is wrong, and that order and units do not matter."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.paired import Outcome, Plan, follow, judge, log_change, trimmed, weigh

PLAN = Plan()
STEP = math.log(1.05)


def noise(shape, cv=0.02, seed=0):
    return np.random.default_rng(seed).normal(0, cv * math.sqrt(2), shape)


def test_an_unchanged_cell_is_rarely_called_and_mostly_cleared():
    outcomes, rounds = follow(noise((4000, PLAN.rounds)), PLAN)
    # 5 of 1000 are allowed; 4000 series of a rate of 5 have more than 34 once in a thousand times.
    assert np.sum(outcomes == Outcome.REGRESSED) <= 34
    assert np.mean(outcomes == Outcome.NOT_REGRESSED) > 0.95
    assert rounds.mean() < 20


def test_five_percent_is_seen():
    outcomes, rounds = follow(noise((2000, PLAN.rounds)) + STEP, PLAN)
    assert np.mean(outcomes == Outcome.REGRESSED) > 0.95
    assert np.mean(outcomes == Outcome.NOT_REGRESSED) <= PLAN.misses
    assert set(rounds) <= set(PLAN.looks)


@pytest.mark.parametrize("rounds", [40, 80])
def test_the_chance_of_an_error_over_all_looks_is_what_was_promised(rounds):
    plan = Plan(rounds)
    p = weigh(noise((20_000, rounds), seed=1), plan).p_slower
    for promised in (0.05, 0.01, 0.005):
        # Three standard errors of a share of 20,000.
        assert np.mean(p <= promised) <= promised + 3 * math.sqrt(promised / 20_000)
    assert np.mean(p <= 0.05) > 0.02


def test_small_changes_are_no_regression_however_certain():
    certain = (0.01 + noise((1, PLAN.rounds), 0.0005))[0].tolist()
    assert judge({"cell": certain}, PLAN)["cell"].outcome is Outcome.NOT_REGRESSED


@pytest.mark.parametrize(("change", "outcome"), [(0.1, Outcome.REGRESSED), (-0.1, Outcome.IMPROVED)])
def test_a_deterministic_value_is_decided_at_the_first_look(change, outcome):
    found = judge({"cell": [math.log1p(change)] * PLAN.looks[0], "same": [0.0] * PLAN.looks[0]}, PLAN)
    assert found["cell"].outcome is outcome
    assert found["cell"].change == pytest.approx(change)
    assert found["same"].outcome is Outcome.NOT_REGRESSED


def test_nothing_is_said_before_the_first_look():
    found = judge({"few": [0.5] * 3, "none": []}, PLAN)
    assert {each.outcome for each in found.values()} == {Outcome.UNDECIDED}
    assert found["few"].change == pytest.approx(math.expm1(0.5))
    assert math.isnan(found["none"].change)
    assert judge({}, PLAN) == {}


def test_many_cells_ask_more_of_each():
    # A cell that alone would be called a regression only just.
    changes = noise((300, 10), 0.04, seed=3) + 0.05
    alone = [judge({"x": row.tolist()}, PLAN)["x"] for row in changes]
    borderline = next(i for i, each in enumerate(alone) if each.outcome is Outcome.REGRESSED and each.p > 0.002)
    others = {str(i): row.tolist() for i, row in enumerate(noise((99, 10), 0.04, seed=4))}
    together = judge({"x": changes[borderline].tolist(), **others}, PLAN)["x"]
    assert together.p > alone[borderline].p
    assert together.outcome is not Outcome.REGRESSED


def test_cells_may_have_different_rounds_and_are_adjusted_together():
    changes = {"short": noise(4).tolist(), "slow": (noise(12, seed=1) + 0.2).tolist(), "none": []}
    found = judge(changes, PLAN)
    assert [found[name].rounds for name in changes] == [4, 12, 0]
    assert found["slow"].outcome is Outcome.REGRESSED
    assert list(found) == list(changes)


@given(st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=40), st.integers(1, 8))
def test_what_was_called_stays_called_when_other_cells_go_on(values, more):
    before = judge({"x": values, "y": [0.1] * 4}, PLAN)["x"]
    after = judge({"x": values, "y": [0.1] * (4 + more)}, PLAN)["x"]
    if before.outcome in (Outcome.REGRESSED, Outcome.IMPROVED):
        assert after.outcome is before.outcome


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=60))
def test_swapping_the_sides_swaps_the_answer(values):
    plan = Plan(60)
    one = judge({"x": values}, plan)["x"]
    other = judge({"x": [-value for value in values]}, plan)["x"]
    assert math.log1p(one.change) == pytest.approx(-math.log1p(other.change), abs=1e-9)
    swapped = {Outcome.REGRESSED: Outcome.IMPROVED, Outcome.IMPROVED: Outcome.REGRESSED}
    if one.outcome in swapped:
        assert other.outcome is swapped[one.outcome]


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=60))
def test_the_trimmed_mean_lies_within_and_an_untrimmed_one_has_the_usual_error(values):
    mean, error, freedom = trimmed(np.array(values))
    assert min(values) - 1e-12 <= mean <= max(values) + 1e-12
    assert error > 0
    if len(values) < 10:
        assert freedom == len(values) - 1
        assert error == pytest.approx(max(np.std(values, ddof=1) / math.sqrt(len(values)), 1e-9), rel=1e-6, abs=1e-12)


def test_a_few_spoiled_rounds_do_not_hide_a_step():
    changes = noise(20, 0.01, seed=5) + STEP
    changes[[3, 11]] += 2.0
    assert judge({"x": changes.tolist()}, PLAN)["x"].outcome is Outcome.REGRESSED


@pytest.mark.parametrize("rounds", [4, 5, 12, 40, 60, 100])
def test_looks_end_with_the_last_round(rounds):
    looks = Plan(rounds).looks
    assert looks[0] == 4
    assert looks[-1] == rounds
    assert list(looks) == sorted(set(looks))


@pytest.mark.parametrize(
    ("base", "head", "less", "change"),
    [(2, 4, True, math.log(2)), (2, 4, False, -math.log(2)), (0, 0, True, 0.0), (3, 3, False, 0.0), (0, 4, True, None),
     (-1, 4, True, None)],
)  # fmt: skip
def test_the_change_knows_its_direction_and_values_without_a_ratio(base, head, less, change):
    assert log_change(base, head, less) == change
