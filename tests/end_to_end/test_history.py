"""The whole loop on real commits: one of fourteen makes softmax slower; the site and `asv find` say which."""

import json

import pytest

from tests.end_to_end.repository import Repository

BENCHMARK = "ops.norm.Softmax.time_call"
CELL = rf"{BENCHMARK}\('torsh', 'cache'\)"
COMMITS = 14
SLOW = 7
KERNEL = "torsh_ops/kernels/rows.py"
QUADRATIC = """\
def softmax(x, out):
    \"\"\"The maximum of the row is looked for again for each element: quadratic where it was linear.\"\"\"
    rows, n = x.shape
    for r in range(rows):
        total = x.dtype.type(0)
        for i in range(n):
            best = x[r, 0]
            for j in range(1, n):
                best = max(best, x[r, j])
            out[r, i] = m.exp(x[r, i] - best)
            total += out[r, i]
        for i in range(n):
            out[r, i] /= total
"""


def grow(repo: Repository) -> list[str]:
    """Add commits up to COMMITS, of which number SLOW alone changes what torsh_ops does; the hashes, oldest first."""
    hashes = [repo.git("rev-parse", "HEAD")]
    for number in range(1, COMMITS):
        with (repo.folder / "torsh_ops/__init__.py").open("a") as module:
            module.write(f"# Change {number}.\n")
        if number == SLOW:
            repo.replace_function(KERNEL, "softmax", QUADRATIC)
        hashes.append(repo.commit(f"Change {number}"))
    return hashes


@pytest.mark.slow
def test_a_slower_commit_is_on_the_site_and_asv_find_names_it(repository):
    repo = repository("project")
    hashes = grow(repo)
    repo.make_light()
    repo.asv("machine", "--yes")

    repo.asv("run", "ALL", "--bench", CELL)
    assert {result["commit_hash"] for result in repo.results()} == set(hashes)

    # Tests beside this one make the machine unfit to measure: without the tags, its results are judged all the same.
    for tags in repo.folder.glob(".asv/results/*/*.tags"):
        tags.unlink()
    repo.asv("publish")
    regressions = json.loads((repo.folder / "html/regressions.json").read_text())["regressions"]
    revisions = json.loads((repo.folder / "html/index.json").read_text())["revision_to_hash"]
    found = [entry for entry in regressions if entry[0].startswith(BENCHMARK)]
    assert len(found) == 1, regressions
    jumps = found[0][-1]
    for _, revision, before, after in jumps:
        print(f"{found[0][0]}: {before * 1e6:.1f} us, then {after * 1e6:.1f} us since {revisions[str(revision)][:8]}")
    # A neighbour on the machine may have made a step of its own; none is as large.
    largest = max(jumps, key=lambda jump: jump[3] / jump[2])
    assert revisions[str(largest[1])] == hashes[SLOW]

    output = repo.asv("find", f"{hashes[0]}..{hashes[-1]}", CELL)
    verdict = output.strip().splitlines()[-1]
    print(verdict)
    assert f"Greatest regression found: {hashes[SLOW][:8]}" in verdict
