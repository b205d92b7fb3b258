"""Stored results as series: one cell of one benchmark on one machine and environment, in the order of commits."""

import itertools
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.repo import NoSuchNameError, get_repo
from asv.results import Results, iter_results_paths
from asv.util import UserError

from ..results import is_number, unfit_runs

HARDWARE = ("os", "arch", "cpu", "num_cpu", "ram")


@dataclass(frozen=True)
class Point:
    """One result: `position` counts the branch's commits; `started_at` is in milliseconds, None where not stored.

    `unfit` says why the machine was no fit to measure then; such a point stays and is not judged.
    """

    commit: str
    position: int
    value: float
    started_at: int | None = None
    unfit: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """Points in commit order. `border` is the index of the first that today's machine measured, `border_reason` why.

    `params` are asv's parameters of the newest result, `environment` those of them that tell environments apart.
    """

    benchmark: str
    cell: str
    machine: str
    environment: str
    unit: str
    less_is_better: bool
    points: tuple[Point, ...]
    border: int = 0
    border_reason: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    index: int = 0

    @property
    def name(self) -> str:
        """The cell as asv names it: its benchmark, with its parameters in brackets."""
        return f"{self.benchmark}({self.cell})" if self.cell else self.benchmark

    @property
    def judged(self) -> tuple[Point, ...]:
        """What detection may use: the newest segment without what was measured on an unfit machine."""
        return tuple(point for point in self.points[self.border :] if not point.unfit)


@dataclass(frozen=True)
class History:
    """Every series, the commits of the branch from the oldest, and what was left out, in words with its count."""

    series: tuple[Series, ...]
    commits: tuple[str, ...]
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class _Value:
    """One number of a results file, before it is put into a series."""

    point: Point
    params: Mapping[str, Any]
    environment: str


def less_is_better(benchmark: Mapping[str, Any]) -> bool:
    """Whether a lower value is the better one: rates ("GFLOP/s") and percentages are better high, all else low."""
    unit = benchmark.get("unit") or ""
    return not (unit.endswith("/s") or unit == "%")


def read(conf: Any, branch: str | None = None, since: str | None = None) -> History:
    """Read every stored series along the first parents of `branch` (the configured ones by default).

    Raises UserError where there is nothing to read: no results, no such branch, none of its commits measured, or
    nothing after `since`, which is a commit or a date.
    """
    try:
        benchmarks = Benchmarks.load(conf)
    except UserError as error:
        raise UserError(f"{error} (measure first: python -m scripts bench)") from None
    commits = _commits(conf, branch, since)
    found = collect(conf, benchmarks, {commit: i for i, commit in enumerate(commits)})
    if not found.series:
        raise UserError(_nothing(conf, commits, found.left_out, since))
    return found


def collect(conf: Any, benchmarks: Mapping[str, Any], positions: Mapping[str, int]) -> History:
    """Read every stored series over the commits of `positions`, in the order that these give."""
    values, left_out = _values(conf, benchmarks, positions)
    return History(tuple(_series(benchmarks, values)), tuple(sorted(positions, key=positions.__getitem__)), left_out)


def _commits(conf: Any, branch: str | None, since: str | None) -> list[str]:
    repo = get_repo(conf)
    try:
        names = [branch] if branch else [repo.get_branch_name(name) for name in conf.branches]
        # First parents, the oldest first: a clock that jumps moves no commit before its parent.
        ends = [repo.get_hash_from_name(name) for name in names]
        newest_first = [commit for end in ends for commit in repo.get_hashes_from_range(end)]
        commits = list(dict.fromkeys(newest_first))[::-1]
        if since is None:
            return commits
        if re.fullmatch(r"\d{4}-\d\d-\d\d", since):
            return _after(conf.repo, commits, since)
        start = repo.get_hash_from_name(since)
    except NoSuchNameError as error:
        raise UserError(f"no branch or commit {str(error) or since or branch!r} in {conf.repo}") from None
    if start not in commits:
        raise UserError(f"--since {since}: {start[:8]} is not on {', '.join(map(str, names))}; --branch names another")
    return commits[commits.index(start) :]


def _after(repo: str, commits: Sequence[str], date: str) -> list[str]:
    log = ["git", "-C", repo, "log", "--no-walk=unsorted", "--stdin", "--format=%H %cs"]
    done = subprocess.run(log, input="\n".join(commits), capture_output=True, text=True, check=False)
    dates = dict(line.split() for line in done.stdout.splitlines())
    return [commit for commit in commits if dates.get(commit, "") >= date]


def _nothing(conf: Any, commits: Sequence[str], left_out: Mapping[str, int], since: str | None) -> str:
    if not left_out:
        return f"no results in {conf.results_dir}: measure first, with python -m scripts bench or run"
    reasons = "; ".join(f"{count} {reason}" for reason, count in left_out.items())
    where = f"since {since}" if since else f"on {', '.join(str(name) for name in conf.branches)}"
    return f"none of the stored results is {where} ({len(commits)} commits; left out: {reasons}). Try --branch HEAD"


def _values(
    conf: Any, benchmarks: Mapping[str, Any], positions: Mapping[str, int]
) -> tuple[dict[tuple[str, int, str, str], list[_Value]], Counter[str]]:
    """Numbers by (benchmark, cell, machine, environment), and what was left out."""
    values: dict[tuple[str, int, str, str], list[_Value]] = {}
    left_out: Counter[str] = Counter()
    unfit: dict[str, Mapping[Any, tuple[str, ...]]] = {}
    for result, machine in _results(Path(conf.results_dir), left_out):
        if result.commit_hash not in positions:
            left_out["results of commits that are not among these"] += 1
            continue
        if machine not in unfit:
            unfit[machine] = unfit_runs(conf.results_dir, machine)
        keys = result.get_result_keys(benchmarks)
        other = [key for key in result.get_all_result_keys() if key in benchmarks and key not in keys]
        left_out["results of another version of their benchmark"] += len(other)
        for name in keys:
            reasons = unfit[machine].get((result.commit_hash, result.env_name, name), ())
            started = result.started_at.get(name)
            try:
                cells = result.get_result_value(name, benchmarks[name]["params"])
            except (KeyError, TypeError, ValueError):
                left_out["damaged results"] += 1
                continue
            for index, value in enumerate(cells):
                if is_number(value):
                    point = Point(
                        result.commit_hash, positions[result.commit_hash], float(value),
                        started if is_number(started) else None, reasons,
                    )  # fmt: skip
                    key = (name, index, machine, result.env_name)
                    values.setdefault(key, []).append(_Value(point, _params(result), result.env_name))
                    left_out["values measured on an unfit machine (kept, not judged)"] += bool(reasons)
                elif value is not None and not (isinstance(value, float) and math.isnan(value)):
                    left_out["values that are no finite number"] += 1
    return values, Counter({reason: count for reason, count in left_out.items() if count})


def _params(result: Any) -> dict[str, Any]:
    return {**result.params, **{f"env-{name}": value for name, value in result.env_vars.items()}}


def _results(folder: Path, left_out: Counter[str]) -> Iterator[tuple[Any, str]]:
    """Every results file that can be read, with its machine; one that can't is named on stderr and counted."""
    for root, file, machine in iter_results_paths(str(folder)):
        path = Path(root, file)
        try:
            result = Results.load(str(path), machine_name=machine)
            # A file may be JSON and no result: its parts are touched here, where it can be named.
            result.get_all_result_keys(), result.params["machine"], result.commit_hash[:8], result.env_vars.items()
        except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
            left_out["files that can't be read"] += 1
            print(f"left out {path}: {str(error) or type(error).__name__}", file=sys.stderr)
        else:
            yield result, machine


def _series(benchmarks: Mapping[str, Any], values: Mapping[tuple[str, int, str, str], list[_Value]]) -> list[Series]:
    labels = _labels({key[3]: rows[-1].params for key, rows in values.items()})
    found = []
    for (name, index, machine, environment), rows in sorted(values.items()):
        benchmark = benchmarks[name]
        cells = list(itertools.product(*benchmark["params"])) or [()]
        rows = sorted(rows, key=lambda row: row.point.position)
        border, reason = _border(rows)
        found.append(
            Series(
                benchmark=name,
                cell=", ".join(cells[index]),
                machine=machine,
                environment=labels[environment],
                unit=benchmark.get("unit") or "",
                less_is_better=less_is_better(benchmark),
                points=tuple(row.point for row in rows),
                border=border,
                border_reason=reason,
                params=rows[-1].params,
                index=index,
            )
        )
    return _join_renamed(found)


def _border(rows: Sequence[_Value]) -> tuple[int, str]:
    """Index of the first result of today's hardware and system, and what changed there; (0, "") where nothing did."""
    newest = {name: rows[-1].params.get(name) for name in HARDWARE}
    for i in range(len(rows) - 1, -1, -1):
        changed = [name for name, value in newest.items() if rows[i].params.get(name) != value]
        if changed:
            return i + 1, ", ".join(f"{name} was {rows[i].params.get(name)}" for name in changed)
    return 0, ""


def _labels(environments: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Short name of each environment: the parameters in which they differ; the Python version where there is one."""
    described = {
        name: {key: str(value or "") for key, value in params.items() if key not in ("machine", *HARDWARE)}
        for name, params in environments.items()
    }
    keys = sorted({key for params in described.values() for key in params})
    differing = [key for key in keys if len({params.get(key, "") for params in described.values()}) > 1]
    return {
        name: ", ".join(f"{key.removeprefix('pip+')} {params.get(key) or '-'}" for key in differing)
        or f"python {params.get('python', '?')}"
        for name, params in described.items()
    }


def _join_renamed(found: Sequence[Series]) -> list[Series]:
    """Put a series before the one that goes on after it on the same hardware under another machine name.

    Whether it is the same machine nobody can tell, so the border between them stays.
    """
    groups: dict[Any, list[Series]] = {}
    for series in found:
        hardware = tuple(str(series.params.get(name)) for name in HARDWARE)
        groups.setdefault((series.benchmark, series.cell, series.environment, hardware), []).append(series)
    joined = []
    for group in groups.values():
        group = sorted(group, key=lambda series: series.points[0].position)
        apart = all(a.points[-1].position < b.points[0].position for a, b in itertools.pairwise(group))
        if not apart:
            joined += group
            continue
        newest = group[-1]
        earlier = tuple(point for series in group[:-1] for point in series.points)
        if earlier:
            reason = newest.border_reason or f"machine was named {group[-2].machine}"
            newest = replace(
                newest, points=earlier + newest.points, border=newest.border + len(earlier), border_reason=reason
            )
        joined.append(newest)
    return sorted(joined, key=lambda series: (series.name, series.machine, series.environment))
