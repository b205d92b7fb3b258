"""Noise of identical work: the arithmetic, and real processes."""

import statistics

import pytest
from asv.util import UserError

from scripts.doctor import noise


def test_what_processes_differ_by_is_told_from_what_samples_do():
    # Each process repeats itself to 1 %; the processes are at 1, 1.2 and 1.4.
    readings = [{"k": [level * factor for factor in (0.99, 1.0, 1.01)]} for level in (1.0, 1.2, 1.4)]
    (found,) = noise.summary(readings)
    assert found.seconds == 1.2
    assert found.within == pytest.approx(0.01)
    assert found.between == pytest.approx(0.2 / 1.2)
    assert found.processes == 3
    assert found.detectable == pytest.approx(5 * found.between * (2 / 3) ** 0.5)


def test_a_single_bad_process_does_not_move_what_is_said_of_samples():
    readings = [{"k": [1.0, 1.01, 0.99]}] * 4 + [{"k": [1.0, 9.0, 1.0]}]
    (found,) = noise.summary(readings)
    assert found.within == pytest.approx(0.01)
    assert found.between == 0


def test_fresh_processes_time_every_kernel():
    said = []
    found = noise.measure(2, said.append)
    assert [each.kernel for each in found] == ["interpreter", "cache", "memory", "arithmetic"]
    assert all(each.seconds > 0 and each.within > 0 and each.between >= 0 for each in found)
    assert said[0] == "process 1 of 2"
    assert said[1].startswith("process 2 of 2, about ")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise MemoryError('of this test')", "failed in a fresh process: MemoryError: of this test"),
        ("import os; os._exit(9)", "failed in a fresh process: status 9"),
        ("import time\nwhile True: time.monotonic()", "took over 1 s: the machine is too busy"),
    ],
)
def test_a_process_that_fails_is_told(tmp_path, monkeypatch, code, words):
    monkeypatch.setattr(noise, "CHILD", tmp_path / "child.py")
    monkeypatch.setattr(noise, "LONGEST_SECONDS", 1 if "while" in code else 60)
    noise.CHILD.write_text(code)
    with pytest.raises(UserError, match=words):
        noise.measure(2)


def test_the_kernels_do_the_work_that_they_name():
    from scripts.doctor import noise_process

    calls = noise_process.kernels()
    assert calls["interpreter"]() == 199_990_000
    assert (calls["cache"]() == 2).all()
    assert (calls["arithmetic"]() == 256).all()
    samples = [noise_process.sample(calls["interpreter"], 2) for _ in range(3)]
    assert statistics.median(samples) > 0
