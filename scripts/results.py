"""Read stored asv results as rows: one workload at one size, its time on each framework."""

import ast
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asv.results import Results

from . import tags
from .conditions import unfit

FRAMEWORK = "framework"


@dataclass(frozen=True)
class Time:
    """Median seconds, with asv's 99 % interval where it has one."""

    median: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """One case of a benchmark and its time on each framework that was measured."""

    benchmark: str
    case: str
    times: Mapping[str, Time]

    def speedup(self, name: str) -> float | None:
        """How many times faster `name` is than the fastest of the others; None where it or they are missing."""
        others = [time.median for other, time in self.times.items() if other != name]
        return min(others) / self.times[name].median if others and name in self.times else None


def rows(result: Results, benchmarks: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Rows of every timing benchmark with a framework parameter; a cell without a time is left out."""
    found = []
    for name in sorted(result.get_result_keys(benchmarks)):
        benchmark = benchmarks[name]
        if benchmark["type"] != "time" or FRAMEWORK not in benchmark["param_names"]:
            continue
        params = benchmark["params"]
        values = result.get_result_value(name, params)
        stats = result.get_result_stats(name, params)
        cells = zip(itertools.product(*params), values, stats, strict=True)
        found += _rows_of(name, benchmark["param_names"], cells)
    return found


def _rows_of(name: str, param_names: Sequence[str], cells: Iterable[tuple[Any, Any, Any]]) -> list[Row]:
    at = param_names.index(FRAMEWORK)
    cases: dict[tuple[str, ...], dict[str, Time]] = {}
    for params, value, stats in cells:
        times = cases.setdefault(params[:at] + params[at + 1 :], {})
        if is_number(value):
            times[plain(params[at])] = Time(value, *_bounds(stats))
    return [Row(name, ", ".join(map(plain, case)), times) for case, times in cases.items() if times]


def unfit_runs(results_dir: str | Path, machine: str) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """Reasons why a stored result can't be trusted, by (commit hash, environment name, benchmark name).

    Only what was measured when the machine was unfit is in it: what else runs, steal, pressure, clocks. A result
    that several rounds make up has the reasons of each. It stays stored and drawn; detection leaves it out.
    """
    found: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for tag in tags.read_all(Path(results_dir), machine):
        key = (tag.commit, tag.environment, tag.benchmark)
        former = found.get(key, ()) if tag.added else ()
        found[key] = (*former, *(reason for reason in unfit(tag.conditions) if reason not in former))
    return {key: reasons for key, reasons in found.items() if reasons}


def is_number(value: Any) -> bool:
    """Whether a stored result is one: a failure is None, n/a is NaN, and a file may hold anything."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def _bounds(stats: Mapping[str, float] | None) -> tuple[float | None, float | None]:
    low, high = ((stats or {}).get(key) for key in ("ci_99_a", "ci_99_b"))
    return (low, high) if is_number(low) and is_number(high) else (None, None)


def plain(param: str) -> str:
    """Give a parameter as a person reads it: asv stores its repr, "'torsh'" for torsh."""
    try:
        return str(ast.literal_eval(param))
    except (ValueError, SyntaxError):
        return param


def geometric_mean(ratios: Iterable[float]) -> float | None:
    """Geometric mean, None of nothing."""
    logs = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logs) / len(logs)) if logs else None
