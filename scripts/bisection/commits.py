"""The commits that a bisection can ask for: a line from a good one to a bad one along first parents, as asv has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asv.repo import get_repo
from asv.util import ProcessError, UserError

from ..builds import commit_of

FIELDS = "%H%x1f%an%x1f%as%x1f%s"


@dataclass(frozen=True)
class Commit:
    """A commit as a person knows it; `date` is its author's, as YYYY-MM-DD."""

    hash: str
    author: str
    date: str
    subject: str

    def __str__(self) -> str:
        return f"{self.hash[:8]} {self.subject}"


def line_of(conf: Any, names: Sequence[str], touching: Sequence[str] = ()) -> list[Commit]:
    """Commits from the good end to the bad end, both included: `names` is a range A..B, or both ends.

    With `touching`, only those after the good end that change one of these paths. Raises UserError where the range is
    none, is empty or goes backwards, where the good end is not in the history of the bad one, or is cut off.
    """
    repo = get_repo(conf)
    if repo.dvcs != "git":
        raise UserError(f"bisect needs a git repository, and {conf.repo} is one of {repo.dvcs}")
    repo.pull()
    good_name, bad_name = ends_of(names)
    good, bad = (_resolve(repo, conf, name) for name in (good_name, bad_name))
    if good == bad:
        raise UserError(f"no commits between {good_name} and {bad_name}: both are {good[:8]}")
    if not _is_ancestor(repo, good, bad):
        raise UserError(_out_of_line(repo, (good_name, good), (bad_name, bad)))
    commits = _log(repo, "--first-parent", "--reverse", f"{good}..{bad}", "--", *touching)
    if not commits:
        raise UserError(f"no commit of {good_name}..{bad_name} touches {' '.join(touching)}: leave --touching out")
    return [*_log(repo, "--max-count=1", _start(repo, good, bad), "--"), *commits]


def ends_of(names: Sequence[str]) -> tuple[str, str]:
    """Names of the good and the bad end; raises UserError unless `names` is A..B or two names."""
    if len(names) == 1 and ".." in names[0] and "..." not in names[0]:
        good, bad = names[0].split("..", 1)
        return good or "HEAD", bad or "HEAD"
    if len(names) == 2 and not any(".." in name for name in names):
        return names[0], names[1]
    raise UserError(f"{' '.join(names)!r} is no range: write GOOD..BAD, or the two commits")


def _resolve(repo: Any, conf: Any, name: str) -> str:
    try:
        return commit_of(conf, name)
    except UserError as error:
        raise UserError(f"{error}{_cut_off(repo)}") from None


def _start(repo: Any, good: str, bad: str) -> str:
    """Give the commit just before the range: `good`, or where that came in by a merge, the merge's first parent."""
    listed = _git(repo, "rev-list", "--first-parent", f"{good}..{bad}").split()
    try:
        return _git(repo, "rev-parse", "--verify", f"{listed[-1]}^1^{{commit}}").strip()
    except ProcessError:
        raise UserError(f"nothing is known of what came before {listed[-1][:8]}{_cut_off(repo)}") from None


def _out_of_line(repo: Any, good: tuple[str, str], bad: tuple[str, str]) -> str:
    if _is_ancestor(repo, bad[1], good[1]):
        return f"no commits in {good[0]}..{bad[0]}: {bad[0]} is the older one, so write {bad[0]}..{good[0]}"
    try:
        base = _git(repo, "merge-base", good[1], bad[1]).strip()
        way = f"take their merge base as the good end: {base[:12]}..{bad[0]}"
    except ProcessError:
        way = f"they share no history{_cut_off(repo)}"
    return f"{good[0]} is not in the history of {bad[0]}: {way}"


def _cut_off(repo: Any) -> str:
    shallow = _git(repo, "rev-parse", "--is-shallow-repository").strip() == "true"
    return " (this clone is shallow: `git fetch --unshallow` brings the rest)" if shallow else ""


def _is_ancestor(repo: Any, older: str, newer: str) -> bool:
    try:
        _git(repo, "merge-base", "--is-ancestor", older, newer)
    except ProcessError:
        return False
    return True


def _log(repo: Any, *options: str) -> list[Commit]:
    lines = _git(repo, "log", f"--format={FIELDS}", *options).splitlines()
    return [Commit(*line.split("\x1f", 3)) for line in lines]


def _git(repo: Any, *words: str) -> str:
    return repo._run_git(list(words), display_error=False, dots=False)
