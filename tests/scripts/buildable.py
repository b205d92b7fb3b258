"""A git repository with a tiny package and a suite, which asv builds for real in a second: what searches judge."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.scripts.stored_project import git

BACKEND = "flit_core.buildapi"
PYPROJECT = """\
[build-system]
requires = ["flit_core"]
build-backend = "{backend}"

[project]
name = "{name}"
version = "1"
description = "Work that a test makes slower"
"""


def pyproject(name: str, backend: str = BACKEND) -> str:
    return PYPROJECT.format(name=name, backend=backend)


def settings(folder: Path, name: str, suite: str, *install: str, **more: Any) -> dict[str, Any]:
    """An asv.conf.json of the repository in `folder`; `install` are more options of pip install."""
    wheel = "python -m pip wheel -q --no-deps --no-build-isolation -w {build_cache_dir} {build_dir}"
    put = " ".join(("python -m pip install -q --no-deps --no-index", *install, "{wheel_file}"))
    commands = {"build_command": [wheel], "install_command": [f"in-dir={{env_dir}} {put}"], "uninstall_command": []}
    paths = {"results_dir": ".asv/results", "env_dir": ".asv/env", "html_dir": "html", "benchmark_dir": suite}
    absolute = {key: str(folder / path) for key, path in paths.items()}
    return {"version": 1, "project": name, "repo": str(folder), "branches": ["main"], **commands, **absolute, **more}


def begin(folder: Path, files: Mapping[str, str]) -> None:
    """Make the repository, with `files` in it that are not committed yet."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "init", "-b", "main")


def keep(folder: Path, subject: str) -> str:
    """Commit everything; the commit's hash."""
    git(folder, "add", "--all")
    git(folder, "commit", "--message", subject)
    return git(folder, "rev-parse", "HEAD")
