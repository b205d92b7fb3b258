"""The gate's self-test: what it says of quiet and of treacherous machines, and how it is kept."""

import numpy as np
import pytest

from scripts.gate import self_test
from scripts.paired import Plan

PLAN = Plan()


def test_steady_noise_is_trusted_and_levels_that_last_are_not():
    rng = np.random.default_rng(0)
    steady = self_test.assess({"cell": rng.normal(0, 0.02, 40).tolist()}, PLAN)
    assert steady.trusted(PLAN)
    assert steady.rounds == 40
    # Half the rounds in a row 20 % up, half 20 % down: no two launches were alike by chance.
    levels = np.repeat([0.2, -0.2], 20) + rng.normal(0, 0.001, 40)
    found = self_test.assess({"cell": levels.tolist()}, PLAN)
    assert found.false_rate > 0.02
    assert not found.trusted(PLAN)


def test_too_few_rounds_say_nothing():
    assert self_test.assess({"cell": [0.1] * 7}, PLAN).false_rates == {}


def test_what_is_drawn_are_whole_blocks_of_what_was_measured_with_either_sign():
    drawn = self_test.draw(np.arange(1.0, 11.0), 10, 50, np.random.default_rng(0))
    assert drawn.shape == (50, 10)
    blocks = drawn[:, :8].reshape(-1, 4)
    following = np.abs(blocks) % 10 + 1
    assert np.array_equal(np.abs(blocks[:, 1:]), following[:, :-1])
    assert set(np.sign(blocks).sum(axis=1)) == {-4.0, 4.0}


def test_a_self_test_is_remembered_beside_those_of_other_machines(tmp_path, monkeypatch):
    store = tmp_path / ".asv/gate-self-test.json"
    assert self_test.recall(store) is None
    for machine in ("one", "two"):
        monkeypatch.setattr(self_test.Machine, "get_unique_machine_name", lambda machine=machine: machine)
        self_test.remember(self_test.SelfTest("2026-01-01", 40, {machine: 0.001}), store)
    assert self_test.recall(store).false_rates == {"two": 0.001}
    monkeypatch.setattr(self_test.Machine, "get_unique_machine_name", lambda: "one")
    assert self_test.recall(store).false_rates == {"one": 0.001}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"box": 1}', '{"box": {"date": "x"}}', '{"box": {"dat'])
def test_a_store_that_was_cut_short_is_no_self_test(tmp_path, monkeypatch, text):
    monkeypatch.setattr(self_test.Machine, "get_unique_machine_name", lambda: "box")
    store = tmp_path / "store.json"
    store.write_text(text)
    assert self_test.recall(store) is None
    self_test.remember(self_test.SelfTest("2026-01-01", 40, {"cell": 0.0}), store)
    assert self_test.recall(store).rounds == 40
