"""What the `frameworks` command shows and writes of the cells it measured."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asv.util import human_time
from rich.console import Console
from rich.table import Table

from benchmarks.frameworks import load
from benchmarks.frameworks.compare import Interval

from .comparison import OURS, Cell
from .machine import Peaks, write_atomically
from .results import geometric_mean

FACTOR = f"time of the fastest other framework / time of {OURS}; above 1 {OURS} is faster"
HEADER = f"""\
Each framework: median time of a call and the half width of its 95 % interval; {{held}}, in alternation.
factor: {FACTOR}; with its 95 % interval.
of peak: share of one core's measured peak that {OURS} reaches, in flops or bytes, whichever bounds the work.
"""


@dataclass(frozen=True)
class Report:
    """Everything measured: `names` were timed, `missing` says why the others were not."""

    cells: Sequence[Cell]
    names: Sequence[str]
    missing: Mapping[str, str]
    peaks: Peaks
    interrupted: bool
    threads: int = 1

    @property
    def ratios(self) -> list[Interval]:
        """The factor of every cell that has one."""
        return [ratio for cell in self.cells if (ratio := cell.ratio)]


def show(found: Report, to_stderr: bool = False) -> None:
    """Print the table, the geometric mean, and every reason for a cell that is n/a."""
    console = Console(stderr=to_stderr, highlight=False)
    # A table wider than the terminal is folded by it; rich would cut the columns.
    console.width = max(console.width, 160)
    n = found.threads
    console.print(HEADER.format(held="one core, one thread" if n == 1 else f"{n} cores, {n} threads each"))
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in ("workload", "size"):
        table.add_column(column, no_wrap=True)
    for column in (*found.names, "factor", "of peak"):
        table.add_column(column, justify="right", no_wrap=True)
    for cell in found.cells:
        times = (_time(cell, name) for name in found.names)
        table.add_row(cell.workload.name, cell.size, *times, _ratio(cell.ratio), _fraction(cell, found.peaks))
    console.print(table)
    if mean := geometric_mean(ratio.median for ratio in found.ratios):
        led, sure = sum(r.median > 1 for r in found.ratios), sum(r.low > 1 for r in found.ratios)
        console.print(
            f"\nGeometric mean of the factor: {mean:.2f}. {OURS} leads {led} of {len(found.ratios)} cells, "
            f"{sure} of them by more than the interval."
        )
    for line in _notes(found):
        console.print(line, markup=False)


def _notes(found: Report) -> list[str]:
    cells = {f"{c.workload.name} on {name}: {why}" for c in found.cells for name, why in c.reasons.items()}
    return [*(f"{name}: n/a, {why}" for name, why in found.missing.items()), *sorted(cells)]


def _time(cell: Cell, name: str) -> str:
    if name not in cell.samples:
        return "[red]wrong[/]" if name in cell.wrong else "n/a"
    found = cell.samples[name].interval()
    text = f"{human_time(found.median)} ±{(found.high - found.low) / 2 / found.median:.0%}"
    fastest = min(samples.interval().median for samples in cell.samples.values())
    return f"[bold]{text}[/]" if found.median == fastest else text


def _ratio(ratio: Interval | None) -> str:
    if ratio is None:
        return "n/a"
    colour = "green" if ratio.low > 1 else "yellow" if ratio.high >= 1 else "red"
    return rf"[{colour}]{ratio.median:.2f}[/] \[{ratio.low:.2f}, {ratio.high:.2f}]"


def _fraction(cell: Cell, peaks: Peaks) -> str:
    if OURS not in cell.samples:
        return "n/a"
    share, bound = cell.fraction(OURS, peaks)
    return f"{share:.0%} of {'flops' if bound == 'compute' else 'bytes'}"


def write_json(found: Report, target: str) -> None:
    """Write everything, each sample included, to the file `target`, or to standard output for "-"."""
    ratios = [ratio.median for ratio in found.ratios]
    data = {
        "factor": FACTOR,
        "versions": {name: getattr(load(name).module, "__version__", None) for name in found.names},
        "missing": dict(found.missing),
        "threads": found.threads,
        "machine": asdict(found.peaks),
        "interrupted": found.interrupted,
        "geometric_mean": geometric_mean(ratios),
        "cells_led": sum(ratio > 1 for ratio in ratios),
        "cells_compared": len(ratios),
        "cells": [_cell(cell, found.peaks) for cell in found.cells],
    }
    text = json.dumps(data, indent=1)
    if target == "-":
        print(text)
    else:
        write_atomically(Path(target), text + "\n")


def _cell(cell: Cell, peaks: Peaks) -> dict[str, Any]:
    dims = cell.workload.sizes[cell.size]
    timed = {}
    for name, samples in cell.samples.items():
        share, bound = cell.fraction(name, peaks)
        timed[name] = {
            **asdict(samples.interval()),
            "fraction_of_peak": share,
            "bound": bound,
            "calls_a_sample": samples.number,
            "seconds": samples.seconds,
        }
    return {
        "workload": cell.workload.name,
        "family": cell.workload.family,
        "version": cell.workload.version,
        "size": cell.size,
        "dims": dims,
        "flops": cell.workload.flops(*dims),
        "bytes": cell.workload.bytes(*dims),
        "fastest_peer": cell.peer,
        "factor": asdict(cell.ratio) if cell.ratio else None,
        "frameworks": timed,
        "reasons": dict(cell.reasons),
    }
