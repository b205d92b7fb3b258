"""Cells for equal precision: the arithmetic, and once for real."""

import json
import math
import os
import random

import pytest
from asv.config import Config
from asv.util import UserError

from scripts import durable
from scripts.cost import cells
from scripts.cost.progress import Progress
from tests.scripts.small_suite import SmallSuite

PYPROJECT = """\
[project]
name = "small"
optional-dependencies = { frameworks = [], edge = [], distributed = [] }
"""


def design(name: str, seconds: float, spread: float) -> cells.Design:
    draw = random.Random(1).gauss
    made = cells.Design(name, "spawn", {}, durable=False, seconds=[seconds] * 30, starts=[1.0] * 30)
    for cell in ("a", "b"):
        made.results[cell] = [math.exp(draw(0, spread)) for _ in range(30)]
    return made


def test_twice_the_spread_takes_four_times_as_long_for_equal_precision():
    found = cells._report([design("this suite", 2.0, 0.02), design("stock asv", 2.0, 0.04)], "c0ffee", 3.0, 4.0, 100)
    assert found["factor_at_equal_precision"] == pytest.approx(4, rel=0.01)
    ours = found["designs"]["this suite"]
    assert ours["seconds_a_cell"] == 1.0
    assert ours["seconds_to_target_a_cell"] == pytest.approx(1.0, rel=0.5)
    assert ours["seconds_a_commit_extrapolated"] == 3 + 4 + 1 + 100


def test_a_commit_whose_cells_all_fail_is_named():
    empty = [cells.Design(name, "spawn", {}, durable=False) for name in ("this suite", "stock asv")]
    with pytest.raises(UserError, match="no cell of commit c0ffee gave a time"):
        cells._report(empty, "c0ffee", 1.0, 1.0, 3)


def test_cells_are_named_as_a_person_reads_them_and_those_of_heavy_frameworks_are_not_counted():
    params = [["'torsh'", "'torch'", "'jax'"], ["'dispatch'", "'memory'"]]
    benchmark = {"name": "ops.elementwise.Add.time_call", "params": params}
    assert [cells._cell(benchmark, index) for index in (0, 1, 3)] == [
        "ops.elementwise.Add torsh dispatch",
        "ops.elementwise.Add torsh memory",
        "ops.elementwise.Add torch memory",
    ]
    assert cells._count({"a": benchmark, "b": {"name": "b", "params": []}}) == 3


@pytest.mark.slow
def test_a_commit_is_built_and_measured_both_ways(tmp_path, monkeypatch):
    durable.install()
    suite = SmallSuite(tmp_path / "small")
    (suite.folder / "pyproject.toml").write_text(PYPROJECT)
    monkeypatch.chdir(suite.folder)
    monkeypatch.setattr(cells, "CELLS", (r"^work\.(First|Third)\.time_sum\('small'\)",))
    monkeypatch.setattr(os, "environ", {**os.environ, **suite.env})
    found = cells.measure(Config.load("asv.conf.json"), None, 3, Progress())
    assert set(found["cells"]) == {"work.First.time_sum small", "work.Third.time_sum small"}
    assert found["commit"] == suite.hashes[0]
    assert found["cells_of_the_suite"] == 6
    ours, stock = (found["designs"][name] for name in ("this suite", "stock asv"))
    # Two processes of a tenth of a second of warm-up each, at least.
    assert stock["seconds_a_cell"] > 0.2 > 0
    assert ours["seconds_a_cell"] > 0
    json.dumps(found)
    # Nothing is stored among the project's results.
    assert not suite.results.exists()
