import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import LAYOUTS, REAL, arrays, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import DimError, DTypeError, ShapeError
from torsh_ops.ops import norm as nm


@needs_torch
@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(("softmax", "log_softmax")),
    shape=st.lists(st.integers(0, 7), min_size=0, max_size=4).map(tuple),
    dim=st.integers(-4, 3),
    dtype=st.sampled_from(REAL),
    layout=st.sampled_from(sorted(LAYOUTS)),
)
def test_softmax_matches_torch(name, shape, dim, dtype, layout):
    array = LAYOUTS[layout](arrays(np.random.default_rng(1), shape, dtype))
    bound = max(len(shape), 1)
    if not -bound <= dim < bound:
        with pytest.raises(DimError, match=str(dim)):
            getattr(torsh_ops, name)(torsh_ops.from_numpy(array), dim)
        return
    assert_same(
        getattr(torsh_ops, name)(torsh_ops.from_numpy(array), dim),
        getattr(torch, name)(torch.from_numpy(array.copy()), dim),
    )


def test_softmax_of_hard_rows():
    rows = torsh_ops.tensor([[1e4, 1e4, -1e4], [-math.inf, 0.0, 0.0], [0.0, math.nan, 1.0]])
    got = torsh_ops.softmax(rows, 1).numpy()
    np.testing.assert_array_equal(got[0], [0.5, 0.5, 0])
    np.testing.assert_array_equal(got[1], [0, 0.5, 0.5])
    assert np.isnan(got[2]).all()
    np.testing.assert_allclose(
        torsh_ops.log_softmax(rows, 1).numpy()[0], [-math.log(2), -math.log(2), -2e4 - math.log(2)], rtol=1e-6
    )


@pytest.mark.parametrize("columns", (1, 5, 64, 1000, 5000))
def test_softmax_against_float64(columns):
    array = arrays(np.random.default_rng(2), (17, columns), "float32") * 4
    wide = array.astype("f8")
    exact = np.exp(wide - wide.max(1, keepdims=True))
    exact /= exact.sum(1, keepdims=True)
    # x - max is rounded at up to 32, where half a unit of the last place is 1.9e-6.
    np.testing.assert_allclose(torsh_ops.softmax(torsh_ops.from_numpy(array), 1).numpy(), exact, rtol=4e-6)


@needs_torch
@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize(
    ("shape", "normal"), [((6, 5), (5,)), ((2, 3, 4), (3, 4)), ((300,), (300,)), ((0, 4), (4,)), ((2, 1), (1,))]
)
def test_layer_norm_matches_torch(shape, normal, dtype):
    rng = np.random.default_rng(3)
    x, w, b = arrays(rng, shape, dtype), arrays(rng, normal, dtype), arrays(rng, normal, dtype)
    t, u = torsh_ops.from_numpy, torch.from_numpy
    torch_norm = torch.nn.functional.layer_norm
    assert_same(nm.layer_norm(t(x), normal, t(w), t(b)), torch_norm(u(x), normal, u(w), u(b)), rtol=1e-4, atol=1e-5)
    assert_same(nm.layer_norm(t(x), normal, eps=0.1), torch_norm(u(x), normal, eps=0.1), rtol=1e-4, atol=1e-5)


def test_layer_norm_far_from_zero_keeps_its_digits():
    array = (arrays(np.random.default_rng(4), (8, 512), "float32") + 1000).astype("f4")
    wide = array.astype("f8")
    exact = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(nm.layer_norm(torsh_ops.from_numpy(array), 512).numpy(), exact, atol=2e-4)


def test_errors_name_the_shapes():
    x = torsh_ops.ones(2, 3)
    with pytest.raises(ShapeError, match=r"normalized_shape=\[4\].*\[2, 3\]"):
        nm.layer_norm(x, (4,))
    with pytest.raises(ShapeError, match="weight of shape"):
        nm.layer_norm(x, (3,), torsh_ops.ones(2))
    with pytest.raises(DTypeError, match="float64"):
        nm.layer_norm(x, (3,), torsh_ops.ones(3, dtype=torsh_ops.float64))
    with pytest.raises(DTypeError, match="int64"):
        torsh_ops.softmax(torsh_ops.tensor([1, 2]), 0)
