"""`bisect` on a real repository: built, launched and measured for real."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from asv.config import Config
from asv.util import UserError

from scripts.commands.bisect import Bisect
from tests.scripts.buildable import BACKEND, begin, keep, pyproject, settings
from tests.scripts.stored_project import git

ROOT = Path(__file__).parents[3]
WORK = '''\
"""Work, as of change {change}."""


def work(n):
    total = 0
    for i in range(n):
        total += i
{more}    return total
'''
MORE = "    for i in range(n // 2):\n        total += i\n"
# Processor time: what a test runs beside takes turns with it, and must not count.
SUITE = """\
import time

from line import work


class Work:
    timer = time.process_time
    rounds, repeat, sample_time, warmup_time, version = 1, 5, 0.005, 0.0, "1"

    def time_work(self):
        work(20000)

    def time_absent(self):
        raise ValueError("absent everywhere")
"""
COMMITS, SLOWER, BROKEN = 64, 23, (5, 32, 52)


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """64 commits after the first, slower by a half from the 23rd on, of which three do not build."""
    folder = tmp_path_factory.mktemp("line") / "project"
    files = {
        "suite/__init__.py": "",
        "suite/cells.py": SUITE,
        ".gitignore": ".asv/\n__pycache__/\n",
        "asv.conf.json": json.dumps(conf_of(folder)),
    }
    begin(folder, files)
    (folder / "line").mkdir()
    for change in range(COMMITS + 1):
        (folder / "pyproject.toml").write_text(pyproject("line", "no_such_backend" if change in BROKEN else BACKEND))
        text = WORK.format(change=change, more=MORE if change >= SLOWER else "")
        (folder / "line/__init__.py").write_text(text)
        keep(folder, f"change {change}")
    return folder


def conf_of(folder: Path) -> dict:
    return settings(folder, "line", "suite", "--force-reinstall", environment_type="virtualenv")


def start(folder: Path, *words: str) -> subprocess.Popen:
    here = ["-E", f"existing:{sys.executable}"]
    command = [sys.executable, "-m", "scripts"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    return subprocess.Popen([*command, "bisect", *words, *here], cwd=folder, env=env, **both)


@pytest.mark.slow
def test_it_is_interrupted_goes_on_and_names_the_commit(line, tmp_path):
    words = ("HEAD~64..HEAD", "time_work", "--json", str(tmp_path / "found.json"))
    first = start(line, *words)
    kept = line / ".asv/bisect"
    while first.poll() is None and not list(kept.glob("*.json")):
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130, said
    assert "the same command goes on" in said and "Traceback" not in said
    measured = len(json.loads(next(kept.glob("*.json")).read_text())["launches"])
    assert json.loads((tmp_path / "found.json").read_text())["interrupted"]

    second = start(line, *words)
    shown, said = second.communicate(timeout=400)
    assert second.returncode == 0, shown + said
    assert f"going on after {measured} launches" in said
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["state"] == "found" and found["probability"] >= found["certainty"]
    assert f"change {SLOWER}" in [suspect["subject"] for suspect in found["suspects"]]
    assert len(found["suspects"]) <= 3
    assert 0.2 < found["change"]["low"] < found["change"]["high"] < 1.0
    # The middle is asked for first, and does not build.
    reason = found["broken"][git(line, "rev-parse", f"HEAD~{COMMITS - 32}")]
    assert "does not build" in reason and "no_such_backend" in reason
    assert "not measured:" in shown and f"change {SLOWER}" in shown

    third = start(line, *words)
    shown, said = third.communicate(timeout=200)
    assert third.returncode == 0
    assert len(json.loads((tmp_path / "found.json").read_text())["readings"]) == len(found["readings"])


@pytest.mark.slow
def test_ends_that_do_not_differ_and_ends_that_cannot_be_measured(line, capsys, monkeypatch):
    monkeypatch.chdir(line)
    existing = [f"existing:{sys.executable}"]

    def run(*commits, bench="time_work"):
        return Bisect.run(
            Config.from_json(conf_of(line)), commits, bench, environment=existing, certainty=0.8, max_minutes=3
        )

    assert run("HEAD~4..HEAD") == 3
    assert "No step that makes it slower" in capsys.readouterr().out
    with pytest.raises(UserError, match="no benchmark matches 'nosuch' at the good end"):
        run("HEAD~4..HEAD", bench="nosuch")
    with pytest.raises(UserError, match="time_absent can't be measured: ValueError: absent everywhere"):
        run("HEAD~4..HEAD", bench="time_absent")
    with pytest.raises(UserError, match=r"the bad end can't be measured.*does not build"):
        run(f"HEAD~64..HEAD~{COMMITS - 5}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(certainty=1.0), "--certainty 1.0"),
        (dict(certainty=float("nan")), "--certainty nan"),
        (dict(within=0), "--within 0"),
        (dict(effect=-0.01), "--effect -1"),
        (dict(max_minutes=0), "--max-minutes 0"),
    ],
)
def test_a_number_that_cannot_be_meant_is_told(options, message):
    with pytest.raises(UserError, match=message):
        Bisect.run(None, ["HEAD~1..HEAD"], "time_work", **options)
