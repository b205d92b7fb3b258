"""Normalisations by channel: batch, group and instance norm, and the response of neighbouring channels."""

import math
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import is_grad_enabled, record
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import batch_norm as kernels
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import reduce as rd
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.pad import pad
from torsh_ops.ops.plan import New, Plan, Step, flat, planned, seen
from torsh_ops.tensor import Tensor


def _plan_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Plan | None:
    """By given statistics, or by those of the batch where none are kept, of several places a channel."""
    _check(batch_norm, input, running_mean, running_var, weight, bias, training)
    x, channels = input._array, input._array.shape[1]
    count = x.size // max(channels, 1)
    if x.ndim < 3 or count < 2 or count == x.shape[0] or x.size >= threads.WORTH_ELEMENTS:
        return None
    if training and not (running_mean is running_var is None):
        return None
    planes, out, rstd = (x.shape[0], channels, count // x.shape[0]), New(x.shape, input), New((channels,), input)
    w, b = _plain_or(weight, channels, x.dtype, 1), _plain_or(bias, channels, x.dtype, 0)
    room, steps = [rstd], []
    mean: Any = running_mean
    variance: Any = running_var
    if training:
        mean, variance = New((channels,), input), New((channels,), input)
        room += [mean, variance]
        steps.append(Step(kernels.statistics, seen(input, planes), mean, variance))
    given = flat(w), flat(b), flat(mean), flat(variance), float(eps)
    steps.append(Step(kernels.batch_norm, seen(input, planes), *given, rstd, seen(out, planes)))
    return Plan(out, steps, room=room)


def _plain_or(parameter: Tensor | None, n: int, dtype: np.dtype, neutral: float) -> Tensor | np.ndarray:
    return np.full(n, neutral, dtype) if parameter is None else parameter


@planned(_plan_batch_norm)
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of (n, c, ...), then scale by `weight` (c,) and shift by `bias` (c,).

    With `training` the batch's own mean and biased variance are used, and the running ones move towards them (the
    variance unbiased) by `momentum`; otherwise the running ones are used. Ioffe and Szegedy 2015.
    """
    _check(batch_norm, input, running_mean, running_var, weight, bias, training)
    if training and input.numel() == input.shape[1]:
        raise ArgumentError(f"Expected more than 1 value per channel when training, got input size {list(input.shape)}")
    recorded = is_grad_enabled() and any(t is not None and t.requires_grad for t in (input, weight, bias))
    if not training and recorded:
        return _by_running(input, running_mean, running_var, weight, bias, eps)
    x = _planes(contiguous_array(input))
    channels, dtype = x.shape[1], x.dtype
    w, b = _or_neutral(weight, channels, dtype, 1), _or_neutral(bias, channels, dtype, 0)
    rstd = np.empty(channels, dtype)
    if training:
        mean, variance = _statistics(x)
        count = x.size // max(channels, 1)
        _move(running_mean, mean, momentum)
        _move(running_var, variance * (count / max(count - 1, 1)), momentum)
    else:
        assert running_mean is not None and running_var is not None
        mean, variance = contiguous_array(running_mean), contiguous_array(running_var)
    out = memory.empty(input.shape, dtype)
    if x.shape[2] == 1:
        # One place a channel, as of a linear layer: rows of channels are what NumPy makes vectors of.
        rstd = (1 / np.sqrt(variance + eps)).astype(dtype)
        np.multiply(x[..., 0] - mean, rstd * w, out=_planes(out)[..., 0])
        _planes(out)[..., 0] += b
    elif out.size:
        threads.rowwise(
            lambda x, y: kernels.batch_norm(x, w, b, mean, variance, eps, rstd, y), x.size, len(x), x, _planes(out)
        )
    result = Tensor(out)
    return record(by_batch, result, (input, weight, bias, eps, mean, rstd, {})) if recorded else result


def _statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance of each channel of (n, c, places)."""
    if x.shape[2] == 1:
        wide = x[..., 0]
        mean = wide.mean(0, dtype=np.float64).astype(x.dtype)
        return mean, np.square(wide - mean).mean(0, dtype=np.float64).astype(x.dtype)
    mean, variance = np.empty((2, x.shape[1]), x.dtype)
    kernels.statistics(x, mean, variance)
    return mean, variance


def _move(running: Tensor | None, new: np.ndarray, momentum: float) -> None:
    if running is not None:
        running._array += momentum * (new - running._array)
        running._bump()


def _by_running(
    input: Tensor, mean: Any, variance: Any, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    shape = (1, -1, *(1,) * (input.ndim - 2))
    scale = ew.rsqrt(variance + eps)
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return input * scale.reshape(shape) + shift.reshape(shape)


def by_batch(*args: Any) -> Tensor:
    """The name under which batch norm by the batch's own statistics is recorded."""
    raise NotImplementedError


by_batch.__name__ = "batch_norm"


def _check(
    op: Any, input: Tensor, mean: Tensor | None, variance: Tensor | None, weight: Tensor | None, bias: Tensor | None,
    own_statistics: bool,
) -> None:  # fmt: skip
    if need_tensor(op, input).ndim < 2 or not input.is_floating_point():
        raise ShapeError(
            f"{op.__name__} expects a floating-point input (n, c, ...), but got {input.dtype} {input.shape}"
        )
    if not own_statistics and (mean is None or variance is None):
        raise ArgumentError("Expected running_mean and running_var to be defined when training=False")
    shape, dtype = input._array.shape[1:2], input._array.dtype
    for name, tensor in (("running_mean", mean), ("running_var", variance), ("weight", weight), ("bias", bias)):
        if tensor is None:
            continue
        if tensor._array.shape != shape:
            raise ShapeError(f"{name} should contain {shape[0]} elements, not {list(tensor.shape)}")
        if tensor._array.dtype is not dtype:
            raise DTypeError(f"{op.__name__}: input is {input.dtype} but {name} is {tensor.dtype}")


def _planes(x: np.ndarray) -> np.ndarray:
    return x if x.ndim == 3 else x.reshape(x.shape[0], x.shape[1], math.prod(x.shape[2:]))


def _or_neutral(parameter: Tensor | None, n: int, dtype: np.dtype, neutral: float) -> np.ndarray:
    return np.full(n, neutral, dtype) if parameter is None else contiguous_array(parameter)


def _normal(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The normalised batch and its scale, as operators: what a gradient that is itself recorded is made of."""
    dims = _dims(x)
    centred = x - rd.mean(x, dims, True)
    scale = ew.rsqrt(rd.mean(centred * centred, dims, True) + eps)
    return centred * scale, scale


def _dims(x: Tensor) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _per_channel(parameter: Tensor, x: Tensor) -> Tensor:
    return parameter.reshape(1, -1, *(1,) * (x.ndim - 2))


def _sums(g: Tensor, x: np.ndarray, mean: np.ndarray, rstd: np.ndarray, kept: dict[str, Any]) -> Any:
    """Gradients with regard to weight and bias; the rules of one node share them through `kept`."""
    if kept.get("g") is not g:
        d = _planes(contiguous_array(g))
        for_weight, for_bias = np.empty((2, len(mean)), x.dtype)
        if x.shape[2] == 1:
            for_bias[:] = d[..., 0].sum(0)
            for_weight[:] = np.einsum("nc,nc->c", d[..., 0], x[..., 0] - mean) * rstd
        else:
            kernels.batch_norm_sums(d, x, mean, rstd, for_weight, for_bias)
        kept.update(g=g, sums=(for_weight, for_bias))
    return kept["sums"]


def batch_norm_input_grad(
    g: Tensor, x: Tensor, weight: Tensor | None, eps: float, mean: np.ndarray, rstd: np.ndarray, kept: dict[str, Any]
) -> Tensor:
    """Gradient of batch norm by the batch's own statistics with regard to its input."""
    if is_grad_enabled():
        dims = _dims(x)
        normal, scale = _normal(x, eps)
        g = g if weight is None else g * _per_channel(weight, x)
        return (g - rd.mean(g, dims, True) - normal * rd.mean(g * normal, dims, True)) * scale
    array = _planes(contiguous_array(x))
    w = _or_neutral(weight, len(mean), array.dtype, 1)
    for_weight, for_bias = _sums(g, array, mean, rstd, kept)
    out, d = memory.empty(x.shape, array.dtype), _planes(contiguous_array(g))
    if array.shape[2] == 1:
        rows = array.shape[0]
        normal = (array[..., 0] - mean) * rstd
        np.multiply(d[..., 0] - (for_bias + normal * for_weight) / rows, rstd * w, out=_planes(out)[..., 0])
    elif out.size:
        kernels.batch_norm_grad(d, array, w, mean, rstd, for_weight, for_bias, _planes(out))
    return Tensor(out)


def batch_norm_weight_grad(
    g: Tensor, x: Tensor, eps: float, mean: np.ndarray, rstd: np.ndarray, kept: dict[str, Any]
) -> Tensor:
    """Gradient with regard to the weight."""
    if is_grad_enabled():
        return rd.sum(g * _normal(x, eps)[0], _dims(x))
    return Tensor(_sums(g, _planes(contiguous_array(x)), mean, rstd, kept)[0].copy())


def batch_norm_bias_grad(g: Tensor, x: Tensor, mean: np.ndarray, rstd: np.ndarray, kept: dict[str, Any]) -> Tensor:
    """Gradient with regard to the bias."""
    if is_grad_enabled():
        return rd.sum(g, _dims(g))
    return Tensor(_sums(g, _planes(contiguous_array(x)), mean, rstd, kept)[1].copy())


def _plan_group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Plan | None:
    _check(group_norm, input, None, None, weight, bias, True)
    x, channels = input._array, input._array.shape[1]
    if not x.size or x.size >= threads.WORTH_ELEMENTS or num_groups < 1 or channels % num_groups:
        return None
    rows = (len(x) * num_groups, channels // num_groups, x.size // (len(x) * channels))
    w, b = _plain_or(weight, channels, x.dtype, 1), _plain_or(bias, channels, x.dtype, 0)
    out, kept = New(x.shape, input), New((rows[0], 2), input)
    step = Step(kernels.group_norm, seen(input, rows), flat(w), flat(b), float(eps), seen(out, rows), kept)
    return Plan(out, [step], room=[kept])


@planned(_plan_group_norm)
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalise each sample of (n, c, ...) over each of `num_groups` groups of channels; scale and shift by channel.

    Raises ShapeError when the channels do not divide into groups. Wu and He 2018.
    """
    _check(group_norm, input, None, None, weight, bias, True)
    if num_groups < 1 or input.shape[1] % num_groups:
        raise ShapeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    return _by_group(input, num_groups, weight, bias, eps)


def _by_group(input: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    x = contiguous_array(input)
    samples, channels = x.shape[:2]
    w, b = _or_neutral(weight, channels, x.dtype, 1), _or_neutral(bias, channels, x.dtype, 0)
    out, kept = memory.empty_like(x), np.empty((samples * groups, 2), x.dtype)
    if x.size:
        rows = (-1, channels // groups, x.size // (samples * channels))
        if threads.count == 1:
            kernels.group_norm(x.reshape(rows), w, b, eps, out.reshape(rows), kept)
        else:
            # Each thread takes whole samples, so that its first row is the first group.
            threads.rowwise(
                lambda x, y, k: kernels.group_norm(x.reshape(rows), w, b, eps, y.reshape(rows), k.reshape(-1, 2)),
                x.size, samples, x, out, kept.reshape(samples, groups, 2),
            )  # fmt: skip
    result = Tensor(out)
    if (
        input.requires_grad
        or (weight is not None and weight.requires_grad)
        or (bias is not None and bias.requires_grad)
    ):
        return record(group_norm, result, (input, groups, weight, bias, eps, kept, {}))
    return result


def _groups(x: np.ndarray, groups: int) -> np.ndarray:
    return x.reshape(x.shape[0] * groups, x.shape[1] // groups, math.prod(x.shape[2:]))


def group_norm_grad(
    position: int, g: Tensor, x: Tensor, groups: int, weight: Tensor | None, eps: float, kept: np.ndarray,
    shared: dict[str, Any],
) -> Tensor:  # fmt: skip
    """Gradient of group norm with regard to input (0), weight (1) or bias (2); the three come from one pass."""
    if is_grad_enabled():
        return _group_norm_grad_of_operators(position, g, x, groups, weight, eps)
    if shared.get("g") is not g or position not in shared["found"]:
        d, array = contiguous_array(g), contiguous_array(x)
        w = _or_neutral(weight, array.shape[1], array.dtype, 1)
        out, sums = memory.empty_like(array), np.zeros((2, array.shape[1]))
        if array.size:
            kernels.group_norm_grad(
                _groups(d, groups), _groups(array, groups), w, kept, _groups(out, groups), sums[0], sums[1]
            )
        shared.update(g=g, found=dict(enumerate((out, *sums.astype(array.dtype)))))
    # Each is handed out once: what receives it may write into it.
    return Tensor(shared["found"].pop(position))


def _group_norm_grad_of_operators(
    position: int, g: Tensor, x: Tensor, groups: int, weight: Tensor | None, eps: float
) -> Tensor:
    if position == 2:
        return rd.sum(g, _dims(g))
    rows = x.reshape(x.shape[0], groups, -1)
    centred = rows - rd.mean(rows, -1, True)
    scale = ew.rsqrt(rd.mean(centred * centred, -1, True) + eps)
    normal = centred * scale
    if position == 1:
        return rd.sum(g * normal.reshape(x.shape), _dims(g))
    d = (g if weight is None else g * _per_channel(weight, x)).reshape(rows.shape)
    return ((d - rd.mean(d, -1, True) - normal * rd.mean(d * normal, -1, True)) * scale).reshape(x.shape)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample of (n, c, ...); scale and shift by channel.

    The running statistics move towards the mean of the samples' own; without `use_input_stats` they are used instead.
    Ulyanov et al. 2016.
    """
    _check(instance_norm, input, running_mean, running_var, weight, bias, use_input_stats)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    places = math.prod(input.shape[2:])
    if places == 1:
        raise ArgumentError(f"Expected more than 1 spatial element when training, got input size {list(input.shape)}")
    if running_mean is not None or running_var is not None:
        x = _planes(contiguous_array(input))
        _move(running_mean, x.mean((0, 2), dtype=np.float64).astype(x.dtype), momentum)
        _move(running_var, x.var(2, ddof=1, dtype=np.float64).mean(0).astype(x.dtype), momentum)
    return _by_group(input, input.shape[1], weight, bias, eps)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide (n, c, ...) by ``(k + alpha * mean of the squares of `size` neighbouring channels) ** beta``.

    Raises ShapeError below 3 dimensions. Krizhevsky et al. 2012.
    """
    if need_tensor(local_response_norm, input).ndim < 3:
        raise ShapeError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    channels = input.shape[1]
    sides = (*(0, 0) * (input.ndim - 2), size // 2, (size - 1) // 2)
    squares = pad(input * input, sides)
    total = squares.narrow(1, 0, channels)
    for first in range(1, size):
        total = total + squares.narrow(1, first, channels)
    return input / ew.pow(total * (alpha / size) + k, beta)


__all__ = [
    "group_norm",
]  # fmt: skip
METHODS = ()
