"""The regressions that publish writes: those that `history` finds, in asv's format."""

import json
from pathlib import Path

import pytest
from asv.commands.publish import Publish
from asv.config import Config

from scripts import plugin
from scripts.site import regressions
from tests.scripts.stepped_project import EFFECT, STEP, Stepped

ROOT = Path(__file__).parents[2]
plugin.setup()


def publish(stepped: Stepped, html: Path, **settings) -> tuple[list, dict, dict]:
    conf = stepped.conf
    conf.html_dir = str(html)
    for name, value in settings.items():
        setattr(conf, name, value)
    Publish.run(conf, pull=False)
    read = {name: json.loads((html / name).read_text()) for name in ("regressions.json", "index.json", "history.json")}
    return read["regressions.json"]["regressions"], read["index.json"], read["history.json"]


def test_the_page_lists_what_rose_and_leaves_out_rates_that_rose(measured, tmp_path):
    found, index, history = publish(measured, tmp_path / "html")
    assert {entry[0].split("(")[0] for entry in found} == {
        "ops.Add.time_call", "ops.Softmax.time_call", "ops.Peers.track_ratio", "cold.time_import",
    }  # fmt: skip
    for name, path, params, flat, last, best, jumps in found:
        assert (tmp_path / "html" / path).exists()
        assert params == {}
        assert last / best - 1 == pytest.approx(EFFECT, abs=0.03)
        ((before, after, old, new),) = jumps
        assert before is None
        assert index["revision_to_hash"][str(after)] == measured.hashes[STEP]
        assert new / old == pytest.approx(last / best)
        assert (flat is None) == (name == "cold.time_import")
    assert history["states"] == {"regressed": 15, "improved": 6}
    assert measured.hashes[STEP] in (tmp_path / "html/regressions.xml").read_text()


def test_a_rate_that_falls_is_a_regression(stepped_copy, tmp_path):
    def turn(content):
        values = content["results"]["ops.Rates.track_gflops"][0]
        values[:] = [value and 1e-12 / value for value in values]

    stepped_copy.edit(turn)
    found, _, _ = publish(stepped_copy, tmp_path / "html")
    falls = [entry for entry in found if entry[0].startswith("ops.Rates")]
    assert len(falls) == 6
    assert all(entry[4] < entry[5] for entry in falls)


def test_the_list_of_benchmarks_knows_the_steps(measured, tmp_path):
    publish(measured, tmp_path / "html")
    (summary,) = (tmp_path / "html/graphs").glob("**/summary.json")
    (row,) = [row for row in json.loads(summary.read_text()) if row["name"] == "cold.time_import"]
    assert row["last_value"] / row["prev_value"] - 1 == pytest.approx(EFFECT, abs=0.03)
    assert row["change_rev"][0] is None


def test_asv_s_settings_hold(measured, tmp_path):
    high = {"cold.*": 0.5, "cold": 0.1}
    found, _, _ = publish(measured, tmp_path / "high", regressions_thresholds=high)
    assert len(found) == 14
    off = {"ops\\.Add.*": None, "ops\\.Softmax.*": measured.hashes[STEP]}
    found, _, _ = publish(measured, tmp_path / "off", regressions_first_commits=off)
    assert {entry[0].split("(")[0] for entry in found} == {"ops.Peers.track_ratio", "cold.time_import"}


def test_a_short_history_has_one_level_and_no_regression(project):
    html = project.folder / "html"
    Publish.run(project.conf, pull=False)
    assert json.loads((html / "regressions.json").read_text()) == {"regressions": []}
    (summary,) = html.glob("graphs/**/summary.json")
    assert all(row["change_rev"] is None for row in json.loads(summary.read_text()))


def test_this_project_needs_no_exceptions_for_rates():
    assert Config.load(str(ROOT / "asv.conf.json")).regressions_first_commits == {}


def test_installing_twice_changes_nothing():
    before = regressions.GraphSet.detect_steps
    regressions.install()
    assert regressions.GraphSet.detect_steps is before
