"""Made series: seeded, half of them with a step; both detectors are timed on all."""

from statistics import median

import pytest

from scripts.cost import detection
from scripts.cost.progress import Progress


def test_every_second_series_has_a_step_of_five_percent():
    series = detection.made(10, seed=0)
    assert series == detection.made(10, seed=0) != detection.made(10, seed=1)
    for number, values in enumerate(series):
        assert len(values) == detection.LENGTH
        rise = median(values[-20:]) / median(values[:20])
        assert rise == pytest.approx(1.05 if number % 2 else 1.0, abs=0.02)


def test_seconds_are_for_a_thousand_series():
    found = detection.measure(4, Progress())
    assert found["series"] == 4
    assert all(seconds > 0 for seconds in found["seconds_per_1000"].values())
