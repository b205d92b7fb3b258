"""Functions of two and three operands: promotion, broadcasting and values against PyTorch, NumPy and whole numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import DTYPES, LAYOUTS, arrays, assert_same, needs_torch, shapes, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DTypeError, OperandError, ShapeError

FLOATING = ("atan2", "copysign", "xlogy")
REAL = ("hypot", "logaddexp", "logaddexp2", "nextafter")
NUMBERS = ("fmod", "fmax", "fmin", "ldexp", "float_power", "remainder", "floor_divide", "subtract", "multiply")
WHOLE = ("gcd", "lcm", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "bitwise_and", "bitwise_or")
TESTS = ("logical_xor", "logical_and", "greater", "less_equal", "not_equal")
EDGES = np.array([0, -0.0, 1, -1, 2, -4, 0.3, math.inf, -math.inf, math.nan, 1e-40, 1e30, -7.5, 1e10], np.float32)


def pair(name, shape, other, left, right, seed=0):
    rng = np.random.default_rng(seed)
    a, b = arrays(rng, shape, left), arrays(rng, other, right)
    if name in ("xlogy", "float_power", "fmod", "remainder", "floor_divide") or "shift" in name:
        a, b = (v if v.dtype == bool else np.asarray(np.abs(v) + v.dtype.type(1)) for v in (a, b))
    return a, b


@needs_torch
@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(FLOATING + REAL + NUMBERS + WHOLE + TESTS),
    shape=shapes,
    left=st.sampled_from(DTYPES),
    right=st.sampled_from(DTYPES),
    drop=st.integers(0, 3),
    ones=st.integers(0, 7),
    seed=st.integers(0, 99),
)
def test_two_operands_as_torch(name, shape, left, right, drop, ones, seed):
    other = tuple(1 if ones >> d & 1 else n for d, n in enumerate(shape))[min(drop, len(shape)) :]
    a, b = pair(name, shape, other, left, right, seed)
    ours = getattr(torsh_ops, name)
    try:
        expected = getattr(torch, name)(torch.from_numpy(a.copy()), torch.from_numpy(b.copy()))
    except (RuntimeError, NotImplementedError):
        if name == "ldexp":  # PyTorch refuses bools as exponents of float tensors alone
            return
        with pytest.raises((RuntimeError, ValueError)):
            ours(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b))
        return
    assert_same(ours(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b)), expected, rtol=2e-6)


@needs_torch
@pytest.mark.parametrize("name", ("fmod", "copysign", "xlogy", "remainder", "floor_divide", "float_power"))
def test_python_numbers_and_methods_as_torch(name):
    a = np.abs(arrays(np.random.default_rng(4), (3, 5), "float32")) + np.float32(0.5)
    for number in (2, 0.75):
        assert_same(
            getattr(torsh_ops.from_numpy(a), name)(number), getattr(torch.from_numpy(a), name)(number), rtol=2e-6
        )


@needs_torch
@pytest.mark.parametrize(
    "name", ("fmod", "floor_divide", "atan2", "hypot", "copysign", "fmax", "fmin", "logaddexp", "xlogy")
)
def test_every_pair_of_edges_matches_torch(name):
    a, b = (np.ascontiguousarray(v.ravel()) for v in np.meshgrid(EDGES, EDGES))
    ours = getattr(torsh_ops, name)(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b)).numpy()
    theirs = getattr(torch, name)(torch.from_numpy(a.copy()), torch.from_numpy(b.copy())).numpy()
    if name in ("xlogy", "fmod", "floor_divide"):  # PyTorch loses the logarithm of denormals, and remainders by them
        keep = np.abs(b) != np.float32(1e-40)
        ours, theirs = ours[keep], theirs[keep]
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-45)


def test_remainders_are_exact():
    rng = np.random.default_rng(5)
    a = (rng.uniform(-100, 100, 4000) * 10.0 ** rng.integers(-3, 12, 4000)).astype(np.float32)
    b = np.round(rng.uniform(-9, 9, 4000), 1).astype(np.float32) + np.float32(0.05)
    a[:500] = b[:500] * rng.integers(-99, 99, 500).astype(np.float32)  # whole quotients, most but for rounding
    x, y = torsh_ops.from_numpy(a), torsh_ops.from_numpy(b)
    wide_a, wide_b = a.astype("f8"), b.astype("f8")
    np.testing.assert_array_equal(torsh_ops.fmod(x, y).numpy(), np.fmod(wide_a, wide_b))  # exact, so float32 holds it
    remainder = np.fmod(a, b)
    wrong = (remainder != 0) & ((remainder < 0) != (b < 0))
    np.testing.assert_array_equal((x % y).numpy(), np.where(wrong, remainder + b, remainder))
    np.testing.assert_array_equal((x // y).numpy(), np.floor_divide(a, b))


def test_whole_numbers_bit_by_bit():
    a, b = torsh_ops.tensor([6, -5, 12]), torsh_ops.tensor([3, 2, 8])
    assert (a ^ b).tolist() == [5, -7, 4]
    assert (a & 3).tolist() == [2, 3, 0]
    assert (1 | a).tolist() == [7, -5, 13]
    assert (a << 1).tolist() == [12, -10, 24]
    assert (a >> b).tolist() == [0, -2, 0]
    assert (1 << b).tolist() == [8, 4, 256]
    assert torsh_ops.gcd(a, b).tolist() == [3, 1, 4]
    assert torsh_ops.lcm(a, b).tolist() == [6, 10, 24]
    a ^= b
    a <<= 1
    assert a.tolist() == [10, -14, 8]
    with pytest.raises(DTypeError, match="float32"):
        a ^ torsh_ops.tensor([1.0, 2.0, 3.0])
    with pytest.raises(DTypeError, match="bool"):
        torsh_ops.tensor([True]) << torsh_ops.tensor([True])
    with pytest.raises(ArgumentError, match="ZeroDivisionError"):
        torsh_ops.fmod(a, 0)


@needs_torch
def test_heaviside_isclose_rsub_and_ldexp():
    a, values = np.array([-1.5, 0.0, 2.0, math.nan], np.float32), np.full(4, 0.5, np.float32)
    x, v = torsh_ops.from_numpy(a), torsh_ops.from_numpy(values)
    assert_same(torsh_ops.heaviside(x, v), torch.heaviside(torch.from_numpy(a), torch.from_numpy(values)))
    b = a + np.float32(1e-6)
    for equal_nan in (False, True):
        expected = torch.isclose(torch.from_numpy(a), torch.from_numpy(b), equal_nan=equal_nan)
        assert_same(torsh_ops.isclose(x, torsh_ops.from_numpy(b), equal_nan=equal_nan), expected)
    assert_same(torsh_ops.rsub(v, 3, alpha=2), torch.rsub(torch.from_numpy(values), 3, alpha=2))
    with pytest.raises(DTypeError, match="float64"):
        torsh_ops.isclose(x, x.double())
    with pytest.raises(OperandError, match="other"):
        torsh_ops.atan2(x, 1.0)
    with pytest.raises(ShapeError, match=r"\(4\).*\(3\)"):
        torsh_ops.isclose(x, torsh_ops.ones(3))


BOUNDS = {
    "both": (-0.5, 0.5), "low": (0.1, None), "high": (None, 0.2), "crossed": (0.5, -0.5), "whole": (0, 1),
    "tensors": ("row", "full"), "nan": (math.nan, 0.5), "one": ("single", None),
}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("bounds", BOUNDS)
def test_clamp_as_torch(bounds):
    rng = np.random.default_rng(6)
    held = {"row": arrays(rng, (5,), "float32"), "full": arrays(rng, (4, 5), "float32"), "single": np.float32([[0.3]])}
    low, high = BOUNDS[bounds]

    def given_to(wrap):
        return (wrap(held[v].copy()) if isinstance(v, str) else v for v in (low, high))

    for layout in LAYOUTS.values():
        array = layout(arrays(rng, (4, 5), "float32"))
        array[0, 0] = math.nan
        expected = torch.clamp(torch.from_numpy(array.copy()), *given_to(torch.from_numpy))
        assert_same(torsh_ops.clamp(torsh_ops.from_numpy(array), *given_to(torsh_ops.from_numpy)), expected)
    if bounds in ("both", "whole", "low"):
        array = arrays(rng, (7,), "int64")
        expected = torch.clamp(torch.from_numpy(array), low, high)
        assert_same(torsh_ops.clamp(torsh_ops.from_numpy(array), low, high), expected)


def test_clamp_in_place_and_its_errors():
    x = torsh_ops.tensor([-2.0, 0.5, 3.0])
    assert x.clamp_(-1, 1) is x
    assert x.tolist() == [-1, 0.5, 1]
    assert x.clamp_min(0.0).tolist() == [0, 0.5, 1]
    assert torsh_ops.clamp_max(x, torsh_ops.tensor(0.0)).tolist() == [-1, 0, 0]
    with pytest.raises(RuntimeError, match="must not be None"):
        torsh_ops.clamp(x)
    with pytest.raises(DTypeError, match="bool"):
        torsh_ops.clamp(torsh_ops.tensor([True]), False, True)
    with pytest.raises(DTypeError, match=r"float32 can't be cast.*int64"):
        torsh_ops.tensor([1, 2]).clamp_(0.5)


@needs_torch
@settings(max_examples=80, deadline=None)
@given(
    shape=shapes,
    left=st.sampled_from(DTYPES),
    right=st.sampled_from(DTYPES),
    parts=st.tuples(*[st.integers(0, 3)] * 3),
    number=st.sampled_from([None, 2, 0.5]),
)
def test_where_as_torch(shape, left, right, parts, number):
    rng = np.random.default_rng(7)
    c, a, b = (arrays(rng, shape[min(d, len(shape)) :], t) for d, t in zip(parts, ("bool", left, right), strict=True))
    others = [torsh_ops.from_numpy(b), torch.from_numpy(b.copy())] if number is None else [number, number]
    ours = torsh_ops.where(torsh_ops.from_numpy(c), torsh_ops.from_numpy(a), others[0])
    assert_same(ours, torch.where(torch.from_numpy(c), torch.from_numpy(a), others[1]))


def test_where_alone_and_wrong():
    c = torsh_ops.tensor([[True, False], [True, True]])
    assert [p.tolist() for p in torsh_ops.where(c)] == [[0, 1, 1], [0, 0, 1]]
    assert torsh_ops.zeros(2, 2).where(c, 5.0).tolist() == [[0, 5], [0, 0]]
    out = torsh_ops.empty(2, 2)
    assert torsh_ops.where(c, 1.0, out, out=out) is out
    with pytest.raises(ArgumentError, match="both"):
        torsh_ops.where(c, 1.0)
    with pytest.raises(DTypeError, match="int64"):
        torsh_ops.where(torsh_ops.tensor([1]), 1.0, 2.0)


@needs_torch
def test_lerp_addcmul_addcdiv_as_torch():
    rng = np.random.default_rng(8)
    for dtype in ("float32", "float64"):
        a, b, c = (arrays(rng, s, dtype) for s in ((4, 5), (5,), (4, 1)))
        ours, theirs = map(torsh_ops.from_numpy, (a, b, c)), map(torch.from_numpy, (a, b, c))
        (x, y, z), (u, v, w) = ours, theirs
        for weight in (0, 0.3, 1.0, 1.7):
            assert_same(torsh_ops.lerp(x, y, weight), torch.lerp(u, v, weight))
        assert_same(torsh_ops.lerp(x, y, z), torch.lerp(u, v, w))
        assert_same(torsh_ops.addcmul(x, y, z, value=0.5), torch.addcmul(u, v, w, value=0.5))
        assert_same(x.addcdiv(y, z + 4.0, value=2), u.addcdiv(v, w + 4.0, value=2))
    k = np.arange(5)
    assert_same(torsh_ops.addcmul(*[torsh_ops.from_numpy(k)] * 3), torch.addcmul(*[torch.from_numpy(k)] * 3))
    assert torsh_ops.ones(3).addcmul_(torsh_ops.ones(3), torsh_ops.ones(3)).tolist() == [2, 2, 2]
    with pytest.raises(DTypeError, match="float64"):
        torsh_ops.lerp(x, y.float(), 0.5)
    with pytest.raises(DTypeError, match="int64"):
        torsh_ops.addcdiv(*[torsh_ops.from_numpy(k)] * 3)
    with pytest.raises(ShapeError, match=r"\(5\).*\(4\)"):
        torsh_ops.addcmul(torsh_ops.ones(5), torsh_ops.ones(4), torsh_ops.ones(5))


@needs_torch
@pytest.mark.parametrize("exponent", (2, 3, -1, 0.5, -0.5, 1, 0, 2.5, -2))
def test_powers_by_a_number_as_torch(exponent):
    a = np.array([0.0, -0.0, 1.5, 4.0, math.inf, math.nan, 1e-30, 7.0, -2.0], np.float32)
    assert_same(torsh_ops.from_numpy(a) ** exponent, torch.from_numpy(a) ** exponent, rtol=2e-6)
