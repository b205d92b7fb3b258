"""Prints a report of the gate, and writes its files."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..machine import write_atomically
from .report import Report, as_json, as_junit, as_markdown, notes, rows
from .self_test import STORE, SelfTest

COLOURS = {"regressed": "red", "improved": "green", "undecided": "yellow", "could": "red"}


def publish(found: Report, json_file: str | None, markdown: str | None, junit: str | None) -> int:
    """Print the table, write the files that are named, each whole or not at all; gives the exit status.

    With "-" for JSON it has standard output, and the table comes on standard error.
    """
    console = Console(stderr=json_file == "-", highlight=False)
    # A table wider than the terminal is folded by it; rich would cut the columns.
    console.width = max(console.width, 160)
    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("cell", no_wrap=True)
    for column in ("base", "head", "change"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for *cells, said in rows(found):
        table.add_row(*cells, said, style=COLOURS.get(said.split(",")[0].split()[0]))
    console.print(f"{found.head} against {found.base}\n", markup=False)
    console.print(table)
    console.print()
    for note in notes(found):
        console.print(note, markup=False, soft_wrap=True)
    console.print(f"\n{found.headline}", markup=False, style="bold")
    for target, text in ((markdown, as_markdown(found)), (junit, as_junit(found))):
        if target:
            write_atomically(Path(target), text)
    if json_file:
        _write_json(as_json(found), json_file)
    return found.status


def publish_self_test(found: SelfTest, interrupted: bool, false_alarms: float, json_file: str | None) -> int:
    """Print how often each cell was called a regression against itself; 1 where that is more than is allowed."""
    out = sys.stderr if json_file == "-" else sys.stdout
    for name, rate in found.false_rates.items():
        print(f"{1000 * rate:6.1f}  {name}", file=out)
    if json_file:
        _write_json({**asdict(found), "interrupted": interrupted}, json_file)
    if interrupted:
        print("Interrupted: nothing is remembered.", file=out)
        return 130
    good = found.false_rate <= false_alarms
    print(f"\nFalse regressions per 1000 comparisons of a commit with itself, from {found.rounds} rounds.", file=out)
    print(f"Mean: {1000 * found.false_rate:.1f}, of {1000 * false_alarms:g} allowed. Kept in {STORE}.", file=out)
    if not good:
        print("The gate gives no verdict here until a self-test is better: quieten the machine.", file=out)
    return 0 if good else 1


def _write_json(data: dict, target: str) -> None:
    text = json.dumps(data, indent=1)
    if target == "-":
        print(text)
    else:
        write_atomically(Path(target), text + "\n")
