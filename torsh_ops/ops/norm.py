"""Softmax, log-softmax, layer and RMS normalisation: functions of whole rows."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import is_grad_enabled, record
from torsh_ops.dtypes import as_dtype
from torsh_ops.errors import DTypeError, ShapeError
from torsh_ops.kernels import columns as ck
from torsh_ops.kernels import rows as rk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import reduce as rd
from torsh_ops.ops import shortcut
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.plan import New, Plan, Planner, Step, flat, planned, seen
from torsh_ops.tensor import Tensor, check_dim

Kernel = Callable[..., Any]

# Of more rows than these, the sums of layer_norm's gradients are left to `sum`, which keeps the error of a block.
_SUMMED_ROWS = 1024


def floating(op: Callable[..., Any], input: Tensor, dtype: Any = None) -> Tensor:
    """Return `input`, cast where `dtype` is given, or raise DTypeError unless it is floating-point."""
    input = need_tensor(op, input) if dtype is None else need_tensor(op, input).to(as_dtype(dtype))
    if not input.is_floating_point():
        raise DTypeError(f"{op.__name__}(): input dtype must be floating point, but got {input.dtype}; pass dtype=")
    return input


def _along(by_row: Kernel, by_column: Kernel, buffers: int, dim: int, *tensors: Tensor) -> Tensor:
    """Run `by_row` over the last dimension of tensors of one shape, `by_column`, with its buffers, over another."""
    arrays = [contiguous_array(t) for t in tensors]
    shape, np_dtype = arrays[0].shape, arrays[0].dtype
    result = memory.empty(shape, np_dtype)
    if result.size == 0:
        return Tensor(result)
    n = shape[dim] if shape else 1
    inner = math.prod(shape[dim + 1 :])
    if inner == 1:
        rows = result.size // n
        threads.rowwise(by_row, result.size, rows, *(a.reshape(rows, n) for a in (*arrays, result)))
        return Tensor(result)
    outer = result.size // (n * inner)

    def run(*parts: np.ndarray) -> None:
        by_column(*parts[:-1], *np.empty((buffers, min(inner, ck.CHUNK)), np_dtype), parts[-1])

    threads.rowwise(run, result.size, outer, *(a.reshape(outer, n, inner) for a in (*arrays, result)))
    return Tensor(result)


@shortcut.rows(rk.softmax)
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Softmax along `dim`; same shape and dtype as `input`, or `dtype`.

    Raises DimError when `dim` is out of range. Max-shifted (Goodfellow et al. 2016, section 4.1). In float32 what is
    below 2.7e-38 of the greatest is 0.

    >>> softmax(tensor([0.0, 0.0]), dim=0)
    tensor([0.5, 0.5])
    """
    input = floating(softmax, input, dtype)
    dim = check_dim(dim, input.ndim)
    result = _along(rk.softmax, ck.softmax, 2, dim, input)
    return record(softmax, result, (input, dim)) if input.requires_grad else result


@shortcut.rows(rk.log_softmax)
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Logarithm of `softmax`, without computing it first; same shape and dtype as `input`, or `dtype`.

    Raises DimError when `dim` is out of range.
    """
    input = floating(log_softmax, input, dtype)
    dim = check_dim(dim, input.ndim)
    result = _along(rk.log_softmax, ck.log_softmax, 2, dim, input)
    return record(log_softmax, result, (input, dim)) if input.requires_grad else result


def _plan_row_grad(kernel: Kernel) -> Planner:
    def plan(g: Tensor, out: Tensor, dim: int) -> Plan | None:
        array = out._array
        if dim != array.ndim - 1 or not 0 < array.size < threads.WORTH_ELEMENTS:
            return None
        found, rows = New(array.shape, out), (array.size // array.shape[-1], array.shape[-1])
        return Plan(found, [Step(kernel, seen(g, rows), seen(out, rows), seen(found, rows))])

    return plan


@planned(_plan_row_grad(rk.softmax_grad))
def softmax_grad(g: Tensor, out: Tensor, dim: int) -> Tensor:
    """Gradient of softmax from its result; composed of operators while it is itself recorded."""
    if is_grad_enabled():
        return out * (g - rd.sum(g * out, dim, True))
    return _along(rk.softmax_grad, ck.softmax_grad, 1, dim, g, out)


@planned(_plan_row_grad(rk.log_softmax_grad))
def log_softmax_grad(g: Tensor, out: Tensor, dim: int) -> Tensor:
    """Gradient of log_softmax from its result; composed of operators while it is itself recorded."""
    if is_grad_enabled():
        return g - ew.exp(out) * rd.sum(g, dim, True)
    return _along(rk.log_softmax_grad, ck.log_softmax_grad, 1, dim, g, out)


@shortcut.normalisation(rk.layer_norm, biased=True)
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int] | int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise over the last dimensions, `normalized_shape`, then scale by `weight` and shift by `bias`.

    `weight` and `bias` have shape `normalized_shape`; the result has the shape and dtype of `input`. Raises
    ShapeError when the shapes do not fit. Ba, Kiros and Hinton 2016.
    """
    shape, array, rows, n = _row_operand(layer_norm, input, normalized_shape)
    w = _affine(layer_norm, "weight", weight, shape, array.dtype, 1)
    b = _affine(layer_norm, "bias", bias, shape, array.dtype, 0)
    out, kept = memory.empty_like(array), np.empty((rows, 2), array.dtype)
    if array.ndim == 2 and threads.count == 1 and len(shape) == 1 and array.size:
        rk.layer_norm(array, w, b, eps, out, kept)
    elif array.size:
        x, y = array.reshape(rows, n), out.reshape(rows, n)
        threads.ranges(rk.layer_norm, array.size, rows, lambda i: (x[i], w, b, eps, y[i], kept[i]))
    result = Tensor(out)
    if (
        input.requires_grad
        or (weight is not None and weight.requires_grad)
        or (bias is not None and bias.requires_grad)
    ):
        return record(layer_norm, result, (input, shape, weight, bias, eps, Tensor(kept)))
    return result


@shortcut.normalisation(rk.rms_norm, biased=False)
def rms_norm(
    input: Tensor, normalized_shape: Sequence[int] | int, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divide by the root of the mean square over the last dimensions, `normalized_shape`, then scale by `weight`.

    `eps` is the dtype's machine epsilon unless given. Raises ShapeError when the shapes do not fit. Zhang and
    Sennrich 2019.
    """
    shape, array, rows, n = _row_operand(rms_norm, input, normalized_shape)
    if eps is None:
        eps = float(np.finfo(array.dtype).eps)
    w = _affine(rms_norm, "weight", weight, shape, array.dtype, 1)
    out, kept = memory.empty_like(array), np.empty((rows, 2), array.dtype)
    if array.size:
        x, y = array.reshape(rows, n), out.reshape(rows, n)
        threads.ranges(rk.rms_norm, array.size, rows, lambda i: (x[i], w, eps, y[i], kept[i]))
    result = Tensor(out)
    if input.requires_grad or (weight is not None and weight.requires_grad):
        return record(rms_norm, result, (input, shape, weight, eps, Tensor(kept)))
    return result


def _row_operand(
    op: Callable[..., Any], input: Tensor, normalized_shape: Sequence[int] | int
) -> tuple[tuple[int, ...], np.ndarray, int, int]:
    """The normalised shape, the contiguous array, its rows and their length."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not isinstance(input, Tensor) or input._array.dtype.kind != "f":
        floating(op, input)
    array = input._array
    if not shape or array.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], "
            f"but got input of size {list(array.shape)}"
        )
    n = shape[0] if len(shape) == 1 else math.prod(shape)
    return shape, array if array.flags.c_contiguous else contiguous_array(input), array.size // n if n else 0, n


def _affine(
    op: Callable[..., Any], name: str, parameter: Tensor | None, shape: tuple[int, ...], dtype: np.dtype, neutral: float
) -> np.ndarray:
    if parameter is None:
        return np.full(math.prod(shape), neutral, dtype)
    array = parameter._array
    if array.shape != shape:
        raise ShapeError(f"Expected {name} to be of shape {shape}, but got {name} of shape {array.shape}")
    if array.dtype is not dtype:
        raise DTypeError(f"{op.__name__}: input is {dtype} but {name} is {parameter.dtype}")
    if array.flags.c_contiguous and array.ndim == 1:
        return array
    return contiguous_array(parameter).reshape(-1)


def _normal(input: Tensor, shape: tuple[int, ...], eps: float, centred: bool) -> tuple[Tensor, Tensor]:
    """The normalised input and its scale as operators, which can be differentiated again."""
    dims = tuple(range(-len(shape), 0))
    if centred:
        input = input - rd.mean(input, dims, True)
    scale = ew.rsqrt(rd.mean(input * input, dims, True) + eps)
    return input * scale, scale


def row_norm_grad(
    g: Tensor, input: Tensor, shape: tuple[int, ...], weight: Tensor | None, eps: float, kept: Tensor, centred: bool
) -> Tensor:
    """Gradient of layer_norm (`centred`) or rms_norm with regard to its input."""
    if is_grad_enabled():
        dims = tuple(range(-len(shape), 0))
        normal, scale = _normal(input, shape, eps, centred)
        g = g if weight is None else g * weight
        if centred:
            g = g - rd.mean(g, dims, True)
        return (g - normal * rd.mean(g * normal, dims, True)) * scale
    n, rows = math.prod(shape), len(kept)
    d, x = contiguous_array(g), contiguous_array(input)
    w = np.ones(n, x.dtype) if weight is None else contiguous_array(weight).reshape(n)
    result = memory.empty_like(x)
    kernel = rk.layer_norm_grad if centred else rk.rms_norm_grad
    d, x, into, scales = d.reshape(rows, n), x.reshape(rows, n), result.reshape(rows, n), kept._array
    threads.ranges(kernel, x.size, rows, lambda i: (d[i], x[i], w, scales[i], into[i]))
    return Tensor(result)


def _plan_layer_norm_grads(
    g: Tensor, input: Tensor, shape: tuple[int, ...], weight: Tensor, bias: Tensor, eps: float, kept: Tensor
) -> Plan | None:
    size, rows = input._array.size, (len(kept), math.prod(shape))
    if bias is None or rows[0] > _SUMMED_ROWS or not 0 < size < threads.WORTH_ELEMENTS:
        return None
    of_input, of_weight, of_bias = (New(x.shape, x) for x in (input, weight, bias))
    into = seen(of_input, rows), flat(of_weight), flat(of_bias)
    step = Step(rk.layer_norm_grads, seen(g, rows), seen(input, rows), flat(weight), kept, *into)
    return Plan((of_input, of_weight, of_bias), [step], of=tuple)


@planned(_plan_layer_norm_grads)
def layer_norm_grads(
    g: Tensor, input: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None, eps: float,
    kept: Tensor,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """The gradients of layer_norm with regard to input, weight and bias, in one pass over the rows."""
    if threads.count > 1 or weight is None or bias is None or len(kept) > _SUMMED_ROWS:
        return (
            row_norm_grad(g, input, shape, weight, eps, kept, True),
            None if weight is None else row_norm_weight_grad(g, input, shape, eps, kept, True),
            None if bias is None else row_norm_bias_grad(g, shape),
        )
    x, rows = contiguous_array(input), (len(kept), math.prod(shape))
    found = memory.empty_like(x), *(np.empty(rows[1], x.dtype) for _ in range(2))
    w = contiguous_array(weight).reshape(-1)
    rk.layer_norm_grads(
        contiguous_array(g).reshape(rows), x.reshape(rows), w, kept._array, found[0].reshape(rows), *found[1:]
    )
    return Tensor(found[0]), Tensor(found[1].reshape(shape)), Tensor(found[2].reshape(shape))


def row_norm_weight_grad(
    g: Tensor, input: Tensor, shape: tuple[int, ...], eps: float, kept: Tensor, centred: bool
) -> Tensor:
    """Gradient of layer_norm (`centred`) or rms_norm with regard to its weight."""
    if is_grad_enabled():
        lead = tuple(range(input.ndim - len(shape)))
        product = g * _normal(input, shape, eps, centred)[0]
        return rd.sum(product, lead) if lead else product
    n, rows = math.prod(shape), len(kept)
    result = np.zeros(n, g._array.dtype)
    rk.layer_norm_weight_grad(
        contiguous_array(g).reshape(rows, n), contiguous_array(input).reshape(rows, n), kept._array, result
    )
    return Tensor(result.reshape(shape))


def row_norm_bias_grad(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Gradient of layer_norm with regard to its bias."""
    lead = tuple(range(g.ndim - len(shape)))
    return rd.sum(g, lead) if lead else g


def normalize(input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12) -> Tensor:
    """`input` over its `p`-norm along `dim`, which is taken as at least `eps`."""
    return input / ew.clamp(rd.norm(need_tensor(normalize, input), p, dim, True), min=eps)


__all__ = [
    "layer_norm", "log_softmax", "rms_norm", "softmax",
]  # fmt: skip
METHODS = (
    log_softmax, softmax,
)  # fmt: skip
