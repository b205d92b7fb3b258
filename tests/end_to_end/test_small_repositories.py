"""`make bench` measures what history there is: one commit, or the few of a shallow clone."""

import sys

import pytest

from tests.end_to_end.repository import Repository

BENCH = (sys.executable, "-m", "scripts", "bench", "--bench", r"Softmax.time_call\('torsh', 'dispatch'\)")


def check_bench(repo: Repository, commits: int) -> None:
    output = repo.run(*BENCH)
    assert len(repo.results()) == commits
    assert "Softmax" in output
    assert str(repo.folder / "html") in output
    assert (repo.folder / "html/index.html").exists()


@pytest.mark.slow
def test_bench_works_with_a_single_commit(repository):
    check_bench(repository("project"), commits=1)


@pytest.mark.slow
def test_bench_works_in_a_shallow_clone_without_a_branch(repository):
    origin = repository("origin")
    for change in ("second", "third"):
        (origin.folder / "CHANGE").write_text(change)
        origin.commit(change)
    origin.git("clone", "--quiet", "--depth", "2", origin.folder.as_uri(), "../clone")
    clone = Repository(origin.folder.parent / "clone", origin.folder.parent)
    clone.git("checkout", "--quiet", "--detach")
    assert clone.git("rev-list", "--count", "HEAD") == "2"
    check_bench(clone, commits=2)
