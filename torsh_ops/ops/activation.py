"""The activations beyond the core's relu, gelu, silu, sigmoid and tanh; each in one pass over its input.

`inplace` writes the result into `input`; GradError where that is a leaf that requires grad.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import record
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import activation as ak
from torsh_ops.kernels import short
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import shortcut
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.in_place import change, must_record
from torsh_ops.ops.norm import softmax
from torsh_ops.ops.random import rand_like
from torsh_ops.tensor import Tensor, check_dim

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805

# Elements computed beside an array before they are copied back into it: 128 KiB of float32.
_ASIDE = 1 << 15


def run(op: Callable[..., Any], kernel: Callable[..., Any], input: Tensor, inplace: bool, *numbers: float) -> Tensor:
    """Run `kernel(x, *numbers, out)`; `op` is recorded with `input` and the numbers."""
    array = need_tensor(op, input)._array
    if array.dtype.kind != "f":
        raise DTypeError(f"{op.__name__}(): input must be floating-point, but got {input.dtype}; convert with .to(...)")
    if inplace:
        if must_record(input):
            return change(input, lambda before: run(op, kernel, before, False, *numbers))
        _run_in_place(kernel, array, numbers)
        input._bump()
        return input
    array = contiguous_array(input)
    result = memory.empty_like(array)
    threads.fill(kernel, array, *numbers, result)
    tensor = Tensor(result)
    return record(op, tensor, (input, *numbers)) if input.requires_grad else tensor


def _run_in_place(kernel: Callable[..., Any], array: np.ndarray, numbers: tuple[float, ...]) -> None:
    """Compute beside the array, part by part: LLVM makes vectors only where source and target do not overlap (9x)."""
    if not array.flags.c_contiguous:
        result = np.empty(array.shape, array.dtype)
        kernel(np.ascontiguousarray(array), *numbers, result)
        np.copyto(array, result)
        return
    flat = array.reshape(-1)
    aside = np.empty(min(flat.size, _ASIDE), array.dtype)
    for start in range(0, flat.size, _ASIDE):
        part = flat[start : start + _ASIDE]
        kernel(part, *numbers, aside[: part.size])
        part[...] = aside[: part.size]


@shortcut.unary(short.leaky_relu, recorded=False)
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """`input` where positive, else `negative_slope * input`. Maas et al. 2013."""
    return run(leaky_relu, ak.leaky_relu, input, inplace, negative_slope)


@shortcut.unary(short.elu, recorded=False)
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` where positive, else `alpha * (exp(input) - 1)`. Clevert et al. 2016."""
    return run(elu, ak.elu, input, inplace, 1.0, alpha, 1.0)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The elu whose scale keeps mean 0 and variance 1. Klambauer et al. 2017."""
    return run(selu, ak.elu, input, inplace, _SELU_SCALE, _SELU_SCALE * _SELU_ALPHA, 1.0)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`max(input, 0) + min(0, alpha * (exp(input / alpha) - 1))`. Barron 2017. Raises ArgumentError when alpha is 0."""
    if alpha == 0:
        raise ArgumentError("celu(): alpha cannot be 0: ZeroDivisionError")
    return run(celu, ak.elu, input, inplace, 1.0, alpha, 1 / alpha)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """`input`, held between `min_val` and `max_val`; the slope is 0 at both. Integers stay integers.

    Raises ArgumentError when `min_val` is above `max_val`.
    """
    if min_val > max_val:
        raise ArgumentError(f"hardtanh(): min_val cannot be greater than max_val, but got {min_val} and {max_val}")
    if need_tensor(hardtanh, input)._array.dtype.kind == "i":
        return ew.clamp(input, int(min_val), int(max_val), out=input if inplace else None)
    return run(hardtanh, ak.hardtanh, input, inplace, min_val, max_val)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """`min(max(input, 0), 6)`."""
    return hardtanh(input, 0.0, 6.0, inplace)


@shortcut.unary(ak.hardsigmoid)
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """`input / 6 + 1 / 2`, held between 0 and 1."""
    return run(hardsigmoid, ak.hardsigmoid, input, inplace)


@shortcut.unary(ak.hardswish)
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * hardsigmoid(input)`. Howard et al. 2019."""
    return run(hardswish, ak.hardswish, input, inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input`, but 0 between `-lambd` and `lambd`."""
    return run(hardshrink, ak.hardshrink, input, False, lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` moved towards 0 by `lambd`, 0 within it. Raises ArgumentError when `lambd` is negative."""
    if lambd < 0:
        raise ArgumentError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return run(softshrink, ak.softshrink, input, False, lambd)


def tanhshrink(input: Tensor) -> Tensor:
    """`input - tanh(input)`."""
    return input - ew.tanh(need_tensor(tanhshrink, input))


def softsign(input: Tensor) -> Tensor:
    """`input / (1 + |input|)`."""
    return input / (1 + ew.abs(need_tensor(softsign, input)))


@shortcut.unary(short.softplus, recorded=False)
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """`log(1 + exp(beta * input)) / beta`; `input` itself where `beta * input` is above `threshold`.

    Raises ArgumentError when `beta` is 0.
    """
    if beta == 0:
        raise ArgumentError("softplus(): beta cannot be 0")
    return run(softplus, ak.softplus, input, False, beta, threshold)


@shortcut.unary(ak.logsigmoid)
def logsigmoid(input: Tensor) -> Tensor:
    """`log(sigmoid(input))`, without underflow."""
    return run(logsigmoid, ak.logsigmoid, input, False)


@shortcut.unary(ak.mish)
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * tanh(softplus(input))`. Misra 2019."""
    return run(mish, ak.mish, input, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """`input` above `threshold`, else `value`."""
    return run(_threshold, ak.threshold, input, inplace, threshold, value)


# The parameter of the same name hides the function from its own body.
_threshold = threshold


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`input` where positive, else `weight * input`, the weight one number or one for each channel (dim 1).

    Raises ShapeError when there are neither one nor as many weights as channels. He et al. 2015.
    """
    channels = need_tensor(prelu, input).shape[1] if input.ndim > 1 else 1
    count = need_tensor(prelu, weight, "weight").numel()
    if weight.ndim > 1 or count not in (1, channels):
        raise ShapeError(
            f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} "
            f"and channel size = {channels}."
        )
    if weight.dtype is not input.dtype:
        raise DTypeError(f"prelu(): input is {input.dtype} but weight is {weight.dtype}; convert one with .to(...)")
    slopes = weight.reshape(-1, *(1,) * (input.ndim - 2)) if count > 1 else weight.reshape(())
    return ew.where(input > 0, input, input * slopes)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """`leaky_relu` with a slope drawn from [lower, upper) for each element, their mean unless `training`.

    Raises ArgumentError when `lower` is above `upper`. Xu et al. 2015.
    """
    if lower > upper:
        raise ArgumentError(f"Lower bound should be less than or equal to the upper bound, but got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slopes = rand_like(need_tensor(rrelu, input)) * (upper - lower) + lower
    result = ew.where(input > 0, input, input * slopes)
    return input.copy_(result) if inplace else result


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of `dim` times the sigmoid of the second. Raises ShapeError unless its size is even.

    Dauphin et al. 2017.
    """
    if need_tensor(glu, input).ndim == 0:
        raise ShapeError("glu does not support 0-dimensional tensors")
    dim = check_dim(dim, input.ndim)
    if input.shape[dim] % 2:
        raise ShapeError(f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}")
    first, second = input.chunk(2, dim)
    return first * ew.sigmoid(second)


def softmin(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Softmax of the negated input."""
    return softmax(-need_tensor(softmin, input), dim, dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Softmax of logits with Gumbel noise over `tau`: a sample that has a gradient. Jang et al. 2017.

    With `hard` the value is one-hot and the gradient that of the soft sample; `eps` is PyTorch's, without effect.
    """
    # 1 - u is in (0, 1]: its logarithm is finite, and that of minus it is too for all but u = 0.
    uniform = np.maximum(rand_like(need_tensor(gumbel_softmax, logits))._array, np.finfo(np.float32).tiny)
    noise = Tensor(-np.log(-np.log1p(-uniform)))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    values = soft.detach()
    chosen = values._array.argmax(dim, keepdims=True)
    one_hot = np.zeros(values.shape, values._array.dtype)
    np.put_along_axis(one_hot, chosen, 1, dim)
    return Tensor(one_hot) - values + soft


__all__ = [
    "celu", "hardshrink", "prelu", "rrelu", "selu", "threshold",
]  # fmt: skip
METHODS = (
    hardshrink, prelu,
)  # fmt: skip
