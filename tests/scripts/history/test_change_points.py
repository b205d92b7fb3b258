"""Change points, on series whose answer is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.history.change_points import find


def noisy(n: int, seed: int, deviation: float = 0.01) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, deviation, n))


def at(values) -> list[int]:
    return [step.at for step in find(values).steps]


@pytest.mark.parametrize("effect", [0.1, -0.1, 1.0, -0.6])
@pytest.mark.parametrize("place", [12, 60, 108])
def test_a_clear_step_is_found_where_it_is_with_its_size(effect, place):
    values = noisy(120, seed=place)
    values[place:] *= 1 + effect
    (step,) = find(values).steps
    assert step.at == place
    assert step.first <= place <= step.last
    assert step.effect_low < step.effect < step.effect_high
    assert step.effect == pytest.approx(effect, abs=0.01 * (1 + effect))


def test_the_interval_of_a_faint_step_holds_it_as_often_as_it_says():
    held = found = 0
    for seed in range(150):
        values = noisy(120, seed, 0.03)
        values[60:] *= 1.05
        for step in find(values).steps:
            found += 1
            held += step.first <= 60 <= step.last
    assert found > 110
    assert held / found > 0.9


def test_stable_series_give_no_alarm():
    assert sum(bool(at(noisy(200, seed))) for seed in range(200)) <= 2


@pytest.mark.parametrize("period", [160, 250, 400])
def test_a_slow_wave_is_drift_and_no_step(period):
    alarms = 0
    for seed in range(20):
        wave = 0.05 * np.sin(2 * np.pi * np.arange(200) / period + seed)
        found = find(noisy(200, seed) * np.exp(wave))
        alarms += bool(found.steps)
        if not found.steps:
            assert abs(found.drift) > 0.03
    assert alarms <= 1


def test_a_step_beside_a_drift_is_found():
    values = noisy(200, seed=1) * np.exp(0.05 * np.linspace(0, 1, 200))
    values[120:] *= 1.2
    found = find(values)
    assert [step.at for step in found.steps] == [120]
    assert found.drift == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("length", [3, 8, 15])
def test_a_level_that_comes_back_soon_is_an_excursion(length):
    values = noisy(200, seed=length)
    values[90 : 90 + length] *= 1.3
    found = find(values)
    assert found.steps == ()
    (excursion,) = found.excursions
    assert (excursion.start, excursion.stop) == (90, 90 + length)
    assert excursion.effect == pytest.approx(0.3, abs=0.03)


def test_a_level_that_lasts_is_two_steps():
    values = noisy(200, seed=3)
    values[60:140] *= 1.3
    assert at(values) == [60, 140]


def test_a_fresh_step_is_seen_after_some_commits_and_a_single_outlier_is_not():
    values = noisy(104, seed=4)
    values[100:] *= 1.08
    assert at(values) == [100]
    assert at(values[:101]) == []


def test_a_large_step_does_not_hide_a_small_one():
    values = noisy(200, seed=5)
    values[80:] *= 5
    values[140:] *= 1.06
    assert [abs(a - b) <= 1 for a, b in zip(at(values), [80, 140], strict=True)] == [True, True]


@pytest.mark.parametrize("seed", range(5))
def test_among_the_first_ten_values_only_an_unmistakable_step_is_seen(seed):
    large, small = noisy(14, seed), noisy(14, seed)
    large[7:] *= 3
    small[7:] *= 1.1
    assert at(large) == [7]
    assert at(small) == []


def test_an_unmistakable_step_is_seen_beside_a_small_one_and_an_outlier():
    values = [25.1, 24.2, 24.0, 23.3, 23.4, 23.5, 23.0, 16627, 16258, 32553, 16258, 16211, 16816, 16272]
    assert at(values) == [7]


def test_values_of_two_kinds_of_machine_hide_no_step_of_both():
    rng = np.random.default_rng(6)
    values = noisy(200, seed=6) * np.where(rng.random(200) < 0.3, 1.4, 1.0)
    assert at(values) == []
    values[100:] *= 1.1
    (step,) = find(values).steps
    assert abs(step.at - 100) <= 2


def test_outliers_make_no_step():
    values = noisy(200, seed=7)
    values[[20, 21, 77, 120, 198]] *= 3
    assert at(values) == []


def test_counts_that_never_vary_are_judged_exactly():
    counts = np.full(40, 1000.0)
    assert find(counts).steps == ()
    counts[25:] = 1001
    (step,) = find(counts).steps
    assert (step.first, step.at, step.last) == (25, 25, 25)
    assert step.effect == pytest.approx(0.001)


def test_a_coarse_clock_is_no_step():
    for seed in range(20):
        assert at(np.round(noisy(150, seed, 0.01) * 100) / 100) == []


def test_zeros_and_negative_values_are_compared_by_differences():
    values = np.random.default_rng(8).normal(0, 1, 100)
    values[50:] += 10
    assert at(values) == [50]
    assert find(np.zeros(30)).steps == ()


def test_a_drift_fast_enough_to_be_a_random_walk_stops_nothing():
    walk = np.exp(np.cumsum(np.random.default_rng(9).normal(0, 0.05, 400)))
    assert len(at(walk)) < 40


def test_what_cannot_be_judged_is_said():
    assert find([1.0] * 9).steps == ()
    with pytest.raises(ValueError, match="finite"):
        find([1.0] * 20 + [math.nan])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60))
def test_any_numbers_give_an_answer_within_bounds(values):
    found = find(values)
    for step in found.steps:
        assert 0 < step.first <= step.at <= step.last < len(values)
    for excursion in found.excursions:
        assert 0 <= excursion.start < excursion.stop < len(values)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-9, 1e9))
def test_the_unit_does_not_matter(seed, scale):
    values = noisy(80, seed)
    values[40:] *= 1.1
    assert at(values) == at(values * scale)
