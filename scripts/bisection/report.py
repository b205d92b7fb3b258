"""What a bisection shows while it runs, says at its end, and writes as JSON."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from asv.util import human_value
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ..conditions import Conditions, unfit
from ..machine import write_atomically
from .run import Bisection

BARS = " ▁▂▃▄▅▆▇█"
CHART = 40
# Deviations from what one step would give, before a commit is called odd: with a dozen commits, one search in 1000.
ODD = 4.0


@dataclass(frozen=True)
class Measured:
    """A commit's launches: `change` is the median of its readings over the good end's nearest in time, less one.

    `error` is its standard error, from three launches on. `after` is the probability that the step is at this commit or
    before it; `odd` where one step explains it badly.
    """

    position: int
    launches: int
    change: float | None
    error: float | None
    after: float
    odd: bool


def chart(posterior: NDArray[np.float64]) -> str:
    """The probabilities of the commits, oldest first, as a row of at most CHART bars."""
    parts = np.array_split(posterior, min(CHART, len(posterior)))
    heights = np.array([part.sum() for part in parts])
    return "".join(BARS[math.ceil(8 * height / max(heights.max(), 1e-9) - 0.5)] for height in heights)


def line(bisection: Bisection, position: int, until: float) -> str:
    """Where the search stands, what it launches now, and how long it may still take, at most to `until` (monotonic)."""
    search, count = bisection.search, len(bisection.progress.launches)
    if not search.verified():
        doing = f"do the ends differ? {1 - search.nowhere():.0%}" if count else "do the ends differ?"
    else:
        suspects = search.suspects()
        doing = f"{chart(search.belief.posterior()[:-1])} {len(suspects)} commits hold {suspects.probability:.0%}"
    budget = until - time.monotonic()
    likely = bisection.seconds_left() if search.verified() else budget
    left = f"about {minutes(likely)}" if likely < budget else f"at most {minutes(budget)}"
    return f"launch {count + 1}: {bisection.line[position].hash[:8]}  {doing}, {left} left"


def minutes(seconds: float) -> str:
    """Give a duration as "40 s" or "3 min"."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def measured(bisection: Bisection) -> list[Measured]:
    """What was measured of each commit but the good end, in their order."""
    changes = _changes(bisection)
    after = np.cumsum(bisection.search.belief.posterior()[:-1])
    size = math.log1p(max(-0.99, bisection.search.belief.effect().estimate))
    deviation = math.sqrt(bisection.search.belief.noise()[0])
    found = []
    for position in sorted(changes):
        values, likely = changes[position], float(after[position - 1])
        change = median(values) if values else None
        # A median's deviation is 1.25 times a mean's; the good end beside it has noise too, and either has outliers.
        spread = median(abs(value - median(values)) for value in values) if values else 0.0
        tolerance = ODD * 1.25 * max(1.25 * deviation, 1.4826 * spread) / math.sqrt(max(len(values), 1))
        certain = min(likely, 1 - likely) < 0.01 and len(values) >= 6 and bisection.search.verified()
        odd = certain and change is not None and abs(change - (size if likely > 0.5 else 0.0)) > tolerance
        count = sum(bisection.at[launch.commit] == position for launch in bisection.progress.launches)
        error = tolerance / ODD if len(values) >= 3 else None
        found.append(Measured(position, count, None if change is None else math.expm1(change), error, likely, odd))
    return found


def _changes(bisection: Bisection) -> dict[int, list[float]]:
    """Of each position but the good end: logarithms of its readings over the good end's before and after them."""
    values = [(bisection.at[each.commit], math.log(each.value), each.session) for each in bisection.progress.launches]
    found: dict[int, list[float]] = {}
    for index, (position, value, session) in enumerate(values):
        if position:
            before = next((v for p, v, s in reversed(values[:index]) if not p and s == session), None)
            later = next((v for p, v, s in values[index:] if not p and s == session), None)
            beside = [each for each in (before, later) if each is not None]
            found.setdefault(position, []).extend([value - sum(beside) / len(beside)] if beside else [])
    return found


def answer(bisection: Bisection) -> dict[str, Any]:
    """Everything known, as plain data; "state" is found, absent, unmeasurable or undecided."""
    search, belief = bisection.search, bisection.search.belief
    suspects = search.suspects()
    return {
        "state": state(bisection),
        "suspects": [
            {**asdict(bisection.line[position]), "broken": bisection.progress.broken.get(bisection.line[position].hash)}
            for position in range(suspects.first, suspects.last + 1)
        ],
        "probability": suspects.probability if search.verified() else 1 - search.nowhere(),
        "certainty": search.certainty,
        "change": asdict(belief.effect()) if belief.launches else None,
        "commits": len(bisection.line) - 1,
        "good": asdict(bisection.line[0]),
        "bad": asdict(bisection.line[-1]),
        "cells": bisection.progress.cells,
        "cells_left_out": bisection.left_out,
        "noise": math.sqrt(belief.noise()[0]),
        "launches": len(bisection.progress.launches),
        "builds": bisection.builds,
        "measured": [{"commit": bisection.line[m.position].hash, **asdict(m)} for m in measured(bisection)],
        "broken": bisection.progress.broken,
        "posterior": dict(zip((c.hash for c in bisection.line[1:]), belief.posterior().tolist(), strict=False)),
        "readings": [asdict(launch) for launch in bisection.progress.launches],
    }


def state(bisection: Bisection) -> str:
    """In one word: found, absent (the ends do not differ so), unmeasurable (nothing in between), or undecided."""
    search = bisection.search
    if search.refuted():
        return "absent"
    if not search.found():
        return "undecided"
    alone = len(search.suspects()) == 1
    return "found" if alone or len(search.broken) < search.belief.count - 1 else "unmeasurable"


def show(bisection: Bisection, conditions: Conditions, to_stderr: bool = False) -> None:
    """Print the answer and its evidence."""
    console = Console(stderr=to_stderr, highlight=False)
    console.width = max(console.width, 100)
    for text in [*_headline(bisection), ""]:
        console.print(text, markup=False)
    if bisection.search.verified():
        console.print(_table(bisection))
    for text in _notes(bisection, conditions):
        console.print(text, markup=False)


def _headline(bisection: Bisection) -> list[str]:
    search, belief = bisection.search, bisection.search.belief
    direction = "faster" if belief.sign < 0 else "slower"
    if not belief.launches:
        return ["Nothing has been measured yet."]
    effect, suspects = belief.effect(), search.suspects()
    change = f"{effect.estimate:+.1%} ({effect.low:+.1%} to {effect.high:+.1%} at 95 %)"
    if not search.verified():
        begin = f"No step that makes it {direction}" if search.refuted() else f"Undecided whether it became {direction}"
        other = effect.high < 0 if belief.sign > 0 else effect.low > 0
        way = "; without --faster" if belief.sign < 0 else "; with --faster"
        hint = f"{way} the step the other way is looked for" if other else ""
        return [f"{begin}: over the range it changed by {change}{hint}."]
    if state(bisection) == "unmeasurable":
        return [f"{direction.capitalize()} by {change}, and no commit between the ends can be measured."]
    commits = bisection.line[suspects.first : suspects.last + 1]
    if len(commits) == 1 and search.found():
        return [
            f"Became {direction} at {commits[0].hash[:12]}, probability {suspects.probability:.1%}: {change}",
            f"  {commits[0].date}  {commits[0].author}  {commits[0].subject}",
        ]
    begin = "Became" if search.found() else "Undecided: it became"
    listed = commits if len(commits) <= 8 else [commits[0], commits[-1]]
    return [
        f"{begin} {direction} at one of {len(commits)} commits, probability {suspects.probability:.1%}: {change}",
        *(f"  {c.hash[:12]}  {c.date}  {c.subject}{_why(bisection, c.hash)}" for c in listed),
        *(["  (the first and the last of them)"] if len(commits) > 8 else []),
    ]


def _why(bisection: Bisection, commit: str) -> str:
    return "  (can't be measured)" if commit in bisection.progress.broken else ""


def _table(bisection: Bisection) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("measured", no_wrap=True)
    for column in ("launches", "against the good end", "step here or before"):
        table.add_column(column, justify="right")
    table.add_column("subject", no_wrap=True, overflow="ellipsis")
    for each in measured(bisection):
        commit = bisection.line[each.position]
        change = "n/a" if each.change is None else f"{each.change:+.1%}"
        change += f" ±{2 * each.error:.1%}" if each.error else ""
        change += " odd" if each.odd else ""
        row = (commit.hash[:8], str(each.launches), change, f"{each.after:.1%}", commit.subject)
        table.add_row(*(text.replace("[", r"\[") for text in row))
    return table


def _notes(bisection: Bisection, conditions: Conditions) -> list[str]:
    progress, cells = bisection.progress, bisection.progress.cells
    noise = math.sqrt(bisection.search.belief.noise()[0])
    values = [launch.cells[cells[0]] for launch in progress.launches if bisection.at[launch.commit] == 0]
    unit = bisection.launches.cells[cells[0]].unit
    more = f", and the geometric mean with {len(cells) - 1} more" if len(cells) > 1 else ""
    middle = f": {human_value(median(values), unit)} at the good end" if values else ""
    notes = ["", f"{cells[0]}{middle}{more}; a launch's noise is {noise:.1%}"]
    notes += [f"left out: {name}: {reason}" for name, reason in bisection.left_out.items()]
    notes += [f"{len(progress.launches)} launches of {len({x.commit for x in progress.launches})} commits"]
    notes += [f"not measured: {each[:8]}: {reason}" for each, reason in progress.broken.items()]
    if any(each.odd for each in measured(bisection)):
        notes += ["odd: one step does not explain this commit's time; there may be several in this range"]
    notes += [f"the machine was not fit to measure: {reason}" for reason in unfit(conditions)]
    return notes


def write_json(data: Mapping[str, Any], target: str) -> None:
    """Write `data` to the file `target`, or to standard output for "-"."""
    text = json.dumps(data, indent=1)
    if target == "-":
        print(text)
    else:
        write_atomically(Path(target), text + "\n")
