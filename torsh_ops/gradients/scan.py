"""Gradients of the scans: what comes back is summed from the end."""

from torsh_ops.autograd import define_grad, is_grad_enabled
from torsh_ops.errors import GradError
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import reduce as rd
from torsh_ops.ops import scan as sc
from torsh_ops.tensor import Tensor


def _from_end(g: Tensor, dim: int) -> Tensor:
    return sc.cumsum(g.flip(dim), dim).flip(dim) if g.ndim else g


def _cumprod_grad(g: Tensor, x: Tensor, dim: int, *, out: Tensor) -> Tensor:
    zero = ew.eq(x, 0)
    if not bool(rd.any(zero)):
        return _from_end(g * out, dim) / x
    # Behind the first zero all products are 0; only the zero itself moves them, by the product of the others.
    seen = sc.cumsum(zero, dim)
    if is_grad_enabled() and bool(rd.any(ew.gt(seen, 1))):
        raise GradError("cumprod() has no second gradient here where two elements of a row are 0")
    first = ew.logical_and(zero, ew.eq(seen, 1))
    others = sc.cumprod(ew.where(first, 1.0, x), dim)
    return ew.where(first, _from_end(g * others, dim), _from_end(g * out, dim) / ew.where(zero, 1.0, x))


def _logcumsumexp_grad(g: Tensor, x: Tensor, dim: int, *, out: Tensor) -> Tensor:
    # The sum over j >= i of g[j] exp(x[i] - out[j]), in logarithms, apart for each sign of g.
    def part(sign: float) -> Tensor:
        there = ew.gt(g * sign, 0)
        size = ew.where(there, ew.log(ew.where(there, g * sign, 1.0)) - out, float("-inf"))
        total = sc.logcumsumexp(size.flip(dim), dim).flip(dim) if g.ndim else size
        return ew.exp(total + x)

    return part(1.0) - part(-1.0)


define_grad(sc.cumsum, lambda g, _x, dim: _from_end(g, dim))
define_grad(sc.cumprod, _cumprod_grad)
define_grad(sc.logcumsumexp, _logcumsumexp_grad)
