"""What the tests of torsh_ops.nn share: inputs, and a call checked against PyTorch and against differences."""

from typing import Any

import numpy as np
from oracle import assert_same, numeric_gradient, torch

import torsh_ops
from torsh_ops.nn import functional as F

Call = Any  # (nn.functional, the library, *tensors) -> tensor, of either library


def normal(*shape: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def t(array: Any) -> torsh_ops.Tensor:
    return torsh_ops.from_numpy(np.asarray(array))


def weigh(y: Any) -> np.ndarray:
    """A different weight for each element."""
    return np.random.default_rng(7).standard_normal(tuple(y.shape))


def load(ours: Any, theirs: Any) -> Any:
    """Copy the state of PyTorch's module into ours."""
    ours.load_state_dict({n: t(v.detach().numpy().copy()) for n, v in theirs.state_dict().items()})
    return ours


def same_as_torch(call: Call, arrays: list[np.ndarray], rtol: float, atol: float) -> None:
    """Assert equal values, and equal gradients of all floating-point arguments."""
    ours = [t(a.copy()).requires_grad_() for a in arrays]
    theirs = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    y, z = call(F, torsh_ops, *ours), call(torch.nn.functional, torch, *theirs)
    assert_same(y, z, rtol, atol)
    w = weigh(y).astype(arrays[0].dtype)
    y.backward(t(w))
    z.backward(torch.from_numpy(w))
    for a, b in zip(ours, theirs, strict=True):
        if b.grad is None:
            assert a.grad is None or not a.grad.numpy().any()
        else:
            assert_same(a.grad, b.grad, rtol, atol)


def gradients_are_differences(call: Call, arrays: list[np.ndarray]) -> None:
    """Assert that the gradients of all arguments are the slopes of the value."""
    leaves = [t(a.copy()).requires_grad_() for a in arrays]
    y = call(F, torsh_ops, *leaves)
    w = weigh(y)
    y.backward(t(w))
    for i, leaf in enumerate(leaves):

        def value(a: np.ndarray, i: int = i) -> float:
            given = [*arrays[:i], a, *arrays[i + 1 :]]
            return float((call(F, torsh_ops, *map(t, given)).numpy() * w).sum())

        got = np.zeros_like(arrays[i]) if leaf.grad is None else leaf.grad.numpy()
        np.testing.assert_allclose(got, numeric_gradient(value, arrays[i]), rtol=1e-5, atol=1e-7)


def second_derivatives_are_differences(call: Call, arrays: list[np.ndarray]) -> None:
    """Assert the derivative of every gradient along one direction, all arguments moving together."""
    along = [normal(*a.shape, seed=9 + i) for i, a in enumerate(arrays)]

    def gradients(moved: list[np.ndarray], create_graph: bool) -> tuple[list[Any], list[Any]]:
        leaves = [t(a.copy()).requires_grad_() for a in moved]
        loss = (call(F, torsh_ops, *leaves) ** 3).sum()
        return leaves, list(torsh_ops.autograd.grad(loss, leaves, create_graph=create_graph))

    leaves, first = gradients(arrays, True)
    directed = sum((g * t(d)).sum() for g, d in zip(first, along, strict=True))
    second = torsh_ops.autograd.grad(directed, leaves)
    h = 1e-6
    above, below = (
        [g.numpy() for g in gradients([a + s * d for a, d in zip(arrays, along, strict=True)], False)[1]]
        for s in (h, -h)
    )
    for got, a, b in zip(second, above, below, strict=True):
        want = (a - b) / (2 * h)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-6 * max(np.abs(want).max(), 1))
