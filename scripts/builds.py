"""Commits built side by side: each in a folder of its own, which stands first on the path of one environment's Python.

asv installs one commit at a time into its environment; to measure two in turn, it would have to install before each.
Here asv's own build and install commands fill a folder for each commit.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asv import environment, util
from asv.environment import ExistingEnvironment
from asv.repo import NoSuchNameError, get_repo
from asv.util import ProcessError, UserError

from .commands.bench import HEAVY, drop_heavy

# Folders of built commits that are kept for another time: with all its kernels compiled, one of ours has 100 MB.
KEPT = 16


@dataclass(frozen=True)
class Side:
    """A commit that is built: `folder` is what stands first on the path."""

    commit: str
    folder: Path


class BuildError(UserError):
    """A commit that does not build, or that installs nothing."""


def choose_environment(conf: Any, spec: Sequence[str] = (), heavy: bool = False) -> Any:
    """Give the one environment that `spec` names, as asv's -E does; the configured one by default.

    Without `heavy` it lacks the packages that `bench` leaves out: the other frameworks and the scenarios. Raises
    UserError where none can be made, and where several match.
    """
    pyproject = Path(conf.repo, "pyproject.toml")
    project = tomllib.loads(pyproject.read_text()).get("project", {}) if pyproject.exists() else {}
    if not heavy and "req" in conf.matrix and set(HEAVY) <= set(project.get("optional-dependencies", {})):
        drop_heavy(conf, pyproject)
    found = list(environment.get_environments(conf, list(spec)))
    if not found:
        name = " ".join(spec) or "as configured"
        raise UserError(f"no environment {name} can be made here: -E existing takes this Python as it is")
    if len(found) > 1:
        names = "\n  ".join(each.name for each in found)
        raise UserError(f"{len(found)} environments match, and one is measured at a time: name it with -E\n  {names}")
    return found[0]


def commit_of(conf: Any, name: str) -> str:
    """Hash of the commit called `name` in the project's repository; raises UserError where there is none."""
    try:
        return get_repo(conf).get_hash_from_name(name)
    except (NoSuchNameError, ProcessError):
        raise UserError(f"no commit {name!r} in {conf.repo}: `git log` lists those there are") from None


def working_tree(repository: str) -> str:
    """Make a commit of the working tree as `git add --all` would see it, and give its hash.

    No index and no branch changes: git keeps the commit as a loose object until it next collects garbage. The same
    files give the same hash; without changes it is HEAD's own. Raises UserError where `repository` is no checkout.
    """
    folder = Path(repository).resolve()
    fixed = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in NOBODY.items()}
    with tempfile.TemporaryDirectory() as aside:
        env = {**os.environ, **fixed, "GIT_INDEX_FILE": f"{aside}/index"}
        if (index := folder / _git(folder, "rev-parse", "--git-path", "index")).exists():
            shutil.copyfile(index, f"{aside}/index")
        _git(folder, "add", "--all", env=env)
        tree = _git(folder, "write-tree", env=env)
        if tree == _git(folder, "rev-parse", "HEAD^{tree}"):
            return _git(folder, "rev-parse", "HEAD")
        return _git(folder, "commit-tree", tree, "-p", "HEAD", "-m", "The working tree", env=env)


NOBODY = {"NAME": "nobody", "EMAIL": "nobody@localhost", "DATE": "2000-01-01T00:00:00Z"}


def _git(folder: Path, *words: str, env: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=folder, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError(f"git can't be run in {folder}: install git, or name two commits of a checkout") from None
    if done.returncode:
        raise UserError(f"git {words[0]} in {folder}: {done.stderr.strip() or 'failed'}")
    return done.stdout.strip()


class Builds:
    """Built commits of one environment of asv's, an existing one too: nothing is ever installed into that.

    A context manager; while it is open no other process builds here: that raises UserError.
    """

    def __init__(self, conf: Any, env: Any):
        self.conf, self.env = conf, env
        self.root = Path(conf.env_dir).resolve() / "launches" / env.dir_name
        self._used: set[str] = set()

    def __enter__(self) -> "Builds":
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.root / "lock", "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise UserError(f"another comparison runs in {self.root}: wait for it, or end it") from None
        if isinstance(self.env, ExistingEnvironment):
            # asv never builds in one: it looks for `python` in a folder of its own, and has no {env_dir} to work in.
            python = self.env._executable
            self.env._global_env_vars["ASV_ENV_DIR"] = str(self.root)
            self.env.find_executable = lambda name: python if name == "python" else util.which(name)
        return self

    def __exit__(self, *exception: Any) -> None:
        unused = [folder for folder in self.root.glob("side-*") if folder.name.removeprefix("side-") not in self._used]
        for folder in sorted(unused, key=lambda folder: folder.stat().st_mtime, reverse=True)[KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)
        self._lock.close()

    def build(self, commit: str) -> Side:
        """Build `commit`, a full hash, and install it into a folder of its own; one built before is taken as it is.

        Raises BuildError, with the last lines that the build printed.
        """
        try:
            self.env.create()
        except ProcessError as error:
            raise UserError(f"the environment can't be made: {_reason(error)}") from error
        # Equally long for every commit: the path is in the environment, whose length shifts the stack.
        folder = self.root / f"side-{commit}"
        if not folder.exists():
            part = self.root / "part"
            shutil.rmtree(part, ignore_errors=True)
            try:
                self._install(commit, part)
            except (ProcessError, UserError) as error:
                raise BuildError(f"commit {commit[:8]} does not build: {_reason(error)}") from error
            part.rename(folder)
        os.utime(folder)
        self._used.add(commit)
        return Side(commit, folder)

    def _install(self, commit: str, folder: Path) -> None:
        env, repo = self.env, get_repo(self.conf)
        env.checkout_project(repo, commit)
        source = str(Path(env._build_root, self.conf.repo_subdir or ""))
        wheels = env._cache.get_cache_dir(commit)
        env._set_build_dirs(source, wheels or env._cache.create_cache_dir(commit))
        if not wheels:
            env._build_project(repo, commit, source)
        # pip takes options from variables too: asv's install command, whatever it is, fills the folder.
        with _variables(PIP_TARGET=str(folder), PIP_DISABLE_PIP_VERSION_CHECK="1"):
            env._install_project(repo, commit, source)
        env._cache.finalize_cache_dir(commit)
        if not folder.exists() or not any(folder.iterdir()):
            raise UserError(f"its install command put nothing into PIP_TARGET, {folder}: it must use pip")


@contextmanager
def _variables(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _reason(error: Exception) -> str:
    said = f"{error.stdout}\n{error.stderr}" if isinstance(error, ProcessError) else str(error)
    return last_lines(said) or str(error)


def last_lines(printed: str, count: int = 3) -> str:
    """Last lines of `printed` that are not empty, joined into one."""
    return " | ".join([line.strip() for line in printed.splitlines() if line.strip()][-count:])
