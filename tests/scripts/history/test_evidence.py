"""Further evidence: each test sees what it is for, and p-values are corrected by kind."""

import numpy as np
import pytest

from scripts.history import evidence

HOUR = 3_600_000
START = 1_767_225_600_000


def test_two_levels_that_differ_and_two_that_do_not():
    rng = np.random.default_rng(0)
    low, high = rng.normal(1, 0.01, 30), rng.normal(1.1, 0.01, 30)
    apart = evidence.two_levels(low, high)
    assert set(apart) == {"welch", "mann_whitney"}
    assert all(test.p < 1e-6 for test in apart.values())
    assert apart["welch"].statistic > 0
    alike = evidence.two_levels(low, rng.normal(1, 0.01, 30))
    assert all(test.p > 0.01 for test in alike.values())


def test_too_few_values_and_constant_ones_have_no_test():
    assert evidence.two_levels([1, 2, 3, 4], [5] * 20) == {}
    assert evidence.two_levels([1] * 9, [1] * 9) == {}
    assert evidence.trend([1, 1, 1, 1, 1, 1]) == {}
    assert evidence.anomaly([1, 2]) == {}


def test_a_trend_has_its_sign():
    rng = np.random.default_rng(1)
    rising = np.arange(40) + rng.normal(0, 5, 40)
    assert evidence.trend(rising)["mann_kendall"].statistic > 0.5
    assert evidence.trend(rising[::-1])["mann_kendall"].p < 1e-4
    assert evidence.trend(rng.normal(0, 1, 40))["mann_kendall"].p > 0.01


def test_the_newest_value_is_an_anomaly_or_is_not():
    level = np.random.default_rng(2).normal(100, 1, 50).tolist()
    assert evidence.anomaly([*level, 120])["anomaly"].p == pytest.approx(1 / 51)
    assert evidence.anomaly([*level, 120])["anomaly"].statistic > 10
    assert evidence.anomaly([*level, 100])["anomaly"].p > 0.5
    assert evidence.anomaly([1.0] * 10)["anomaly"].statistic == 0


def test_a_busy_hour_is_seasonal_where_times_are_known():
    rng = np.random.default_rng(3)
    started = [START + i * 6 * HOUR for i in range(80)]
    values = rng.normal(0, 0.01, 80)
    calm = evidence.seasonal(values, started)
    assert {"kruskal_hour", "kruskal_weekday"} == set(calm)
    assert calm["kruskal_hour"].p > 0.01
    values[::4] += 0.1
    assert evidence.seasonal(values, started)["kruskal_hour"].p < 1e-6
    assert evidence.seasonal(values, [None] * 80) == {}
    assert evidence.seasonal(values[:4], [-5, 0, 10**18, START]) == {}


def test_corrected_p_values_grow_with_the_number_of_series_and_keep_their_order():
    tests = [{"trend": evidence.Test(0, p)} for p in (0.001, 0.02, 0.5)] + [{"other": evidence.Test(0, 0.02)}, {}]
    done = evidence.corrected(tests)
    assert [each["trend"].q for each in done[:3]] == pytest.approx([0.003, 0.03, 0.5])
    assert done[3]["other"].q == 0.02
    assert done[4] == {}
