"""The gradients of the operators, family by family: one rule for each argument, as a table.

``define_grad(op, rule for its first argument, rule for its second, ...)``; see `torsh_ops.autograd.define_grad`.
Where a fused kernel beats a chain of operators, the rule uses it unless it is itself recorded.
"""

from torsh_ops.gradients import (
    activation,
    attention,
    channel_norm,
    complex,
    elementwise,
    embedding,
    factor,
    fft,
    index,
    linalg,
    linear,
    losses,
    norm,
    places,
    pointwise,
    reduce,
    scan,
    special,
    views,
)

__all__ = [
    "activation",
    "attention",
    "channel_norm",
    "complex",
    "elementwise",
    "embedding",
    "factor",
    "fft",
    "index",
    "linalg",
    "linear",
    "losses",
    "norm",
    "places",
    "pointwise",
    "reduce",
    "scan",
    "special",
    "views",
]
