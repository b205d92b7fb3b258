"""Gradients kept within bounds. Reached as `torsh_ops.nn.utils`, as in PyTorch."""

import math
from collections.abc import Iterable

from torsh_ops.autograd import no_grad
from torsh_ops.errors import ArgumentError, GradError
from torsh_ops.ops.creation import zeros
from torsh_ops.ops.joining import stack
from torsh_ops.ops.reduce import norm
from torsh_ops.tensor import Tensor


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    tensors = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in tensors if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all tensors together, as if they were one vector; `norm_type` may be inf."""
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not given:
        return zeros(())
    each = [norm(g, norm_type) for g in given]
    total = each[0] if len(each) == 1 else norm(stack(each), norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise GradError(
            f"The total norm of order {norm_type} for gradients is {total.item()}, so it cannot be clipped; "
            "set error_if_nonfinite=False to go on"
        )
    return total


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients together, in place, so that their total norm is at most `max_norm`; returns the norm before.

    `foreach` has no effect.
    """
    gradients = _gradients(parameters)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    # A clamped factor rather than a branch: NaN and inf then reach the gradients, as in PyTorch.
    factor = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor)
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Clamp every gradient, in place, to [-clip_value, clip_value]; `foreach` has no effect."""
    if clip_value < 0:
        raise ArgumentError(f"clip_value must not be negative, but got {clip_value}")
    for gradient in _gradients(parameters):
        gradient.clamp_(-clip_value, clip_value)
