"""Gradients of softmax and the normalisations."""

from torsh_ops.autograd import define_grad
from torsh_ops.ops import norm as nm

define_grad(nm.softmax, lambda g, _x, dim, *, out: nm.softmax_grad(g, out, dim))
define_grad(nm.log_softmax, lambda g, _x, dim, *, out: nm.log_softmax_grad(g, out, dim))
define_grad(
    nm.layer_norm,
    lambda g, x, shape, w, _b, eps, mean, rstd: nm.layer_norm_grad(g, x, shape, w, eps, mean, rstd),
    None,
    lambda g, x, shape, _w, _b, eps, mean, rstd: nm.layer_norm_weight_grad(g, x, shape, eps, mean, rstd),
    lambda g, _x, shape, _w, _b, _eps, _mean, _rstd: nm.layer_norm_bias_grad(g, shape),
)
