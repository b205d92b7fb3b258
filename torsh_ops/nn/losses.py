"""Losses, as functions and as modules. `reduction` is "mean", "sum" or "none".

Where PyTorch's positional arguments go on with the deprecated `size_average` and `reduce`, ours are by name only.
"""

from typing import Any

import numpy as np

from torsh_ops.errors import ArgumentError, DimError, DTypeError, ShapeError
from torsh_ops.nn.module import Module
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.index import gather
from torsh_ops.ops.norm import log_softmax
from torsh_ops.tensor import Tensor


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    _check_reduction(reduction)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def _check_reduction(reduction: str) -> None:
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(f"{reduction} is not a valid value for reduction: choose 'mean', 'sum' or 'none'")


def _same_shape(op: Any, input: Tensor, target: Tensor) -> None:
    if need_tensor(op, input).shape != need_tensor(op, target, "target").shape:
        raise ShapeError(
            f"{op.__name__}(): target of shape {target.shape} must have the shape of the input, {input.shape}"
        )


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """``(input - target) ** 2`` of tensors of one shape."""
    _same_shape(mse_loss, input, target)
    difference = input - target
    return _reduce(difference * difference, reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """``|input - target|`` of tensors of one shape."""
    _same_shape(l1_loss, input, target)
    return _reduce(ew.abs(input - target), reduction)


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
    _same_shape(binary_cross_entropy_with_logits, input, target)
    # log(1 + exp(-x)) = max(-x, 0) + log(1 + exp(-|x|))
    softplus = ew.relu(-input) + ew.log(1 + ew.exp(-ew.abs(input)))
    factor = 1 if pos_weight is None else target * (pos_weight - 1) + 1
    loss = (1 - target) * input + softplus * factor
    return _reduce(loss if weight is None else loss * weight, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability (n, classes, ...) or (classes,) of each class in `target` (n, ...) or ().

    The mean is over the weights of the targets; targets of `ignore_index` count nowhere. Raises DimError on a target
    that is no class.
    """
    _check_reduction(reduction)
    kept, classes = _classes(input, target, ignore_index)
    dim = 1 if input.ndim > 1 else 0
    picked = -gather(input, dim, Tensor(np.expand_dims(classes, dim))).squeeze(dim)
    factor = kept.astype(input._array.dtype)
    if weight is not None:
        if weight.shape != (input.shape[dim],):
            raise ShapeError(f"weight must be defined for all {input.shape[dim]} classes, but got shape {weight.shape}")
        factor = factor * weight._array[classes]
    if reduction == "none" or weight is not None or not kept.all():
        loss = ew.where(Tensor(kept), picked, 0.0) * Tensor(factor)
        if reduction == "mean":
            return loss.sum() / float(factor.sum()) if factor.sum() else loss.sum() * np.nan
        return _reduce(loss, reduction)
    return _reduce(picked, reduction)


def _classes(input: Tensor, target: Tensor, ignore_index: int) -> tuple[np.ndarray, np.ndarray]:
    """Which targets count, and the targets as indices, 0 where they do not."""
    need_tensor(nll_loss, input)
    places = need_tensor(nll_loss, target, "target")._array
    if places.dtype.kind != "i":
        raise DTypeError(f"nll_loss(): expected target of dtype int64, but got {target.dtype}")
    dim = 1 if input.ndim > 1 else 0
    expected = (*input.shape[:dim], *input.shape[dim + 1 :])
    if input.ndim == 0 or places.shape != expected:
        raise ShapeError(f"Expected target size {list(expected)}, got {list(places.shape)}")
    kept = places != ignore_index
    wrong = kept & ((places < 0) | (places >= input.shape[dim]))
    if wrong.any():
        raise DimError(f"Target {places[wrong].flat[0]} is out of bounds: there are {input.shape[dim]} classes.")
    return kept, np.where(kept, places, 0).astype(np.int64)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """`nll_loss` of the log-softmax of logits (n, classes, ...) or (classes,).

    `target` holds classes, as in `nll_loss`, or probabilities in the shape of `input`.
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    dim = 1 if need_tensor(cross_entropy, input).ndim > 1 else 0
    logs = log_softmax(input, dim)
    if need_tensor(cross_entropy, target, "target").is_floating_point():
        return _against_probabilities(logs, target, weight, reduction, label_smoothing, dim)
    loss = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not label_smoothing:
        return loss
    kept, classes = _classes(input, target, ignore_index)
    scale = np.ones(input.shape[dim], input._array.dtype) if weight is None else weight._array
    across = scale.reshape(-1, *(1,) * (input.ndim - dim - 1))
    smooth = ew.where(Tensor(kept), -(logs * Tensor(across)).sum(dim), 0.0) / input.shape[dim]
    if reduction == "mean":
        smooth = smooth.sum() / float((scale[classes] * kept).sum())
    else:
        smooth = _reduce(smooth, reduction)
    return loss * (1 - label_smoothing) + smooth * label_smoothing


def _against_probabilities(
    logs: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float, dim: int
) -> Tensor:
    _same_shape(cross_entropy, logs, target)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / logs.shape[dim]
    if weight is not None:
        target = target * weight.reshape(-1, *(1,) * (logs.ndim - dim - 1))
    loss = -(logs * target).sum(dim)
    if reduction == "mean":
        return loss.sum() / max(loss.numel(), 1)
    return _reduce(loss, reduction)


class _Loss(Module):
    """A loss with a `reduction`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        _check_reduction(reduction)
        self.reduction = reduction


class MSELoss(_Loss):
    """Squared error."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A number, or a tensor when nothing is reduced."""
        return mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """Absolute error."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A number, or a tensor when nothing is reduced."""
        return l1_loss(input, target, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of logits."""

    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A number, or a tensor when nothing is reduced."""
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class NLLLoss(_Loss):
    """Minus the log-probability of the target classes."""

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A number, or a tensor when nothing is reduced."""
        return nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(NLLLoss):
    """Cross-entropy of logits against classes or probabilities."""

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A number, or a tensor when nothing is reduced."""
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
