import numpy as np
import pytest
from oracle import LAYOUTS, assert_same, needs_torch, torch

import torsh_ops
from torsh_ops import nn
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.nn import functional as F

SIZES = {1: (2, 3, 11), 2: (2, 3, 7, 9), 3: (1, 2, 4, 6, 5)}
MODES = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}
TO = [{"scale_factor": 2}, {"scale_factor": 1.7}, {"scale_factor": 0.6}, {"size": 5}, {"size": 1}, {"size": 13},
      {"scale_factor": 1.3, "recompute_scale_factor": True}]  # fmt: skip


def drawn(size, seed=0):
    return np.random.default_rng(seed).standard_normal(size)


def t(a):
    return torsh_ops.from_numpy(a)


def centres(n, m, scale_factor, align_corners):
    """Where the centres of `m` outputs lie among `n` inputs."""
    if align_corners:
        return np.linspace(0, n - 1, m) if m > 1 else np.zeros(1)
    return (np.arange(m) + 0.5) * (n / m if scale_factor is None else 1 / scale_factor) - 0.5


def keys(x, a=-0.75):
    """The cubic convolution kernel of Keys 1981."""
    x = np.abs(x)
    inner, outer = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0))


def matrix(n, m, scale_factor, mode, align_corners):
    """All weights (m, n) of one direction: those of the line, or of the cubic with its border repeated."""
    at = centres(n, m, scale_factor, align_corners)
    if mode != "bicubic":
        return np.stack([np.interp(at, np.arange(n), unit) for unit in np.eye(n)], 1)
    weights = np.zeros((m, n))
    for place in range(-3, n + 3):
        weights[:, min(max(place, 0), n - 1)] += keys(at - place)
    return weights


def resized(n, to):
    return to["size"] if "size" in to else int(n * to["scale_factor"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 2, 8, 16, 17, 33])
def test_twice_the_size_at_any_width(width, dtype):
    x = drawn((2, 2, 3, width)).astype(dtype)
    rows, columns = (matrix(n, 2 * n, 2, "bilinear", False) for n in (3, width))
    want = np.einsum("ai,bj,ncij->ncab", rows, columns, x)
    got = F.interpolate(t(x), scale_factor=2, mode="bilinear").numpy()
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("to", TO, ids=str)
@pytest.mark.parametrize(("dims", "mode"), [(d, m) for d, modes in MODES.items() for m in modes])
def test_weighted_modes_are_the_definition(dims, mode, to, align_corners):
    x = want = drawn(SIZES[dims])
    for axis in range(2, 2 + dims):
        n = x.shape[axis]
        factor = None if to.get("recompute_scale_factor") else to.get("scale_factor")
        weights = matrix(n, resized(n, to), factor, mode, align_corners)
        want = np.moveaxis(np.moveaxis(want, axis, -1) @ weights.T, -1, axis)
    got = F.interpolate(t(x), **to, mode=mode, align_corners=align_corners).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dims", SIZES)
@pytest.mark.parametrize(("mode", "shift"), [("nearest", 0), ("nearest-exact", 0.5)])
def test_nearest_takes_the_pixel_that_covers_it(dims, mode, shift):
    x = want = drawn(SIZES[dims])
    for axis in range(2, 2 + dims):
        n = x.shape[axis]
        want = want.take([int((i + shift) * n / (3 * n)) for i in range(3 * n)], axis)
    np.testing.assert_array_equal(F.interpolate(t(x), scale_factor=3, mode=mode).numpy(), want)


@pytest.mark.parametrize("dims", SIZES)
def test_area_is_the_mean_of_what_is_covered(dims):
    x = drawn((*SIZES[dims][:2], *(6,) * dims))
    blocks = x.reshape(*x.shape[:2], *(3, 2) * dims).mean(tuple(range(3, 3 + 2 * dims, 2)))
    np.testing.assert_allclose(F.interpolate(t(x), size=3, mode="area").numpy(), blocks, rtol=1e-13)


CALLS = {
    "linear": (1, {"scale_factor": 1.7, "mode": "linear"}),
    "nearest": (2, {"size": (9, 5)}),
    "bilinear": (2, {"scale_factor": 2, "mode": "bilinear"}),
    "bicubic": (2, {"size": (5, 12), "mode": "bicubic", "align_corners": True}),
    "trilinear": (3, {"size": (7, 3, 5), "mode": "trilinear"}),
    "area": (2, {"size": (3, 4), "mode": "area"}),
}


@pytest.mark.parametrize("name", CALLS)
def test_first_and_second_derivatives_by_differences(name):
    dims, how = CALLS[name]
    x, along = drawn(SIZES[dims]), drawn(SIZES[dims], seed=1)

    def gradient(a, create_graph=False):
        leaf = t(a).requires_grad_()
        loss = (F.interpolate(leaf, **how) ** 3).sum()
        return leaf, loss, torsh_ops.autograd.grad(loss, leaf, create_graph=create_graph)[0]

    leaf, _, first = gradient(x, True)
    slope = (first * t(along)).sum()
    (second,) = torsh_ops.autograd.grad(slope, leaf)
    above, below = (gradient(x + h * along) for h in (1e-5, -1e-5))
    np.testing.assert_allclose(slope.item(), (above[1].item() - below[1].item()) / 2e-5, rtol=1e-6)
    np.testing.assert_allclose(second.numpy(), (above[2].numpy() - below[2].numpy()) / 2e-5, rtol=1e-5, atol=1e-6)


@needs_torch
@pytest.mark.parametrize("to", TO, ids=str)
def test_matches_torch(to):
    for dims, size in SIZES.items():
        for mode in ("nearest", "nearest-exact", "area", *MODES[dims]):
            for align_corners in (None, False, True) if mode in MODES[dims] else (None,):
                x = drawn(size)
                how = {**to, "mode": mode, "align_corners": align_corners}
                ours, theirs = t(x).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
                y, z = F.interpolate(ours, **how), torch.nn.functional.interpolate(theirs, **how)
                assert_same(y, z, 1e-12, 1e-12)
                g = drawn(y.shape, seed=2)
                y.backward(t(g))
                z.backward(torch.from_numpy(g))
                assert_same(ours.grad, theirs.grad, 1e-12, 1e-12)


@needs_torch
def test_nearest_in_float32_picks_torchs_pixels():
    x = np.arange(37, dtype="f4").reshape(1, 1, 37)
    for size in range(1, 120):
        for mode in ("nearest", "nearest-exact"):
            ours, theirs = F.interpolate(t(x), size=size, mode=mode), torch.nn.functional.interpolate
            assert_same(ours, theirs(torch.from_numpy(x), size=size, mode=mode))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_of_any_layout(layout):
    x = drawn(SIZES[2])
    for how in ({"scale_factor": 2}, {"scale_factor": 2, "mode": "bilinear"}):
        got, want = (F.interpolate(t(a), **how).numpy() for a in (LAYOUTS[layout](x), x))
        np.testing.assert_array_equal(got, want)


def test_nan_reaches_only_its_neighbours():
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 2, 2] = np.nan
    got = np.isnan(F.interpolate(t(x), scale_factor=2, mode="bilinear").numpy()[0, 0])
    want = np.zeros((8, 8), bool)
    want[3:7, 3:7] = True
    np.testing.assert_array_equal(got, want)


def test_pixels_are_shuffled_and_back():
    x = drawn((2, 12, 3, 4))
    y = F.pixel_shuffle(t(x), 2).numpy()
    assert y.shape == (2, 3, 6, 8)
    for c, i, j in np.ndindex(3, 2, 2):
        np.testing.assert_array_equal(y[:, c, i::2, j::2], x[:, 4 * c + 2 * i + j])
    np.testing.assert_array_equal(F.pixel_unshuffle(t(y), 2).numpy(), x)
    np.testing.assert_array_equal(nn.PixelUnshuffle(2)(nn.PixelShuffle(2)(t(x))).numpy(), x)


def test_layers_call_their_functions():
    x = t(drawn(SIZES[2]))
    cases = [
        (nn.Upsample(scale_factor=2, mode="bilinear"), {"scale_factor": 2, "mode": "bilinear"}),
        (nn.UpsamplingNearest2d(size=4), {"size": 4}),
        (nn.UpsamplingBilinear2d(scale_factor=2), {"scale_factor": 2, "mode": "bilinear", "align_corners": True}),
    ]
    for layer, how in cases:
        np.testing.assert_array_equal(layer(x).numpy(), F.interpolate(x, **how).numpy())
    assert repr(cases[0][0]) == "Upsample(scale_factor=2, mode='bilinear')"


X = torsh_ops.zeros(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.interpolate(X),
            ArgumentError,
            "only one of size or scale_factor .* size=None and scale_factor=None",
        ),
        (lambda: F.interpolate(X, 3, 2), ArgumentError, "only one of size or scale_factor"),
        (lambda: F.interpolate(X, (3, 4, 5)), ArgumentError, r"spatial dimensions of \[4, 5\] and size \(3, 4, 5\)"),
        (lambda: F.interpolate(X, 3, mode="cubic"), ArgumentError, "mode must be one of nearest, .* but got 'cubic'"),
        (lambda: F.interpolate(X, 3, mode="linear"), ShapeError, r"Got 4D input, but linear mode needs 3D .*\[2, 3, 4"),
        (lambda: F.interpolate(X[0, 0], 3), ShapeError, r"expected 3D, 4D or 5D .*\[4, 5\]"),
        (lambda: F.interpolate(X, 3, align_corners=False), ArgumentError, "align_corners option .* mode 'nearest'"),
        (
            lambda: F.interpolate(X, 3, mode="bilinear", antialias=True),
            ArgumentError,
            "antialias=True is not supported",
        ),
        (lambda: F.interpolate(X, 0), ShapeError, r"sizes should be greater than 0, but got \[4, 5\] and \[0, 0\]"),
        (lambda: F.interpolate(X.long(), 3), DTypeError, "not implemented for .*int64"),
        (lambda: F.pixel_shuffle(X, 2), ShapeError, r"size\(-3\)=3 is not divisible by 4"),
        (lambda: F.pixel_unshuffle(X, 3), ShapeError, r"\[2, 3, 4, 5\] is not divisible by 3"),
        (lambda: F.pixel_shuffle(X, 0), ArgumentError, "must be at least 1, but got 0"),
    ],
)
def test_bad_operands(call, error, message):
    with pytest.raises(error, match=message):
        call()
