import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

import torsh_ops
from torsh_ops import memory
from torsh_ops.errors import ArgumentError

F4 = np.dtype(np.float32)
LARGE = (memory.POOLED_BYTES // 4 * 2,)


@pytest.fixture(autouse=True)
def clean():
    gc.collect()
    memory.empty_cache()
    limit = memory.stats()["limit_bytes"]
    yield
    memory.set_limit(limit)


def test_a_block_comes_back_and_is_used_again():
    first = memory.empty(LARGE, F4)
    address = first.ctypes.data
    assert address % memory.ALIGNMENT == 0
    before = memory.stats()
    del first
    assert memory.stats()["cached_bytes"] > 0
    again = memory.empty(LARGE, F4)
    assert again.ctypes.data == address
    after = memory.stats()
    assert after["reused"] == before["reused"] + 1
    assert after["allocated"] == before["allocated"]


def test_a_view_keeps_its_block():
    array = memory.empty(LARGE, F4)
    array[:] = 1
    view = array[5:].reshape(-1, 1)
    del array
    other = memory.empty(LARGE, F4)
    other[:] = 2
    assert (view == 1).all()
    del view
    live = memory.stats()["live_bytes"]
    memory.empty_cache()
    assert memory.stats()["live_bytes"] < live


def test_everything_goes_back_on_empty_cache():
    live = memory.stats()["live_bytes"]
    tensors = [torsh_ops.ones(1 << 16 << i % 3) for i in range(9)]
    assert memory.stats()["live_bytes"] > live
    del tensors
    assert memory.stats()["cached_bytes"] > 0
    memory.empty_cache()
    assert memory.stats()["cached_bytes"] == 0
    assert memory.stats()["live_bytes"] == live


def test_the_cache_is_bounded():
    memory.set_limit(1 << 20)
    arrays = [memory.empty(((1 << 18) - 16,), F4) for _ in range(5)]
    del arrays
    assert memory.stats()["cached_bytes"] <= 1 << 20
    memory.set_limit(0)
    assert memory.stats()["cached_bytes"] == 0
    with pytest.raises(ArgumentError, match="-1"):
        memory.set_limit(-1)


def test_a_hot_loop_allocates_nothing_new():
    x, w = torsh_ops.randn(256, 256), torsh_ops.randn(256, 256)

    def step():
        return torsh_ops.softmax(torsh_ops.relu(x @ w) + x, -1).sum()

    for _ in range(3):
        step()
    allocated = memory.stats()["allocated"]
    for _ in range(200):
        step()
    assert memory.stats()["allocated"] == allocated


def test_several_threads_get_blocks_of_their_own():
    wrong = []

    def work(value):
        for _ in range(200):
            array = memory.empty(LARGE, F4)
            array.fill(value)
            if not (array == value).all():
                wrong.append(value)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_out_of_memory_is_a_memory_error_and_leaves_the_pool_whole():
    code = (
        "import resource, torsh_ops\n"
        "resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))\n"
        "try:\n    torsh_ops.ones(1 << 34)\n"
        "except MemoryError as error:\n    print('MemoryError', torsh_ops.memory.stats()['live_bytes'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "MemoryError 0\n"
