import math
import threading

import numpy as np
import pytest
from numba import njit
from oracle import needs_torch, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DTypeError, GradError, OperandError, ShapeError
from torsh_ops.kernels import random as rk
from torsh_ops.ops.distributions import mask

N = 100_000


def generator(seed=1):
    return torsh_ops.Generator().manual_seed(seed)


@njit
def encrypt(a, b, c, d, k0, k1):
    return rk.cipher(np.uint32(a), np.uint32(b), np.uint32(c), np.uint32(d), np.uint32(k0), np.uint32(k1))


def test_philox_gives_the_known_answers():
    """The vectors of philox4x32 with 10 rounds in the kat_vectors of Salmon et al.'s Random123."""
    full = 0xFFFFFFFF
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0)
    for given, answer in (
        ((0,) * 6, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((full,) * 6, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (pi, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ):
        assert encrypt(*given) == answer


def test_a_stream_is_its_blocks_in_groups():
    """Element 64 g + 16 w + i of float32 numbers is word w of block 16 g + i, however many are drawn."""
    found = torsh_ops.rand(200, generator=generator(7)).numpy()
    for place in (0, 1, 17, 63, 64, 130, 199):
        g, w, i = place // 64, place % 64 // 16, place % 16
        word = encrypt(16 * g + i, 0, 0, 0, 7, 0)[w]
        assert found[place] == np.float32((word >> 8) * 2.0**-24)
    doubles = torsh_ops.rand(40, generator=generator(7), dtype=torsh_ops.float64).numpy()
    a, b, c, d = encrypt(3, 0, 0, 0, 7, 0)
    assert doubles[3] == ((a << 32 | b) >> 11) * 2.0**-53
    assert doubles[19] == ((c << 32 | d) >> 11) * 2.0**-53


FILLS = {
    "rand": lambda n, g: torsh_ops.rand(n, generator=g),
    "randn": lambda n, g: torsh_ops.randn(n, generator=g),
    "rand64": lambda n, g: torsh_ops.rand(n, generator=g, dtype=torsh_ops.float64),
    "randn64": lambda n, g: torsh_ops.randn(n, generator=g, dtype=torsh_ops.float64),
    "randint": lambda n, g: torsh_ops.randint(-5, 100, (n,), generator=g),
    "bernoulli": lambda n, g: torsh_ops.empty(n).bernoulli_(0.3, generator=g),
    "exponential": lambda n, g: torsh_ops.empty(n).exponential_(generator=g),
    "permutation": lambda n, g: torsh_ops.randperm(n, generator=g),
}


@pytest.mark.parametrize("name", FILLS)
def test_numbers_do_not_depend_on_the_number_of_threads(name):
    n = 2 * torsh_ops.threads.WORTH_ELEMENTS + 77
    alone = FILLS[name](n, generator())
    try:
        for count in (2, 3):
            torsh_ops.set_num_threads(count)
            assert torsh_ops.equal(FILLS[name](n, generator()), alone)
    finally:
        torsh_ops.set_num_threads(1)


@pytest.mark.parametrize("name", FILLS)
def test_seeds_and_states_repeat_the_stream(name):
    draw, source = FILLS[name], generator(2**64 - 1)
    first = draw(1000, source)
    state = source.get_state()
    second = draw(1000, source)
    assert not torsh_ops.equal(first, second)
    assert torsh_ops.equal(draw(1000, source.set_state(state)), second)
    assert torsh_ops.equal(draw(1000, generator(-1)), first)
    assert not torsh_ops.equal(draw(1000, generator(3)), first)
    assert source.initial_seed() == 2**64 - 1


def test_the_default_generator():
    assert torsh_ops.manual_seed(5) is torsh_ops.default_generator
    first = torsh_ops.rand(3)
    with torsh_ops.random.fork_rng():
        inside = torsh_ops.rand(3)
        torsh_ops.manual_seed(9)
    assert torsh_ops.initial_seed() == 5
    assert torsh_ops.equal(torsh_ops.rand(3), inside)
    state = torsh_ops.get_rng_state()
    second = torsh_ops.randn(3)
    torsh_ops.set_rng_state(state)
    assert torsh_ops.equal(torsh_ops.randn(3), second)
    assert torsh_ops.seed() == torsh_ops.initial_seed() != torsh_ops.seed()
    torsh_ops.manual_seed(5)
    assert torsh_ops.equal(torsh_ops.rand(3), first)


def test_threads_share_a_generator_without_a_number_twice():
    source, found = generator(), []
    workers = [
        threading.Thread(target=lambda: found.extend(torsh_ops.rand(64, generator=source).numpy() for _ in range(200)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert source.get_state().tolist()[1] == 800 * 16
    assert len({array.tobytes() for array in found}) == 800


def distance(values, distribution):
    """Kolmogorov and Smirnov's distance between numbers and a distribution function, times sqrt(n).

    Above 1.95 with probability 0.001.
    """
    values = np.sort(np.asarray(values, np.float64))
    n = len(values)
    expected = distribution(values)
    places = np.arange(n + 1) / n
    return max((places[1:] - expected).max(), (expected - places[:-1]).max()) * math.sqrt(n)


def normal_distribution(x):
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])


def excess(counts, expected):
    """How many standard deviations chi-square lies above its mean: counts against what they should be."""
    chi = ((counts - expected) ** 2 / expected).sum()
    return (chi - (len(counts) - 1)) / math.sqrt(2 * (len(counts) - 1))


@pytest.mark.parametrize("dtype", [torsh_ops.float32, torsh_ops.float64])
def test_uniform_and_normal_numbers_are(dtype):
    u = torsh_ops.rand(N, generator=generator(), dtype=dtype).numpy()
    assert 0 <= u.min() < u.max() < 1
    assert distance(u, lambda x: x) < 1.95
    z = torsh_ops.randn(N, generator=generator(), dtype=dtype).numpy().astype(np.float64)
    assert distance(z, normal_distribution) < 1.95
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 4 * math.sqrt(variance / N)
    # Neighbours, the two numbers of a pair, and those a group apart have nothing to do with one another.
    for lag in (1, 16, 32, 64):
        for values in (u - 0.5, z):
            assert abs((values[:-lag] * values[lag:]).mean()) < 4 * values.var() / math.sqrt(N)
    pairs = np.histogram2d(u[:-1], u[1:], bins=16, range=((0, 1), (0, 1)))[0].ravel()
    assert abs(excess(pairs, (N - 1) / 256)) < 4


def test_a_skewed_stream_is_noticed():
    """The tests above can fail."""
    u = torsh_ops.rand(N, generator=generator()).numpy() ** 1.02
    assert distance(u, lambda x: x) > 1.95
    assert excess(np.bincount([0] * 130 + [1] * 90 + [2] * 80 + [3] * 100), 100) > 4


def test_the_far_tails_of_normal_numbers():
    z = torsh_ops.randn(4_000_000, generator=generator()).numpy()
    for limit in (3.0, 4.0, 4.7):
        expected = len(z) * math.erfc(limit / math.sqrt(2))
        assert abs((abs(z) > limit).sum() - expected) < 4 * math.sqrt(expected)
    assert np.isfinite(z).all()


def test_uniform_stays_below_its_end():
    x = torsh_ops.empty(1000, dtype=torsh_ops.float32)
    top = np.float32(np.nextafter(np.float32(1e8), np.float32(2e8)))
    x.uniform_(1e8, float(top), generator=generator())
    assert x.amax().item() == 1e8
    x.uniform_(-3, 5, generator=generator())
    assert -3 <= x.amin().item() < -2.9
    assert 4.9 < x.amax().item() < 5
    assert x.uniform_(2, 2).tolist()[:2] == [2, 2]


@pytest.mark.parametrize(
    ("low", "high"), [(0, 10), (-7, -3), (0, 1), (-(2**31), 2**31), (0, 3 * 2**31), (-(2**63), 2**63 - 1)]
)
def test_integers_are_even(low, high):
    x = torsh_ops.randint(low, high, (N,), generator=generator()).numpy()
    assert x.min() >= low
    assert x.max() < high
    bins = min(high - low, 64)
    places = [(int(v) - low) * bins // (high - low) for v in x]
    if bins > 1:
        assert abs(excess(np.bincount(places, minlength=bins), N / bins)) < 4


def test_random_fills():
    x = torsh_ops.empty(N, dtype=torsh_ops.int64).random_(generator=generator())
    assert 2**62 < x.amax().item() < 2**63
    assert x.amin().item() >= 0
    assert torsh_ops.empty(N).random_(generator=generator()).amax().item() <= 2**24
    assert set(torsh_ops.empty(99, dtype=torsh_ops.int32).random_(3, generator=generator()).tolist()) == {0, 1, 2}
    assert set(torsh_ops.empty(99).random_(-1, 1, generator=generator()).tolist()) == {-1, 0}
    assert set(torsh_ops.empty(99, dtype=torsh_ops.bool).random_(generator=generator()).tolist()) == {False, True}
    like = torsh_ops.randint_like(torsh_ops.ones(3, 2, dtype=torsh_ops.int32), 5, 9, generator=generator())
    assert (like.shape, like.dtype) == ((3, 2), torsh_ops.int32)
    assert set(like.reshape(-1).tolist()) <= {5, 6, 7, 8}


def test_permutations_are_even():
    counts, source = {}, generator()
    for _ in range(6000):
        order = tuple(torsh_ops.randperm(4, generator=source).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert abs(excess(np.array(list(counts.values())), 250)) < 4
    long = torsh_ops.randperm(1001, generator=source, dtype=torsh_ops.int32)
    assert sorted(long.tolist()) == list(range(1001))
    assert torsh_ops.randperm(0).shape == (0,)


def test_bernoulli():
    for p in (0.0, 0.25, 1.0):
        x = torsh_ops.empty(N).bernoulli_(p, generator=generator())
        assert set(x.tolist()) <= {0, 1}
        assert abs(x.mean().item() - p) <= 4 * math.sqrt(p * (1 - p) / N)
    odds = torsh_ops.tensor([0.0, 0.3, 1.0]).expand(N, 3)
    found = torsh_ops.bernoulli(odds, generator=generator()).mean(0).tolist()
    assert (found[0], found[2]) == (0, 1)
    assert abs(found[1] - 0.3) < 4 * math.sqrt(0.21 / N)
    assert torsh_ops.bernoulli(torsh_ops.ones(5, dtype=torsh_ops.int64), 1.0).tolist() == [1] * 5
    kept = mask((N,), np.dtype(np.float32), 0.9, 2.0, generator())
    assert set(kept.tolist()) == {0, 2}
    assert abs(kept.mean() - 1.8) < 0.01


def test_other_distributions():
    def cauchy(x):
        return 0.5 + np.arctan((x - 1) / 2) / math.pi

    for fill, distribution in (
        (lambda x: x.exponential_(2.0, generator=generator()), lambda v: 1 - np.exp(-2 * v)),
        (lambda x: x.cauchy_(1.0, 2.0, generator=generator()), cauchy),
        (lambda x: x.log_normal_(0.5, 0.75, generator=generator()),
         lambda v: normal_distribution((np.log(v) - 0.5) / 0.75)),
    ):  # fmt: skip
        assert distance(fill(torsh_ops.empty(N, dtype=torsh_ops.float64)).numpy(), distribution) < 1.95
    trials = torsh_ops.empty(N, dtype=torsh_ops.int64).geometric_(0.3, generator=generator()).numpy()
    expected = N * 0.3 * 0.7 ** np.arange(12)
    assert trials.min() == 1
    assert abs(excess(np.bincount(trials, minlength=14)[1:13], expected)) < 4
    rates = torsh_ops.tensor([0.0, 2.5]).expand(N, 2)
    found = torsh_ops.poisson(rates, generator=generator()).numpy()
    assert found[:, 0].max() == 0
    expected = N * np.exp(-2.5) * np.array([2.5**k / math.factorial(k) for k in range(10)])
    assert abs(excess(np.bincount(found[:, 1].astype(int), minlength=10)[:10], expected)) < 4


def test_normal_of_tensors():
    means, spreads = torsh_ops.tensor([-1.0, 4.0]), torsh_ops.tensor([[0.5], [2.0]]).expand(2, 2)
    many = torsh_ops.stack([torsh_ops.normal(means, spreads, generator=generator(s)) for s in range(4000)])
    np.testing.assert_allclose(many.mean(0).numpy(), [[-1, 4], [-1, 4]], atol=0.15)
    np.testing.assert_allclose(many.std(0).numpy(), [[0.5, 0.5], [2, 2]], rtol=0.05)
    assert torsh_ops.normal(2.0, torsh_ops.zeros(3)).tolist() == [2, 2, 2]
    assert torsh_ops.normal(0.0, 1.0, (2, 3), dtype=torsh_ops.float64).dtype is torsh_ops.float64
    z = torsh_ops.randn(N, generator=generator(), dtype=torsh_ops.complex128).numpy()
    assert abs((abs(z) ** 2).mean() - 1) < 4 / math.sqrt(N)
    assert distance(z.real * math.sqrt(2), normal_distribution) < 1.95


def test_multinomial():
    weights = torsh_ops.tensor([0.0, 1.0, 3.0, 0.0, 4.0, 0.0])
    drawn = torsh_ops.multinomial(weights, N, True, generator=generator()).numpy()
    counts = np.bincount(drawn, minlength=6)
    assert counts[[0, 3, 5]].sum() == 0
    assert abs(excess(counts[[1, 2, 4]], N * np.array([1, 3, 4]) / 8)) < 4
    table = weights.expand(20_000, 6)
    orders = torsh_ops.multinomial(table, 3, generator=generator()).numpy()
    assert (np.sort(orders, 1) == [1, 2, 4]).all()
    # The first of a draw without replacement, and the second after it, by their probabilities.
    assert abs(excess(np.bincount(orders[:, 0], minlength=5)[[1, 2, 4]], 20_000 * np.array([1, 3, 4]) / 8)) < 4
    second = orders[orders[:, 0] == 4, 1]
    assert abs(excess(np.bincount(second, minlength=3)[[1, 2]], len(second) * np.array([1, 3]) / 4)) < 4


def test_fills_respect_views_and_the_tape():
    x = torsh_ops.zeros(4, 6)
    version = x.version
    x[:, ::2].normal_(generator=generator())
    assert x.version > version
    assert (x[:, 1::2] == 0).all()
    assert (x[:, ::2] != 0).all()
    leaf = torsh_ops.ones(2, requires_grad=True)
    with pytest.raises(GradError, match="leaf"):
        leaf.uniform_()
    with torsh_ops.no_grad():
        leaf.uniform_()


@needs_torch
def test_shapes_and_dtypes_are_torchs():
    for make in (
        lambda lib: lib.rand(2, 3), lambda lib: lib.randn((0, 2), dtype=lib.float64), lambda lib: lib.randperm(5),
        lambda lib: lib.randint(3, (2, 2)), lambda lib: lib.randint(1, 3, (2,), dtype=lib.float32),
        lambda lib: lib.rand_like(lib.ones(2, dtype=lib.float64)), lambda lib: lib.randn(2, dtype=lib.complex64),
        lambda lib: lib.bernoulli(lib.ones(2, 2) / 2), lambda lib: lib.poisson(lib.ones(2, dtype=lib.float64)),
        lambda lib: lib.multinomial(lib.ones(3, 4), 2), lambda lib: lib.multinomial(lib.ones(4), 2),
        lambda lib: lib.normal(0.0, 1.0, (3,)), lambda lib: lib.normal(lib.zeros(2, 1), lib.ones(3)),
        lambda lib: lib.ones(3, dtype=lib.int32).random_(), lambda lib: lib.ones(3, dtype=lib.bool).bernoulli_(),
        lambda lib: lib.randn_like(lib.ones(2), requires_grad=True),
    ):  # fmt: skip
        ours, theirs = make(torsh_ops), make(torch)
        assert ours.shape == tuple(theirs.shape)
        assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
        assert ours.requires_grad == theirs.requires_grad


def test_wrong_arguments():
    x = torsh_ops.ones(3)
    for error, match, wrong in (
        (ArgumentError, "2\\^64", lambda: torsh_ops.manual_seed(2**64)),
        (ArgumentError, "1.5", lambda: torsh_ops.manual_seed(1.5)),
        (OperandError, "int64 tensor", lambda: generator().set_state(x)),
        (DTypeError, "randint", lambda: torsh_ops.rand(2, dtype=torsh_ops.int64)),
        (DTypeError, "int64", lambda: torsh_ops.arange(3).normal_()),
        (ArgumentError, "std -1", lambda: x.normal_(0, -1)),
        (ArgumentError, "from=2", lambda: x.uniform_(2, 1)),
        (ArgumentError, "less than", lambda: x.random_(3, 3)),
        (ArgumentError, "low=3", lambda: torsh_ops.randint(3, 3, (2,))),
        (ArgumentError, "-1", lambda: torsh_ops.randperm(-1)),
        (ArgumentError, "1.5", lambda: x.bernoulli_(1.5)),
        (ArgumentError, r"\[0, 1\]", lambda: torsh_ops.bernoulli(x * 2)),
        (ArgumentError, "lambda", lambda: x.exponential_(0)),
        (ArgumentError, "p=1", lambda: x.geometric_(1)),
        (ArgumentError, "std=0", lambda: x.log_normal_(0, 0)),
        (ArgumentError, "sigma=0", lambda: x.cauchy_(0, 0)),
        (ArgumentError, "Poisson", lambda: torsh_ops.poisson(-x)),
        (ArgumentError, "std >= 0", lambda: torsh_ops.normal(0.0, -x)),
        (ArgumentError, "size", lambda: torsh_ops.normal(0.0, 1.0)),
        (ShapeError, "1 or 2", lambda: torsh_ops.multinomial(torsh_ops.ones(1, 1, 1), 1)),
        (ArgumentError, "4 > 3", lambda: torsh_ops.multinomial(x, 4)),
        (ArgumentError, "<= 0 samples", lambda: torsh_ops.multinomial(x, 0)),
        (ArgumentError, "nan", lambda: torsh_ops.multinomial(x * math.nan, 1)),
        (ArgumentError, "element < 0", lambda: torsh_ops.multinomial(-x, 1)),
        (ArgumentError, "sum of prob", lambda: torsh_ops.multinomial(x * 0, 1)),
        (ArgumentError, "fewer weights", lambda: torsh_ops.multinomial(torsh_ops.tensor([1.0, 0.0]), 2)),
    ):
        with pytest.raises(error, match=match):
            wrong()
