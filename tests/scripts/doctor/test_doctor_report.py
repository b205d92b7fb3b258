"""An examination on a terminal, as Markdown and as JSON."""

import dataclasses
import json
import re

from scripts.conditions import Conditions
from scripts.doctor import examination as examinations
from scripts.doctor import report, wording
from tests.scripts.doctor_samples import examination
from tests.scripts.sample_peaks import peaks


def test_the_terminal_shows_every_part_and_the_verdict_last(capsys):
    report.show(examination(facts={"SMT": True}))
    shown = capsys.readouterr().out
    # What looks like markup of the terminal is text.
    assert re.search(r"^CPU +A CPU \| of <b>this</b> test *$", shown, re.M)
    assert re.search(r"^branch +not told: git *$", shown, re.M)
    assert re.search(r"^memory +8\.00ms +0\.6% +0\.8% +1\.8% *$", shown, re.M)
    assert re.search(r"^1 MiB +L2 +40\.0 +50\.0 +60\.0 +4\.00ns *$", shown, re.M)
    assert re.search(r"^ *-5 +SMT is on: two hardware threads", shown, re.M)
    assert "steal                 0.00% of the cores' time" in shown
    assert "memory                not told" not in shown
    assert shown.rstrip().endswith("Reproducibility 95 of 100: fit to measure (60 and more is)")


def test_what_is_not_told_and_not_measured_is_said(capsys):
    report.show(examination(conditions=Conditions(seconds=0.1), noise=(), peaks=None))
    shown = capsys.readouterr().out
    assert shown.count("not told here") == 10
    assert "measured peaks" not in shown
    assert "identical work" not in shown


def test_markdown_holds_the_same_and_its_tables_are_whole():
    text = report.markdown(examination(facts={"SMT": True}))
    assert text.startswith("# Reproducibility 95 of 100: fit to measure")
    assert "A CPU \\| of <b>this</b> test" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block
    for title in ("What to mend", "Now", "Noise of identical work", "Measured peaks", "Hardware", "Software"):
        assert f"## {title}" in text
    quick = report.markdown(examination(peaks=None))
    assert "Not measured: --quick leaves them out." in quick
    assert "## What to mend\n\nNothing.\n" in quick


def test_json_holds_everything_and_is_strict():
    found = examination(facts={"SMT": True})
    data = json.loads(examinations.to_text(found), parse_constant=lambda name: 1 / 0)
    assert (data["score"], data["fit"], data["interrupted"]) == (95, True, False)
    assert data["findings"][0]["points"] == 5
    assert Conditions.stored(data["conditions"]) == found.conditions
    assert {fact["name"]: fact["value"] for fact in data["facts"]["hardware"]}["SMT"] is True
    assert data["facts"]["software"][1] == {"name": "branch", "value": None, "source": "git", "shown": "not told: git"}
    assert data["peaks"]["together"]["cores"] == 2


def test_peaks_of_all_cores_under_one_s_are_said_to_be_disturbed():
    assert "Less than one core" not in wording.together(peaks())
    slow = dataclasses.replace(peaks(), together=dataclasses.replace(peaks().together, flops=50e9))
    assert "Less than one core alone: others used the cores; measure again with --fresh-peaks." in wording.together(
        slow
    )
