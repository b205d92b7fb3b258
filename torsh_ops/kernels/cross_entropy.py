"""Cross-entropy of rows of logits against classes, and its gradient, without the matrix of log-probabilities."""

import numpy as np
from numba import njit

from torsh_ops.kernels import math as m
from torsh_ops.kernels.reduce import row_max
from torsh_ops.kernels.rows import exp_below
from torsh_ops.kernels.vector import REORDER, SERIAL, flat, span


@njit(forceinline=True, **REORDER)
def _total(a, best):
    a = flat(a)
    total = a.dtype.type(0)
    for i in range(a.size):
        total += exp_below(a[i] - best)
    return total + (best - best)


@njit(forceinline=True, **SERIAL)
def _slopes(a, best, log, factor, o):
    a, o = flat(a), flat(o)
    for i in range(o.size):
        o[i] = exp_below((a[i] - best) - log) * factor


@njit(**SERIAL)
def cross_entropy(x, target, weight, ignored, loss, kept):
    """Loss of each row, 0 where the target is `ignored`.

    `kept` (rows, 3) gets the row's maximum, the logarithm of its sum of exponentials less that, and the target's
    weight, 0 where ignored and -1 where the target is no class. `weight` is empty where all are 1.
    """
    rows, classes = x.shape
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for r in range(rows):
        a, t = span(x, r * classes, classes), target[r]
        if t == ignored:
            loss[r], kept[r, 0], kept[r, 1], kept[r, 2] = zero, zero, zero, zero
            continue
        best = row_max(a)
        log = m.log(_total(a, best))
        # Apart, for their sum would lose the digits of the logarithm.
        kept[r, 0], kept[r, 1] = best, log
        if t < 0 or t >= classes:
            loss[r], kept[r, 2] = zero, -one
        else:
            factor = weight[t] if weight.size else one
            kept[r, 2] = factor
            loss[r] = (log - (a[t] - best)) * factor


@njit(**SERIAL)
def totals(loss, kept):
    """Sums of the losses and of the weights, and whether every target was a class."""
    losses, weights, right = 0.0, 0.0, True
    for r in range(loss.size):
        losses += loss[r]
        weights += kept[r, 2]
        right = right and kept[r, 2] >= 0
    return losses, weights, right


@njit(**SERIAL)
def mean(x, target, weight, ignored, loss, kept, out):
    """`cross_entropy` and the mean over the weights, to `out`; returns -1, or 0 where a target is no class."""
    cross_entropy(x, target, weight, ignored, loss, kept)
    losses, weights, right = totals(loss, kept)
    out[0] = losses * (1 / weights if weights != 0 else np.nan)
    return -1 if right else 0


@njit(**SERIAL)
def cross_entropy_grad(x, target, kept, factors, out):
    """`factors[r] * (softmax(x[r]) - one_hot(target[r]))` of each row."""
    rows, classes = x.shape
    zero = x.dtype.type(0)
    for r in range(rows):
        o = span(out, r * classes, classes)
        if kept[r, 2] == zero:
            for i in range(classes):
                o[i] = zero
        else:
            _slopes(span(x, r * classes, classes), kept[r, 0], kept[r, 1], factors[r], o)
            o[target[r]] -= factors[r]
