"""Stored results as series: their order, their borders, and everything that a file may hold."""

import json
import shutil

import pytest
from asv.util import UserError

from scripts.history import series
from tests.scripts.stepped_project import COMMITS
from tests.scripts.stored_project import BENCHMARKS, commit, git

ADD = "ops.Add.time_call('torsh', 'memory')"


def named(history, name=ADD) -> series.Series:
    (found,) = (each for each in history.series if each.name == name)
    return found


def test_points_stand_in_the_order_of_commits_whatever_the_clocks_say(stepped_copy):
    def jump(content):
        content["date"] = 1_000_000_000_000 - content["date"]

    stepped_copy.edit(jump)
    found = series.read(stepped_copy.conf)
    assert found.commits == stepped_copy.hashes
    add = named(found)
    assert [point.commit for point in add.points] == list(stepped_copy.hashes)
    assert [point.position for point in add.points] == list(range(COMMITS))
    assert (add.machine, add.unit, add.less_is_better, add.border) == ("box", "seconds", True, 0)
    assert add.judged == add.points


@pytest.mark.parametrize(
    ("unit", "less"),
    [("seconds", True), ("bytes", True), ("GFLOP/s", False), ("%", False), ("ratio", True), (None, True)],
)
def test_rates_and_percentages_are_better_high(unit, less):
    assert series.less_is_better({"unit": unit}) is less


def test_what_is_no_number_is_left_out_and_counted(stepped_copy):
    def spoil(content):
        (values,) = (content["results"]["ops.Add.time_call"][0],)
        values[0] = float("inf")
        values[1] = float("nan")
        values[2] = "a text"

    stepped_copy.edit(spoil, slice(0, 3))
    found = series.read(stepped_copy.conf)
    assert found.left_out["values that are no finite number"] == 6
    assert len(named(found).points) == COMMITS - 3
    assert len(named(found, "ops.Add.time_call('torsh', 'dispatch')").points) == COMMITS - 3


def test_files_that_are_cut_short_or_hold_something_else_are_named(stepped_copy, capsys):
    one, two, three, four = stepped_copy.files()[:4]
    one.write_bytes(one.read_bytes()[:300])
    two.write_text("[]")
    three.write_text('{"version": 2}')
    four.write_bytes(b"\xff\xfe\x00")
    found = series.read(stepped_copy.conf)
    assert found.left_out["files that can't be read"] == 4
    shown = capsys.readouterr().err
    assert all(path.name in shown for path in (one, two, three, four))
    assert len(named(found).points) == COMMITS - 4


def test_results_of_another_version_are_left_out_and_counted(stepped_copy):
    def older(content):
        at = content["result_columns"].index("version")
        content["results"]["ops.Add.time_call"][at] = "0"

    stepped_copy.edit(older, slice(0, 10))
    found = series.read(stepped_copy.conf)
    assert found.left_out["results of another version of their benchmark"] == 10
    assert named(found).points[0].commit == stepped_copy.hashes[10]


def test_new_hardware_or_a_new_system_is_a_border(stepped_copy):
    stepped_copy.edit(lambda content: content["params"].update(os="Linux 5.10"), slice(0, 10))
    add = named(series.read(stepped_copy.conf))
    assert (len(add.points), add.border) == (COMMITS, 10)
    assert add.border_reason == "os was Linux 5.10"
    assert len(add.judged) == COMMITS - 10


def test_a_machine_renamed_midway_goes_on_behind_a_border(stepped_copy):
    rename(stepped_copy, stepped_copy.files()[12:])
    add = named(series.read(stepped_copy.conf))
    assert (add.machine, len(add.points), add.border) == ("crate", COMMITS, 12)
    assert add.border_reason == "machine was named box"


def test_two_machines_alike_that_take_turns_stay_two(stepped_copy):
    rename(stepped_copy, stepped_copy.files()[::2])
    found = [each for each in series.read(stepped_copy.conf).series if each.name == ADD]
    assert sorted(each.machine for each in found) == ["box", "crate"]
    assert [len(each.points) for each in found] == [COMMITS // 2] * 2


def rename(stepped, files):
    folder = stepped.results / "crate"
    folder.mkdir()
    machine = json.loads((stepped.results / "box/machine.json").read_text())
    (folder / "machine.json").write_text(json.dumps({**machine, "machine": "crate"}))
    for path in files:
        content = json.loads(path.read_text())
        content["params"]["machine"] = "crate"
        (folder / path.name).write_text(json.dumps(content))
        path.unlink()


def test_environments_are_named_by_what_differs(stepped_copy):
    for path in stepped_copy.files()[:3]:
        content = json.loads(path.read_text())
        content["params"]["numba"], content["env_name"] = "0.69", "other"
        path.with_name(path.name.replace("-env", "-other")).write_text(json.dumps(content))
    labels = {each.environment for each in series.read(stepped_copy.conf).series}
    assert labels == {"numba 0.68.1", "numba 0.69"}


def test_since_takes_a_commit_or_a_date(measured):
    recent = series.read(measured.conf, since=measured.hashes[-5][:10])
    assert recent.commits == measured.hashes[-5:]
    assert recent.left_out == {"results of commits that are not among these": COMMITS - 5}
    assert series.read(measured.conf, since="2001-01-31").commits == measured.hashes
    with pytest.raises(UserError, match="none of the stored results is since 2999-01-01"):
        series.read(measured.conf, since="2999-01-01")
    with pytest.raises(UserError, match="no branch or commit"):
        series.read(measured.conf, since="nosuch")


def test_a_branch_without_results_and_one_that_is_not_there(empty_project):
    first = commit(empty_project.folder, "one")
    git(empty_project.folder, "checkout", "-b", "topic")
    empty_project.store(commit(empty_project.folder, "two"))
    with pytest.raises(UserError, match=r"none of the stored results is on main .*Try --branch HEAD"):
        series.read(empty_project.conf)
    found = series.read(empty_project.conf, branch="topic")
    assert found.commits[0] == first
    assert {len(each.points) for each in found.series} == {1}
    with pytest.raises(UserError, match="no branch or commit"):
        series.read(empty_project.conf, branch="nosuch")


def test_without_results_it_says_what_to_type(empty_project):
    commit(empty_project.folder, "one")
    with pytest.raises(UserError, match="measure first, with python -m scripts bench"):
        series.read(empty_project.conf)
    shutil.rmtree(empty_project.results)
    with pytest.raises(UserError, match="python -m scripts bench"):
        series.read(empty_project.conf)


def test_unfit_runs_stay_and_are_not_judged(stepped_copy, monkeypatch):
    third = stepped_copy.hashes[2]
    unfit = {(third, "env", name): ("load 9.0",) for name in BENCHMARKS}
    monkeypatch.setattr(series, "unfit_runs", lambda folder, machine: unfit)
    found = series.read(stepped_copy.conf)
    add = named(found)
    assert (len(add.points), len(add.judged)) == (COMMITS, COMMITS - 1)
    assert add.points[2].unfit == ("load 9.0",)
    assert found.left_out["values measured on an unfit machine (kept, not judged)"] > 0
