"""Losses and distances, as functions and as modules."""

import math

import numpy as np
import pytest
from layers import gradients_are_differences, normal, same_as_torch, second_derivatives_are_differences, t
from oracle import assert_same, needs_torch, torch

import torsh_ops
from torsh_ops import nn
from torsh_ops.errors import ArgumentError, DimError, DTypeError, OperandError, ShapeError, TorshError
from torsh_ops.nn import functional as F

X, Y, Z = normal(3, 4), normal(3, 4, seed=3), normal(3, 4, seed=4)
IMAGES = normal(4, 3, 5, 6)
CLASSES, PROBABLE = np.array([1, 3, 0]), np.abs(normal(3, 4, seed=3))
SHARE = 1 / (1 + np.exp(-normal(3, 4, seed=5)))
SIGNS = np.where(normal(3, 4, seed=6) > 0, 1.0, -1.0)
LOGS = np.log(SHARE / SHARE.sum(1, keepdims=True))
LISTS = np.array([[2, 0, -1, 3], [-1, 0, 1, 2], [3, 1, 2, 0]])

# Each gets the library's nn.functional, the library, and tensors.
CASES = {
    "mse": (lambda f, T, x, y: f.mse_loss(x, y), X, Y),
    "mse sum": (lambda f, T, x, y: f.mse_loss(x, y, reduction="sum"), X, Y),
    "mse weighted": (lambda f, T, x, y, w: f.mse_loss(x, y, weight=w), X, Y, PROBABLE),
    "l1 none": (lambda f, T, x, y: f.l1_loss(x, y, reduction="none"), X, Y),
    "l1 weighted": (lambda f, T, x, y: f.l1_loss(x, y, weight=T.tensor(PROBABLE), reduction="sum"), X, Y),
    "huber": (lambda f, T, x, y: f.huber_loss(x, y, delta=0.7), X, Y),
    "huber weighted": (lambda f, T, x, y: f.huber_loss(x, y, "none", 1.5, T.tensor(PROBABLE)), X, Y),
    "smooth_l1": (lambda f, T, x, y: f.smooth_l1_loss(x, y, beta=0.7, reduction="sum"), X, Y),
    "smooth_l1 sharp": (lambda f, T, x, y: f.smooth_l1_loss(x, y, beta=0.0), X, Y),
    "bce": (lambda f, T, x, y: f.binary_cross_entropy(x, y), SHARE, SHARE[::-1].copy()),
    "bce weighted": (
        lambda f, T, x: f.binary_cross_entropy(x, T.tensor(SHARE[::-1].copy()), T.tensor(PROBABLE), reduction="none"),
        SHARE,
    ),
    "logits": (lambda f, T, x, y: f.binary_cross_entropy_with_logits(x, y), X * 40, PROBABLE),
    "logits weighted": (
        lambda f, T, x, y: f.binary_cross_entropy_with_logits(
            x, y, T.tensor(np.abs(X)), reduction="sum", pos_weight=T.tensor(np.abs(Y[0]))
        ),
        X, PROBABLE,
    ),
    "kl_div": (lambda f, T, x, y: f.kl_div(x, y, reduction="batchmean"), LOGS, SHARE),
    "kl_div logs": (lambda f, T, x, y: f.kl_div(x, y, reduction="sum", log_target=True), LOGS, LOGS[::-1].copy()),
    "poisson": (lambda f, T, x: f.poisson_nll_loss(x, T.tensor(PROBABLE * 3), full=True), X),
    "poisson plain": (lambda f, T, x, y: f.poisson_nll_loss(x, y, log_input=False, reduction="none"), SHARE, PROBABLE),
    "gaussian": (lambda f, T, x, y, v: f.gaussian_nll_loss(x, y, v), X, Y, SHARE),
    "gaussian full": (lambda f, T, x, y, v: f.gaussian_nll_loss(x, y, v, True, reduction="sum"), X, Y, SHARE[:, 0]),
    "gaussian one": (lambda f, T, x, y: f.gaussian_nll_loss(x, y, 0.3), X, Y),
    "soft_margin": (lambda f, T, x: f.soft_margin_loss(x, T.tensor(SIGNS)), X),
    "hinge_embedding": (lambda f, T, x: f.hinge_embedding_loss(x, T.tensor(SIGNS), 1.2, reduction="none"), X),
    "margin_ranking": (lambda f, T, x, y: f.margin_ranking_loss(x, y, T.tensor(SIGNS), 0.3), X, Y),
    "cosine_embedding": (
        lambda f, T, x, y: f.cosine_embedding_loss(x, y, T.tensor(SIGNS[:, 0]), 0.1, reduction="sum"), X, Y
    ),
    "triplet_margin": (lambda f, T, x, y, z: f.triplet_margin_loss(x, y, z), X, Y, Z),
    "triplet_margin swap": (
        lambda f, T, x, y, z: f.triplet_margin_loss(x, y, z, 2.0, 2, swap=True, reduction="none"), X, Y, Z
    ),
    "triplet by distance": (
        lambda f, T, x, y, z: f.triplet_margin_with_distance_loss(
            x, y, z, distance_function=lambda a, b: ((a - b) ** 2).sum(-1), margin=5.0
        ),
        X, Y, Z,
    ),
    "cosine_similarity": (lambda f, T, x, y: f.cosine_similarity(x, y, 0), X, Y),
    "pairwise_distance": (lambda f, T, x, y: f.pairwise_distance(x, y, keepdim=True), X, Y),
    "nll_loss": (lambda f, T, x: f.nll_loss(x, T.tensor(CLASSES)), X),
    "nll_loss one": (lambda f, T, x: f.nll_loss(x, T.tensor(2)), X[0]),
    "cross_entropy": (lambda f, T, x: f.cross_entropy(x, T.tensor(CLASSES)), X),
    "cross_entropy none": (lambda f, T, x: f.cross_entropy(x, T.tensor(CLASSES), reduction="none"), X),
    "cross_entropy sum": (lambda f, T, x: f.cross_entropy(x, T.tensor(CLASSES), reduction="sum"), X),
    "cross_entropy one": (lambda f, T, x: f.cross_entropy(x, T.tensor(2)), X[0]),
    "cross_entropy images": (
        lambda f, T, x: f.cross_entropy(x, T.tensor(np.arange(4 * 30).reshape(4, 5, 6) % 3), reduction="none"), IMAGES
    ),
    "cross_entropy ignored": (lambda f, T, x: f.cross_entropy(x, T.tensor(CLASSES), ignore_index=3), X),
    "cross_entropy weighted": (
        lambda f, T, x: f.cross_entropy(x, T.tensor(CLASSES), T.tensor(PROBABLE[0]), ignore_index=3), X
    ),
    "cross_entropy smooth": (
        lambda f, T, x: f.cross_entropy(
            x, T.tensor(CLASSES), T.tensor(PROBABLE[0]), ignore_index=3, label_smoothing=0.3
        ),
        X,
    ),
    "cross_entropy smooth sum": (
        lambda f, T, x: f.cross_entropy(x, T.tensor(CLASSES), reduction="sum", label_smoothing=0.3), X
    ),
    "cross_entropy probabilities": (
        lambda f, T, x, p: f.cross_entropy(x, p, T.tensor(PROBABLE[0]), label_smoothing=0.1), X, PROBABLE
    ),
    "multi_margin": (lambda f, T, x: f.multi_margin_loss(x, T.tensor(CLASSES)), X),
    "multi_margin square": (
        lambda f, T, x: f.multi_margin_loss(x, T.tensor(CLASSES), 2, 0.5, T.tensor(PROBABLE[0]), reduction="none"), X
    ),
    "multi_margin one": (lambda f, T, x: f.multi_margin_loss(x, T.tensor(1)), X[0]),
    "multilabel_margin": (lambda f, T, x: f.multilabel_margin_loss(x, T.tensor(LISTS)), X),
    "multilabel_margin one": (lambda f, T, x: f.multilabel_margin_loss(x, T.tensor(LISTS[0])), X[0]),
    "multilabel_soft_margin": (
        lambda f, T, x: f.multilabel_soft_margin_loss(x, T.tensor((SIGNS + 1) / 2), T.tensor(PROBABLE)), X
    ),
}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("name", CASES)
def test_losses_are_torchs(name):
    call, *arrays = CASES[name]
    same_as_torch(call, arrays, 1e-10, 1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradients_by_differences(name):
    call, *arrays = CASES[name]
    gradients_are_differences(call, arrays)


@pytest.mark.parametrize("name", ["cross_entropy", "cross_entropy weighted", "bce", "gaussian", "huber", "mse"])
def test_second_derivatives_by_differences(name):
    call, *arrays = CASES[name]
    second_derivatives_are_differences(call, arrays)


@needs_torch
def test_cross_entropy_in_float32_with_hard_logits():
    x = np.array([[1e4, -1e4, 0], [-np.inf, 0, 1], [80, 80, -100], [np.nan, 0, 1]], "f4")
    target = np.array([1, 2, 0, 1])
    a, b = t(x.copy()).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
    y = F.cross_entropy(a, t(target), reduction="none")
    z = torch.nn.functional.cross_entropy(b, torch.from_numpy(target), reduction="none")
    assert_same(y, z, 1e-6, 1e-6)
    y[:3].sum().backward()
    z[:3].sum().backward()
    np.testing.assert_allclose(a.grad.numpy()[:3], b.grad.numpy()[:3], rtol=1e-6, atol=1e-7)


def test_cross_entropy_without_torch():
    logs = X - np.log(np.exp(X).sum(1, keepdims=True))
    want = -logs[[0, 1, 2], CLASSES].mean()
    np.testing.assert_allclose(F.cross_entropy(t(X), t(CLASSES)).item(), want, rtol=1e-13)
    strided = t(np.repeat(X, 2, axis=1))[:, ::2]
    np.testing.assert_allclose(F.cross_entropy(strided, t(CLASSES.astype("i4"))).item(), want, rtol=1e-13)


def test_everything_ignored_is_nan():
    for x in (t(X), t(X).requires_grad_()):
        assert math.isnan(F.cross_entropy(x, t(np.full(3, -100))).item())
        assert F.cross_entropy(x, t(np.full(3, -100)), reduction="sum").item() == 0


def test_certain_answers_stay_finite():
    x = t(np.array([0.0, 1.0, 0.0, 1.0])).requires_grad_()
    loss = F.binary_cross_entropy(x, t(np.array([0.0, 1.0, 1.0, 0.0])), reduction="none")
    np.testing.assert_array_equal(loss.detach().numpy(), [0, 0, 100, 100])
    loss.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 0, -1e12, 1e12])
    assert F.kl_div(t(np.zeros(2)), t(np.array([0.0, 1.0])), reduction="sum").item() == 0


MODULES = {
    "MSELoss": ({}, X, Y),
    "L1Loss": ({"reduction": "sum"}, X, Y),
    "HuberLoss": ({"delta": 0.5}, X, Y),
    "SmoothL1Loss": ({"beta": 0.5}, X, Y),
    "BCELoss": ({}, SHARE, SHARE[::-1].copy()),
    "BCEWithLogitsLoss": ({"reduction": "none"}, X, SHARE),
    "KLDivLoss": ({"reduction": "batchmean"}, LOGS, SHARE),
    "PoissonNLLLoss": ({"full": True}, X, PROBABLE),
    "GaussianNLLLoss": ({"full": True}, X, Y, SHARE),
    "SoftMarginLoss": ({}, X, SIGNS),
    "HingeEmbeddingLoss": ({"margin": 2.0}, X, SIGNS),
    "MarginRankingLoss": ({"margin": 0.1}, X, Y, SIGNS),
    "CosineEmbeddingLoss": ({"margin": 0.1}, X, Y, SIGNS[:, 0]),
    "TripletMarginLoss": ({"p": 1.0, "swap": True}, X, Y, Z),
    "TripletMarginWithDistanceLoss": ({"margin": 2.0}, X, Y, Z),
    "NLLLoss": ({"ignore_index": 3}, LOGS, CLASSES),
    "CrossEntropyLoss": ({"label_smoothing": 0.1}, X, CLASSES),
    "MultiMarginLoss": ({"p": 2}, X, CLASSES),
    "MultiLabelMarginLoss": ({}, X, LISTS),
    "MultiLabelSoftMarginLoss": ({"reduction": "sum"}, X, (SIGNS + 1) / 2),
    "CosineSimilarity": ({"dim": 0}, X, Y),
    "PairwiseDistance": ({"p": 1.0, "keepdim": True}, X, Y),
}


@needs_torch
@pytest.mark.parametrize("name", MODULES)
def test_modules_are_torchs(name):
    options, *arrays = MODULES[name]
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
    assert repr(ours) == repr(theirs)
    assert_same(ours(*map(t, arrays)), theirs(*map(torch.from_numpy, arrays)), 1e-12, 1e-14)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.mse_loss(t(X), t(X[0])), ShapeError, r"\(4,\) must have the shape of the input, \(3, 4\)"),
        (lambda: F.mse_loss(t(X), t(X), reduction="avg"), ArgumentError, "avg is not a valid value"),
        (lambda: F.mse_loss(t(X), t(X), weight=t(X[0])), ShapeError, "weight of shape"),
        (lambda: F.mse_loss(t(X), 3), OperandError, "target"),
        (lambda: nn.MSELoss(reduction="avg"), ArgumentError, "avg is not a valid value"),
        (lambda: F.huber_loss(t(X), t(X), delta=0), ArgumentError, "delta, but got 0"),
        (lambda: F.smooth_l1_loss(t(X), t(X), beta=-1), ArgumentError, "beta, but got -1"),
        (lambda: F.binary_cross_entropy(t(X), t(X)), ArgumentError, "between 0 and 1"),
        (lambda: F.gaussian_nll_loss(t(X), t(X), t(-SHARE)), ArgumentError, "negative"),
        (lambda: F.gaussian_nll_loss(t(X), t(X), t(SHARE[:2])), ArgumentError, "incorrect size"),
        (lambda: F.cosine_embedding_loss(t(X), t(X), t(X)), ShapeError, "2D target tensor expects 3D"),
        (lambda: F.triplet_margin_loss(t(X), t(X), t(X), margin=0), ArgumentError, "greater than 0"),
        (lambda: F.nll_loss(t(X), t([1, 4, 0])), DimError, "Target 4 is out of bounds: there are 4 classes"),
        (lambda: F.cross_entropy(t(X), t([1, 4, 0])), DimError, "Target 4 is out of bounds: there are 4 classes"),
        (lambda: F.cross_entropy(t(X), t([1, -1, 0])), DimError, "Target -1"),
        (lambda: F.nll_loss(t(X), t([1, 0])), ShapeError, r"Expected target size \[3\], got \[2\]"),
        (lambda: F.cross_entropy(t(X), t([1, 0])), ShapeError, r"Expected target size \[3\], got \[2\]"),
        (lambda: F.nll_loss(t(X), t(CLASSES), t(X[:, 0])), ShapeError, r"all 4 classes, but got shape \(3,\)"),
        (lambda: F.cross_entropy(t(X), t(CLASSES), t(X[:, 0])), ShapeError, r"all 4 classes, but got shape \(3,\)"),
        (lambda: F.nll_loss(t(X), t(X[:, 0])), DTypeError, "float64"),
        (lambda: F.cross_entropy(t(X), t(CLASSES), label_smoothing=2.0), ArgumentError, r"2\.0"),
        (lambda: F.multi_margin_loss(t(X), t(CLASSES), 3), ArgumentError, "p == 1 and p == 2 supported, but got 3"),
        (lambda: nn.MultiMarginLoss(3), ArgumentError, "p == 1 and p == 2 supported, but got 3"),
        (lambda: F.multilabel_margin_loss(t(X), t(LISTS + 2)), DimError, "Target 5"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message) as raised:
        call()
    assert isinstance(raised.value, TorshError)


def test_cross_entropy_with_two_threads():
    x, target = t(normal(3000, 100)).requires_grad_(), t(np.arange(3000) % 100)
    F.cross_entropy(x, target).backward()
    one, x.grad = x.grad.numpy().copy(), None
    torsh_ops.set_num_threads(2)
    try:
        F.cross_entropy(x, target).backward()
    finally:
        torsh_ops.set_num_threads(1)
    np.testing.assert_array_equal(x.grad.numpy(), one)
