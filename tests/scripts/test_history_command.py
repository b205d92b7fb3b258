"""`history` through its plain run, on a real repository with stored results."""

import csv
import json

import asv.commands
import pytest
from asv.util import UserError

from scripts.commands.history import History
from tests.scripts.stepped_project import STEP
from tests.scripts.stored_project import commit
from tests.scripts.test_launcher import scripts


def test_the_table_names_the_commit_and_the_status_says_regressed(measured, capsys):
    assert History.run(measured.conf) == 1
    shown = capsys.readouterr().out
    (line,) = [line for line in shown.splitlines() if "ops.Add.time_call('torsh', 'memory')" in line]
    words = line.split()
    assert words[0] == "regressed"
    assert words[-1] == "1" and measured.hashes[STEP][:8] in line
    assert "major" in line or "critical" in line
    assert "ops.Rates.track_gflops" in shown and "15 regressed, 6 improved" in shown


def test_what_got_better_is_no_regression(measured, capsys):
    assert History.run(measured.conf, bench=["Rates"]) == 0
    assert "improved" in capsys.readouterr().out


def test_everything_written_can_be_read_and_says_the_same(measured, tmp_path, capsys):
    names = {kind: str(tmp_path / f"found.{kind}") for kind in ("json", "csv", "md")}
    History.run(measured.conf, json_file=names["json"], csv_file=names["csv"], markdown_file=names["md"])
    data = json.loads((tmp_path / "found.json").read_text(), parse_constant=pytest.fail)
    rows = list(csv.DictReader((tmp_path / "found.csv").open()))
    assert data["states"] == {"regressed": 15, "improved": 6}
    assert len(rows) == len(data["series"]) == 21
    add = next(each for each in data["series"] if each["name"] == "ops.Add.time_call('torsh', 'memory')")
    (change,) = add["changes"]
    assert change["commit"] == measured.hashes[STEP]
    assert change["low"] < change["effect"] < change["high"]
    assert {"welch", "mann_whitney"} == set(change["tests"])
    row = next(row for row in rows if row["benchmark"] == add["name"])
    assert (row["commit"], row["state"]) == (change["commit"], "regressed")
    table = (tmp_path / "found.md").read_text().splitlines()
    assert table[0].startswith("| state | benchmark |")
    assert {line.count("|") for line in table if line.startswith("|")} == {table[0].count("|")}


def test_json_on_standard_output_is_alone_there(measured, capsys):
    History.run(measured.conf, json_file="-")
    shown = capsys.readouterr()
    assert json.loads(shown.out)["format"] == 1
    assert "regressed" in shown.err


def test_a_baseline_is_kept_and_compared(measured, stepped_copy, tmp_path, capsys):
    for path in stepped_copy.files()[STEP:]:
        path.unlink()
    base = tmp_path / "base.csv"
    assert History.run(stepped_copy.conf, save_baseline=str(base)) == 0
    assert f"21 levels are kept in {base}" in capsys.readouterr().out
    assert History.run(measured.conf, baseline=str(base)) == 1
    assert "15 worse, 6 better, 0 the same" in capsys.readouterr().out
    assert History.run(measured.conf, bench=["Rates"], baseline=str(base)) == 0


def test_one_commit_is_too_short_to_tell(empty_project, capsys):
    empty_project.store(commit(empty_project.folder, "one"))
    assert History.run(empty_project.conf, every=True) == 2
    assert "21 too short" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bench": ["nosuch"]}, "--bench 'nosuch' matches no stored series; there are cold.time_import, "),
        ({"bench": ["("]}, "is no regular expression"),
        ({"machine": "nosuch"}, "no results of machine 'nosuch'; there are box"),
        ({"environment": "nosuch"}, "--environment 'nosuch' matches no stored series; there are python 3.11"),
        ({"min_effect": -1.0}, "--min-effect -1: a percentage"),
        ({"baseline": "nosuch.json"}, "--save-baseline writes one"),
    ],
)
def test_what_matches_nothing_is_said_with_what_there_is(measured, options, message):
    with pytest.raises(UserError) as error:
        History.run(measured.conf, **options)
    assert message in str(error.value)


def test_as_a_person_types_it(measured):
    options = ("-b", "Softmax", "--since", measured.hashes[2], "--json", "-")
    shown = scripts("history", *options, cwd=measured.project.folder)
    assert shown.returncode == 1, shown.stderr
    assert json.loads(shown.stdout)["states"] == {"regressed": 6}


def test_what_it_cannot_do_is_one_line_and_status_2(measured, capsys):
    parser, _ = asv.commands.make_argparser()
    for options in (["-b", "nosuch"], ["-b", "cold", "--json", "/dev/null/no"]):
        args = parser.parse_args(["history", *options])
        assert History.run_from_conf_args(measured.conf, args) == 2
        assert capsys.readouterr().err.startswith("history: ")
