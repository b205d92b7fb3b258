"""Functions of one tensor: against 40 digits, NumPy's float64 and PyTorch, at the edges and in every layout."""

import math

import mpmath
import numpy as np
import pytest
from oracle import DTYPES, LAYOUTS, arrays, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DTypeError, OperandError

ROUNDING = ("floor", "ceil", "trunc", "round")
# Name to the interval that its arguments come from.
FLOATING = {
    "sin": (-4, 4), "cos": (-4, 4), "tan": (-1, 1), "asin": (-1, 1), "acos": (-1, 1), "atan": (-4, 4), "sinh": (-4, 4),
    "cosh": (-4, 4), "asinh": (-4, 4), "acosh": (1, 4), "atanh": (-0.9, 0.9), "sinc": (-3, 3), "deg2rad": (-360, 360),
    "rad2deg": (-4, 4), "exp2": (-4, 4), "expm1": (-2, 2), "log1p": (-0.9, 4), "log2": (0.1, 9), "log10": (0.1, 9),
    "erfc": (-3, 3), "erfinv": (-0.9, 0.9), "lgamma": (0.1, 9), "digamma": (0.2, 1.2), "logit": (0.1, 0.9),
    "i0": (-3, 3), "reciprocal": (0.5, 4), "square": (-4, 4), "rsqrt": (0.1, 4),
}  # fmt: skip
EDGES = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e-40, -1e-40, 3e38, -3e38, 2e5, -7e6, 0.5, 2.5, -2.5]
SIGNS = ("sign", "sgn", "signbit", "isposinf", "isneginf", "frac", "nan_to_num", *ROUNDING)

# Bounds in units of the last place of float32, and where they hold.
ULP = {
    "exp": (1.6, -87, 88), "exp2": (1.3, -125, 127), "expm1": (1.6, -17, 88), "log": (1.2, 1e-37, 1e37),
    "log1p": (1.8, -0.999, 1e4), "tanh": (2.0, -10, 10), "sigmoid": (1.8, -86, 80), "erf": (2.0, -5, 5),
    "sqrt": (0.5, 1e-37, 1e37), "rsqrt": (1.1, 1e-28, 1e37), "sin": (1.8, -1e4, 1e4), "cos": (1.8, -1e4, 1e4),
}  # fmt: skip
EXACT = {
    "exp2": lambda v: mpmath.mpf(2) ** v,
    "log1p": mpmath.log1p,
    "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)),
    "rsqrt": lambda v: 1 / mpmath.sqrt(v),
}


def ulps(got, exact):
    """The largest distance from exact values, in units of the last place of their float32 neighbours."""
    spacing = np.spacing(np.abs(np.array([float(e) for e in exact], np.float32)))
    distance = [abs(float(mpmath.mpf(g) - e)) for g, e in zip(got.tolist(), exact, strict=True)]
    return float(np.max(np.array(distance) / spacing))


@pytest.mark.parametrize("name", ULP)
def test_float32_is_right_to_ulps(name):
    limit, low, high = ULP[name]
    rng = np.random.default_rng(5)
    wide = np.exp(rng.uniform(math.log(low), math.log(high), 1500)) if low > 0 else rng.uniform(low, high, 1500)
    close = rng.uniform(max(low, -1), 1, 2500)
    small = np.exp(rng.uniform(-20, -1, 500)) * (1 if low > 0 else rng.choice([-1, 1], 500))
    array = np.concatenate([wide, close, small]).astype(np.float32)
    exact = [EXACT.get(name, getattr(mpmath, name, None))(mpmath.mpf(v)) for v in array.tolist()]
    assert ulps(getattr(torsh_ops, name)(torsh_ops.from_numpy(array)).numpy(), exact) <= limit


def test_angles_beyond_the_short_reduction_are_right():
    array = np.array([1e5, 1.00001e5, 3e5, -7e6, 1e10, 3e38, 355.0, 710.0, 103993.0, 5.0], np.float32)
    for name in ("sin", "cos"):
        exact = [getattr(mpmath, name)(mpmath.mpf(v)) for v in array.tolist()]
        assert ulps(getattr(torsh_ops, name)(torsh_ops.from_numpy(array)).numpy(), exact) <= 1.8


def test_square_roots_are_correctly_rounded():
    mantissas = np.arange(0x3F800000, 0x40800000, 7, dtype=np.int32).view(
        np.float32
    )  # 1 to 4: every exponent is like it
    for array in (mantissas, mantissas * np.float32(2.0**-98), mantissas * np.float32(2.0**124)):
        np.testing.assert_array_equal(torsh_ops.sqrt(torsh_ops.from_numpy(array)).numpy(), np.sqrt(array))


def test_one_special_element_does_not_spoil_its_neighbours():
    for name in ("log", "sqrt", "rsqrt"):
        array = np.random.default_rng(6).uniform(0.1, 9, 2500).astype(np.float32)
        array[[3, 1024, 2400, 2401, 2402]] = [0.0, -1.0, math.inf, math.nan, 1e-42]
        with np.errstate(all="ignore"):
            wanted = 1 / np.sqrt(array.astype("f8")) if name == "rsqrt" else getattr(np, name)(array.astype("f8"))
        np.testing.assert_allclose(getattr(torsh_ops, name)(torsh_ops.from_numpy(array)).numpy(), wanted, rtol=3e-7)


SPECIAL = {
    "erfc": (mpmath.erfc, np.linspace(-3, 9, 40)),
    "erfinv": (mpmath.erfinv, np.r_[np.linspace(-0.999, 0.999, 40), 1e-12, 0.5, -0.5, 1 - 1e-12]),
    "lgamma": (lambda v: mpmath.log(abs(mpmath.gamma(v))), np.linspace(-4.7, 30, 40)),
    "digamma": (mpmath.digamma, np.r_[np.linspace(-4.7, 30, 40), 1e-3, 1e5]),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_functions_have_float64_digits(name):
    exact, points = SPECIAL[name]
    got = getattr(torsh_ops, name)(torsh_ops.from_numpy(points)).numpy()
    np.testing.assert_allclose(got, [float(exact(mpmath.mpf(v))) for v in points], rtol=2e-14)


def test_polygamma_and_the_normal_distribution():
    points = np.r_[np.linspace(-3.3, 20, 30)]
    for n in (1, 2, 4):
        exact = [float(mpmath.polygamma(n, mpmath.mpf(v))) for v in points]
        np.testing.assert_allclose(torsh_ops.polygamma(n, torsh_ops.from_numpy(points)).numpy(), exact, rtol=1e-13)
    np.testing.assert_array_equal(
        torsh_ops.polygamma(0, torsh_ops.tensor([2.0])).numpy(), torsh_ops.digamma(torsh_ops.tensor([2.0])).numpy()
    )
    special, p = torsh_ops.special, torsh_ops.from_numpy(np.array([1e-20, 0.025, 0.5, 0.9]))
    np.testing.assert_allclose(special.ndtr(special.ndtri(p)).numpy(), p.numpy(), rtol=1e-12)
    np.testing.assert_allclose(
        special.entr(torsh_ops.tensor([0.0, 0.5, -1.0])).numpy(), [0, 0.5 * math.log(2), -math.inf], rtol=1e-6
    )
    with pytest.raises(ArgumentError, match="-1"):
        torsh_ops.polygamma(-1, p)


def test_special_has_the_names_of_torch():
    for name in torsh_ops.special.__all__:
        assert callable(getattr(torsh_ops.special, name))
        assert torch is None or hasattr(torch.special, name), name


def within(name, shape, dtype):
    low, high = FLOATING[name]
    rng = np.random.default_rng(1)
    return np.asarray(rng.uniform(low, high, shape)).astype(dtype)


@needs_torch
@pytest.mark.parametrize("name", FLOATING)
def test_floating_functions_match_torch(name):
    ours, theirs = getattr(torsh_ops, name), getattr(torch, name)
    for layout, make in LAYOUTS.items():
        array = make(within(name, (3, 37), "float32"))
        assert_same(ours(torsh_ops.from_numpy(array)), theirs(torch.from_numpy(array.copy())), rtol=2e-6), layout
    for array in (within(name, (2, 3, 5), "float64"), within(name, (), "float32"), within(name, (0, 3), "float32")):
        assert_same(ours(torsh_ops.from_numpy(array)), theirs(torch.from_numpy(array.copy())))
    if name not in ("square",):
        whole = np.array([1, 0, 1])
        for array in (whole, whole.astype(bool)):
            assert_same(ours(torsh_ops.from_numpy(array)), theirs(torch.from_numpy(array.copy())), rtol=2e-6)


@needs_torch
@pytest.mark.parametrize("name", [n for n in (*FLOATING, *SIGNS) if n not in ("i0", "tan")])
def test_edges_match_torch(name):
    array = np.array(EDGES, np.float32)
    ours, theirs = getattr(torsh_ops, name)(torsh_ops.from_numpy(array)), getattr(torch, name)(torch.from_numpy(array))
    keep = ~np.isin(array, np.float32([3e38, -3e38, 2e5, -7e6])) if name in ("lgamma", "digamma") else slice(None)
    np.testing.assert_allclose(ours.numpy()[keep], theirs.numpy()[keep], rtol=3e-6, atol=1e-44)
    if name in (*ROUNDING, "sin", "expm1", "log1p", "asin", "atan"):
        np.testing.assert_array_equal(np.signbit(ours.numpy()[:2]), [False, True])


@needs_torch
@pytest.mark.parametrize("name", ("sign", "sgn", "signbit", "nan_to_num", "isposinf", "isneginf", *ROUNDING))
@pytest.mark.parametrize("dtype", DTYPES)
def test_signs_and_rounding_keep_the_dtype_as_torch(name, dtype):
    array = arrays(np.random.default_rng(2), (4, 5), dtype)
    if name in ROUNDING and dtype == "bool":
        with pytest.raises(DTypeError, match="bool"):
            getattr(torsh_ops, name)(torsh_ops.from_numpy(array))
        return
    assert_same(
        getattr(torsh_ops, name)(torsh_ops.from_numpy(array)), getattr(torch, name)(torch.from_numpy(array.copy()))
    )


@needs_torch
def test_arguments_of_round_logit_and_nan_to_num():
    array = np.array([1.2345, 25.0, 1250.0, 1350.0, -0.555, math.nan, math.inf, -math.inf], np.float32)
    x, y = torsh_ops.from_numpy(array), torch.from_numpy(array)
    for decimals in (0, 2, -2):
        assert_same(torsh_ops.round(x, decimals=decimals), torch.round(y, decimals=decimals))
    assert_same(torsh_ops.nan_to_num(x, 1.0, 2.0, 3.0), torch.nan_to_num(y, 1.0, 2.0, 3.0))
    assert_same(x.nan_to_num(), y.nan_to_num())
    assert_same(torsh_ops.logit(x[:1] - 1.0, eps=0.3), torch.logit(y[:1] - 1.0, eps=0.3), rtol=1e-5)
    with pytest.raises(DTypeError, match="decimals=1"):
        torsh_ops.round(torsh_ops.tensor([1]), decimals=1)


def test_in_place_forms_and_other_names():
    array = np.random.default_rng(3).uniform(0.1, 0.9, 300).astype(np.float32)
    for name in ("sin", "exp2", "floor", "erfinv", "log1p", "nan_to_num", "arcsin", "absolute", "sqrt", "square"):
        x = torsh_ops.from_numpy(array.copy())
        wanted = getattr(torsh_ops, name)(x).numpy()
        assert getattr(x, f"{name}_")() is x
        np.testing.assert_array_equal(x.numpy(), wanted)
    assert torsh_ops.arctan is torsh_ops.atan
    out = torsh_ops.empty(2, dtype=torsh_ops.float64)
    assert torsh_ops.cos(torsh_ops.tensor([0.0, 1.0]), out=out) is out
    np.testing.assert_allclose(out.numpy(), np.cos([0.0, 1.0]), rtol=1e-7)
    moved = torsh_ops.from_numpy(np.arange(6, dtype=np.float32))
    torsh_ops.sin(moved[:5], out=moved[1:])
    np.testing.assert_allclose(moved.numpy(), np.r_[0, np.sin(np.arange(5))], rtol=1e-6)
    x = torsh_ops.tensor([-1.0, 2.0])
    assert torsh_ops.relu_(x) is x
    assert x.tolist() == [0, 2]


def test_what_is_no_tensor_is_named():
    with pytest.raises(OperandError, match=r"sin\(\).*ndarray.*from_numpy"):
        torsh_ops.sin(np.ones(2))
    with pytest.raises(DTypeError, match="int64"):
        torsh_ops.frac(torsh_ops.tensor([1]))
    with pytest.raises(DTypeError, match="bool"):
        torsh_ops.positive(torsh_ops.tensor([True]))
