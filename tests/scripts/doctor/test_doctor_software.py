"""The software under a measurement: of this process, and of a git checkout."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.doctor import software
from tests.scripts.machine_files import write
from tests.scripts.stored_project import git

ROOT = Path(__file__).parents[3]


def described(repo: Path, root=None) -> dict:
    return {fact.name: fact for fact in (software.facts(repo, root) if root else software.facts(repo))}


def test_libraries_blas_and_threads_of_this_process(tmp_path):
    found = described(tmp_path)
    assert found["Python"].value == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"].value == np.__version__
    assert found["LLVM"].value.count(".") == 2
    blas = [fact for name, fact in found.items() if name.startswith("BLAS of ")]
    assert blas and all(fact.value["num_threads"] == 1 and "kernels for" in fact.text for fact in blas)
    assert found["threads held to"].value == 1


def test_a_library_is_named_by_its_package():
    site = Path("/venv/lib/python3.11/site-packages")
    assert software._package(site / "numpy.libs/libscipy_openblas64_-1.so") == "numpy"
    assert software._package(site / "scipy_openblas32/lib/libscipy_openblas.so") == "scipy_openblas32"
    assert software._package(Path("/usr/lib/libopenblas.so.0")) == "/usr/lib/libopenblas.so.0"


def test_variables_that_the_process_was_started_with_are_told_and_not_the_cleared_ones(tmp_path):
    started = "HOME=/root\0OMP_NUM_THREADS=8\0OPENBLAS_CORETYPE=Haswell\0MKL_CBWR=\0ODD\0"
    found = described(tmp_path, write(tmp_path / "root", {"proc/self/environ": started}))
    assert found["thread variables at the start"].value == {"OMP_NUM_THREADS": "8"}
    assert found["crippling variables at the start"].text == "OPENBLAS_CORETYPE=Haswell"
    assert described(tmp_path, tmp_path / "none")["variables at the start"].text == "not told: /proc/self/environ"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's /proc")
def test_a_crippling_variable_of_the_shell_is_seen_although_it_is_cleared(tmp_path):
    code = (
        "import os; from scripts.doctor import software; "
        "print(software.started_with()['OPENBLAS_CORETYPE'], os.environ.get('OPENBLAS_CORETYPE'))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_CORETYPE": "Haswell"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.split() == ["Haswell", "None"], done.stderr


def test_the_state_of_a_checkout(tmp_path, monkeypatch):
    git(tmp_path, "init", "-b", "topic")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "a subject | with a bar")
    (tmp_path / "file").write_text("2")
    (tmp_path / "another").write_text("3")
    found = described(tmp_path)
    assert found["commit"].value.endswith(": a subject | with a bar")
    assert found["branch"].value == "topic"
    assert found["files changed since"].value == 2
    monkeypatch.setenv("PATH", "")
    found = described(tmp_path)
    assert found["commit"].text == "not told: git log"
    assert found["C compiler"].text == "no cc on PATH"


def test_a_folder_that_is_no_checkout_tells_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert described(tmp_path)["files changed since"].value is None
