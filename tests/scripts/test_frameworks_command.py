"""The `frameworks` command through its plain run."""

import dataclasses
import json
import os
import re

import numpy as np
import pytest
from asv.util import UserError

from benchmarks import workloads
from benchmarks.frameworks import UnknownName, compare
from benchmarks.frameworks.compare import Samples
from scripts import comparison, machine
from scripts.commands.frameworks import Frameworks
from scripts.comparison import Cell
from tests.scripts.sample_peaks import peaks


@pytest.fixture(autouse=True)
def known_machine(monkeypatch):
    monkeypatch.setattr(machine, "peaks", lambda refresh: peaks())


def only(monkeypatch, *chosen: workloads.Workload) -> None:
    monkeypatch.setattr(comparison, "WORKLOADS", {workload.name: workload for workload in chosen})


ADD = dataclasses.replace(workloads.get("add"), sizes={"dispatch": (256,)})


def test_it_prints_a_row_for_each_cell_with_its_factor(monkeypatch, capsys):
    only(monkeypatch, ADD, dataclasses.replace(workloads.get("exp"), sizes={"dispatch": (256,)}))
    assert Frameworks.run(frameworks=["torsh", "numpy"], seconds=0.02) == 0
    shown = capsys.readouterr().out
    rows = re.findall(
        r"^(\w+) +dispatch .*±\d+% .*±\d+% +[\d.]+ \[[\d.]+, [\d.]+\] +\d+% of (\w+)", shown, re.MULTILINE
    )
    assert rows == [("add", "bytes"), ("exp", "bytes")]
    assert re.search(r"Geometric mean of the factor: \d+\.\d\d\. torsh leads [012] of 2 cells", shown)


def test_a_wrong_result_is_reported_and_not_timed(monkeypatch, capsys):
    only(monkeypatch, dataclasses.replace(ADD, oracle=lambda a, b: a + b + (np.arange(256) == 7)))
    timed = []
    monkeypatch.setattr(compare, "alternate", lambda calls, **options: timed.append(calls))
    assert Frameworks.run(frameworks=["numpy"], seconds=0.02) == 1
    assert timed == []
    shown = capsys.readouterr().out
    assert re.search(r"add +dispatch +wrong", shown)
    assert re.search(r"add on numpy: wrong result: result 0 at \(7,\) is \S+, not \S+; 0\.39% of it is off", shown)


def test_a_framework_that_fails_leaves_the_others_measured(monkeypatch, capsys):
    def call(F, a, b):
        if F.name == "torsh":
            raise ZeroDivisionError("of this test")
        return F.add(a, b)

    only(monkeypatch, dataclasses.replace(ADD, call=call))
    assert Frameworks.run(frameworks=["torsh", "numpy"], seconds=0.02) == 0
    shown = capsys.readouterr().out
    assert "add on torsh: failed: ZeroDivisionError: of this test" in shown
    assert re.search(r"add +dispatch +n/a +\S+ ±\d+% +n/a +n/a", shown)


def test_ctrl_c_prints_and_writes_what_was_measured(monkeypatch, capsys, tmp_path):
    def interrupted(F, *inputs):
        raise KeyboardInterrupt

    only(monkeypatch, ADD, dataclasses.replace(ADD, name="later", call=interrupted))
    assert Frameworks.run(frameworks=["numpy"], seconds=0.02, json_file=str(tmp_path / "out.json")) == 130
    shown = capsys.readouterr()
    assert re.search(r"add +dispatch +\S+ ±", shown.out)
    assert "interrupted: 1 of 2 cells were measured" in shown.err
    data = json.loads((tmp_path / "out.json").read_text())
    assert data["interrupted"] is True
    assert [cell["workload"] for cell in data["cells"]] == ["add"]


def test_several_threads_are_held_pinned_and_told(monkeypatch, capsys, tmp_path):
    from scripts.commands import frameworks

    cores, held = sorted(os.sched_getaffinity(0)), []
    if len(cores) < 2:
        pytest.skip("one core")

    def call(F, a, b):
        assert os.sched_getaffinity(0) == set(cores[-2:])
        return F.add(a, b)

    monkeypatch.setattr(frameworks.threads, "hold", lambda count, *packages: held.append(count))
    only(monkeypatch, dataclasses.replace(ADD, call=call))
    assert Frameworks.run(frameworks=["numpy"], seconds=0.02, json_file=str(tmp_path / "out.json"), count=2) == 0
    assert held[0] == 2
    assert "2 cores, 2 threads each, in alternation" in capsys.readouterr().out
    data = json.loads((tmp_path / "out.json").read_text())
    assert data["threads"] == 2
    assert "numpy" in data["cells"][0]["frameworks"]


@pytest.mark.parametrize("count", [0, -1, 1 + len(os.sched_getaffinity(0))])
def test_each_thread_needs_a_core(count):
    with pytest.raises(UserError, match=f"--threads {count}: each thread needs a core, and this process may use 1 to"):
        Frameworks.run(frameworks=["numpy"], count=count)


def test_a_framework_that_is_missing_is_listed_with_its_reason(monkeypatch, capsys):
    from benchmarks.frameworks import FrameworkUnavailable
    from scripts.commands import frameworks

    real = frameworks.load

    def load(name):
        if name == "jax":
            raise FrameworkUnavailable("jax is installed and broken: ImportError: no jaxlib")
        return real(name)

    monkeypatch.setattr(frameworks, "load", load)
    only(monkeypatch, ADD)
    assert Frameworks.run(frameworks=["numpy", "jax"], seconds=0.02) == 0
    assert "jax: n/a, jax is installed and broken: ImportError: no jaxlib" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"nothing to time\. jax: jax is installed and broken"):
        Frameworks.run(frameworks=["jax"])


def test_the_factor_is_the_fastest_peer_s_time_over_ours():
    def samples(*seconds):
        return Samples(seconds, 1)

    found = Cell(ADD, "dispatch", {"torsh": samples(1, 2, 1), "numpy": samples(9, 9, 9), "jax": samples(3, 6, 3)}, {})
    assert found.peer == "jax"
    assert found.ratio.median == 3
    assert found.ratio.low == found.ratio.high == 3
    share, bound = found.fraction("torsh", peaks())
    assert bound == "memory"
    assert share == pytest.approx(3 * 4 * 256 / 60e9)


def test_globs_choose_by_name_family_and_size():
    chosen = comparison.choose(["softm*", "matmul"], [], ["dispatch"])
    assert sorted((workload.name, size) for workload, size in chosen) == [
        ("matmul", "dispatch"),
        ("softmax", "dispatch"),
    ]
    assert {w.family for w, _ in comparison.choose([], ["reduce"], [])} == {"reduce"}
    assert len(comparison.choose([], [], [])) == sum(len(w.sizes) for w in workloads.WORKLOADS.values())


@pytest.mark.parametrize(
    "bad", [{"workloads": ["softmaxx"]}, {"families": ["x*"]}, {"sizes": ["huge"]}, {"frameworks": ["mxnet"]}]
)
def test_an_unknown_name_is_refused(bad):
    with pytest.raises(UnknownName, match=next(iter(bad.values()))[0].replace("*", r"\*")):
        Frameworks.run(**bad)


def test_what_differs_is_named():
    expected = [np.zeros((2, 3))]
    assert ADD.difference([np.zeros((2, 3))], expected) == ""
    assert ADD.difference([np.zeros(3)], expected) == "result 0 has shape (3,) instead of (2, 3)"
    assert ADD.difference([], expected) == "0 results instead of 1"
    off = np.zeros((2, 3))
    off[1, 2] = np.nan
    assert ADD.difference([off], expected) == "result 0 at (1, 2) is nan, not 0; 16.67% of it is off"
