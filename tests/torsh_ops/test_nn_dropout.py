"""Dropout and its kin."""

import numpy as np
import pytest
from layers import t
from oracle import needs_torch, torch

import torsh_ops
from torsh_ops import nn
from torsh_ops.errors import ArgumentError, GradError, ShapeError
from torsh_ops.nn import functional as F


def test_dropout_keeps_the_mean_and_its_gradient_is_its_factor():
    torsh_ops.manual_seed(3)
    x = torsh_ops.ones(200, 200, requires_grad=True)
    y = F.dropout(x, 0.25)
    kept = y.detach().numpy() != 0
    # 40000 draws: five standard deviations are 0.011.
    assert abs(kept.mean() - 0.75) < 0.011
    np.testing.assert_allclose(y.detach().numpy()[kept], 1 / 0.75, rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert F.dropout(x, 0.25, training=False) is x
    assert not F.dropout(x, 1.0).detach().numpy().any()
    layer = nn.Dropout(0.5)
    assert layer(x) is not x
    assert layer.eval()(x) is x


def test_seeds_repeat_it():
    drawn = []
    for _ in range(2):
        torsh_ops.manual_seed(5)
        drawn.append(F.dropout(torsh_ops.ones(50)).tolist())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("function", "shape", "lead"),
    [
        (F.dropout1d, (40, 50, 3), 2), (F.dropout1d, (500, 3), 1), (F.dropout2d, (40, 50, 2, 3), 2),
        (F.dropout2d, (40, 50, 3), 2), (F.dropout3d, (20, 50, 2, 1, 3), 2), (F.dropout3d, (500, 2, 1, 3), 1),
    ],
)  # fmt: skip
def test_whole_channels_go(function, shape, lead):
    torsh_ops.manual_seed(0)
    y = function(torsh_ops.ones(*shape), 0.4).numpy().reshape(*shape[:lead], -1)
    assert (y == y[..., :1]).all()
    # Five standard deviations of a proportion.
    assert abs((y[..., 0] != 0).mean() - 0.6) < 5 * 0.49 / y[..., 0].size ** 0.5


@pytest.mark.parametrize("function", [F.alpha_dropout, F.feature_alpha_dropout])
def test_alpha_dropout_keeps_mean_and_variance(function):
    torsh_ops.manual_seed(0)
    x = t(np.random.default_rng(0).standard_normal((400, 500)))
    y = function(x, 0.3, training=True).numpy()
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.03
    assert function(x, 0.3) is x
    assert not function(x, 1.0, training=True).numpy().any()


@pytest.mark.parametrize("function", [F.dropout, F.dropout2d, F.alpha_dropout])
def test_in_place(function):
    x = torsh_ops.ones(20, 30, 4)
    assert function(x, 0.5, True, True) is x
    assert (x.numpy() != 1).any()
    with pytest.raises(GradError):
        function(torsh_ops.ones(2, 3, 4, requires_grad=True), 0.5, True, True)


@needs_torch
def test_modules_are_named_as_torchs():
    for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"):
        assert repr(getattr(nn, name)(0.3)) == repr(getattr(torch.nn, name)(0.3))
        x = torsh_ops.ones(3, 4, 5, 6, requires_grad=False)
        assert getattr(nn, name)(0.3).eval()(x[0] if name == "Dropout1d" else x).shape


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.dropout(torsh_ops.ones(3), 1.5), ArgumentError, r"1\.5"),
        (lambda: F.alpha_dropout(torsh_ops.ones(3), -1), ArgumentError, "-1"),
        (lambda: nn.Dropout(-1), ArgumentError, "-1"),
        (lambda: F.dropout1d(torsh_ops.ones(3)), ShapeError, r"\(3,\)"),
        (lambda: F.dropout3d(torsh_ops.ones(3, 4)), ShapeError, r"\(3, 4\)"),
        (lambda: F.feature_alpha_dropout(torsh_ops.ones(3)), ShapeError, r"\(3,\)"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
