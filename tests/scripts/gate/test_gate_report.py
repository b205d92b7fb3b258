"""What a report says and its exit status, from readings that are written here."""

import json
import math
import xml.etree.ElementTree as ET

import pytest

from scripts.gate.comparing import Pair
from scripts.gate.report import Report, as_json, as_junit, as_markdown, notes, rows
from scripts.gate.self_test import SelfTest
from scripts.launches import Cell, Failure, Reading
from scripts.paired import Plan, judge

PLAN = Plan()
SKIP = Failure("n/a here", skipped=True)


def cell(name: str, unit: str = "seconds") -> Cell:
    return Cell(name, name.split("(")[0], name, {}, "time", unit, 60.0, "time")


def pair(name: str, ratios=(), **failures: Failure) -> Pair:
    found = Pair(cell(name), failures=failures)
    found.base = [Reading(1e-3, 1e-3, (1e-3,)) for _ in ratios]
    found.head = [Reading(1e-3 * ratio, 1e-3 * ratio, (1e-3 * ratio,)) for ratio in ratios]
    return found


def report(*pairs: Pair, **options) -> Report:
    verdicts = judge({each.cell.name: each.changes for each in pairs if not each.failures}, PLAN)
    return Report("base", "head", PLAN, {each.cell.name: each for each in pairs}, verdicts, **options)


SLOWER = pair("a.time_slower('x|y')", [1.1] * 6)
FASTER = pair("a.time_faster", [0.9] * 6)
SAME = pair("a.time_same", [1.0] * 6)
OPEN = pair("a.time_open", [1.3, 0.8, 1.1, 0.9])
FAILED = pair("a.time_failed", head=Failure("ValueError: \x1b[31mred"))
NEW = pair("a.time_new", base=SKIP)
BOTH = pair("a.time_neither", base=SKIP, head=SKIP)
BAD = SelfTest("2026-01-01 00:00 UTC", 40, {"a": 0.02})


@pytest.mark.parametrize(
    ("pairs", "options", "status", "headline"),
    [
        ((SAME, FASTER, NEW, BOTH), {}, 0, "No regression: of 3 cells 1 improved, 1 not regressed."),
        ((SAME, SLOWER, FAILED, OPEN), {}, 1, "Regressed: of 4 cells 1 regressed, 1 undecided, 1 not regressed, "
         "1 could not be measured."),
        ((SAME, FAILED, OPEN), {}, 2, "Could not measure all: of 3 cells 1 undecided, 1 not regressed, "
         "1 could not be measured."),
        ((SAME, OPEN), {}, 3, "Undecided: of 2 cells 1 undecided, 1 not regressed."),
        ((SAME, SLOWER), {"interrupted": True}, 130, "Interrupted: of 2 cells 1 regressed, 1 not regressed."),
        ((SAME, SLOWER), {"self_test": BAD}, 2, "No verdict: on this machine a commit against itself is called a "
         "regression too often."),
        ((FAILED, BOTH), {}, 2, "No verdict: nothing could be measured."),
        ((), {}, 0, "No regression: no change between the two can touch a benchmark."),
    ],
)  # fmt: skip
def test_the_status_and_the_headline(pairs, options, status, headline):
    found = report(*pairs, **options)
    assert (found.status, found.headline) == (status, headline)


def test_the_worst_comes_first_and_nothing_is_left_out():
    found = report(SAME, NEW, FASTER, OPEN, FAILED, SLOWER, BOTH)
    said = [(name, said.split(",")[0].split(":")[0]) for name, *_, said in rows(found)]
    assert said == [
        (SLOWER.cell.name, "regressed"), ("a.time_open", "undecided"), ("a.time_faster", "improved"),
        ("a.time_same", "not regressed"), ("a.time_new", "new"), ("a.time_failed", "could not be measured"),
    ]  # fmt: skip
    assert "1 cells do not apply here on either side (n/a)." in notes(found)


def test_notes_say_why_it_is_undecided_unfit_or_left_out():
    options = {"out_of_time": True, "unfit": ("others computed",), "left_out": {"a reason": ["x", "y"]}}
    said = "\n".join(notes(report(OPEN, **options)))
    assert "Undecided is no pass: the budget was over." in said
    assert "unfit to measure: others computed." in said
    assert "2 cells were left out: a reason." in said
    assert "This machine has no self-test yet" in said


def test_every_format_holds_every_cell():
    found = report(SAME, NEW, FASTER, OPEN, FAILED, SLOWER, BOTH)
    data = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert data["cells"].keys() | data["failed"].keys() | set(data["not_applicable"]) == found.pairs.keys()
    suite = ET.fromstring(as_junit(found))
    assert {case.get("name") for case in suite} == found.pairs.keys()
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["7", "1", "1", "3"]
    markdown = as_markdown(found)
    assert "| `a.time_slower('x\\|y')` |" in markdown
    assert markdown.index("time_slower") < markdown.index("<details>") < markdown.index("time_same")


def test_a_cell_without_rounds_is_undecided_in_every_format():
    found = report(pair("a.time_none"))
    assert found.status == 3
    assert as_json(found)["cells"]["a.time_none"]["change"] is None
    assert [row[1:4] for row in rows(found)] == [("n/a", "n/a", "n/a")]
    assert ET.fromstring(as_junit(found)).get("skipped") == "1"


@pytest.mark.parametrize(("unit", "less"), [("seconds", True), ("GFLOP/s", False), ("%", False), ("bytes", True)])
def test_rates_and_shares_are_better_high(unit, less):
    change = Pair(cell("x", unit)).change(Reading(1, 1, (1,)), Reading(2, 2, (2,)))
    assert change == pytest.approx(math.log(2) if less else -math.log(2))
