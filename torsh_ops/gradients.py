"""The gradients of the core's operators: one rule for each argument, as a table.

``define_grad(op, rule for its first argument, rule for its second, ...)``; see `torsh_ops.autograd.define_grad`.
Where a fused kernel beats a chain of operators, the rule uses it unless it is itself recorded.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory, threads
from torsh_ops.autograd import define_grad, is_grad_enabled
from torsh_ops.errors import GradError
from torsh_ops.kernels import unary as uk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import index as ix
from torsh_ops.ops import linalg as la
from torsh_ops.ops import norm as nm
from torsh_ops.ops import reduce as rd
from torsh_ops.ops.dispatch import contiguous_array
from torsh_ops.tensor import Tensor


def _fused(kernel: Callable[..., Any], composed: Callable[[Tensor, Tensor], Tensor], g: Tensor, x: Tensor) -> Tensor:
    """Run `kernel(g, x, out)`, or the composed form while gradients themselves are recorded."""
    if is_grad_enabled():
        return composed(g, x)
    out = memory.empty(g.shape, g._array.dtype)
    threads.elementwise(kernel, contiguous_array(g), contiguous_array(x), out)
    return Tensor(out)


def _gelu_slope(g: Tensor, x: Tensor) -> Tensor:
    cdf = 0.5 * (1.0 + ew.erf(x * math.sqrt(0.5)))
    return g * (cdf + x * ew.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def _gelu_tanh_slope(g: Tensor, x: Tensor) -> Tensor:
    c = math.sqrt(2 / math.pi)
    t = ew.tanh(c * (x + 0.044715 * x * x * x))
    return g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * c * (1.0 + 3 * 0.044715 * x * x))


def _silu_slope(g: Tensor, x: Tensor) -> Tensor:
    s = ew.sigmoid(x)
    return g * s * (1.0 + x * (1.0 - s))


# Arithmetic. A parameter that starts with an underscore is not looked at, so it may change before backward.
define_grad(ew.add, lambda g, _x, _y: g, lambda g, _x, _y: g)
define_grad(ew.sub, lambda g, _x, _y: g, lambda g, _x, _y: -g)
define_grad(ew.mul, lambda g, _x, y: g * y, lambda g, x, _y: g * x)
define_grad(ew.div, lambda g, _x, y: g / y, lambda g, x, y: -g * x / (y * y))
define_grad(ew.neg, lambda g, _x: -g)
define_grad(ew.abs, lambda g, x: g * _sign(x))
define_grad(
    ew.pow,
    lambda g, x, y: g * y * ew.pow(x, y - 1) if isinstance(y, Tensor) or y != 0 else g * 0.0,
    # 0 ** y does not depend on y for y > 0; log(0) would make it NaN.
    lambda g, x, _y, *, out: g * ew.where(_eq_zero(x), 0.0, out * ew.log(ew.where(_eq_zero(x), 1.0, x))),
)
define_grad(ew.remainder, lambda g, _x, _y: g, lambda g, x, y: -g * ew.floor_divide(x.detach(), y))
define_grad(ew.maximum, lambda g, x, y: g * _share(x, y), lambda g, x, y: g * _share(y, x))
define_grad(ew.minimum, lambda g, x, y: g * _share(-x, -y), lambda g, x, y: g * _share(-y, -x))
define_grad(
    ew.clamp_min, lambda g, x, low: g * ew.ge(x, low).to(g.dtype), lambda g, x, low: g * ew.lt(x, low).to(g.dtype)
)
define_grad(
    ew.clamp_max, lambda g, x, high: g * ew.le(x, high).to(g.dtype), lambda g, x, high: g * ew.gt(x, high).to(g.dtype)
)
define_grad(ew.where, None, lambda g, c, _x, _y: ew.where(c, g, 0.0), lambda g, c, _x, _y: ew.where(c, 0.0, g))
define_grad(ew.clone, lambda g, _x: g)
define_grad(ew.to, lambda g, _x: g)


def _sign(x: Tensor) -> Tensor:
    return Tensor(np.sign(x._array))


def _eq_zero(x: Any) -> Tensor:
    return ew.eq(x, 0) if isinstance(x, Tensor) else Tensor(np.asarray(x == 0))


def _share(x: Tensor, y: Tensor) -> Tensor:
    """1 where `x` is the greater, a half where they tie, else 0."""
    return ew.gt(x, y).to(x.dtype) + 0.5 * ew.eq(x, y).to(x.dtype)


# Functions of one tensor.
define_grad(ew.exp, lambda g, _x, *, out: g * out)
define_grad(ew.log, lambda g, x: g / x)
define_grad(ew.sqrt, lambda g, _x, *, out: g / (2.0 * out))
define_grad(ew.rsqrt, lambda g, _x, *, out: -0.5 * g * out * out * out)
define_grad(ew.erf, lambda g, x: g * (2 / math.sqrt(math.pi)) * ew.exp(-x * x))
define_grad(ew.tanh, lambda g, _x, *, out: _fused(uk.tanh_grad, lambda g, y: g * (1.0 - y * y), g, out))
define_grad(ew.sigmoid, lambda g, _x, *, out: _fused(uk.sigmoid_grad, lambda g, y: g * y * (1.0 - y), g, out))
define_grad(ew.relu, lambda g, _x, *, out: _fused(uk.relu_grad, lambda g, y: g * ew.gt(y, 0).to(g.dtype), g, out))
define_grad(ew.silu, lambda g, x: _fused(uk.silu_grad, _silu_slope, g, x))
define_grad(ew.gelu, lambda g, x: _fused(uk.gelu_grad, _gelu_slope, g, x))
define_grad(ew.gelu_tanh, _gelu_tanh_slope)


# Reductions: the gradient is spread back over the dimensions that were reduced.
def _spread(g: Tensor, x: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    if not keepdim:
        g = g.reshape(tuple(1 if d in dims else n for d, n in enumerate(x.shape)))
    return g.expand(*x.shape) if x.ndim else g


def _count(x: Tensor, dims: tuple[int, ...]) -> int:
    return math.prod(x.shape[d] for d in dims)


def _extreme_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], keepdim: bool, *, out: Tensor) -> Tensor:
    hit = ew.eq(x, _spread(out.detach(), x, dims, keepdim)).to(g.dtype)
    return hit / rd.sum(hit, dims, True) * _spread(g, x, dims, keepdim)


def _var_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], divisor: float, keepdim: bool) -> Tensor:
    return _spread(g, x, dims, keepdim) * (x - rd.mean(x, dims, True)) * (2.0 / divisor if divisor else math.nan)


def _std_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], divisor: float, keepdim: bool, *, out: Tensor) -> Tensor:
    return _var_grad(g / (2.0 * out), x, dims, divisor, keepdim)


def _norm_grad(g: Tensor, x: Tensor, p: float, dims: tuple[int, ...], keepdim: bool, *, out: Tensor) -> Tensor:
    g = _spread(g, x, dims, keepdim)
    if p == 1:
        return g * _sign(x)
    length = _spread(out, x, dims, keepdim)
    zero = ew.eq(length, 0)  # the norm has no slope at 0; PyTorch gives 0 there
    return g * ew.where(zero, 0.0, x / ew.where(zero, 1.0, length))


def _prod_grad(g: Tensor, x: Tensor, dims: tuple[int, ...], keepdim: bool, *, out: Tensor) -> Tensor:
    if bool(rd.any(ew.eq(x, 0))):
        raise GradError("prod() has no gradient here where an element is 0")
    return _spread(g * out, x, dims, keepdim) / x


define_grad(rd.sum, lambda g, x, dims, keepdim: _spread(g, x, dims, keepdim))
define_grad(rd.mean, lambda g, x, dims, keepdim: _spread(g * (1.0 / (_count(x, dims) or 1)), x, dims, keepdim))
define_grad(rd.prod, _prod_grad)
define_grad(rd.amax, _extreme_grad)
define_grad(rd.amin, _extreme_grad)
define_grad(rd.var, _var_grad)
define_grad(rd.std, _std_grad)
define_grad(rd.norm, _norm_grad)

# Rows.
define_grad(nm.softmax, lambda g, _x, dim, *, out: nm.softmax_grad(g, out, dim))
define_grad(nm.log_softmax, lambda g, _x, dim, *, out: nm.log_softmax_grad(g, out, dim))
define_grad(
    nm.layer_norm,
    lambda g, x, shape, w, _b, eps, mean, rstd: nm.layer_norm_grad(g, x, shape, w, eps, mean, rstd),
    None,
    lambda g, x, shape, _w, _b, eps, mean, rstd: nm.layer_norm_weight_grad(g, x, shape, eps, mean, rstd),
    lambda g, _x, shape, _w, _b, _eps, _mean, _rstd: nm.layer_norm_bias_grad(g, shape),
)

# Products of matrices.
define_grad(la.mm, lambda g, _a, b: la.mm(g, b.T), lambda g, a, _b: la.mm(a.T, g))
define_grad(la.mv, lambda g, _a, x: la.outer(g, x), lambda g, a, _x: la.mv(a.T, g))
define_grad(la.bmm, lambda g, _a, b: la.bmm(g, b.transpose(1, 2)), lambda g, a, _b: la.bmm(a.transpose(1, 2), g))

# Shape and indexing.
define_grad(ix.reshape, lambda g, x, _shape: g.reshape(x.shape))
define_grad(ix.permute, lambda g, _x, dims: g.permute(tuple(int(d) for d in np.argsort(dims))))
define_grad(ix.expand, lambda g, _x, _shape: g)
define_grad(ix.getitem, lambda g, x, key: ix.put_at(x.shape, key, g))
define_grad(ix.put_at, None, None, lambda g, _shape, key, _g: ix.getitem(g, key))
define_grad(
    ix.gather, lambda g, x, dim, index: ix.scatter_add(Tensor(np.zeros(x.shape, g._array.dtype)), dim, index, g)
)
define_grad(
    ix.scatter_add,
    lambda g, _x, _dim, _index, _src: g,
    None,
    None,
    # The index never reaches beyond src, and what of src it does not reach has no gradient.
    lambda g, _x, dim, index, src: ix.put_at(src.shape, tuple(slice(n) for n in index.shape), ix.gather(g, dim, index)),
)


def _cat_grad(g: Tensor, position: int, dim: int, *tensors: Tensor) -> Tensor:
    start = sum(x.shape[dim] for x in tensors[: position - 1])
    return g.narrow(dim, start, tensors[position - 1].shape[dim])


define_grad(ix.cat, None, rest=_cat_grad)
define_grad(ix.tril, lambda g, _x, diagonal: ix.tril(g, diagonal))
define_grad(ix.triu, lambda g, _x, diagonal: ix.triu(g, diagonal))


def _index_select_grad(g: Tensor, x: Tensor, dim: int, index: Tensor) -> Tensor:
    key = (*(slice(None) for _ in range(dim)), index._array.reshape(-1))
    return ix.put_at(x.shape, key, g)


define_grad(ix.index_select, _index_select_grad)
