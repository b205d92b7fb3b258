"""The affine and bilinear maps, and rows by index."""

import numpy as np
import pytest
from layers import gradients_are_differences, load, normal, same_as_torch, second_derivatives_are_differences, t
from oracle import assert_same, needs_torch, torch

import torsh_ops
from torsh_ops import nn
from torsh_ops.errors import ArgumentError, DimError, DTypeError, ShapeError, TorshError
from torsh_ops.nn import functional as F

X, W, B = normal(3, 4), normal(5, 4, seed=1), normal(5, seed=2)
BAG, STARTS = np.array([1, 4, 4, 2, 0, 3, 4]), np.array([0, 3, 3, 5])
CASES = {
    "linear": (lambda f, T, x, w, b: f.linear(x, w, b), X, W, B),
    "linear without bias": (lambda f, T, x, w: f.linear(x, w), X, W),
    "linear of one": (lambda f, T, x, w, b: f.linear(x, w, b), X[0], W, B),
    "linear of many": (lambda f, T, x, w, b: f.linear(x, w, b), normal(2, 3, 4), W, B),
    "linear strided": (lambda f, T, x, w, b: f.linear(x.T, w[:, :3], b), X, W, B),
    "linear to one": (lambda f, T, x, w: f.linear(x, w), X, W[0]),
    "bilinear": (lambda f, T, x, y, w, b: f.bilinear(x, y, w, b), X, normal(3, 2), normal(5, 4, 2), B),
    "bilinear of many": (lambda f, T, x, y, w: f.bilinear(x, y, w), normal(2, 3, 4), normal(2, 3, 2), normal(5, 4, 2)),
    "embedding": (lambda f, T, w: f.embedding(T.tensor([[0, 4, 4], [2, 1, 4]]), w), W),
    "embedding int32": (lambda f, T, w: f.embedding(T.tensor([0, 4, 4], dtype=T.int32), w), W),
    "embedding padding": (lambda f, T, w: f.embedding(T.tensor([0, 4, 4, 2]), w, padding_idx=4), W),
    "embedding by frequency": (
        lambda f, T, w: f.embedding(T.tensor([0, 4, 4, 2]), w, scale_grad_by_freq=True), W
    ),
    "bag mean": (lambda f, T, w: f.embedding_bag(T.tensor(BAG), w, T.tensor(STARTS)), W),
    "bag sum": (lambda f, T, w: f.embedding_bag(T.tensor(BAG.reshape(1, 7)), w, mode="sum"), W),
    "bag max": (lambda f, T, w: f.embedding_bag(T.tensor(BAG), w, T.tensor(STARTS), mode="max"), W),
    "bag weighted": (
        lambda f, T, w, s: f.embedding_bag(
            T.tensor(BAG), w, T.tensor(STARTS), mode="sum", per_sample_weights=s, padding_idx=4
        ),
        W, normal(7),
    ),
    "bag padding": (
        lambda f, T, w: f.embedding_bag(
            T.tensor(BAG), w, T.tensor(np.append(STARTS, 7)), padding_idx=2, include_last_offset=True
        ),
        W,
    ),
}  # fmt: skip
# Their gradient is not that of their value.
SCALED = ("embedding padding", "embedding by frequency", "bag padding", "bag weighted")


@needs_torch
@pytest.mark.parametrize("name", CASES)
def test_operators_are_torchs(name):
    call, *arrays = CASES[name]
    same_as_torch(call, arrays, 1e-10, 1e-12)


@pytest.mark.parametrize("name", [n for n in CASES if n not in SCALED])
def test_gradients_by_differences(name):
    call, *arrays = CASES[name]
    gradients_are_differences(call, arrays)


@pytest.mark.parametrize("name", ["linear", "bilinear", "embedding", "bag mean"])
def test_second_derivatives_by_differences(name):
    call, *arrays = CASES[name]
    second_derivatives_are_differences(call, arrays)


def test_linear_without_torch():
    np.testing.assert_allclose(F.linear(t(X), t(W), t(B)).numpy(), X @ W.T + B, rtol=1e-13)
    torsh_ops.set_num_threads(2)
    try:
        np.testing.assert_allclose(F.linear(t(X), t(W), t(B)).numpy(), X @ W.T + B, rtol=1e-13)
    finally:
        torsh_ops.set_num_threads(1)
    assert F.linear(t(X[:0]), t(W), t(B)).shape == (0, 5)
    np.testing.assert_array_equal(F.linear(t(X[:, :0]), t(W[:, :0]), t(B)).numpy(), np.tile(B, (3, 1)))


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("rows", ((3,), (16,), (29, 5), (700,)))
def test_linear_large_enough_for_tiles(rows, dtype):
    x, w, b = (normal(*s, seed=i).astype(dtype) for i, s in enumerate(((*rows, 301), (520, 301), (520,))))
    exact = x.astype("f8") @ w.astype("f8").T + b.astype("f8")
    close = {"rtol": 1e-5, "atol": 2e-4} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-11}
    np.testing.assert_allclose(F.linear(t(x), t(w), t(b)).numpy(), exact, **close)
    b[7] = np.nan
    found = F.linear(t(x), t(w), t(b)).numpy()
    assert np.isnan(found[..., 7]).all() and np.isnan(found).sum() == np.prod(rows)


@needs_torch
def test_rows_are_held_to_a_norm():
    ours, theirs = t(W.copy()), torch.from_numpy(W.copy())
    y = F.embedding(t(np.array([1, 1, 3])), ours, max_norm=0.7, norm_type=1.0)
    z = torch.nn.functional.embedding(torch.tensor([1, 1, 3]), theirs, max_norm=0.7, norm_type=1.0)
    assert_same(y, z, 1e-6, 1e-9)
    assert_same(ours, theirs, 1e-6, 1e-9)


@needs_torch
@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (lambda n: n.Linear(4, 3), [X]),
        (lambda n: n.Bilinear(4, 4, 2), [X, normal(3, 4, seed=8)]),
        (lambda n: n.Embedding(5, 4, padding_idx=-1, max_norm=2.0), [np.array([[1, 4], [2, 2]])]),
        (lambda n: n.EmbeddingBag(5, 4, mode="max", padding_idx=1), [np.array([[1, 4], [2, 2]])]),
        (lambda n: n.EmbeddingBag(5, 4, scale_grad_by_freq=True), [BAG, STARTS]),
    ],
)
def test_modules_are_torchs(make, inputs):
    theirs = make(torch.nn).double()
    ours = load(make(nn).double(), theirs)
    assert repr(ours) == repr(theirs)
    y, z = ours(*map(t, inputs)), theirs(*map(torch.from_numpy, inputs))
    assert_same(y, z, 1e-10, 1e-12)
    y.sum().backward()
    z.sum().backward()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_same(p.grad, q.grad, 1e-10, 1e-12)


def test_a_table_that_is_there_already():
    layer = nn.Embedding.from_pretrained(t(W))
    assert not layer.weight.requires_grad
    assert layer(t(np.array([2]))).tolist() == [W[2].tolist()]
    assert nn.Embedding.from_pretrained(t(W), freeze=False).weight.requires_grad


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.linear(t(X), t(W[:, :3])), ShapeError, r"input of shape \(3, 4\) and weight of shape \(5, 3\)"),
        (lambda: F.linear(t(X), t(W), t(B[:2])), ShapeError, r"bias must have shape \(5,\), but got \(2,\)"),
        (lambda: F.linear(t(X), t(W).float()), DTypeError, "float64 but weight is .*float32"),
        (lambda: F.linear(t(X), t(W), t(B).float()), DTypeError, "float64 but bias is .*float32"),
        (lambda: F.bilinear(t(X), t(X), t(W)), ShapeError, r"\(out, in1, in2\)"),
        (lambda: nn.Bilinear(0, 2, 3), ArgumentError, "but got 0"),
        (lambda: F.embedding(t([0, 5]), t(W)), DimError, "index 5 is out of range .* 5 rows"),
        (lambda: F.embedding(t([0, -1]), t(W)), DimError, "index -1"),
        (lambda: F.embedding(t(B), t(W)), DTypeError, "float64"),
        (lambda: F.embedding(t([0]), t(B)), ShapeError, r"2-D, but got shape \(5,\)"),
        (lambda: F.embedding(t([0]), t(W), padding_idx=9), ArgumentError, "9"),
        (lambda: nn.Embedding(3, 2, sparse=True), ArgumentError, "sparse"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), ArgumentError, "3"),
        (lambda: nn.Embedding(3, 2, _weight=t(W)), ShapeError, r"\(5, 4\)"),
        (lambda: F.embedding_bag(t(BAG), t(W)), ArgumentError, "offsets has to be a 1D"),
        (lambda: F.embedding_bag(t(BAG), t(W), t([1, 2])), ArgumentError, "begin at 0"),
        (lambda: F.embedding_bag(t(BAG[None]), t(W), t(STARTS)), ArgumentError, "offsets has to be None"),
        (lambda: F.embedding_bag(t(BAG[None]), t(W), mode="min"), ArgumentError, "'min'"),
        (lambda: F.embedding_bag(t(BAG[None]), t(W), per_sample_weights=t(BAG[None])), ArgumentError, "'mean'"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message) as raised:
        call()
    assert isinstance(raised.value, TorshError)
