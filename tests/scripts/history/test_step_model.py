"""The linear model of steps beside a drift, against plain least squares."""

import numpy as np
import pytest

from scripts.history.step_model import Drift, Model, best_model


def misfit(columns: list[np.ndarray], z: np.ndarray) -> float:
    matrix = np.array(columns).T
    rest = z - matrix @ np.linalg.lstsq(matrix, z, rcond=None)[0]
    return float(rest @ rest)


@pytest.fixture
def z() -> np.ndarray:
    values = np.random.default_rng(0).normal(0, 1, 80)
    values[30:] += 3
    return values


@pytest.mark.parametrize("others", [[], [30], [20, 55]])
def test_the_gain_of_a_step_is_the_misfit_that_it_takes_away(z, others):
    time = np.arange(80.0)
    columns = [np.ones(80), time, *((time >= k).astype(float) for k in others)]
    gain = Model(z, Drift(columns[:2]), others).gain(others)
    for k in (5, 29, 40, 74):
        taken = misfit(columns, z) - misfit([*columns, (time >= k).astype(float)], z)
        assert gain[k] == pytest.approx(taken, rel=1e-6, abs=1e-6)


def test_effects_and_their_squared_t_are_those_of_least_squares(z):
    model = Model(z, Drift([np.ones(80)]), [30])
    model.variance = 1.0
    assert model.effects == pytest.approx([z[30:].mean() - z[:30].mean()])
    assert model.squared_t == pytest.approx(model.effects**2 / (1 / 30 + 1 / 50))


def test_the_best_model_keeps_the_step_that_holds_and_moves_it_to_its_place(z):
    assert best_model(z, [10, 33, 60], 1e-9).steps == [30]


def test_noise_that_is_correlated_needs_a_larger_step():
    rng = np.random.default_rng(1)
    z = rng.normal(0, 1, 300)
    assert best_model(z, [], 1e-9).inflation == pytest.approx(1, abs=0.1)
    for i in range(1, 300):
        z[i] += 0.6 * z[i - 1]
    assert 2 < best_model(z, [], 1e-9).inflation < 5
