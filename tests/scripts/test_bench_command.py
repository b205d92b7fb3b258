"""`bench`, the light path: what it chooses, what it shows, and once in full."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from asv.config import Config
from asv.machine import MachineCollection
from asv.util import UserError

from scripts.commands import bench
from tests.scripts.stored_project import commit, git

ROOT = Path(__file__).parents[2]


def test_the_last_commits_are_chosen_and_fewer_where_there_are_fewer(tmp_path):
    git(tmp_path, "init", "-b", "topic")
    hashes = [commit(tmp_path, f"change {i}") for i in range(3)]
    assert bench.last_commits(str(tmp_path), 2) == hashes[1:]
    assert bench.last_commits(str(tmp_path), 9) == hashes
    git(tmp_path, "checkout", "--detach", hashes[1])
    assert bench.last_commits(str(tmp_path), 1) == [hashes[1]]
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--depth", "1", "--branch", "topic", tmp_path.as_uri(), str(shallow))
    assert bench.last_commits(str(shallow), 2) == [hashes[2]]


def test_only_first_parents_are_counted(tmp_path):
    git(tmp_path, "init", "-b", "main")
    base = commit(tmp_path, "base")
    git(tmp_path, "checkout", "-b", "topic")
    (tmp_path / "other").write_text("")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "topic")
    git(tmp_path, "checkout", "main")
    git(tmp_path, "merge", "--no-ff", "-m", "merge", "topic")
    assert bench.last_commits(str(tmp_path), 3) == [base, git(tmp_path, "rev-parse", "HEAD")]


def test_without_git_history_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match="is no git checkout, and bench measures commits: use `git clone`"):
        bench.last_commits(str(tmp_path), 2)
    git(tmp_path, "init")
    with pytest.raises(UserError, match="no commit to measure in"):
        bench.last_commits(str(tmp_path), 2)
    with pytest.raises(UserError, match="--commits 0: at least one"):
        bench.last_commits(str(tmp_path), 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="git is not installed"):
        bench.last_commits(str(tmp_path), 2)


def test_the_light_environment_is_the_full_one_without_the_heavy_packages():
    full, light = (Config.load(str(ROOT / "asv.conf.json")) for _ in range(2))
    bench.drop_heavy(light, ROOT / "pyproject.toml")
    gone = full.matrix["req"].keys() - light.matrix["req"].keys()
    assert {"torch", "tensorflow-cpu", "jax"} <= gone
    assert {"numpy", "numba", "scipy-openblas32", "pip+asv_runner"} <= light.matrix["req"].keys()
    light.matrix["req"] = full.matrix["req"]
    assert vars(light) == vars(full)


def test_the_machine_is_described_once_and_an_answer_given_before_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    bench.know_this_machine()
    name = bench.Machine.get_unique_machine_name()
    known = MachineCollection.load(name)
    assert known["num_cpu"] == str(os.cpu_count())
    MachineCollection.save(name, {**known, "ram": "as I said"})
    bench.know_this_machine()
    assert MachineCollection.load(name)["ram"] == "as I said"


def test_the_table_shows_the_newest_commit_and_the_change_since_the_oldest(project, monkeypatch, capsys):
    monkeypatch.setattr(bench.Machine, "get_unique_machine_name", lambda: "box")

    class Environment:
        name = "env"

    monkeypatch.setattr(bench.environment, "get_environments", lambda conf, spec: [Environment])
    hashes = bench.last_commits(str(project.folder), 4)
    bench.print_table(project.conf, hashes)
    shown = capsys.readouterr().out
    # 2 us and 3 us at first, 1.5 times as much at the last commit.
    assert re.search(r"ops\.Add\.time_call +memory +3\.00μs +4\.50μs +1\.50 +\+50%", shown)
    assert f"since {hashes[0][:8]}" in shown
    assert f"Commit {hashes[-1][:8]}: torsh is 1.50 times as fast as numpy (geometric mean of 4)." in shown
    bench.print_table(project.conf, hashes[-1:])
    assert "since" not in capsys.readouterr().out


@pytest.fixture
def clone(tmp_path) -> Path:
    """This project as it is, as a repository of two commits."""
    folder = tmp_path / "clone"
    listed = git(ROOT, "ls-files", "-co", "--exclude-standard").splitlines()
    for name in filter(lambda name: (ROOT / name).exists(), listed):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "-b", "main")
    commit(folder, "one")
    commit(folder, "two")
    return folder


def run_bench(folder: Path, home: Path, *options: str) -> subprocess.CompletedProcess:
    # pip's cache stays where it is, or each run downloads NumPy again.
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    env = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": cache}
    command = [sys.executable, "-m", "scripts", "bench", "--bench", r"elementwise\.Add\.", *options]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_bench_measures_publishes_and_does_not_measure_twice(clone, tmp_path):
    first = run_bench(clone, tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert re.search(r"ops\.elementwise\.Add\.time_call +dispatch +\S+s +\S+s +\d+\.\d\d +\(?[+-]\d+%", first.stdout)
    assert f"Published in {clone / 'html'}" in first.stdout
    assert (clone / "html/frameworks.html").exists()
    assert "torch" not in first.stdout.split("Published")[0].split("benchmark ")[-1]
    second = run_bench(clone, tmp_path)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Benchmarking" not in second.stdout


@pytest.mark.slow
def test_a_commit_that_does_not_build_is_named_and_the_other_is_measured(clone, tmp_path):
    pyproject = clone / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("flit_core.buildapi", "no_such_backend"))
    commit(clone, "does not build")
    shown = run_bench(clone, tmp_path)
    assert shown.returncode == 2
    assert "no_such_backend" in shown.stdout + shown.stderr
    assert "Some benchmarks failed" in shown.stdout
    assert len(list(clone.glob(".asv/results/*/*-*.json"))) == 2
