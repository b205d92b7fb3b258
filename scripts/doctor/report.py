"""An examination for people: on a terminal and as Markdown."""

from collections.abc import Iterator, Sequence

from asv.util import human_time
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .examination import Examination
from .score import FIT
from .wording import LEVELS, NOISE, levels, meanwhile, noise_rows, together


def verdict(examination: Examination) -> str:
    """Return the score and what it means, in a line."""
    if examination.interrupted:
        return f"Reproducibility {examination.score} of 100 by what was known when it was interrupted"
    word = "fit to measure" if examination.fit else "not fit to measure"
    return f"Reproducibility {examination.score} of 100: {word} ({FIT} and more is)"


def show(examination: Examination, to_stderr: bool = False) -> None:
    """Print everything, what to mend and the verdict last."""
    console = Console(stderr=to_stderr, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)
    for title, facts in examination.sections.items():
        _print(console, title, [(fact.name, fact.text) for fact in facts])
    clock = examination.clock
    now = [("clock step", human_time(clock.resolution)), ("reading the clock", human_time(clock.cost))]
    _print(console, "now", [*meanwhile(examination.conditions), *now])
    if examination.noise:
        _print(console, "noise of identical work in fresh processes", noise_rows(examination.noise), NOISE)
    if peaks := examination.peaks:
        _print(console, "measured peaks of one core", levels(peaks), LEVELS)
        console.print(escape(together(peaks)) + "\n")
    advice = Table(box=None, pad_edge=False, show_header=False)
    advice.add_column(justify="right", style="bold")
    advice.add_column()
    for finding in examination.findings:
        advice.add_row(str(-finding.points), f"{escape(finding.what)}: {escape(finding.why)}")
        advice.add_row("", f"[cyan]{escape(finding.mend)}[/]")
    console.print("[bold]what to mend[/]")
    console.print(advice)
    console.print(f"\n[bold {'green' if examination.fit else 'red'}]{verdict(examination)}[/]")


def _print(console: Console, title: str, rows: Sequence[tuple[str, ...]], head: tuple[str, ...] = ()) -> None:
    table = Table(box=None, pad_edge=False, show_header=bool(head), header_style="dim")
    for i in range(len(rows[0])):
        # The first column stays whole, a description folds, numbers stand under one another.
        table.add_column(head[i] if head else "", justify="right" if head and i > 0 else "left", no_wrap=i == 0)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(f"[bold]{title}[/]")
    console.print(table)
    console.print()


def markdown(examination: Examination) -> str:
    """Return the same as a page of Markdown."""
    return "\n".join(_markdown(examination)) + "\n"


def _markdown(examination: Examination) -> Iterator[str]:
    yield f"# {verdict(examination)}\n\nExamined on {examination.date}.\n"
    findings = [(str(-f.points), f.what, f.why, f.mend) for f in examination.findings]
    yield from _section("What to mend", findings, ("points", "finding", "why", "what to type or do"))
    yield from _section("Now", meanwhile(examination.conditions), ("condition", "value"))
    clock = examination.clock
    yield f"The clock steps by {human_time(clock.resolution)}; reading it takes {human_time(clock.cost)}.\n"
    yield from _section("Noise of identical work in fresh processes", noise_rows(examination.noise), NOISE)
    if examination.peaks:
        yield from _section("Measured peaks of one core", levels(examination.peaks), LEVELS)
        yield together(examination.peaks) + "\n"
    else:
        yield "## Measured peaks\n\nNot measured: --quick leaves them out.\n"
    for title, facts in examination.sections.items():
        yield from _section(title.capitalize(), [(fact.name, fact.text) for fact in facts], ("", "value"))


def _section(title: str, rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> Iterator[str]:
    yield f"## {title}\n"
    if not rows:
        yield "Nothing.\n"
        return
    yield _line(head)
    yield _line(("---",) * len(head))
    yield from map(_line, rows)
    yield ""


def _line(cells: tuple[str, ...]) -> str:
    escaped = (cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"
