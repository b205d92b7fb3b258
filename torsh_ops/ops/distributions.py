"""Random numbers of other distributions than the uniform and the normal one, made of those."""

import math
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import random as rk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops.creation import Size, finish, float_dtype, shape_of
from torsh_ops.ops.dispatch import broadcast_shapes, need_tensor
from torsh_ops.ops.random import (
    Generator,
    default_generator,
    draw,
    fill_by,
    normal_into,
    uniform_into,
)
from torsh_ops.tensor import Tensor


def _unit(shape: tuple[int, ...], generator: Generator | None, np_dtype: Any = np.float64) -> np.ndarray:
    """Uniform numbers from (0, 1]: their logarithm is finite."""
    return 1 - uniform_into(np.empty(shape, np_dtype), generator)


def normal(
    mean: Tensor | float = 0.0,
    std: Tensor | float = 1.0,
    size: Size | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers of `mean` and `std`: one for each element of the tensors, or `size` of them for two numbers.

    Raises ArgumentError when a `std` is negative, or there is neither a tensor nor a size.
    """
    spread = std._array if isinstance(std, Tensor) else np.asarray(std)
    if spread.size and not (spread >= 0).all():
        raise ArgumentError(f"normal expects all elements of std >= 0.0, but found {spread.min()}")
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if tensors:
        for x in tensors:
            if not x.is_floating_point():
                raise DTypeError(f"normal expects floating-point tensors, but got {x.dtype}")
        shape, np_dtype = broadcast_shapes(*(x.shape for x in tensors)), tensors[0]._array.dtype
        drawn = normal_into(memory.empty(shape, np_dtype), generator)
        drawn *= spread
        drawn += mean._array if isinstance(mean, Tensor) else mean
        return Tensor(drawn)
    if size is None:
        raise ArgumentError("normal needs a size where mean and std are numbers")
    array = memory.empty(shape_of((size,)), float_dtype(dtype))
    return finish(normal_into(array, generator, float(mean), float(std)), device, requires_grad)


def mask(shape: tuple[int, ...], np_dtype: np.dtype, p: float, yes: float, generator: Generator | None) -> np.ndarray:
    """An array of `yes` with probability `p`, else 0: dropout's factors. `p` counts in steps of 2^-32."""
    return draw(rk.bernoulli, memory.empty(shape, np_dtype), generator, round(p * (1 << 32)), yes)


def _check_probability(op: Any, p: np.ndarray | float) -> None:
    if not (((p >= 0) & (p <= 1)).all() if isinstance(p, np.ndarray) else 0 <= p <= 1):
        raise ArgumentError(f"{op.__name__} expects p to be in [0, 1], but got {p}")


def bernoulli_(self: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor with 1, with probability `p` (a number, or one for each element), and 0.

    Raises ArgumentError when `p` is no probability.
    """
    _check_probability(bernoulli_, p._array if isinstance(p, Tensor) else p)
    if isinstance(p, Tensor):
        drawn = uniform_into(np.empty(self.shape), generator) < p._array
        return fill_by(bernoulli_, self, lambda array: np.copyto(array, drawn, casting="unsafe"))
    threshold = round(p * (1 << 32))
    return fill_by(bernoulli_, self, lambda array: draw(rk.bernoulli, array, generator, threshold, 1))


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """1 with the probability that each element of `input` states (or `p` for all), else 0, in its dtype."""
    if p is None and not need_tensor(bernoulli, input).is_floating_point():
        raise DTypeError(f"bernoulli expects probabilities in a floating-point tensor, but got {input.dtype}")
    result = Tensor(memory.empty(input.shape, input._array.dtype)) if out is None else out
    return bernoulli_(result, input.detach() if p is None else p, generator=generator)


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor from the exponential distribution of rate `lambd`; raises ArgumentError unless positive."""
    if not lambd > 0:
        raise ArgumentError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")

    def fill(array: np.ndarray) -> None:
        u = Tensor(np.subtract(1, uniform_into(array, generator), out=array))
        array[...] = ew.log(u)._array
        array *= -1 / lambd

    return fill_by(exponential_, _floating(exponential_, self), fill)


def _floating(op: Any, self: Tensor) -> Tensor:
    if not self.is_floating_point():
        raise DTypeError(f"{op.__name__} is not implemented for {self.dtype}; use a floating-point tensor")
    return self


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor with how many trials of probability `p` the first success takes: 1, 2, ...

    Raises ArgumentError unless 0 < p < 1.
    """
    if not 0 < p < 1:
        raise ArgumentError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    drawn = np.maximum(np.ceil(np.log(_unit(self.shape, generator)) / math.log1p(-p)), 1)
    return fill_by(geometric_, self, lambda array: np.copyto(array, drawn, casting="unsafe"))


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor with exp of normal numbers. Raises ArgumentError unless `std` is positive."""
    if not std > 0:
        raise ArgumentError(f"log_normal_ expects std > 0.0, but found std={std}")

    def fill(array: np.ndarray) -> None:
        with np.errstate(over="ignore"):
            np.exp(normal_into(array, generator, mean, std), out=array)

    return fill_by(log_normal_, _floating(log_normal_, self), fill)


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor from the Cauchy distribution. Raises ArgumentError unless `sigma` is positive."""
    if not sigma > 0:
        raise ArgumentError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    drawn = median + sigma * np.tan(np.pi * (_unit(self.shape, generator) - 0.5))
    return fill_by(cauchy_, _floating(cauchy_, self), lambda array: np.copyto(array, drawn, casting="unsafe"))


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson numbers, `input` the rate of each: NumPy's, seeded from the stream.

    Raises ArgumentError on a negative rate.
    """
    rates = _floating(poisson, need_tensor(poisson, input))._array
    if not (rates >= 0).all():
        raise ArgumentError("invalid Poisson rate, expected all rates to be non-negative")
    source = default_generator if generator is None else generator
    numpy = np.random.Generator(np.random.PCG64([source.initial_seed(), source.take(1)]))
    return Tensor(np.asarray(numpy.poisson(rates), rates.dtype))


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Draw `num_samples` indices (int64) from each row of weights, which need not sum to 1.

    Without replacement, the k smallest of exponential numbers divided by the weights are drawn. Raises ArgumentError on
    weights that are negative, not finite, all 0, or fewer than the samples; ShapeError unless 1-D or 2-D.
    """
    if need_tensor(multinomial, input).ndim not in (1, 2):
        raise ShapeError(f"multinomial: prob_dist must be 1 or 2 dim, but got shape {input.shape}")
    weights = _floating(multinomial, input)._array.astype(np.float64)
    n = weights.shape[-1]
    if num_samples <= 0:
        raise ArgumentError(f"cannot sample n_sample <= 0 samples, but got {num_samples}")
    if not replacement and num_samples > n:
        raise ArgumentError(f"cannot sample n_sample={num_samples} > {n} samples without replacement")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ArgumentError("probability tensor contains either `inf`, `nan` or element < 0")
    if not (weights.sum(-1) > 0).all():
        raise ArgumentError("invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement and ((weights > 0).sum(-1) < num_samples).any():
        raise ArgumentError("invalid multinomial distribution: fewer weights above 0 than samples without replacement")
    rows = weights.reshape(-1, n)
    if replacement:
        below = np.cumsum(rows, -1)
        points = uniform_into(np.empty((len(rows), num_samples)), generator) * below[:, -1:]
        # Weights of 0 have no width: no point falls to them.
        picks = [np.searchsorted(edges, p, side="right") for edges, p in zip(below, points, strict=True)]
        last = n - 1 - np.argmax(rows[:, ::-1] > 0, axis=1)
        drawn = np.minimum(np.stack(picks) if picks else np.empty((0, num_samples), np.int64), last[:, None])
    else:
        with np.errstate(divide="ignore"):
            keys = -np.log(_unit(rows.shape, generator)) / rows
        drawn = np.argsort(keys, axis=-1, kind="stable")[:, :num_samples]
    result = np.ascontiguousarray(drawn, dtypes.int64.numpy)
    return Tensor(result.reshape(*weights.shape[:-1], num_samples))


__all__ = [
    "bernoulli", "multinomial", "normal", "poisson",
]  # fmt: skip
METHODS = (
    bernoulli, bernoulli_, cauchy_, exponential_, geometric_, log_normal_, multinomial,
)  # fmt: skip
