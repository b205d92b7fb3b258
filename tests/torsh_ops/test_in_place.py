"""What is done in place, recorded: each case runs on plain tensors too, whose differences are the expected gradient."""

import numpy as np
import pytest
from oracle import needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops import nn
from torsh_ops.errors import DTypeError, GradError, ShapeError

POINT = np.array([0.7, -1.3, 2.1, 0.4])


def _old_history_stays(lib, w):
    y = w * 2
    z = y * 3
    y.mul_(w)
    return (z + y).sum()


def _through_a_view(lib, w):
    y = w * 2
    y[1:3].mul_(w[:2])
    return (y * w).sum()


def _a_view_follows_its_base(lib, w):
    y = w * 2
    v = y[1:3]
    y.mul_(3)
    return (v * v).sum()


def _views_of_views(lib, w):
    y = w * 1.0
    v = y[0:2]
    v[1:].mul_(5)
    return (v * v).sum() + (y * y).sum()


def _through_a_transpose(lib, w):
    y = (w * 1.0).reshape(2, 2)
    y.t().mul_(w.reshape(2, 2))
    return (y * y).sum()


def _a_buffer(lib, w):
    b = w.detach() * 0
    b[1:3] = w[:2] * w[2:]
    b[0] = w[3]
    return (b * b).sum()


def _rows_of_a_buffer(lib, w):
    b = lib.zeros(2, 4, dtype=lib.float64)
    b[0].copy_(w)
    b[1].add_(w * 2)
    return (b * b * b).sum()


def _chosen_places(lib, w):
    y = w * 1.0
    y[lib.tensor([0, 2])] = w[:2] * 5
    return (y * y).sum()


def _broadcast_values(lib, w):
    y = (w * 1.0).reshape(2, 2)
    y[:, 1] = w[0]
    y[0, :] = w[1:3].reshape(1, 2)
    return (y * y).sum()


def _masked(lib, w):
    y = w * 1.0
    y.masked_fill_(lib.tensor([True, False, True, False]), 0.5)
    return (y * y * w).sum()


def _filled(lib, w):
    y = w * 1.0
    y.fill_(3.0)
    y += w
    return (y * w).sum()


def _a_chain(lib, w):
    y = w * 1.0
    y.mul_(w).add_(w, alpha=2).clamp_(-0.5, 4.0).neg_()
    return (y * y).sum()


def _a_loop(lib, w):
    y, parts = w * 1.0, []
    for i in range(4):
        y.mul_(1.5)
        parts.append(y * 2 if i % 2 else y.clone())
    return sum(p.sum() * (i + 1) for i, p in enumerate(parts))


def _added_places(lib, w):
    y = w * 1.0
    y.index_add_(0, lib.tensor([0, 1]), w[:2])
    return (y * y).sum()


def _triangle(lib, w):
    y = (w * 1.0).reshape(2, 2)
    y.tril_()
    return (y * y * y).sum()


def _without_gradient_between(lib, w):
    y = w * 1.0
    with lib.no_grad():
        y.mul_(1.0)
    return (y * y).sum()


CASES = [value for name, value in list(globals().items()) if name.startswith("_") and name[1].isalpha()]


@pytest.mark.parametrize("case", CASES)
def test_gradient_by_finite_differences(case):
    x = torsh_ops.from_numpy(POINT.copy()).requires_grad_()
    case(torsh_ops, x).backward()
    expected = numeric_gradient(lambda a: case(torsh_ops, torsh_ops.from_numpy(a)).item(), POINT)
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", [c for c in CASES if c is not _a_loop])
def test_second_gradient_by_finite_differences(case):
    weight = torsh_ops.tensor([1.0, -2.0, 0.5, 3.0], dtype=torsh_ops.float64)

    def along(array, create_graph):
        x = torsh_ops.from_numpy(array).requires_grad_()
        (g,) = torsh_ops.autograd.grad(case(torsh_ops, x), x, create_graph=create_graph)
        return x, (g * weight).sum()

    x, value = along(POINT.copy(), True)
    (second,) = torsh_ops.autograd.grad(value, x)
    expected = numeric_gradient(lambda a: along(a, False)[1].item(), POINT)
    np.testing.assert_allclose(second.numpy(), expected, rtol=1e-5, atol=1e-6)


@needs_torch
@pytest.mark.parametrize("case", CASES)
def test_torch_agrees(case):
    ours, theirs = torsh_ops.from_numpy(POINT.copy()).requires_grad_(), torch.from_numpy(POINT.copy()).requires_grad_()
    case(torsh_ops, ours).backward()
    case(torch, theirs).backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-12)


def _product_operand(lib, w):
    y = w * 2
    z = y * y
    y.add_(1)
    return z


def _result_of_tanh(lib, w):
    y = w.tanh()
    y.mul_(2)
    return y


def _result_changed_without_gradient(lib, w):
    y = w.exp()
    with lib.no_grad():
        y.mul_(2)
    return y


def _result_changed_through_detach(lib, w):
    y = w.exp()
    y.detach()[1:].mul_(2)
    return y


GONE = [_product_operand, _result_of_tanh, _result_changed_without_gradient, _result_changed_through_detach]
LIBRARIES = [torsh_ops, pytest.param(torch, marks=needs_torch)]


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("case", GONE)
def test_values_that_are_gone_are_missed_at_backward(lib, case):
    total = case(lib, lib.tensor([1.0, 2.0], requires_grad=True)).sum()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@pytest.mark.parametrize("lib", LIBRARIES)
def test_leaves_and_their_views_are_refused(lib):
    leaf = lib.ones(3, requires_grad=True)
    for refused in (leaf, leaf[:2], leaf.reshape(3, 1)):
        with pytest.raises(RuntimeError, match="leaf"):
            refused.add_(1)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf[0] = 1.0
    with lib.no_grad():
        leaf[0] = 2.0
        leaf.detach().add_(1)
    assert leaf.tolist() == [3, 2, 2]


def test_a_detached_tensor_gets_a_history_of_its_own():
    w = torsh_ops.tensor([1.0, 2.0], requires_grad=True)
    y = w * 1.0
    apart = y.detach()
    apart[:1].add_(w[:1])
    assert y.tolist() == [2, 2]
    apart.sum().backward()
    assert w.grad.tolist() == [1, 0]
    w.grad = None
    y.sum().backward()
    assert w.grad.tolist() == [1, 1]


def test_what_does_not_fit_is_refused_and_nothing_is_written():
    w = torsh_ops.tensor([1.0, 2.0], requires_grad=True)
    y = w * 1.0
    with pytest.raises(ShapeError, match=r"\(2,\).*\(3, 2\)"):
        y.add_(torsh_ops.ones(3, 2))
    with pytest.raises(DTypeError, match="int64"):
        torsh_ops.tensor([1, 2]).add_(w)
    with pytest.raises(GradError, match="another dtype"):
        torsh_ops.complex(w, w).real.mul_(2)
    turned = torsh_ops.from_numpy(np.asfortranarray(np.ones((2, 2))))
    with pytest.raises(GradError, match="not contiguous"):
        turned[0].mul_(w.to(torsh_ops.float64))
    assert y.tolist() == [1, 2] and turned.tolist() == [[1, 1], [1, 1]]


def test_modules_in_place_train():
    x = torsh_ops.tensor([[-1.0, 2.0]], requires_grad=True)
    for layer in (nn.ReLU(inplace=True), nn.LeakyReLU(0.5, inplace=True), nn.SiLU(inplace=True)):
        (got,) = torsh_ops.autograd.grad(layer(x * 1.0), x, torsh_ops.ones(1, 2))
        layer.inplace = False
        (want,) = torsh_ops.autograd.grad(layer(x * 1.0), x, torsh_ops.ones(1, 2))
        assert got.tolist() == want.tolist()


def test_strided_views_have_their_gradient_in_float32():
    x = torsh_ops.arange(6.0).requires_grad_()
    (x * 1.0).as_strided((2, 2), (3, 1), 1).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0, 1, 1]
