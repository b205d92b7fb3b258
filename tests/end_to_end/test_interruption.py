"""Ctrl-C during `asv run`: what was measured stays, and the next run goes on from there."""

import os
import signal

import pytest

from tests.end_to_end.repository import ASV, Repository

# In one round, a benchmark that is printed is finished and the next one is not begun.
RUN = ("run", "HEAD^!", "--attribute", "rounds=1", "--bench", r"(norm|reduce)\..*\.time_call\('torsh', 'dispatch'")


def measured(repo: Repository) -> dict[str, int]:
    """When each stored benchmark was started, by name."""
    columns = [(result["result_columns"], result["results"]) for result in repo.results()]
    return {name: values[names.index("started_at")] for names, results in columns for name, values in results.items()}


@pytest.mark.slow
def test_what_was_measured_before_ctrl_c_stays_and_is_not_measured_again(repository):
    repo = repository("project")
    repo.make_light()
    repo.asv("machine", "--yes")
    process = repo.start_in_a_terminal(*ASV, *RUN)
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "time_call" in line and "Running" not in line:
            break
    # As a terminal sends it: to asv and to what asv has started.
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate()
    before = measured(repo)
    assert process.returncode != 0, "".join(seen) + rest
    assert before

    repo.asv(*RUN, "--skip-existing")
    after = measured(repo)
    assert before.items() < after.items()
