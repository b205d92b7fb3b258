"""What `cost` shows of what it measured."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

OURS, STOCK = "this suite", "stock asv"


def show(found: Mapping[str, Any], to_stderr: bool = False) -> None:
    """Print a table of seconds, ours beside stock asv's, and the two sentences that the cells need."""
    console = Console(stderr=to_stderr, highlight=False)
    console.width = max(console.width, 110)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("what")
    for column in (OURS, STOCK, f"{STOCK} / {OURS}"):
        table.add_column(column, justify="right", no_wrap=True)
    for what, ours, stock in rows(found):
        table.add_row(what, _seconds(ours), _seconds(stock), f"{stock / ours:.2f}" if ours and stock else "")
    console.print(table)
    if cells := found.get("cells"):
        factor = cells["factor_at_equal_precision"]
        console.print(
            f"\nCells: {len(cells['cells'])} of commit {cells['commit'][:8]}, each measured {cells['repetitions']} "
            f"times both ways. For equal precision {STOCK} takes {f'{factor:.1f}' if factor else 'unknown'} times as "
            "long (geometric mean over cells)."
        )
        console.print("Extrapolated: so many repetitions, or so many cells, of what was measured.")
    if "publish" in found or "detection" in found:
        console.print("Made: results that no machine measured, with fixed seeds.")
    for part, values in found.items():
        for reason in values.get("unfit", ()) if isinstance(values, dict) else ():
            console.print(f"The machine was unfit during {part}: {reason}.")


def rows(found: Mapping[str, Any]) -> list[tuple[str, float | None, float | None]]:
    """Lines of the table: what, seconds of this suite, seconds of stock asv."""
    lines: list[tuple[str, float | None, float | None]] = []
    if start := found.get("startup"):
        lines.append(("--help of the launcher", *_both(start["seconds"])))
    if cells := found.get("cells"):
        designs = cells["designs"]
        ours, stock = designs[OURS], designs[STOCK]
        target = f"{cells['target']:.0%}"
        lines += [
            ("discovery of the suite", cells["discovery_seconds"], cells["discovery_seconds"]),
            ("start of a server, once a round and commit", ours["start_seconds"], None),
            ("a cell", ours["seconds_a_cell"], stock["seconds_a_cell"]),
            (
                f"a cell to a standard error of {target}, extrapolated",
                ours["seconds_to_target_a_cell"],
                stock["seconds_to_target_a_cell"],
            ),
            (
                f"a commit of {cells['cells_of_the_suite']} cells, one round, extrapolated",
                ours["seconds_a_commit_extrapolated"],
                stock["seconds_a_commit_extrapolated"],
            ),
        ]
    if publish := found.get("publish"):
        what = f"publish of {publish['commits']} made commits x {publish['benchmarks']} benchmarks"
        lines.append((what, *_both(publish["seconds"])))
    if detection := found.get("detection"):
        what = f"change points in 1000 made series of {detection['length']}"
        if detection["series"] != 1000:
            what += f", extrapolated from {detection['series']}"
        lines.append((what, *_both(detection["seconds_per_1000"])))
    return lines


def _both(seconds: Mapping[str, float]) -> tuple[float, float]:
    return seconds[OURS], seconds[STOCK]


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g} s" if value < 100 else f"{value:.0f} s"
