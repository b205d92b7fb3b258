import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import DTYPES, LAYOUTS, REAL, arrays, assert_same, needs_torch, shapes, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DTypeError, GradError, OperandError, ShapeError

UNARY = (
    "exp",
    "log",
    "sqrt",
    "rsqrt",
    "tanh",
    "sigmoid",
    "erf",
    "relu",
    "silu",
    "gelu",
    "neg",
    "abs",
    "square",
    "reciprocal",
)
BINARY = ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "remainder", "floor_divide")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
EDGES = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e-40, -1e-40, 3e38, -3e38, 88.8, -104.5, 0.5]


def torch_function(name):
    return getattr(torch, name, None) or getattr(torch.nn.functional, name)


def positive(name, array):
    return np.asarray(np.abs(array) + array.dtype.type(0.1)) if name in ("log", "sqrt", "rsqrt") else array


@needs_torch
@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", REAL)
def test_unary_matches_torch(name, layout, dtype):
    rng = np.random.default_rng(1)
    for shape in ((), (0,), (7,), (3, 37), (2, 3, 5)):
        array = LAYOUTS[layout](positive(name, arrays(rng, shape, dtype)))
        ours = getattr(torsh_ops, name, None) or getattr(torsh_ops.ops.elementwise, name)
        assert_same(ours(torsh_ops.from_numpy(array)), torch_function(name)(torch.from_numpy(array.copy())))


@needs_torch
@pytest.mark.parametrize("name", UNARY)
def test_unary_at_the_edges_matches_torch(name):
    # PyTorch's gelu gives NaN at infinity and infinity at 3e38; ours gives what the formula does.
    array = np.array([v for v in EDGES if name != "gelu" or not abs(v) > 1e38], np.float32)
    ours = getattr(torsh_ops, name, None) or getattr(torsh_ops.ops.elementwise, name)
    assert_same(
        ours(torsh_ops.from_numpy(array)), torch_function(name)(torch.from_numpy(array.copy())), rtol=2e-6, atol=1e-44
    )


@needs_torch
@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(BINARY + COMPARISONS),
    shape=shapes,
    left=st.sampled_from(DTYPES),
    right=st.sampled_from(DTYPES),
    drop=st.integers(0, 3),
    ones=st.integers(0, 7),
    seed=st.integers(0, 99),
)
def test_binary_promotes_and_broadcasts_as_torch(name, shape, left, right, drop, ones, seed):
    rng = np.random.default_rng(seed)
    other = tuple(1 if ones >> d & 1 else n for d, n in enumerate(shape))[min(drop, len(shape)) :]
    a, b = arrays(rng, shape, left), arrays(rng, other, right)
    if name == "floor_divide" and left == right == "bool":
        with pytest.raises(DTypeError):  # PyTorch gives int8, which torsh_ops has not
            torsh_ops.floor_divide(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b))
        return
    try:
        expected = torch_function(name)(torch.from_numpy(a.copy()), torch.from_numpy(b.copy()))
    except (RuntimeError, NotImplementedError):
        with pytest.raises((RuntimeError, ValueError)):
            getattr(torsh_ops, name)(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b))
        return
    if name == "pow" and "float" not in left + right and np.any(b.astype("f8") < 0):
        with pytest.raises(ArgumentError, match="negative integer powers"):  # PyTorch rounds to 0 without a word
            torsh_ops.pow(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b))
        return
    assert_same(getattr(torsh_ops, name)(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b)), expected, rtol=1e-5)


@needs_torch
@pytest.mark.parametrize("name", ("add", "sub", "mul", "div", "eq", "lt", "ge"))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", (2, -3, 0.5, True))
def test_python_numbers_promote_as_torch(name, dtype, number):
    a = arrays(np.random.default_rng(3), (4, 5), dtype)
    if name == "sub" and (dtype == "bool" or number is True):
        with pytest.raises(DTypeError):
            torsh_ops.sub(torsh_ops.from_numpy(a), number)
        return
    assert_same(
        getattr(torsh_ops, name)(torsh_ops.from_numpy(a), number),
        getattr(torch, name)(torch.from_numpy(a.copy()), number),
    )


def test_reflected_operators():
    x = torsh_ops.tensor([1.0, 2.0, 4.0])
    np.testing.assert_array_equal((1 - x).numpy(), [0, -1, -3])
    np.testing.assert_array_equal((8 / x).numpy(), [8, 4, 2])
    np.testing.assert_array_equal((2**x).numpy(), [2, 4, 16])
    np.testing.assert_array_equal((np.ones(3, np.float32).tolist()[0] * x).numpy(), [1, 2, 4])


def test_large_results_come_from_the_pool_aligned_and_are_right():
    x = torsh_ops.ones(1 << 18)
    before = torsh_ops.memory.stats()["reused"]
    for _ in range(5):
        y = torsh_ops.exp(x)
    assert y.data_ptr() % 64 == 0
    assert torsh_ops.memory.stats()["reused"] > before
    np.testing.assert_allclose(y.numpy(), math.e, rtol=1e-6)


def test_out_and_in_place():
    a, b = torsh_ops.tensor([1.0, 2.0]), torsh_ops.tensor([3.0, 4.0])
    target = torsh_ops.empty(2)
    assert torsh_ops.add(a, b, out=target) is target
    assert target.tolist() == [4, 6]
    a += b
    assert a.tolist() == [4, 6]
    assert a.mul_(2).tolist() == [8, 12]
    assert torsh_ops.add(a, 1, out=torsh_ops.empty(2, dtype=torsh_ops.float64)).tolist() == [9, 13]
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        torsh_ops.add(a, b, out=torsh_ops.empty(3))
    with pytest.raises(DTypeError, match="int64"):
        torsh_ops.add(a, b, out=torsh_ops.empty(2, dtype=torsh_ops.int64))


def test_out_that_overlaps_its_input_at_an_offset():
    memory = torsh_ops.arange(6.0)
    torsh_ops.add(memory[:5], 1, out=memory[1:])
    assert memory.tolist() == [0, 1, 2, 3, 4, 5]


def test_in_place_on_leaves_and_out_are_refused_where_they_would_be_recorded():
    leaf = torsh_ops.ones(2, requires_grad=True)
    with pytest.raises(GradError, match="leaf"):
        leaf.add_(1)
    with pytest.raises(GradError, match="not recorded"):
        torsh_ops.mul(torsh_ops.ones(2), leaf, out=torsh_ops.ones(2))
    with torsh_ops.no_grad():
        leaf.add_(1)
    assert leaf.tolist() == [2, 2]


def test_errors_name_both_sides():
    with pytest.raises(ShapeError, match=r"\(3\) must match.*\(4\).*dimension 1") as caught:
        torsh_ops.ones(2, 3) + torsh_ops.ones(2, 4)
    assert isinstance(caught.value, RuntimeError)
    with pytest.raises(OperandError, match="from_numpy") as wrong:
        torsh_ops.add(torsh_ops.ones(2), np.ones(2))
    assert isinstance(wrong.value, TypeError)
    with pytest.raises(ArgumentError, match="ZeroDivisionError"):
        torsh_ops.tensor([1, 2]) // torsh_ops.tensor([1, 0])
    with pytest.raises(ArgumentError, match="negative integer powers"):
        torsh_ops.tensor([1, 2]) ** -1
    with pytest.raises(DTypeError, match="bool"):
        torsh_ops.sub(torsh_ops.tensor([True]), torsh_ops.tensor([False]))


@needs_torch
def test_where_clamp_and_casts():
    rng = np.random.default_rng(7)
    a, b = arrays(rng, (4, 5), "float32"), arrays(rng, (5,), "float32")
    a[0, 0] = math.nan
    t, u = torsh_ops.from_numpy(a), torch.from_numpy(a.copy())
    assert_same(torsh_ops.where(t > 0, t, torsh_ops.from_numpy(b)), torch.where(u > 0, u, torch.from_numpy(b)))
    assert_same(torsh_ops.clamp(t, -0.5, 0.5), torch.clamp(u, -0.5, 0.5))
    assert_same(torsh_ops.clamp(t, min=0.1), torch.clamp(u, min=0.1))
    assert_same(t.to(torsh_ops.float64), u.to(torch.float64))
    assert_same(t.bool(), u.bool())
    assert_same(torsh_ops.isnan(t), torch.isnan(u))
    for op, x in ((torsh_ops.clamp, t), (torch.clamp, u)):
        with pytest.raises(RuntimeError, match="must not be None"):
            op(x)


@needs_torch
def test_gelu_tanh_and_its_name():
    a = arrays(np.random.default_rng(9), (64,), "float32") * 3
    assert_same(
        torsh_ops.ops.elementwise.gelu(torsh_ops.from_numpy(a), "tanh"),
        torch.nn.functional.gelu(torch.from_numpy(a), approximate="tanh"),
    )
    with pytest.raises(ArgumentError, match="'quick'"):
        torsh_ops.ops.elementwise.gelu(torsh_ops.from_numpy(a), "quick")


def test_pow_of_float32():
    rng = np.random.default_rng(8)
    groups = [
        (rng.uniform(0, 10, 900), rng.uniform(-10, 10, 900)),
        (np.exp(rng.uniform(-80, 80, 900)), rng.uniform(-2, 2, 900)),
        (rng.uniform(0.9, 1.1, 900), rng.uniform(-900, 900, 900)),
        (-rng.uniform(0, 10, 900), rng.integers(-20, 20, 900)),
        (rng.uniform(0, 1e-38, 900), rng.uniform(-1, 1, 900)),
    ]
    for group in groups:
        x, y = (torsh_ops.from_numpy(np.asarray(v, "f4")) for v in group)
        exact = x.numpy().astype(np.longdouble) ** y.numpy().astype(np.longdouble)
        found, finite = power(x, y), np.abs(exact) < np.finfo("f4").max
        np.testing.assert_array_equal(np.isinf(found), ~finite)
        unit = np.spacing(np.abs(exact[finite]).astype("f4")).astype(np.longdouble)
        assert (np.abs(found[finite] - exact[finite]) <= 1.5 * unit).all()
    for exponent in (3, 2.5, -1.25, 2, 0.5):
        x = torsh_ops.from_numpy(np.abs(groups[0][0]).astype("f4"))
        exact = x.numpy().astype(np.longdouble) ** exponent
        np.testing.assert_array_less(np.abs(power(x, exponent) - exact), 1.5 * np.spacing(exact.astype("f4")))
    np.testing.assert_allclose(power(2.5, x), 2.5 ** x.numpy(), rtol=2e-7)
    np.testing.assert_allclose(power(x.reshape(30, 30), x[:30]), x.numpy().reshape(30, 30) ** x.numpy()[:30], rtol=2e-7)


def test_pow_at_the_edges():
    values = [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 2, -2, 0.5, 3, -3, 2.5, -2.5, 1e38, -1e38, 1e-45, -1e-45, 5e9]
    x, y = (torsh_ops.from_numpy(v.ravel().astype("f4")) for v in np.meshgrid(values, values))
    found = power(x, y)
    with np.errstate(all="ignore"):
        expected = (x.numpy().astype("f8") ** y.numpy().astype("f8")).astype("f4")
    # Of the ordinary ones here, denormals among them, the last place may differ.
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=2e-45)
    np.testing.assert_array_equal(np.signbit(found[~np.isnan(found)]), np.signbit(expected[~np.isnan(expected)]))
    for value in values:
        for number in (0.0, -1.5, 3.0, np.inf):
            with np.errstate(all="ignore"):
                expected = np.float32(np.float64(np.float32(value)) ** number)
            np.testing.assert_allclose(power(torsh_ops.tensor([value]), number)[0], expected, rtol=2e-7, atol=2e-45)


def power(x, y):
    """`x ** y` of the third call, which the kernel does."""
    return [torsh_ops.pow(x, y) for _ in range(3)][-1].numpy()
