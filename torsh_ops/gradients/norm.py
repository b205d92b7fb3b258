"""Gradients of softmax and the normalisations of rows."""

from torsh_ops.autograd import define_grad
from torsh_ops.ops import norm as nm

define_grad(nm.softmax, lambda g, _x, dim, *, out: nm.softmax_grad(g, out, dim))
define_grad(nm.log_softmax, lambda g, _x, dim, *, out: nm.log_softmax_grad(g, out, dim))
define_grad(
    nm.layer_norm,
    lambda g, x, shape, w, _b, eps, kept: nm.row_norm_grad(g, x, shape, w, eps, kept, True),
    None,
    lambda g, x, shape, _w, _b, eps, kept: nm.row_norm_weight_grad(g, x, shape, eps, kept, True),
    lambda g, _x, shape, _w, _b, _eps, _kept: nm.row_norm_bias_grad(g, shape),
    together=lambda g, x, shape, w, _b, eps, kept: nm.layer_norm_grads(g, x, shape, w, _b, eps, kept),
)
define_grad(
    nm.rms_norm,
    lambda g, x, shape, w, eps, kept: nm.row_norm_grad(g, x, shape, w, eps, kept, False),
    None,
    lambda g, x, shape, _w, eps, kept: nm.row_norm_weight_grad(g, x, shape, eps, kept, False),
)
