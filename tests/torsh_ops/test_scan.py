import math

import numpy as np
import pytest
from oracle import LAYOUTS, arrays, assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DimError, GradError, ShapeError

SCANS = ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin")


def both(name, array, *arguments):
    ours = getattr(torsh_ops, name)(torsh_ops.from_numpy(array), *arguments)
    theirs = getattr(torch, name)(torch.from_numpy(array.copy()), *arguments)
    pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
    for mine, other in pairs:
        assert_same(mine, other, rtol=2e-5)


@needs_torch
@pytest.mark.parametrize("name", SCANS)
def test_scans_match_torch(name):
    rng = np.random.default_rng(1)
    for shape in ((), (0,), (1,), (7,), (3, 37), (2, 33, 20), (4, 0, 3), (3, 5, 2)):
        for dim in range(max(len(shape), 1)):
            for layout in LAYOUTS if len(shape) == 2 else ("contiguous",):
                both(name, LAYOUTS[layout](arrays(rng, shape, "float32")), dim)
    both(name, arrays(rng, (5, 21), "float64"), 1)


@needs_torch
@pytest.mark.parametrize("name", ("cumsum", "cumprod", "cummax"))
def test_scans_of_integers_and_bools(name):
    for dtype in ("int32", "int64", "bool"):
        both(name, arrays(np.random.default_rng(2), (4, 9), dtype), 1)


@needs_torch
@pytest.mark.parametrize("name", SCANS)
def test_scans_at_the_edges(name):
    edges = [0.0, -0.0, 1.0, 1.0, -2.0, 1e-40, 1e30, 1e30, -math.inf, -math.inf, 5.0, math.inf, 2.0, math.nan, 1.0, 9.0]
    for array in (edges, edges[:12] * 3, [-math.inf, -math.inf, 0.0], [math.inf, 1.0], edges[::-1], [2.0, 2.0, 1.0]):
        both(name, np.array(array, np.float32), 0)


def test_a_long_float32_cumsum_keeps_its_digits():
    x = np.random.default_rng(3).random(1 << 21, dtype=np.float32)
    exact = np.cumsum(x, dtype=np.float64)
    found = torsh_ops.from_numpy(x).cumsum(0).numpy()
    assert np.abs(found / exact - 1).max() < 2e-7
    column = np.repeat(x[: 1 << 17, None], 16, 1)
    found = torsh_ops.from_numpy(column).cumsum(0).numpy()
    assert np.abs(found[:, 3] / exact[: 1 << 17] - 1).max() < 2e-7


def test_out_dtype_and_in_place():
    x = torsh_ops.tensor([1.0, 2.0, 3.0])
    target = torsh_ops.empty(3)
    assert torsh_ops.cumsum(x, 0, out=target) is target
    assert target.tolist() == [1, 3, 6]
    assert torsh_ops.tensor([1, 2]).cumsum(0, dtype=torsh_ops.float32).dtype is torsh_ops.float32
    assert x.cumprod_(0).tolist() == [1, 2, 6]
    values, indices = torsh_ops.empty(3), torsh_ops.empty(3, dtype=torsh_ops.int64)
    torsh_ops.cummax(torsh_ops.tensor([3.0, 5.0, 4.0]), 0, out=(values, indices))
    assert (values.tolist(), indices.tolist()) == ([3, 5, 5], [0, 1, 1])
    with pytest.raises(DimError, match=r"\[-1, 0\], but got 1"):
        x.cumsum(1)
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        torsh_ops.cumsum(x, 0, out=torsh_ops.empty(2))


@needs_torch
def test_diff_and_trapezoid_match_torch():
    rng = np.random.default_rng(4)
    array = arrays(rng, (4, 6), "float32")
    t, u = torsh_ops.from_numpy(array), torch.from_numpy(array)
    for n in (0, 1, 3, 6, 9):
        for dim in (0, -1):
            assert_same(torsh_ops.diff(t, n, dim), torch.diff(u, n, dim))
    assert_same(torsh_ops.diff(t, prepend=t[:, :2], append=t), torch.diff(u, prepend=u[:, :2], append=u))
    assert_same(torsh_ops.diff(t > 0), torch.diff(u > 0))
    points = np.sort(arrays(rng, (6,), "float32"))
    assert_same(torsh_ops.trapezoid(t), torch.trapezoid(u))
    assert_same(torsh_ops.trapezoid(t, dx=0.5, dim=0), torch.trapezoid(u, dx=0.5, dim=0))
    assert_same(torsh_ops.trapezoid(t, torsh_ops.from_numpy(points)), torch.trapezoid(u, torch.from_numpy(points)))
    with pytest.raises(ArgumentError, match="both"):
        torsh_ops.trapezoid(t, t, dx=1.0)
    with pytest.raises(DimError, match="one-dimensional"):
        torsh_ops.diff(torsh_ops.tensor(1.0))


GRADIENTS = {
    "cumsum": lambda t: t.cumsum(1),
    "cumsum of columns": lambda t: t.cumsum(0),
    "cumprod": lambda t: t.cumprod(1),
    "logcumsumexp": lambda t: t.logcumsumexp(1),
    "cummax": lambda t: t.cummax(1).values,
    "cummin": lambda t: t.cummin(0).values,
    "diff": lambda t: t.diff(2, 1),
    "trapezoid": lambda t: torsh_ops.trapezoid(t),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_by_differences_once_and_twice(name):
    function, array = GRADIENTS[name], np.random.default_rng(5).standard_normal((2, 5))
    if name == "cumprod":
        array[0, 2] = 0.0

    def slope(a, create_graph=False):
        t = torsh_ops.from_numpy(a).requires_grad_()
        value = function(t)
        weights = torsh_ops.from_numpy(np.cos(np.arange(value.numel(), dtype=float)).reshape(value.shape))
        total = (value * value * weights).sum() + (value * weights).sum()
        return t, total, torsh_ops.autograd.grad(total, t, create_graph=create_graph)[0]

    _, _, found = slope(array)
    expected = numeric_gradient(lambda a: slope(a)[1].item(), array)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-7)
    t, _, first = slope(array, create_graph=True)
    (second,) = torsh_ops.autograd.grad((first * first).sum(), t)
    expected = numeric_gradient(lambda a: float((slope(a)[2].numpy() ** 2).sum()), array)
    np.testing.assert_allclose(second.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_cumprod_of_two_zeros_has_a_gradient_and_no_second_one():
    t = torsh_ops.tensor([2.0, 0.0, 3.0, 0.0, 5.0], requires_grad=True)
    t.cumprod(0).sum().backward()
    # d/dt of 2 + 2*0 + 2*0*3 + ...: only products with one zero left out survive.
    assert t.grad.tolist() == [1, 8, 0, 0, 0]
    with pytest.raises(GradError, match="two elements"):
        torsh_ops.autograd.grad(t.cumprod(0).sum(), t, create_graph=True)
