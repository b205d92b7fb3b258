"""Special functions: the error function's relatives, gamma functions, entropy, the normal distribution."""

import math

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import record
from torsh_ops.dtypes import get_default_dtype
from torsh_ops.errors import ArgumentError
from torsh_ops.kernels import special as sk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops.dispatch import contiguous_array, need_tensor, write_out
from torsh_ops.ops.pairwise import xlogy
from torsh_ops.ops.pointwise import function
from torsh_ops.ops.ternary import clamp, where
from torsh_ops.tensor import Tensor


def _i0(x: np.ndarray, out: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        np.copyto(out, np.i0(x).reshape(x.shape), casting="same_kind")


erfc = function("erfc", "`1 - erf(input)`, right where that is small.", sk.erfc)
erfinv = function("erfinv", "The inverse of erf; NaN outside of -1 to 1.", sk.erfinv)
lgamma = function("lgamma", "Logarithm of the absolute value of the gamma function.", sk.lgamma)
digamma = function("digamma", "The derivative of `lgamma`.", sk.digamma)
ndtri = function("ndtri", "The inverse of `ndtr`; NaN outside of 0 to 1.", sk.ndtri)
i0 = function("i0", "Modified Bessel function of the first kind, order 0.", _i0)
_logit = function("logit", "`log(input / (1 - input))`.", sk.logit)


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The n-th derivative of `digamma`. Raises ArgumentError when `n` is negative."""
    if not isinstance(n, int) or n < 0:
        raise ArgumentError(f"polygamma(n, x) does not support n = {n!r}: it must be a whole number, 0 or more")
    if n == 0:
        return digamma(input, out=out)
    result = polygamma_of(need_tensor(polygamma, input), n)
    return result if out is None else write_out(polygamma, result._array, out, input)


def polygamma_of(input: Tensor, n: int) -> Tensor:
    """`polygamma` with the tensor first, as gradients are kept by position."""
    array = input._array
    wanted = array.dtype if array.dtype.kind == "f" else get_default_dtype().numpy
    array = contiguous_array(input, wanted)
    result = memory.empty_like(array)
    sk.polygamma(array, n, result)
    return record(polygamma_of, Tensor(result), (input, n))


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """`log(input / (1 - input))`; with `eps`, of `input` held between eps and 1 - eps."""
    if eps is None:
        return _logit(input, out=out)
    return _logit(clamp(input, eps, 1 - eps), out=out)


def entr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`-input * log(input)`: 0 at 0 and minus infinity below."""
    result = where(need_tensor(entr, input) < 0, -math.inf, -xlogy(input, input))
    return result if out is None else write_out(entr, result._array, out, input)


def ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The standard normal distribution: the area below `input`."""
    return ew.mul(erfc(need_tensor(ndtr, input) * -math.sqrt(0.5)), 0.5, out=out)


__all__ = ["digamma", "erfc", "erfinv", "i0", "lgamma", "logit", "polygamma"]
METHODS = (digamma, erfc, erfinv, i0, lgamma, logit)
IN_PLACE = (digamma, erfc, erfinv, i0, lgamma, logit)
