"""The search for a step, on readings whose answer is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.bisection.search import Belief, Search, Suspects


def run(search: Search, read, most: int = 400) -> int:
    """Launch what the search asks for until it is answered; `read(position, launch)` gives seconds, None is broken."""
    launches = 0
    while not (search.found() or search.refuted()) and launches < most:
        for position in search.next():
            assert position not in search.broken
            seconds = read(position, launches)
            if seconds is None:
                search.broken.add(position)
                break
            search.observe(position, seconds)
            launches += 1
    return launches


def still(step: int, size: float = 0.05, broken=()):
    return lambda position, launch: None if position in broken else 1e-3 * (1 + size * (position >= step))


def noisy(seed: int, step: int, size: float = 0.05, noise: float = 0.03, broken=(), also=lambda launch: 1.0):
    rng = np.random.default_rng(seed)
    exact = still(step, size, broken)

    def read(position, launch):
        seconds = exact(position, launch)
        return seconds and seconds * also(launch) * math.exp(rng.normal(0, noise))

    return read


@settings(max_examples=8, deadline=None)
@given(st.data(), st.integers(1, 40), st.sampled_from([0.05, 0.3, 3.0]))
def test_without_noise_it_is_a_bisection(data, count, size):
    step = data.draw(st.integers(1, count))
    search = Search(count)
    launches = run(search, still(step, size))
    assert (search.suspects().first, search.suspects().last) == (step, step)
    # The ends, and a few launches for each halving: one alone may be an outlier, or the machine's.
    assert launches <= 16 + 8 * math.ceil(math.log2(count + 1))
    assert search.belief.effect().estimate == pytest.approx(size, rel=0.02)


@pytest.mark.parametrize("model", ["still machine", "machine that doubles its times now and then", "drift"])
def test_under_noise_it_is_right(model):
    also = {
        "still machine": lambda launch: 1.0,
        "machine that doubles its times now and then": lambda launch: 1.0 + (launch // 15) % 2,
        "drift": lambda launch: 1.0 + launch / 500,
    }[model]
    right = 0
    for seed in range(4):
        search = Search(24)
        step = 6 * seed + 3
        run(search, noisy(seed, step, size=0.08, also=also))
        right += search.found() and search.suspects().first == search.suspects().last == step
    assert right >= 3


def test_broken_commits_are_suspected_with_the_next_one():
    search = Search(20)
    run(search, noisy(1, 9, size=0.2, broken={8, 9, 10, 15}))
    suspects = search.suspects()
    assert (suspects.first, suspects.last, len(suspects)) == (8, 11, 4)
    assert suspects.probability >= search.certainty
    assert {9, 10} & search.broken


def test_where_all_between_is_broken_the_whole_range_is_suspected():
    search = Search(6)
    run(search, noisy(2, 3, size=0.2, broken=set(range(1, 6))))
    assert search.found()
    assert (search.suspects().first, search.suspects().last) == (1, 6)


@pytest.mark.parametrize("seed", range(4))
def test_no_step_is_refuted_with_an_interval_about_none(seed):
    search = Search(32)
    run(search, noisy(seed, 33))
    assert search.refuted() and not search.found()
    effect = search.belief.effect()
    assert effect.low < 0.005 and effect.high > -0.005


def test_a_step_down_is_none_unless_it_is_looked_for():
    slower = Search(16)
    run(slower, noisy(3, 7, size=-0.2))
    assert slower.refuted()
    assert slower.belief.effect().high < 0
    faster = Search(16, faster=True)
    run(faster, noisy(3, 7, size=-0.2))
    assert faster.suspects().first == faster.suspects().last == 7


def test_a_step_below_the_effect_is_none_and_above_a_smaller_one_is_found():
    assert run_to(Search(8), 0.004).refuted()
    found = run_to(Search(8, effect=0.001), 0.004)
    assert (found.suspects().first, found.suspects().last) == (5, 5)


def run_to(search: Search, size: float) -> Search:
    run(search, noisy(4, 5, size=size, noise=0.001))
    return search


def test_one_outlier_decides_nothing():
    search = Search(10)
    run(search, noisy(5, 4, noise=0.003), most=12)
    before = search.belief.posterior()
    search.observe(2, 1.6e-3)
    after = search.belief.posterior()
    assert after[:2].sum() < 0.2 + before[:2].sum()


def test_neighbours_within_what_is_near_enough_end_it_sooner():
    exact = [run(Search(32), noisy(seed, 20)) for seed in range(3)]
    near = [Search(32, within=4) for _ in exact]
    assert sum(run(search, noisy(seed, 20)) for seed, search in enumerate(near)) < sum(exact)
    assert all(len(search.suspects()) <= 4 for search in near)


def test_after_an_interruption_another_speed_of_the_machine_means_nothing():
    search, read = Search(12), noisy(7, 5, size=0.1)
    run(search, read, most=14)
    search.belief.interrupted()
    run(search, lambda position, launch: 2 * read(position, launch))
    assert search.suspects() == Suspects(5, 5, search.suspects().probability)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.floats(1e-9, 1e9)), min_size=1, max_size=30))
def test_whatever_is_read_the_probabilities_are_such(readings):
    belief = Belief(7)
    for position, seconds in readings:
        belief.observe(position, seconds)
        posterior = belief.posterior()
        assert np.isfinite(posterior).all() and (posterior >= 0).all()
        assert posterior.sum() == pytest.approx(1)
    assert all(map(math.isfinite, belief.noise()))
    assert belief.effect().low <= belief.effect().estimate <= belief.effect().high
    assert np.isfinite(belief.telling(2)).all() and (belief.telling(1) >= 0).all()


def test_a_launch_tells_most_where_the_probability_is_halved_and_nothing_where_all_is_known():
    search = Search(15)
    run(search, noisy(8, 8, size=0.3, noise=0.01), most=6)
    told = search.belief.telling(1)
    assert 6 <= int(np.argmax(told)) <= 10
    run(search, noisy(8, 8, size=0.3, noise=0.01))
    assert search.belief.telling(1)[[1, 2, 14]].max() < 0.05
    assert search.found() and search.launches_left() == 0
