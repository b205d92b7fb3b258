"""The gate's table: its sources of noise, and its bars at a twentieth of the size."""

import numpy as np
import pytest

from scripts.commands.gate import MODES
from scripts.evaluation import gate

PLAN = MODES["standard"].plan()


def test_the_real_readings_are_whole_and_the_slower_commit_does_five_percent_more():
    medians = []
    for noise in gate.real():
        rng = np.random.default_rng(0)
        assert noise.unchanged(3, 60, rng).shape == (3, 60)
        medians.append(np.median(noise.stepped(20, 60, rng)))
    assert len(medians) == 16
    assert 0.04 < np.median(medians) < 0.06


@pytest.mark.parametrize("noise", gate.made(), ids=lambda noise: noise.name)
def test_made_noise_has_no_direction(noise):
    changes = noise.unchanged(400, 60, np.random.default_rng(0))
    assert abs(changes.mean()) < 5 * changes.std() / 60
    assert np.isfinite(changes).all()


def test_the_bars_hold_at_a_twentieth_of_the_size(capsys):
    assert gate.table(5)
    shown = capsys.readouterr().out
    assert shown.count("real: ") == 17
    assert "all hold" in shown


def test_a_gate_that_calls_everything_fails_its_bars(monkeypatch):
    reckless = PLAN.__class__(rounds=8, effect=0.0001, false_alarms=0.5, discoveries=1.0)
    row = gate.measure(gate.made()[1], reckless, 400, 0)
    assert row.false > gate.MOST_FALSE
