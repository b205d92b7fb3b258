"""The jobs behind the distributed benchmarks, on real ranks, and what becomes n/a with which reason."""

import importlib.util
import os
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import frameworks
from benchmarks.distributed import allreduce, allreduce_ranks, data_parallel, data_parallel_ranks, job
from torsh_ops.distributed import MPIMissingError
from torsh_ops.distributed.launch import RankError, find_mpiexec, run

try:
    find_mpiexec()
    MISSING = ""
except MPIMissingError as error:
    MISSING = str(error)

needs_mpi = pytest.mark.skipif(MISSING != "", reason=MISSING)
SMALL = {"1KiB": (2**10, 2, 3), "40KiB": (40960, 1, 3)}


@needs_mpi
def test_the_all_reduce_job_measures_every_size_and_backend(tmp_path):
    results, other = run(allreduce_ranks.all_reduce, 2, (SMALL, str(tmp_path)))
    torch = frameworks.available()["torch"]
    for size, (nbytes, _, _) in SMALL.items():
        # Two ranks: each sends the array once.
        assert results[f"bytes {size}"] == nbytes
        assert 0 < results[f"mpi {size}"] < 1
        # The slowest rank of each sample is the same one for both.
        assert results[f"mpi {size}"] == other[f"mpi {size}"]
        if torch is None:
            assert 0 < results[f"gloo {size}"] < 1
        else:
            assert results[f"gloo {size}"] == torch


def test_a_backend_that_sums_wrongly_is_an_error():
    group, array = SimpleNamespace(rank=1, size=2), np.zeros(4, np.float32)
    with pytest.raises(AssertionError, match=r"slow gives \[2\.\] in place of 3"):
        allreduce_ranks.check(group, "slow", lambda: None, array)
    allreduce_ranks.check(group, "right", lambda: array.__iadd__(1), array)
    assert not array.any()


@needs_mpi
def test_the_step_job_measures_both_frameworks_on_the_same_task(tmp_path):
    # Before the clock starts the job compares the ranks' and the frameworks' gradients.
    for results in run(data_parallel_ranks.steps, 2, (4, 3, str(tmp_path)), timeout=120):
        parameters = sum(weight.size for weight in data_parallel_ranks.draw_weights())
        # Two ranks: each sends every gradient once.
        assert results["bytes"] == 4 * parameters
        assert 0 < results["share"] < 1
        assert 0 < results["torsh"] < 10
        torch = frameworks.available()["torch"]
        assert results["torch"] == torch if torch else 0 < results["torch"] < 10


class Held:
    """A backend after its step: it holds these gradients."""

    def __init__(self, *gradients):
        self.held = np.array(gradients)

    def __call__(self):
        pass

    def gradients(self):
        return self.held


def test_gradients_that_differ_are_an_error():
    alike = SimpleNamespace(all_gather_object=lambda own: [own, own])
    apart = SimpleNamespace(all_gather_object=lambda own: [own, own + 1])
    data_parallel_ranks.check(alike, {"torsh": Held(1.0, 2.0), "torch": Held(1.0, 2.0001)})
    with pytest.raises(AssertionError, match="the ranks of torsh hold different gradients"):
        data_parallel_ranks.check(apart, {"torsh": Held(1.0, 2.0)})
    with pytest.raises(AssertionError, match="torch"):
        data_parallel_ranks.check(alike, {"torsh": Held(1.0, 2.0), "torch": Held(1.0, 2.1)})


def test_each_cell_reads_its_own_result():
    results = {"mpi 1MiB": 0.001, "gloo 1MiB": "torch is not installed: pip install .[frameworks]", "bytes 1MiB": 7}
    cell = allreduce.AllReduce()
    cell.setup(results, "1MiB", "mpi")
    assert cell.track_allreduce_seconds(results, "1MiB", "mpi") == 0.001
    assert cell.track_allreduce_bandwidth(results, "1MiB", "mpi") == pytest.approx(2**20 / 0.001 / 1e9)
    traffic = allreduce.AllReduceTraffic()
    traffic.setup(results, "1MiB")
    assert traffic.track_allreduce_bytes(results, "1MiB") == 7
    with pytest.raises(NotImplementedError, match="torch is not installed"):
        cell.setup(results, "1MiB", "gloo")
    results = {"torsh": 0.02, "torch": "torch is not installed", "bytes": 9.0, "share": 0.25}
    step = data_parallel.Step()
    step.setup(results, "torsh")
    assert step.track_step_seconds(results, "torsh") == 0.02
    with pytest.raises(NotImplementedError, match="torch is not installed"):
        step.setup(results, "torch")
    spent = data_parallel.StepTraffic()
    spent.setup(results)
    assert (spent.track_bytes_per_step(results), spent.track_communication_share(results)) == (9.0, 0.25)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not pin processes")
def test_more_ranks_than_cores_are_not_measured(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    reason = job.measure(allreduce_ranks.all_reduce, {}, "")
    assert reason == "2 ranks on 1 core would measure the scheduler: MPI waits by spinning"
    with pytest.raises(NotImplementedError, match="2 ranks on 1 core"):
        job.found(reason, "mpi 1KiB")


def test_without_mpi_the_reason_says_what_to_install(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    hide(monkeypatch, "mpi4py")
    reason = job.measure(allreduce_ranks.all_reduce, {}, "")
    assert reason == "mpi4py is not installed: pip install torsh-ops[distributed]"


def test_a_commit_without_distributed_says_so(monkeypatch):
    hide(monkeypatch, "torsh_ops.distributed")
    assert job.measure(allreduce_ranks.all_reduce, {}, "") == "torsh_ops has no distributed at this commit"


def hide(monkeypatch, module):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))


@needs_mpi
def test_a_job_that_fails_is_an_error_and_not_a_reason(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    with pytest.raises(RankError, match="raised AttributeError: 'NoneType' object has no attribute 'items'"):
        job.measure(allreduce_ranks.all_reduce, None, str(tmp_path))
