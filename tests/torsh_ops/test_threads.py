import os
import threading

import numpy as np
import pytest

import torsh_ops
from torsh_ops.errors import ArgumentError
from torsh_ops.ops import norm as nm


@pytest.fixture
def two_threads():
    torsh_ops.set_num_threads(2)
    yield
    torsh_ops.set_num_threads(1)


def test_one_thread_unless_told_otherwise():
    assert torsh_ops.get_num_threads() == 1
    for bad in (0, -1, 1.5, "2"):
        with pytest.raises(ArgumentError, match="positive integer"):
            torsh_ops.set_num_threads(bad)


def work():
    x = torsh_ops.randn(700, 900, generator=torsh_ops.Generator().manual_seed(1))
    y = torsh_ops.exp(x) * 2.0 + x
    return [y, torsh_ops.softmax(y, -1), nm.layer_norm(y, 900), y.sum(1), y.amax(1), y @ y.T, y.sum(0), y > 0]


def test_two_threads_give_what_one_gives(two_threads):
    got = work()
    torsh_ops.set_num_threads(1)
    for a, b in zip(got, work(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


def test_python_threads_may_call_at_the_same_time(two_threads):
    expected = [t.numpy() for t in work()]
    wrong = []

    def worker():
        for _ in range(5):
            for a, b in zip(work(), expected, strict=True):
                if not np.allclose(a.numpy(), b, rtol=1e-5):
                    wrong.append(a)

    workers = [threading.Thread(target=worker) for _ in range(3)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_an_error_in_a_part_is_raised(two_threads):
    from torsh_ops import threads

    def kernel(x):
        raise ValueError(f"part of {len(x)}")

    with pytest.raises(ValueError, match="part of"):
        threads.rowwise(kernel, threads.WORTH_ELEMENTS, 10, np.zeros(10))


def test_a_forked_child_can_compute(two_threads):
    expected = (torsh_ops.ones(600, 600) @ torsh_ops.ones(600, 600)).sum().item()
    child = os.fork()
    if child == 0:
        got = (torsh_ops.ones(600, 600) @ torsh_ops.ones(600, 600)).sum().item()
        os._exit(0 if got == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
