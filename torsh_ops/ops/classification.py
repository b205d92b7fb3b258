"""Losses of classes. `reduction` is "mean", "sum" or "none"; see `torsh_ops.ops.losses` for what is by name only."""

from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import is_grad_enabled, record
from torsh_ops.errors import ArgumentError, DimError, DTypeError, ShapeError
from torsh_ops.kernels import cross_entropy as kernels
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import reduce as rd
from torsh_ops.ops.activation import logsigmoid
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.index import gather
from torsh_ops.ops.losses import check_reduction, reduced, same_shape
from torsh_ops.ops.norm import log_softmax, softmax
from torsh_ops.ops.plan import New, Plan, Step, flat, planned
from torsh_ops.tensor import Tensor

_INT64 = np.dtype(np.int64)
_NO_WEIGHT = {np.dtype(d): np.empty(0, d) for d in (np.float32, np.float64)}


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
    check_reduction(reduction)
    kept, classes = _classes(input, target, ignore_index)
    dim = 1 if input.ndim > 1 else 0
    picked = -gather(input, dim, Tensor(np.expand_dims(classes, dim))).squeeze(dim)
    factor = kept.astype(input._array.dtype)
    if weight is not None:
        _check_weight(input, weight, dim)
        factor = factor * weight._array[classes]
    if reduction == "none" or weight is not None or not kept.all():
        loss = ew.where(Tensor(kept), picked, 0.0) * Tensor(factor)
        if reduction == "mean":
            return loss.sum() / float(factor.sum()) if factor.sum() else loss.sum() * np.nan
        return reduced(loss, reduction)
    return reduced(picked, reduction)


def _check_weight(input: Tensor, weight: Tensor, dim: int) -> None:
    if weight.shape != (input.shape[dim],):
        raise ShapeError(f"weight must be defined for all {input.shape[dim]} classes, but got shape {weight.shape}")


def _check_target(input: Tensor, target: Tensor) -> np.ndarray:
    need_tensor(nll_loss, input)
    places = need_tensor(nll_loss, target, "target")._array
    if places.dtype.kind != "i":
        raise DTypeError(f"nll_loss(): expected target of dtype int64, but got {target.dtype}")
    dim = 1 if input.ndim > 1 else 0
    expected = (*input.shape[:dim], *input.shape[dim + 1 :])
    if input.ndim == 0 or places.shape != expected:
        raise ShapeError(f"Expected target size {list(expected)}, got {list(places.shape)}")
    return places


def _classes(input: Tensor, target: Tensor, ignore_index: int) -> tuple[np.ndarray, np.ndarray]:
    """Which targets count, and the targets as indices, 0 where they do not."""
    places = _check_target(input, target)
    kept = places != ignore_index
    classes = input.shape[1 if input.ndim > 1 else 0]
    wrong = kept & ((places < 0) | (places >= classes))
    if wrong.any():
        raise DimError(f"Target {places[wrong].flat[0]} is out of bounds: there are {classes} classes.")
    return kept, np.where(kept, places, 0).astype(np.int64)


def _plan_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None) -> Plan | None:
    """The mean over the rows of a matrix of logits, when every target is a class or left out."""
    x, places = input._array, target._array
    matrix = x.ndim == 2 and x.dtype in _NO_WEIGHT and 0 < x.size < threads.WORTH_ELEMENTS
    if weight is not None or not matrix or places.dtype is not _INT64 or places.shape != x.shape[:1]:
        return None
    loss, losses, kept = New((), input), New(x.shape[:1], input), New((len(x), 3), input)
    step = Step(kernels.mean, input, target, _NO_WEIGHT[x.dtype], -100, losses, kept, flat(loss), checked=True)
    return Plan(loss, [step], room=[losses, kept])


@planned(_plan_cross_entropy)
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
    check_reduction(reduction)
    dim = 1 if need_tensor(cross_entropy, input).ndim > 1 else 0
    by_class = not need_tensor(cross_entropy, target, "target").is_floating_point()
    if by_class and input.ndim == 2 and not label_smoothing and input.is_floating_point() and input.shape[1]:
        return _of_rows(input, target, weight, ignore_index, reduction)
    logs = log_softmax(input, dim)
    if not by_class:
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
        smooth = reduced(smooth, reduction)
    return loss * (1 - label_smoothing) + smooth * label_smoothing


def _of_rows(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    """The loss of each row of a matrix of logits in one pass."""
    places, x = target._array, input._array
    if places.shape != x.shape[:1] or places.dtype is not _INT64 or not places.flags.c_contiguous:
        places = np.ascontiguousarray(_check_target(input, target), _INT64)
    if not x.flags.c_contiguous:
        x = contiguous_array(input)
    rows = x.shape[0]
    if weight is None:
        scale = _NO_WEIGHT[x.dtype]
    else:
        _check_weight(input, weight, 1)
        scale = contiguous_array(weight, x.dtype)
    losses, kept = np.empty(rows, x.dtype), np.empty((rows, 3), x.dtype)
    if threads.count == 1:
        kernels.cross_entropy(x, places, scale, ignore_index, losses, kept)
    else:
        threads.rowwise(
            lambda x, t, loss, k: kernels.cross_entropy(x, t, scale, ignore_index, loss, k), x.size, rows,
            x, places, losses, kept,
        )  # fmt: skip
    loss, weights, right = kernels.totals(losses, kept)
    if not right:
        _classes(input, target, ignore_index)
    share = 1.0
    if reduction == "mean":
        share = 1 / weights if weights else np.nan
        loss *= share
    result = Tensor(losses if reduction == "none" else np.array(loss, x.dtype))
    return record(rows_entropy, result, (input, places, kept, share)) if input.requires_grad else result


def rows_entropy(*args: Any) -> Tensor:
    """The name under which the cross-entropy of a matrix of logits is recorded."""
    raise NotImplementedError


rows_entropy.__name__ = "cross_entropy"


def rows_entropy_grad(g: Tensor, input: Tensor, places: np.ndarray, kept: np.ndarray, share: float) -> Tensor:
    """``g * weight * share * (softmax(input) - one_hot(target))`` by row."""
    factors = (kept[:, 2] * share).astype(kept.dtype)
    if is_grad_enabled():
        one_hot = np.zeros(input.shape, kept.dtype)
        counted = kept[:, 2] != 0
        one_hot[counted, places[counted]] = 1
        return (softmax(input, 1) - Tensor(one_hot)) * (g * Tensor(factors)).unsqueeze(1)
    x = contiguous_array(input)
    out = memory.empty_like(x)
    slopes = np.ascontiguousarray(factors * g._array)
    threads.rowwise(kernels.cross_entropy_grad, x.size, len(x), x, places, kept, slopes, out)
    return Tensor(out)


def _against_probabilities(
    logs: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float, dim: int
) -> Tensor:
    same_shape(cross_entropy, logs, target)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / logs.shape[dim]
    if weight is not None:
        target = target * weight.reshape(-1, *(1,) * (logs.ndim - dim - 1))
    loss = -(logs * target).sum(dim)
    if reduction == "mean":
        return loss.sum() / max(loss.numel(), 1)
    return reduced(loss, reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Sum over the other classes i of ``max(0, margin - input[y] + input[i]) ** p``, over the number of classes.

    `input` is (n, classes) or (classes,), `target` (n,) or (). Raises ArgumentError unless `p` is 1 or 2.
    """
    if p not in (1, 2):
        raise ArgumentError(f"only p == 1 and p == 2 supported, but got {p}")
    _, classes = _classes(input, target, -(1 << 62))
    rows = input if input.ndim > 1 else input.unsqueeze(0)
    at = classes.reshape(-1, 1)
    slack = ew.clamp(rows - gather(rows, 1, Tensor(at)) + margin, min=0.0)
    slack = slack * slack if p == 2 else slack
    other = np.ones(rows.shape, input._array.dtype)
    if weight is not None:
        _check_weight(input, weight, 1 if input.ndim > 1 else 0)
        other *= weight._array[at]
    np.put_along_axis(other, at, 0, 1)
    loss = rd.sum(slack * Tensor(other), 1) / rows.shape[1]
    return reduced(loss if input.ndim > 1 else loss.squeeze(0), reduction)


def multilabel_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Sum over classes y of the target and i not of it of ``max(0, 1 - input[y] + input[i])``, over their number.

    Both are (n, classes) or (classes,); a row of the target lists its classes and ends at the first -1. Raises
    DimError on what is no class.
    """
    same_shape(multilabel_margin_loss, input, target)
    rows = input if input.ndim > 1 else input.unsqueeze(0)
    lists = np.atleast_2d(target._array)
    classes = rows.shape[1]
    listed = np.logical_and.accumulate(lists >= 0, axis=1)
    if (lists[listed] >= classes).any():
        raise DimError(f"Target {lists[listed].max()} is out of bounds: there are {classes} classes.")
    at = np.where(listed, lists, 0)
    member = np.zeros(lists.shape, bool)
    member[np.nonzero(listed)[0], lists[listed]] = True
    pairs = Tensor((listed[:, :, None] & ~member[:, None, :]).astype(input._array.dtype))
    slack = ew.clamp(rows.unsqueeze(1) - gather(rows, 1, Tensor(at.astype(np.int64))).unsqueeze(2) + 1.0, min=0.0)
    loss = rd.sum(slack * pairs, (1, 2)) / classes
    return reduced(loss if input.ndim > 1 else loss.squeeze(0), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Mean over the last dimension of the binary cross-entropy of logits."""
    same_shape(multilabel_soft_margin_loss, input, target)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    loss = loss if weight is None else loss * weight
    return reduced(rd.sum(loss, -1) / input.shape[-1], reduction)


__all__: list[str] = []
METHODS = ()
