"""Real MPI ranks: collectives against NumPy, bytes against their formula and the wire, jobs that fail."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import distributed_jobs as jobs
import numpy as np
import pytest

from torsh_ops.distributed import DistributedDataParallel, MPIMissingError, ProcessGroupError, UnsupportedError
from torsh_ops.distributed.communicator import PIECE_BYTES
from torsh_ops.distributed.data_parallel import buckets
from torsh_ops.distributed.launch import DeadlineError, RankError, find_mpiexec, run
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.tensor import Tensor

try:
    find_mpiexec()
    MISSING = ""
except MPIMissingError as error:
    MISSING = str(error)

needs_mpi = pytest.mark.skipif(MISSING != "", reason=MISSING)
REDUCE = {"SUM": np.sum, "AVG": np.mean, "PRODUCT": np.prod, "MIN": np.min, "MAX": np.max}


def contributions(shape, dtype, ranks=2):
    return np.stack([jobs.rank_values(shape, dtype, rank) for rank in range(ranks)])


def lives(pid):
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes(text):
    """Process ids of those whose command line holds `text`; one that waits to be reaped has none."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if text.encode() in Path("/proc", pid, "cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


# The launcher


@needs_mpi
def test_every_rank_runs_once_on_a_core_of_its_own(capsys):
    results = run(jobs.who_and_where, nprocs=2, args=("a label",))
    cores = sorted(os.sched_getaffinity(0))
    assert [r[:3] for r in results] == [("a label", 0, 2), ("a label", 1, 2)]
    assert [r[3] for r in results] == [[cores[rank % len(cores)]] for rank in range(2)]
    assert len({r[4] for r in results} | {os.getpid()}) == 3
    assert "rank 1 speaks" in capsys.readouterr().out


@needs_mpi
def test_a_function_can_be_given_by_name():
    name = f"{jobs.who_and_where.__module__}:who_and_where"
    assert [r[1] for r in run(name, nprocs=1, args=("x",))] == [0]


@needs_mpi
def test_a_rank_that_raises_is_reported_with_its_traceback():
    with pytest.raises(RankError, match="rank 1 of 2 raised ZeroDivisionError: no divisor") as caught:
        run(jobs.raise_on_rank_1)
    assert caught.value.rank == 1
    assert "distributed_jobs.py" in str(caught.value) and "in raise_on_rank_1" in str(caught.value)


@needs_mpi
def test_a_job_that_hangs_ends_at_its_deadline_and_says_where_each_rank_stood(tmp_path):
    start = time.monotonic()
    with pytest.raises(DeadlineError, match="ended at its deadline, 5 s") as caught:
        run(jobs.wait_for_a_barrier_that_rank_1_never_enters, args=(tmp_path,), timeout=5)
    # 5 s, a second for each answer and five to end: only a bound, in place of hanging for ever.
    assert time.monotonic() - start < 5 + 2 + 5 + 5
    first, second = str(caught.value).split("\nrank 1 ")
    assert "communicator.py" in first and "in barrier" in first
    assert "threading.py" in second and "in wait_for_a_barrier_that_rank_1_never_enters" in second
    for rank in range(2):
        assert not lives((tmp_path / str(rank)).read_text())


@needs_mpi
def test_a_rank_waits_for_one_that_has_finished():
    with pytest.raises(DeadlineError, match="rank 1 had finished"):
        run(jobs.finish_on_rank_1_alone, timeout=5)


@needs_mpi
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_rank_ends_the_job(number):
    with pytest.raises(RankError, match=f"rank 1 of 2 was ended by {number.name}") as caught:
        run(jobs.get_signal_on_rank_1, args=(number,))
    assert caught.value.rank == 1
    assert ("in get_signal_on_rank_1" in str(caught.value)) == (number is signal.SIGSEGV)


@needs_mpi
def test_a_stopped_rank_is_ended_at_the_deadline():
    with pytest.raises(DeadlineError, match="rank 1 did not say where it stood"):
        run(jobs.get_signal_on_rank_1, args=(signal.SIGSTOP,), timeout=5)


@needs_mpi
def test_a_rank_that_leaves_without_a_result_is_an_error():
    with pytest.raises(RankError, match="left no result, status 7"):
        run(jobs.exit_on_rank_1, args=(7,))


@needs_mpi
def test_a_result_that_cannot_be_sent_is_an_error():
    with pytest.raises(RankError, match=r"rank 0 of 1 raised TypeError: cannot pickle '_thread.lock'"):
        run(jobs.keep_a_lock, nprocs=1)


@needs_mpi
def test_a_function_that_ranks_cannot_import_is_refused():
    with pytest.raises(ArgumentError, match="cannot be sent to the ranks"):
        run(lambda: None)


@needs_mpi
def test_the_ranks_end_when_their_launcher_is_killed(tmp_path):
    program = (
        "from pathlib import Path; import distributed_jobs as jobs;"
        "from torsh_ops.distributed.launch import run;"
        f"run(jobs.wait_for_a_barrier_that_rank_1_never_enters, args=(Path({str(tmp_path)!r}),), timeout=120)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    launcher = subprocess.Popen([sys.executable, "-c", program], env=environment)
    wait_until(lambda: (tmp_path / "0").exists() and (tmp_path / "1").exists())
    assert len(processes(str(tmp_path / "torsh-job-"))) >= 2
    launcher.kill()
    launcher.wait()
    wait_until(lambda: processes(str(tmp_path / "torsh-job-")) == [])


def wait_until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.01)


def test_a_missing_mpi4py_is_named_with_the_way_out(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MPIMissingError, match=r"mpi4py is not installed: pip install torsh-ops\[distributed\]"):
        run(jobs.who_and_where)


@pytest.mark.skipif("mpi4py" in MISSING, reason=MISSING)
def test_a_missing_mpiexec_is_named_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(MPIMissingError, match=r"mpiexec is neither in .* pip install torsh-ops"):
        run(jobs.who_and_where)


# Collectives


INTEGERS = [((7, 3), dtype, op) for dtype in ("int32", "int64") for op in REDUCE if op != "AVG"]
FLOATS = [((50, 41), dtype, op) for dtype in ("float32", "float64") for op in REDUCE]
EDGES = [(shape, "float32", "SUM") for shape in ((), (0,), (1,), (PIECE_BYTES // 4 + 3,))]
COUNTED = [((elements,), "float32", "SUM") for elements in (2, 1001, PIECE_BYTES // 2 + 1)]


@pytest.fixture(scope="module")
def reduced():
    """The results of both ranks, by case; one job for all cases."""
    first, second = run(jobs.all_reduce, nprocs=2, args=(INTEGERS + FLOATS + EDGES,))
    return {case: (first[case], second[case]) for case in first}


@needs_mpi
@pytest.mark.parametrize("case", INTEGERS, ids=str)
def test_integers_reduce_exactly(reduced, case):
    shape, dtype, op = case
    want = REDUCE[op](contributions(shape, dtype), axis=0).astype(dtype)
    for got, version, _ in reduced[case]:
        assert got.dtype == dtype and np.array_equal(got, want)
        assert version == 1


@needs_mpi
@pytest.mark.parametrize("case", FLOATS, ids=str)
def test_floats_reduce_to_the_same_bits_on_every_rank(reduced, case):
    shape, dtype, op = case
    (first, *_), (second, *_) = reduced[case]
    assert first.tobytes() == second.tobytes()
    # Of two values there is one rounding, so even floats are equal.
    assert np.array_equal(first, REDUCE[op](contributions(shape, dtype), axis=0))


@needs_mpi
@pytest.mark.parametrize("case", EDGES, ids=str)
def test_sizes_at_the_edges(reduced, case):
    shape, dtype, _ = case
    for got, *_ in reduced[case]:
        assert got.shape == shape and np.array_equal(got, contributions(shape, dtype).sum(0))


@needs_mpi
def test_floats_of_three_ranks_agree_to_the_rounding():
    case = ((1000, 7), "float32", "SUM")
    results = [result[case][0] for result in run(jobs.all_reduce, nprocs=3, args=([case],))]
    assert len({got.tobytes() for got in results}) == 1
    terms = contributions((1000, 7), "float32", 3).astype(np.float64)
    error = np.abs(results[0] - terms.sum(0))
    # Two additions, each within half an ulp of a partial sum that is at most the sum of magnitudes.
    assert np.all(error <= 2 * np.finfo(np.float32).eps / 2 * np.abs(terms).sum(0))


@needs_mpi
def test_tensors_that_are_not_contiguous_are_reduced_in_place():
    terms = contributions((9,), "float32")
    for rank, (matrix, row) in enumerate(run(jobs.all_reduce_views)):
        assert np.array_equal(matrix, contributions((6, 4), "float32").sum(0))
        assert np.array_equal(row[::2], terms.sum(0)[::2])
        assert np.array_equal(row[1::2], terms[rank][1::2])


@needs_mpi
def test_broadcast_all_gather_and_reduce_scatter():
    dtypes = ("float32", "float64", "int32", "int64", "bool")
    for rank, results in enumerate(run(jobs.move_all, args=(dtypes,))):
        for dtype, (sent, gathered, reduced, _) in results.items():
            own = contributions((3, 5), dtype)
            assert np.array_equal(sent, own[1])
            assert np.array_equal(gathered, own)
            terms = [jobs.rank_values((3, 5), "float64", 10 * sender + rank) for sender in range(2)]
            assert np.array_equal(reduced, np.mean(terms, axis=0))


@needs_mpi
def test_misuse_is_named():
    for errors, initialized in run(jobs.misuse):
        assert not initialized
        expected = {
            "no group": (ProcessGroupError, "call init_process_group"),
            "no group to destroy": (ProcessGroupError, "call init_process_group"),
            "wrong size": (ProcessGroupError, "world_size=64 was asked for, but MPI has world_size=2"),
            "wrong backend": (ArgumentError, "'nccl'"),
            "group twice": (ProcessGroupError, "already"),
            "bool": (DTypeError, "convert"),
            "mean of integers": (DTypeError, "does not take int32"),
            "unknown op": (ArgumentError, "unknown reduction 'sum': use one of ReduceOp.SUM"),
            "no such rank": (ArgumentError, "rank 2 does not exist: the group has ranks 0 to 1"),
            "too few": (ArgumentError, "got 1 for 2 ranks"),
            "shapes": (ShapeError, r"tensor 1 of the list is \(4,\), the other \(3,\)"),
            "dtypes": (DTypeError, "tensor 1 of the list is .*float64, the other .*float32"),
            "group": (UnsupportedError, "group='half' is not supported"),
            "async": (UnsupportedError, "async_op=True is not supported"),
        }
        assert_errors(errors, expected)


def assert_errors(errors, expected):
    assert errors.keys() == expected.keys()
    for name, (kind, message) in expected.items():
        with pytest.raises(kind, match=message):
            raise errors[name]


# Bytes


@needs_mpi
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_the_ranks_of_an_all_reduce_send_2_n_minus_1_times_its_bytes(ranks):
    results = run(jobs.all_reduce, nprocs=ranks, args=(COUNTED,))
    for case in COUNTED:
        nbytes = 4 * case[0][0]
        traffic = [result[case][2] for result in results]
        assert sum(t.bytes_sent for t in traffic) == 2 * (ranks - 1) * nbytes
        # No rank is further from its even share than one element a piece.
        pieces = -(-nbytes // PIECE_BYTES)
        assert all(abs(t.bytes_sent - 2 * (ranks - 1) * nbytes / ranks) <= 4 * pieces for t in traffic)
        assert [t.calls for t in traffic] == [1] * ranks and all(t.seconds > 0 for t in traffic)


@needs_mpi
def test_bytes_of_the_other_collectives():
    traffic = [result["float32"][-1] for result in run(jobs.move_all, nprocs=3, args=(("float32",),))]
    block = 3 * 5 * 4
    # Rank 1 is the root of the tree: it passes on to ranks 2 and 0, and those to nobody.
    assert [t[0] for t in traffic] == [0, 2 * block, 0]
    assert [t[1] for t in traffic] == [2 * block] * 3
    assert [t[2] for t in traffic] == [2 * 3 * 5 * 8] * 3


@needs_mpi
@pytest.mark.skipif(not Path("/proc/net/dev").exists(), reason="the kernel counts no bytes an interface here")
@pytest.mark.parametrize("ranks", [2, 3])
def test_the_bytes_counted_are_the_bytes_on_the_wire(monkeypatch, ranks):
    # Makes mpich talk over TCP, where the kernel counts, in place of shared memory.
    over_tcp = {"MPIR_CVAR_NOLOCAL": "1", "MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "tcp"}
    for name, value in over_tcp.items():
        monkeypatch.setenv(name, value)
    results = run(jobs.count_bytes_on_the_wire, nprocs=ranks, args=(2**20, 16))
    if "MPICH" not in results[0][2]:
        pytest.skip("only mpich is told here to leave shared memory")
    counted, carried = sum(r[0] for r in results), results[0][1]
    # Headers and acknowledgements come on top: 1.6 % measured for two ranks.
    assert counted == 2 * (ranks - 1) * 16 * 2**20
    assert counted <= carried <= 1.1 * counted


# Data parallel


@needs_mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_gradients_are_those_of_one_process_on_the_whole_batch(ranks):
    results = run(jobs.train, nprocs=ranks, args=(1, 4))
    alone = jobs.network(seed=0)
    jobs.loss_of(alone, *jobs.batch()).backward()
    want = jobs.gradients(alone)
    for _, got, _, _ in results:
        assert got.keys() == want.keys()
        for name in want:
            assert got[name].tobytes() == results[0][1][name].tobytes()
            np.testing.assert_allclose(got[name], want[name], rtol=1e-12, atol=1e-15, err_msg=name)


@needs_mpi
def test_parameters_start_as_rank_0s_and_stay_identical():
    steps = 5
    results = run(jobs.train, nprocs=2, args=(steps, 4))
    alone = jobs.network(seed=0)
    assert same_bits(results[0][0], jobs.state(alone)) and same_bits(results[1][0], jobs.state(alone))
    for _ in range(steps):
        jobs.loss_of(alone, *jobs.batch()).backward()
        jobs.descend(alone)
    (*_, first, _), (*_, second, _) = results
    assert same_bits(first, second) and not same_bits(first, results[0][0])
    for name, want in jobs.state(alone).items():
        np.testing.assert_allclose(first[name], want, rtol=1e-12, atol=1e-15, err_msg=name)


def same_bits(one, other):
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


@needs_mpi
@pytest.mark.parametrize(("cap", "calls"), [(4, 1), (150 / 2**20, 3), (1 / 2**20, 4)])
def test_a_step_sends_the_gradients_once_in_buckets(cap, calls):
    # float64, by layers: 5 x 6, 5, 3 x 5 and 3 elements, so 240, 40, 120 and 24 bytes.
    for *_, traffic in run(jobs.train, nprocs=2, args=(2, cap)):
        assert traffic == (calls, 240 + 40 + 120 + 24)


@needs_mpi
def test_modules_that_differ_are_refused_on_every_rank():
    expected = {
        "shape": (ShapeError, r"0.weight has shape \(5, 6\) on rank 0 and \(6, 6\) on rank 1"),
        "dtype": (DTypeError, "0.weight is .*float32 on rank 0 and .*float64 on rank 1"),
        "name": (ArgumentError, "rank 0 has weight where rank 1 has 0.weight"),
        "number": (ArgumentError, "rank 0 has 2 parameters and buffers, rank 1 4"),
    }
    for errors in run(jobs.wrap_modules_that_differ):
        assert_errors(errors, expected)


@needs_mpi
def test_buffers_follow_rank_0_while_gradients_are_recorded():
    first, second = run(jobs.count)
    assert first == [0.5, 1.5, 2.5, 3.5]
    assert second == [0.5, 10.5, 11.5, 21.5]


@needs_mpi
def test_a_parameter_without_a_gradient_is_named():
    with pytest.raises(RankError, match=r"GradError: the last backward\(\) gave no gradient to 2.weight, 2.bias"):
        run(jobs.backward_that_misses_a_parameter)


def test_buckets_hold_neighbours_of_one_dtype_up_to_the_cap():
    sizes = {"a": 3, "b": 4, "c": 100, "d": 1, "e": 6}
    named = [(name, Tensor(np.zeros(size, np.float32))) for name, size in sizes.items()]
    named.append(("f", Tensor(np.zeros(1, np.float64))))
    assert [[name for name, _ in bucket] for bucket in buckets(named, 28)] == [["a", "b"], ["c"], ["d", "e"], ["f"]]


def test_data_parallel_needs_a_group():
    with pytest.raises(ProcessGroupError, match="call init_process_group"):
        DistributedDataParallel(jobs.network(0))
