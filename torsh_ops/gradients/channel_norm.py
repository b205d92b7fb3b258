"""Gradients of the normalisations by channel."""

from torsh_ops.autograd import define_grad
from torsh_ops.ops import channel_norm as cn

define_grad(
    cn.by_batch,
    lambda g, x, w, _b, eps, mean, rstd, kept: cn.batch_norm_input_grad(g, x, w, eps, mean, rstd, kept),
    lambda g, x, _w, _b, eps, mean, rstd, kept: cn.batch_norm_weight_grad(g, x, eps, mean, rstd, kept),
    lambda g, x, _w, _b, _eps, mean, rstd, kept: cn.batch_norm_bias_grad(g, x, mean, rstd, kept),
)
define_grad(
    cn.group_norm,
    lambda g, x, n, w, _b, eps, kept, shared: cn.group_norm_grad(0, g, x, n, w, eps, kept, shared),
    None,
    lambda g, x, n, w, _b, eps, kept, shared: cn.group_norm_grad(1, g, x, n, w, eps, kept, shared),
    lambda g, x, n, w, _b, eps, kept, shared: cn.group_norm_grad(2, g, x, n, w, eps, kept, shared),
)
