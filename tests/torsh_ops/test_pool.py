import itertools

import numpy as np
import pytest
from oracle import LAYOUTS, assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DTypeError, OperandError, ShapeError
from torsh_ops.ops.pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d

# kernel, stride, padding, dilation, ceil_mode
WINDOWS = [
    (2, None, 0, 1, False),
    (2, 2, 0, 1, True),
    (3, 2, 1, 1, False),
    (3, 2, 1, 1, True),
    ((2, 3), (1, 2), (1, 1), 1, True),
    ((1, 4), (3, 1), (0, 2), 1, False),
    (2, 1, 0, 2, False),
    ((3, 2), 2, (1, 0), (2, 3), True),
]
SHAPES = [(2, 3, 9, 7), (1, 2, 8, 8), (3, 8, 9)]


def images(shape, dtype="float64", ties=False):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    return (np.round(x) if ties else x).astype(dtype)


def t(a):
    return torsh_ops.from_numpy(a)


def pair(v):
    return (v, v) if isinstance(v, int) else v


def windows(size, kernel, stride, padding, dilation, ceil_mode):
    """Rows (or columns) that each window covers, and how many places it has with its padding."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if (count - 1) * stride >= size + padding:
        count -= 1
    for i in range(count):
        places = [i * stride - padding + j * dilation for j in range(kernel)]
        yield [p for p in places if 0 <= p < size], sum(p < size + padding for p in places)


def every_window(x, kernel, stride, padding, dilation, ceil_mode):
    kernel, padding, dilation = pair(kernel), pair(padding), pair(dilation)
    stride = kernel if stride is None else pair(stride)
    sides = [list(windows(x.shape[d - 2], kernel[d], stride[d], padding[d], dilation[d], ceil_mode)) for d in range(2)]
    return sides, (*x.shape[:-2], len(sides[0]), len(sides[1]))


def reference(x, what, *how):
    sides, shape = every_window(x, *how)
    out = np.empty(shape, x.dtype)
    for (i, (rows, n)), (j, (columns, m)) in itertools.product(*map(enumerate, sides)):
        out[..., i, j] = what(x[..., rows, :][..., columns].reshape(*x.shape[:-2], -1), n * m)
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("how", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_maximum_is_the_definition(shape, how, dtype):
    x = images(shape, dtype)
    want = reference(x, lambda part, _: part.max(-1), *how)
    np.testing.assert_array_equal(max_pool2d(t(x), *how).numpy(), want)
    values, indices = max_pool2d(t(x), *how, return_indices=True)
    assert indices.dtype is torsh_ops.int64
    np.testing.assert_array_equal(values.numpy(), want)
    flat = x.reshape(*x.shape[:-2], -1)
    np.testing.assert_array_equal(
        np.take_along_axis(flat, indices.numpy().reshape(*flat.shape[:-1], -1), -1).reshape(want.shape), want
    )


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("divisor", [None, 5])
@pytest.mark.parametrize("how", [w for w in WINDOWS if w[3] == 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_mean_is_the_definition(shape, how, divisor, include):
    x = images(shape)
    kernel, stride, padding, _, ceil_mode = how
    want = reference(x, lambda part, n: part.sum(-1) / (divisor or (n if include else part.shape[-1])), *how)
    got = avg_pool2d(t(x), kernel, stride, padding, ceil_mode, include, divisor)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("out", [1, (2, 3), (None, 2), (5, 20)])
def test_even_means(out):
    x = images((2, 3, 9, 7))
    rows, columns = (n or size for n, size in zip(pair(out), (9, 7), strict=True))
    want = np.empty((2, 3, rows, columns))
    for i, j in itertools.product(range(rows), range(columns)):
        part = x[:, :, i * 9 // rows : -(-(i + 1) * 9 // rows), j * 7 // columns : -(-(j + 1) * 7 // columns)]
        want[:, :, i, j] = part.mean((2, 3))
    np.testing.assert_allclose(adaptive_avg_pool2d(t(x), out).numpy(), want, rtol=1e-13)


OPERATORS = {
    "max": lambda x: max_pool2d(x, 3, 2, 1),
    "max of four": lambda x: max_pool2d(x, 2),
    "mean": lambda x: avg_pool2d(x, (3, 2), 2, 1, True, False),
    "even means": lambda x: adaptive_avg_pool2d(x, (2, 3)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_gradients_by_differences(name):
    op, x = OPERATORS[name], images((1, 2, 6, 7))
    scale = np.random.default_rng(1).standard_normal(op(t(x)).shape)
    leaf = t(x).requires_grad_()
    (op(leaf) ** 3 * t(scale)).sum().backward()
    want = numeric_gradient(lambda a: float((op(t(a)).numpy() ** 3 * scale).sum()), x)
    np.testing.assert_allclose(leaf.grad.numpy(), want, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", OPERATORS)
def test_second_derivatives_by_differences(name):
    op, x = OPERATORS[name], images((1, 2, 6, 7))
    along = np.random.default_rng(1).standard_normal(x.shape)

    def gradient(a, create_graph):
        leaf = t(a).requires_grad_()
        return leaf, torsh_ops.autograd.grad((op(leaf) ** 3).sum(), leaf, create_graph=create_graph)[0]

    leaf, first = gradient(x, True)
    (second,) = torsh_ops.autograd.grad((first * t(along)).sum(), leaf)
    above, below = (gradient(x + h * along, False)[1].numpy() for h in (1e-6, -1e-6))
    np.testing.assert_allclose(second.numpy(), (above - below) / 2e-6, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("how", [(2,), (3, 1, 1), (2, 2, 0, 1, True)])
def test_nan_and_minus_infinity(how):
    x = np.full((1, 1, 6, 6), -np.inf, "f4")
    x[0, 0, 2, 3] = np.nan
    values, indices = max_pool2d(t(x), *how, return_indices=True)
    seen = (indices.numpy() == 15) | np.isnan(values.numpy())
    assert seen.any()
    np.testing.assert_array_equal(np.isnan(values.numpy()), indices.numpy() == 15)
    np.testing.assert_array_equal(max_pool2d(t(x), *how).numpy(), values.numpy())
    assert (indices.numpy() >= 0).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_of_any_layout(layout):
    x = images((2, 3, 8, 6))
    for op in OPERATORS.values():
        np.testing.assert_array_equal(op(t(LAYOUTS[layout](x))).numpy(), op(t(x)).numpy())


@needs_torch
@pytest.mark.parametrize("how", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_ties_go_where_torch_puts_them(shape, how):
    x = images(shape, "float32", ties=True)
    ours, theirs = t(x).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
    y, i = max_pool2d(ours, *how, return_indices=True)
    z, j = torch.nn.functional.max_pool2d(theirs, *how, return_indices=True)
    assert_same(y, z)
    assert_same(i, j)
    g = np.random.default_rng(2).standard_normal(y.shape).astype("f4")
    y.backward(t(g))
    z.backward(torch.from_numpy(g))
    assert_same(ours.grad, theirs.grad)


X = torsh_ops.zeros(2, 3, 6, 6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: max_pool2d(X[0, 0], 2), ShapeError, r"max_pool2d\(\): expected 3D or 4D .*\[6, 6\]"),
        (lambda: avg_pool2d(X.long(), 2), DTypeError, r"avg_pool2d\(\) is not implemented for .*int64"),
        (lambda: max_pool2d(X, 0), ArgumentError, "kernel_size must be at least 1, but got 0"),
        (lambda: max_pool2d(X, 2, stride=0), ArgumentError, "stride must be at least 1, but got 0"),
        (lambda: max_pool2d(X, 2, padding=2), ArgumentError, r"at most half of kernel size, but got pad=\(2, 2\)"),
        (lambda: max_pool2d(X, (1, 2, 3)), OperandError, r"kernel_size .* but got \(1, 2, 3\)"),
        (lambda: avg_pool2d(X, 7), ShapeError, "window of 7 .* side of 6: output size is too small"),
        (lambda: avg_pool2d(X, 2, divisor_override=0), ArgumentError, "divisor must be not zero"),
        (lambda: adaptive_avg_pool2d(X, (2, 0)), ArgumentError, r"output_size .* but got \(2, 0\)"),
        (lambda: adaptive_avg_pool2d(X, 1.5), ArgumentError, r"output_size .* but got 1\.5"),
        (lambda: max_pool2d(3, 2), OperandError, "must be Tensor, not int"),
    ],
)
def test_bad_operands(call, error, message):
    with pytest.raises(error, match=message):
        call()
