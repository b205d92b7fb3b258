"""Softmax, log-softmax and layer normalisation: functions of whole rows."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import is_grad_enabled, record
from torsh_ops.dtypes import as_dtype
from torsh_ops.errors import DTypeError, ShapeError
from torsh_ops.kernels import rows as rk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import reduce as rd
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.tensor import Tensor, check_dim


def _along(kernel: Callable[..., Any], dim: int, *tensors: Tensor) -> Tensor:
    """Run a row kernel over `dim` of tensors of one shape; another dim than the last is moved there and back."""
    ndim = tensors[0].ndim
    if ndim == 2 and dim == 1 and threads.count == 1 and tensors[0]._array.size:
        # The common case, without the bookkeeping of the others.
        matrices = [contiguous_array(t) for t in tensors]
        out = memory.empty_like(matrices[0])
        kernel(*matrices, out)
        return Tensor(out)
    last = dim == ndim - 1 or ndim == 0
    order = [*(d for d in range(ndim) if d != dim), dim]
    arrays = [contiguous_array(t if last else Tensor(t._array.transpose(order))) for t in tensors]
    shape = arrays[0].shape
    n = shape[-1] if shape else 1
    result = memory.empty(shape, arrays[0].dtype)
    if result.size:
        rows = result.size // n
        threads.rowwise(kernel, result.size, rows, *(a.reshape(rows, n) for a in (*arrays, result)))
    return Tensor(result if last else result.transpose(np.argsort(order)))


def _floating(op: Callable[..., Any], input: Tensor, dtype: Any) -> Tensor:
    input = need_tensor(op, input) if dtype is None else need_tensor(op, input).to(as_dtype(dtype))
    if not input.is_floating_point():
        raise DTypeError(f"{op.__name__}(): input dtype must be floating point, but got {input.dtype}; pass dtype=")
    return input


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Softmax along `dim`; same shape and dtype as `input`, or `dtype`.

    Raises DimError when `dim` is out of range. Max-shifted (Goodfellow et al. 2016, section 4.1).

    >>> softmax(tensor([0.0, 0.0]), dim=0)
    tensor([0.5, 0.5])
    """
    input = _floating(softmax, input, dtype)
    dim = check_dim(dim, input.ndim)
    result = _along(rk.softmax, dim, input)
    return record(softmax, result, (input, dim)) if input.requires_grad else result


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Logarithm of `softmax`, without computing it first; same shape and dtype as `input`, or `dtype`.

    Raises DimError when `dim` is out of range.
    """
    input = _floating(log_softmax, input, dtype)
    dim = check_dim(dim, input.ndim)
    result = _along(rk.log_softmax, dim, input)
    return record(log_softmax, result, (input, dim)) if input.requires_grad else result


def softmax_grad(g: Tensor, out: Tensor, dim: int) -> Tensor:
    """Gradient of softmax from its result; composed of operators while it is itself recorded."""
    if is_grad_enabled():
        return out * (g - rd.sum(g * out, dim, True))
    return _along(rk.softmax_grad, dim, g, out)


def log_softmax_grad(g: Tensor, out: Tensor, dim: int) -> Tensor:
    """Gradient of log_softmax from its result; composed of operators while it is itself recorded."""
    if is_grad_enabled():
        return g - ew.exp(out) * rd.sum(g, dim, True)
    return _along(rk.log_softmax_grad, dim, g, out)


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
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    _check_layer_norm(input, shape, weight, bias)
    mean, rstd, result = _layer_norm_forward(input, shape, weight, bias, eps)
    return record(layer_norm, result, (input, shape, weight, bias, eps, mean, rstd))


def _check_layer_norm(input: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None) -> None:
    if not shape or _floating(layer_norm, input, None).shape[-len(shape) :] != shape:
        raise ShapeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], "
            f"but got input of size {list(input.shape)}"
        )
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is None:
            continue
        if parameter.shape != shape:
            raise ShapeError(f"Expected {name} to be of shape {shape}, but got {name} of shape {parameter.shape}")
        if parameter._array.dtype != input._array.dtype:
            raise DTypeError(f"layer_norm: input is {input.dtype} but {name} is {parameter.dtype}")


def _affine(parameter: Tensor | None, n: int, np_dtype: np.dtype, neutral: float) -> np.ndarray:
    if parameter is None:
        return np.full(n, neutral, np_dtype)
    return contiguous_array(parameter).reshape(n)


def _layer_norm_forward(
    input: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[np.ndarray, np.ndarray, Tensor]:
    array = contiguous_array(input)
    n = math.prod(shape)
    rows = array.size // n if n else 0
    result = memory.empty(array.shape, array.dtype)
    mean, rstd = np.empty(rows, array.dtype), np.empty(rows, array.dtype)
    if array.size:
        w, b = _affine(weight, n, array.dtype, 1), _affine(bias, n, array.dtype, 0)
        threads.rowwise(
            lambda x, out, m, s: rk.layer_norm(x, w, b, eps, out, m, s), array.size, rows,
            array.reshape(rows, n), result.reshape(rows, n), mean, rstd,
        )  # fmt: skip
    return mean, rstd, Tensor(result)


def layer_norm_grad(
    g: Tensor, input: Tensor, shape: tuple[int, ...], weight: Tensor | None, eps: float, mean: Any, rstd: Any
) -> Tensor:
    """Gradient of layer_norm with regard to its input."""
    if is_grad_enabled():
        dims = tuple(range(-len(shape), 0))
        scale = ew.rsqrt(rd.var(input, dims, keepdim=True, correction=0) + eps)
        normal = (input - rd.mean(input, dims, True)) * scale
        g = g if weight is None else g * weight
        return (g - rd.mean(g, dims, True) - normal * rd.mean(g * normal, dims, True)) * scale
    n = math.prod(shape)
    d, x = contiguous_array(g), contiguous_array(input)
    result, rows = memory.empty(x.shape, x.dtype), len(mean)
    w = _affine(weight, n, x.dtype, 1)
    threads.rowwise(
        lambda d, x, m, s, out: rk.layer_norm_grad(d, x, w, m, s, out), x.size, rows,
        d.reshape(rows, n), x.reshape(rows, n), mean, rstd, result.reshape(rows, n),
    )  # fmt: skip
    return Tensor(result)


def layer_norm_weight_grad(
    g: Tensor, input: Tensor, shape: tuple[int, ...], eps: float, mean: Any, rstd: Any
) -> Tensor:
    """Gradient of layer_norm with regard to its weight."""
    lead = tuple(range(input.ndim - len(shape)))
    if is_grad_enabled():
        dims = tuple(range(-len(shape), 0))
        normal = input - rd.mean(input, dims, True)
        normal = normal * ew.rsqrt(rd.var(input, dims, keepdim=True, correction=0) + eps)
        return rd.sum(g * normal, lead) if lead else g * normal
    n, rows = math.prod(shape), len(mean)
    result = np.zeros(n, g._array.dtype)
    d, x = contiguous_array(g).reshape(rows, n), contiguous_array(input).reshape(rows, n)
    rk.layer_norm_weight_grad(d, x, mean, rstd, result)
    return Tensor(result.reshape(shape))


def layer_norm_bias_grad(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Gradient of layer_norm with regard to its bias."""
    lead = tuple(range(g.ndim - len(shape)))
    return rd.sum(g, lead) if lead else g


__all__ = [
    "log_softmax", "softmax",
]  # fmt: skip
METHODS = (
    log_softmax, softmax,
)  # fmt: skip
