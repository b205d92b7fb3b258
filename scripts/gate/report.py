"""What the gate found: as a table, Markdown, JSON and JUnit, and as an exit status."""

import math
import statistics
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from asv.util import human_value

from ..conditions import Conditions
from ..launches import Reading
from ..paired import Comparison, Outcome, Plan
from .comparing import Pair
from .self_test import SelfTest

FAILED = "could not be measured"
ORDER = (Outcome.REGRESSED, Outcome.UNDECIDED, Outcome.IMPROVED, Outcome.NOT_REGRESSED)


@dataclass(frozen=True)
class Report:
    """One comparison: `base` and `head` name the sides; `left_out` says what was not measured, and why."""

    base: str
    head: str
    plan: Plan
    pairs: Mapping[str, Pair]
    verdicts: Mapping[str, Comparison]
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    conditions: Conditions | None = None
    unfit: Sequence[str] = ()
    self_test: SelfTest | None = None
    interrupted: bool = False
    out_of_time: bool = False

    def named(self, outcome: Outcome) -> list[str]:
        """Cells with this outcome, the largest change for the worse first."""
        found = [name for name, verdict in self.verdicts.items() if verdict.outcome is outcome]
        return sorted(found, key=lambda name: -self.verdicts[name].change if self.verdicts[name].rounds else math.inf)

    @property
    def failed(self) -> dict[str, str]:
        """Cells that one side could not measure, or both, with the reason; not those that apply to neither."""
        return {
            name: "; ".join(f"{which}: {failure.reason}" for which, failure in pair.failures.items())
            for name, pair in self.pairs.items()
            if pair.failures and not self._applies_to_neither(pair)
        }

    @property
    def one_sided(self) -> dict[str, str]:
        """Of `failed`, those that are there on one side alone: "new" or "gone"."""
        found = {}
        for name in self.failed:
            failures = self.pairs[name].failures
            if len(failures) == 1 and all(failure.skipped for failure in failures.values()):
                found[name] = "new" if "base" in failures else "gone"
        return found

    @property
    def not_applicable(self) -> list[str]:
        """Cells that say on both sides that they do not apply here."""
        return [name for name, pair in self.pairs.items() if self._applies_to_neither(pair)]

    @staticmethod
    def _applies_to_neither(pair: Pair) -> bool:
        return {"base", "head"} <= pair.failures.keys() and all(each.skipped for each in pair.failures.values())

    @property
    def status(self) -> int:
        """Exit status: 130 interrupted, 1 a cell regressed, 2 one could not be measured, 3 undecided, 0 none of these.

        What is new or gone is no failure. With a self-test over its budget nothing is decided: 2.
        """
        if self.interrupted:
            return 130
        if not self.pairs:
            return 0
        if self.distrusted or not self.verdicts:
            return 2
        if self.named(Outcome.REGRESSED):
            return 1
        if self.failed.keys() - self.one_sided.keys():
            return 2
        return 3 if self.named(Outcome.UNDECIDED) else 0

    @property
    def distrusted(self) -> bool:
        """Whether this machine's self-test was over its budget."""
        return self.self_test is not None and not self.self_test.trusted(self.plan)

    @property
    def headline(self) -> str:
        """The answer in one sentence."""
        if not self.pairs:
            return "No regression: no change between the two can touch a benchmark."
        if self.distrusted:
            return "No verdict: on this machine a commit against itself is called a regression too often."
        if not self.verdicts:
            return "No verdict: nothing could be measured."
        said = {each: len(self.named(each)) for each in ORDER}
        parts = [f"{count} {outcome}" for outcome, count in said.items() if count]
        failed = len(self.failed) - len(self.one_sided)
        parts += [f"{failed} {FAILED}"] if failed else []
        answer = "Interrupted" if self.interrupted else _ANSWERS[self.status]
        return f"{answer}: of {len(self.pairs) - len(self.not_applicable)} cells {', '.join(parts)}."


_ANSWERS = {0: "No regression", 1: "Regressed", 2: "Could not measure all", 3: "Undecided"}


def rows(found: Report) -> Iterator[tuple[str, str, str, str, str]]:
    """Cell, time at base and at head, change with its interval, and what is said of it; the worst first."""
    for outcome in ORDER:
        for name in found.named(outcome):
            pair, verdict = found.pairs[name], found.verdicts[name]
            base, head = (_value(side, pair.cell.unit) for side in (pair.base, pair.head))
            yield name, base, head, change(verdict), f"{outcome}, {verdict.rounds} rounds"
    one_sided = found.one_sided
    for name, reason in found.failed.items():
        yield name, "n/a", "n/a", "n/a", one_sided.get(name) or f"{FAILED}: {reason}"


def _value(side: Sequence[Reading], unit: str) -> str:
    return human_value(statistics.median(reading.best for reading in side), unit) if side else "n/a"


def change(verdict: Comparison) -> str:
    """Write a change as "+5.1 % (+4.2 to +6.0)"; above 0 is worse."""
    if math.isnan(verdict.change):
        return "n/a"
    if math.isinf(verdict.high):
        return f"{verdict.change:+.1%}"
    return f"{verdict.change:+.1%} ({100 * verdict.low:+.1f} to {100 * verdict.high:+.1f})"


def notes(found: Report) -> list[str]:
    """What a reader must know besides the table, a line each."""
    plan = found.plan
    lines = [
        f"Change: above 0 head is worse, with its 95 % interval. Regressed: worse for certain, by {plan.effect:.0%} or "
        f"more. Not regressed: {plan.tolerance:.0%} worse is ruled out."
    ]
    if found.named(Outcome.UNDECIDED):
        why = "the budget was over" if found.out_of_time else "the machine's noise hides the answer"
        lines.append(f"Undecided is no pass: {why}. More --rounds, a larger --effect or a quieter machine decide it.")
    for name, word in found.one_sided.items():
        lines.append(f"{name} is {word}: {found.failed[name]}")
    if found.not_applicable:
        lines.append(f"{len(found.not_applicable)} cells do not apply here on either side (n/a).")
    lines += [f"{len(names)} cells were left out: {why}." for why, names in found.left_out.items()]
    lines += [f"The machine was unfit to measure: {reason}." for reason in found.unfit]
    if found.self_test is None:
        lines.append("This machine has no self-test yet: python -m scripts gate --self-test")
    else:
        rate = 1000 * found.self_test.false_rate
        lines.append(f"Self-test of {found.self_test.date}: {rate:.1f} false regressions per 1000 A/A comparisons.")
    if found.distrusted:
        lines.append(f"Over {1000 * plan.false_alarms:g} there is no verdict: quieten the machine, then --self-test.")
    return lines


def as_json(found: Report) -> dict[str, Any]:
    """Everything, each reading included, as plain data."""
    return {
        "base": found.base,
        "head": found.head,
        "status": found.status,
        "headline": found.headline,
        "interrupted": found.interrupted,
        "out_of_time": found.out_of_time,
        "plan": {**asdict(found.plan), "tolerance": found.plan.tolerance},
        "conditions": asdict(found.conditions) if found.conditions else None,
        "unfit": list(found.unfit),
        "self_test": asdict(found.self_test) if found.self_test else None,
        "left_out": {why: list(names) for why, names in found.left_out.items()},
        "failed": found.failed,
        "new_or_gone": found.one_sided,
        "not_applicable": found.not_applicable,
        "cells": {name: _cell(found.pairs[name], verdict) for name, verdict in found.verdicts.items()},
    }


def _cell(pair: Pair, verdict: Comparison) -> dict[str, Any]:
    numbers = {key: _finite(getattr(verdict, key)) for key in ("change", "low", "high", "p")}
    sides = {name: [asdict(reading) for reading in getattr(pair, name)] for name in ("base", "head")}
    return {"outcome": verdict.outcome, "rounds": verdict.rounds, **numbers, "unit": pair.cell.unit, **sides}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def as_markdown(found: Report) -> str:
    """Give the table and the notes for a comment; unchanged cells are folded away."""
    loud: list[str] = []
    quiet: list[str] = []
    for name, *rest, said in rows(found):
        cells = " | ".join(_escape(text) for text in (*rest, said))
        (quiet if said.startswith(Outcome.NOT_REGRESSED) else loud).append(f"| `{_escape(name)}` | {cells} |")
    head = ["| cell | base | head | change | |", "|---|---:|---:|---:|---|"]
    lines = [f"## {found.headline}", "", f"`{found.head}` against `{found.base}`.", ""]
    lines += [*head, *loud, ""] if loud else []
    if quiet:
        lines += [f"<details><summary>{len(quiet)} not regressed</summary>", "", *head, *quiet, "", "</details>", ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes(found)), ""])


def _escape(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def as_junit(found: Report) -> str:
    """Give a test suite with a case for each cell: failed where regressed, skipped where undecided or n/a."""
    suite = ET.Element("testsuite", name="gate")
    for name, verdict in found.verdicts.items():
        mark = {Outcome.REGRESSED: "failure", Outcome.UNDECIDED: "skipped"}.get(verdict.outcome)
        _case(suite, found, name, mark, f"{verdict.outcome}: {change(verdict)}")
    for name, reason in found.failed.items():
        _case(suite, found, name, "skipped" if name in found.one_sided else "error", reason)
    for name in found.not_applicable:
        _case(suite, found, name, "skipped", "it does not apply here")
    suite.set("tests", str(len(suite)))
    for total, mark in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(total, str(len(suite.findall(f"testcase/{mark}"))))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, found: Report, name: str, mark: str | None, message: str) -> None:
    pair = found.pairs[name]
    seconds = sum(sum(r.samples) for r in (*pair.base, *pair.head)) if pair.cell.type == "time" else 0.0
    case = ET.SubElement(suite, "testcase", classname=pair.cell.benchmark, name=name, time=f"{seconds:.6f}")
    if mark:
        # XML has no place for control characters, which a benchmark may print.
        ET.SubElement(case, mark, message="".join(c for c in message if c.isprintable()))
