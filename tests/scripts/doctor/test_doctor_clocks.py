"""The clock's step and cost."""

import itertools

import pytest

from scripts.doctor import clocks


def test_the_step_is_the_least_that_the_clock_was_seen_to_take():
    # Read every 0.3 us, a clock that steps by 1 us.
    ticks = itertools.count()
    found = clocks.measure(lambda: (next(ticks) * 3 // 10) * 1e-6)
    assert found.resolution == pytest.approx(1e-6)
    assert found.cost == pytest.approx(0.3e-6, rel=0.01)


def test_a_clock_that_stands_still_for_long_is_waited_for():
    ticks = itertools.count()
    found = clocks.measure(lambda: 5.0 if next(ticks) < clocks.READINGS + 100 else 5.25)
    assert found.resolution == 0.25


def test_this_machine_s_clock():
    found = clocks.measure()
    assert 0 < found.resolution
    assert 0 < found.cost
