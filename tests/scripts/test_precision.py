"""Precision: the model against simulated rounds, and what is learnt from stored ones."""

import math
import random
from dataclasses import replace
from statistics import median, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.conditions import Conditions
from scripts.precision import BETWEEN, LEAST_SAMPLES, MOST_SAMPLES, WITHIN, Noise, kinds_of, measured, standard_error
from tests.scripts.stored_project import BENCHMARKS
from tests.scripts.test_tags import TAG

NAME = "ops.Add.time_call"


def rounds(between: dict[str, float], count: int, cells: int = 30, seed: int = 0) -> list:
    """Tags of `cells` commits with `count` rounds each, whose frameworks vary by `between`."""
    draw = random.Random(seed).gauss
    kinds = kinds_of(BENCHMARKS[NAME])
    found = []
    for cell in range(cells):
        for _ in range(count):
            times = tuple(1e-6 * math.exp(draw(0, between[kind.split(",")[0]])) for kind in kinds)
            found.append(replace(TAG, commit=str(cell), medians=times, spreads=(0.01,) * len(times)))
    return found


def test_a_kind_is_the_parameters_as_a_person_reads_them():
    assert kinds_of(BENCHMARKS[NAME])[:3] == ["torsh, dispatch", "torsh, memory", "numpy, dispatch"]
    assert kinds_of(BENCHMARKS["cold.time_import"]) == [""]
    assert kinds_of(None) == []


def test_the_noise_of_each_kind_is_learnt_from_rounds():
    between = {"torsh": 0.02, "numpy": 0.02, "torch": 0.05, "tensorflow": 0.2, "jax": 0.02}
    noise = measured(rounds(between, count=6), BENCHMARKS)
    assert noise.cells == 300
    assert noise.within == 0.01
    for kind in kinds_of(BENCHMARKS[NAME]):
        assert noise.of(kind) == pytest.approx(between[kind.split(",")[0]], rel=0.35)
    assert noise.of("unknown") == noise.between


def test_an_unmeasured_machine_has_the_defaults_and_unfit_runs_teach_nothing():
    assert measured([], {}) == Noise(WITHIN, BETWEEN)
    between = dict.fromkeys(("torsh", "numpy", "torch", "tensorflow", "jax"), 0.3)
    stolen = [replace(tag, conditions=Conditions(seconds=9.0, steal=0.5)) for tag in rounds(between, count=4)]
    assert measured(stolen, BENCHMARKS) == Noise(WITHIN, BETWEEN)
    # One round says nothing about the next, and benchmarks that are gone have no kinds.
    assert measured(rounds(between, count=1), BENCHMARKS).between == BETWEEN
    assert measured(rounds(between, count=4), {}).between == BETWEEN


@pytest.mark.parametrize("count", [2, 4, 8, 16])
def test_the_standard_error_is_that_of_simulated_medians(count):
    draw = random.Random(count).gauss
    runs = [[math.exp(draw(0, 0.05)) for _ in range(count)] for _ in range(2000)]
    truth = stdev(median(values) for values in runs)
    told = median(standard_error(values, prior=0.05) for values in runs)
    assert told == pytest.approx(truth, rel=0.25)


def test_one_slow_round_hardly_moves_the_standard_error():
    values = [1.0, 1.01, 0.99, 1.005, 0.995, 1.002]
    assert standard_error([*values, 5.0], 0.01) < 1.5 * standard_error(values, 0.01)
    assert standard_error([], 0.01) == math.inf


@given(st.floats(0.001, 1), st.floats(0.001, 1))
def test_samples_stay_in_their_bounds_and_more_precision_never_takes_fewer_rounds(within, between):
    noise = Noise(within, between)
    assert LEAST_SAMPLES <= noise.samples() <= MOST_SAMPLES
    wanted = [noise.rounds(precision * between) for precision in (1.0, 0.7, 0.5, 0.3)]
    assert wanted == sorted(wanted)
    assert wanted[0] == 1


def test_samples_grow_where_processes_agree_and_samples_do_not():
    assert Noise(within=0.01, between=0.05).samples() == LEAST_SAMPLES
    # sqrt(20 * (0.02 / 0.01)^2) = 8.9
    assert Noise(within=0.02, between=0.01).samples() == 9
    assert Noise(within=0.02, between=0.0).samples() == MOST_SAMPLES
