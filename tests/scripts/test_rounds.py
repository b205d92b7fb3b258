"""Rounds: what of stored results an unfinished run still has to measure, and the file that names such runs."""

from dataclasses import replace

import pytest
from asv.benchmarks import Benchmarks
from asv.results import Results

from scripts import durable, tags
from scripts.conditions import Conditions
from scripts.rounds import UNFINISHED, Rounds, Unfinished
from tests.scripts.stored_project import BENCHMARKS, commit
from tests.scripts.test_tags import TAG

ADD, SOFTMAX, COLD = "ops.Add.time_call", "ops.Softmax.time_call", "cold.time_import"
durable.install()
NAME = "2026-01-01 00:00:00.000"


@pytest.fixture
def interrupted(empty_project):
    """Stored results of three benchmarks: one finished by an unfinished run, one with a round left, one older."""
    made = commit(empty_project.folder, "one")
    empty_project.store(made, names=[ADD, SOFTMAX, COLD])
    path = empty_project.results / "box/1.tags"
    for number, (name, left) in enumerate(((ADD, 1), (SOFTMAX, 1), (ADD, 0))):
        tag = replace(TAG, commit=made, benchmark=name, rounds_left=left, run=NAME)
        tags.append(path, tag, first=number == 0)
    Unfinished(empty_project.results / UNFINISHED).begin("asked", NAME)
    return empty_project


def load(project) -> Results:
    (path,) = (project.results / "box").glob("*-env.json")
    return Results.load(str(path))


def test_asv_skips_what_the_unfinished_run_has_done_in_all_rounds(interrupted, capsys):
    rounds = Rounds(interrupted.results, "asked")
    assert "going on with the run of 2026-01-01 00:00: results kept: 2 " in capsys.readouterr().err
    assert set(rounds.without_unfinished(load(interrupted)).get_all_result_keys()) == {ADD}


def test_what_other_runs_have_stored_is_skipped_when_that_was_asked_for(interrupted):
    rounds = Rounds(interrupted.results, "asked", keep_stored=True)
    assert set(rounds.without_unfinished(load(interrupted)).get_all_result_keys()) == {ADD, COLD}


def test_what_was_measured_on_an_unfit_machine_is_said(interrupted, capsys):
    rounds = Rounds(interrupted.results, "asked")
    capsys.readouterr()
    rounds.say_unfit()
    assert not capsys.readouterr().err
    tag = replace(TAG, benchmark=COLD, run=NAME, conditions=Conditions(seconds=9.0, steal=0.5))
    tags.append(interrupted.results / "box/1.tags", tag, first=True)
    rounds.say_unfit()
    said = capsys.readouterr().err
    assert "1 of 4 measurements were taken on an unfit machine (the last: the hypervisor took 50.0%" in said


@pytest.mark.parametrize("options", [{"selection": "asked", "afresh": True}, {"selection": "something else"}])
def test_afresh_or_something_else_measures_everything(interrupted, options, capsys):
    rounds = Rounds(interrupted.results, **options)
    assert rounds.name != NAME
    assert not set(rounds.without_unfinished(load(interrupted)).get_all_result_keys())
    assert not capsys.readouterr().err


def test_another_version_of_a_benchmark_is_not_the_one_that_was_measured(interrupted):
    rounds = Rounds(interrupted.results, "asked")
    result = load(interrupted)
    result._benchmark_version[ADD] = "2"
    assert not set(rounds.without_unfinished(result).get_all_result_keys())


def test_rounds_end_when_every_cell_is_precise_and_only_imprecise_ones_go_on(empty_project, capsys):
    made = commit(empty_project.folder, "one")
    result = empty_project.store(made, names=[COLD])
    result.load_data(str(empty_project.results))
    measured = []

    class Environment:
        name = "env"

    def run_benchmarks(benchmarks, env, results, run_rounds, **options):
        # torsh varies by a tenth from round to round, the others do not at all.
        measured.append({name: benchmarks.benchmark_selection[name] for name in benchmarks})
        for name in benchmarks:
            values = empty_project._values(BENCHMARKS[name], 1.0, None)
            scale = 1 + 0.2 * (run_rounds[0] % 2)
            for cell in (0, 1) if name == ADD else ():
                values.samples[cell][:] = [sample * scale for sample in values.samples[cell]]
            results.add_result(BENCHMARKS[name], values, record_samples=True, append_samples=len(measured) > 1)

    rounds = Rounds(empty_project.results, "asked", precision=0.03)
    both = Benchmarks(empty_project.conf, [BENCHMARKS[ADD], BENCHMARKS[COLD]])
    for number in (3, 2, 1):
        rounds.measure(run_benchmarks, both, Environment, result, run_rounds=[number])
    # By the default's 3.5 % one round is not enough for 3 %, and two are. TensorFlow is n/a, and JAX failed.
    assert measured == [{ADD: list(range(10)), COLD: None}, {ADD: list(range(6)), COLD: None}, {ADD: [0, 1]}]
    assert "2 of 7 cells are not at ±3.0% yet; rounds to come: at most 1" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"x"'])
def test_a_damaged_file_names_no_run_and_is_written_anew(tmp_path, text):
    path = tmp_path / UNFINISHED
    path.write_text(text)
    unfinished = Unfinished(path)
    assert unfinished.runs() == {}
    unfinished.begin("asked", NAME)
    unfinished.begin("other", NAME)
    assert unfinished.runs() == {"asked": NAME, "other": NAME}
    unfinished.end("asked")
    unfinished.end("never begun")
    assert unfinished.runs() == {"other": NAME}
