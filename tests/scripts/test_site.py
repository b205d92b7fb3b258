"""What `asv publish` leaves in html/."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from asv.commands.publish import Publish
from asv.config import Config
from asv.util import UserError

from scripts import plugin
from scripts.doctor import examination as examinations
from scripts.site import frameworks
from tests.scripts.doctor_samples import examination
from tests.scripts.stored_project import commit

ROOT = Path(__file__).parents[2]
plugin.setup()


def publish(project) -> Path:
    Publish.run(project.conf, pull=False)
    return project.folder / "html"


def strict(path: Path):
    """Read JSON as a browser does: NaN and Infinity are errors."""

    def refuse(name):
        raise ValueError(f"{path} holds {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_the_published_folder_is_whole_and_asks_for_nothing_outside(published):
    html = published.folder / "html"
    names = {path.name for path in html.iterdir()}
    assert {"index.html", "frameworks.html", "machines.html", "index.json", "commits.json"} <= names
    assert {"graphs", "assets", "README.md"} <= names
    assert not names & {path.name for path in (Path(sys.modules["asv"].__file__).parent / "www").glob("*.js")}
    for page in html.glob("*.html"):
        assert "http" not in page.read_text().replace("http://127.0.0.1", "")
    for path in html.rglob("*.json"):
        strict(path)


def test_a_plain_asv_publish_does_the_same(project):
    command = [sys.executable, "-m", "asv", "publish", "--no-pull"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=project.folder, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "frameworks.html" in (project.folder / "html/index.html").read_text()


def test_this_project_s_configuration_loads_the_plugin():
    assert Config.load(str(ROOT / "asv.conf.json")).plugins == [".scripts.plugin"]


def test_the_readme_of_the_folder_survives(project):
    kept = (ROOT / "html/README.md").read_text()
    html = publish(project)
    assert (html / "README.md").read_text() == kept
    (project.results / "benchmarks.json").unlink()
    with pytest.raises(UserError):
        publish(project)
    assert (html / "README.md").read_text() == kept


def test_results_that_are_no_numbers_stop_nothing(empty_project):
    odd = [4e-6, math.inf, -math.inf, math.nan, "a text"]
    for number, value in enumerate(odd):
        empty_project.store(commit(empty_project.folder, f"commit {number}"), odd=value)
    html = publish(empty_project)
    for path in html.rglob("*.json"):
        strict(path)
    (graph,) = html.glob("graphs/arch-*/**/ops.Add.time_call.json")
    # torch's two cells hold the odd value; torsh's, which come first, are there at every commit.
    points = [values for _, values in strict(graph)]
    assert [values[4:6] for values in points] == [[4e-6, 4e-6], *[[None, None]] * 4]
    assert all(values[0] for values in points)


def test_a_benchmark_that_one_environment_lacks_has_an_empty_graph_there(project):
    newest = commit(project.folder, "another environment")
    result = project.store(newest, names=["cold.time_import"], env="other")
    result._params["numba"] = "0.69"
    result.save(str(project.results))
    html = publish(project)
    graphs = [strict(path) for path in html.glob("graphs/arch-*/**/ops.Add.time_call.json")]
    assert sorted(map(len, graphs)) == [0, 4]


def test_the_pages_are_told_which_way_is_better(published):
    listed = strict(published.folder / "html/index.json")["benchmarks"]
    better_low = {name: each["less_is_better"] for name, each in listed.items()}
    assert better_low == {
        "cold.time_import": True,
        "ops.Add.time_call": True,
        "ops.Softmax.time_call": True,
        "ops.Peers.track_ratio": True,
        "ops.Rates.track_gflops": False,
    }


def test_a_benchmark_without_any_result_is_not_listed(empty_project):
    empty_project.store(commit(empty_project.folder, "one"), names=["ops.Add.time_call"])
    assert list(strict(publish(empty_project) / "index.json")["benchmarks"]) == ["ops.Add.time_call"]


def test_commits_carry_their_subjects(published):
    assert sorted(strict(published.folder / "html/commits.json").values()) == [f"change {i}" for i in range(4)]


def test_the_frameworks_page_shows_the_newest_commit(published):
    page = (published.folder / "html/frameworks.html").read_text()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=published.folder, capture_output=True, text=True).stdout
    assert f"box, commit {head[:8]}" in page
    assert page.count("<section>") == 1
    # 1.5 times slower at the newest commit than 2 us, and numpy then takes 4.5.
    assert "3.00μs" in page and "4.50μs" in page and "2.00μs" not in page
    assert "1.50\N{MULTIPLICATION SIGN}" in page
    assert "4 of 4" in page
    assert 'href="index.html#view=explore&amp;bench=ops.Add.time_call"' in page
    # tensorflow was n/a and jax failed everywhere: no column.
    assert "tensorflow" not in page.split("<thead>")[1].split("</thead>")[0]


def test_without_frameworks_in_the_results_the_page_says_what_to_type(empty_project):
    empty_project.store(commit(empty_project.folder, "one"), names=["cold.time_import"])
    assert "python -m scripts bench" in (publish(empty_project) / "frameworks.html").read_text()


def test_what_a_result_names_is_escaped(project):
    machine = project.results / "box/machine.json"
    machine.write_text(machine.read_text().replace("A CPU", "<script>alert(1)</script>"))
    for path in project.results.glob("box/*-env.json"):
        path.write_text(path.read_text().replace("A CPU", "<script>alert(1)</script>"))
    page = (publish(project) / "frameworks.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_the_bar_grows_from_the_middle():
    assert frameworks.bar(1) == {"x": 50, "width": 0}
    assert frameworks.bar(8) == frameworks.bar(1000) == {"x": 50, "width": 50}
    assert frameworks.bar(1 / 8) == {"x": 0, "width": 50}
    assert frameworks.bar(2)["width"] == frameworks.bar(0.5)["width"] == pytest.approx(50 / 3, abs=0.01)


def test_a_damaged_results_file_is_left_out(project):
    (one, *_) = project.results.glob("box/*-env.json")
    shutil.copy(one, one.with_name("deadbeef-env.json"))
    one.with_name("deadbeef-env.json").write_text(one.read_text()[:200])
    assert (publish(project) / "frameworks.html").exists()


def test_the_machines_page_shows_each_note(project):
    examinations.store(examination(), project.results, "box")
    noisy = examination(facts={"SMT": True, "virtual machine": True}, peaks=None, noise=())
    examinations.store(noisy, project.results, "another")
    page = (publish(project) / "machines.html").read_text()
    assert page.count("<section>") == 2
    another, box = page.split("<section>")[1:]
    assert "<h2>box</h2>" in box and "100 of 100" in box and "Examined 2026-01-02 03:04:05 UTC" in box
    assert "<td>8.00ms</td><td>0.6%</td><td>0.8%</td>" in box
    assert "<td>1 MiB</td><td>L2</td><td>40.0</td><td>50.0</td><td>60.0</td><td>4.00ns</td>" in box
    assert "85 of 100" in another and "<code>doctor --quick</code> leaves them out" in another
    assert "echo off | sudo tee /sys/devices/system/cpu/smt/control" in another
    # What a note says is text, whatever it looks like.
    assert "&lt;b&gt;this&lt;/b&gt;" in page and "<b>this</b>" not in page


def test_without_a_note_the_machines_page_says_what_to_type(published):
    page = (published.folder / "html/machines.html").read_text()
    assert "No machine has been examined yet. Type <code>python -m scripts doctor</code>." in page


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"noise": 5}', "\udcff"])
def test_a_damaged_note_is_left_out_and_named(project, text, caplog):
    examinations.store(examination(), project.results, "box")
    (project.results / "torn").mkdir()
    (project.results / "torn" / examinations.NOTE).write_bytes(text.encode(errors="surrogateescape"))
    page = (publish(project) / "machines.html").read_text()
    assert "<h2>box</h2>" in page and page.count("<section>") == 1
    assert "torn/doctor.note is left out of the site, run doctor again" in caplog.text


def test_a_note_of_an_earlier_version_shows_what_it_holds(project):
    path = examinations.store(examination(), project.results, "box")
    note = json.loads(path.read_text())
    note["conditions"]["moon"] = "full"
    del note["peaks"]["latencies"]
    path.write_text(json.dumps(note))
    page = (publish(project) / "machines.html").read_text()
    assert "100 of 100" in page and "4.00ns" not in page
