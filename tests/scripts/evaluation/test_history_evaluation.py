"""The table of change-point detection: its noise, its counts, and a small run of it."""

import gzip
import json

import numpy as np
import pytest
from asv.util import UserError

from scripts.commands.evaluate import Evaluate, methods
from scripts.evaluation import history, noise
from tests.scripts.test_launcher import scripts


class Here:
    """Runs what a pool would run in this process."""

    map = staticmethod(map)


def score(detect, monkeypatch, runs=20, row=history.ROWS[3]):
    monkeypatch.setitem(history.DETECTORS, "history", detect)
    return history.score(Here(), row, "history", (), runs)


def test_a_detector_that_finds_nothing_has_no_alarm_and_no_f1(monkeypatch):
    found = score(lambda values: [], monkeypatch)
    assert (found.alarms, found.f1) == (0, (0, 0, 0))


def test_one_that_is_right_has_f1_1_and_one_that_cries_wolf_has_not(monkeypatch):
    def place(values):
        logs = np.log(values)
        gains = [abs(logs[k:].mean() - logs[:k].mean()) * (k * (200 - k)) ** 0.5 for k in range(10, 191)]
        return 10 + int(np.argmax(gains))

    # At 10 % steps of 3 % noise the place is clear; without a step, their spread is that of the noise.
    right = score(lambda values: [place(values)] if np.std(np.log(values)) > 0.035 else [], monkeypatch)
    assert right.f1[2] > 0.7
    always = score(lambda values: [place(values)], monkeypatch)
    assert always.alarms == 1000
    # 20 right ones, 20 false ones on stable series, none missed: 40 / 60.
    assert always.f1[2] == pytest.approx(2 / 3)


def test_the_shipped_noise_is_small_centred_and_names_its_source():
    assert noise.SHIPPED.stat().st_size < 400_000
    assert "django" in json.loads(gzip.decompress(noise.SHIPPED.read_bytes()))["source"]
    for series in noise.shipped().values():
        assert len(series) > 100
        assert max(abs(float(np.median(each))) for each in series) < 0.02


def test_a_series_is_the_same_for_the_same_seed_and_has_its_step():
    real = noise.shipped()["dedicated"]
    one, two = (noise.real(real, False, 0.1, 7) for _ in range(2))
    assert one.step == two.step and (one.values == two.values).all()
    assert noise.real(real, False, 0.1, 8).step != one.step or len(one.values) < 200
    flat = noise.real(real, True, 0.0, 7)
    assert flat.step == -1
    for model in ("lognormal", "outliers", "autocorrelated", "drifting"):
        made = noise.made(model, 1.0, 3)
        before, after = np.median(made.values[: made.step]), np.median(made.values[made.step :])
        assert after / before == pytest.approx(2, abs=0.3)
    with pytest.raises(ValueError, match="no model"):
        noise.made("nosuch", 0, 0)


def test_residuals_leave_out_changes_and_what_is_no_history():
    rng = np.random.default_rng(0)
    values = np.exp(rng.normal(0, 0.01, 100))
    values[50:] *= 3
    short, constant, negative = values[:50], np.ones(100), -values
    suite = {"kind": "ci", "series": [{"values": each.tolist()} for each in (values, short, constant, negative)]}
    (rest,) = noise.residuals({"a": suite})["ci"]
    assert np.abs(rest).max() < 0.1


def test_other_histories_are_read_and_a_bad_file_is_named(tmp_path):
    values = np.exp(np.random.default_rng(1).normal(0, 0.01, 100)).tolist()
    good = {"suites": {"a": {"kind": "dedicated", "series": [{"values": values}]}}}
    for name, pack in (("a.json", bytes), ("a.json.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(json.dumps(good).encode()))
        assert len(noise.load(tmp_path / name)["dedicated"]) == 1
    for number, text in enumerate(("", "[]", '{"suites": {"a": {"kind": "other", "series": [{"values": [1]}]}}}')):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        if number < 2:
            with pytest.raises(UserError, match="is not of the shape"):
                noise.load(path)
    (tmp_path / "b.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError):
        noise.load(tmp_path / "b.gz")
    with pytest.raises(UserError, match="No such file"):
        noise.load(tmp_path / "nosuch.json")


def test_the_command_knows_its_methods_and_refuses_options_of_others():
    assert "history" in methods()
    with pytest.raises(UserError, match="--runs 0: at least one"):
        Evaluate.run("history", runs=0)
    with pytest.raises(UserError, match="--histories is no option of evaluate bisect"):
        Evaluate.run("bisect", histories="x")


@pytest.mark.slow
def test_the_table_as_a_person_prints_it():
    shown = scripts("evaluate", "history", "--runs", "8")
    assert shown.returncode in (0, 1), shown.stderr
    assert shown.stdout.count("asv publish") == len(history.ROWS)
    assert "about" in shown.stderr and "[21/21]" in shown.stderr


@pytest.mark.slow
@pytest.mark.parametrize("row", history.ROWS, ids=lambda row: row.name)
def test_detection_stays_as_good_as_it_was_measured(row):
    # Looser than the measured values by what chance does at 200 series.
    real = noise.shipped().get(row.kind, ())
    found = history.score(Here(), row, "history", real, 200)
    worst = {"made: lognormal": 0.9, "made: AR(1) of 0.3": 0.75, "made: slow drift": 0.6, "CI, in order": 0.65}
    assert found.alarms <= 45
    assert found.f1[1] >= worst.get(row.name, 0.9)
