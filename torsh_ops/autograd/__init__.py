"""Reverse-mode automatic differentiation: a tape of nodes, the table of gradients, and the walk back over them."""

from torsh_ops.autograd.mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from torsh_ops.autograd.tape import COMPLEX, Node, define_grad, follow_base, record
from torsh_ops.autograd.walk import backward, grad

__all__ = [
    "COMPLEX",
    "Node",
    "backward",
    "define_grad",
    "enable_grad",
    "follow_base",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "record",
    "set_grad_enabled",
]
