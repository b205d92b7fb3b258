"""A small project with stored results, as asv leaves them, for what reads and publishes them."""

import copy
import itertools
import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from asv import config, util
from asv.results import Results
from asv.runner import BenchmarkResult

FRAMEWORKS = ("torsh", "numpy", "torch", "tensorflow", "jax")
SIZES = ("dispatch", "memory")
MACHINE = dict(machine="box", os="Linux 6.1", arch="x86_64", cpu="A CPU", num_cpu="2", ram="24")
# Seconds on each framework, and what asv stores besides numbers: NaN for n/a, None for a failure.
TIMES = {"torsh": 2e-6, "numpy": 3e-6, "torch": 4e-6, "tensorflow": math.nan, "jax": None}


def git(folder: Path, *args: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    run = subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout.strip()


def commit(folder: Path, subject: str) -> str:
    (folder / "file").write_text(subject)
    git(folder, "add", "-A")
    git(folder, "commit", "-m", subject)
    return git(folder, "rev-parse", "HEAD")


def benchmark(name: str, type: str = "time", unit: str = "seconds", params=(FRAMEWORKS, SIZES)) -> dict:
    names = ["framework", "size"][: len(params)]
    reprs = [list(map(repr, values)) for values in params]
    fields = dict(name=name, type=type, unit=unit, params=reprs, param_names=names)
    return {**fields, "version": "1", "code": "", "timeout": 60}


BENCHMARKS = {
    each["name"]: each
    for each in (
        benchmark("ops.Add.time_call"),
        benchmark("ops.Softmax.time_call"),
        benchmark("ops.Rates.track_gflops", "track", "GFLOP/s"),
        benchmark("ops.Peers.track_ratio", "track", "ratio", params=(SIZES,)),
        benchmark("cold.time_import", params=()),
    )
}


class Project:
    """A git repository with an asv.conf.json; `store` adds results of a commit."""

    settings: ClassVar = dict(
        version=1, project="sample", repo=".", branches=["main"], environment_type="virtualenv",
        results_dir=".asv/results", env_dir=".asv/env", html_dir="html", plugins=[".scripts.plugin"],
    )  # fmt: skip

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "asv.conf.json").write_text(json.dumps(self.settings))
        (folder / "benchmarks").mkdir()
        git(folder, "init", "-b", "main")
        util.write_json(str(self.results / "box/machine.json"), MACHINE, 1)
        util.write_json(str(self.results / "benchmarks.json"), BENCHMARKS, 2)

    def copied(self, folder: Path) -> "Project":
        """The same in another folder: to copy it takes a fifth of the time to make it."""
        shutil.copytree(self.folder, folder)
        other = copy.copy(self)
        other.folder = folder
        return other

    @property
    def results(self) -> Path:
        return self.folder / self.settings["results_dir"]

    @property
    def conf(self):
        """The configuration with absolute paths, for calls made from elsewhere."""
        names = ("repo", "results_dir", "env_dir", "html_dir")
        absolute = {name: str(self.folder / self.settings[name]) for name in names}
        return config.Config.from_json({**self.settings, **absolute})

    def store(
        self, commit_hash: str, names=tuple(BENCHMARKS), scale: float = 1.0, env: str = "env", odd=None
    ) -> Results:
        """Store TIMES times `scale` for the benchmarks `names`; the value `odd` takes the place of torch's."""
        params = {**MACHINE, "python": "3.11", "numba": "0.68.1"}
        day = 1767225600000 + 86400000 * int(scale * 10)
        result = Results(params, {"numba": "0.68.1"}, commit_hash, day, "3.11", env, {})
        for name in names:
            result.add_result(BENCHMARKS[name], self._values(BENCHMARKS[name], scale, odd), duration=1.0)
        result.save(str(self.results))
        return result

    @staticmethod
    def _values(bench: dict, scale: float, odd) -> BenchmarkResult:
        values, samples, number = [], [], []
        for cell in itertools.product(*bench["params"]):
            value = TIMES.get(cell[0].strip("'") if len(cell) == 2 else "torsh")
            if odd is not None and cell and cell[0] == "'torch'":
                value = odd
            timed = bench["type"] == "time" and isinstance(value, float) and math.isfinite(value)
            samples.append([value * scale * (1 + i / 100) for i in range(-3, 4)] if timed else None)
            number.append(1 if timed else None)
            values.append(value * scale if isinstance(value, float) else value)
        return BenchmarkResult(values, samples, number, 0, "", None)


def with_history(project: Project) -> Project:
    """Four commits with results; the last one is slower."""
    for number, scale in enumerate((1.0, 1.0, 1.0, 1.5)):
        project.store(commit(project.folder, f"change {number}"), scale=scale)
    return project
