"""The `doctor` command through its plain run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from asv.machine import MachineCollection
from asv.results import iter_results
from asv.util import UserError

from scripts import machine
from scripts.commands.doctor import Doctor, machine_name
from scripts.doctor import examination as examinations
from scripts.doctor import noise
from tests.scripts.doctor_samples import STEADY, examination
from tests.scripts.sample_peaks import peaks

ROOT = Path(__file__).parents[2]


@pytest.fixture
def examined(monkeypatch):
    """Makes `doctor` find what it is given, and nothing of this machine."""

    def find(**changes):
        monkeypatch.setattr(examinations, "examine", lambda *args: examination(**changes))

    find()
    return find


def note(project, name="box") -> dict:
    return json.loads((project.results / name / examinations.NOTE).read_text())


def test_a_fit_machine_gives_0_and_leaves_a_note_that_asv_does_not_read(project, examined, capsys):
    before = [str(result) for result in map(vars, iter_results(str(project.results)))]
    assert Doctor.run(project.conf, machine="box") == 0
    captured = capsys.readouterr()
    assert "Reproducibility 100 of 100: fit to measure" in captured.out
    assert f"stored in {project.results / 'box' / 'doctor.note'}" in captured.err
    assert note(project)["score"] == 100
    assert [str(result) for result in map(vars, iter_results(str(project.results)))] == before


def test_an_unfit_machine_gives_1_and_says_why(project, examined, capsys):
    examined(facts={"virtual machine": True}, noise=(noise.Noise("cache", 10, 1e-5, 0.1, 0.2),))
    assert Doctor.run(project.conf, machine="box") == 1
    shown = capsys.readouterr().out
    assert "identical work (cache) differs by 20.0% from process to process" in shown
    assert "Reproducibility 45 of 100: not fit to measure" in shown
    assert note(project)["fit"] is False


def test_json_and_markdown_go_to_files_and_to_standard_output_alone(project, examined, capsys, tmp_path):
    assert Doctor.run(project.conf, json_file="-", markdown_file=str(tmp_path / "a" / "m.md"), machine="box") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["score"] == 100
    assert "fit to measure" in captured.err
    assert (tmp_path / "a" / "m.md").read_text().startswith("# Reproducibility 100")
    with pytest.raises(UserError, match="--json and --markdown can't both go to standard output"):
        Doctor.run(project.conf, json_file="-", markdown_file="-")


def test_ctrl_c_shows_what_is_known_and_stores_no_note(project, monkeypatch, capsys, tmp_path):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(noise, "measure", interrupted)
    assert Doctor.run(project.conf, json_file=str(tmp_path / "d.json"), machine="box") == 130
    captured = capsys.readouterr()
    assert "operating system" in captured.out
    assert re.search(r"Reproducibility \d+ of 100 by what was known when it was interrupted$", captured.out.rstrip())
    assert "interrupted: what is not shown was not measured" in captured.err
    assert json.loads((tmp_path / "d.json").read_text())["interrupted"] is True
    assert not (project.results / "box" / examinations.NOTE).exists()


def test_ctrl_c_during_the_peaks_keeps_the_noise(project, monkeypatch, capsys):
    def interrupted(**kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(noise, "measure", lambda *args: STEADY)
    monkeypatch.setattr(machine, "peaks", interrupted)
    assert Doctor.run(project.conf, machine="box") == 130
    assert "noise of identical work in fresh processes" in capsys.readouterr().out


def test_quick_measures_no_peaks_and_a_full_run_does(project, monkeypatch):
    asked = []
    monkeypatch.setattr(noise, "measure", lambda *args: STEADY)
    monkeypatch.setattr(machine, "peaks", lambda refresh: asked.append(refresh) or peaks())
    Doctor.run(project.conf, quick=True, machine="box")
    assert asked == [] and note(project)["peaks"] is None
    Doctor.run(project.conf, fresh_peaks=True, machine="box")
    assert asked == [True] and note(project)["peaks"]["cpu"] == "A CPU"
    with pytest.raises(UserError, match="--quick leaves the peaks out, --fresh-peaks measures them"):
        Doctor.run(project.conf, quick=True, fresh_peaks=True)


def test_noise_that_can_not_be_measured_gives_2(project, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(noise, "CHILD", tmp_path / "child.py")
    noise.CHILD.write_text("raise ImportError('numpy is broken')")
    assert Doctor.run(project.conf, quick=True, machine="box") == 2
    assert (
        "doctor: the noise kernels failed in a fresh process: ImportError: numpy is broken" in capsys.readouterr().err
    )


def test_what_can_not_be_written_is_told_and_the_answer_is_shown(project, examined, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert Doctor.run(project.conf, json_file=str(tmp_path / "file" / "d.json"), machine="box") == 2
    captured = capsys.readouterr()
    assert f"doctor: can't write {tmp_path / 'file' / 'd.json'}: " in captured.err
    assert f"File exists: '{tmp_path / 'file'}'" in captured.err
    assert "fit to measure" in captured.out
    assert note(project)["score"] == 100
    (project.results / "other").write_text("")
    assert Doctor.run(project.conf, machine="other") == 2
    assert f"doctor: can't store the note in {project.results / 'other'}: " in capsys.readouterr().err


def test_the_machine_is_called_as_asv_calls_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert machine_name() == os.uname().nodename
    MachineCollection.save("given", {"machine": "given", "os": "x"})
    assert machine_name() == "given"


@pytest.mark.slow
def test_this_machine_is_examined_for_real(project):
    command = [sys.executable, "-m", "scripts", "doctor", "--quick", "--json", "-", "--machine", "box"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_CORETYPE": "Haswell"}
    done = subprocess.run(command, cwd=project.folder, env=env, capture_output=True, text=True, timeout=540)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert found["fit"] is (done.returncode == 0)
    assert 0 <= found["score"] <= 100
    assert len(found["noise"]) == 4 and all(each["processes"] == 10 for each in found["noise"])
    assert found["conditions"]["seconds"] > 1
    assert any(finding["mend"] == "unset OPENBLAS_CORETYPE" for finding in found["findings"]) or sys.platform != "linux"
    assert note(project) == found
    assert "process 10 of 10" in done.stderr
