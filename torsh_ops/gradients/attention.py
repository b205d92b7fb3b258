"""Gradients of attention."""

from torsh_ops.autograd import define_grad
from torsh_ops.ops import attention as at

define_grad(
    at.scaled_dot_product_attention,
    lambda g, q, k, v, mask, call: at.attention_grad(0, g, q, k, v, mask, call),
    lambda g, q, k, v, mask, call: at.attention_grad(1, g, q, k, v, mask, call),
    lambda g, q, k, v, mask, call: at.attention_grad(2, g, q, k, v, mask, call),
    together=lambda g, q, k, v, mask, call: call.gradients(g),
)
