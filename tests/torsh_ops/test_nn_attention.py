"""Attention: the operator, forward, backward and in memory; MultiheadAttention and the encoder layer."""

import tracemalloc

import numpy as np
import pytest
from layers import (
    gradients_are_differences,
    load,
    normal,
    same_as_torch,
    second_derivatives_are_differences,
    t,
    weigh,
)
from oracle import assert_same, needs_torch, torch

import torsh_ops
from torsh_ops import memory, nn
from torsh_ops.errors import ArgumentError, DTypeError, OperandError, ShapeError, TorshError
from torsh_ops.nn import functional as F

MASK = np.random.default_rng(1).random((2, 1, 5, 6)) > 0.4
MASK[0, 0, 3] = False
Q, K, V = normal(2, 3, 5, 4), normal(2, 3, 6, 4, seed=1), normal(2, 3, 6, 7, seed=2)
CASES = {
    "plain": (lambda f, T, q, k, v: f.scaled_dot_product_attention(q, k, v), Q, K, V),
    "causal": (lambda f, T, q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3), Q, K, V),
    "bool mask": (lambda f, T, q, k, v: f.scaled_dot_product_attention(q, k, v, T.tensor(MASK)), Q, K, V),
    "float mask": (lambda f, T, q, k, v: f.scaled_dot_product_attention(q, k, v, T.tensor(normal(5, 6))), Q, K, V),
    "learnt mask": (
        lambda f, T, q, k, v, m: f.scaled_dot_product_attention(q, k, v, m), Q[0], K[0], V[0], normal(5, 6, seed=4)
    ),
    "one argument": (lambda f, T, q: f.scaled_dot_product_attention(q, q, q), normal(5, 4)),
    "groups": (
        lambda f, T, q, k, v: f.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        normal(2, 4, 5, 4), normal(2, 2, 6, 4, seed=1), normal(2, 2, 6, 3, seed=2),
    ),
    "broadcast": (lambda f, T, q, k, v: f.scaled_dot_product_attention(q, k, v), Q, K[:1], V[:, :1]),
}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("name", CASES)
def test_operator_is_torchs(name):
    call, *arrays = CASES[name]
    same_as_torch(call, arrays, 1e-10, 1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradients_by_differences(name):
    call, *arrays = CASES[name]
    gradients_are_differences(call, arrays)


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives_by_differences(name):
    call, *arrays = CASES[name]
    second_derivatives_are_differences(call, arrays)


def exact(q, k, v, mask=None, scale=None):
    """In float64, with the whole matrix of scores."""
    q, k, v = (a.astype("f8") for a in (q, k, v))
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


# Lengths that end within a block, at its end and beyond; as they come out of one projection: heads between places and
# width.
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("length", "keys", "width", "wide"),
    [(5, 6, 4, 7), (70, 130, 33, 20), (64, 16, 16, 16), (1, 1, 1, 1), (129, 3, 8, 40), (257, 1000, 16, 24)],
)
def test_against_float64(length, keys, width, wide, dtype):
    q, k, v = (
        normal(2, n, 3, w, dtype=dtype, seed=i).swapaxes(1, 2)
        for i, (n, w) in enumerate(((length, width), (keys, width), (keys, wide)))
    )
    rounding = {"float32": 1e-5, "float64": 1e-13}[dtype]
    got = F.scaled_dot_product_attention(*map(t, (q, k, v)), scale=0.3)
    np.testing.assert_allclose(got.numpy(), exact(q, k, v, scale=0.3), rtol=rounding, atol=rounding)
    causal = F.scaled_dot_product_attention(*map(t, (q, k, v)), is_causal=True)
    want = exact(q, k, v, np.tri(length, keys, dtype=bool))
    np.testing.assert_allclose(causal.numpy(), want, rtol=rounding, atol=rounding)


def test_long_gradients_against_the_whole_matrix():
    q, k, v = (normal(1, 2, n, 8, seed=i) for i, n in enumerate((300, 1100, 1100)))
    for mask in (None, np.tri(300, 1100, 400, dtype=bool)):
        leaves = [t(a.copy()).requires_grad_() for a in (q, k, v)]
        y = F.scaled_dot_product_attention(*leaves, None if mask is None else t(mask))
        g = weigh(y)
        y.backward(t(g))
        scores = q @ k.swapaxes(-1, -2) / 8**0.5
        e = np.exp(scores if mask is None else np.where(mask, scores, -np.inf))
        p = e / e.sum(-1, keepdims=True)
        slopes = g @ v.swapaxes(-1, -2)
        slopes = p * (slopes - (slopes * p).sum(-1, keepdims=True)) / 8**0.5
        wants = (slopes @ k, slopes.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g)
        for leaf, want in zip(leaves, wants, strict=True):
            np.testing.assert_allclose(leaf.grad.numpy(), want, rtol=1e-9, atol=1e-12)


def test_a_query_with_nothing_left_gives_0():
    mask = np.ones((5, 6), bool)
    mask[2] = False
    leaves = [t(a[0].copy()).requires_grad_() for a in (Q, K, V)]
    y = F.scaled_dot_product_attention(*leaves, t(mask))
    assert not y.detach().numpy()[:, 2].any()
    y.sum().backward()
    assert not leaves[0].grad.numpy()[:, 2].any()
    assert all(np.isfinite(leaf.grad.numpy()).all() for leaf in leaves)


def test_hard_scores():
    q = t(np.array([[1e4], [-1e4], [np.nan]], "f4"))
    k = t(np.array([[1.0], [2.0]], "f4"))
    v = t(np.array([[1.0], [5.0]], "f4"))
    got = F.scaled_dot_product_attention(q, k, v).numpy()[:, 0]
    np.testing.assert_array_equal(got, [5.0, 1.0, np.nan])


def test_nothing_to_attend_to():
    assert F.scaled_dot_product_attention(t(Q), t(K[:, :, :0]), t(V[:, :, :0])).numpy().any() == np.False_
    assert F.scaled_dot_product_attention(t(Q[:, :, :0]), t(K), t(V)).shape == (2, 3, 0, 7)


def test_memory_does_not_grow_with_the_matrix_of_scores():
    length, width = 2048, 16
    leaves = [t(normal(1, 2, length, width, dtype="float32", seed=i)).requires_grad_() for i in range(3)]
    memory.empty_cache()
    memory.reset_peak()
    before = memory.stats()["live_bytes"]
    tracemalloc.start()
    F.scaled_dot_product_attention(*leaves).sum().backward()
    _, traced = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    taken = memory.stats()["peak_live_bytes"] - before
    # One head's scores would be 16 MiB; a block's are 0.2 MiB forward and 1 MiB backward, the operands 0.25 MiB each.
    assert taken < 6 << 20
    assert traced < 12 << 20


def test_with_two_threads_it_is_the_same():
    arrays = [normal(3, 2, n, 8, seed=i) for i, n in enumerate((150, 200, 200))]
    mask = np.random.default_rng(3).random((3, 1, 150, 200)) > 0.2

    def run():
        leaves = [t(a.copy()).requires_grad_() for a in arrays]
        y = F.scaled_dot_product_attention(*leaves, t(mask))
        y.backward(t(weigh(y)))
        return [y.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]

    one = run()
    torsh_ops.set_num_threads(2)
    try:
        two = run()
    finally:
        torsh_ops.set_num_threads(1)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_gradients_twice_through_one_graph_add_up():
    leaf, g = t(Q[0].copy()).requires_grad_(), t(weigh(Q[0]))
    y = F.scaled_dot_product_attention(leaf, leaf, leaf)
    y.backward(g, retain_graph=True)
    once = leaf.grad.numpy().copy()
    y.backward(g, retain_graph=True)
    y.backward(g)
    np.testing.assert_allclose(leaf.grad.numpy(), 3 * once, rtol=1e-12)


def test_dropout_of_weights():
    torsh_ops.manual_seed(0)
    q, v = t(np.zeros((1, 1, 100, 1), "f4")), t(np.ones((1, 1, 400, 1), "f4"))
    sums = F.scaled_dot_product_attention(q, t(np.zeros((1, 1, 400, 1), "f4")), v, dropout_p=0.25).numpy()
    # The mean of 40000 draws of 0 or 1 / 0.75; five standard deviations are 0.0144.
    assert abs(sums.mean() - 1) < 0.0144
    assert sums.std() > 0.01


@needs_torch
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masks", ["none", "bool", "float", "padding", "both", "heads"])
def test_multihead_attention_is_torchs(masks, batch_first):
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=batch_first).double()
    ours = load(nn.MultiheadAttention(8, 2, batch_first=batch_first).double(), theirs)
    shapes = [(3, 5, 8), (3, 6, 8), (3, 6, 8)]
    arrays = [normal(*(s if batch_first else (s[1], s[0], s[2])), seed=i) for i, s in enumerate(shapes)]
    later, padding = ~np.tri(5, 6, 1, dtype=bool), np.arange(18).reshape(3, 6) % 6 > 3
    given = {
        "none": {},
        "bool": {"attn_mask": later},
        "float": {"attn_mask": normal(5, 6, seed=8)},
        "padding": {"key_padding_mask": padding},
        "both": {"attn_mask": later, "key_padding_mask": padding},
        "heads": {"attn_mask": np.broadcast_to(later, (6, 5, 6)).copy()},
    }[masks]
    for average in (True, False):
        y, a = ours(*map(t, arrays), **{n: t(m) for n, m in given.items()}, average_attn_weights=average)
        z, b = theirs(
            *map(torch.from_numpy, arrays),
            **{n: torch.from_numpy(m) for n, m in given.items()},
            average_attn_weights=average,
        )
        assert_same(y, z, 1e-10, 1e-12)
        assert_same(a, b, 1e-10, 1e-12)
    short, none = ours(*map(t, arrays), **{n: t(m) for n, m in given.items()}, need_weights=False)
    assert none is None
    assert_same(short, z, 1e-10, 1e-12)


@needs_torch
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda n: n.TransformerEncoderLayer(8, 2, 16, dropout=0.0), (5, 3, 8)),
        (lambda n: n.TransformerEncoderLayer(8, 4, 16, dropout=0.0, activation="gelu", batch_first=True), (3, 5, 8)),
        (lambda n: n.TransformerEncoderLayer(8, 1, 16, 0.0, norm_first=True, bias=False, batch_first=True), (3, 5, 8)),
        (lambda n: n.TransformerEncoderLayer(8, 2, 16, dropout=0.0), (5, 8)),
    ],
)
def test_encoder_layer_is_torchs(make, shape):
    theirs = make(torch.nn).double()
    ours = load(make(nn).double(), theirs)
    x = normal(*shape)
    a, b = t(x).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
    y, z = ours(a), theirs(b)
    assert_same(y, z, 1e-10, 1e-12)
    w = weigh(y)
    y.backward(t(w))
    z.backward(torch.from_numpy(w))
    assert_same(a.grad, b.grad, 1e-9, 1e-11)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_same(p.grad, q.grad, 1e-9, 1e-11)
    assert_same(ours.eval()(t(x)), theirs.eval()(torch.from_numpy(x)), 1e-9, 1e-11)


Z = torsh_ops.zeros(3, 4)
X = normal(3, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.scaled_dot_product_attention(t(X), t(normal(5, 3)), t(X)), ShapeError, "do not fit"),
        (lambda: F.scaled_dot_product_attention(t(X), t(X), t(X[:2])), ShapeError, "do not fit"),
        (lambda: F.scaled_dot_product_attention(t(X), t(X), t(X), t(X), is_causal=True), ArgumentError, "is_causal"),
        (lambda: F.scaled_dot_product_attention(t(X), t(X), t(X), enable_gqa=True), ShapeError, "enable_gqa"),
        (lambda: F.scaled_dot_product_attention(t(X), t(X), t(X), dropout_p=2.0), ArgumentError, r"2\.0"),
        (lambda: F.scaled_dot_product_attention(t(X), t(X).float(), t(X)), DTypeError, "float32"),
        (lambda: F.scaled_dot_product_attention(t(X), t(X), t(X), t(X[:, :3]).float()), DTypeError, "attn_mask"),
        (lambda: F.scaled_dot_product_attention(t(X), t(X), t(X), t(X)), ShapeError, r"\(3, 4\)"),
        (lambda: F.scaled_dot_product_attention(t(X), t(X), 3), OperandError, "value"),
        (lambda: nn.MultiheadAttention(9, 2), ArgumentError, "9 and 2"),
        (lambda: nn.MultiheadAttention(8, 2, add_zero_attn=True, kdim=4), ArgumentError, "add_zero_attn, kdim"),
        (lambda: nn.MultiheadAttention(4, 2)(t(X[0]), t(X[0]), t(X[0])), ShapeError, "1-D query"),
        (lambda: nn.MultiheadAttention(4, 2)(Z, Z, Z, key_padding_mask=t(X[0])), ShapeError, "key_padding_mask"),
        (lambda: nn.MultiheadAttention(4, 2)(t(X), t(X), t(X), is_causal=True), ArgumentError, "Need attn_mask"),
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="swish"), OperandError, "swish"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message) as raised:
        call()
    assert isinstance(raised.value, TorshError)
