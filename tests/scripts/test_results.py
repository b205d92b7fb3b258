import math
from dataclasses import replace

import pytest

from scripts import tags
from scripts.conditions import Conditions
from scripts.results import Row, Time, geometric_mean, plain, rows, unfit_runs
from tests.scripts.stored_project import BENCHMARKS
from tests.scripts.test_tags import TAG


def test_rows_hold_the_times_of_each_case_and_leave_out_what_is_no_number(project):
    commit = project.results.joinpath("box").glob("*-env.json")
    from asv.results import Results

    result = Results.load(str(next(commit)))
    found = {(row.benchmark, row.case): row for row in rows(result, BENCHMARKS)}
    assert set(found) == {(f"ops.{op}.time_call", size) for op in ("Add", "Softmax") for size in ("dispatch", "memory")}
    times = found["ops.Add.time_call", "memory"].times
    assert set(times) == {"torsh", "numpy", "torch"}
    assert times["numpy"].median / times["torsh"].median == pytest.approx(1.5)
    assert times["torsh"].low < times["torsh"].median < times["torsh"].high


def test_speedup_is_above_one_where_we_are_faster_than_the_fastest_other():
    row = Row("b", "c", {"torsh": Time(1.0), "numpy": Time(3.0), "jax": Time(2.0)})
    assert row.speedup("torsh") == 2
    assert row.speedup("jax") == 0.5
    assert row.speedup("torch") is None
    assert Row("b", "c", {"torsh": Time(1.0)}).speedup("torsh") is None


def test_the_geometric_mean_treats_a_factor_and_its_inverse_alike():
    assert geometric_mean([4, 0.25]) == pytest.approx(1)
    assert geometric_mean([]) is None
    assert math.isclose(geometric_mean([8, 1, 1]), 2)


@pytest.mark.parametrize(
    ("stored", "read"), [("'torsh'", "torsh"), ("256", "256"), ("(1, 2)", "(1, 2)"), ("<x>", "<x>")]
)
def test_a_parameter_reads_without_its_quotes(stored, read):
    assert plain(stored) == read


def test_what_was_measured_on_an_unfit_machine_is_named_with_its_reasons(tmp_path):
    (tmp_path / "box").mkdir()
    path = tmp_path / "box/1.tags"
    stolen, fit = Conditions(seconds=9.0, steal=0.5), Conditions(seconds=9.0, steal=0.0)
    jumped = Conditions(seconds=9.0, jump=3600.0)
    measured = (
        ("kept.by.a.second.round", stolen, False), ("kept.by.a.second.round", jumped, True),
        ("measured.again", stolen, False), ("measured.again", fit, False),
        ("fit", fit, False), ("spoilt", fit, False), ("spoilt", stolen, True),
    )  # fmt: skip
    for number, (name, conditions, added) in enumerate(measured):
        tag = replace(TAG, benchmark=name, conditions=conditions, added=added)
        tags.append(path, tag, first=number == 0)
    found = unfit_runs(tmp_path, "box")
    both, spoilt = ((TAG.commit, TAG.environment, name) for name in ("kept.by.a.second.round", "spoilt"))
    assert set(found) == {both, spoilt}
    assert [len(found[both]), len(found[spoilt])] == [2, 1]
    assert "hypervisor" in found[spoilt][0]
    assert "time of day jumped by 3600.0 s" in found[both][1]
    assert unfit_runs(tmp_path, "another") == {}
