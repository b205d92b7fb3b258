"""How far elements lie apart: variance, standard deviation, covariance and correlation."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import record
from torsh_ops.dtypes import get_default_dtype
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import reduce as rk
from torsh_ops.kernels import short
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import reduce as rd
from torsh_ops.ops import shortcut
from torsh_ops.ops.axes import Dims, Kernels, arrange, delivered, kept, need_floating, plan_of
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.plan import New, Plan, Step, flat, planned
from torsh_ops.tensor import Tensor, check_dims


class VarMean(NamedTuple):
    """What `var_mean` returns."""

    var: Tensor
    mean: Tensor


class StdMean(NamedTuple):
    """What `std_mean` returns."""

    std: Tensor
    mean: Tensor


def _moments(
    array: np.ndarray, dims: tuple[int, ...], keepdim: bool, correction: float, root: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance (its square root when `root`) and the mean."""
    parts = arrange(array, dims, True)
    outer, n, inner = parts.shape
    shape = kept(array.shape, dims, keepdim)
    spread, mean = memory.empty(shape, array.dtype), memory.empty(shape, array.dtype)
    if inner != 1:
        mean = rd.mean(Tensor(parts), 1)._array
        threads.rowwise(
            lambda x, centre, out: rk.var_middle(
                x.reshape(-1), n, inner, correction, root, centre.reshape(-1), np.empty(inner), out.reshape(-1)
            ),
            parts.size, outer, parts, mean, spread.reshape(outer, inner),
        )  # fmt: skip
        return spread, mean.reshape(shape)
    if outer == 1 and threads.count > 1 and n >= threads.WORTH_ELEMENTS:
        mean[...], squares = _joined_moments(parts.reshape(n))
        spread[...] = np.divide(squares, max(n - correction, 0.0))
        return np.sqrt(spread, out=spread) if root else spread, mean
    threads.rowwise(
        lambda x, centre, out: rk.var_last(x.reshape(-1), n, correction, root, centre, out),
        parts.size, outer, parts.reshape(outer, n), mean.reshape(outer), spread.reshape(outer),
    )  # fmt: skip
    return spread, mean


def _joined_moments(x: np.ndarray) -> tuple[float, float]:
    """Return the mean of one long row and the sum of squared distances from it, found in a piece for each thread."""
    count = threads.count
    n = x.size // count * count
    pieces = x[:n].reshape(count, n // count)
    mean, var = np.empty(count), np.empty(count)

    def piece(rows: np.ndarray, centre: np.ndarray, out: np.ndarray) -> None:
        found = np.empty((2, len(rows)), rows.dtype)
        rk.var_last(rows.reshape(-1), rows.shape[1], 0.0, False, found[0], found[1])
        centre[:], out[:] = found

    threads.rowwise(piece, n, count, pieces, mean, var)
    left = x[n:].astype(np.float64)
    whole = float((mean.sum() * (n // count) + left.sum()) / x.size)
    squares = (var + np.square(mean - whole)).sum() * (n // count) + np.square(left - whole).sum()
    return whole, float(squares)


def _arguments(op: Any, input: Tensor, dim: Any, unbiased: Any, correction: float | None) -> tuple[Any, float]:
    if isinstance(dim, bool):  # PyTorch's older form: var(input, unbiased)
        dim, unbiased = None, dim
    if correction is None:
        correction = 1.0 if unbiased is None or unbiased else 0.0
    need_floating(op, input)
    return check_dims(dim, input.ndim), float(correction)


def _spread(
    op: Any, input: Tensor, dim: Any, unbiased: Any, keepdim: bool, correction: float | None, out: Tensor | None
) -> Tensor:
    dims, given = _arguments(op, input, dim, unbiased, correction)
    spread, _ = _moments(input._array, dims, keepdim, given, op is std)
    return delivered(op, _recorded(op, Tensor(spread), input, dims, given, keepdim), out, input)


def _recorded(op: Any, result: Tensor, input: Tensor, dim: Any, correction: float, keepdim: bool) -> Tensor:
    dims = check_dims(dim, input.ndim)
    divisor = max(math.prod(input.shape[d] for d in dims) - correction, 0.0)
    return record(op, result, (input, dims, divisor, keepdim))


def _plan_spread(root: bool) -> Callable[..., Plan | None]:
    """Return the planner of `std`, or of `var`."""

    def plan(
        input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
    ) -> Plan | None:
        if unbiased is not None or isinstance(dim, bool):
            return None
        given = 1.0 if correction is None else float(correction)
        means = plan_of(Kernels(rk.sum_last, rk.sum_middle), lambda n: (1.0 / n,))(input, dim, keepdim)
        if means is None:
            return None
        # What finds the means says how the tensor is to be cut.
        step = means.steps[0]
        x, n, out = step.operands[0], step.operands[1], means.results[0]
        if step.kernel is rk.sum_last:
            return Plan(out, [Step(rk.var_last, x, n, given, root, flat(out), flat(out))])
        inner, mean = step.operands[2], New(out.shape, input)
        total = New((inner,), np.dtype(np.float64))
        step.operands[-1] = flat(mean)
        spread = Step(rk.var_middle, x, n, inner, given, root, flat(mean), total, flat(out))
        return Plan(out, [step, spread], room=[mean, total])

    return plan


@shortcut.reduction(short.var, positional=2)
@planned(_plan_spread(False))
def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Variance over `dim`: squared distances from the mean over n - correction (1 unless given).

    float32 keeps its digits whatever the mean: blocks of 4096 are gone through twice, and joined in float64.
    """
    return _spread(var, input, dim, unbiased, keepdim, correction, out)


@shortcut.reduction(short.std, positional=2)
@planned(_plan_spread(True))
def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Standard deviation over `dim`, the square root of `var`."""
    return _spread(std, input, dim, unbiased, keepdim, correction, out)


def _with_mean(op: Any, pair: Any) -> Callable[..., Any]:
    def both(
        input: Tensor,
        dim: Dims | bool = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> Any:
        dims, given = _arguments(op, input, dim, unbiased, correction)
        spread, mean = _moments(input._array, dims, keepdim, given, op is std)
        first = _recorded(op, Tensor(spread), input, dims, given, keepdim)
        return pair(first, record(rd.mean, Tensor(mean), (input, dims, keepdim)))

    both.__name__ = both.__qualname__ = f"{op.__name__}_mean"
    both.__doc__ = f"`{op.__name__}` and `mean` in one reading, as the pair ({op.__name__}, mean)."
    return both


var_mean = _with_mean(var, VarMean)
std_mean = _with_mean(std, StdMean)


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Covariance of the rows of `input` (variables by observations), or of one variable.

    `fweights` (integers) says how often each observation occurs, `aweights` how much it counts. Raises ShapeError on
    more than two dimensions or weights of another length, ArgumentError on negative weights.
    """
    if need_tensor(cov, input).ndim > 2:
        raise ShapeError(f"cov(): expected input to have two or fewer dimensions but got shape {input.shape}")
    x = input if input.is_floating_point() else input.to(get_default_dtype())
    x = x.reshape(1, -1) if x.ndim < 2 else x
    n = x.shape[1]
    weights = _weights(fweights, aweights, n, x)
    if weights is None:
        total, divisor = float(n), float(n - correction)
        centred = ew.sub(x, rd.mean(x, 1, True))
        right = centred
    else:
        total = weights.sum().item()
        divisor = _weighted_divisor(weights, total, correction, aweights)
        centred = ew.sub(x, rd.sum(ew.mul(x, weights), 1, True) / total)
        right = ew.mul(centred, weights)
    result = ew.div(right.matmul(centred.t()), max(divisor, 0.0))
    return result.reshape(()) if input.ndim < 2 else result


def _weights(fweights: Tensor | None, aweights: Tensor | None, n: int, like: Tensor) -> Tensor | None:
    weights = None
    for name, one in (("fweights", fweights), ("aweights", aweights)):
        if one is None:
            continue
        if one.shape != (n,):
            raise ShapeError(f"cov(): expected {name} of shape ({n},), one for each observation, but got {one.shape}")
        if name == "fweights" and one._array.dtype.kind != "i":
            raise DTypeError(f"cov(): fweights must be integers, but got {one.dtype}")
        if one.numel() and bool((one._array < 0).any()):
            raise ArgumentError(f"cov(): {name} cannot be negative, but has {one._array.min()}")
        one = one.to(like.dtype)
        weights = one if weights is None else ew.mul(weights, one)
    return weights


def _weighted_divisor(weights: Tensor, total: float, correction: int, aweights: Tensor | None) -> float:
    if aweights is None or correction == 0:
        return total - correction
    return total - correction * ew.mul(weights, aweights.to(weights.dtype)).sum().item() / total


def corrcoef(input: Tensor) -> Tensor:
    """Correlation of the rows of `input`: `cov` over the product of standard deviations, held between -1 and 1."""
    c = cov(input)
    if c.ndim == 0:
        return ew.div(c, c)
    length = ew.sqrt(c.diagonal())
    return ew.clamp(ew.div(ew.div(c, length.reshape(-1, 1)), length.reshape(1, -1)), -1, 1)


__all__ = ["corrcoef", "cov", "std", "std_mean", "var", "var_mean"]
METHODS = (corrcoef, cov, std, var)
