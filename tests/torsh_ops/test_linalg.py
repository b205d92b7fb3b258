import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import LAYOUTS, arrays, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import DTypeError, OperandError, ShapeError

LEFT_RIGHT = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (7, 3, 4)), ((3, 2, 3), (3,)), ((3,), (5, 3, 4)),
    ((1, 64), (64, 1)), ((0, 3), (3, 2)), ((2, 0), (0, 2)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ("float32", "float64", "int64"))
@pytest.mark.parametrize(("left", "right"), LEFT_RIGHT)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_matmul_against_float64(left, right, dtype, layout):
    rng = np.random.default_rng(1)
    a, b = (LAYOUTS[layout](arrays(rng, s, dtype)) for s in (left, right))
    got = torsh_ops.matmul(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b))
    expected = np.matmul(a.astype("f8"), b.astype("f8"))
    assert got.shape == expected.shape
    assert str(got.dtype).endswith(dtype)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 40), k=st.integers(1, 40), n=st.integers(1, 40),
    transpose_a=st.booleans(), transpose_b=st.booleans(), skip=st.integers(0, 3), seed=st.integers(0, 9),
)  # fmt: skip
def test_views_go_into_gemm_as_they_are(m, k, n, transpose_a, transpose_b, skip, seed):
    rng = np.random.default_rng(seed)
    a = arrays(rng, (k, m + skip) if transpose_a else (m, k + skip), "float32")
    b = arrays(rng, (n, k + skip) if transpose_b else (k, n + skip), "float32")
    a = a[:, :m].T if transpose_a else a[:, :k]
    b = b[:, :k].T if transpose_b else b[:, :n]
    got = torsh_ops.mm(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b)).numpy()
    np.testing.assert_allclose(got, a.astype("f8") @ b.astype("f8"), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", ((300, 40, 500), (500, 40, 300), (257, 129, 65)))
def test_two_threads_give_the_same_product(shape):
    m, k, n = shape
    rng = np.random.default_rng(2)
    a, b = arrays(rng, (m, k), "float32"), arrays(rng, (k, n), "float32")
    expected = a.astype("f8") @ b.astype("f8")
    torsh_ops.set_num_threads(2)
    try:
        for x, y in ((a, b), (np.ascontiguousarray(a.T).T, b), (a, np.ascontiguousarray(b.T).T)):
            got = torsh_ops.mm(torsh_ops.from_numpy(x), torsh_ops.from_numpy(y)).numpy()
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    finally:
        torsh_ops.set_num_threads(1)


@needs_torch
def test_bmm_dot_outer_addmm_match_torch():
    rng = np.random.default_rng(3)
    a, b = arrays(rng, (4, 3, 5), "float32"), arrays(rng, (4, 5, 2), "float32")
    t, u = torsh_ops.from_numpy, torch.from_numpy
    assert_same(torsh_ops.bmm(t(a), t(b)), torch.bmm(u(a), u(b)))
    assert_same(torsh_ops.bmm(t(a).transpose(1, 2), t(a)), torch.bmm(u(a).transpose(1, 2), u(a)))
    assert_same(torsh_ops.dot(t(a[0, 0]), t(a[1, 1])), torch.dot(u(a[0, 0]), u(a[1, 1])))
    assert_same(torsh_ops.outer(t(a[0, 0]), t(b[0, 0])), torch.outer(u(a[0, 0]), u(b[0, 0])))
    assert_same(
        torsh_ops.addmm(t(b[0, 0]), t(a[0]), t(b[0]), beta=0.5, alpha=2),
        torch.addmm(u(b[0, 0]), u(a[0]), u(b[0]), beta=0.5, alpha=2),
    )


def test_errors_name_both_shapes_or_dtypes():
    with pytest.raises(ShapeError, match="2x3 and 4x5"):
        torsh_ops.mm(torsh_ops.ones(2, 3), torsh_ops.ones(4, 5))
    with pytest.raises(ShapeError, match=r"\(2, 3, 4\) and \(2, 5, 6\)"):
        torsh_ops.bmm(torsh_ops.ones(2, 3, 4), torsh_ops.ones(2, 5, 6))
    with pytest.raises(DTypeError, match=r"float32 and .*float64"):
        torsh_ops.ones(2, 2) @ torsh_ops.ones(2, 2, dtype=torsh_ops.float64)
    with pytest.raises(ShapeError, match="0D"):
        torsh_ops.matmul(torsh_ops.tensor(1.0), torsh_ops.ones(2))
    with pytest.raises(OperandError, match="ndarray"):
        torsh_ops.mm(torsh_ops.ones(2, 2), np.ones((2, 2)))
