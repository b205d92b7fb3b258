"""Timing in alternation: the statistics, the order, and what is put back afterwards."""

import gc
import itertools
import os
import time

import numpy as np
import pytest

from benchmarks import frameworks, workloads
from benchmarks.frameworks import compare
from benchmarks.frameworks.compare import Samples


@pytest.mark.parametrize(
    # Ranks and levels from a table of the binomial distribution with p = 1/2.
    ("n", "low", "high", "confidence"),
    [(1, 0, 0, 0.0), (3, 0, 2, 0.75), (6, 0, 5, 0.96875), (9, 1, 7, 0.9609375), (21, 5, 15, 0.9733963)],
)
def test_the_interval_is_of_order_statistics(n, low, high, confidence):
    values = np.random.default_rng(n).permutation(n).astype(float)
    got = compare.interval(values)
    assert (got.median, got.low, got.high) == ((n - 1) / 2, low, high)
    assert got.confidence == pytest.approx(confidence, abs=1e-7)


def test_the_interval_holds_the_median_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [compare.interval(row) for row in rng.lognormal(0, 1, (2000, 15))]
    held = np.mean([i.low <= 1.0 <= i.high for i in intervals])
    # 0.9648 by the binomial; four standard errors of 2000 draws.
    assert held == pytest.approx(intervals[0].confidence, abs=0.017)
    assert intervals[0].confidence == pytest.approx(0.96484, abs=1e-5)


def test_ratios_are_paired_by_round():
    # The machine is three times slower in the last round, for both alike.
    ours, peer = Samples((1.0, 2.0, 6.0), 1), Samples((2.0, 4.0, 12.0), 1)
    assert ours.ratio(peer).median == 0.5
    assert ours.ratio(peer).low == ours.ratio(peer).high == 0.5
    assert compare.fastest({"peer": peer, "ours": ours}) == "ours"


def recorded(names: str, rounds: int, seed: int) -> list[str]:
    """The order of `names` in which alternate took its samples, each as a run of equal names."""
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in names}
    compare.alternate(calls, rounds=rounds, sample_seconds=1e-9, seed=seed)
    runs = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    return runs[-rounds * len(names) :]


def test_samples_alternate_in_an_order_that_a_seed_decides():
    first = recorded("abcd", 20, seed=1)
    assert first == recorded("abcd", 20, seed=1)
    assert first != recorded("abcd", 20, seed=2)
    assert len(set(map(tuple, np.array_split(first, 20)))) > 5


def test_every_call_has_one_sample_a_round():
    data = np.random.default_rng(0).random(1000)
    samples = compare.alternate({"sum": data.sum, "sort": lambda: np.sort(data)}, rounds=7)
    assert {name: len(s.seconds) for name, s in samples.items()} == {"sum": 7, "sort": 7}
    # A sum takes a few microseconds and a sample 200.
    assert samples["sum"].number > 10
    assert all(min(s.seconds) > 0 for s in samples.values())


@pytest.mark.parametrize("before", [0, 5000], ids=["compiled", "preempted"])
def test_a_call_that_once_took_long_is_called_as_often_as_its_usual_time_asks(before):
    durations = itertools.chain(itertools.repeat(2e-6, before), [0.05], itertools.repeat(2e-6))

    def once_long():
        end = time.perf_counter() + next(durations)
        while time.perf_counter() < end:
            pass

    assert compare.alternate({"call": once_long}, rounds=3)["call"].number > 10


def test_the_time_allowed_ends_the_rounds_after_three():
    samples = compare.alternate({"sum": np.ones(1000).sum}, rounds=1000, seconds=0)
    assert len(samples["sum"].seconds) == 3


@pytest.mark.parametrize("before", [True, False])
def test_the_garbage_collector_is_put_back(before):
    seen = []
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with pytest.raises(ZeroDivisionError):
            compare.alternate({"fails": lambda: seen.append(gc.isenabled()) or 1 / (len(seen) < 3000)})
        assert gc.isenabled() == before
    finally:
        (gc.enable if was else gc.disable)()
    assert seen[-1] is False


def test_pinned_holds_one_core_and_gives_the_others_back():
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyError):
        with compare.pinned() as core:
            assert os.sched_getaffinity(0) == {core}
            raise KeyError
    assert os.sched_getaffinity(0) == before


def test_bind_says_why_a_framework_has_no_call():
    with compare.bind(workloads.get("grad_square"), "dispatch") as (calls, reasons):
        assert reasons["numpy"] == "numpy has no autograd"
        assert set(calls) | set(reasons) == set(frameworks.NAMES)
        assert not set(calls) & set(reasons)
