"""Cells of built commits, measured in fresh processes: so that two commits can be measured in turn.

A cell is one benchmark with one choice of parameters. The benchmarks are the working tree's for every commit, as asv
has it. A launch is a process of its own and no fork: forks share their memory's layout, and hide how much the times
of one process differ from the next one's.
"""

import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.util import UserError

from .builds import Builds, Side, last_lines

FAR_SIDE = Path(__file__).with_name("launched.py")
# Bytes kept of what a launch prints.
PRINTED = 1 << 20


@dataclass(frozen=True)
class Cell:
    """One benchmark with one choice of parameters; `name` is asv's: "ops.norm.Softmax.time_call('torsh', 'cache')".

    `type` and `unit` are asv's; `timeout` is in seconds; cells of one `process` can be measured in one.
    """

    name: str
    benchmark: str
    id: str
    params: Mapping[str, str]
    type: str
    unit: str
    timeout: float
    process: str


@dataclass(frozen=True)
class Reading:
    """What one launch says of a cell, in its benchmark's unit: the least sample, their median, and all of them."""

    best: float
    median: float
    samples: tuple[float, ...]


@dataclass(frozen=True)
class Failure:
    """Why a launch has no reading of a cell; `skipped` where the benchmark itself said that it does not apply."""

    reason: str
    skipped: bool = False


class Launches:
    """Builds commits for one environment, and measures cells of them; a context manager, as `Builds` is.

    `announce` is called with the name of each cell as it begins.
    """

    def __init__(self, conf: Any, env: Any, announce: Callable[[str], None] = lambda name: None):
        self.conf, self.env, self.announce = conf, env, announce
        self.suite = Path(conf.benchmark_dir).resolve()
        self.builds = Builds(conf, env)
        self.cells: dict[str, Cell] = {}

    def __enter__(self) -> "Launches":
        Benchmarks.check_tree(str(self.suite))
        self.builds.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.builds.__exit__(*exception)

    def build(self, commit: str) -> Side:
        """Build `commit` as `Builds.build` does; raises BuildError."""
        return self.builds.build(commit)

    def discover(self, side: Side, patterns: Sequence[str] = ()) -> dict[str, Cell]:
        """Cells that match one of the regular expressions `patterns`, all without any, by name in asv's order.

        Raises UserError, with what was printed, where the suite can't be imported at this commit.
        """
        done = self._launch(side, {})
        if not done.answers:
            raise UserError(f"the suite can't be imported at {side.commit[:8]}: {last_lines(done.said(0))}")
        try:
            chosen = Benchmarks(self.conf, done.answers[0]["suite"], regex=list(patterns))
        except re.error as error:
            raise UserError(f"--bench is no regular expression: {error}") from None
        found = {cell.name: cell for name in chosen for cell in self._cells(chosen, name)}
        self.cells |= found
        return found

    def _cells(self, chosen: Any, name: str) -> Iterator[Cell]:
        benchmark = chosen[name]
        timeout = benchmark.get("timeout") or self.conf.default_benchmark_timeout
        shared = benchmark.get("setup_cache_key")
        if shared:
            timeout += benchmark.get("setup_cache_timeout") or timeout
        combinations = list(itertools.product(*benchmark["params"]))
        selected = chosen.benchmark_selection[name]
        for index in [None] if selected is None else selected:
            values = combinations[index or 0]
            full, identity = (name, name) if index is None else (f"{name}({', '.join(values)})", f"{name}-{index}")
            params = dict(zip(benchmark["param_names"], values, strict=False))
            process = shared or ("time" if benchmark["type"] == "time" else full)
            yield Cell(full, name, identity, params, benchmark["type"], benchmark["unit"], timeout, process)

    def measure(self, side: Side, names: Iterable[str]) -> dict[str, Reading | Failure]:
        """Launch the cells `names`, which `discover` gave, at `side` in fresh processes; answers in their order.

        Times share one process, which imports the suite once, and so does what shares a `setup_cache`, which is made
        anew in each launch: what it measured once must not be read twice. What else a benchmark tracks may depend on
        what its process did before (its peak of memory), and has a process of its own. A process that dies takes the
        cell with it that it was at; the rest goes on in another.
        """
        cells = [self.cells[name] for name in names]
        answers: dict[str, Reading | Failure] = {}
        for process in dict.fromkeys(cell.process for cell in cells):
            together = [cell for cell in cells if cell.process == process]
            while waiting := [cell for cell in together if cell.name not in answers]:
                answers |= self._measure_together(side, waiting)
        return {cell.name: answers[cell.name] for cell in cells}

    def trace(self, side: Side, names: Iterable[str]) -> dict[str, frozenset[Path]]:
        """Files of the Python functions that each cell runs at `side`; a cell that fails is left out."""
        asked = [self._asked(self.cells[name]) for name in names]
        done = self._launch(side, {"cells": asked, "trace": True})
        found = (answer for answer in done.answers if "files" in answer)
        return {answer["cell"]: frozenset(map(Path, answer["files"])) for answer in found}

    @staticmethod
    def _asked(cell: Cell) -> dict[str, Any]:
        return {"name": cell.name, "id": cell.id, "timeout": cell.timeout}

    def _measure_together(self, side: Side, cells: Sequence[Cell]) -> dict[str, Reading | Failure]:
        done = self._launch(side, {"cells": [self._asked(cell) for cell in cells], "trace": False})
        answers: dict[str, Reading | Failure] = {}
        begun: dict[str, Any] = {}
        for answer in done.answers:
            if "begun" in answer:
                begun = answer
            else:
                answers[answer["cell"]] = _answer(answer, done.said(begun["printed"]))
                begun = {}
        if begun:
            answers[begun["begun"]] = Failure(self._death(begun, done))
        elif not answers:
            reason = last_lines(done.said(0)) or f"status {done.status}"
            answers = {cell.name: Failure(f"the benchmark's process did not start: {reason}") for cell in cells}
        return answers

    def _death(self, begun: Mapping[str, Any], done: "_Done") -> str:
        if done.status == -signal.SIGALRM:
            return f"it took longer than its timeout of {self.cells[begun['begun']].timeout:g} s"
        how = f"signal {signal.Signals(-done.status).name}" if done.status < 0 else f"status {done.status}"
        return f"its process died with {how} {last_lines(done.said(begun['printed']))}".strip()

    def _launch(self, side: Side, task: Mapping[str, Any]) -> "_Done":
        """Run the far side to its end; whatever happens, Ctrl-C too, nothing that it started is left."""
        variables = {**os.environ, **self.env._global_env_vars, **self.env.env_vars}
        variables |= {"ASV_COMMIT": side.commit, "PYTHONPATH": str(side.folder), "PYTHONNOUSERSITE": "1"}
        python = self.env.find_executable("python")
        near, far = os.pipe()
        with (
            tempfile.TemporaryDirectory(prefix="launch-", ignore_cleanup_errors=True) as scratch,
            tempfile.TemporaryFile() as printed,
            os.fdopen(near, encoding="utf-8") as report,
        ):
            request = {"suite": str(self.suite), "report": far, "scratch": scratch, **task}
            Path(scratch, "task.json").write_text(json.dumps(request))
            # In a group of its own: Ctrl-C reaches this process alone, which then ends all of that group. A session of
            # its own would also be scheduled as one, whatever its priority.
            process = subprocess.Popen(
                [python, "-P", str(FAR_SIDE), f"{scratch}/task.json"], env=variables, cwd=scratch, pass_fds=[far],
                stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, process_group=0,
            )  # fmt: skip
            try:
                os.close(far)
                lines = list(self._listen(report))
                status = process.wait()
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            return _Done(status, lines, os.pread(printed.fileno(), PRINTED, 0))

    def _listen(self, report: Iterable[str]) -> Iterator[dict[str, Any]]:
        # A process that is killed may leave a line unfinished.
        for line in (line for line in report if line.endswith("\n")):
            answer = json.loads(line)
            if "begun" in answer:
                self.announce(answer["begun"])
            yield answer


@dataclass(frozen=True)
class _Done:
    """A launch that has ended: what it reported, and what it printed."""

    status: int
    answers: Sequence[dict[str, Any]]
    printed: bytes

    def said(self, since: int) -> str:
        return self.printed[since:].decode(errors="replace")


def _answer(answer: Mapping[str, Any], printed: str) -> Reading | Failure:
    if "failed" in answer:
        return Failure(answer["failed"])
    if "skipped" in answer:
        # asv_runner prints why, and keeps it nowhere.
        why = re.search(r"asv: skipped: NotImplementedError\((.*)\)", printed)
        return Failure(why[1].strip("'\"") if why and why[1] else "it does not apply here", skipped=True)
    samples = answer["samples"]
    return Reading(min(samples), statistics.median(samples), tuple(samples))
