import asyncio
import math
import threading

import numpy as np
import pytest
from oracle import assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops.errors import GradError, ShapeError
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import norm as nm

W = np.random.default_rng(8).standard_normal((4, 4))
INDEX = torsh_ops.tensor([[0, 2, 1, 3], [3, 3, 0, 0]])


def k(shape):
    """Numbers that make the gradient of every element different."""
    return torsh_ops.from_numpy(np.random.default_rng(9).standard_normal(shape))


# Each takes a (3, 4) float64 tensor, away from kinks and poles.
CASES = {
    "add": lambda x: x + k((4,)),
    "radd": lambda x: 2.0 + x,
    "sub": lambda x: k((3, 1)) - x,
    "mul": lambda x: x * k((3, 4)),
    "mul_self": lambda x: x * x,
    "div": lambda x: k((3, 4)) / (x + 4.0),
    "div_scalar": lambda x: x / 3.0,
    "neg": lambda x: -x,
    "abs": lambda x: x.abs(),
    "pow_scalar": lambda x: x**3,
    "square": lambda x: x**2,
    "pow_tensor": lambda x: (x.abs() + 0.5) ** k((3, 4)),
    "pow_base": lambda x: 2.0**x,
    "exp": lambda x: x.exp(),
    "log": lambda x: (x.abs() + 0.5).log(),
    "sqrt": lambda x: (x.abs() + 0.5).sqrt(),
    "rsqrt": lambda x: (x.abs() + 0.5).rsqrt(),
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "erf": lambda x: x.erf(),
    "relu": lambda x: x.relu(),
    "silu": ew.silu,
    "gelu": ew.gelu,
    "gelu_tanh": lambda x: ew.gelu(x, "tanh"),
    "maximum": lambda x: torsh_ops.maximum(x, k((3, 4))),
    "minimum": lambda x: torsh_ops.minimum(k((3, 4)), x),
    "clamp": lambda x: x.clamp(-0.4, 0.6),
    "where": lambda x: torsh_ops.where(k((3, 4)) > 0, x, x * 2.0),
    "remainder": lambda x: torsh_ops.remainder(x, 0.7),
    "to": lambda x: x.to(torsh_ops.float64, copy=True) * 2.0,
    "sum": lambda x: x.sum(),
    "sum_dim": lambda x: x.sum(0),
    "sum_keepdim": lambda x: x.sum((0, 1), True),
    "mean": lambda x: x.mean(1),
    "prod": lambda x: x.prod(1),
    "amax": lambda x: x.amax(1),
    "amin": lambda x: x.amin(),
    "max_dim": lambda x: x.max(1).values,
    "var": lambda x: x.var(1),
    "std": lambda x: x.std(0, keepdim=True),
    "norm": lambda x: x.norm(dim=1),
    "norm1": lambda x: x.norm(1),
    "norm_inf": lambda x: x.norm(math.inf, 1),
    "norm3": lambda x: x.norm(3.0, 0),
    "logsumexp": lambda x: x.logsumexp(1),
    "softmax": lambda x: x.softmax(1),
    "softmax_0": lambda x: x.softmax(0),
    "log_softmax": lambda x: x.log_softmax(-1),
    "layer_norm": lambda x: nm.layer_norm(x, (4,), k((4,)), k((4,))),
    "layer_norm_weight": lambda x: nm.layer_norm(k((3, 4)), (3, 4), x, x * 0.5),
    "mm": lambda x: x @ torsh_ops.from_numpy(W),
    "mm_right": lambda x: torsh_ops.from_numpy(W[:, :3]) @ x,
    "mv": lambda x: x @ torsh_ops.from_numpy(W[0]),
    "bmm": lambda x: x.reshape(3, 2, 2) @ x.reshape(3, 2, 2).transpose(1, 2),
    "matmul_broadcast": lambda x: x.unsqueeze(1) @ torsh_ops.from_numpy(W[None]),
    "reshape": lambda x: x.reshape(2, -1) * k((2, 6)),
    "permute": lambda x: x.T * k((4, 3)),
    "expand": lambda x: x.unsqueeze(0).expand(5, -1, -1) * k((5, 3, 4)),
    "cat": lambda x: torsh_ops.cat([x, k((2, 4)), x * 2.0], 0) * k((8, 4)),
    "stack": lambda x: torsh_ops.stack([x, x * x], 1) * k((3, 2, 4)),
    "split": lambda x: x.split(3, 1)[1] * x.chunk(4, 1)[0],
    "index_slice": lambda x: x[1:, ::2] * k((2, 2)),
    "index_tensor": lambda x: x[torsh_ops.tensor([0, 0, 2])] * k((3, 4)),
    "index_mask": lambda x: x[torsh_ops.tensor([True, False, True])] * k((2, 4)),
    "gather": lambda x: x.gather(1, INDEX) * k((2, 4)),
    "index_select": lambda x: x.index_select(1, torsh_ops.tensor([1, 1, 3])) * k((3, 3)),
    "scatter_add": lambda x: torsh_ops.scatter_add(x, 1, INDEX, x * 3.0) * k((3, 4)),
    "tril": lambda x: x.tril() * k((3, 4)),
    "masked_fill": lambda x: x.masked_fill(k((3, 4)) > 0, 0.0),
    "clone": lambda x: x.clone() * k((3, 4)),
}  # fmt: skip


def scalar(case, x):
    y = case(x)
    return (y * k(y.shape)).sum()


@pytest.fixture
def point():
    return np.random.default_rng(10).standard_normal((3, 4)) + 0.05


@pytest.mark.parametrize("name", CASES)
def test_gradient_by_finite_differences(name, point):
    x = torsh_ops.from_numpy(point.copy()).requires_grad_()
    scalar(CASES[name], x).backward()
    expected = numeric_gradient(lambda a: scalar(CASES[name], torsh_ops.from_numpy(a)).item(), point)
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_second_gradient_by_finite_differences(name, point):
    weight = torsh_ops.from_numpy(np.random.default_rng(11).standard_normal((3, 4)))

    def slope(array, create_graph):
        x = torsh_ops.from_numpy(array).requires_grad_()
        (g,) = torsh_ops.autograd.grad(scalar(CASES[name], x), x, create_graph=create_graph)
        return x, (g * weight).sum()

    x, along = slope(point.copy(), True)
    if not along.requires_grad:  # linear in x
        expected = np.zeros_like(point)
        got = expected
    else:
        (second,) = torsh_ops.autograd.grad(along, x, allow_unused=True)
        got = np.zeros_like(point) if second is None else second.numpy()
    expected = numeric_gradient(lambda a: slope(a, False)[1].item(), point)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


@needs_torch
def test_a_network_in_float32_matches_torch():
    rng = np.random.default_rng(12)
    arrays = [rng.standard_normal(s).astype("f4") for s in ((16, 8), (8, 32), (32,), (32,), (32,), (32, 4))]

    def loss(lib, functional, x, w1, b1, g, b, w2):
        h = functional.gelu(functional.layer_norm(x @ w1 + b1, (32,), g, b))
        return (functional.softmax(h @ w2, -1) ** 2).mean()

    ours = [torsh_ops.from_numpy(a.copy()).requires_grad_() for a in arrays]
    theirs = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]

    class Functional:
        gelu, softmax, layer_norm = staticmethod(ew.gelu), staticmethod(nm.softmax), staticmethod(nm.layer_norm)

    loss(torsh_ops, Functional, *ours).backward()
    loss(torch, torch.nn.functional, *theirs).backward()
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a.grad, b.grad, rtol=1e-4, atol=1e-7)


def test_gradients_accumulate_and_own_their_memory():
    x, y = (torsh_ops.ones(3, requires_grad=True) for _ in range(2))
    (x + y).sum().backward()
    (x + y).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    x.grad.zero_()
    assert y.grad.tolist() == [2, 2, 2]


def test_no_grad_and_detach_record_nothing():
    x = torsh_ops.ones(2, requires_grad=True)
    with torsh_ops.no_grad():
        assert not (x * 2).requires_grad
        with torsh_ops.enable_grad():
            assert (x * 2).requires_grad
    assert not x.detach().requires_grad

    @torsh_ops.no_grad()
    def inside():
        return torsh_ops.is_grad_enabled()

    assert not inside()
    assert torsh_ops.is_grad_enabled()


def test_recording_is_a_matter_of_each_thread_and_task():
    x = torsh_ops.ones(2, requires_grad=True)
    found = []
    with torsh_ops.no_grad():
        thread = threading.Thread(target=lambda: found.append((x * 2).requires_grad))
        thread.start()
        thread.join()
    assert found == [True]

    async def switched(first, second):
        with torsh_ops.no_grad():
            first.set()
            await second.wait()
            return (x * 2).requires_grad

    async def beside(first, second):
        await first.wait()
        second.set()
        return (x * 2).requires_grad

    async def both():
        events = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(switched(*events), beside(*events))

    assert asyncio.run(both()) == [False, True]


def test_set_grad_enabled_switches_at_once_for_a_block_or_for_a_function():
    with torsh_ops.set_grad_enabled(False):
        assert not torsh_ops.is_grad_enabled()
    assert torsh_ops.is_grad_enabled()
    before = torsh_ops.set_grad_enabled(0)
    assert torsh_ops.is_grad_enabled() is False
    with before:
        pass
    assert torsh_ops.is_grad_enabled()
    inside = torsh_ops.set_grad_enabled(False)(torsh_ops.is_grad_enabled)
    assert torsh_ops.is_grad_enabled()
    assert not inside()
    assert torsh_ops.is_grad_enabled()


def test_non_leaf_inputs_and_unused_inputs_of_grad():
    x = torsh_ops.tensor([1.0, 2.0], requires_grad=True)
    h = x * 3
    unused = torsh_ops.ones(1, requires_grad=True)
    gx, gh = torsh_ops.autograd.grad((h * h).sum(), (x, h))
    assert gx.tolist() == [18, 36]
    assert gh.tolist() == [6, 12]
    assert x.grad is None
    with pytest.raises(GradError, match="allow_unused"):
        torsh_ops.autograd.grad((x * 2).sum(), unused)
    assert torsh_ops.autograd.grad((x * 2).sum(), unused, allow_unused=True) == (None,)


def test_errors_of_the_tape():
    x = torsh_ops.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GradError, match="second time") as caught:
        y.backward()
    assert isinstance(caught.value, RuntimeError)
    with pytest.raises(GradError, match=r"scalar outputs.*\(2,\)"):
        (x * x).backward()
    with pytest.raises(ShapeError, match=r"\(3,\).*\(2,\)"):
        (x * x).backward(torsh_ops.ones(3))
    with pytest.raises(GradError, match="does not require grad"):
        torsh_ops.ones(1).sum().backward()
    with pytest.raises(GradError, match="floating-point"):
        torsh_ops.tensor([1]).requires_grad_()
    with pytest.raises(GradError, match=r"detach\(\)"):
        x.numpy()


def test_a_saved_tensor_changed_in_place_is_noticed():
    x = torsh_ops.ones(2, requires_grad=True)
    factor = torsh_ops.ones(4)
    y = (x * factor[:2]).sum()
    factor.add_(1)
    with pytest.raises(GradError, match=r"modified by an inplace operation.*mul"):
        y.backward()
    shift = torsh_ops.ones(2)
    z = (x + shift).sum()  # add needs neither operand for its gradient
    shift.add_(1)
    z.backward()
    assert x.grad.tolist() == [1, 1]


def test_retain_graph_walks_twice():
    x = torsh_ops.tensor([3.0], requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12]


def test_post_accumulate_grad_hooks_run_after_the_gradient_is_there():
    x = torsh_ops.ones(2, requires_grad=True)
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * x * 1.0 + x).sum().backward()
    assert seen == [[3, 3]]
    handle.remove()
    handle.remove()
    x.sum().backward()
    assert seen == [[3, 3]]
    with pytest.raises(GradError, match="non-leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)
