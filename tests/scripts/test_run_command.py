"""`run`: it goes on where it was interrupted, and ends when a precision is reached."""

import signal

import pytest
from asv.config import Config
from asv.util import UserError

from scripts.commands.asv_run import Run, percent
from tests.scripts.small_suite import NAMES, SmallSuite


@pytest.fixture
def suite(tmp_path) -> SmallSuite:
    return SmallSuite(tmp_path / "small")


def started(suite: SmallSuite) -> dict[str, int]:
    return {name: row["started_at"] for name, row in suite.stored().items()}


def test_a_killed_run_loses_one_benchmark_and_typed_again_goes_on(suite):
    status, shown = suite.run_struck(signal.SIGKILL, *suite.here())
    assert status == -signal.SIGKILL, shown
    before = started(suite)
    assert set(before) == {NAMES[0]}

    status, shown = suite.run(*suite.here())
    assert status == 0, shown
    assert "going on with the run of" in shown
    assert "results kept: 1 " in shown
    after = started(suite)
    assert set(after) == set(NAMES)
    assert before.items() < after.items()
    # Whoever asks for nothing else finds the samples of each cell.
    assert [len(samples) for samples in suite.stored()[NAMES[1]]["samples"]] == [5, 5]


@pytest.mark.slow
def test_ctrl_c_exits_130_and_says_how_to_go_on(suite):
    status, shown = suite.run_struck(signal.SIGINT, *suite.here())
    assert status == 130, shown
    assert "interrupted; what was measured is kept" in shown
    assert "Traceback" not in shown
    before = started(suite)
    assert set(before) == {NAMES[0]}

    # Something else that was asked for is a run of its own.
    status, shown = suite.run(*suite.here("--bench", "First"))
    assert status == 0, shown
    assert "going on" not in shown
    again = started(suite)
    assert again[NAMES[0]] > before[NAMES[0]]

    status, shown = suite.run(*suite.here("--afresh"))
    assert status == 0, shown
    assert "going on" not in shown
    assert started(suite)[NAMES[0]] > again[NAMES[0]]

    # A run that has ended is measured anew.
    whole = started(suite)
    status, shown = suite.run(*suite.here())
    assert status == 0, shown
    assert all(started(suite)[name] > whole[name] for name in NAMES)


@pytest.mark.slow
def test_rounds_of_an_interrupted_run_go_on_where_they_were(tmp_path):
    suite = SmallSuite(tmp_path / "small", commits=2)
    words = ("run", "ALL", "-a", "rounds=2")
    status, shown = suite.run_struck(signal.SIGKILL, *words)
    assert status == -signal.SIGKILL, shown
    status, shown = suite.run(*words)
    assert status == 0, shown
    assert "results kept: 1 " in shown
    # Two commits, two rounds of five samples, the interrupted one's among them.
    for commit in suite.hashes:
        rows = suite.stored(commit)
        assert {name: row["stats_repeat"] for name, row in rows.items()} == {name: [10, 10] for name in NAMES}


@pytest.mark.slow
def test_a_precision_ends_the_rounds_and_is_reported(suite):
    status, shown = suite.run("run", "HEAD^!", "--precision", "50", "-a", "rounds=4")
    assert status == 0, shown
    assert "6 of 6 cells have a standard error of 50.0% or less" in shown
    # What is known of no machine yet says that one round is enough.
    assert all(max(row["stats_repeat"]) <= 5 for row in suite.stored().values())

    status, shown = suite.run("run", "HEAD^!", "--precision", "0.1", "-a", "rounds=2", "-a", "repeat=5")
    assert status == 0, shown
    assert "6 of 6 cells are not at ±0.1% yet; rounds to come: at most 1" in shown
    assert "the other 6 need more rounds (-a rounds=N) or a quieter machine" in shown
    assert all(row["stats_repeat"] == [10, 10] for row in suite.stored().values())


@pytest.mark.slow
def test_a_damaged_results_file_is_named_and_left_alone(suite, monkeypatch):
    monkeypatch.chdir(suite.folder)
    status, shown = suite.run(*suite.here("--bench", "First"))
    assert status == 0, shown
    (path,) = suite.results.glob("*-*.json")
    path.write_text(path.read_text()[:200])
    status, shown = suite.run(*suite.here("--bench", "Third"))
    assert status == 1, shown
    assert f"can't read {path.relative_to(suite.folder)}" in shown
    assert "move it away, and run again" in shown
    assert "Traceback" not in shown
    assert len(path.read_text()) == 200


def test_a_precision_needs_interleaved_rounds(suite, monkeypatch):
    monkeypatch.chdir(suite.folder)
    conf = Config.load("asv.conf.json")
    with pytest.raises(UserError, match="--precision needs interleaved rounds of stored results"):
        Run.run(conf, precision=0.02, dry_run=True)


@pytest.mark.parametrize(("text", "value"), [("2", 0.02), ("2%", 0.02), ("0.5", 0.005)])
def test_a_precision_is_read_as_a_percentage(text, value):
    assert percent(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "60", "nan"])
def test_what_is_no_percentage_is_named(text):
    with pytest.raises(Exception, match=r"is no percentage from 0\.1 to 50"):
        percent(text)
