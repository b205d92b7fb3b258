"""`publish` on made results, with our plugin and without: a repository and results that no machine measured."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from math import exp
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.results import Results
from asv.runner import BenchmarkResult
from asv.util import UserError, write_json

from .progress import Progress

ROOT = Path(__file__).parents[2]
MACHINE = {"machine": "made", "os": "made", "arch": "made", "cpu": "made", "num_cpu": "1", "ram": "1"}
# Of each result; a benchmark in ten becomes 10 % slower, once, somewhere.
NOISE, STEP = 0.01, 0.1
FIRST_COMMIT, COMMIT_SECONDS = 1_700_000_000, 3600


def measure(commits: int, benchmarks: int, progress: Progress, seed: int = 0) -> dict[str, Any]:
    """Publish `commits` made results files of `benchmarks` each with both; gives seconds by who published."""
    with tempfile.TemporaryDirectory(prefix="asv-cost-") as name:
        folder = Path(name)
        progress.say(f"making {commits} commits with results of {benchmarks} benchmarks")
        make(folder, commits, benchmarks, seed)
        seconds = {}
        for who, plugins in (("this suite", [".scripts.plugin"]), ("stock asv", [])):
            progress.say(f"publishing them: {who}")
            seconds[who] = _publish(folder, plugins)
    return {"commits": commits, "benchmarks": benchmarks, "made": True, "seed": seed, "seconds": seconds}


def make(folder: Path, commits: int, benchmarks: int, seed: int) -> None:
    """Write a git repository and results into `folder`; the same `seed` gives the same."""
    hashes = _repository(folder, commits)
    draw = random.Random(seed)
    names = [f"made.Benchmark{number:03}.time_made" for number in range(benchmarks)]
    known = {name: _benchmark(name) for name in names}
    base = {name: 10 ** draw.uniform(-6, -2) for name in names}
    slower = {name: draw.randrange(commits) for name in names[::10]}
    results_dir = folder / ".asv/results"
    write_json(str(results_dir / "made/machine.json"), MACHINE, 1)
    write_json(str(results_dir / "benchmarks.json"), known, Benchmarks.api_version)
    for number, commit in enumerate(hashes):
        date = (FIRST_COMMIT + number * COMMIT_SECONDS) * 1000
        result = Results({**MACHINE, "python": "3.11"}, {}, commit, date, "3.11", "made", {})
        for name, benchmark in known.items():
            level = base[name] * (1 + STEP if number >= slower.get(name, commits) else 1)
            samples = [level * exp(draw.gauss(0, NOISE)) for _ in range(5)]
            result.add_result(benchmark, BenchmarkResult([level], [samples], [1], 0, "", None), duration=0.1)
        result.save(str(results_dir))


def _repository(folder: Path, commits: int) -> list[str]:
    lines = []
    for number in range(commits):
        when = FIRST_COMMIT + number * COMMIT_SECONDS
        lines.append(f"commit refs/heads/main\ncommitter made <made@example.org> {when} +0000\ndata 4\nmade\n")
        lines.append(f"M 100644 inline file\ndata {len(str(number))}\n{number}\n")
    _git(folder, "init", "--quiet", "--initial-branch", "main")
    _git(folder, "fast-import", "--quiet", stdin="".join(lines))
    return _git(folder, "rev-list", "--reverse", "main").split()


def _git(folder: Path, *words: str, stdin: str = "") -> str:
    try:
        done = subprocess.run(["git", *words], cwd=folder, input=stdin, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise UserError("git is not installed, and publish reads commits: install git") from None
    return done.stdout


def _benchmark(name: str) -> dict[str, Any]:
    fields = {"name": name, "type": "time", "unit": "seconds", "params": [], "param_names": [], "version": "1"}
    return {**fields, "code": "", "timeout": 60}


def _publish(folder: Path, plugins: list[str]) -> float:
    conf = {"version": 1, "project": "made", "repo": ".", "branches": ["main"], "environment_type": "virtualenv"}
    folders = {"results_dir": ".asv/results", "env_dir": ".asv/env", "html_dir": "html", "benchmark_dir": "made"}
    (folder / "asv.conf.json").write_text(json.dumps({**conf, **folders, "plugins": plugins}))
    command = [sys.executable, "-m", "asv", "publish", "--no-pull"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-3:]
        raise UserError("asv publish failed on made results: " + " | ".join(last))
    return time.perf_counter() - start
