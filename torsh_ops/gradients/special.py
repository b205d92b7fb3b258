"""Gradients of the special functions."""

import math
from typing import Any

import numpy as np

from torsh_ops.autograd import define_grad
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import pairwise as pw
from torsh_ops.ops import pointwise as pt
from torsh_ops.ops import special as sp
from torsh_ops.ops import ternary as tn
from torsh_ops.tensor import Tensor

_SLOPE = 2 / math.sqrt(math.pi)

define_grad(sp.erfc, lambda g, x: -g * _SLOPE * ew.exp(-x * x))
define_grad(sp.erfinv, lambda g, _x, *, out: g * ew.exp(out * out) / _SLOPE)
define_grad(sp.ndtri, lambda g, _x, *, out: g * math.sqrt(2 * math.pi) * ew.exp(0.5 * out * out))
define_grad(sp.lgamma, lambda g, x: g * sp.digamma(x))
define_grad(sp.digamma, lambda g, x: g * sp.polygamma(1, x))
define_grad(sp.polygamma_of, lambda g, x, n: g * sp.polygamma(n + 1, x))
define_grad(sp._logit, lambda g, x: g / (x * (1.0 - x)))


def _counts(x: Any, y: Any) -> Tensor:
    """False where the limit at (0, 0) was taken: there x has no slope."""
    zero = ew.eq(x, 0) if isinstance(x, Tensor) else Tensor(np.asarray(x == 0))
    return ~(zero & (ew.le(y, 0) if isinstance(y, Tensor) else Tensor(np.asarray(y <= 0))))


def _as_tensor(y: Any, like: Tensor) -> Tensor:
    return y if isinstance(y, Tensor) else Tensor(np.asarray(y, like._array.dtype))


define_grad(
    pw.xlogy,
    lambda g, x, y: tn.where(_counts(x, y), g * ew.log(_as_tensor(y, g)), 0.0),
    lambda g, x, y: g * x / y,
)
define_grad(
    pw.xlog1py,
    lambda g, x, y: tn.where(_counts(x, y + 1), g * pt.log1p(_as_tensor(y, g)), 0.0),
    lambda g, x, y: g * x / (y + 1.0),
)
