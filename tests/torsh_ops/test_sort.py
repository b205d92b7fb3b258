import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import DTYPES, LAYOUTS, arrays, assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DimError, DTypeError, ShapeError

EDGES = [2.0, math.nan, -0.0, 0.0, -math.inf, 1e-40, math.inf, -1e-40, 2.0, -3e38, -math.nan, 0.0, -0.0, 5.0]


@needs_torch
@settings(max_examples=100, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), min_size=0, max_size=3).map(tuple),
    dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(sorted(LAYOUTS)),
    dim=st.integers(-3, 2),
    descending=st.booleans(),
    nan=st.booleans(),
    seed=st.integers(0, 99),
)
def test_sort_and_its_kin_match_torch(shape, dtype, layout, dim, descending, nan, seed):
    rng = np.random.default_rng(seed)
    array = arrays(rng, shape, dtype)
    if nan and dtype.startswith("float"):
        array = np.where(rng.random(shape) < 0.3, np.nan, array).astype(dtype)
    array = LAYOUTS[layout](array)
    dim = dim % max(len(shape), 1)
    t, u = torsh_ops.from_numpy(array), torch.from_numpy(array.copy())
    ours, theirs = t.sort(dim, descending), torch.sort(u, dim=dim, descending=descending, stable=True)
    assert_same(ours.values, theirs.values)
    assert_same(ours.indices, theirs.indices)
    assert_same(t.argsort(dim, descending), theirs.indices)
    n = shape[dim] if shape else 1
    for k in (0, 1, n // 2, n):
        assert_same(t.topk(k, dim, descending).values, u.double().topk(k, dim, descending).values.to(u.dtype))
    if dtype != "bool":
        check_pair(t, t.kthvalue(1 + n // 2, dim), u.kthvalue(1 + n // 2, dim), dim)
        check_pair(t, t.median(dim, True), u.median(dim, True), dim)
        check_pair(t, t.nanmedian(dim), u.nanmedian(dim), dim)
        assert_same(t.median(), u.median())
        assert_same(t.nanmedian(), u.nanmedian())
    if not nan:
        check_pair(t, t.mode(dim), u.mode(dim), dim)


def check_pair(t, ours, theirs, dim):
    """The values are PyTorch's; which of equal elements was taken is free."""
    assert_same(ours.values, theirs.values)
    assert ours.indices.shape == tuple(theirs.indices.shape)
    if t.ndim and ours.values.ndim == t.ndim:
        np.testing.assert_array_equal(t.gather(dim, ours.indices).numpy(), ours.values.numpy())


@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_order_at_the_edges(dtype):
    array = np.array(EDGES * 3, dtype)
    values, indices = torsh_ops.from_numpy(array).sort()
    expected = np.argsort(array, kind="stable")
    np.testing.assert_array_equal(indices.numpy(), expected)
    np.testing.assert_array_equal(np.signbit(values.numpy()), np.signbit(array[expected]))
    down = torsh_ops.from_numpy(array).sort(descending=True).indices.numpy()
    assert np.isnan(array[down][:6]).all()
    assert (np.diff(down[:6]) > 0).all()
    np.testing.assert_array_equal(array[down][6:], np.sort(array)[:-6][::-1])
    top = torsh_ops.from_numpy(array).topk(8)
    np.testing.assert_array_equal(top.indices.numpy(), down[:8])
    low = torsh_ops.from_numpy(array).topk(2, largest=False).values.tolist()
    assert low == [-math.inf] * 2


def test_long_rows_in_every_way():
    rng = np.random.default_rng(1)
    array = rng.integers(-500, 500, (3, 5000)).astype(np.float32)
    t = torsh_ops.from_numpy(array)
    np.testing.assert_array_equal(t.argsort().numpy(), np.argsort(array, 1, "stable"))
    down = np.argsort(-array, 1, "stable")
    for k in (5, 64, 65, 3000):
        found = t.topk(k)
        np.testing.assert_array_equal(found.indices.numpy(), down[:, :k])
        np.testing.assert_array_equal(found.values.numpy(), np.take_along_axis(array, down[:, :k], 1))
    np.testing.assert_array_equal(t.kthvalue(777).values.numpy(), np.sort(array, 1)[:, 776])
    np.testing.assert_array_equal(t.median(1).values.numpy(), np.sort(array, 1)[:, 2499])
    np.testing.assert_array_equal(torsh_ops.msort(t.t()).numpy(), np.sort(array.T, 0))
    torsh_ops.set_num_threads(2)
    try:
        np.testing.assert_array_equal(torsh_ops.tile(t, (20, 1)).argsort(1)[59].numpy(), t.argsort()[2].numpy())
    finally:
        torsh_ops.set_num_threads(1)


def test_gradients_go_back_to_where_the_values_were():
    array = np.random.default_rng(2).standard_normal((3, 6))
    functions = (
        lambda t: t.sort(1, True).values,
        lambda t: t.topk(2, 0).values,
        lambda t: t.median(1).values,
        lambda t: t.kthvalue(2, 0).values,
        lambda t: t.mode(1).values,
        lambda t: torsh_ops.quantile(t, torsh_ops.tensor([0.2, 0.77], dtype=torsh_ops.float64), 1),
        lambda t: t.median(),
    )

    def total(function, a):
        value = function(torsh_ops.from_numpy(a))
        weights = torsh_ops.from_numpy(np.arange(1.0, value.numel() + 1).reshape(value.shape))
        return (value * value * weights).sum()

    for function in functions:
        t = torsh_ops.from_numpy(array).requires_grad_()
        value = function(t)
        weights = torsh_ops.from_numpy(np.arange(1.0, value.numel() + 1).reshape(value.shape))
        (first,) = torsh_ops.autograd.grad((value * value * weights).sum(), t, create_graph=True)
        expected = numeric_gradient(lambda a, f=function: total(f, a).item(), array)
        np.testing.assert_allclose(first.detach().numpy(), expected, rtol=1e-5, atol=1e-7)
        (second,) = torsh_ops.autograd.grad(first.sum(), t)
        assert np.isfinite(second.numpy()).all()
        assert second.numpy().any()


@needs_torch
def test_quantiles_match_torch():
    rng = np.random.default_rng(3)
    array = arrays(rng, (4, 7), "float32")
    array[1, 2] = math.nan
    t, u = torsh_ops.from_numpy(array), torch.from_numpy(array.copy())
    q = np.array([0.0, 0.3, 0.5, 1.0], np.float32)
    for name in ("quantile", "nanquantile"):
        ours, theirs = getattr(torsh_ops, name), getattr(torch, name)
        for way in ("linear", "lower", "higher", "midpoint", "nearest"):
            for dim in (None, 0, 1):
                for keepdim in (False, True):
                    assert_same(
                        ours(t, 0.37, dim, keepdim, interpolation=way), theirs(u, 0.37, dim, keepdim, interpolation=way)
                    )
                    assert_same(
                        ours(t, torsh_ops.from_numpy(q), dim, keepdim, interpolation=way),
                        theirs(u, torch.from_numpy(q), dim, keepdim, interpolation=way),
                    )
    with pytest.raises(ArgumentError, match=r"\[0, 1\].*1\.5"):
        torsh_ops.quantile(t, 1.5)
    with pytest.raises(ArgumentError, match="'cubic'"):
        torsh_ops.quantile(t, 0.5, interpolation="cubic")
    with pytest.raises(DTypeError, match="int64"):
        torsh_ops.quantile(torsh_ops.tensor([1, 2]), 0.5)


@needs_torch
def test_unique_matches_torch():
    rng = np.random.default_rng(4)
    for array in (
        rng.integers(0, 4, (5, 6)), rng.integers(0, 3, (6, 2)).astype(np.float32), np.array(EDGES, np.float32),
        rng.integers(0, 2, (3, 4)).astype(bool), np.zeros((0,), np.float32), np.array(3.0, np.float32),
    ):  # fmt: skip
        t, u = torsh_ops.from_numpy(array), torch.from_numpy(array.copy())
        for dim in (None,) if array.ndim < 2 else (None, 0, 1):
            for name in ("unique", "unique_consecutive"):
                ours, theirs = getattr(torsh_ops, name), getattr(torch, name)
                assert_same(ours(t, dim=dim), theirs(u, dim=dim))
                pairs = zip(
                    ours(t, return_inverse=True, return_counts=True, dim=dim),
                    theirs(u, return_inverse=True, return_counts=True, dim=dim),
                    strict=True,
                )
                for mine, other in pairs:
                    assert_same(mine, other)


@needs_torch
def test_searchsorted_and_bucketize_match_torch():
    rng = np.random.default_rng(5)
    for dtype in ("float32", "int64"):
        for n in (0, 1, 2, 7, 64):
            row = np.sort(arrays(rng, (n,), dtype))
            values = np.concatenate([arrays(rng, (37,), dtype), row])
            for right in (False, True):
                assert_same(
                    torsh_ops.searchsorted(torsh_ops.from_numpy(row), torsh_ops.from_numpy(values), right=right),
                    torch.searchsorted(torch.from_numpy(row), torch.from_numpy(values), right=right),
                )
                assert_same(
                    torsh_ops.bucketize(torsh_ops.from_numpy(values), torsh_ops.from_numpy(row), right=right),
                    torch.bucketize(torch.from_numpy(values), torch.from_numpy(row), right=right),
                )
    rows, values = np.sort(arrays(rng, (3, 9), "float32")), arrays(rng, (3, 20), "float32")
    values[0, :3] = math.nan, math.inf, -math.inf
    t, u = torsh_ops.from_numpy(rows), torch.from_numpy(rows)
    assert_same(
        torsh_ops.searchsorted(t, torsh_ops.from_numpy(values), side="right", out_int32=True),
        torch.searchsorted(u, torch.from_numpy(values), side="right", out_int32=True),
    )
    order = np.argsort(values)[:, ::-1].copy()
    assert_same(
        torsh_ops.searchsorted(t.flip(1), t, sorter=torsh_ops.tensor(np.tile(np.arange(9)[::-1], (3, 1)).copy())),
        torch.searchsorted(u.flip(1), u, sorter=torch.arange(8, -1, -1).repeat(3, 1)),
    )
    assert torsh_ops.searchsorted(t[0], 0.5).item() == torch.searchsorted(u[0], 0.5).item()
    with pytest.raises(ShapeError, match=r"\(3, 9\).*\(2, 9\)"):
        torsh_ops.searchsorted(t, t[:2])
    with pytest.raises(DTypeError, match="float32 and int64"):
        torsh_ops.searchsorted(t[0], torsh_ops.tensor([1]))
    with pytest.raises(ArgumentError, match="'middle'"):
        torsh_ops.searchsorted(t[0], t[0], side="middle")
    with pytest.raises(ShapeError, match="sorter"):
        torsh_ops.searchsorted(t, t, sorter=torsh_ops.tensor(order))


@needs_torch
def test_counts_match_torch():
    rng = np.random.default_rng(6)
    for n, top in ((0, 1), (5, 9), (1000, 7), (1003, 3)):
        array = rng.integers(0, top, n)
        t, u = torsh_ops.from_numpy(array), torch.from_numpy(array)
        assert_same(torsh_ops.bincount(t), torch.bincount(u))
        assert_same(torsh_ops.bincount(t, minlength=12), torch.bincount(u, minlength=12))
        for dtype in ("float32", "float64", "int64"):
            weights = arrays(rng, (n,), dtype)
            assert_same(
                torsh_ops.bincount(t, torsh_ops.from_numpy(weights)), torch.bincount(u, torch.from_numpy(weights))
            )
    for dtype in ("float32", "float64"):
        array = arrays(rng, (3, 50), dtype)
        t, u = torsh_ops.from_numpy(array), torch.from_numpy(array)
        assert_same(torsh_ops.histc(t), torch.histc(u))
        assert_same(torsh_ops.histc(t, 7, -1, 2), torch.histc(u, 7, -1, 2))
        assert_same(torsh_ops.histc(t * 0 + 3, 4), torch.histc(u * 0 + 3, 4))
    with pytest.raises(ArgumentError, match="-3"):
        torsh_ops.bincount(torsh_ops.tensor([1, -3]))
    with pytest.raises(DTypeError, match="float32"):
        torsh_ops.bincount(torsh_ops.tensor([1.0]))
    with pytest.raises(ShapeError, match=r"\(1, 2\)"):
        torsh_ops.bincount(torsh_ops.tensor([[1, 2]]))
    with pytest.raises(ArgumentError, match="finite"):
        torsh_ops.histc(torsh_ops.tensor([1.0, math.inf]))


def test_ranks_out_of_range_are_named():
    x = torsh_ops.ones(2, 3)
    with pytest.raises(DimError, match="k is 4, the size of dim 1 is 3"):
        x.topk(4)
    with pytest.raises(DimError, match="k is 0"):
        x.kthvalue(0)
    with pytest.raises(DimError, match=r"\[-2, 1\], but got 2"):
        x.sort(2)
    with pytest.raises(DimError, match="non-zero size"):
        torsh_ops.ones(2, 0).median(1)
    assert math.isnan(torsh_ops.ones(0).median().item())
    assert torsh_ops.ones(2, 0).sort().indices.shape == (2, 0)
    target = torsh_ops.empty(2, 2), torsh_ops.empty(2, 2, dtype=torsh_ops.int64)
    assert torsh_ops.topk(torsh_ops.tensor([[1.0, 3, 2], [6, 5, 4]]), 2, out=target).values is target[0]
    assert target[1].tolist() == [[1, 2], [0, 1]]
