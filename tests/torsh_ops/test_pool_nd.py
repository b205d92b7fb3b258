"""Pooling of one and three dimensions, to a size, by powers, back again, and the layers."""

import itertools

import numpy as np
import pytest
from oracle import assert_same, needs_torch, torch

import torsh_ops
from torsh_ops import nn
from torsh_ops.errors import ArgumentError, OperandError, ShapeError
from torsh_ops.nn import functional as F

SIZES = {1: (2, 3, 11), 2: (2, 3, 7, 9), 3: (1, 2, 6, 7, 5)}
# kernel, stride, padding, dilation, ceil_mode
WINDOWS = [(2, None, 0, 1, False), (3, 2, 1, 1, True), (3, 1, 1, 2, False)]


def drawn(size, seed=0, ties=False):
    x = np.random.default_rng(seed).standard_normal(size)
    return np.round(x) if ties else x


def t(a):
    return torsh_ops.from_numpy(a)


def sides(size, kernel, stride, padding, dilation, ceil_mode):
    """The places that each window covers along one side, and how many it has with its padding."""
    stride = stride or kernel
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if (count - 1) * stride >= size + padding:
        count -= 1
    for i in range(count):
        places = [i * stride - padding + j * dilation for j in range(kernel)]
        yield [p for p in places if 0 <= p < size], sum(p < size + padding for p in places)


def even(size, count):
    for i in range(count):
        places = list(range(i * size // count, -(-(i + 1) * size // count)))
        yield places, len(places)


def windows(x, dims, side):
    """(place of the output, the window's elements, their number with padding)."""
    each = [list(enumerate(side(size))) for size in x.shape[-dims:]]
    for window in itertools.product(*each):
        part = x
        for axis, (_, (places, _)) in enumerate(window):
            part = part.take(places, axis - dims)
        yield tuple(i for i, _ in window), part.reshape(*x.shape[:-dims], -1), np.prod([w[1][1] for w in window])


def pooled(x, dims, side, what):
    found = {place: what(part, count) for place, part, count in windows(x, dims, side)}
    shape = tuple(n + 1 for n in max(found))
    return np.stack(list(found.values()), -1).reshape(*x.shape[:-dims], *shape)


def named(form, dims):
    return getattr(F, form.format(dims))


@pytest.mark.parametrize("how", WINDOWS)
@pytest.mark.parametrize("dims", [1, 3])
def test_maximum_is_the_definition(dims, how):
    x = drawn(SIZES[dims])
    want = pooled(x, dims, lambda n: sides(n, *how), lambda part, _: part.max(-1))
    pool = named("max_pool{}d", dims)
    np.testing.assert_array_equal(pool(t(x), *how).numpy(), want)
    values, indices = pool(t(x), *how, return_indices=True)
    np.testing.assert_array_equal(values.numpy(), want)
    flat = x.reshape(*x.shape[:2], -1)
    taken = np.take_along_axis(flat, indices.numpy().reshape(*flat.shape[:2], -1), -1)
    np.testing.assert_array_equal(taken.reshape(want.shape), want)
    np.testing.assert_array_equal(pool(t(x[0]), *how).numpy(), want[0])


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("how", [w for w in WINDOWS if w[3] == 1])
@pytest.mark.parametrize("dims", [1, 3])
def test_mean_is_the_definition(dims, how, include):
    x = drawn(SIZES[dims])
    kernel, stride, padding, _, ceil_mode = how
    for divisor in (None, 5) if dims == 3 else (None,):
        want = pooled(
            x, dims, lambda n: sides(n, *how),
            lambda part, n, d=divisor: part.sum(-1) / (d or (n if include else part.shape[-1])),
        )  # fmt: skip
        more = (divisor,) if divisor else ()
        got = named("avg_pool{}d", dims)(t(x), kernel, stride, padding, ceil_mode, include, *more)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dims", SIZES)
@pytest.mark.parametrize("count", [1, 4])
def test_windows_that_share_the_input_out(dims, count):
    x = drawn(SIZES[dims])
    side = lambda n: even(n, count)  # noqa: E731
    mean, largest = (
        named(form, dims)(t(x), count).numpy() for form in ("adaptive_avg_pool{}d", "adaptive_max_pool{}d")
    )
    np.testing.assert_allclose(mean, pooled(x, dims, side, lambda part, _: part.mean(-1)), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(largest, pooled(x, dims, side, lambda part, _: part.max(-1)))
    values, indices = named("adaptive_max_pool{}d", dims)(t(x), count, return_indices=True)
    flat = x.reshape(*x.shape[:2], -1)
    taken = np.take_along_axis(flat, indices.numpy().reshape(*flat.shape[:2], -1), -1)
    np.testing.assert_array_equal(taken.reshape(largest.shape), values.numpy())
    np.testing.assert_array_equal(values.numpy(), largest)


def test_none_keeps_a_size():
    x = drawn(SIZES[3])
    assert F.adaptive_avg_pool3d(t(x), (2, None, 3)).shape == (1, 2, 2, 7, 3)
    assert F.adaptive_max_pool3d(t(x), (None, 2, 2)).shape == (1, 2, 6, 2, 2)


@pytest.mark.parametrize("dims", SIZES)
def test_power_means_are_roots_of_sums_of_powers(dims):
    x = np.abs(drawn(SIZES[dims]))
    want = pooled(x, dims, lambda n: sides(n, 2, 2, 0, 1, False), lambda part, _: (part**3).sum(-1) ** (1 / 3))
    np.testing.assert_allclose(named("lp_pool{}d", dims)(t(x), 3.0, 2).numpy(), want, rtol=1e-12)


@pytest.mark.parametrize("dims", SIZES)
def test_maxima_go_back_to_where_they_were(dims):
    x = drawn(SIZES[dims])
    values, indices = named("max_pool{}d", dims)(t(x), 2, return_indices=True)
    back = named("max_unpool{}d", dims)(values, indices, 2, output_size=x.shape).numpy()
    assert back.shape == x.shape
    kept = np.zeros_like(x)
    at = indices.numpy().reshape(*x.shape[:2], -1)
    np.put_along_axis(kept.reshape(*x.shape[:2], -1), at, values.numpy().reshape(*x.shape[:2], -1), -1)
    np.testing.assert_array_equal(back, kept)


OPERATORS = {
    "max1": (1, lambda x: F.max_pool1d(x, 3, 2, 1)),
    "max3": (3, lambda x: F.max_pool3d(x, 2)),
    "mean1": (1, lambda x: F.avg_pool1d(x, 3, 2, 1, True, False)),
    "mean3": (3, lambda x: F.avg_pool3d(x, 3, 2, 1, True)),
    "even max2": (2, lambda x: F.adaptive_max_pool2d(x, (2, 3))),
    "even max3": (3, lambda x: F.adaptive_max_pool3d(x, 2)),
    "even mean3": (3, lambda x: F.adaptive_avg_pool3d(x, 2)),
    "power2": (2, lambda x: F.lp_pool2d(x, 2, 2)),
    "unpool2": (2, lambda x: F.max_unpool2d(x, INDICES, 2)),
}
INDICES = t(np.argsort(drawn((2, 3, 252)), -1)[..., :63].reshape(2, 3, 7, 9))


@pytest.mark.parametrize("name", OPERATORS)
def test_first_and_second_derivatives_by_differences(name):
    dims, op = OPERATORS[name]
    x, along = drawn(SIZES[dims]), drawn(SIZES[dims], seed=1)

    def gradient(a, create_graph=False):
        leaf = t(a).requires_grad_()
        loss = (op(leaf) ** 3).sum()
        return leaf, loss, torsh_ops.autograd.grad(loss, leaf, create_graph=create_graph)[0]

    leaf, _, first = gradient(x, True)
    slope = (first * t(along)).sum()
    (second,) = torsh_ops.autograd.grad(slope, leaf)
    above, below = (gradient(x + h * along) for h in (1e-6, -1e-6))
    np.testing.assert_allclose(slope.item(), (above[1].item() - below[1].item()) / 2e-6, rtol=1e-6)
    np.testing.assert_allclose(second.numpy(), (above[2].numpy() - below[2].numpy()) / 2e-6, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dims", SIZES)
def test_nan_wins(dims):
    x = drawn(SIZES[dims])
    x.reshape(-1)[0] = np.nan
    for pool in (lambda a: named("max_pool{}d", dims)(a, 2), lambda a: named("adaptive_max_pool{}d", dims)(a, 2)):
        assert np.isnan(pool(t(x)).numpy()).sum() == 1


@needs_torch
@pytest.mark.parametrize("dims", SIZES)
def test_ties_and_gradients_go_where_torch_puts_them(dims):
    x = drawn(SIZES[dims], ties=True)
    calls = [(f"max_pool{dims}d", (3, 2, 1, 1, True)), (f"max_pool{dims}d", (3, 1, 1, 2)),
             (f"adaptive_max_pool{dims}d", (3,))]  # fmt: skip
    for name, how in calls:
        ours, theirs = t(x.copy()).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
        y, i = getattr(F, name)(ours, *how, return_indices=True)
        z, j = getattr(torch.nn.functional, name)(theirs, *how, return_indices=True)
        assert_same(y, z)
        assert_same(i, j)
        g = drawn(y.shape, seed=2)
        y.backward(t(g))
        z.backward(torch.from_numpy(g))
        assert_same(ours.grad, theirs.grad)


@needs_torch
@pytest.mark.parametrize("dims", SIZES)
def test_layers_are_torchs(dims):
    x = drawn(SIZES[dims])
    for name, args in [("MaxPool", (3, 2, 1)), ("AvgPool", (3, 2, 1)), ("AdaptiveAvgPool", (3,)),
                       ("AdaptiveMaxPool", (3,)), ("LPPool", (2.0, 2))]:  # fmt: skip
        ours, theirs = getattr(nn, f"{name}{dims}d")(*args), getattr(torch.nn, f"{name}{dims}d")(*args)
        assert_same(ours(t(x)), theirs(torch.from_numpy(x)), 1e-12, 1e-12)
    small = x[(..., *(slice(4) for _ in range(dims)))]
    y, i = getattr(nn, f"MaxPool{dims}d")(2, return_indices=True)(t(small))
    z, j = getattr(torch.nn, f"MaxPool{dims}d")(2, return_indices=True)(torch.from_numpy(small.copy()))
    assert_same(getattr(nn, f"MaxUnpool{dims}d")(2)(y, i), getattr(torch.nn, f"MaxUnpool{dims}d")(2)(z, j))


X1, X2, X3 = torsh_ops.zeros(2, 3, 6), torsh_ops.zeros(2, 3, 6, 6), torsh_ops.zeros(2, 3, 6, 6, 6)
AT = torsh_ops.zeros(2, 3, 6, dtype=torsh_ops.int64)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.max_pool1d(X2, 2), ShapeError, r"max_pool1d\(\): expected 2D or 3D .*\[2, 3, 6, 6\]"),
        (lambda: F.avg_pool3d(X1, 2), ShapeError, r"avg_pool3d\(\): expected 4D or 5D .*\[2, 3, 6\]"),
        (lambda: F.max_pool3d(X3, 7), ShapeError, "window of 7 .* side of 6: output size is too small"),
        (lambda: F.max_pool3d(X3, 2, padding=2), ArgumentError, "at most half of kernel size"),
        (lambda: F.max_pool1d(X1, (1, 2)), OperandError, r"kernel_size must be an int, but got \(1, 2\)"),
        (lambda: F.adaptive_max_pool1d(X1, 0), ArgumentError, "output_size .* but got 0"),
        (lambda: F.adaptive_avg_pool3d(X3, (1, 2)), ArgumentError, r"one or 3 positive ints, but got \(1, 2\)"),
        (lambda: F.max_unpool1d(X1, AT + 12, 2), ShapeError, r"invalid max index.* 12 .* of size \(12,\)"),
        (lambda: F.max_unpool1d(X1, AT, 2, output_size=(20,)), ArgumentError, r"within a stride of \(12,\).*\(20,\)"),
        (lambda: F.max_unpool1d(X1, AT[..., :3], 2), ShapeError, r"one shape, but got \[2, 3, 6\] and \[2, 3, 3\]"),
        (lambda: F.max_unpool1d(X1, X1, 2), OperandError, "indices must be of dtype torsh_ops.int64"),
    ],
)
def test_bad_operands(call, error, message):
    with pytest.raises(error, match=message):
        call()
