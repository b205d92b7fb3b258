import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import DTYPES, LAYOUTS, REAL, arrays, assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DimError, DTypeError, GradError, OperandError, ShapeError

WITH_DIMS = ("sum", "mean", "amax", "amin", "var", "std", "norm", "logsumexp")


@needs_torch
@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(WITH_DIMS),
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple),
    chosen=st.integers(0, 15),
    keepdim=st.booleans(),
    layout=st.sampled_from(sorted(LAYOUTS)),
    dtype=st.sampled_from(REAL),
    seed=st.integers(0, 99),
)
def test_reductions_match_torch(name, shape, chosen, keepdim, layout, dtype, seed):
    array = LAYOUTS[layout](arrays(np.random.default_rng(seed), shape, dtype))
    dims = tuple(d for d in range(len(shape)) if chosen >> d & 1) or tuple(range(len(shape)))
    t, u = torsh_ops.from_numpy(array), torch.from_numpy(array.copy())
    if name == "norm":
        for p in (2, 1, 0, math.inf, -math.inf, 3.5):
            assert_same(torsh_ops.norm(t, p, dims, keepdim), torch.linalg.vector_norm(u, p, dims, keepdim), rtol=2e-5)
        return
    assert_same(
        getattr(torsh_ops, name)(t, dims, keepdim=keepdim), getattr(torch, name)(u, dims, keepdim=keepdim), rtol=2e-5
    )


@needs_torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ("sum", "prod", "argmax", "argmin", "amax", "amin", "any", "all"))
def test_every_dtype_reduces_as_in_torch(name, dtype):
    array = arrays(np.random.default_rng(2), (5, 70), dtype)
    t, u = torsh_ops.from_numpy(array), torch.from_numpy(array.copy())
    if dtype == "bool" and name in ("argmax", "argmin"):
        assert int(getattr(torsh_ops, name)(t)) == getattr(np, name)(array)  # PyTorch has none for bool
        return
    assert_same(getattr(torsh_ops, name)(t, 1), getattr(torch, name)(u, 1))
    assert_same(getattr(torsh_ops, name)(t, 0), getattr(torch, name)(u, 0))


@needs_torch
def test_max_over_a_dimension_gives_values_and_indices():
    array = arrays(np.random.default_rng(3), (4, 6, 5), "float32")
    t, u = torsh_ops.from_numpy(array), torch.from_numpy(array)
    for name in ("max", "min"):
        for dim in (0, 1, -1):
            ours, theirs = getattr(t, name)(dim), getattr(u, name)(dim)
            assert_same(ours.values, theirs.values)
            assert_same(ours.indices, theirs.indices)
        assert_same(getattr(torsh_ops, name)(t), getattr(torch, name)(u))
        assert_same(getattr(torsh_ops, name)(t, t * 0), getattr(torch, name)(u, u * 0))


def test_nan_wins_and_the_first_counts():
    x = torsh_ops.tensor([1.0, math.nan, 3.0, math.nan])
    assert math.isnan(torsh_ops.amax(x).item())
    assert math.isnan(torsh_ops.amin(x).item())
    assert torsh_ops.argmax(x).item() == torsh_ops.argmin(x).item() == 1
    ties = torsh_ops.tensor([[2.0, 7.0, 7.0], [5.0, 5.0, 1.0]])
    assert torsh_ops.argmax(ties, 1).tolist() == [1, 0]
    long = torsh_ops.zeros(1000)
    long[777] = 1.0
    assert torsh_ops.argmax(long).item() == 777


def test_a_long_float32_sum_keeps_its_digits():
    x = np.random.default_rng(4).random(1 << 22, dtype=np.float32)
    exact = math.fsum(x.tolist())
    assert abs(torsh_ops.from_numpy(x).sum().item() - exact) / exact < 2e-7


def test_empty_tensors():
    empty = torsh_ops.zeros(0, 3)
    assert empty.sum().item() == 0
    assert math.isnan(empty.mean().item())
    assert empty.sum(0).tolist() == [0, 0, 0]
    with pytest.raises(DimError, match=r"non-zero size.*\(0, 3\)"):
        torsh_ops.amax(empty, 0)
    with pytest.raises(DimError, match="empty"):
        torsh_ops.argmax(empty)


def test_bad_dims_and_dtypes_are_named():
    x = torsh_ops.ones(2, 3)
    with pytest.raises(DimError, match=r"\[-2, 1\], but got 2") as caught:
        x.sum(2)
    assert isinstance(caught.value, IndexError)
    with pytest.raises(ArgumentError, match="twice"):
        x.sum((0, -2))
    with pytest.raises(DTypeError, match="int64"):
        torsh_ops.tensor([1, 2]).mean()
    with pytest.raises(ArgumentError, match="'nuc'"):
        x.norm("nuc")


def test_var_of_one_number_and_correction():
    x = torsh_ops.tensor([1.0, 2.0, 3.0, 4.0])
    assert x.var().item() == pytest.approx(5 / 3)
    assert x.var(correction=0).item() == x.var(unbiased=False).item() == 1.25
    assert math.isnan(torsh_ops.tensor([3.0]).var().item())


WIDE = ("sum", "mean", "amax", "amin", "var", "std", "norm", "logsumexp", "prod", "any", "all", "count_nonzero")
ONE_DIM = ("max", "min", "argmax", "argmin", "cumsum", "cummax")


@needs_torch
@pytest.mark.parametrize("name", (*WIDE, *ONE_DIM))
def test_every_dimension_of_every_size_matches_torch(name):
    rng = np.random.default_rng(5)
    for shape in ((3, 70, 40), (2, 1100, 17), (1, 5), (5, 1), (4, 3, 2), (1, 4200), (8200,)):
        array = arrays(rng, shape, "float32")
        array[array > 1.2] = 0
        t, u = torsh_ops.from_numpy(array), torch.from_numpy(array)
        for dim in (*range(len(shape)), -1):
            ours = getattr(torsh_ops, name)(t, dim=dim)
            theirs = torch.linalg.vector_norm(u, dim=dim) if name == "norm" else getattr(torch, name)(u, dim=dim)
            pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
            for mine, other in pairs:
                assert_same(mine, other, rtol=2e-5, atol=2e-5)


EDGES = [1.0, math.inf, -2.0, -math.inf, 1e-40, 3e38, -0.0, 0.0, math.nan]


@needs_torch
@pytest.mark.parametrize("name", (*WIDE, "argmax", "argmin", "nansum", "nanmean"))
def test_edges_match_torch(name):
    for chosen in (
        [8],
        [0, 8, 1],
        [1, 0],
        [3, 2],
        [3],
        [1, 3],
        [6, 7],
        [7, 6],
        [4],
        [5, 5, 5],
        range(9),
        [0] * 90 + [8],
    ):
        row = np.array([EDGES[i] for i in chosen], np.float32)
        # One after the other, and 16 side by side; alone and long enough for whole vectors.
        for array, dim in ((row, 0), (np.tile(row, 40), 0), (np.repeat(row[:, None], 17, 1), 0)):
            t, u = torsh_ops.from_numpy(array), torch.from_numpy(array)
            theirs = torch.linalg.vector_norm(u, dim=dim) if name == "norm" else getattr(torch, name)(u, dim=dim)
            if name in ("norm", "var", "std") and np.isfinite(row).all() and np.abs(row).max() > 1e30:
                continue  # squares overflow, in PyTorch's order of work or in ours
            assert_same(getattr(torsh_ops, name)(t, dim=dim), theirs, rtol=1e-5)


def test_sums_down_long_columns_keep_their_digits():
    x = np.random.default_rng(6).random((1 << 17, 16), dtype=np.float32)
    t, exact = torsh_ops.from_numpy(x), x.astype(np.float64)
    for found, expected in (
        (t.sum(0), exact.sum(0)), (t.mean(0), exact.mean(0)), (t.norm(dim=0), np.linalg.norm(exact, axis=0)),
        (t.var(0), exact.var(0, ddof=1)), (t.var(), exact.var(ddof=1)), (t.norm(), np.linalg.norm(exact)),
    ):  # fmt: skip
        assert np.abs(found.numpy() / expected - 1).max() < 3e-6


def test_variance_far_from_zero():
    x = np.random.default_rng(7).standard_normal(10000).astype(np.float32) + np.float32(4096)
    exact = x.astype(np.float64)
    t = torsh_ops.from_numpy(x)
    assert t.var().item() == pytest.approx(exact.var(ddof=1), rel=1e-6)
    spread, mean = torsh_ops.std_mean(t.reshape(100, 100), 1)
    np.testing.assert_allclose(spread.numpy(), exact.reshape(100, 100).std(1, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(mean.numpy(), exact.reshape(100, 100).mean(1), rtol=5e-7)


def test_threads_give_the_same_results():
    x = np.random.default_rng(8).standard_normal((1 << 18) + 3).astype(np.float32)
    x[200000] = 9.0
    t = torsh_ops.from_numpy(x)
    tall = torsh_ops.from_numpy(x[: 1 << 18].reshape(-1, 32))
    names = ("sum", "mean", "amax", "amin", "argmax", "argmin", "var", "std", "norm", "count_nonzero", "prod")

    def all_of_them():
        found = [getattr(torsh_ops, n)(t).item() for n in names] + [t.logsumexp(0).item()]
        down = ("sum", "mean", "amax", "norm", "var", "argmax", "cumsum", "any")
        return np.array(found), [getattr(torsh_ops, n)(tall, dim=0).numpy().copy() for n in down]

    one, columns = all_of_them()
    torsh_ops.set_num_threads(2)
    try:
        two, columns_of_two = all_of_them()
    finally:
        torsh_ops.set_num_threads(1)
    np.testing.assert_allclose(two, one, rtol=1e-6)
    for a, b in zip(columns, columns_of_two, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5)


@needs_torch
def test_out_dtype_and_named_results():
    array = arrays(np.random.default_rng(9), (4, 5), "float32")
    t, u = torsh_ops.from_numpy(array), torch.from_numpy(array)
    for name in (*WIDE[:-1], "argmax"):
        expected = getattr(torsh_ops, name)(t, dim=1)
        target = torsh_ops.empty(4, dtype=expected.dtype)
        assert getattr(torsh_ops, name)(t, dim=1, out=target) is target
        np.testing.assert_array_equal(target.numpy(), expected.numpy())
    for name in ("sum", "mean", "prod", "nansum", "cumsum"):
        for dtype in ("float64", "float32", "int64"):
            if name != "mean" or dtype != "int64":
                ours = getattr(torsh_ops, name)(t, dim=0, dtype=getattr(torsh_ops, dtype))
                assert_same(ours, getattr(torch, name)(u, dim=0, dtype=getattr(torch, dtype)))
    for pair in (torsh_ops.aminmax, torch.aminmax), (torsh_ops.max, torch.max), (torsh_ops.var_mean, torch.var_mean):
        for ours, theirs in zip(pair[0](t, dim=1, keepdim=True), pair[1](u, dim=1, keepdim=True), strict=True):
            assert_same(ours, theirs)
    assert torsh_ops.aminmax(t)._fields == ("min", "max")
    assert torsh_ops.max(t, 1)._fields == ("values", "indices")
    with pytest.raises(ShapeError, match=r"\(3,\).*\(4,\)"):
        torsh_ops.sum(t, 1, out=torsh_ops.empty(3))
    with pytest.raises(OperandError, match="ndarray"):
        torsh_ops.sum(array)
    with pytest.raises(GradError, match="not recorded"):
        torsh_ops.sum(torsh_ops.ones(2, 2, requires_grad=True), 1, out=torsh_ops.empty(2))


@needs_torch
def test_the_rest_matches_torch():
    rng = np.random.default_rng(10)
    array = arrays(rng, (3, 8), "float32")
    t, u = torsh_ops.from_numpy(array), torch.from_numpy(array)
    assert_same(torsh_ops.cov(t), torch.cov(u))
    assert_same(torsh_ops.cov(t[0], correction=0), torch.cov(u[0], correction=0))
    often, much = rng.integers(1, 4, 8), rng.random(8, dtype=np.float32)
    assert_same(
        torsh_ops.cov(t, fweights=torsh_ops.from_numpy(often), aweights=torsh_ops.from_numpy(much)),
        torch.cov(u, fweights=torch.from_numpy(often), aweights=torch.from_numpy(much)),
    )
    assert_same(torsh_ops.corrcoef(t), torch.corrcoef(u))
    assert_same(torsh_ops.corrcoef(t[1]), torch.corrcoef(u[1]))
    for p in (0, 1, 2, 3.5, math.inf, -math.inf):
        assert_same(torsh_ops.dist(t, t[:1] * 2, p), torch.dist(u, u[:1] * 2, p))
        if 0 < p < math.inf:
            assert_same(torsh_ops.renorm(t, p, 0, 1.5), torch.renorm(u, p, 0, 1.5))
    with pytest.raises(ArgumentError, match="p=-1"):
        torsh_ops.renorm(t, -1, 0, 1.0)
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        torsh_ops.cov(t, aweights=torsh_ops.ones(2))


GRADIENTS = {
    "sum": lambda t: t.sum(0), "mean": lambda t: t.mean(), "prod": lambda t: t.prod(1), "prod of all": torsh_ops.prod,
    "amax": lambda t: t.amax(1), "max": lambda t: t.max(0).values, "min": lambda t: t.min(1, True).values,
    "aminmax": lambda t: torsh_ops.aminmax(t, dim=0).max, "var": lambda t: t.var(1), "std": lambda t: t.std((0, 1)),
    "var_mean": lambda t: torsh_ops.var_mean(t, 0).var, "norm 2": lambda t: t.norm(), "norm 1": lambda t: t.norm(1, 0),
    "norm 3": lambda t: t.norm(3, 1), "norm 1.5": lambda t: t.norm(1.5, 1), "norm inf": lambda t: t.norm(math.inf, 0),
    "logsumexp": lambda t: t.logsumexp(1), "nansum": lambda t: t.nansum(1), "nanmean": lambda t: t.nanmean(0),
    "cov": torsh_ops.cov, "corrcoef": torsh_ops.corrcoef, "dist": lambda t: torsh_ops.dist(t, t[:1], 2),
    "renorm": lambda t: torsh_ops.renorm(t, 2, 0, 0.7),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_by_differences_once_and_twice(name):
    function, array = GRADIENTS[name], np.random.default_rng(11).standard_normal((3, 4))
    if name.startswith("prod"):
        array[1, 2] = 0.0
    if name == "prod":
        array[2, 0] = array[2, 3] = 0.0

    def slope(a, create_graph=False):
        t = torsh_ops.from_numpy(a).requires_grad_()
        value = function(t)
        weights = torsh_ops.from_numpy(np.cos(np.arange(value.numel(), dtype=float)).reshape(value.shape))
        total = (value * value * weights).sum() + (value * weights).sum()
        return t, total, torsh_ops.autograd.grad(total, t, create_graph=create_graph)[0]

    expected = numeric_gradient(lambda a: slope(a)[1].item(), array)
    np.testing.assert_allclose(slope(array)[2].numpy(), expected, rtol=1e-5, atol=1e-7)
    t, _, first = slope(array, create_graph=True)
    (second,) = torsh_ops.autograd.grad((first * first).sum(), t)
    expected = numeric_gradient(lambda a: float((slope(a)[2].numpy() ** 2).sum()), array)
    np.testing.assert_allclose(second.numpy(), expected, rtol=1e-4, atol=1e-6)


@needs_torch
def test_gradients_at_kinks_match_torch():
    points = {
        "std": [2.0, 2.0, 2.0], "norm": [0.0, 0.0, 0.0], "amin": [1.0, 1.0, 3.0], "max": [1.0, math.nan, math.nan],
        "logsumexp": [-math.inf, 2.0, -math.inf], "median": [1.0, 2.0, 3.0], "prod": [0.0, 0.0, 3.0],
    }  # fmt: skip
    for name, point in points.items():
        t, u = torsh_ops.tensor(point, requires_grad=True), torch.tensor(point, requires_grad=True)
        arguments = (0,) if name == "logsumexp" else ()
        getattr(t, name)(*arguments).backward()
        getattr(u, name)(*arguments).backward()
        np.testing.assert_allclose(t.grad.numpy(), u.grad.numpy(), err_msg=name)
    t = torsh_ops.tensor([0.0, -2.0, 3.0], requires_grad=True)
    u = torch.tensor([0.0, -2.0, 3.0], requires_grad=True)
    for p in (1.0, 1.5, 2.0, 3.0, math.inf):
        (ours,) = torsh_ops.autograd.grad(t.norm(p), t)
        (theirs,) = torch.autograd.grad(torch.linalg.vector_norm(u, p), u)
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6, err_msg=str(p))
