"""`gate` on a real repository: its answers, its exit statuses, its files, and what it says of what it can't do."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from asv.util import UserError

from scripts.commands.gate import Gate
from scripts.gate import self_test
from tests.scripts.gate.planted_project import BROKEN, EXTRA, MORE_STEPS, OTHER_FAILS, SLOWER, Planted
from tests.scripts.stored_project import git

ROOT = Path(__file__).parents[3]
STEPS = r"track_steps$"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Planted:
    """One repository for all: what was built stays built. `head` has more steps, `extra`, and an `other` that fails."""
    project = Planted(tmp_path_factory.mktemp("gate") / "project")
    project.head = project.change(MORE_STEPS, EXTRA, OTHER_FAILS)
    return project


@pytest.fixture
def there(project, monkeypatch) -> Planted:
    project.back()
    monkeypatch.chdir(project.folder)
    return project


def gate(project: Planted, *commits: str | None, **options) -> int:
    return Gate.run(project.conf, *commits, **options)


def test_what_was_found_is_told_in_every_form(there, tmp_path, capsys):
    files = {name: tmp_path / name for name in ("json", "md", "xml")}
    outputs = {"json_file": str(files["json"]), "markdown": str(files["md"]), "junit": str(files["xml"])}
    bench = [STEPS, "Other", "Extra"]
    assert gate(there, there.base, there.head, bench=bench, **outputs) == 1
    shown = capsys.readouterr().out
    assert re.search(r"cells\.Counts\.track_steps +100\S* +110\S* +\+10\.0%.* regressed, 4 rounds", shown)
    assert re.search(r"time_other .*could not be measured: head: ValueError: other fails", shown)
    assert "time_extra is new: base: this commit has no extra" in shown
    assert "Regressed: of 3 cells 1 regressed, 1 could not be measured." in shown
    found = json.loads(files["json"].read_text())
    cell = found["cells"]["cells.Counts.track_steps"]
    assert (found["status"], cell["outcome"], cell["rounds"]) == (1, "regressed", 4)
    assert [reading["best"] for reading in cell["base"]] == [100.0] * 4
    assert found["conditions"]["seconds"] > 0
    assert "| `cells.Counts.track_steps` | 100" in files["md"].read_text()
    suite = ET.parse(files["xml"]).getroot()
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "1", "1", "1"]
    assert suite.find("testcase/failure").get("message").startswith("regressed: +10.0%")


@pytest.mark.slow
def test_what_fails_in_head_alone_is_no_pass_and_what_is_gone_is_none_either_but_named(there, capsys):
    assert gate(there, there.base, there.head, bench=["Other", "per_second"]) == 2
    assert "Could not measure all: of 2 cells 1 improved, 1 could not be measured." in capsys.readouterr().out
    assert gate(there, there.head, there.base, bench=["Extra", r"track_steps$"]) == 0
    assert "time_extra is gone: head: this commit has no extra" in capsys.readouterr().out


@pytest.mark.slow
def test_the_working_tree_is_judged_with_what_is_not_committed(there, capsys):
    path, old, new = MORE_STEPS
    (there.folder / path).write_text((there.folder / path).read_text().replace(old, new))
    assert gate(there, "HEAD", bench=[STEPS]) == 1
    assert "the working tree" in capsys.readouterr().out
    assert git(there.folder, "status", "--porcelain") == "M planted/count.py"


def test_affected_leaves_out_what_no_change_can_touch(there, capsys):
    head = there.change(("planted/aside.py", "0", "1"))
    assert gate(there, there.base, head, bench=[STEPS, "Work.*short"], affected=True) == 0
    shown = capsys.readouterr().out
    assert "2 cells were left out: no change between the two can touch them." in shown
    assert "No regression: no change between the two can touch a benchmark." in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base": "HEAD", "head": "HEAD"}, "are the same commit: nothing to compare"),
        ({"base": "HEAD"}, "are the same commit: nothing to compare"),
        ({}, "name the commit to compare with"),
        ({"base": "nowhere"}, "no commit 'nowhere' in"),
        ({"base": "HEAD", "rounds": 3}, "--rounds 3: four at least"),
        ({"base": "HEAD", "effect": 0.0}, "--effect 0: percent, more than 0"),
        ({"base": "HEAD", "budget": -1.0}, "--budget -1: minutes, more than 0"),
        ({"base": "HEAD", "head": "HEAD", "self_test": True}, "--self-test compares one commit with itself"),
    ],
)
def test_what_the_user_can_mend_is_said(there, options, message):
    with pytest.raises(UserError, match=message):
        gate(there, **options)


def test_a_commit_that_does_not_build_is_status_2_and_one_line(there):
    head = there.change(BROKEN)
    done = command(there, there.base, head, "-b", STEPS)
    assert done.returncode == 2, done.stderr
    assert re.search(rf"^gate: commit {head[:8]} does not build: .*no_such_backend", done.stderr, re.M)
    assert "Traceback" not in done.stderr.split("gate: commit")[1]


def test_no_benchmark_matches(there):
    with pytest.raises(UserError, match="no benchmark matches 'nothing_like_it'"):
        gate(there, there.base, there.head, bench=["nothing_like_it"])


def command(project: Planted, *words: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(line(project, *words), cwd=ROOT, capture_output=True, text=True, check=False, **options)


def line(project: Planted, *words: str) -> list[str]:
    return [sys.executable, "-m", "scripts", "--config", str(project.folder / "asv.conf.json"), "gate", *words]


@pytest.mark.slow
def test_a_planted_slowdown_is_seen_from_the_command_line(there):
    there.change(SLOWER)
    done = command(there, "HEAD~1", "HEAD", "-b", "Work.*long", "--effect", "10", "--json", "-")
    assert done.returncode == 1, done.stdout + done.stderr
    cell = json.loads(done.stdout)["cells"]["cells.Work.time_work('long')"]
    assert cell["outcome"] == "regressed"
    # Four times the work.
    assert 1 < cell["change"] < 6
    assert "round 1 of at most 60: 1 of 1 cells open" in done.stderr


@pytest.mark.slow
def test_a_budget_that_is_over_leaves_it_undecided(there):
    there.change(SLOWER)
    done = command(there, "HEAD~1", "HEAD", "-b", "Work.*long", "--budget", "0.0001")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Undecided is no pass: the budget was over." in done.stdout


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_measured_and_leaves_no_process(there, tmp_path):
    there.change(SLOWER)
    target = tmp_path / "gate.json"
    words = ("HEAD~1", "HEAD", "-b", "track_process", "--effect", "0.01", "--rounds", "1000", "--json", str(target))
    process = subprocess.Popen(
        line(there, *words), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0,
    )  # fmt: skip
    seen = ""
    for text in process.stdout:
        seen += text
        if text.startswith("round 1"):
            break
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, seen + rest
    assert json.loads(target.read_text())["interrupted"] is True
    assert not list(target.parent.glob(".*"))
    mine = str(there.folder).encode()
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and mine in arguments(pid)]


def arguments(pid: str) -> bytes:
    try:
        return Path("/proc", pid, "environ").read_bytes() if int(pid) != os.getpid() else b""
    except OSError:
        return b""


@pytest.mark.slow
def test_a_self_test_is_remembered_for_this_machine(there):
    done = command(there, "--self-test", "-b", STEPS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Mean: 0.0, of 5 allowed." in done.stdout
    assert self_test.recall().false_rates == {"cells.Counts.track_steps": 0.0}
