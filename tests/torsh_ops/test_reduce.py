import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import DTYPES, LAYOUTS, REAL, arrays, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DimError, DTypeError

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
