import math

import numpy as np
import pytest
from oracle import needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops import linalg as la
from torsh_ops.errors import ArgumentError, DTypeError, GradError, LinAlgError, ShapeError

BATCHES = ((), (3,), (2, 0))


def made(shape, dtype="float64", seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def definite(shape, dtype="float64", seed=1):
    x = made(shape, seed=seed)
    return (x @ x.swapaxes(-1, -2) + shape[-1] * np.eye(shape[-1])).astype(dtype)


def t(array):
    return torsh_ops.from_numpy(array)


def mt(array):
    return array.swapaxes(-1, -2)


def close(got, expected, dtype="float64", scale=1.0):
    tolerance = (1e-4 if dtype == "float32" else 1e-11) * scale
    np.testing.assert_allclose(
        np.asarray(got, "f8" if dtype != "c" else "c16"), expected, rtol=tolerance, atol=tolerance
    )


@pytest.fixture(params=("float32", "float64"))
def dtype(request):
    return request.param


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", (0, 1, 5, 130))
def test_solutions_satisfy_their_equations(batch, n, dtype):
    a, b = made((*batch, n, n), dtype) + 2 * math.sqrt(n) * np.eye(n, dtype=dtype), made((*batch, n, 3), dtype, 2)
    wide = a.astype("f8")
    close(wide @ la.solve(t(a), t(b)).numpy(), b, dtype, 10)
    close(mt(la.solve(t(a), t(mt(b)), left=False).numpy()), np.linalg.solve(mt(wide), b), dtype, 10)
    vector = np.ascontiguousarray(b[..., 0])
    close((wide @ la.solve(t(a), t(vector)).numpy()[..., None])[..., 0], vector, dtype, 10)
    close(wide @ la.inv(t(a)).numpy(), np.broadcast_to(np.eye(n), a.shape), dtype, 10)
    for upper in (False, True):
        triangle = np.triu(wide) if upper else np.tril(wide)
        close(triangle @ la.solve_triangular(t(a), t(b), upper=upper).numpy(), b, dtype, 10)
        right = la.solve_triangular(t(mt(a)), t(mt(b)), upper=not upper, left=False).numpy()
        close(triangle @ mt(right), b, dtype, 10)
    factors, pivots = la.lu_factor(t(a))
    for adjoint in (False, True):
        x = la.lu_solve(factors, pivots, t(b), adjoint=adjoint).numpy()
        close((mt(wide) if adjoint else wide) @ x, b, dtype, 10)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("shape", ((5, 3), (3, 5), (4, 4), (1, 6), (70, 66), (0, 3), (3, 0)))
def test_factors_multiply_to_the_matrix(batch, shape, dtype):
    a = made((*batch, *shape), dtype)
    m, n = shape
    k = min(shape)
    p, low, up = (x.numpy() for x in la.lu(t(a)))
    close(p @ low @ up, a, dtype, 10)
    assert np.array_equal(np.tril(low), low) and np.array_equal(np.triu(up), up)
    for mode, columns in (("reduced", k), ("complete", m)):
        q, r = (x.numpy() for x in la.qr(t(a), mode))
        assert q.shape == (*batch, m, columns) and r.shape == (*batch, columns, n)
        close(q.astype("f8") @ r, a, dtype, 10)
        close(mt(q) @ q, np.broadcast_to(np.eye(columns), (*batch, columns, columns)), dtype, 10)
    q, r = la.qr(t(a), "r")
    assert q.shape == (0,)
    close(np.abs(r.numpy()), np.abs(la.qr(t(a)).R.numpy()), dtype)
    for full in (False, True):
        u, s, vh = (x.numpy() for x in la.svd(t(a), full))
        assert u.shape == (*batch, m, m if full else k) and vh.shape == (*batch, n if full else k, n)
        close((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a, dtype, 10)
        close(mt(u) @ u, np.broadcast_to(np.eye(u.shape[-1]), (*batch, u.shape[-1], u.shape[-1])), dtype, 10)
    close(la.svdvals(t(a)).numpy(), s, dtype)
    assert np.all(np.diff(s) <= 0)
    reflections, tau = torsh_ops.geqrf(t(a))
    if m >= n:
        close(la.householder_product(reflections, tau).numpy(), la.qr(t(a)).Q.numpy(), dtype)
    whole = torsh_ops.ormqr(reflections, tau, t(np.broadcast_to(np.eye(m, dtype=dtype), (*batch, m, m))))
    close(whole.numpy(), la.qr(t(a), "complete").Q.numpy(), dtype)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", (0, 1, 6, 70))
def test_symmetric_matrices(batch, n, dtype):
    a = definite((*batch, n, n), dtype)
    half = np.tril(a)
    low, up = la.cholesky(t(half)).numpy(), la.cholesky(t(np.triu(a)), upper=True).numpy()
    close(low @ mt(low), a, dtype, 50)
    close(low, mt(up), dtype, 10)
    for factor, upper in ((low, False), (up, True)):
        inverse = torsh_ops.cholesky_inverse(t(factor), upper).numpy()
        close(a.astype("f8") @ inverse, np.broadcast_to(np.eye(n), a.shape), dtype, 10)
        b = made((*batch, n, 2), dtype)
        close(a.astype("f8") @ torsh_ops.cholesky_solve(t(b), t(factor), upper).numpy(), b, dtype, 10)
    for triangle, part in (("L", half), ("U", np.triu(a))):
        w, v = (x.numpy() for x in la.eigh(t(part), triangle))
        close((v * w[..., None, :]) @ mt(v), a, dtype, 50)
        close(la.eigvalsh(t(part), triangle).numpy(), w, dtype, 50)
    assert np.all(np.diff(w) >= 0)


def test_eigenvalues_of_any_matrix(dtype):
    a = made((3, 5, 5), dtype)
    w, v = (x.numpy() for x in la.eig(t(a)))
    assert w.dtype == v.dtype == {"float32": np.complex64, "float64": np.complex128}[dtype]
    np.testing.assert_allclose(a @ v, v * w[:, None, :], atol=1e-4 if dtype == "float32" else 1e-12)
    np.testing.assert_allclose(np.linalg.norm(v, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.sort_complex(la.eigvals(t(a)).numpy()), np.sort_complex(w), rtol=1e-4)
    assert np.all(w.imag.any(axis=-1)), "this test needs complex pairs"


def test_determinants_against_numpy(dtype):
    a = made((4, 5, 5), dtype)
    a[1] = np.eye(5)[[1, 0, 2, 3, 4]]
    a[2, 3] = a[2, 1]
    wide = a.astype("f8")
    close(la.det(t(a)).numpy(), np.linalg.det(wide), dtype, 10)
    sign, value = (x.numpy() for x in la.slogdet(t(a)))
    close(sign[[0, 1, 3]] * np.exp(value[[0, 1, 3]]), np.linalg.det(wide)[[0, 1, 3]], dtype, 10)
    zero = np.zeros((2, 2), dtype)
    assert la.det(t(zero)).item() == 0
    assert [x.item() for x in la.slogdet(t(zero))] == [0, -math.inf]
    assert torsh_ops.logdet(t(zero)).item() == -math.inf
    assert math.isnan(torsh_ops.logdet(t(np.diag([1, -1]).astype(dtype))).item())
    assert la.det(t(np.empty((0, 0), dtype))).item() == 1


@pytest.mark.parametrize("driver", ("gels", "gelsy", "gelsd", "gelss", None))
def test_least_squares_against_numpy(driver):
    for m, n in ((6, 3), (3, 6), (4, 4)):
        a, b = made((2, m, n)), made((2, m, 2))
        got = la.lstsq(t(a), t(b), driver=driver)
        expected = [np.linalg.lstsq(x, y, rcond=None) for x, y in zip(a, b, strict=True)]
        close(got.solution.numpy(), np.stack([e[0] for e in expected]))
        if m > n and driver not in ("gelsy", None):
            close(got.residuals.numpy(), np.stack([e[1] for e in expected]))
        if driver != "gels":
            assert got.rank.tolist() == [min(m, n)] * 2
        if driver in ("gelsd", "gelss"):
            close(got.singular_values.numpy(), np.stack([e[3] for e in expected]))
    if driver != "gels":
        assert la.lstsq(t(np.ones((4, 2))), t(made((4, 1))), driver=driver).rank.item() == 1
    assert la.lstsq(t(made((4, 2))), t(made(4)[:, None]), driver=driver).solution.shape == (2, 1)


def test_pseudo_inverse_rank_and_condition_against_numpy():
    a = made((3, 5, 4))
    a[1, :, 2] = a[1, :, 1]
    close(la.pinv(t(a)).numpy(), np.linalg.pinv(a, rcond=1e-14))
    assert la.matrix_rank(t(a)).tolist() == [4, 3, 4]
    assert la.matrix_rank(t(a), atol=100.0).tolist() == [0, 0, 0]
    assert la.matrix_rank(t(a), rtol=t(np.array([0.0, 1e-3, 2.0]))).tolist()[1:] == [3, 0]
    square = definite((4, 4))
    close(la.pinv(t(np.tril(square)), hermitian=True).numpy(), np.linalg.inv(square))
    assert la.matrix_rank(t(np.tril(square)), hermitian=True).item() == 4
    for p in (None, 2, -2, 1, -1, math.inf, -math.inf, "fro", "nuc"):
        close(la.cond(t(square), p).item(), np.linalg.cond(square, p))
    both = np.stack([square, np.zeros((4, 4))])
    assert la.cond(t(both), 1).numpy()[1] == math.inf
    assert torsh_ops.pinverse(t(a)).shape == (3, 4, 5)


@pytest.mark.parametrize("order", ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf))
def test_norms_against_numpy(order):
    a = made((3, 4, 5))
    close(la.matrix_norm(t(a), order).numpy(), np.linalg.norm(a, order, (1, 2)))
    close(la.matrix_norm(t(a), order, (2, 0), True).numpy(), np.linalg.norm(a, order, (2, 0), True))
    close(la.norm(t(a[0]), order).item(), np.linalg.norm(a[0], order))
    if not isinstance(order, str):
        for ord in (order, 0, 2.5):
            close(la.vector_norm(t(a), ord, 1).numpy(), np.linalg.norm(a, ord, 1))
    close(la.norm(t(a)).item(), np.linalg.norm(a))


def test_exponential_against_its_series_and_mpmath():
    mpmath = pytest.importorskip("mpmath")
    for scale in (1e-3, 1.0, 30.0):
        a = made((3, 4, 4)) * scale
        got = torsh_ops.matrix_exp(t(a)).numpy()
        for x, y in zip(a, got, strict=True):
            expected = np.array(mpmath.expm(mpmath.matrix(x.tolist()), method="taylor").tolist(), dtype=complex).real
            np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())
    assert torsh_ops.matrix_exp(t(np.zeros((0, 0)))).shape == (0, 0)


def test_powers_chains_and_tensors():
    a, b, c = made((4, 4)), made((4, 2)), made((2, 7))
    for n in (-3, 0, 1, 5):
        close(torsh_ops.matrix_power(t(a), n).numpy(), np.linalg.matrix_power(a, n), scale=1e3)
    close(la.multi_dot([t(a), t(a), t(b), t(c)]).numpy(), a @ a @ b @ c)
    close(la.multi_dot([t(a[0]), t(a), t(a[1])]).item(), a[0] @ a @ a[1])
    close(torsh_ops.vander(t(a[0])).numpy(), np.vander(a[0]))
    close(la.vander(t(a), 3).numpy(), np.stack([np.vander(x, 3, increasing=True) for x in a]))
    cube = made((2, 3, 6))
    close(la.tensorsolve(t(cube), t(cube[..., 0])).numpy(), np.linalg.tensorsolve(cube, cube[..., 0]))
    close(la.tensorinv(t(cube)).numpy(), np.linalg.tensorinv(cube))


# Gradients. Each takes a (2, 4, 4) float64 tensor near well-conditioned matrices.
TALL = (slice(None), slice(None), slice(0, 2))
WIDE = (slice(None), slice(0, 2), slice(None))


def symmetric(x):
    return x @ x.transpose(-1, -2) + 4.0 * torsh_ops.eye(4, dtype=torsh_ops.float64)


def signless(q, r):
    return (q * torsh_ops.from_numpy(np.arange(1.0, q.shape[-1] + 1)), r * r)


CASES = {
    "cholesky": lambda x: (la.cholesky(symmetric(x)),),
    "cholesky_upper": lambda x: (la.cholesky(symmetric(x), upper=True),),
    "cholesky_solve": lambda x: (torsh_ops.cholesky_solve(x, symmetric(x).tril()),),
    "cholesky_inverse": lambda x: (torsh_ops.cholesky_inverse(symmetric(x).triu(), True),),
    "lu": lambda x: la.lu(x)[1:],
    "lu_tall": lambda x: la.lu(x[TALL])[1:],
    "lu_wide": lambda x: la.lu(x[WIDE])[1:],
    "lu_solve": lambda x: (la.lu_solve(*la.lu_factor(x), x * 2.0), la.lu_solve(*la.lu_factor(x), x, adjoint=True)),
    "qr": lambda x: la.qr(x),
    "qr_tall": lambda x: la.qr(x[TALL]),
    "qr_wide": lambda x: la.qr(x[WIDE]),
    "svd": lambda x: signless(la.svd(x).S, la.svd(x).U * la.svd(x).Vh.transpose(-1, -2)),
    "svd_tall": lambda x: [la.svd(x[TALL], False).U ** 2, la.svd(x[TALL]).Vh ** 2],
    "svd_wide": lambda x: [la.svd(x[WIDE], False).Vh ** 2, la.svd(x[WIDE]).U[..., :1] ** 2],
    "svdvals": lambda x: (la.svdvals(x),),
    "eigh": lambda x: [la.eigh(symmetric(x)).eigenvalues, la.eigh(symmetric(x)).eigenvectors ** 2],
    "eigvalsh": lambda x: (la.eigvalsh(symmetric(x), "U"),),
    "solve": lambda x: (la.solve(x, x[TALL]), la.solve(x, x[..., 0]), la.solve(x, x[WIDE], left=False)),
    "solve_broadcast": lambda x: (la.solve(x[0], x),),
    "triangular": lambda x: (
        la.solve_triangular(x, x * 2.0, upper=True), la.solve_triangular(x, x, upper=False, left=False),
        la.solve_triangular(x * 0.1, x, upper=False, unitriangular=True),
        torsh_ops.triangular_solve(x, x, transpose=True).solution,
    ),
    "inv": lambda x: (la.inv(x),),
    "det": lambda x: (la.det(x), la.slogdet(x).logabsdet, torsh_ops.logdet(symmetric(x))),
    "pinv": lambda x: (la.pinv(x), la.pinv(x[TALL]), la.pinv(x[WIDE])),
    "lstsq": lambda x: (la.lstsq(x[TALL], x).solution,),
    "matrix_exp": lambda x: (torsh_ops.matrix_exp(x * 0.3),),
    "matrix_power": lambda x: (torsh_ops.matrix_power(x, 3), torsh_ops.matrix_power(x, -2)),
    "norms": lambda x: (la.matrix_norm(x, "nuc"), la.matrix_norm(x, 2), la.cond(x), la.norm(x)),
}  # fmt: skip


def weighed(name, x):
    parts = list(CASES[name](x))
    return sum(((p * t(made(p.shape, seed=i + 5))).sum() for i, p in enumerate(parts[1:])),
               (parts[0] * t(made(parts[0].shape, seed=4))).sum())  # fmt: skip


@pytest.fixture
def point():
    return made((2, 4, 4), seed=3) + 2.5 * np.eye(4)


@pytest.mark.parametrize("name", CASES)
def test_gradient_by_finite_differences(name, point):
    x = t(point.copy()).requires_grad_()
    weighed(name, x).backward()
    expected = numeric_gradient(lambda a: weighed(name, t(a)).item(), point)
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_second_gradient_along_a_direction(name, point):
    direction, weight = made(point.shape, seed=7), t(made(point.shape, seed=8))

    def slope(array, create_graph=False):
        x = t(array).requires_grad_()
        (g,) = torsh_ops.autograd.grad(weighed(name, x), x, create_graph=create_graph)
        return x, (g * weight).sum()

    x, along = slope(point.copy(), True)
    (second,) = torsh_ops.autograd.grad(along, x)
    step = 1e-6
    expected = (slope(point + step * direction)[1].item() - slope(point - step * direction)[1].item()) / (2 * step)
    np.testing.assert_allclose((second.numpy() * direction).sum(), expected, rtol=2e-4, atol=1e-5)


def test_gradient_of_the_determinant_at_a_singular_matrix():
    x = t(np.array([[1.0, 2.0], [2.0, 4.0]])).requires_grad_()
    la.det(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), [[4, -2], [-2, 1]], atol=1e-12)


def test_gradient_of_eig():
    a = made((4, 4), seed=3)
    weight = made(4, seed=9)

    def loss(x):
        w, v = la.eig(x)
        return (w.real * t(weight)).sum() + (w.imag * w.imag).sum() + ((v * v.conj()).real * t(made((4, 4)))).sum()

    x = t(a.copy()).requires_grad_()
    loss(x).backward()
    expected = numeric_gradient(lambda z: loss(t(z)).item(), a)
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-5, atol=1e-6)


@needs_torch
@pytest.mark.parametrize("name", ("cholesky", "qr", "eigh", "inv", "slogdet", "pinv", "svdvals", "matrix_exp"))
def test_values_and_gradients_match_torch(name, point):
    def loss(lib, tensor, x):
        a = (x @ x.transpose(-1, -2)) if name in ("cholesky", "eigh") else x
        parts = getattr(lib, name)(a)
        parts = parts[-2:] if isinstance(parts, tuple) else (parts,)
        return sum((abs(p) * tensor(np.linspace(1, 2, p.shape[-1]))).sum() for p in parts)

    ours, theirs = t(point.copy()).requires_grad_(), torch.from_numpy(point.copy()).requires_grad_()
    a, b = loss(la, t, ours), loss(torch.linalg, torch.from_numpy, theirs)
    a.backward()
    b.backward()
    np.testing.assert_allclose(a.item(), b.item(), rtol=1e-10)
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-8, atol=1e-9)


def test_errors_name_the_cause_and_the_batch_element():
    singular = np.stack([np.eye(3), np.diag([1.0, 0.0, 1.0])])
    with pytest.raises(LinAlgError, match=r"linalg.inv: \(Batch element 1\): The diagonal element 2 is zero"):
        la.inv(t(singular))
    with pytest.raises(LinAlgError, match=r"linalg.inv: The diagonal element 2"):
        la.inv(t(singular[1]))
    with pytest.raises(LinAlgError, match=r"Batch element 1.*singular"):
        la.solve(t(singular), t(np.ones((2, 3))))
    with pytest.raises(LinAlgError, match=r"Batch element 1.*U\[2,2\] is zero"):
        la.lu_factor(t(singular))
    with pytest.raises(LinAlgError, match=r"leading minor of order 3 is not positive-definite"):
        la.cholesky(t(np.diag([1.0, 1.0, -1.0])))
    with pytest.raises(LinAlgError, match="full rank"):
        la.lstsq(t(np.eye(3, 2) * [1, 0]), t(np.ones((3, 1))), driver="gels")
    for op in (la.svd, la.eigh, la.eig, la.svdvals):
        with pytest.raises(LinAlgError, match="non-finite"):
            op(t(np.full((2, 2), np.nan)))
    assert issubclass(LinAlgError, RuntimeError)
    assert la.inv_ex(t(singular)).info.tolist() == [0, 2]
    assert la.solve_ex(t(singular), t(np.ones((2, 3)))).info.tolist() == [0, 2]
    assert la.cholesky_ex(t(-singular)).info.tolist() == [1, 1]
    assert la.lu_factor_ex(t(singular)).info.tolist() == [0, 2]
    for op in (la.inv_ex, la.cholesky_ex, la.lu_factor_ex):
        with pytest.raises(LinAlgError):
            op(t(-singular), check_errors=True)


def test_errors_of_shape_dtype_and_arguments():
    for op in (la.inv, la.det, la.eigh, la.cholesky, la.eig, torsh_ops.matrix_exp, torsh_ops.slogdet):
        with pytest.raises(ShapeError, match=r"2 by 3"):
            op(t(made((2, 3))))
    with pytest.raises(ShapeError, match=r"at least 2 dimensions.*\(4,\)"):
        la.svd(t(made(4)))
    with pytest.raises(DTypeError, match="int64"):
        la.inv(torsh_ops.ones(2, 2, dtype=torsh_ops.int64))
    with pytest.raises(DTypeError, match=r"float64 and .*float32"):
        la.solve(t(made((2, 2))), t(made((2, 2), "float32")))
    with pytest.raises(ShapeError, match=r"\(2, 2\) and \(3, 2\)"):
        la.solve(t(made((2, 2))), t(made((3, 2))))
    with pytest.raises(ArgumentError, match="mode"):
        la.qr(t(made((2, 2))), "full")
    with pytest.raises(ArgumentError, match="UPLO"):
        la.eigh(t(made((2, 2))), "X")
    with pytest.raises(ArgumentError, match="pivot"):
        la.lu(t(made((2, 2))), pivot=False)
    with pytest.raises(ArgumentError, match="driver"):
        la.lstsq(t(made((2, 2))), t(made((2, 2))), driver="none")
    x = t(made((4, 2))).requires_grad_()
    with pytest.raises(GradError, match="complete"):
        la.qr(x, "complete").R.sum().backward()


def test_operands_stay_as_they_are_in_every_layout():
    a = definite((4, 4))
    for view in (a, np.asfortranarray(a), a[::-1, ::-1], np.repeat(a, 2, axis=1)[:, ::2]):
        before = view.copy()
        x = t(view)
        close(la.inv(x).numpy() @ view, np.eye(4))
        close(la.solve(x, x).numpy(), np.eye(4))
        for op in (la.qr, la.svd, la.eigh, la.lu, la.eig, la.det, la.cholesky):
            op(x)
        close(la.solve_triangular(x, x, upper=True).numpy(), np.linalg.solve(np.triu(view), view))
        assert np.array_equal(view, before)


def test_two_threads_share_a_batch():
    a = made((64, 40, 40)) + 10 * np.eye(40)
    torsh_ops.set_num_threads(2)
    try:
        close(a @ la.inv(t(a)).numpy(), np.broadcast_to(np.eye(40), a.shape))
        u, s, vh = (x.numpy() for x in la.svd(t(a)))
        close((u * s[:, None]) @ vh, a, scale=10)
    finally:
        torsh_ops.set_num_threads(1)
