"""Backward errors of the factorisations in units of eps, at sizes around their blocks and at extreme scales."""

import numpy as np
import pytest

import torsh_ops
from torsh_ops import linalg as la


def made(shape, dtype, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def t(array):
    return torsh_ops.from_numpy(array)


def thrice(function, *arrays):
    """The results of the first call, which runs Python, and of the third, which a plan carries out."""
    calls = [function(*map(t, arrays)) for _ in range(3)]
    results = [tuple(x.numpy() for x in (call if isinstance(call, tuple) else (call,))) for call in calls]
    for first, third in zip(results[0], results[2], strict=True):
        np.testing.assert_array_equal(first, third)
    return results[0] if isinstance(calls[0], tuple) else results[0][0]


def need_orthonormal(q, bound):
    q = q.astype("f8")
    assert np.abs(q.swapaxes(-1, -2) @ q - np.eye(q.shape[-1])).max() <= bound


def eps(array):
    return float(np.finfo(array.dtype).eps)


@pytest.fixture(params=("float32", "float64"))
def dtype(request):
    return request.param


@pytest.mark.parametrize("shape", ((1, 1), (3, 16, 16), (64, 64), (65, 65), (97, 130), (130, 97), (200, 50)))
def test_qr_is_backward_stable_by_columns(shape, dtype):
    a = made(shape, dtype)
    a *= (10.0 ** np.linspace(-6, 6, shape[-1])).astype(dtype)
    for mode in ("reduced", "complete"):
        q, r = thrice(lambda x, mode=mode: la.qr(x, mode), a)
        lengths = np.linalg.norm(a.astype("f8"), axis=-2)
        assert np.all(np.abs(q.astype("f8") @ r - a).max(-2) <= 20 * eps(a) * lengths)
        need_orthonormal(q, 20 * eps(a))
        assert np.array_equal(np.triu(r), r)
    assert np.array_equal(la.qr(t(a), "r").R.numpy(), la.qr(t(a)).R.numpy())


@pytest.mark.parametrize("scale", (1e-30, 1e-20, 1e18, 1e30))
def test_qr_at_extreme_scales(scale, dtype):
    if dtype == "float64":
        scale = float(scale) ** 9
    a = made((20, 9), dtype)
    a[:, 3] *= scale
    a[:, 5] = 0
    a[:, 6] = [1] + [0] * 19
    q, r = thrice(la.qr, a)
    lengths = np.abs(a.astype("f8")).max(0) * np.sqrt(20)
    wide = q.astype("f8") @ r.astype("f8")
    assert np.all(np.abs(wide - a).max(0) <= 20 * eps(a) * lengths)
    need_orthonormal(q, 20 * eps(a))


def test_qr_of_what_is_no_number_is_no_number(dtype):
    a = made((2, 20, 20), dtype)
    a[0, 3, 2] = np.nan
    q, r = thrice(la.qr, a)
    assert np.isnan(q[0]).any() and np.isnan(r[0]).any()
    need_orthonormal(q[1], 20 * eps(a))


def test_qr_reads_any_layout(dtype):
    a = made((2, 30, 20), dtype)
    for view in (a.swapaxes(1, 2), a[:, ::-1], a[:, ::2, 3:]):
        q, r = thrice(la.qr, view)
        np.testing.assert_allclose(q @ r, view, atol=50 * eps(a))
