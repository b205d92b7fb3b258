"""The commits that a range means."""

import pytest
from asv.config import Config
from asv.util import UserError

from scripts.bisection.commits import line_of
from tests.scripts.stored_project import commit, git


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """`main` of five commits, the fourth a merge of `side`, whose one commit came from the second."""
    folder = tmp_path_factory.mktemp("history")
    git(folder, "init", "-b", "main")
    hashes = [commit(folder, f"change {i}") for i in range(3)]
    git(folder, "checkout", "-b", "side", hashes[1])
    (folder / "other").write_text("side")
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "aside")
    git(folder, "checkout", "main")
    git(folder, "merge", "--no-ff", "-m", "merge", "side")
    hashes += [git(folder, "rev-parse", "HEAD"), commit(folder, "change 4")]
    git(folder, "checkout", "--orphan", "apart")
    commit(folder, "unrelated")
    git(folder, "checkout", "main")
    return conf_of(folder), hashes


def conf_of(folder):
    return Config.from_json(dict(version=1, project="p", repo=str(folder), branches=["main"]))


def subjects(conf, *names, touching=()):
    return [commit.subject for commit in line_of(conf, names, touching)]


@pytest.mark.parametrize("names", [["main~4..main"], ["main~4", "main"], ["main~4.."]])
def test_a_range_runs_along_first_parents_from_the_good_end(history, names):
    assert subjects(history[0], *names) == ["change 0", "change 1", "change 2", "merge", "change 4"]


def test_only_commits_that_touch_a_path(history):
    conf, hashes = history
    assert subjects(conf, "main~4..main", touching=["other"]) == ["change 0", "merge"]
    line = line_of(conf, ["main~4..main"])
    assert [each.hash for each in line] == hashes
    assert str(line[3]) == f"{hashes[3][:8]} merge"


def test_a_good_end_that_came_in_by_a_merge_gives_way_to_the_first_parent(history):
    assert subjects(history[0], "side..main") == ["change 1", "change 2", "merge", "change 4"]


@pytest.mark.parametrize(
    ("names", "touching", "message"),
    [
        (["main..main~2"], [], "no commits in main..main~2: main~2 is the older one, so write main~2..main"),
        (["main..main"], [], "no commits between main and main"),
        (["main~9..main"], [], "no commit 'main~9'"),
        (["main", "nosuch"], [], "no commit 'nosuch'"),
        (["main"], [], "'main' is no range: write GOOD..BAD"),
        (["a...b"], [], "no range"),
        (["a", "b", "c"], [], "no range"),
        (["side", "main~2"], [], "side is not in the history of main~2: take their merge base"),
        (["apart..main"], [], "they share no history"),
        (["main~4..main"], ["nosuch"], "no commit of main~4..main touches nosuch"),
    ],
)
def test_what_is_no_line_is_told(history, names, touching, message):
    with pytest.raises(UserError) as told:
        line_of(history[0], names, touching)
    assert message in str(told.value)


def test_a_shallow_clone_is_told(history, tmp_path):
    conf, _ = history
    git(tmp_path, "clone", "--depth", "2", f"file://{conf.repo}", "clone")
    shallow = conf_of(tmp_path / "clone")
    assert subjects(shallow, "HEAD~1..HEAD") == ["merge", "change 4"]
    with pytest.raises(UserError, match="git fetch --unshallow"):
        line_of(shallow, ["HEAD~3..HEAD"])
