import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from numba import njit

import torsh_ops
from torsh_ops import threads
from torsh_ops.errors import ArgumentError
from torsh_ops.kernels import binary, stream, ternary, unary
from torsh_ops.ops import norm as nm

LARGE = threads.WORTH_ELEMENTS


@pytest.fixture
def two_threads():
    torsh_ops.set_num_threads(2)
    yield
    torsh_ops.set_num_threads(1)


def run(code: str, *, timeout: float = 60, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout, **options)


def pool_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "torsh_ops"]


def test_one_thread_unless_told_otherwise():
    assert torsh_ops.get_num_threads() == 1
    for bad in (0, -1, 1.5, "2", True, None):
        with pytest.raises(ArgumentError, match=f"positive integer, but got {bad!r}"):
            torsh_ops.set_num_threads(bad)
    assert torsh_ops.get_num_threads() == 1


def work():
    x = torsh_ops.randn(700, 900, generator=torsh_ops.Generator().manual_seed(1))
    y = torsh_ops.exp(x) * 2.0 + x
    return [y, torsh_ops.softmax(y, -1), nm.layer_norm(y, 900), y.sum(1), y.amax(1), y @ y.T, y.sum(0), y > 0]


def same(got, expected) -> bool:
    return all(np.allclose(a.numpy(), b.numpy(), rtol=1e-5) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("count", [2, 3, 7])
def test_several_threads_give_what_one_gives(two_threads, count):
    torsh_ops.set_num_threads(count)
    got = work()
    assert len(pool_threads()) == count - 1
    torsh_ops.set_num_threads(1)
    assert same(got, work())


def test_the_pool_starts_when_it_is_used_and_shrinks(two_threads):
    torsh_ops.set_num_threads(1)
    assert pool_threads() == []
    torsh_ops.set_num_threads(4)
    torsh_ops.ones(100).exp()
    assert pool_threads() == []
    torsh_ops.ones(LARGE).exp()
    assert len(pool_threads()) == 3
    torsh_ops.set_num_threads(2)
    assert len(pool_threads()) == 1
    torsh_ops.ones(LARGE).exp()
    assert len(pool_threads()) == 1


@pytest.mark.parametrize("spins", [0, 20_000])
def test_python_threads_may_call_at_the_same_time(two_threads, monkeypatch, spins):
    torsh_ops.set_num_threads(1)
    monkeypatch.setattr(threads.team, "SPINS", spins)
    torsh_ops.set_num_threads(2)
    expected, wrong = work(), []

    def worker():
        for _ in range(6):
            if not same(work(), expected):
                wrong.append(1)

    workers = [threading.Thread(target=worker) for _ in range(4)]
    for w in workers:
        w.start()
    for step in range(40):
        torsh_ops.set_num_threads(1 + step % 3)
    for w in workers:
        w.join(60)
        assert not w.is_alive()
    assert not wrong


def test_a_worker_is_woken_every_time(two_threads, monkeypatch):
    torsh_ops.set_num_threads(1)
    monkeypatch.setattr(threads.team, "SPINS", 40)  # asleep about as often as not
    torsh_ops.set_num_threads(2)
    x, out = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    torsh_ops.ones(LARGE).exp()
    worker = threads._pool.workers[0]
    for i in range(3000):
        x[0] = i
        worker.run(unary.neg, [x, out])
        worker.wait()
        assert out[0] == -i


@njit
def many_arguments(a, scale, b, n, flag, c, shift, out):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            view = c[i]  # counts a reference
            out[i, j] = a[i, j] * scale + b[j] + view[j] * n + shift if flag else 0


@pytest.mark.parametrize("flag", [True, False])
def test_a_worker_gets_every_kind_of_argument(two_threads, flag):
    rng = np.random.default_rng(0)
    n = 500
    a, c = rng.standard_normal((n, n)), rng.standard_normal((2 * n, 2 * n)).astype(np.float32)[::2, ::2]
    out, expected = np.zeros((n, n)), np.zeros((n, n))
    given = np.float32(1.5), a[0].copy(), 3, flag
    threads.rowwise(lambda a, c, out: many_arguments(a, *given, c, 0.25, out), 1, n, a, c, expected)
    torsh_ops.ones(LARGE).exp()
    worker = threads._pool.workers[0]
    worker.run(many_arguments, [a, *given, c, 0.25, out])
    worker.wait()
    np.testing.assert_array_equal(out, expected)
    assert (out != 0).any() == flag


def test_an_error_in_a_part_is_raised_when_all_have_ended(two_threads):
    ended = []

    def kernel(x):
        ended.append(len(x))
        raise ValueError(f"part of {len(x)}")

    for _ in range(2):
        with pytest.raises(ValueError, match="part of"):
            threads.rowwise(kernel, LARGE, 10, np.zeros(10))
    assert ended == [5] * 4

    def only_later(x):
        if x[0]:
            raise ValueError("the other part")

    with pytest.raises(ValueError, match="the other part"):
        threads.rowwise(only_later, LARGE, 10, np.arange(10))


def test_work_inside_of_a_part_is_not_cut_again(two_threads):
    found = []
    threads.rowwise(lambda x: found.append((len(x), len(threads.parts(100, LARGE)))), LARGE, 10, np.zeros(10))
    assert sorted(found) == [(5, 1), (5, 2)]

    def nested(x):
        threads.rowwise(lambda y: found.append(len(y)), LARGE, 8, np.zeros(8))

    found.clear()
    threads.rowwise(nested, LARGE, 10, np.zeros(10))
    assert sum(found) == 16


def test_parts_cover_everything_once():
    torsh_ops.set_num_threads(3)
    try:
        for n in (0, 1, 2, 3, 64, 1000, 4099):
            for grain in (1, 64):
                pieces = threads.parts(n, LARGE, grain)
                assert [i for piece in pieces for i in range(n)[piece]] == list(range(n))
                assert all(piece.start % grain == 0 for piece in pieces)
        assert len(threads.parts(4099, LARGE, 64)) == 3
        assert len(threads.parts(4099, LARGE - 1)) == 1
    finally:
        torsh_ops.set_num_threads(1)


BLOCK = stream.BLOCK


@pytest.mark.parametrize("count", [1, 2])
def test_results_past_the_caches_are_the_same(monkeypatch, count):
    monkeypatch.setattr(threads, "STREAMED_BYTES", 1)
    monkeypatch.setattr(threads, "WORTH_ELEMENTS", 1)
    used = []
    streamed = stream.streamed

    def seen(*arrays):
        used.append(streamed(*arrays) is not None)
        return streamed(*arrays)

    monkeypatch.setattr(stream, "streamed", seen)
    rng = np.random.default_rng(0)
    torsh_ops.set_num_threads(count)
    try:
        for n in (BLOCK, 7 * BLOCK, 7 * BLOCK + 5, 3, 40 * BLOCK + 1):
            x, y = rng.standard_normal((2, n)).astype(np.float32)
            x[n // 2] = np.nan
            cases = [(unary.exp, x), (unary.relu, x), (binary.add, x, y), (binary.mul, x, 3.0), (binary.sub, 2.0, y)]
            for kernel, *operands in cases:
                out, expected = torsh_ops.memory.empty((BLOCK * 200,), x.dtype)[:n], np.empty_like(x)
                threads.fill(kernel, *operands, out)
                kernel(*operands, expected)
                np.testing.assert_array_equal(out, expected)
            flags = torsh_ops.memory.empty((BLOCK * 600,), np.dtype(bool))[:n]
            threads.fill(binary.gt, x, y, flags)
            np.testing.assert_array_equal(flags, x > y)
            threads.fill(ternary.where, flags, x, y, out)
            np.testing.assert_array_equal(out, np.where(flags, x, y))
            threads.fill(ternary.addcmul, x, y, y, 2.0, out)
            np.testing.assert_allclose(out, x + 2 * y * y, rtol=1e-6)
        assert all(used)
        used.clear()
        table, row = rng.standard_normal((12, 2 * BLOCK)), rng.standard_normal(2 * BLOCK)
        out = torsh_ops.memory.empty((12, 4 * BLOCK), table.dtype)[:, : 2 * BLOCK]
        out = out.reshape(-1)[: table.size].reshape(table.shape)
        for operands in ((table, row), (row, table)):
            target = torsh_ops.memory.empty((64, 2 * BLOCK), table.dtype)[:12]
            threads.fill(binary.sub, *operands, target)
            np.testing.assert_array_equal(target, operands[0] - operands[1])
        assert all(used)
    finally:
        torsh_ops.set_num_threads(1)


def test_what_cannot_go_past_the_caches_does_not():
    out = torsh_ops.memory.empty((BLOCK * 200,), np.dtype(np.float32))
    x = np.ones(out.size, np.float32)
    assert stream.streamed(binary.add, x, x, out) is not None
    assert stream.streamed(binary.add, x, np.ones(100, np.float32), out) is None  # repeats within a block
    assert stream.streamed(binary.add, x[1:], x[1:], out[1:]) is None  # not at the start of a line
    assert stream.streamed(unary.exp, out, out) is None  # in place
    assert stream.streamed(lambda x, out: None, x, out) is None
    assert stream.streamed(binary.add, x, x, x, x, x, out) is None  # takes that many operands


def test_large_results_go_past_the_caches(monkeypatch):
    seen = []
    monkeypatch.setattr(stream, "streamed", lambda kernel, *arrays: seen.append(arrays[-1].nbytes))
    for n in (threads.STREAMED_BYTES // 4 - 1, threads.STREAMED_BYTES // 4):
        (torsh_ops.zeros(n) + 1.0).relu()
    assert seen == [threads.STREAMED_BYTES] * 2


def product() -> float:
    return (torsh_ops.ones(600, 600) @ torsh_ops.ones(600, 600)).exp().sum().item()


def send(pipe) -> None:
    pipe.send(product())


@pytest.mark.parametrize("parent_computes", [False, True])
def test_a_forked_child_can_compute(two_threads, parent_computes):
    torsh_ops.set_num_threads(1)
    expected = product()
    torsh_ops.set_num_threads(2)
    if parent_computes:
        assert product() == expected
        np.ones((600, 600)) @ np.ones((600, 600))
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a child that hangs is killed
        os._exit(0 if product() == expected and len(pool_threads()) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert product() == expected


def test_a_child_forked_while_another_thread_computes_can_compute(two_threads):
    expected, stop = product(), threading.Event()

    def busy():
        while not stop.is_set():
            product()

    other = threading.Thread(target=busy)
    other.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                os._exit(0 if product() == expected else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        other.join()


@pytest.mark.parametrize("method", ["fork", pytest.param("forkserver", marks=pytest.mark.slow), "spawn"])
def test_processes_compute(two_threads, method):
    expected = product()
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    process = context.Process(target=send, args=(there,))
    process.start()
    assert here.poll(60)
    assert here.recv() == expected
    process.join(30)
    assert process.exitcode == 0


def test_an_interpreter_ends_while_threads_wait_or_work():
    code = (
        "import threading, torsh_ops\n"
        "torsh_ops.set_num_threads(3)\n"
        "x = torsh_ops.ones(1 << 20)\n"
        "print(torsh_ops.exp(x)[0].item())\n"
        "def go():\n    while True:\n        torsh_ops.exp(x)\n"
        "threading.Thread(target=go, daemon=True).start()\n"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2.718")


def test_ctrl_c_during_an_operator_leaves_the_pool_at_work():
    code = (
        "import os, signal, threading, time, torsh_ops\n"
        "torsh_ops.set_num_threads(2)\n"
        "x = torsh_ops.ones(1 << 20)\n"
        "torsh_ops.exp(x)\n"
        "hits = 0\n"
        "for delay in (0.0, 0.001, 0.003, 0.01, 0.02, 0.03):\n"
        "    timer = threading.Timer(delay + 0.01, os.kill, (os.getpid(), signal.SIGINT))\n"
        "    try:\n"
        "        timer.start()\n"
        "        while True:\n"
        "            torsh_ops.exp(x)\n"
        "    except KeyboardInterrupt:\n"
        "        hits += 1\n"
        "print(hits, abs(torsh_ops.exp(x) - 2.7182817).max().item() < 1e-5, len(threading.enumerate()))\n"
    )
    done = run(code)
    assert (done.stdout, done.stderr) == ("6 True 2\n", "")


def test_more_threads_than_cores_do_not_stall():
    code = (
        "import os, time, torsh_ops\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "torsh_ops.set_num_threads(4)\n"
        "x = torsh_ops.ones(1 << 18)\n"
        "for _ in range(500):\n    y = torsh_ops.exp(x)\n"
        "print(torsh_ops.get_num_threads(), y[-1].item())\n"
    )
    done = run(code)
    assert (done.stdout[:7], done.stderr) == ("4 2.718", "")
