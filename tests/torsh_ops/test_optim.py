import math

import numpy as np
import pytest
from oracle import needs_torch, torch

import torsh_ops
from torsh_ops import nn, optim
from torsh_ops.errors import ArgumentError, GradError, OperandError

SETTINGS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd decay": ("SGD", {"lr": 0.1, "weight_decay": 0.2}),
    "sgd momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    "sgd nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "sgd up": ("SGD", {"lr": 0.1, "momentum": 0.5, "maximize": True}),
    "adam": ("Adam", {"lr": 0.05}),
    "adam decay": ("Adam", {"lr": 0.05, "weight_decay": 0.1, "betas": (0.8, 0.9), "eps": 1e-3}),
    "adam amsgrad": ("Adam", {"lr": 0.05, "amsgrad": True, "betas": (0.5, 0.6)}),
    "adam up": ("Adam", {"lr": 0.05, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.05}),
    "adamw decay": ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
    "rmsprop": ("RMSprop", {"lr": 0.02}),
    "rmsprop centered": ("RMSprop", {"lr": 0.02, "centered": True, "weight_decay": 0.1, "alpha": 0.9}),
    "rmsprop momentum": ("RMSprop", {"lr": 0.02, "momentum": 0.8, "centered": True, "eps": 1e-2, "maximize": True}),
}
STEPS = 6
SHAPES = [(7,), (3, 5), ()]


def starts():
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s) for s in SHAPES]


def gradients(step):
    rng = np.random.default_rng(100 + step)
    return [rng.standard_normal(s) for s in SHAPES]


def formula(name, how, p, gs):
    """Each optimizer as its paper (and PyTorch's documentation) writes it, in float64."""
    get = how.get
    sign, decay, lr = -1 if get("maximize") else 1, get("weight_decay", 0.01 if name == "AdamW" else 0), how["lr"]
    m, v, big, buffer = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p), None
    for t, g in enumerate(gs, 1):
        g = sign * g
        if name == "AdamW":
            p = p - lr * decay * p
        else:
            g = g + decay * p
        if name == "SGD":
            mu = get("momentum", 0)
            if mu:
                buffer = g if buffer is None else mu * buffer + (1 - get("dampening", 0)) * g
                g = g + mu * buffer if get("nesterov") else buffer
            p = p - lr * g
        elif name == "RMSprop":
            alpha = get("alpha", 0.99)
            v = alpha * v + (1 - alpha) * g**2
            m = alpha * m + (1 - alpha) * g
            root = np.sqrt(v - m**2 if get("centered") else v) + get("eps", 1e-8)
            buffer = get("momentum", 0) * (0 if buffer is None else buffer) + g / root
            p = p - lr * buffer
        else:
            b1, b2 = get("betas", (0.9, 0.999))
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            big = np.maximum(big, v)
            used = (big if get("amsgrad") else v) / (1 - b2**t)
            p = p - lr * (m / (1 - b1**t)) / (np.sqrt(used) + get("eps", 1e-8))
    return p


def run(setting, dtype="float64", steps=STEPS, arrange=lambda a: a):
    name, how = SETTINGS[setting]
    params = [torsh_ops.from_numpy(arrange(p.astype(dtype))).requires_grad_() for p in starts()]
    optimizer = getattr(optim, name)(params, **how)
    for step in range(steps):
        take(optimizer, params, step)
    return optimizer, params


def take(optimizer, params, step):
    for p, g in zip(params, gradients(step), strict=True):
        p.grad = torsh_ops.from_numpy(np.asarray(g, p.detach().numpy().dtype))
    optimizer.step()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_steps_are_the_formula(setting, dtype):
    _, params = run(setting, dtype)
    every = [gradients(step) for step in range(STEPS)]
    for i, (p, start) in enumerate(zip(params, starts(), strict=True)):
        want = formula(*SETTINGS[setting], start, [g[i] for g in every])
        rounding = {"float32": 2e-5, "float64": 1e-13}[dtype]
        np.testing.assert_allclose(p.detach().numpy(), want, rtol=rounding, atol=rounding)
        assert p.version == STEPS


@needs_torch
@pytest.mark.parametrize("setting", SETTINGS)
def test_steps_are_torchs(setting):
    _, ours = run(setting)
    name, how = SETTINGS[setting]
    theirs = [torch.tensor(p, requires_grad=True) for p in starts()]
    optimizer = getattr(torch.optim, name)(theirs, **how)
    for step in range(STEPS):
        for p, g in zip(theirs, gradients(step), strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_loaded_state_goes_on_where_it_was(setting):
    _, straight = run(setting)
    first, halfway = run(setting, steps=3)
    name, how = SETTINGS[setting]
    again = [torsh_ops.tensor(p.detach().numpy(), requires_grad=True) for p in halfway]
    second = getattr(optim, name)(again, lr=77.0)
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["lr"] == how["lr"]
    for step in range(3, STEPS):
        take(second, again, step)
    for a, b in zip(again, straight, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    # What was loaded is a copy: the first optimizer's state did not move.
    _, untouched = run(setting, steps=3)
    for a, b in zip(halfway, untouched, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_parameters_that_are_not_contiguous():
    _, plain = run("adam")
    _, views = run(
        "adam", arrange=lambda a: np.asfortranarray(a) if a.ndim > 1 else np.repeat(a, 2)[::2].reshape(a.shape)
    )
    for a, b in zip(views, plain, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_groups_have_settings_of_their_own():
    a, b = (torsh_ops.ones(2, requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0}], lr=0.1)
    a.grad, b.grad = torsh_ops.ones(2), torsh_ops.ones(2)
    optimizer.step()
    np.testing.assert_allclose(a.detach().numpy(), [0.9, 0.9])
    np.testing.assert_allclose(b.detach().numpy(), [0.0, 0.0])
    assert "Parameter Group 1" in repr(optimizer) and "lr: 1.0" in repr(optimizer)


def test_a_parameter_without_gradient_stays():
    a = torsh_ops.ones(2, requires_grad=True)
    optimizer = optim.Adam([a])
    optimizer.step()
    assert not optimizer.state
    np.testing.assert_array_equal(a.detach().numpy(), [1, 1])


def test_zero_grad_and_closure():
    a = torsh_ops.ones(2, requires_grad=True)
    optimizer = optim.SGD([a], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (a * a).sum()
        loss.backward()
        return loss

    with torsh_ops.no_grad():
        assert optimizer.step(closure).item() == 2
    np.testing.assert_array_equal(a.detach().numpy(), [0, 0])
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(a.grad.numpy(), [0, 0])
    optimizer.zero_grad()
    assert a.grad is None


P = torsh_ops.ones(2, requires_grad=True)
TWO = optim.SGD([P, P.detach()])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.SGD([], lr=1), ArgumentError, "empty parameter list"),
        (lambda: optim.SGD(P, lr=1), OperandError, "iterable of Tensors"),
        (lambda: optim.SGD([3], lr=1), OperandError, "one of the params is int"),
        (lambda: optim.SGD([P * 2], lr=1), ArgumentError, "non-leaf"),
        (lambda: optim.SGD([P, P], lr=1), ArgumentError, "more than one parameter group"),
        (lambda: optim.SGD([P], lr=-1), ArgumentError, "Invalid lr value: -1"),
        (lambda: optim.SGD([P], nesterov=True), ArgumentError, "Nesterov momentum requires"),
        (lambda: optim.Adam([P], betas=(0.9, 1.0)), ArgumentError, r"beta parameter at index 1: 1\.0"),
        (lambda: optim.RMSprop([P], alpha=-0.5), ArgumentError, r"Invalid alpha value: -0\.5"),
        (lambda: optim.Adam([P], capturable=True), ArgumentError, "Adam does not support capturable"),
        (lambda: optim.SGD([P]).load_state_dict(TWO.state_dict()), ValueError, r"sizes \[2\], .* \[1\]"),
        (lambda: optim.Optimizer([P], {"lr": 1}).update(P, P, {}), NotImplementedError, "Optimizer has no update"),
    ],
)  # fmt: skip
def test_bad_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


def with_gradients():
    params = [torsh_ops.zeros(s, dtype=torsh_ops.float64, requires_grad=True) for s in SHAPES]
    for p, g in zip(params, gradients(0), strict=True):
        p.grad = torsh_ops.tensor(g, dtype=torsh_ops.float64)
    return params, np.concatenate([np.ravel(g) for g in gradients(0)])


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("bound", [0.5, 1e6])
def test_clipping_by_norm(order, bound):
    params, whole = with_gradients()
    total = nn.utils.clip_grad_norm_(params, bound, order)
    want = np.linalg.norm(whole, order)
    np.testing.assert_allclose(total.item(), want, rtol=1e-12)
    clipped = np.concatenate([np.ravel(p.grad.numpy()) for p in params])
    np.testing.assert_allclose(clipped, whole * min(1.0, bound / (want + 1e-6)), rtol=1e-12)


def test_clipping_by_value():
    params, whole = with_gradients()
    nn.utils.clip_grad_value_(params, 0.3)
    np.testing.assert_array_equal(np.concatenate([np.ravel(p.grad.numpy()) for p in params]), np.clip(whole, -0.3, 0.3))
    with pytest.raises(ArgumentError, match="-1"):
        nn.utils.clip_grad_value_(params, -1)


def test_clipping_what_is_not_finite():
    params, _ = with_gradients()
    params[0].grad[0] = math.nan
    with pytest.raises(GradError, match="nan"):
        nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert math.isnan(nn.utils.clip_grad_norm_(params, 1.0).item())


def test_clipping_nothing():
    assert nn.utils.clip_grad_norm_([torsh_ops.ones(2, requires_grad=True)], 1.0).item() == 0
