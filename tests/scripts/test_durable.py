"""Interrupted runs: what was measured is in the results file, whole."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from asv.results import Results, iter_results
from asv.util import UserError

from scripts import durable, tags
from tests.scripts.stored_project import BENCHMARKS, Project, commit

ROOT = Path(__file__).parents[2]
durable.install()


def stored(project: Project) -> dict:
    (path,) = (project.results / "box").glob("*-env.json")
    return json.loads(path.read_text())["results"]


def test_each_benchmark_is_on_disk_as_soon_as_it_was_measured(empty_project):
    made = commit(empty_project.folder, "one")
    first = empty_project.store(made, names=["ops.Add.time_call"])
    first.load_data(str(empty_project.results))
    bench = BENCHMARKS["cold.time_import"]
    first.add_result(bench, empty_project._values(bench, 1.0, None))
    assert set(stored(empty_project)) == {"ops.Add.time_call", "cold.time_import"}


def test_results_that_are_not_to_be_kept_are_not_written(empty_project):
    # `asv run --dry-run` never loads, so it must never save.
    params = dict(machine="box", python="3.11")
    result = Results(params, {}, "0" * 40, 0, "3.11", "env", {})
    bench = BENCHMARKS["cold.time_import"]
    result.add_result(bench, empty_project._values(bench, 1.0, None))
    assert not list((empty_project.results / "box").glob("*-env.json"))


def test_each_result_is_tagged_with_the_conditions_it_was_measured_under(empty_project):
    made = commit(empty_project.folder, "one")
    result = empty_project.store(made, names=["ops.Add.time_call"])
    result.load_data(str(empty_project.results))
    for name in ("ops.Softmax.time_call", "cold.time_import"):
        result.add_result(BENCHMARKS[name], empty_project._values(BENCHMARKS[name], 1.0, None), selected_idx=[0])
    found = list(tags.read_all(empty_project.results, "box"))
    assert [tag.benchmark for tag in found] == ["ops.Softmax.time_call", "cold.time_import"]
    softmax, cold = found
    assert (softmax.commit, softmax.environment, softmax.version, softmax.run) == (made, "env", "1", None)
    # torsh, numpy, torch; TensorFlow is n/a and JAX failed.
    expected = [2e-6, 2e-6, 3e-6, 3e-6, 4e-6, 4e-6]
    assert softmax.medians == pytest.approx((*expected, None, None, None, None), nan_ok=True)
    assert softmax.spreads[:2] == pytest.approx((0.029652, 0.029652), rel=1e-3)
    # One cell of ten: nine are still a former run's. One of one: none is.
    assert (softmax.added, cold.added) == (True, False)
    assert softmax.conditions.seconds > 0
    # asv reads its own file there, and no other.
    assert len(list(iter_results(str(empty_project.results)))) == 1


def test_a_tag_that_cannot_be_written_is_an_error_and_the_result_stays(empty_project):
    made = commit(empty_project.folder, "one")
    result = empty_project.store(made, names=["ops.Add.time_call"])
    (path,) = (empty_project.results / "box").glob("*-env.json")
    tags.beside(path).mkdir()
    result.load_data(str(empty_project.results))
    bench = BENCHMARKS["cold.time_import"]
    with pytest.raises(UserError, match=r"can't write .*\.tags"):
        result.add_result(bench, empty_project._values(bench, 1.0, None))
    assert "cold.time_import" in stored(empty_project)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 2, "results": 3}'])
def test_a_results_file_that_cannot_be_read_stops_the_run_and_is_left_alone(empty_project, text):
    made = commit(empty_project.folder, "one")
    result = empty_project.store(made)
    (path,) = (empty_project.results / "box").glob("*-env.json")
    path.write_text(text)
    with pytest.raises(UserError, match="nothing is measured that would overwrite it"):
        result.load_data(str(empty_project.results))
    assert path.read_text() == text


def test_nan_and_infinity_in_a_file_are_loaded_and_written_again(empty_project):
    made = commit(empty_project.folder, "one")
    result = empty_project.store(made, odd=float("inf"))
    result.load_data(str(empty_project.results))
    bench = BENCHMARKS["cold.time_import"]
    result.add_result(bench, empty_project._values(bench, 1.0, None))
    values = stored(empty_project)["ops.Add.time_call"][0]
    assert sum(value == float("inf") for value in values) == 2
    assert sum(value != value for value in values if value is not None) == 2


FILL = """
import resource, sys
from scripts import durable
durable.install()
from asv.results import Results
from asv.util import UserError
path, folder = sys.argv[1:]
result = Results.load(path, machine_name="box")
result._samples["cold.time_import"] = [[0.5] * 100_000]
# Files of this process end here: writing fails in the middle, as on a full disk.
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    result.save(folder)
except UserError as error:
    print(error)
"""


def test_a_write_that_fails_in_the_middle_leaves_the_old_file(empty_project):
    empty_project.store(commit(empty_project.folder, "one"))
    (path,) = (empty_project.results / "box").glob("*-env.json")
    before = path.read_bytes()
    assert len(before) < 20_000
    command = [sys.executable, "-c", FILL, str(path), str(empty_project.results)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "can't write" in run.stdout
    assert "What was stored before is intact" in run.stdout
    assert path.read_bytes() == before
    assert {each.name for each in path.parent.iterdir()} == {path.name, "machine.json"}


def test_a_folder_that_cannot_be_written_is_named(empty_project):
    made = commit(empty_project.folder, "one")
    (empty_project.results / "box" / "machine.json").unlink()
    (empty_project.results / "box").rmdir()
    (empty_project.results / "box").write_text("in the way")
    with pytest.raises(UserError, match=r"can't write .*box"):
        empty_project.store(made)
