import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import LAYOUTS, arrays, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import DTypeError, OperandError, ShapeError
from torsh_ops.kernels.gemm import pack_rows
from torsh_ops.kernels.gemm_tile import columns_of
from torsh_ops.ops import gemm

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


def vectors(rng, *sizes):
    return [arrays(rng, (n,), "float32") for n in sizes]


PRODUCTS = {
    "bmm": lambda F, m, v: F.bmm(m[0], m[1]),
    "bmm_transposed": lambda F, m, v: F.bmm(m[0].transpose(1, 2), m[0]),
    "dot": lambda F, m, v: F.dot(v[0], v[1]),
    "dot_strided": lambda F, m, v: F.dot(m[0][0, :, 0], m[0][1, :, 1]),
    "vdot": lambda F, m, v: F.vdot(v[0], v[1]),
    "inner": lambda F, m, v: F.inner(m[0], m[0][0]),
    "inner_number": lambda F, m, v: F.inner(m[0], v[0][0]),
    "outer": lambda F, m, v: F.outer(v[0], v[2]),
    "ger": lambda F, m, v: F.ger(v[0], v[2]),
    "kron": lambda F, m, v: F.kron(m[0], m[1][0]),
    "cross": lambda F, m, v: F.cross(m[0], m[0][:1] * 2.0, dim=1),
    "linalg_cross": lambda F, m, v: F.linalg.cross(m[1].transpose(1, 2)[..., :3], m[0][:, :2, :3]),
    "vecdot": lambda F, m, v: F.linalg.vecdot(m[0], m[0] * 2.0, dim=1),
    "addmm": lambda F, m, v: F.addmm(v[2], m[0][0], m[1][0], beta=0.5, alpha=2),
    "addmm_column": lambda F, m, v: F.addmm(m[2][:, :1], m[0][0], m[1][0]),
    "addmm_beta_0": lambda F, m, v: F.addmm(v[2] / 0, m[0][0], m[1][0], beta=0),
    "addmm_transposed": lambda F, m, v: F.addmm(m[2], m[0][1], m[1][1].t().contiguous().t(), alpha=0.5),
    "baddbmm": lambda F, m, v: F.baddbmm(v[2], m[0], m[1], beta=3, alpha=-1),
    "addbmm": lambda F, m, v: F.addbmm(v[2], m[0], m[1], beta=3, alpha=-1),
    "addmv": lambda F, m, v: F.addmv(v[3], m[0][0], v[0], beta=0.5, alpha=2),
    "addr": lambda F, m, v: F.addr(v[2], v[3], v[2], beta=0.5, alpha=2),
    "chain_matmul": lambda F, m, v: F.chain_matmul(m[0][0], m[1][0], m[2].t()),
    "matmul_method": lambda F, m, v: m[0].matmul(m[1]),
}  # fmt: skip


# Above what OpenBLAS's small kernels take: packed blocks of one tile's width and of many, with edges everywhere, and
# operands read where they lie.
LARGE = ((1, 130, 520, 1050), (2, 130, 130, 131), (2, 300, 40, 100), (1, 517, 290, 1050), (2, 40, 60, 480))


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("shape", LARGE)
@pytest.mark.parametrize("turned", ((False, False), (True, False), (False, True), (True, True)))
def test_large_products_in_every_layout(shape, dtype, turned):
    batch, m, k, n = shape
    rng = np.random.default_rng(6)
    a, b, c = (arrays(rng, s, dtype) for s in ((batch, m, k), (batch, k, n), (batch, m, n)))
    x, y = (
        np.ascontiguousarray(z.swapaxes(1, 2)).swapaxes(1, 2) if turn else z
        for z, turn in zip((a, b), turned, strict=True)
    )
    expected = a.astype("f8") @ b.astype("f8")
    tolerance = {"atol": 2e-3 if dtype == "float32" else 1e-11, "rtol": 1e-5 if dtype == "float32" else 1e-12}
    t = torsh_ops.from_numpy
    try:
        for count in (1, 2):
            torsh_ops.set_num_threads(count)
            np.testing.assert_allclose(torsh_ops.mm(t(x[0]), t(y[0])).numpy(), expected[0], **tolerance)
            np.testing.assert_allclose(torsh_ops.bmm(t(x), t(y)).numpy(), expected, **tolerance)
    finally:
        torsh_ops.set_num_threads(1)
    sums = torsh_ops.baddbmm(t(c), t(x), t(y), beta=-1, alpha=2).numpy()
    np.testing.assert_allclose(sums, 2 * expected - c, **tolerance)
    again = torsh_ops.addmm(t(c[0]), t(x[0]), t(y[0]), beta=0.5).numpy()
    np.testing.assert_allclose(again, expected[0] + 0.5 * c[0], **tolerance)


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("m", (5, 6, 12, 13, 29))
def test_products_straight_from_operands_as_they_lie(m, dtype):
    rng = np.random.default_rng(8)
    batch, k, t = 3, 7, torsh_ops.from_numpy
    for n in (1, 2, 3):
        n *= columns_of(np.dtype(dtype).itemsize) // 2
        a, b = arrays(rng, (batch, m, k), dtype), arrays(rng, (batch, k, n), dtype)
        wide, tall = np.concatenate((b, b), 2), np.ascontiguousarray(a.swapaxes(1, 2))
        expected = a.astype("f8") @ b.astype("f8")
        close = {"rtol": 1e-5 if dtype == "float32" else 1e-13, "atol": 1e-5 if dtype == "float32" else 1e-13}
        np.testing.assert_allclose(torsh_ops.bmm(t(a), t(b)).numpy(), expected, **close)
        np.testing.assert_allclose(torsh_ops.bmm(t(tall).transpose(1, 2), t(wide)[:, :, :n]).numpy(), expected, **close)
        one = torsh_ops.bmm(t(a), t(b)[:1].expand(batch, k, n)).numpy()
        np.testing.assert_allclose(one, a.astype("f8") @ b[0].astype("f8"), **close)
        out = np.full((2 * m, n), np.nan, dtype)
        gemm.product(a[0], wide[0, :, n:], out[:m])
        np.testing.assert_allclose(out[:m], expected[0], **close)
        assert np.isnan(out[m:]).all()  # nothing is written behind the result


def test_not_a_number_and_infinity_reach_only_their_rows_and_columns():
    a, b = np.ones((1, 24, 8), np.float32), np.ones((1, 8, 48), np.float32)
    a[0, 3, 2], b[0, 5, 7] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected = a @ b
    np.testing.assert_array_equal(torsh_ops.bmm(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b)).numpy(), expected)


def test_the_last_columns_are_multiplied_with_nothing_that_lay_there():
    # With denormal numbers that an earlier array left, a tile takes hundreds of times as long.
    rest = np.full(2 * columns_of(8), 1e-310)
    pack_rows(np.ones(3), 0, 3, 3, 1, rest, 0)
    assert rest[: columns_of(8)].tolist() == [1.0] * 3 + [0.0] * (columns_of(8) - 3)


def test_nan_in_what_is_not_added_stays_out_of_large_products():
    x = torsh_ops.ones(200, 200)
    nothing = torsh_ops.full((200, 200), float("nan"))
    torsh_ops.full((200, 200), float("nan"))  # its memory is what the result gets
    assert (torsh_ops.addmm(nothing, x, x, beta=0, alpha=0.5).numpy() == 100).all()


@needs_torch
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_and_their_gradients_match_torch(name):
    rng = np.random.default_rng(3)
    matrices = [arrays(rng, s, "float32") for s in ((4, 3, 5), (4, 5, 2), (3, 2))]
    lines = vectors(rng, 5, 5, 2, 3)
    found = []
    for lib in (torsh_ops, torch):
        m, v = ([lib.from_numpy(a.copy()).requires_grad_() for a in group] for group in (matrices, lines))
        result = PRODUCTS[name](lib, m, v)
        (result * result).sum().backward()
        found.append((result, m + v))
    assert_same(found[0][0], found[1][0])
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        if theirs.grad is None or (name == "addmm_beta_0" and ours.grad is None):
            assert ours.grad is None or not ours.grad.numpy().any()
        elif not torch.isnan(theirs.grad).any():
            assert_same(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_products_against_numpy():
    rng = np.random.default_rng(4)
    a, b = (arrays(rng, (3, 4), "float64") for _ in range(2))
    t = torsh_ops.from_numpy
    np.testing.assert_allclose(torsh_ops.kron(t(a), t(b)).numpy(), np.kron(a, b))
    np.testing.assert_allclose(torsh_ops.cross(t(a.T), t(b.T)).numpy(), np.cross(a.T, b.T))
    np.testing.assert_allclose(torsh_ops.inner(t(a), t(b)).numpy(), np.inner(a, b))
    np.testing.assert_allclose(torsh_ops.addmm(t(a[:, :3]), t(a), t(b.T), alpha=2).numpy(), a[:, :3] + 2 * a @ b.T)
    z, w = a + 1j * b, b - 2j * a
    np.testing.assert_allclose((t(z) @ t(w.T)).numpy(), z @ w.T)
    np.testing.assert_allclose(torsh_ops.vdot(t(z[0]), t(w[0])).numpy(), np.vdot(z[0], w[0]))
    assert torsh_ops.dot(torsh_ops.tensor([1, 2]), torsh_ops.tensor([3, 4])).item() == 11
    assert torsh_ops.dot(t(np.empty(0)), t(np.empty(0))).item() == 0


def test_results_go_into_given_tensors():
    a, b = torsh_ops.ones(2, 3), torsh_ops.ones(3, 2)
    for op, args, shape in (
        (torsh_ops.mm, (a, b), (2, 2)), (torsh_ops.matmul, (a, b), (2, 2)), (torsh_ops.mv, (a, b[:, 0]), (2,)),
        (torsh_ops.bmm, (a[None], b[None]), (1, 2, 2)), (torsh_ops.dot, (a[0], a[0]), ()),
    ):  # fmt: skip
        out = torsh_ops.zeros(*shape)
        assert op(*args, out=out) is out
        assert (out.numpy() == 3).all()
        with pytest.raises(ShapeError, match="out has shape"):
            op(*args, out=torsh_ops.zeros(7))
    square = torsh_ops.ones(2, 2)
    assert square.addmm_(a, b) is square
    assert square.tolist() == [[4, 4], [4, 4]]
    assert torsh_ops.mm(square, square, out=square).tolist() == [[32, 32], [32, 32]]


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
