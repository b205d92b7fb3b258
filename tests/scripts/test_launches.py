"""Cells of built commits in real processes: readings, failures of every kind, and nothing left behind."""

import os
import signal
import threading
import time
from dataclasses import replace

import pytest
from asv.util import UserError

from scripts import builds
from scripts.launches import Failure, Launches, Reading
from tests.scripts.gate.planted_project import EXTRA, MORE_STEPS, OTHER_FAILS, Planted
from tests.scripts.stored_project import git


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The project with two commits built, and every cell discovered."""
    project = Planted(tmp_path_factory.mktemp("launches") / "project")
    head = project.change(MORE_STEPS, EXTRA, OTHER_FAILS)
    git(project.folder, "checkout", project.base)
    conf = project.conf
    with Launches(conf, builds.choose_environment(conf)) as launches:
        sides = launches.build(project.base), launches.build(head)
        launches.discover(sides[0])
        yield launches, *sides


def test_cells_are_named_and_chosen_as_asv_does(opened):
    launches, base, _ = opened
    found = launches.discover(base, [r"Work.*short", "track_steps$"])
    assert list(found) == ["cells.Work.time_work('short')", "cells.Counts.track_steps"]
    cell = found["cells.Work.time_work('short')"]
    assert (cell.id, dict(cell.params), cell.type, cell.unit) == (
        "cells.Work.time_work-0", {"size": "'short'"}, "time", "seconds"
    )  # fmt: skip
    with pytest.raises(UserError, match="is no regular expression"):
        launches.discover(base, ["("])


def test_each_side_is_measured_as_it_was_built(opened):
    launches, base, head = opened
    names = ["cells.Counts.track_steps", "cells.Work.time_work('short')", "cells.Work.time_work('long')"]
    for side, steps in ((base, 100), (head, 110)):
        answers = launches.measure(side, names)
        assert list(answers) == names
        assert answers[names[0]] == Reading(steps, steps, (steps,))
        short, long = (answers[name] for name in names[1:])
        assert isinstance(short, Reading) and isinstance(long, Reading)
        assert len(short.samples) == 3
        assert short.best == min(short.samples) <= short.median
        # Twenty times the work; a fifth of that is far beyond any noise of the least of three.
        assert long.best > 4 * short.best


def test_each_launch_is_a_process_of_its_own_and_so_is_each_tracked_value(opened):
    launches, base, _ = opened
    name = "cells.Counts.track_process"
    pids = [launches.measure(base, [name])[name].best for _ in range(2)]
    assert len({*pids, os.getpid()}) == 3


def test_what_a_setup_cache_measured_is_measured_anew_by_each_launch_and_shared_within(opened):
    launches, base, _ = opened
    names = ["cells.Cached.track_first", "cells.Cached.track_second"]
    one, two = ([reading.best for reading in launches.measure(base, names).values()] for _ in range(2))
    assert one[0] == one[1]
    assert two[0] == two[1]
    assert one[0] != two[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cells.Bad.time_dies", "its process died with status 7"),
        ("cells.Bad.time_hangs", "it took longer than its timeout of 0.5 s"),
        ("cells.Bad.time_exits", "SystemExit: 3"),
        ("cells.Other.time_other", "ValueError: other fails"),
        ("cells.Counts.track_text", "it gave 'no number', which is no finite number"),
        ("cells.Counts.track_infinity", "it gave inf, which is no finite number"),
    ],
)
def test_a_cell_that_fails_is_named_with_its_reason_and_the_next_is_measured(opened, name, reason):
    launches, _, head = opened
    answers = launches.measure(head, [name, "cells.Work.time_work('short')"])
    assert answers[name] == Failure(reason)
    assert isinstance(answers["cells.Work.time_work('short')"], Reading)


def test_a_cell_that_does_not_apply_says_why(opened):
    launches, base, head = opened
    name = "cells.Extra.time_extra"
    assert launches.measure(base, [name])[name] == Failure("this commit has no extra", skipped=True)
    assert isinstance(launches.measure(head, [name])[name], Reading)


def test_the_functions_that_a_cell_runs_are_traced(opened):
    launches, base, _ = opened
    names = ["cells.Work.time_work('short')", "cells.Counts.track_process", "cells.Extra.time_extra"]
    traced = launches.trace(base, names)
    assert base.folder / "planted/work.py" in traced[names[0]]
    assert base.folder / "planted/count.py" not in traced[names[0]]
    assert not any(file.is_relative_to(base.folder) for file in traced[names[1]])
    assert names[2] not in traced


def test_a_suite_that_cannot_be_imported_is_named(opened):
    launches, base, _ = opened
    broken = launches.suite / "broken.py"
    broken.write_text("import nowhere_at_all")
    try:
        with pytest.raises(UserError, match=rf"can't be imported at {base.commit[:8]}: .*nowhere_at_all"):
            launches.discover(base)
    finally:
        broken.unlink()


def test_ctrl_c_ends_the_process_that_measures(opened, monkeypatch):
    launches, base, _ = opened
    seen = []

    def interrupt(name):
        seen.append(name)
        # To this thread, which a terminal's Ctrl-C finds too, where it waits for the launch.
        main = threading.main_thread().ident
        threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()

    launches.announce = interrupt
    slow = replace(launches.cells["cells.Bad.time_hangs"], timeout=60.0)
    monkeypatch.setitem(launches.cells, slow.name, slow)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            launches.measure(base, [slow.name])
    finally:
        launches.announce = lambda name: None
    assert seen == [slow.name]
    assert time.monotonic() - began < 50
    mine = f"PYTHONPATH={base.folder}".encode()
    environments = (path for path in os.listdir("/proc") if path.isdigit() and path != str(os.getpid()))
    assert not any(mine in _environment(pid) for pid in environments)


def _environment(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""
