"""Cells of a real commit, measured over and over as this suite does and as stock asv does, for equal precision.

Both designs run through asv's own runner, in the same environment, in turn. How much a design's result differs from
one measurement to the next is its precision; seconds times variance is what a given precision costs, since variance
falls as one over the number of repetitions.
"""

import itertools
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from asv.benchmarks import Benchmarks
from asv.commands.setup import Setup
from asv.environment import get_environments
from asv.repo import get_repo
from asv.results import Results
from asv.runner import run_benchmarks
from asv.util import UserError

from ..commands.bench import drop_heavy
from ..precision import relative_spread
from ..results import geometric_mean, is_number, plain
from .progress import Progress

# Dispatch-bound, cache-resident and memory-bound, in Python, compiled code and BLAS.
CELLS = (
    r"^ops\.elementwise\.Add\.time_call\('(torsh|numpy)', '(dispatch|memory)'\)",
    r"^ops\.norm\.Softmax\.time_call\('(torsh|numpy)', 'cache'\)",
    r"^ops\.linalg\.Matmul\.time_call\('(torsh|numpy)', 'cache'\)",
)
# asv's defaults, which the suite's attributes replace: two processes, 0.1 s of warm-up, five samples of 10 ms in each.
STOCK = {"rounds": 2, "repeat": 0, "sample_time": 0.01, "warmup_time": 0.1}
TARGET = 0.02
# What the environment of `bench`, which this uses, leaves out.
HEAVY_FRAMEWORKS = ("torch", "tensorflow", "jax")


@dataclass
class Design:
    """One way to measure, and what it gave: seconds and results of each cell, one for each repetition."""

    name: str
    launch_method: str
    attributes: dict[str, Any]
    durable: bool
    seconds: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    results: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def seconds_a_cell(self) -> float:
        """Median over repetitions of the mean over cells; starting a server is not in it."""
        return median(self.seconds) / len(self.results)

    def spread(self, cell: str) -> float:
        """Relative standard deviation of one measurement of `cell`."""
        return relative_spread(self.results[cell])

    def seconds_to(self, target: float, cell: str) -> float:
        """Seconds to the standard error `target`: extrapolated, as so many repetitions of what was measured."""
        return self.seconds_a_cell * (self.spread(cell) / target) ** 2


def measure(conf: Any, commit: str | None, repetitions: int, progress: Progress) -> dict[str, Any]:
    """Measure CELLS of `commit` (HEAD where None) with both designs; gives what the report shows."""
    conf.branches = ["HEAD"]
    drop_heavy(conf)
    repo = get_repo(conf)
    commit = repo.get_hash_from_name(commit or "HEAD")
    (env, *_) = environments = list(get_environments(conf, []))
    progress.say(f"building commit {commit[:8]}; the first time its environment too, about a minute")
    Setup.perform_setup(environments)
    build = _seconds(lambda: env.install_project(conf, repo, commit))
    every: Any = None

    def discover() -> None:
        nonlocal every
        every = Benchmarks.discover(conf, repo, environments, [commit])

    discovery = min(_seconds(discover) for _ in range(2))
    chosen = Benchmarks(conf, every.values(), regex=list(CELLS))
    if not chosen:
        raise UserError(f"commit {commit[:8]} has none of the benchmarks that cost measures: name another by --commit")
    designs = [
        Design("this suite", "forkserver", {}, durable=True),
        Design("stock asv", "spawn", STOCK, durable=False),
    ]
    for repetition in range(repetitions):
        progress.step(repetition, repetitions, "cells of both designs")
        for design in designs[:: 1 if repetition % 2 else -1]:
            _repeat(design, chosen, env, commit)
    return _report(designs, commit, build, discovery, _count(every))


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class _Watched(Results):
    """Results that know when the first benchmark began."""

    began: float | None = None

    def add_result(self, benchmark: Any, result: Any, started_at: Any = None, **options: Any) -> None:
        if self.began is None:
            self.began = started_at.timestamp()
        super().add_result(benchmark, result, started_at=started_at, **options)


def _repeat(design: Design, chosen: Any, env: Any, commit: str) -> None:
    with _results(design, env, commit) as results:
        start = time.time()
        run_benchmarks(
            chosen,
            env,
            results=results,
            extra_params=design.attributes,
            record_samples=design.durable,
            launch_method=design.launch_method,
        )
        end = time.time()
    # A commit pays for the start of a server once, however many cells it has.
    design.starts.append(results.began - start)
    design.seconds.append(end - results.began)
    for name, benchmark in chosen.items():
        values = results.get_result_value(name, benchmark["params"])
        for index in chosen.benchmark_selection[name]:
            if is_number(values[index]):
                design.results[_cell(benchmark, index)].append(values[index])


@contextmanager
def _results(design: Design, env: Any, commit: str) -> Iterator[Any]:
    """Give results that are written as they come, as here, or not before the end, as in stock asv."""
    with tempfile.TemporaryDirectory(prefix="asv-cost-") as folder:
        params = {"machine": "machine", "python": env.python}
        results = _Watched(params, env.requirements, commit, 0, env.python, env.name, env.env_vars)
        if design.durable:
            results.load_data(folder)
        yield results
        results.save(folder)


def _cell(benchmark: Any, index: int) -> str:
    params: list[str] = []
    for values in reversed(benchmark["params"]):
        index, at = divmod(index, len(values))
        params.insert(0, plain(values[at]))
    return f"{re.sub(r'[.]time_call$', '', benchmark['name'])} {' '.join(params)}"


def _count(benchmarks: Any) -> int:
    """Cells that this environment has: those of the light frameworks, and of benchmarks that name none."""
    return sum(
        not set(cell) & {repr(name) for name in HEAVY_FRAMEWORKS}
        for benchmark in benchmarks.values()
        for cell in itertools.product(*benchmark["params"])
    )


def _report(designs: list[Design], commit: str, build: float, discovery: float, count: int) -> dict[str, Any]:
    ours, stock = designs
    cells = {
        cell: {
            design.name: {"spread": design.spread(cell), "seconds_to_target": design.seconds_to(TARGET, cell)}
            for design in designs
        }
        for cell in ours.results
        if cell in stock.results
    }
    if not cells:
        raise UserError(f"no cell of commit {commit[:8]} gave a time: python -m scripts run -e says why")
    ratios = [
        found[stock.name]["seconds_to_target"] / found[ours.name]["seconds_to_target"]
        for found in cells.values()
        if found[ours.name]["seconds_to_target"]
    ]
    summary = {
        design.name: {
            "seconds_a_cell": design.seconds_a_cell,
            "start_seconds": median(design.starts),
            "median_spread": median(design.spread(cell) for cell in cells),
            "seconds_to_target_a_cell": median(design.seconds_to(TARGET, cell) for cell in cells),
            "seconds_a_commit_extrapolated": build + discovery + median(design.starts) + count * design.seconds_a_cell,
        }
        for design in designs
    }
    return {
        "commit": commit,
        "target": TARGET,
        "repetitions": len(ours.seconds),
        "build_seconds": build,
        "discovery_seconds": discovery,
        "cells_of_the_suite": count,
        "designs": summary,
        "cells": cells,
        "factor_at_equal_precision": geometric_mean(ratios),
    }
