"""Normalisations by channel and by row, as functions and as modules."""

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
from torsh_ops import nn
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError, TorshError
from torsh_ops.nn import functional as F

X, IMAGES = normal(3, 4), normal(3, 4, 2, 5)
B, C = normal(4, seed=2), normal(4, seed=3)
CASES = {
    "batch_norm": (lambda f, T, x, w, b: f.batch_norm(x, None, None, w, b, True), IMAGES, B, C),
    "batch_norm plain": (lambda f, T, x: f.batch_norm(x, None, None, training=True, eps=0.1), IMAGES),
    "batch_norm rows": (lambda f, T, x, w, b: f.batch_norm(x, None, None, w, b, True), X, B, C),
    "batch_norm running": (
        lambda f, T, x, w, b: f.batch_norm(x, T.zeros(4).double() + 0.5, T.ones(4).double() * 2, w, b),
        IMAGES,
        B,
        C,
    ),
    "group_norm": (lambda f, T, x, w, b: f.group_norm(x, 2, w, b), IMAGES, B, C),
    "group_norm rows": (lambda f, T, x, w: f.group_norm(x, 1, w), X, B),
    "group_norm plain": (lambda f, T, x: f.group_norm(x, 4, eps=0.1), IMAGES),
    "instance_norm": (lambda f, T, x, w, b: f.instance_norm(x, None, None, w, b), IMAGES, B, C),
    "layer_norm": (lambda f, T, x, w, b: f.layer_norm(x, (4,), w, b), X, B, C),
    "rms_norm": (lambda f, T, x, w: f.rms_norm(x, (4,), w, 0.1), X, B),
    "rms_norm plain": (lambda f, T, x: f.rms_norm(x, (2, 5)), IMAGES),
    "local_response_norm": (lambda f, T, x: f.local_response_norm(x, 3, 0.5, 0.75, 2.0), IMAGES),
    "normalize": (lambda f, T, x: f.normalize(x, dim=1), X),
}


@needs_torch
@pytest.mark.parametrize("name", CASES)
def test_operators_are_torchs(name):
    call, *arrays = CASES[name]
    same_as_torch(call, arrays, 1e-10, 1e-12)
    if "running" not in name:  # that holds float64 constants
        same_as_torch(call, [a.astype("f4") for a in arrays], 1e-4, 1e-5)


@pytest.mark.parametrize("name", CASES)
def test_gradients_by_differences(name):
    call, *arrays = CASES[name]
    gradients_are_differences(call, arrays)


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives_by_differences(name):
    call, *arrays = CASES[name]
    second_derivatives_are_differences(call, arrays)


def test_far_from_zero_the_digits_stay():
    x, w, b = normal(4, 3, 5, 6, dtype="float32") * 3 + 100, normal(3, dtype="float32"), normal(3, dtype="float32")
    mean, var = torsh_ops.zeros(3), torsh_ops.ones(3)
    got = F.batch_norm(t(x), mean, var, t(w), t(b), training=True, momentum=0.25).numpy()
    wide = x.astype("f8")
    m, v = (f(wide, axis=(0, 2, 3)) for f in (np.mean, np.var))
    want = (wide - m[:, None, None]) / np.sqrt(v[:, None, None] + 1e-5) * w[:, None, None] + b[:, None, None]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mean.numpy(), 0.25 * m, rtol=1e-6)
    np.testing.assert_allclose(var.numpy(), 0.75 + 0.25 * v * 120 / 119, rtol=1e-5)
    m, v = (f(wide, axis=(2, 3), keepdims=True) for f in (np.mean, np.var))
    want = (wide - m) / np.sqrt(v + 1e-5) * w[:, None, None] + b[:, None, None]
    np.testing.assert_allclose(F.instance_norm(t(x), weight=t(w), bias=t(b)).numpy(), want, rtol=1e-4, atol=1e-4)
    rows = wide.reshape(4, -1)
    want = rows / np.sqrt((rows**2).mean(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(F.rms_norm(t(x.reshape(4, -1)), (90,), eps=1e-5).numpy(), want, rtol=1e-6)


def test_with_two_threads_it_is_the_same():
    x, w = t(normal(6, 4, 80, 80)), t(B)

    def run():
        results = (F.group_norm(x, 2, w), F.batch_norm(x, None, None, w, training=True), F.rms_norm(x, (80,)))
        return [r.numpy() for r in results]

    one = run()
    torsh_ops.set_num_threads(2)
    try:
        two = run()
    finally:
        torsh_ops.set_num_threads(1)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_gradients_twice_through_one_graph_add_up():
    x, w = t(IMAGES.copy()).requires_grad_(), t(B.copy()).requires_grad_()
    for norm in (lambda: F.group_norm(x, 2, w), lambda: F.batch_norm(x, None, None, w, training=True)):
        x.grad = w.grad = None
        y, g = norm(), t(weigh(IMAGES))
        y.backward(g, retain_graph=True)
        once = x.grad.numpy().copy(), w.grad.numpy().copy()
        y.backward(g, retain_graph=True)
        y.backward(g)
        np.testing.assert_allclose(x.grad.numpy(), 3 * once[0], rtol=1e-12)
        np.testing.assert_allclose(w.grad.numpy(), 3 * once[1], rtol=1e-12)


def test_empty_batches():
    assert F.group_norm(torsh_ops.ones(0, 4, 3), 2).shape == (0, 4, 3)
    assert F.rms_norm(torsh_ops.ones(0, 4), (4,)).shape == (0, 4)
    assert F.batch_norm(torsh_ops.ones(0, 2, 3), torsh_ops.zeros(2), torsh_ops.ones(2)).shape == (0, 2, 3)


@needs_torch
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda n: n.BatchNorm1d(4), (6, 4)),
        (lambda n: n.BatchNorm1d(4), (6, 4, 5)),
        (lambda n: n.BatchNorm2d(4, momentum=None), (2, 4, 5, 6)),
        (lambda n: n.BatchNorm2d(4, track_running_stats=False), (2, 4, 5, 6)),
        (lambda n: n.BatchNorm3d(4, affine=False), (2, 4, 3, 2, 2)),
        (lambda n: n.InstanceNorm1d(4), (2, 4, 5)),
        (lambda n: n.InstanceNorm2d(4, affine=True, track_running_stats=True), (2, 4, 5, 3)),
        (lambda n: n.InstanceNorm2d(4), (4, 5, 3)),
        (lambda n: n.InstanceNorm3d(4), (2, 4, 3, 2, 2)),
        (lambda n: n.GroupNorm(2, 4), (3, 4, 5, 6)),
        (lambda n: n.GroupNorm(4, 4, affine=False), (3, 4, 2)),
        (lambda n: n.LocalResponseNorm(2), (2, 4, 5)),
        (lambda n: n.RMSNorm((3, 4), eps=1e-3), (2, 3, 4)),
        (lambda n: n.RMSNorm(4, elementwise_affine=False), (2, 4)),
        (lambda n: n.LayerNorm((3, 4)), (2, 3, 4)),
    ],
)
def test_modules_are_torchs(make, shape):
    theirs = make(torch.nn).double()
    for p in theirs.parameters():
        with torch.no_grad():
            p.copy_(torch.from_numpy(weigh(p)))
    ours = load(make(nn).double(), theirs)
    assert repr(ours) == repr(theirs)
    for step in range(3):
        if step == 2:
            ours.eval()
            theirs.eval()
        x = normal(*shape, seed=step)
        a, b = t(x).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
        y, z = ours(a), theirs(b)
        assert_same(y, z, 1e-10, 1e-12)
        w = weigh(y)
        y.backward(t(w))
        z.backward(torch.from_numpy(w))
        assert_same(a.grad, b.grad, 1e-9, 1e-11)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_same(p.grad, q.grad, 1e-9, 1e-11)
    for p, q in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert_same(p, q, 1e-9, 1e-11)
    with torsh_ops.no_grad():
        assert_same(ours(a), z, 1e-10, 1e-12)


def test_reset():
    layer = nn.BatchNorm1d(3)
    layer(t(normal(5, 3, dtype="float32")))
    assert layer.num_batches_tracked.item() == 1
    layer.reset_parameters()
    assert (layer.num_batches_tracked.item(), layer.running_mean.tolist()) == (0, [0, 0, 0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.batch_norm(t(X[0]), None, None, training=True), ShapeError, r"\(4,\)"),
        (lambda: F.batch_norm(t(X[:1]), None, None, training=True), ArgumentError, r"more than 1 value .*\[1, 4\]"),
        (lambda: F.batch_norm(t(X), None, None), ArgumentError, "running_mean and running_var"),
        (lambda: F.batch_norm(t(X), None, None, t(X[:, 0]), training=True), ShapeError, r"contain 4 .*, not \[3\]"),
        (lambda: F.batch_norm(t(X), None, None, t(B).float(), training=True), DTypeError, "weight is .*float32"),
        (lambda: nn.BatchNorm2d(3)(t(X)), ShapeError, r"expected 4D input \(got 2D input\)"),
        (lambda: nn.BatchNorm1d(3)(t(IMAGES)), ShapeError, r"expected 2D or 3D input \(got 4D input\)"),
        (lambda: F.group_norm(t(X), 3), ShapeError, "num_groups=3"),
        (lambda: nn.GroupNorm(3, 4), ArgumentError, "4.*3"),
        (lambda: F.instance_norm(t(IMAGES[:, :, :1, :1])), ArgumentError, "more than 1 spatial element"),
        (lambda: nn.InstanceNorm2d(3, affine=True)(t(IMAGES)), ArgumentError, r"num_features \(3\), but got: 4"),
        (lambda: nn.InstanceNorm1d(3)(t(IMAGES)), ShapeError, "expected 2D or 3D input"),
        (lambda: F.rms_norm(t(X), (3,)), ShapeError, r"normalized_shape=\[3\].*\[3, 4\]"),
        (lambda: F.rms_norm(t(X), (4,), t(B).float()), DTypeError, "float32"),
        (lambda: F.local_response_norm(t(X), 2), ShapeError, "2 dimensions"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message) as raised:
        call()
    assert isinstance(raised.value, TorshError)
