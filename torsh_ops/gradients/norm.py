"""Gradients of softmax and the normalisations of rows."""

from collections.abc import Sequence
from typing import Any

from torsh_ops.autograd import define_grad
from torsh_ops.ops import norm as nm
from torsh_ops.tensor import Tensor


def _layer_norm_grads(
    g: Tensor, x: Tensor, shape: tuple[int, ...], w: Any, _b: Any, eps: float, kept: Tensor
) -> Sequence[Tensor | None]:
    of_input, of_weight, of_bias = nm.layer_norm_grads(g, x, shape, w, _b, eps, kept)
    return of_input, None, of_weight, of_bias


define_grad(nm.softmax, lambda g, _x, dim, *, out: nm.softmax_grad(g, out, dim))
define_grad(nm.log_softmax, lambda g, _x, dim, *, out: nm.log_softmax_grad(g, out, dim))
define_grad(
    nm.layer_norm,
    lambda g, x, shape, w, _b, eps, kept: nm.row_norm_grad(g, x, shape, w, eps, kept, True),
    None,
    lambda g, x, shape, _w, _b, eps, kept: nm.row_norm_weight_grad(g, x, shape, eps, kept, True),
    lambda g, _x, shape, _w, _b, _eps, _kept: nm.row_norm_bias_grad(g, shape),
    together=_layer_norm_grads,
)
define_grad(
    nm.rms_norm,
    lambda g, x, shape, w, eps, kept: nm.row_norm_grad(g, x, shape, w, eps, kept, False),
    None,
    lambda g, x, shape, _w, eps, kept: nm.row_norm_weight_grad(g, x, shape, eps, kept, False),
)
