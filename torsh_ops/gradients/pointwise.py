"""Gradients of angles, exponentials, logarithms, rounding, choice, bounds and interpolation."""

import math
from collections.abc import Callable
from typing import Any

from torsh_ops.autograd import define_grad
from torsh_ops.gradients.elementwise import conj, detached
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import pairwise as pw
from torsh_ops.ops import pointwise as pt
from torsh_ops.ops import ternary as tn
from torsh_ops.tensor import Tensor

_LN2 = math.log(2)


def _nothing(g: Tensor, _x: Tensor) -> Tensor:
    return g * 0.0


def _mask(g: Tensor, where: Tensor) -> Tensor:
    return tn.where(where, g, 0.0)


def _define_slope(op: Any, slope: Callable[[Tensor], Tensor]) -> None:
    """Define the gradient of a function of one variable by its derivative."""
    define_grad(op, lambda g, x: g * conj(slope(x)))


# Angles.
_define_slope(pt.sin, lambda x: pt.cos(x))
_define_slope(pt.cos, lambda x: -pt.sin(x))
define_grad(pt.tan, lambda g, _x, *, out: g * conj(1.0 + out * out))
_define_slope(pt.asin, lambda x: ew.rsqrt(1.0 - x * x))
_define_slope(pt.acos, lambda x: -ew.rsqrt(1.0 - x * x))
_define_slope(pt.atan, lambda x: ew.reciprocal(1.0 + x * x))
_define_slope(pt.sinh, lambda x: pt.cosh(x))
_define_slope(pt.cosh, lambda x: pt.sinh(x))
_define_slope(pt.asinh, lambda x: ew.rsqrt(1.0 + x * x))
_define_slope(pt.acosh, lambda x: ew.rsqrt(x - 1.0) * ew.rsqrt(x + 1.0))
_define_slope(pt.atanh, lambda x: ew.reciprocal(1.0 - x * x))
define_grad(pt.deg2rad, lambda g, _x: pt.deg2rad(g))
define_grad(pt.rad2deg, lambda g, _x: pt.rad2deg(g))


def _sinc_slope(g: Tensor, x: Tensor) -> Tensor:
    zero = ew.eq(x, 0)
    safe = tn.where(zero, 1.0, x * math.pi)
    return g * tn.where(zero, 0.0, math.pi * (safe * pt.cos(safe) - pt.sin(safe)) / (safe * safe))


define_grad(pt.sinc, _sinc_slope)

# Exponentials and logarithms.
define_grad(pt.exp2, lambda g, _x, *, out: g * conj(out) * _LN2)
define_grad(pt.expm1, lambda g, _x, *, out: g * (conj(out) + 1.0))
define_grad(pt.log1p, lambda g, x: g / (1.0 + conj(x)))
define_grad(pt.log2, lambda g, x: g / (conj(x) * _LN2))
define_grad(pt.log10, lambda g, x: g / (conj(x) * math.log(10)))

# Steps: flat but for their jumps.
for _step in (pt.floor, pt.ceil, pt.trunc, pt._round, pt.sign):
    define_grad(_step, _nothing)
define_grad(pt.frac, lambda g, _x: g)
define_grad(pt.nan_to_num, lambda g, x: _mask(g, ew.isfinite(x)))

# Two operands.
define_grad(
    pw.atan2,
    lambda g, y, x: g * x / (x * x + y * y),
    lambda g, y, x: -g * y / (x * x + y * y),
)
define_grad(pw.hypot, lambda g, x, _y, *, out: g * x / out, lambda g, _x, y, *, out: g * y / out)
define_grad(
    pw.copysign,
    lambda g, x, _y, *, out: _mask(g * pt.sign(x) * pt.sign(out), ew.ne(x, 0)),
    lambda g, _x, _y: g * 0.0,
)
define_grad(pw.fmod, lambda g, _x, _y: g, lambda g, x, y: -g * ew.div(x.detach(), detached(y), rounding_mode="trunc"))
define_grad(pw.fmax, lambda g, x, y: _mask(g, _first(x, y)), lambda g, x, y: _mask(g, ~_first(x, y)))
define_grad(pw.fmin, lambda g, x, y: _mask(g, _first(-x, -y)), lambda g, x, y: _mask(g, ~_first(-x, -y)))
define_grad(pw.logaddexp, lambda g, x, y: g * ew.sigmoid(x - y), lambda g, x, y: g * ew.sigmoid(y - x))
define_grad(
    pw.logaddexp2,
    lambda g, x, y: g * ew.sigmoid((x - y) * _LN2),
    lambda g, x, y: g * ew.sigmoid((y - x) * _LN2),
)


def _first(x: Tensor, y: Tensor) -> Tensor:
    """Where fmax takes the first operand."""
    return ew.ge(x, y) | ew.isnan(y)


# Three operands.
define_grad(tn.where, None, lambda g, c, _x, _y: tn.where(c, g, 0.0), lambda g, c, _x, _y: tn.where(c, 0.0, g))


def _inside(g: Tensor, x: Tensor, low: Any, high: Any) -> Tensor:
    if low is None:
        return _mask(g, ew.le(x, high))
    return _mask(g, ew.ge(x, low) if high is None else ew.ge(x, low) & ew.le(x, high))


def _at_low(g: Tensor, x: Tensor, low: Any, high: Any) -> Tensor:
    return _mask(g, ew.lt(x, low) if high is None else ew.lt(x, low) & ew.lt(low, high))


def _at_high(g: Tensor, x: Tensor, low: Any, high: Any) -> Tensor:
    return _mask(g, ew.gt(x, high) if low is None else ew.gt(x, high) | ew.ge(low, high))


define_grad(tn.clamp, _inside, _at_low, _at_high)
define_grad(
    tn.lerp,
    lambda g, _x, _y, w: g * (1.0 - w),
    lambda g, _x, _y, w: g * w,
    lambda g, x, y, _w: g * (y - x),
)
define_grad(
    tn._addcmul,
    lambda g, _x, _a, _b, _v: g,
    lambda g, _x, _a, b, v: g * b * v,
    lambda g, _x, a, _b, v: g * a * v,
)
define_grad(
    tn._addcdiv,
    lambda g, _x, _a, _b, _v: g,
    lambda g, _x, _a, b, v: g * v / b,
    lambda g, _x, a, b, v: -g * v * a / (b * b),
)
