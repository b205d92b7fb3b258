"""What `history` shows and writes: a table, Markdown, JSON and CSV."""

import csv
import io
import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asv.util import human_value
from rich.console import Console
from rich.table import Table

from ..machine import write_atomically
from .baselines import Difference
from .series import History
from .verdicts import STATES, Change, Verdict

FORMAT = 1
COLUMNS = ("state", "benchmark", "change", "95 %", "severity", "commits", "now", "seen by")
CSV_COLUMNS = (
    "state", "benchmark", "machine", "environment", "severity", "effect", "effect_low", "effect_high",
    "after", "commit", "up_to", "commits", "level", "unit", "noise", "values", "unfit",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """All verdicts, what was left out of them, and the differences to a baseline where one was given."""

    history: History
    verdicts: Sequence[Verdict]
    hash_length: int
    baseline: Sequence[Difference] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Series in each state, the worst state first."""
        found = Counter(verdict.state for verdict in self.verdicts)
        return {state: found[state] for state in STATES if found[state]}

    def shown(self, every: bool) -> list[Verdict]:
        """Verdicts worth a line, the worst first: all of them, or those that are neither stable nor too short."""
        chosen = [v for v in self.verdicts if every or v.state not in ("stable", "too short")]
        return sorted(chosen, key=lambda v: (STATES.index(v.state), -abs(v.effect or v.drift), v.series.name))


def rows(report: Report, every: bool) -> list[tuple[str, ...]]:
    """Cells of the table, by COLUMNS."""
    return [_row(verdict, report.hash_length) for verdict in report.shown(every)]


def _row(verdict: Verdict, length: int) -> tuple[str, ...]:
    series = verdict.series
    where = f" [{series.machine}; {series.environment}]"
    change = _headline(verdict)
    now = _value(verdict.levels[-1], series.unit) if verdict.levels else f"{len(series.judged)} values"
    if change is None:
        size = verdict.drift if verdict.state == "drifting" else 0.0
        if verdict.excursions and verdict.state == "temporary":
            worst = max((e for e in verdict.excursions if e.worse), key=lambda e: abs(e.effect))
            span = f"{worst.start[:length]}..{worst.stop[:length]}"
            return (verdict.state, series.name + where, f"{worst.effect:+.1%}", "", "", span, now, "")
        return (verdict.state, series.name + where, f"{size:+.1%}" if size else "", "", "", "", now, "")
    agree = f"{change.agree + 1} of {change.compared + 1}"
    return (
        verdict.state, series.name + where, f"{verdict.effect:+.1%}", f"{change.low:+.1%} to {change.high:+.1%}",
        verdict.severity, commits(change, length), now, agree,
    )  # fmt: skip


def _headline(verdict: Verdict) -> Change | None:
    """The change that the table names: the largest of those that stand."""
    chosen = verdict.culprits if verdict.state == "regressed" else verdict.changes
    return max(chosen, key=lambda change: abs(change.effect)) if chosen else None


def commits(change: Change, length: int) -> str:
    """Name the commit, or the best guess with the interval in git's notation."""
    best = change.commit[:length]
    if change.commits == 1:
        return best
    return f"{best} (of {change.commits}: {change.after[:length]}..{change.up_to[:length]})"


def _value(value: float, unit: str) -> str:
    return str(human_value(value, unit)) if unit in ("seconds", "bytes") else f"{value:.4g} {unit}".strip()


def summary(report: Report) -> list[str]:
    """Lines after the table: counts, what was left out, what the baseline said."""
    total = len(report.verdicts)
    counted = ", ".join(f"{count} {state}" for state, count in report.counts.items())
    lines = [f"{total} series over {len(report.history.commits)} commits: {counted}."]
    borders = sum(bool(verdict.series.border) for verdict in report.verdicts)
    if borders:
        lines.append(f"{borders} series are judged from the point where their machine changed (--json says what).")
    lines += [f"left out: {count} {reason}" for reason, count in report.history.left_out.items()]
    if report.baseline is not None:
        worse = [each for each in report.baseline if each.verdict == "worse"]
        better = [each for each in report.baseline if each.verdict == "better"]
        gone = [each for each in report.baseline if each.verdict in ("new", "gone", "another unit")]
        lines.append(
            f"Against the baseline: {len(worse)} worse, {len(better)} better, "
            f"{len(report.baseline) - len(worse) - len(better) - len(gone)} the same, {len(gone)} not comparable."
        )
        lines += [f"  {each.verdict}: {each.name} {each.effect:+.1%}" for each in worse + better]
    return lines


def show(report: Report, every: bool = False, to_stderr: bool = False) -> None:
    """Print the table and the summary."""
    console = Console(stderr=to_stderr, highlight=False)
    # A table wider than the terminal is folded by it; rich would cut the columns.
    console.width = max(console.width, 200)
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, no_wrap=True, justify="right" if column in ("change", "now") else "left")
    colours = {"regressed": "red", "improved": "green", "temporary": "yellow", "drifting": "yellow"}
    lines = rows(report, every)
    for row in lines:
        colour = colours.get(row[0], "")
        state = f"[{colour}]{row[0]}[/]" if colour else row[0]
        table.add_row(state, *(cell.replace("[", r"\[") for cell in row[1:]))
    if lines:
        console.print(table)
    for line in summary(report):
        console.print(line, markup=False)


def markdown(report: Report, every: bool = False) -> str:
    """Give the table and the summary as Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows(report, every)]
    return "\n".join([*lines, "", *(f"{line}  " for line in summary(report))]) + "\n"


def data(report: Report) -> dict[str, Any]:
    """Everything found, as JSON: no NaN and no infinity, which JSON has not."""
    return _finite(
        {
            "format": FORMAT,
            "commits": len(report.history.commits),
            "left_out": dict(report.history.left_out),
            "states": report.counts,
            "series": [_series(verdict) for verdict in report.verdicts],
            "baseline": None if report.baseline is None else [asdict(each) for each in report.baseline],
        }
    )


def _series(verdict: Verdict) -> dict[str, Any]:
    series = verdict.series
    return {
        "name": series.name,
        "machine": series.machine,
        "environment": series.environment,
        "unit": series.unit,
        "less_is_better": series.less_is_better,
        "values": len(series.judged),
        "unfit": sum(bool(point.unfit) for point in series.points),
        "border": {"commit": series.points[series.border].commit, "reason": series.border_reason}
        if series.border and series.border < len(series.points)
        else None,
        "state": verdict.state,
        "severity": verdict.severity,
        "effect": verdict.effect,
        "drift": verdict.drift,
        "noise": verdict.noise,
        "levels": verdict.levels,
        "changes": [asdict(change) for change in verdict.changes],
        "excursions": [asdict(excursion) for excursion in verdict.excursions],
        "tests": {name: asdict(test) for name, test in verdict.tests.items()},
    }


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table_csv(report: Report) -> str:
    """One line for each series, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for verdict in report.shown(every=True):
        series, change = verdict.series, _headline(verdict)
        c = change
        where = (c.low, c.high, c.after, c.commit, c.up_to, c.commits) if c else ("",) * 6
        writer.writerow([
            verdict.state, series.name, series.machine, series.environment, verdict.severity, verdict.effect, *where,
            verdict.levels[-1] if verdict.levels else "", series.unit,
            "" if math.isnan(verdict.noise) else verdict.noise,
            len(series.judged), sum(bool(point.unfit) for point in series.points),
        ])  # fmt: skip
    return out.getvalue()


def write(text: str, target: str) -> None:
    """Write `text` to the file `target`, whole or not at all, or to standard output for "-"."""
    if target == "-":
        sys.stdout.write(text)
    else:
        write_atomically(Path(target), text)


def write_json(report: Report, target: str) -> None:
    """Write `data` to `target`."""
    write(json.dumps(data(report), indent=1, allow_nan=False) + "\n", target)
