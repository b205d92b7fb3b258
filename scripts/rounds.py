"""Runs of asv that go on where they were interrupted, and that end when a precision is reached.

asv measures in rounds; interleaved, each round forks a process for every cell from a server of its own. Between
asv's loop over rounds and commits and its loop over benchmarks stands `Rounds.measure`, which leaves out what an
interrupted run has done in that round, and what is precise enough.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import asv.commands.run as asv_run
from asv.console import log

from . import tags
from .conditions import unfit
from .machine import write_atomically
from .precision import Noise, kinds_of, standard_error

# Not .json: asv takes those for results.
UNFINISHED = "unfinished.runs"


class PreciseEnough(Exception):
    """Ends asv's loop over rounds: every cell has the precision asked for."""


@dataclass
class Rounds:
    """The rounds of one run, of which an interrupted one may have done a part.

    selection: what was asked for, as text; the same again goes on, unless `afresh`. keep_stored: results of other
    runs are left out too. precision: relative standard error at which a cell is left alone; None is never.
    """

    results_dir: Path
    selection: str
    afresh: bool = False
    keep_stored: bool = False
    precision: float | None = None
    noise: Noise = field(default_factory=Noise)

    def __post_init__(self) -> None:
        self.unfinished = Unfinished(self.results_dir / UNFINISHED)
        former = None if self.afresh else self.unfinished.runs().get(self.selection)
        self.name = former or datetime.now().isoformat(" ", "milliseconds")
        self.round, self.failed = 0, False
        # Of (commit, environment, benchmark, version): rounds that the interrupted run had left for it.
        self.left: dict[tuple[str, str, str, str | None], int] = {}
        # Of (commit, environment): cells that are not precise yet, and all that have a time.
        self.imprecise: dict[tuple[str, str], tuple[int, int]] = {}
        for tag in tags.read_all(self.results_dir) if former else ():
            if tag.run == former:
                self.left[tag.commit, tag.environment, tag.benchmark, tag.version] = tag.rounds_left
        if self.left:
            say(f"going on with the run of {self.name[:16]}: results kept: {len(self.left)} (--afresh: none)")

    @contextmanager
    def underway(self) -> Iterator[None]:
        """Stand in asv's loop; the run is finished when that ends by itself."""
        run_benchmarks, stored = asv_run.run_benchmarks, asv_run.iter_results_for_machine_and_hash

        def measure(*args: Any, **options: Any) -> Any:
            return self.measure(run_benchmarks, *args, **options)

        def kept(*args: Any) -> Iterator[Any]:
            return map(self.without_unfinished, stored(*args))

        asv_run.run_benchmarks, asv_run.iter_results_for_machine_and_hash = measure, kept
        try:
            yield
        except PreciseEnough:
            pass
        finally:
            asv_run.run_benchmarks, asv_run.iter_results_for_machine_and_hash = run_benchmarks, stored
        self.unfinished.end(self.selection)

    def say_unfit(self) -> None:
        """Say how much of this run was measured while the machine was unfit."""
        measured = [tag for tag in tags.read_all(self.results_dir) if tag.run == self.name]
        reasons = [found[0] for tag in measured if (found := unfit(tag.conditions))]
        if reasons:
            say(
                f"{len(reasons)} of {len(measured)} measurements were taken on an unfit machine (the last: "
                f"{reasons[-1]}). They are kept and shown; history leaves them out. doctor says what to mend"
            )

    def without_unfinished(self, result: Any) -> Any:
        """Take out of a stored result what this run still has to measure, since asv skips what it finds."""
        for name in list(result.get_all_result_keys()):
            key = (result.commit_hash, result.env_name, name, result.benchmark_version.get(name))
            if self.left.get(key, 0 if self.keep_stored else 1):
                result.remove_result(name)
        return result

    def measure(
        self,
        run_benchmarks: Callable[..., Any],
        benchmarks: Any,
        env: Any,
        results: Any,
        run_rounds: list[int] | None = None,
        **options: Any,
    ) -> Any:
        """Call asv's `run_benchmarks` on what is left of this round."""
        if run_rounds and run_rounds[0] != self.round:
            self._begin(run_rounds[0])
        chosen = _only(benchmarks, self._to_do(benchmarks, results, run_rounds))
        if chosen:
            self.unfinished.begin(self.selection, self.name)
            rounds = {name: run_rounds[0] if run_rounds else int(b.get("rounds", 1)) for name, b in chosen.items()}
            results.run, results.rounds_left = self.name, rounds
            run_benchmarks(chosen, env, results=results, run_rounds=run_rounds, **options)
            self.failed |= any(results.errcode.values())
        if self.precision:
            timed, to_do = self._rounds(results), self._to_do(benchmarks, results)
            count = sum(bool(values) for cells in timed.values() for values in cells)
            self.imprecise[results.commit_hash, env.name] = (sum(map(len, to_do.values())), count)
        return results

    def _begin(self, number: int) -> None:
        self.round = number
        wanted, timed = map(sum, zip(*self.imprecise.values(), strict=True)) if self.imprecise else (0, 0)
        if self.imprecise and not wanted:
            raise PreciseEnough
        if wanted:
            say(f"{wanted} of {timed} cells are not at ±{self.precision:.1%} yet; rounds to come: at most {number}")

    def _to_do(self, benchmarks: Any, results: Any, run_rounds: list[int] | None = None) -> dict[str, list[int]]:
        """Cells of each benchmark that are to be measured in this round, or in any."""
        found = {}
        timed = self._rounds(results) if self.precision else {}
        for name, benchmark in benchmarks.items():
            key = (results.commit_hash, results.env_name, name, benchmark["version"])
            if run_rounds and self.left.get(key, run_rounds[0]) < run_rounds[0]:
                continue
            cells = benchmarks.benchmark_selection.get(name) or list(range(len(kinds_of(benchmark))))
            if name in timed:
                cells = [cell for cell in cells if self._imprecise(timed[name][cell], kinds_of(benchmark)[cell])]
            if cells:
                found[name] = cells
        return found

    def _imprecise(self, values: list[float], kind: str) -> bool:
        # A cell without a time failed, is n/a, or counts something else: no more rounds for it.
        return bool(values) and standard_error(values, self.noise.of(kind)) > (self.precision or 0)

    def _rounds(self, results: Any) -> Mapping[str, list[list[float]]]:
        """Of each benchmark that this run has measured: the times of each cell, one a round."""
        found: dict[str, list[list[float]]] = defaultdict(list)
        for tag in tags.read(tags.beside(Path(results.kept_in, results._filename))):
            if tag.run == self.name:
                cells = found[tag.benchmark]
                cells += [[] for _ in tag.medians[len(cells) :]]
                for values, value in zip(cells, tag.medians, strict=True):
                    values += [value] if value else []
        return found


def _only(benchmarks: Any, cells: Mapping[str, list[int]]) -> Any:
    """Give asv's `benchmarks` with these cells of them."""
    chosen = benchmarks.filter_out(set(benchmarks) - set(cells))
    for name, benchmark in chosen.items():
        if benchmark["params"]:
            chosen.benchmark_selection[name] = cells[name]
    return chosen


class Unfinished:
    """Names of the runs that have begun and not ended, by what was asked for, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def runs(self) -> dict[str, str]:
        """Give all of them; none where the file is missing or damaged: then everything is measured."""
        try:
            stored = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return stored if isinstance(stored, dict) else {}

    def begin(self, selection: str, name: str) -> None:
        """Remember that the run `name` has begun."""
        if (runs := self.runs()).get(selection) != name:
            self._write({**runs, selection: name})

    def end(self, selection: str) -> None:
        """Forget the run of `selection`."""
        runs = self.runs()
        if runs.pop(selection, None):
            self._write(runs)

    def _write(self, runs: dict[str, str]) -> None:
        write_atomically(self.path, json.dumps(runs, indent=1) + "\n")


def say(line: str) -> None:
    """Print a line of progress, on a line of its own."""
    log.flush()
    print(line, file=sys.stderr, flush=True)
