"""Gradients of the losses that are no chain of operators."""

from torsh_ops.autograd import define_grad
from torsh_ops.ops import classification as cl
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import losses as ls

define_grad(cl.rows_entropy, lambda g, x, places, kept, share: cl.rows_entropy_grad(g, x, places, kept, share))
define_grad(
    ls.entropy,
    # PyTorch's: 0 at a certain answer that is right, large but finite at one that is wrong.
    lambda g, x, t: g * (x - t) / ew.clamp((1 - x) * x, min=1e-12),
    lambda g, x, _t: g * (ew.clamp(ew.log(1 - x), min=-100.0) - ew.clamp(ew.log(x), min=-100.0)),
)
