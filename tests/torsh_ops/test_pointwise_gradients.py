"""First and second gradients of element-wise functions, by finite differences in float64."""

import numpy as np
import pytest
from oracle import needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops import special


def k(*shape):
    return torsh_ops.from_numpy(np.random.default_rng(9).standard_normal(shape))


def unit(x):
    """The argument brought to between 0.1 and 0.9."""
    return x.sigmoid() * 0.8 + 0.1


# Each takes a (2, 3) float64 tensor, away from kinks and poles.
CASES = {
    "sin": lambda x: x.sin(), "cos": lambda x: x.cos(), "tan": lambda x: unit(x).tan(),
    "asin": lambda x: unit(x).asin(),
    "acos": lambda x: unit(x).acos(), "atan": lambda x: x.atan(), "sinh": lambda x: x.sinh(),
    "cosh": lambda x: x.cosh(),
    "asinh": lambda x: x.asinh(), "acosh": lambda x: (unit(x) + 1.0).acosh(), "atanh": lambda x: unit(x).atanh(),
    "sinc": lambda x: x.sinc(), "deg2rad": lambda x: (x * x).deg2rad(), "rad2deg": lambda x: (x * x).rad2deg(),
    "exp2": lambda x: x.exp2(), "expm1": lambda x: x.expm1(), "log1p": lambda x: unit(x).log1p(),
    "log2": lambda x: unit(x).log2(), "log10": lambda x: unit(x).log10(), "frac": lambda x: (x * 1.7).frac(),
    "floor": lambda x: x.floor() * x, "round": lambda x: x.round() * x, "sign": lambda x: x.sign() * x,
    "nan_to_num": lambda x: (x * x).nan_to_num(), "reciprocal": lambda x: unit(x).reciprocal(),
    "square": lambda x: x.square(), "erfc": lambda x: x.erfc(), "erfinv": lambda x: unit(x).erfinv(),
    "lgamma": lambda x: (unit(x) + 1.0).lgamma(), "digamma": lambda x: unit(x).digamma(),
    "polygamma": lambda x: torsh_ops.polygamma(2, unit(x) + 1.0), "logit": lambda x: unit(x).logit(),
    "logit_eps": lambda x: unit(x).logit(0.3), "entr": lambda x: special.entr(unit(x)),
    "ndtr": lambda x: special.ndtr(x), "ndtri": lambda x: special.ndtri(unit(x)),
    "xlogy": lambda x: torsh_ops.xlogy(x, unit(x)), "xlogy_number": lambda x: torsh_ops.xlogy(x * x, 3.0),
    "xlog1py": lambda x: special.xlog1py(x, unit(x)), "atan2": lambda x: torsh_ops.atan2(x, x * 0.5 + k(2, 3)),
    "hypot": lambda x: torsh_ops.hypot(x, x * x + k(3)), "copysign": lambda x: torsh_ops.copysign(x * x, k(2, 3)),
    "fmod": lambda x: torsh_ops.fmod(x * x, unit(x)), "remainder": lambda x: torsh_ops.remainder(x * x, unit(x)),
    "rmod": lambda x: 3.0 % unit(x), "fmax": lambda x: torsh_ops.fmax(x * x, k(2, 3)),
    "fmin": lambda x: torsh_ops.fmin(k(2, 3), x * x), "logaddexp": lambda x: torsh_ops.logaddexp(x, x * k(2, 3)),
    "logaddexp2": lambda x: torsh_ops.logaddexp2(x, x * k(3)), "ldexp": lambda x: torsh_ops.ldexp(x * x, k(3)),
    "float_power": lambda x: torsh_ops.float_power(unit(x), 1.5),
    "rsub": lambda x: torsh_ops.rsub(x * x, k(3), alpha=2),
    "cube": lambda x: x**3, "root": lambda x: unit(x) ** 0.5, "inverse": lambda x: unit(x) ** -1,
    "clamp_tensors": lambda x: (x * x).clamp(x * 0.3 - 0.2, k(2, 3).abs() + 0.4),
    "clamp_min": lambda x: (x * x).clamp_min(0.3),
    "where": lambda x: torsh_ops.where(k(2, 3) > 0, x * x, 2.0), "lerp": lambda x: torsh_ops.lerp(x, x * x, unit(x)),
    "lerp_number": lambda x: torsh_ops.lerp(x, x * x, 0.7),
    "addcmul": lambda x: torsh_ops.addcmul(x, x * x, k(3), value=0.5),
    "addcdiv": lambda x: torsh_ops.addcdiv(x, x * x, unit(x), value=0.5),
}  # fmt: skip


def scalar(case, x):
    y = case(x)
    return (y * k(*y.shape)).sum()


@pytest.mark.parametrize("name", CASES)
def test_first_and_second_gradient_by_finite_differences(name):
    point = np.random.default_rng(10).standard_normal((2, 3)) + 0.05
    weight = torsh_ops.from_numpy(np.random.default_rng(11).standard_normal((2, 3)))

    def slope(array, create_graph):
        x = torsh_ops.from_numpy(array).requires_grad_()
        (g,) = torsh_ops.autograd.grad(scalar(CASES[name], x), x, create_graph=create_graph)
        return x, g

    _, first = slope(point.copy(), False)
    expected = numeric_gradient(lambda a: scalar(CASES[name], torsh_ops.from_numpy(a)).item(), point)
    np.testing.assert_allclose(first.numpy(), expected, rtol=1e-5, atol=1e-7)
    x, g = slope(point.copy(), True)
    along = (g * weight).sum()
    (second,) = torsh_ops.autograd.grad(along, x, allow_unused=True) if along.requires_grad else (None,)
    got = np.zeros_like(point) if second is None else second.numpy()
    expected = numeric_gradient(lambda a: (slope(a, False)[1] * weight).sum().item(), point)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


# Where the slope is a matter of convention, the convention is PyTorch's.
CONVENTIONS = {
    "clamp": lambda F, x: F.clamp(x, -1.0, 1.0), "clamp_crossed": lambda F, x: F.clamp(x, 1.0, -1.0),
    "fmax": lambda F, x: F.fmax(x, x.detach()), "abs": lambda F, x: F.abs(x), "sinc": lambda F, x: F.sinc(x),
    "copysign": lambda F, x: F.copysign(x, -1.0), "xlogy": lambda F, x: F.xlogy(x, 0.0),
    "relu": lambda F, x: F.relu(x), "sign": lambda F, x: F.sign(x), "nan_to_num": lambda F, x: F.nan_to_num(1.0 / x),
    "pow0": lambda F, x: F.pow(x, 0), "pow1": lambda F, x: F.pow(x, 1),
    "maximum": lambda F, x: F.maximum(x, x.detach()),
}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("name", CONVENTIONS)
def test_slopes_at_kinks_are_those_of_torch(name):
    array = np.array([0.0, 1.0, -1.0, 2.0, -3.0])
    x, y = torsh_ops.from_numpy(array.copy()).requires_grad_(), torch.from_numpy(array.copy()).requires_grad_()
    CONVENTIONS[name](torsh_ops, x).sum().backward()
    CONVENTIONS[name](torch, y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-12)
