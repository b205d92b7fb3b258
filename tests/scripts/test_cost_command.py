"""`cost`: what it shows and writes, and what it says of a part that can't be measured."""

import json

import pytest
from asv.util import UserError

from scripts.commands.cost import Cost
from scripts.cost import cells, detection, report, startup

CELLS = {
    "commit": "c0ffee" * 6,
    "target": 0.02,
    "repetitions": 4,
    "build_seconds": 2.0,
    "discovery_seconds": 1.5,
    "cells_of_the_suite": 300,
    "designs": {
        "this suite": {
            "seconds_a_cell": 0.25, "start_seconds": 1.0, "median_spread": 0.04,
            "seconds_to_target_a_cell": 1.0, "seconds_a_commit_extrapolated": 79.5,
        },
        "stock asv": {
            "seconds_a_cell": 2.0, "start_seconds": 0.0, "median_spread": 0.03,
            "seconds_to_target_a_cell": 4.5, "seconds_a_commit_extrapolated": 603.5,
        },
    },
    "cells": {"ops.elementwise.Add torsh dispatch": {}},
    "factor_at_equal_precision": 4.5,
}  # fmt: skip


def test_the_table_names_what_is_extrapolated_and_what_is_made(capsys):
    publish = {"commits": 200, "benchmarks": 50, "seconds": {"this suite": 3.0, "stock asv": 6.0}}
    found = {"series": 100, "length": 200, "seconds_per_1000": {"this suite": 2.0, "stock asv": 10.0}}
    unfit = {**publish, "unfit": ["the hypervisor took 50% of the cores' time"]}
    report.show({"quick": True, "cells": CELLS, "publish": unfit, "detection": found})
    shown = capsys.readouterr().out
    for line in (
        "a cell to a standard error of 2%, extrapolated",
        "a commit of 300 cells, one round, extrapolated",
        "publish of 200 made commits x 50 benchmarks",
        "change points in 1000 made series of 200, extrapolated from 100",
    ):
        assert line in shown
    assert "8.00" in shown
    assert "The machine was unfit during publish: the hypervisor took 50% of the cores' time." in shown
    assert "stock asv takes 4.5 times as long" in " ".join(shown.split())


def test_a_part_alone_is_measured_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(startup, "COMMANDS", {name: ("-c", "pass") for name in startup.COMMANDS})
    target = tmp_path / "cost.json"
    assert Cost.run(None, quick=True, parts=["startup"], json_file=str(target)) == 0
    shown = capsys.readouterr()
    assert "--help of the launcher" in shown.out
    assert "starting each command 5 times" in shown.err
    data = json.loads(target.read_text())
    assert set(data["startup"]["seconds"]) == set(startup.COMMANDS)
    assert "cells" not in data


def test_json_alone_goes_to_standard_output(monkeypatch, capsys):
    monkeypatch.setattr(startup, "COMMANDS", {name: ("-c", "pass") for name in startup.COMMANDS})
    assert Cost.run(None, quick=True, parts=["startup"], json_file="-") == 0
    assert json.loads(capsys.readouterr().out)["quick"] is True


def test_a_part_that_cannot_be_measured_is_named_and_the_others_are_shown(monkeypatch, capsys):
    def fails(*args, **options):
        raise UserError("no commit c0ffee")

    monkeypatch.setattr(cells, "measure", fails)
    monkeypatch.setattr(startup, "COMMANDS", {name: ("-c", "pass") for name in startup.COMMANDS})
    assert Cost.run(None, quick=True, parts=["startup", "cells"]) == 2
    shown = capsys.readouterr()
    assert "--help of the launcher" in shown.out
    assert "cells: not measured, no commit c0ffee" in shown.err


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), UserError("Interrupted.")])
def test_when_interrupted_what_was_measured_is_shown_and_written(tmp_path, monkeypatch, capsys, interrupt):
    def struck(*args, **options):
        raise interrupt

    monkeypatch.setattr(detection, "measure", struck)
    monkeypatch.setattr(startup, "COMMANDS", {name: ("-c", "pass") for name in startup.COMMANDS})
    target = tmp_path / "cost.json"
    assert Cost.run(None, quick=True, parts=["startup", "detection"], json_file=str(target)) == 130
    assert "--help of the launcher" in capsys.readouterr().out
    assert json.loads(target.read_text())["interrupted"] is True
