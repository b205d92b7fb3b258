"""Baselines: kept in JSON or CSV, read back as they were, and compared."""

import math

import pytest
from asv.util import UserError

from scripts.history import baselines
from scripts.history.verdicts import judge
from tests.scripts.history.made_series import levels, series


def verdicts(level: float = 1.0, name: str = "a.time", **options):
    return [judge(series(levels((40, level)), name=name, **options), 0.01)]


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_levels_come_back_as_they_were(tmp_path, suffix):
    path = tmp_path / f"base.{suffix}"
    every = verdicts() + verdicts(2.5, "b.time, 'x'")
    assert baselines.save(every, path) == 2
    assert baselines.load(path) == baselines.levels(every)


@pytest.mark.parametrize(
    ("level", "less", "verdict"),
    [(1.5, True, "worse"), (0.5, True, "better"), (1.5, False, "better"), (1.005, True, "same")],
)
def test_a_level_is_worse_better_or_the_same(level, less, verdict):
    stored = baselines.levels(verdicts(less_is_better=less))
    (found,) = baselines.compare(verdicts(level, less_is_better=less), stored, 0.01)
    assert found.verdict == verdict
    assert found.effect == pytest.approx(level - 1, abs=0.01)


def test_series_without_a_partner_are_named():
    stored = baselines.levels(verdicts(name="old"))
    found = {each.name: each.verdict for each in baselines.compare(verdicts(name="new"), stored, 0.01)}
    assert found == {"new": "new", "old": "gone"}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"levels": []}', '{"levels": [{"name": "a"}]}', '{"levels": 3}', "name,level\na,1\n", "\0"],
)
@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_a_file_that_is_no_baseline_is_named(tmp_path, text, suffix):
    path = tmp_path / f"base.{suffix}"
    path.write_text(text)
    with pytest.raises(UserError, match="--save-baseline writes one"):
        baselines.load(path)


def test_a_level_that_is_no_number_is_refused(tmp_path):
    path = tmp_path / "base.json"
    baselines.save(verdicts(), path)
    path.write_text(path.read_text().replace('"level": ', '"level": NaN, "x": '))
    with pytest.raises(UserError, match="no number"):
        baselines.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nosuch.json: No such file"):
        baselines.load(tmp_path / "nosuch.json")


def test_too_short_series_have_no_level():
    short = judge(series(levels((5, 1.0))), 0.01)
    assert math.isnan(short.noise)
    assert baselines.levels([short]) == []
