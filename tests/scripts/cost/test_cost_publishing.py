"""Made results: the same for the same seed, and asv publishes them with our plugin and without."""

import pytest
from asv.results import iter_results

from scripts.cost import publishing
from scripts.cost.progress import Progress
from tests.scripts.stored_project import git


def made(folder, seed: int) -> dict[str, dict]:
    folder.mkdir()
    publishing.make(folder, commits=4, benchmarks=10, seed=seed)
    found = {result.commit_hash: result for result in iter_results(str(folder / ".asv/results"))}
    assert sorted(found) == sorted(git(folder, "rev-list", "main").split())
    return {commit: result._results for commit, result in found.items()}


def test_made_results_depend_on_the_seed_alone(tmp_path):
    one, same, other = (made(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert one == same != other
    assert all(len(values) == 10 for values in one.values())
    assert not any("time" not in name or "made" not in name for values in one.values() for name in values)


@pytest.mark.slow
def test_both_publish_them(capfd):
    found = publishing.measure(commits=4, benchmarks=3, progress=Progress())
    assert found["made"]
    assert set(found["seconds"]) == {"this suite", "stock asv"}
    assert all(seconds > 0 for seconds in found["seconds"].values())
    assert "publishing them: stock asv" in capfd.readouterr().err
