"""The working tree as a commit, and commits built side by side."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from asv.util import UserError

from scripts import builds
from tests.scripts.gate.planted_project import BROKEN, MORE_STEPS, Planted
from tests.scripts.stored_project import commit, git


@pytest.fixture
def repository(tmp_path) -> Path:
    git(tmp_path, "init", "-b", "main")
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "kept").write_text("1")
    commit(tmp_path, "base")
    return tmp_path


def files(folder: Path, hash: str) -> dict[str, str]:
    names = git(folder, "ls-tree", "-r", "--name-only", hash).splitlines()
    return {name: git(folder, "show", f"{hash}:{name}") for name in names}


def test_the_working_tree_is_head_when_nothing_changed(repository):
    assert builds.working_tree(str(repository)) == git(repository, "rev-parse", "HEAD")


def test_the_working_tree_is_taken_as_git_add_would_and_nothing_of_it_is_touched(repository):
    (repository / "kept").write_text("staged")
    git(repository, "add", "kept")
    (repository / "kept").write_text("2")
    (repository / "new").write_text("3")
    (repository / "ignored").write_text("4")
    (repository / "file").unlink()
    watched = ("status --porcelain", "diff --cached", "for-each-ref", "rev-parse HEAD", "stash list")
    before = [git(repository, *words.split()) for words in watched]
    found = builds.working_tree(str(repository))
    assert [git(repository, *words.split()) for words in watched] == before
    assert files(repository, found) == {".gitignore": "ignored", "kept": "2", "new": "3"}
    assert git(repository, "rev-parse", f"{found}^") == git(repository, "rev-parse", "HEAD")
    assert builds.working_tree(str(repository)) == found


def test_the_working_tree_in_the_middle_of_a_merge_is_what_the_files_say(repository):
    git(repository, "checkout", "-b", "side")
    (repository / "kept").write_text("side")
    commit(repository, "side")
    git(repository, "checkout", "main")
    (repository / "kept").write_text("main")
    commit(repository, "main")
    merge = ["git", "-c", "user.name=T", "-c", "user.email=t@e", "merge", "side"]
    assert subprocess.run(merge, cwd=repository, capture_output=True).returncode != 0
    assert "<<<<<<<" in files(repository, builds.working_tree(str(repository)))["kept"]
    assert git(repository, "diff", "--name-only", "--diff-filter=U").splitlines() == ["file", "kept"]


def test_no_checkout_and_no_such_commit_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match="not a git repository"):
        builds.working_tree(str(tmp_path))
    project = Planted(tmp_path / "project")
    assert builds.commit_of(project.conf, "HEAD") == project.base
    with pytest.raises(UserError, match="no commit 'nowhere' in"):
        builds.commit_of(project.conf, "nowhere")


def test_one_environment_is_chosen_or_it_says_how(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = Planted(tmp_path / "project")
    conf = project.conf
    conf.environment_type = "virtualenv"
    conf.pythons = [f"{sys.version_info.major}.{sys.version_info.minor}"]
    conf.matrix = {"env_nobuild": {"A": ["1", "2"]}}
    with pytest.raises(UserError, match=r"2 environments match.*name it with -E"):
        builds.choose_environment(conf)
    with pytest.raises(UserError, match=r"no environment virtualenv:1\.1 can be made here"):
        builds.choose_environment(conf, ["virtualenv:1.1"])
    assert builds.choose_environment(conf, ["existing"]).tool_name == "existing"


def test_two_commits_stand_side_by_side_and_a_broken_one_is_named(tmp_path):
    project = Planted(tmp_path / "project")
    head = project.change(MORE_STEPS)
    broken = project.change(BROKEN)
    conf = project.conf
    with builds.Builds(conf, builds.choose_environment(conf)) as built:
        sides = [built.build(each) for each in (project.base, head)]
        texts = [(side.folder / "planted/count.py").read_text() for side in sides]
        assert texts == ["STEPS = 100\n", "STEPS = 110\n"]
        assert len({len(str(side.folder)) for side in sides}) == 1
        mark = sides[0].folder / "mark"
        mark.touch()
        assert built.build(project.base) == sides[0]
        assert mark.exists()
        with pytest.raises(builds.BuildError, match=f"commit {broken[:8]} does not build: .*no_such_backend"):
            built.build(broken)
        assert not any(built.root.glob(f"side-{broken}"))
        with pytest.raises(UserError, match="another comparison runs in"), builds.Builds(conf, built.env):
            pass
    with open(built.root / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_folders_beyond_the_kept_are_forgotten_the_oldest_first(tmp_path, monkeypatch):
    monkeypatch.setattr(builds, "KEPT", 1)
    project = Planted(tmp_path / "project")
    conf = project.conf
    with builds.Builds(conf, builds.choose_environment(conf)) as built:
        for number, name in enumerate(("old", "new", "used")):
            folder = built.root / f"side-{name}"
            folder.mkdir()
            os.utime(folder, (number, number))
        built._used.add("used")
    assert sorted(path.name for path in built.root.glob("side-*")) == ["side-new", "side-used"]
