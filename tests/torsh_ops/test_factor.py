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


SYSTEMS = ((1, 1), (5, 3), (3, 16, 4), (17, 16), (64, 1), (65, 40), (130, 70), (2, 96, 96))


@pytest.mark.parametrize("shape", SYSTEMS)
def test_solutions_are_backward_stable(shape, dtype):
    n = shape[-2]
    a, b = made((*shape[:-1], n), dtype), made(shape, dtype, 2)
    a[..., 0, 0] = 0
    a = a if n > 1 else a + 1
    wide = a.astype("f8")

    def need_small(residual, x):
        bound = 2 * n * eps(a) * np.abs(wide).sum(-1).max() * np.abs(x).max()
        assert np.abs(residual).max() <= bound

    x = thrice(la.solve, a, b)
    need_small(wide @ x - b, x)
    y = thrice(la.solve, a, np.ascontiguousarray(b[..., 0]))
    need_small((wide @ y[..., None])[..., 0] - b[..., 0], y)
    inverse = thrice(la.inv, a)
    need_small(wide @ inverse - np.eye(n), inverse)


@pytest.mark.parametrize("shape", ((1, 1), (16, 16), (70, 66), (66, 70), (3, 130, 40), (20, 140)))
def test_lu_pivots_on_the_largest(shape, dtype):
    a = made(shape, dtype)
    factors, pivots = la.lu_factor(t(a))
    p, low, up = (x.numpy().astype("f8") for x in torsh_ops.lu_unpack(factors, pivots))
    assert np.abs(low).max() == 1
    assert np.abs(p @ low @ up - a).max() <= 2 * min(shape[-2:]) * eps(a) * np.abs(up).max()
    # The same exchanges as the textbook's, in float64: no two candidates are close in random numbers.
    for matrix, got in zip(a.reshape(-1, *shape[-2:]), pivots.numpy().reshape(-1, min(shape[-2:])), strict=True):
        w, expected = matrix.astype("f8"), []
        for j in range(min(w.shape)):
            other = j + int(np.abs(w[j:, j]).argmax())
            expected.append(other + 1)
            w[[j, other]] = w[[other, j]]
            w[j + 1 :] -= np.outer(w[j + 1 :, j] / w[j, j], w[j])
        assert got.tolist() == expected


def test_singular_matrices_are_named_by_every_way_of_calling(dtype):
    a = made((3, 20, 20), dtype)
    a[1, :, 7] = 0
    b = made((3, 20, 2), dtype)
    for _ in range(3):
        with pytest.raises(la.LinAlgError, match=r"Batch element 1.*diagonal element 8 is zero"):
            la.inv(t(a))
        with pytest.raises(la.LinAlgError, match=r"Batch element 1.*singular"):
            la.solve(t(a), t(b))
    assert la.inv_ex(t(a)).info.tolist() == la.solve_ex(t(a), t(b)).info.tolist() == [0, 8, 0]
    assert la.lu_factor_ex(t(a)).info.tolist() == [0, 8, 0]


def test_tiny_pivots_and_what_is_no_number(dtype):
    tiny = float(np.finfo(dtype).tiny)
    a = np.diag([tiny / 8, 1, tiny * 4]).astype(dtype)
    a[1, 0] = tiny / 16
    b = (a @ [1, 2, 3]).astype(dtype)
    np.testing.assert_allclose(thrice(la.solve, a, b), [1, 2, 3], rtol=1e-5)
    x = made((20, 20), dtype)
    x[:, 4] = 0
    x[3, 4] = np.nan
    assert np.isnan(thrice(la.inv, x)).any()


def test_planned_inverses_have_gradients():
    a, weight = made((4, 4), "float64"), made((4, 4), "float64", 2)
    for _ in range(3):
        x = t(a).requires_grad_()
        (la.inv(x) * t(weight)).sum().backward()
        inverse = np.linalg.inv(a)
        np.testing.assert_allclose(x.grad.numpy(), -inverse.T @ weight @ inverse.T, rtol=1e-9)


def spectra(n, kind):
    x = made((2, n, n), "float64")
    x = x + x.swapaxes(-1, -2)
    q = np.linalg.qr(x)[0]
    graded = 10.0 ** np.linspace(0, -9, n)
    return {
        "random": x,
        "zero": 0 * x,
        "one": 0 * x + np.eye(n),
        "rank one": np.ones((2, n, n)),
        "clustered": (q * np.repeat([1, 2, 2.0000001], n)[::3]) @ q.swapaxes(-1, -2),
        "graded": x * graded * graded[:, None],
        "split": x * np.equal.outer(np.arange(n) % 3, np.arange(n) % 3),
    }[kind]


@pytest.mark.parametrize("kind", ("random", "zero", "one", "rank one", "clustered", "graded", "split"))
@pytest.mark.parametrize("n", (1, 2, 16, 33, 150))
def test_eigenvalues_and_vectors_of_symmetric_matrices(n, kind, dtype):
    a = spectra(n, kind).astype(dtype)
    wide = np.tril(a).astype("f8") + np.tril(a, -1).astype("f8").swapaxes(-1, -2)
    largest = np.abs(wide).sum(-1).max()
    for scale in (1.0, 2.0**-100, 2.0**100) if n < 150 else (1.0,):
        half = np.tril(a * np.dtype(dtype).type(scale))
        w, v = thrice(la.eigh, half)
        assert np.all(np.diff(w) >= 0)
        w = w.astype("f8") / scale
        assert np.abs(wide @ v - v * w[..., None, :]).max() <= 20 * eps(a) * largest
        assert np.abs(np.linalg.eigvalsh(wide) - w).max() <= 4 * max(n, 8) * eps(a) * largest
        need_orthonormal(v, 4 * max(n, 8) * eps(a))
        other = thrice(lambda x: la.eigh(x, "U"), np.ascontiguousarray(half.swapaxes(-1, -2)))
        np.testing.assert_array_equal(other[0] / scale, w)


def test_symmetric_matrices_of_no_numbers_raise_by_every_way_of_calling(dtype):
    for bad in (np.nan, np.inf):
        a = made((2, 8, 8), dtype)
        a[1, 5, 2] = bad
        for _ in range(3):
            with pytest.raises(la.LinAlgError, match="non-finite"):
                la.eigh(t(a))


def test_cholesky_by_every_way_of_calling(dtype):
    x = made((3, 40, 40), dtype)
    a = x @ x.swapaxes(-1, -2) + 40 * np.eye(40, dtype=dtype)
    low = thrice(la.cholesky, np.tril(a))
    up = thrice(lambda m: la.cholesky(m, upper=True), np.triu(a))
    assert np.array_equal(np.tril(low), low) and np.array_equal(np.triu(up), up)
    for factor in (low, up.swapaxes(-1, -2)):
        wide = factor.astype("f8")
        assert np.abs(wide @ wide.swapaxes(-1, -2) - a).max() <= 20 * eps(a) * np.abs(a).max()
    a[2, 7, 7] = -1
    for _ in range(3):
        with pytest.raises(la.LinAlgError, match=r"Batch element 2.*order 8 is not positive-definite"):
            la.cholesky(t(a))
    assert la.cholesky_ex(t(a)).info.tolist() == [0, 0, 8]
