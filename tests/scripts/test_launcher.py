"""The launcher as a person types it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import asv.commands
import pytest
from asv.util import iter_subclasses

from scripts import commands  # noqa: F401
from scripts.selection import cell_names

ROOT = Path(__file__).parents[2]


def scripts(*args: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "scripts", *args]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def test_help_lists_every_command_once_with_a_line_and_examples():
    shown = scripts("--help")
    assert shown.returncode == 0
    listed = re.findall(r"^  ([a-z-]+)  +\S", shown.stdout, re.MULTILINE)
    names = {command.__name__.lower() for command in iter_subclasses(asv.commands.Command)}
    names = names - {"githubpages"} | {"gh-pages"}
    assert sorted(listed) == sorted(names)
    assert {"bench", "frameworks", "run", "publish"} <= names
    assert shown.stdout.count("\n  python -m scripts ") == 3


def test_a_command_of_asv_works_through_it(project):
    shown = scripts("show", cwd=project.folder)
    assert shown.returncode == 0, shown.stderr
    assert "Commits" in shown.stdout or "box" in shown.stdout


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["bnech"], "no command 'bnech': did you mean bench or bisect?"),
        (["--config", "asv.conf.json", "publsh"], "no command 'publsh': did you mean publish?"),
        (["frameworks", "--sise", "cache"], "no frameworks option '--sise': did you mean --size"),
        (["run", "--skip-exsting"], "no run option '--skip-exsting': did you mean --skip-existing"),
        (["frameworks", "-w", "softmx"], "no workload 'softmx': did you mean softmax"),
        (["frameworks", "--family", "reduc"], "no family 'reduc': did you mean reduce?"),
        (["frameworks", "--size", "memry"], "no size 'memry': did you mean memory?"),
        (["frameworks", "-f", "torhc"], "no framework 'torhc': did you mean tors"),
        (["run", "HEAD^!", "--bench", "Sofmax"], "no benchmark 'Sofmax': did you mean Softmax"),
        (["bench", "-b", "elementwise.Ad[dd]", "-b", "Sotfmax"], "no benchmark 'Sotfmax': did you mean Softmax"),
        (["find", "HEAD~2..HEAD", "elementwize"], "no benchmark 'elementwize': did you mean elementwise?"),
        (["frameworks", "--seconds", "x"], "frameworks: argument --seconds: invalid float value: 'x'"),
    ],
)
def test_an_unknown_name_is_one_line_with_the_nearest(typed, line):
    shown = scripts(*typed)
    assert shown.returncode == 2
    assert shown.stdout == ""
    assert shown.stderr.count("\n") == 1
    assert line in shown.stderr


def test_frameworks_writes_json_to_standard_output_alone(tmp_path):
    options = ["-w", "add", "--size", "dispatch", "-f", "torsh", "-f", "numpy", "--seconds", "0.05", "--json", "-"]
    shown = scripts("frameworks", *options)
    assert shown.returncode == 0, shown.stderr
    data = json.loads(shown.stdout)
    (cell,) = data["cells"]
    assert (cell["workload"], cell["size"], cell["fastest_peer"]) == ("add", "dispatch", "numpy")
    for timed in cell["frameworks"].values():
        assert 0 < timed["low"] <= timed["median"] <= timed["high"]
        assert 0 < timed["fraction_of_peak"]
        assert len(timed["seconds"]) >= 3
    assert data["geometric_mean"] == pytest.approx(cell["factor"]["median"])
    assert "[1/1] add dispatch" in shown.stderr
    assert "above 1 torsh is faster" in shown.stderr


def test_a_pattern_with_parameters_matches_as_asv_matches_it():
    names = cell_names(ROOT / "benchmarks")
    assert len(set(names)) == len(names)
    assert any(re.search(r"norm\.Softmax\.time_call\('torsh', 'cache'\)", name) for name in names)


def test_a_broken_pattern_is_named():
    shown = scripts("run", "--bench", "(")
    assert shown.returncode == 1
    assert "--bench '(' is no regular expression" in shown.stdout + shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_folder_without_a_configuration_is_told_so(tmp_path):
    shown = scripts("bench", cwd=tmp_path)
    assert shown.returncode == 1
    assert "asv.conf" in shown.stderr + shown.stdout
    assert "Traceback" not in shown.stderr
