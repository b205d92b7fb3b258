"""Makes repositories of this project as it stands in the working tree."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.repository import Repository

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Callable[[str], Repository]:
    """A maker of repositories: this project's files, as they are now, in one commit on `main`."""

    def make(name: str) -> Repository:
        repo = Repository(tmp_path / name, tmp_path)
        listed = subprocess.check_output(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, text=True)
        for file in filter(None, listed.split("\0")):
            # A file that was deleted and not yet committed is listed too.
            if (ROOT / file).exists():
                target = repo.folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, target)
        repo.git("init", "--quiet", "--initial-branch", "main")
        repo.commit("The project")
        return repo

    return make
