"""Convolutions of one and three dimensions, the transposed ones, and their layers."""

import numpy as np
import pytest
from oracle import assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops import nn
from torsh_ops.errors import ArgumentError, DTypeError, OperandError, ShapeError
from torsh_ops.nn import functional as F

# Input, weight, stride, padding, dilation, groups.
CONVS = {
    "1d": ((2, 3, 17), (5, 3, 4), (1,), (0,), (1,), 1),
    "1d all": ((2, 4, 19), (6, 2, 3), (2,), (3,), (2,), 2),
    "1d depthwise": ((1, 4, 40), (4, 1, 5), (1,), (2,), (1,), 4),
    "3d": ((2, 3, 5, 6, 7), (4, 3, 3, 2, 3), (1, 1, 1), (0, 0, 0), (1, 1, 1), 1),
    "3d all": ((1, 4, 7, 9, 8), (6, 2, 3, 2, 3), (3, 1, 2), (2, 0, 1), (2, 1, 1), 2),
    "3d border beyond the frames": ((1, 2, 2, 4, 4), (3, 2, 2, 1, 1), (2, 1, 1), (3, 0, 0), (1, 1, 1), 1),
}
# The same, and output_padding before the groups' place: stride, padding, output_padding, groups, dilation.
TRANSPOSED = {
    "1d": ((2, 3, 9), (3, 5, 4), 1, 0, 0, 1, 1),
    "1d all": ((2, 4, 9), (4, 3, 3), 3, 2, 1, 2, 2),
    "2d": ((2, 3, 5, 6), (3, 4, 3, 2), 1, 1, 0, 1, 1),
    "2d all": ((1, 4, 5, 4), (4, 3, 3, 2), (2, 3), (1, 0), (1, 2), 2, (1, 2)),
    "2d stride beyond the kernel": ((1, 2, 4, 4), (2, 3, 2, 2), 3, 0, 2, 1, 1),
    "3d": ((1, 2, 3, 4, 5), (2, 3, 2, 3, 2), 1, 0, 0, 1, 1),
    "3d all": ((1, 4, 3, 4, 3), (4, 2, 3, 2, 3), (2, 1, 2), (1, 0, 1), (1, 0, 0), 2, (2, 1, 1)),
}


def drawn(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def t(*arrays):
    return [torsh_ops.from_numpy(a) for a in arrays]


def reference(x, weight, bias, stride, padding, dilation, groups):
    """The definition: every window against every kernel."""
    dims = x.ndim - 2
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=tuple(range(2, x.ndim)))
    cut = (slice(None),) * 2 + tuple(slice(None, None, s) for s in (*stride, *dilation))
    kernel, place = "abc"[:dims], "ijk"[:dims]
    form = f"nz{place}{kernel},yz{kernel}->ny{place}"
    parts = zip(np.split(windows[cut], groups, 1), np.split(weight, groups), strict=True)
    return np.concatenate([np.einsum(form, a, b) for a, b in parts], 1) + bias.reshape(-1, *[1] * dims)


def convolve(x, *args):
    return {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[x.ndim](x, *args)


def transpose(x, *args):
    return {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}[x.ndim](x, *args)


@pytest.mark.parametrize("case", CONVS)
def test_the_value_is_the_definition(case):
    size, weight_size, *how = CONVS[case]
    x, weight, bias = drawn(size, weight_size, weight_size[:1])
    want = reference(x, weight, bias, *how)
    np.testing.assert_allclose(convolve(*t(x, weight, bias), *how).numpy(), want, rtol=0, atol=1e-13 * weight.size)
    one = convolve(*t(x[0], weight, bias), *how) if x.ndim == 4 else None
    assert one is None or one.shape == want.shape[1:]


@pytest.mark.parametrize("case", TRANSPOSED)
def test_transposed_is_the_transpose(case):
    # <conv_transpose(x, w), g> = <x, conv(g, w)>: conv reads w as kernels of its own output's channels.
    size, weight_size, stride, padding, more, groups, dilation = TRANSPOSED[case]
    x, weight, bias = drawn(size, weight_size, (weight_size[1] * groups,))
    got = transpose(*t(x, weight, bias), stride, padding, more, groups, dilation).numpy()
    dims = len(size) - 2
    each = [(v,) * dims if isinstance(v, int) else v for v in (stride, padding, dilation, more)]
    want = [
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, k, s, p, d, m in zip(size[2:], weight_size[2:], *each, strict=True)
    ]
    assert got.shape == (size[0], weight_size[1] * groups, *want)
    got = got - bias.reshape(-1, *[1] * dims)
    (g,) = drawn(got.shape, seed=1)
    back = reference(g, weight, np.zeros(size[1]), *each[:3], groups)[(..., *(slice(n) for n in size[2:]))]
    np.testing.assert_allclose((got * g).sum(), (back * x).sum(), rtol=1e-12)


def slope(operator, arrays, along, step=1e-6):
    above, below = (operator(*[a + h * v for a, v in zip(arrays, along, strict=True)]) for h in (step, -step))
    return (above - below) / (2 * step)


@pytest.mark.parametrize("case", ["1d all", "3d all"])
@pytest.mark.parametrize("form", ["plain", "transposed"])
def test_first_and_second_derivatives_by_differences(form, case):
    size, weight_size, *how = (CONVS if form == "plain" else TRANSPOSED)[case]
    rows = weight_size[0] if form == "plain" else weight_size[1] * how[3]
    arrays = drawn(size, weight_size, (rows,))
    along = drawn(*(a.shape for a in arrays), seed=1)
    operator = convolve if form == "plain" else transpose

    def gradients(*values, create_graph=False):
        leaves = [a.requires_grad_() for a in t(*values)]
        loss = (operator(*leaves, *how) ** 3).sum()
        return leaves, loss, torsh_ops.autograd.grad(loss, leaves, create_graph=create_graph)

    leaves, _, first = gradients(*arrays, create_graph=True)
    inner = sum((g * v).sum() for g, v in zip(first, t(*along), strict=True))
    value = slope(lambda *a: gradients(*a)[1].item(), arrays, along)
    np.testing.assert_allclose(inner.item(), value, rtol=1e-6)
    for i, second in enumerate(torsh_ops.autograd.grad(inner, leaves)):
        want = slope(lambda *a, i=i: gradients(*a)[2][i].numpy(), arrays, along)
        np.testing.assert_allclose(second.numpy(), want, rtol=1e-5, atol=1e-6 * np.abs(want).max())


@pytest.mark.parametrize(("size", "kernel"), [((2, 3, 9), (4,)), ((2, 3, 5, 6), (2, 3)), ((2, 3, 4, 5, 6), (2, 3, 4))])
def test_named_padding(size, kernel):
    x, weight = t(*drawn(size, (4, 3, *kernel)))
    assert convolve(x, weight, None, 1, "same", 2).shape == (2, 4, *size[2:])
    valid, none = (convolve(x, weight, None, 1, p) for p in ("valid", 0))
    np.testing.assert_array_equal(valid.numpy(), none.numpy())


@needs_torch
@pytest.mark.parametrize("case", CONVS)
def test_matches_torch(case):
    size, weight_size, *how = CONVS[case]
    compare(F.conv1d if len(size) == 3 else F.conv3d, drawn(size, weight_size, weight_size[:1]), how)


@needs_torch
@pytest.mark.parametrize("case", TRANSPOSED)
def test_transposed_matches_torch(case):
    size, weight_size, *how = TRANSPOSED[case]
    operator = getattr(F, f"conv_transpose{len(size) - 2}d")
    compare(operator, drawn(size, weight_size, (weight_size[1] * how[3],)), how)
    compare(operator, [a if i else a[0] for i, a in enumerate(drawn(size, weight_size))], [None, *how])


def compare(operator, arrays, how):
    ours, theirs = t(*arrays), [torch.from_numpy(a.copy()) for a in arrays]
    for x in (*ours, *theirs):
        x.requires_grad_()
    y, z = operator(*ours, *how), getattr(torch.nn.functional, operator.__name__)(*theirs, *how)
    assert_same(y, z, 1e-11, 1e-11)
    (g,) = drawn(y.shape, seed=2)
    y.backward(torsh_ops.from_numpy(g))
    z.backward(torch.from_numpy(g))
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a.grad, b.grad, 1e-11, 1e-10)


@needs_torch
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, "same"])
def test_layers_take_their_border_from_the_input(mode, padding):
    for dims in (1, 2, 3):
        name, size = f"Conv{dims}d", (2, 3, 7, 6, 5)[: dims + 2]
        ours = getattr(nn, name)(3, 4, 4, padding=padding, padding_mode=mode)
        theirs = getattr(torch.nn, name)(3, 4, 4, padding=padding, padding_mode=mode)
        for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            other.data.copy_(torch.from_numpy(parameter.detach().numpy().copy()))
        (x,) = drawn(size)
        x = x.astype("f4")
        assert_same(ours(torsh_ops.from_numpy(x)), theirs(torch.from_numpy(x)), 1e-4, 1e-5)
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_layers_call_their_functions(dims):
    (x,) = t(*drawn((2, 4, 6, 5, 4)[: dims + 2]))
    how = {"stride": 2, "padding": 1, "groups": 2, "dilation": 1, "dtype": torsh_ops.float64}
    layer, back = (getattr(nn, f"{name}{dims}d")(4, 6, 3, **how) for name in ("Conv", "ConvTranspose"))
    assert layer.weight.shape == (6, 2, *(3,) * dims)
    assert back.weight.shape == (4, 3, *(3,) * dims)
    np.testing.assert_array_equal(
        layer(x).detach().numpy(), convolve(x, layer.weight, layer.bias, 2, 1, 1, 2).detach().numpy()
    )
    want = transpose(x, back.weight, back.bias, 2, 1, 0, 2, 1).detach().numpy()
    np.testing.assert_array_equal(back(x).detach().numpy(), want)


@needs_torch
def test_transposed_layers_find_the_padding_of_an_output_size():
    for dims in (1, 2, 3):
        name, size = f"ConvTranspose{dims}d", (2, 4, 5, 4, 3)[: dims + 2]
        ours = getattr(nn, name)(4, 2, 3, stride=2, padding=1, groups=2)
        theirs = getattr(torch.nn, name)(4, 2, 3, stride=2, padding=1, groups=2)
        for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert parameter.shape == tuple(other.shape)
            other.data.copy_(torch.from_numpy(parameter.detach().numpy().copy()))
        (x,) = drawn(size)
        x = x.astype("f4")
        wanted = [2 * n for n in size[2:]]
        assert_same(ours(torsh_ops.from_numpy(x), wanted), theirs(torch.from_numpy(x), wanted), 1e-4, 1e-5)
        assert repr(ours) == repr(theirs)


def test_gradients_of_a_signal_by_every_difference():
    x, weight = drawn((1, 2, 6), (3, 2, 3))
    leaf = torsh_ops.from_numpy(x).requires_grad_()
    (F.conv1d(leaf, *t(weight), padding=1) ** 2).sum().backward()
    zero = np.zeros(3)
    want = numeric_gradient(lambda a: (reference(a, weight, zero, (1,), (1,), (1,), 1) ** 2).sum(), x)
    np.testing.assert_allclose(leaf.grad.numpy(), want, rtol=1e-6, atol=1e-7)


X1, X2, X3 = torsh_ops.zeros(2, 4, 6), torsh_ops.zeros(2, 4, 6, 6), torsh_ops.zeros(2, 4, 6, 6, 6)
W1, W2, W3 = torsh_ops.zeros(4, 4, 3), torsh_ops.zeros(4, 4, 3, 3), torsh_ops.zeros(4, 4, 3, 3, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.conv1d(X2, W1), ShapeError, r"Expected 2D .* or 3D .* to conv1d.*\[2, 4, 6, 6\]"),
        (lambda: F.conv1d(X1, W2), ShapeError, r"must be of shape \(k, c / groups, kw\), but got \[4, 4, 3, 3\]"),
        (lambda: F.conv3d(X3[:, :3], W3), ShapeError, r"input\[2, 3, 6, 6, 6\] to have 4 channels, but got 3"),
        (lambda: F.conv3d(X3, W3, dilation=3), ShapeError, r"\(6, 6, 6\). Kernel size: \(7, 7, 7\).*\[4, 4, 3"),
        (lambda: F.conv1d(X1, W1, stride=(1, 2)), OperandError, r"stride must be an int, but got \(1, 2\)"),
        (lambda: F.conv3d(X3, W3, padding=(1, 2)), OperandError, r"padding must be an int or three ints"),
        (lambda: F.conv1d(X1.long(), W1.long()), DTypeError, r"conv1d\(\) is not implemented for .*int64"),
        (lambda: F.conv_transpose2d(X2, W2, output_padding=1), ShapeError, r"output padding must be .*\(1, 1\)"),
        (lambda: F.conv_transpose2d(X2[:, :2], W2), ShapeError, r"transposed=1.*\[2, 2, 6, 6\] to have 4 channels"),
        (lambda: F.conv_transpose2d(X2, W2, groups=3), ShapeError, "Given groups=3, expected weight to be divisible"),
        (lambda: F.conv_transpose1d(X1, W1, padding=5), ShapeError, r"size per channel: \(-2,\). Output size is"),
        (lambda: F.conv_transpose3d(X3, W3, X1), ShapeError, r"bias to be 1-dimensional with 4 .*\[2, 4, 6\]"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ArgumentError, "'mirror' is not supported.*reflect"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), ArgumentError, "ConvTranspose2d takes zeros"),
        (lambda: nn.Conv1d(3, 4, 3, groups=2), ArgumentError, "divisible by groups, but got 3, 4 and groups=2"),
        (lambda: nn.Conv1d(4, 4, 9, padding=6, padding_mode="reflect")(X1), ArgumentError, r"padding \(6, 6\) .* of 6"),
        (lambda: nn.ConvTranspose1d(4, 4, 3)(X1, [10]), ArgumentError, r"requested an output size of \(10,\).*\[8\]"),
    ],
)  # fmt: skip
def test_bad_operands(call, error, message):
    with pytest.raises(error, match=message):
        call()
