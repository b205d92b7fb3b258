"""Which cells a change can touch: what files import, and what is in doubt."""

from pathlib import Path

import pytest
from asv.util import UserError

from scripts.gate.affected import Affected, changed_files
from tests.scripts.gate.planted_project import MORE_STEPS, Planted

FILES = {
    "lib/__init__.py": "from .far import thing",
    "lib/near.py": "from . import kernels\nfrom .kernels import fast",
    "lib/kernels/__init__.py": "",
    "lib/kernels/fast.py": "import lib.deep",
    "lib/deep.py": "import math",
    "lib/far.py": "thing = 1",
    "lib/through.py": "from lib import thing",
    "lib/apart.py": "def late():\n    from .far import thing\n    return thing",
}


@pytest.fixture
def package(tmp_path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def touches(package: Path, changed: str, *runs: str) -> bool:
    return Affected(package, "benchmarks", [changed]).touches([package / name for name in runs])


@pytest.mark.parametrize(
    ("changed", "runs", "hit"),
    [
        ("lib/near.py", "lib/near.py", True),
        ("lib/kernels/fast.py", "lib/near.py", True),
        ("lib/deep.py", "lib/near.py", True),
        ("lib/far.py", "lib/near.py", False),
        # The package's own __init__ runs, but what it imports for others does not count.
        ("lib/__init__.py", "lib/kernels/fast.py", True),
        ("lib/far.py", "lib/kernels/fast.py", False),
        # A name that is taken from the package may come from anywhere in it.
        ("lib/far.py", "lib/through.py", True),
        ("lib/far.py", "lib/apart.py", True),
        ("lib/gone.py", "lib/near.py", False),
    ],
)
def test_a_change_touches_what_imports_it(package, changed, runs, hit):
    assert touches(package, changed, runs) is hit


@pytest.mark.parametrize("changed", ["pyproject.toml", "setup.cfg", "src/lib/near.py", "Cargo.lock"])
def test_what_may_change_how_it_is_built_touches_all(package, changed):
    assert touches(package, changed, "lib/far.py")


@pytest.mark.parametrize("changed", ["README.md", "docs/x.png", "tests/test_x.py", "benchmarks/ops.py", ".gitignore"])
def test_what_no_benchmark_runs_touches_none(package, changed):
    assert not touches(package, changed, "lib/near.py")


def test_files_outside_the_package_are_another_side_s(package, tmp_path):
    assert not Affected(package, "benchmarks", ["lib/near.py"]).touches([Path("/usr/lib/near.py")])


def test_both_names_of_a_renamed_file_changed(tmp_path):
    project = Planted(tmp_path / "project")
    (project.folder / "planted/aside.py").rename(project.folder / "planted/moved.py")
    head = project.change(MORE_STEPS)
    found = changed_files(str(project.folder), project.base, head)
    assert found == ["planted/aside.py", "planted/count.py", "planted/moved.py"]
    with pytest.raises(UserError, match="--affected needs the changes between 00000000 and"):
        changed_files(str(project.folder), "0" * 40, head)
