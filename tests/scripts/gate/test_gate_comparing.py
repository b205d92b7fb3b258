"""Rounds: who is launched when, what ends them, and what happens to a cell that fails on the way."""

import time
from collections import Counter
from pathlib import Path

import pytest

from scripts.builds import Side
from scripts.gate import comparing
from scripts.gate.comparing import Rounds
from scripts.launches import Cell, Failure, Reading
from scripts.paired import Outcome, Plan

BASE, HEAD = Side("base", Path("base")), Side("head", Path("head"))


class Recorded:
    """Stands where launches are: gives what `value` says, and keeps who was asked for what."""

    def __init__(self, value):
        self.value, self.asked = value, []

    def measure(self, side, names):
        self.asked.append((side.commit, tuple(names)))
        turn = sum(asked == side.commit for asked, _ in self.asked)
        answers = {}
        for name in names:
            found = self.value(side.commit, name, turn)
            answers[name] = found if isinstance(found, Failure) else Reading(found, found, (found,))
        return answers


def rounds(value, names=("x", "y"), plan=Plan(20), **options) -> tuple[Rounds, Recorded]:  # noqa: B008
    launches = Recorded(value)
    cells = [Cell(name, name, name, {}, "time", "seconds", 60.0, "time") for name in names]
    return Rounds(launches, (BASE, HEAD), cells, plan, **options), launches


def wavering(commit, name, turn):
    """Now one side is 30 % slower and now the other, so that nothing can be decided soon."""
    return 1.3 if (turn % 2 == 0) == (commit == "head") else 1.0


def test_a_decided_cell_is_not_measured_again():
    compare, launches = rounds(lambda commit, name, turn: 1.0 if name == "x" else wavering(commit, name, turn))
    compare.run()
    assert compare.verdicts()["x"].outcome is Outcome.NOT_REGRESSED
    assert Counter(names for _, names in launches.asked)[("x", "y")] == 2 * (1 + 4)
    assert len(compare.pairs["x"].base) == 4
    assert len(compare.pairs["y"].base) > 4


def test_sides_alternate_and_each_is_first_as_often():
    compare, launches = rounds(lambda commit, name, turn: 1.0, to_the_end=True)
    compare.run()
    order = [commit for commit, _ in launches.asked][2:]
    first = order[::2]
    assert all({a, b} == {"base", "head"} for a, b in zip(order[::2], order[1::2], strict=True))
    assert all({a, b} == {"base", "head"} for a, b in zip(first[::2], first[1::2], strict=True))
    assert len(first) == 20


def test_the_first_launch_of_a_side_is_not_counted():
    compare, _ = rounds(lambda commit, name, turn: 9.0 if turn == 1 else 1.0)
    compare.run()
    assert {reading.best for pair in compare.pairs.values() for reading in (*pair.base, *pair.head)} == {1.0}


def test_a_cell_that_fails_on_the_way_stops_and_the_others_go_on():
    failure = Failure("ValueError: late")
    compare, launches = rounds(
        lambda commit, name, turn: failure if (commit, name, turn) == ("head", "x", 3) else wavering(commit, name, turn)
    )
    compare.run()
    assert compare.pairs["x"].failures == {"head": failure}
    assert "x" not in compare.verdicts()
    # The warm-up, a round, and the round that it failed in.
    assert sum("x" in names for _, names in launches.asked) == 6
    assert len(compare.pairs["y"].base) > 4


def test_values_without_a_ratio_are_a_failure_and_equal_ones_are_none():
    compare, _ = rounds(lambda commit, name, turn: 5.0 if (commit, name) == ("head", "x") else 0.0)
    compare.run()
    assert compare.pairs["x"].failures["both"].reason == "0 and 5 have no ratio: only values above 0 can be compared"
    assert compare.verdicts()["y"].outcome is Outcome.NOT_REGRESSED


def test_a_budget_ends_before_a_round_that_would_overrun_it():
    compare, launches = rounds(wavering, budget=0.0)
    compare.run()
    assert compare.out_of_time
    assert len(launches.asked) == 2
    assert {each.outcome for each in compare.verdicts().values()} == {Outcome.UNDECIDED}


def test_cells_that_take_long_are_launched_in_batches_so_that_sides_stay_close(monkeypatch):
    monkeypatch.setattr(comparing, "TOGETHER_SECONDS", 0.03)
    names = tuple("abcdef")

    def slow(commit, name, turn):
        time.sleep(0.02)
        return wavering(commit, name, turn)

    compare, launches = rounds(slow, names, Plan(4))
    compare.run()
    batches = [asked for _, asked in launches.asked[4:]]
    assert all(len(asked) < len(names) for asked in batches)
    assert Counter(name for asked in batches for name in asked) == dict.fromkeys(names, 2 * 3)


def test_progress_tells_rounds_cells_and_time():
    seen = []
    compare, _ = rounds(wavering, show=seen.append)
    compare.run()
    assert [each.doing for each in seen[:2]] == ["warming up base", "warming up head"]
    assert (seen[2].round, seen[2].rounds, seen[2].live, seen[2].cells, seen[2].seconds_left) == (1, 20, 2, 2, None)
    assert seen[3].seconds_left >= 0


def test_what_was_measured_before_ctrl_c_is_there():
    def interrupted(commit, name, turn):
        if turn == 4:
            raise KeyboardInterrupt
        return 1.0

    compare, _ = rounds(interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare.run()
    assert len(compare.pairs["x"].base) == len(compare.pairs["x"].head) == 2
