"""The activations, against their formulas in float64 and against PyTorch."""

import math

import mpmath
import numpy as np
import pytest
from oracle import LAYOUTS, assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops import nn
from torsh_ops.errors import ArgumentError, DTypeError, GradError, OperandError, ShapeError, TorshError
from torsh_ops.nn import functional as F

# name: (arguments, the function of float64, float32 error allowed relative to the value).
FORMS = {
    "relu6": ((), lambda x: np.clip(x, 0, 6)),
    "hardtanh": ((-0.7, 1.3), lambda x: np.clip(x, -0.7, 1.3)),
    "leaky_relu": ((0.2,), lambda x: np.where(x > 0, x, 0.2 * x)),
    "elu": ((1.5,), lambda x: np.where(x > 0, x, 1.5 * np.expm1(np.minimum(x, 0)))),
    "selu": ((), lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))),
    "celu": ((0.7,), lambda x: np.where(x > 0, x, 0.7 * np.expm1(np.minimum(x, 0) / 0.7))),
    "hardsigmoid": ((), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "hardswish": ((), lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "hardshrink": ((0.4,), lambda x: np.where(np.abs(x) > 0.4, x, 0)),
    "softshrink": ((0.4,), lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.4, 0)),
    "tanhshrink": ((), lambda x: x - np.tanh(x)),
    "softplus": ((2.0, 5.0), lambda x: np.where(2 * x > 5, x, np.logaddexp(0, 2 * x) / 2)),
    "softsign": ((), lambda x: x / (1 + np.abs(x))),
    "logsigmoid": ((), lambda x: -np.logaddexp(0, -x)),
    "mish": ((), lambda x: x * np.tanh(np.logaddexp(0, x))),
    "threshold": ((0.3, -2.0), lambda x: np.where(x > 0.3, x, -2.0)),
}
IN_PLACE = ("relu6", "hardtanh", "leaky_relu", "elu", "selu", "celu", "hardsigmoid", "hardswish", "mish", "threshold")
CURVED = ("elu", "selu", "celu", "hardswish", "tanhshrink", "softplus", "softsign", "logsigmoid", "mish")
EDGES = [0.0, -0.0, 3.0, -3.0, 0.5, -0.5, 6.0, math.inf, -math.inf, math.nan, 1e-40, -1e-40, 3e38, -3e38, 88.8, -104.5]


def values(dtype="float64"):
    return (np.random.default_rng(1).standard_normal((4, 37)) * 3).astype(dtype)


def t(array):
    return torsh_ops.from_numpy(np.asarray(array))


@pytest.mark.parametrize("name", FORMS)
def test_values_in_every_layout(name):
    arguments, form = FORMS[name]
    for dtype, rtol in (("float32", 3e-6), ("float64", 1e-13)):
        for layout in LAYOUTS.values():
            x = layout(values(dtype))
            got = getattr(F, name)(t(x), *arguments).numpy()
            assert got.dtype == dtype
            np.testing.assert_allclose(got, form(x.astype("f8")), rtol=rtol, atol=1e-6 if dtype == "float32" else 1e-15)
        assert getattr(F, name)(t(np.empty((0, 3), dtype)), *arguments).shape == (0, 3)
        assert getattr(F, name)(t(np.array(0.1, dtype)), *arguments).shape == ()


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name):
    arguments, form = FORMS[name]
    # More elements than are computed beside the array at a time, and a view with gaps.
    x = np.resize(values("float32"), 70_001)
    for given in (x.copy(), np.repeat(x[:50], 2)[::2]):
        tensor, want = t(given), form(given.astype("f8"))
        assert getattr(F, name)(tensor, *arguments, inplace=True) is tensor
        np.testing.assert_allclose(tensor.numpy(), want, rtol=3e-6, atol=1e-6)
        assert tensor.version == 1
    with pytest.raises(GradError):
        getattr(F, name)(t(x).requires_grad_(), *arguments, inplace=True)


@pytest.mark.parametrize("name", FORMS)
def test_gradients_by_differences(name):
    arguments, _ = FORMS[name]
    x, w = values()[:1, :12], np.random.default_rng(2).standard_normal((1, 12))

    def value(a):
        return float((getattr(F, name)(t(a), *arguments).detach().numpy() * w).sum())

    leaf = t(x.copy()).requires_grad_()
    getattr(F, name)(leaf, *arguments).backward(t(w))
    np.testing.assert_allclose(leaf.grad.numpy(), numeric_gradient(value, x), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", FORMS)
def test_second_derivatives_by_differences(name):
    arguments, _ = FORMS[name]
    x, along = values()[:1, :12], np.random.default_rng(3).standard_normal((1, 12))

    def first(a, create_graph):
        leaf = t(a.copy()).requires_grad_()
        y = getattr(F, name)(leaf, *arguments)
        return leaf, torsh_ops.autograd.grad((y * y).sum(), leaf, create_graph=create_graph)[0]

    leaf, g = first(x, True)
    (second,) = torsh_ops.autograd.grad((g * t(along)).sum(), leaf)
    want = (first(x + 1e-6 * along, False)[1].numpy() - first(x - 1e-6 * along, False)[1].numpy()) / 2e-6
    np.testing.assert_allclose(second.numpy(), want, rtol=1e-5, atol=1e-7)


@needs_torch
@pytest.mark.parametrize("name", FORMS)
def test_values_and_gradients_at_the_edges_are_torchs(name):
    arguments, _ = FORMS[name]
    for dtype in ("float32", "float64"):
        x = np.array(EDGES, dtype)
        a, b = t(x.copy()).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
        y, z = getattr(F, name)(a, *arguments), getattr(torch.nn.functional, name)(b, *arguments)
        y.sum().backward()
        z.sum().backward()
        finite = np.isfinite(x) & (np.abs(x) < 1e38)
        # At infinity PyTorch's smooth functions give inf * 0 in one dtype and a limit in the other.
        where = np.ones_like(finite) if name not in CURVED else finite
        np.testing.assert_allclose(y.detach().numpy()[where], z.detach().numpy()[where], rtol=3e-6, atol=1e-44)
        np.testing.assert_allclose(a.grad.numpy()[where], b.grad.numpy()[where], rtol=1e-5, atol=1e-35)
        assert np.isnan(y.detach().numpy()[np.isnan(x)]).all() == bool(torch.isnan(z[np.isnan(x)]).all())


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("softplus", lambda v: mpmath.log1p(mpmath.exp(v)) if v <= 20 else v),
        ("logsigmoid", lambda v: -mpmath.log1p(mpmath.exp(-v))),
        ("mish", lambda v: v * mpmath.tanh(mpmath.log1p(mpmath.exp(v)))),
    ],
)
def test_float32_is_right_to_ulps(name, exact):
    array = np.random.default_rng(5).uniform(-60, 30, 3000).astype("f4")
    got = getattr(F, name)(t(array)).numpy()
    with mpmath.workdps(40):
        worst = max(
            abs(float(mpmath.mpf(g) - exact(mpmath.mpf(v))))
            / float(np.spacing(np.float32(abs(float(exact(mpmath.mpf(v)))))))
            for g, v in zip(got.tolist(), array.tolist(), strict=True)
        )
    assert worst <= 4


def test_prelu():
    x = values()[:2, :6].reshape(2, 3, 2)
    for w in (np.array([0.3]), np.array(0.3), np.array([0.1, -0.2, 0.5])):
        slopes = w.reshape(-1, 1)
        np.testing.assert_allclose(F.prelu(t(x), t(w)).numpy(), np.where(x > 0, x, x * slopes), rtol=1e-15)
        leaf, weight = t(x.copy()).requires_grad_(), t(w.copy()).requires_grad_()
        F.prelu(leaf, weight).sum().backward()
        low = np.minimum(x, 0)
        np.testing.assert_allclose(leaf.grad.numpy(), np.where(x > 0, 1, np.broadcast_to(slopes, x.shape)), rtol=1e-15)
        want = low.sum((0, 2)) if w.size == 3 else np.full(w.shape, low.sum())
        np.testing.assert_allclose(weight.grad.numpy(), want, rtol=1e-13)
    assert nn.PReLU(3).double()(t(x)).shape == (2, 3, 2)


def test_rrelu():
    x = t(-np.ones((200, 200), "f4"))
    np.testing.assert_allclose(F.rrelu(x, 0.1, 0.3).numpy(), -0.2, rtol=1e-6)
    drawn = -F.rrelu(x, 0.1, 0.3, training=True).numpy()
    assert 0.1 <= drawn.min() < 0.1002 and 0.2998 < drawn.max() <= 0.3
    # 40000 uniform draws: five standard deviations of the mean are 0.0015.
    assert abs(drawn.mean() - 0.2) < 0.0015
    assert F.rrelu(x, 0.1, 0.3, True, inplace=True) is x and x.numpy().max() <= -0.1
    assert nn.RReLU().eval()(t(np.float32([-24.0]))).item() == pytest.approx(-5.5)


def test_glu_softmin_and_gumbel_softmax():
    x = values()[:, :36].reshape(4, 6, 6)
    for dim in (0, 1, -1):
        a, b = np.split(x, 2, dim)
        np.testing.assert_allclose(F.glu(t(x), dim).numpy(), a / (1 + np.exp(-b)), rtol=1e-13)
    e = np.exp(-x)
    np.testing.assert_allclose(F.softmin(t(x), 1).numpy(), e / e.sum(1, keepdims=True), rtol=1e-12)
    torsh_ops.manual_seed(0)
    logits = t(np.log(np.tile([0.1, 0.2, 0.7], (20000, 1)))).requires_grad_()
    hard = F.gumbel_softmax(logits, hard=True)
    assert set(np.unique(hard.detach().numpy().round(12))) == {0.0, 1.0}
    # Five standard deviations of a proportion of 20000.
    np.testing.assert_allclose(hard.detach().numpy().mean(0), [0.1, 0.2, 0.7], atol=5 * 0.5 / 20000**0.5)
    (hard * t(np.arange(3.0))).sum().backward()
    assert np.abs(logits.grad.numpy()).sum() > 0
    np.testing.assert_allclose(logits.grad.numpy().sum(1), 0, atol=1e-12)
    np.testing.assert_allclose(F.gumbel_softmax(logits, 0.5, dim=0).detach().numpy().sum(0), 1, rtol=1e-12)


@needs_torch
@pytest.mark.parametrize(
    "make",
    [
        lambda n: [n.ReLU6(), n.ReLU6(True), n.SELU(), n.Mish(True), n.Hardsigmoid(), n.Hardswish(), n.LogSigmoid()],
        lambda n: [n.LeakyReLU(0.1), n.LeakyReLU(inplace=True), n.ELU(), n.CELU(0.5, True), n.Hardtanh(-2, 2.0)],
        lambda n: [n.Threshold(0.1, 20), n.Threshold(0.1, 20, True), n.Hardshrink(), n.Softshrink(0.1), n.Softplus(2)],
        lambda n: [n.PReLU(), n.PReLU(4), n.RReLU(), n.Softsign(), n.Tanhshrink(), n.GLU(), n.GLU(1), n.Softmin(1)],
    ],
)
def test_modules_are_torchs(make):
    ours, theirs = make(nn), make(torch.nn)
    x = values("float32")[:, :36].reshape(2, 4, 18)
    for a, b in zip(ours, theirs, strict=True):
        assert repr(a) == repr(b)
        assert_same(a.eval()(t(x.copy())), b.eval()(torch.from_numpy(x.copy())), 3e-6, 1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.mish(t([1, 2])), DTypeError, "mish.*int64"),
        (lambda: F.selu(3.0), OperandError, "float"),
        (lambda: F.hardtanh(t([1.0]), 2, 1), ArgumentError, "2 and 1"),
        (lambda: F.softshrink(t([1.0]), -1), ArgumentError, "-1"),
        (lambda: F.softplus(t([1.0]), 0), ArgumentError, "beta"),
        (lambda: F.celu(t([1.0]), 0), ArgumentError, "alpha"),
        (lambda: F.prelu(t(values()), t(np.ones(3))), ShapeError, "= 3 .* = 37"),
        (lambda: F.prelu(t(values()), t(np.ones(1, "f4"))), DTypeError, "float64 but weight is .*float32"),
        (lambda: F.rrelu(t([1.0]), 2, 1), ArgumentError, "2 and 1"),
        (lambda: F.glu(t(values()), 1), ShapeError, "dimension 1 is size 37"),
        (lambda: F.glu(t(1.0)), ShapeError, "0-dim"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message) as raised:
        call()
    assert isinstance(raised.value, TorshError)


def test_integers_are_clamped():
    assert F.relu6(t([-1, 3, 9])).tolist() == [0, 3, 6]
