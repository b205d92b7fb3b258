"""Losses of numbers and of pairs, and the distances they are made of. `reduction` is "mean", "sum" or "none".

Where PyTorch's positional arguments go on with the deprecated `size_average` and `reduce`, ours are by name only.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops.autograd import record
from torsh_ops.errors import ArgumentError, ShapeError
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import reduce as rd
from torsh_ops.ops.activation import logsigmoid, softplus
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.tensor import Tensor


def check_reduction(reduction: str) -> None:
    """Raise ArgumentError unless `reduction` is one of the three."""
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(f"{reduction} is not a valid value for reduction: choose 'mean', 'sum' or 'none'")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum or the elements themselves."""
    check_reduction(reduction)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def same_shape(op: Any, input: Tensor, target: Tensor, name: str = "target") -> None:
    """Raise ShapeError unless both have one shape."""
    if need_tensor(op, input).shape != need_tensor(op, target, name).shape:
        raise ShapeError(
            f"{op.__name__}(): {name} of shape {target.shape} must have the shape of the input, {input.shape}"
        )


def _weighted(op: Any, loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """As `reduced`; with a weight for each element the mean is over the weights."""
    if weight is None:
        return reduced(loss, reduction)
    same_shape(op, loss, weight, "weight")
    check_reduction(reduction)
    return rd.sum(loss * weight) / rd.sum(weight) if reduction == "mean" else reduced(loss * weight, reduction)


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """``(input - target) ** 2`` of tensors of one shape."""
    same_shape(mse_loss, input, target)
    difference = input - target
    return _weighted(mse_loss, difference * difference, weight, reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """``|input - target|`` of tensors of one shape."""
    same_shape(l1_loss, input, target)
    return _weighted(l1_loss, ew.abs(input - target), weight, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Half the square of the difference d within `delta`, ``delta * (|d| - delta / 2)`` outside. Huber 1964.

    Raises ArgumentError unless `delta` is positive.
    """
    same_shape(huber_loss, input, target)
    if delta <= 0:
        raise ArgumentError(f"huber_loss does not support non-positive values for delta, but got {delta}")
    distance = ew.abs(input - target)
    # One formula for both: with m = min(d, delta) it is m (d - m / 2).
    near = ew.clamp(distance, max=delta)
    return _weighted(huber_loss, near * (distance - near * 0.5), weight, reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """`huber_loss` over `beta`; at 0 `l1_loss`. Raises ArgumentError when `beta` is negative. Girshick 2015."""
    same_shape(smooth_l1_loss, input, target)
    if beta < 0:
        raise ArgumentError(f"smooth_l1_loss does not support negative values for beta, but got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return huber_loss(input, target, reduction, beta) * (1 / beta)


def entropy(input: Tensor, target: Tensor) -> Tensor:
    """``-target * log(input) - (1 - target) * log(1 - input)``, each logarithm at least -100."""
    with np.errstate(divide="ignore"):
        x, t = input._array, target._array
        hit, missed = np.maximum(np.log(x), -100), np.maximum(np.log1p(-x), -100)
    return record(entropy, Tensor(np.asarray((t - 1) * missed - t * hit, x.dtype)), (input, target))


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """``-target * log(input) - (1 - target) * log(1 - input)`` of probabilities; the logarithms are at least -100.

    Raises ArgumentError on an input outside [0, 1].
    """
    same_shape(binary_cross_entropy, input, target)
    if input.numel() and not (input._array.min() >= 0 and input._array.max() <= 1):
        raise ArgumentError("all elements of input should be between 0 and 1; see binary_cross_entropy_with_logits")
    loss = entropy(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``-target * log(sigmoid(input)) - (1 - target) * log(1 - sigmoid(input))``, without overflow.

    `pos_weight` scales the first term, `weight` both.
    """
    same_shape(binary_cross_entropy_with_logits, input, target)
    missed = logsigmoid(input)
    if pos_weight is not None:
        missed = missed * (target * (pos_weight - 1) + 1)
    loss = (1 - target) * input - missed
    return reduced(loss if weight is None else loss * weight, reduction)


def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """``target * (log(target) - input)`` of log-probabilities `input`; `target` holds logarithms with `log_target`.

    `reduction` may be "batchmean" too: the sum over the first dimension's size. Kullback and Leibler 1951.
    """
    if log_target:
        loss = ew.exp(need_tensor(kl_div, target, "target")) * (target - need_tensor(kl_div, input))
    else:
        # 0 log 0 is 0.
        some = need_tensor(kl_div, target, "target") > 0
        loss = target * (ew.where(some, ew.log(ew.where(some, target, 1.0)), 0.0) - need_tensor(kl_div, input))
    if reduction == "batchmean":
        return rd.sum(loss) / input.shape[0] if input.ndim else rd.sum(loss)
    return reduced(loss, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """``exp(input) - target * input``, or ``input - target * log(input + eps)`` where the input is no logarithm.

    `full` adds Stirling's approximation of log(target!) where the target is above 1.
    """
    if log_input:
        loss = ew.exp(need_tensor(poisson_nll_loss, input)) - target * input
    else:
        loss = input - target * ew.log(need_tensor(poisson_nll_loss, input) + eps)
    if full:
        above = target > 1
        held = ew.where(above, target, 1.0)
        loss = loss + ew.where(above, held * ew.log(held) - held + 0.5 * ew.log(held * (2 * math.pi)), 0.0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """``(log(var) + (input - target) ** 2 / var) / 2``, `var` at least `eps`; `full` adds log(2 pi) / 2.

    `var` has the shape of `input`, lacks its last dimension or has 1 there. Raises ArgumentError where it does not
    fit or is negative.
    """
    given = var if isinstance(var, Tensor) else Tensor(np.full(input.shape, var, input._array.dtype))
    if (given._array < 0).any():
        raise ArgumentError("var has negative entry/entries")
    if given.shape == input.shape[:-1] != input.shape:
        given = given.unsqueeze(-1)
    differing = [a for a, b in zip(input.shape, given.shape, strict=False) if a != b]
    if given.ndim != input.ndim or (
        differing and (len(differing) > 1 or given.numel() * differing[0] != input.numel())
    ):
        raise ArgumentError(f"var is of incorrect size: {given.shape} for an input of {input.shape}")
    # Held from below in value alone: the gradient goes on to var, as in PyTorch.
    held = given + Tensor(np.maximum(eps - given._array, 0).astype(given._array.dtype))
    difference = input - target
    loss = 0.5 * (ew.log(held) + difference * difference / held)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def _hinge(x: Tensor) -> Tensor:
    return ew.clamp(x, min=0.0)


def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """``log(1 + exp(-target * input))`` of targets 1 and -1."""
    same_shape(soft_margin_loss, input, target)
    return reduced(softplus(-target * input, 1.0, math.inf), reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """`input` where the target is 1, ``max(0, margin - input)`` where it is -1."""
    far = ew.where(ew.ne(target, 1), _hinge(margin - need_tensor(hinge_embedding_loss, input)), 0.0)
    return reduced(far + ew.where(ew.ne(target, -1), input, 0.0), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, *, reduction: str = "mean"
) -> Tensor:
    """``max(0, -target * (input1 - input2) + margin)``: target 1 where the first shall rank higher, else -1."""
    need_tensor(margin_ranking_loss, input1, "input1")
    return reduced(_hinge(-target * (input1 - input2) + margin), reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, *, reduction: str = "mean"
) -> Tensor:
    """``1 - cos`` of rows where the target is 1, ``max(0, cos - margin)`` where it is -1.

    Inputs are (n, width) with n targets, or (width,) with a 0-d target; raises ShapeError otherwise.
    """
    if need_tensor(cosine_embedding_loss, target, "target").ndim != need_tensor(cosine_embedding_loss, input1).ndim - 1:
        raise ShapeError(f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs "
                         f"with sizes {input1.shape} and {input2.shape}")  # fmt: skip
    eps = 1e-12
    lengths = (rd.sum(input1 * input1, -1) + eps) * (rd.sum(input2 * input2, -1) + eps)
    cosine = rd.sum(input1 * input2, -1) / ew.sqrt(lengths)
    near = ew.where(ew.eq(target, 1), 1 - cosine, 0.0)
    return reduced(near + ew.where(ew.eq(target, -1), _hinge(cosine - margin), 0.0), reduction)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between vectors along `dim`, whose lengths are taken as at least `eps`."""
    first, second = (
        x / ew.clamp(rd.norm(need_tensor(cosine_similarity, x, name), 2.0, dim, True), min=eps)
        for x, name in ((x1, "x1"), (x2, "x2"))
    )
    return rd.sum(first * second, dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """`p`-norm of ``x1 - x2 + eps`` along the last dimension."""
    return rd.norm(need_tensor(pairwise_distance, x1, "x1") - x2 + eps, p, -1, keepdim)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)`` by `pairwise_distance`.

    With `swap` the negative's distance is the lesser of those to anchor and positive. Raises ArgumentError unless
    `margin` is positive. Balntas et al. 2016.
    """
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin, swap=swap, reduction=reduction,
    )  # fmt: skip


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` by any distance, `pairwise_distance` unless given."""
    if margin <= 0:
        raise ArgumentError(f"margin must be greater than 0, got {margin}")
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ew.minimum(far, distance(positive, negative))
    return reduced(_hinge(near - far + margin), reduction)


__all__ = [
    "cosine_similarity", "pairwise_distance",
]  # fmt: skip
METHODS = ()
