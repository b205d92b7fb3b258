"""Gradients of the products of matrices."""

from typing import Any

from torsh_ops import autograd
from torsh_ops.autograd import define_grad
from torsh_ops.gradients.elementwise import conj
from torsh_ops.ops import linalg as la
from torsh_ops.ops import products as pr
from torsh_ops.tensor import Tensor


def _h(x: Tensor) -> Tensor:
    """The transpose, conjugated where that is another."""
    turned = x.transpose(-1, -2)
    return turned.conj() if x.is_complex() else turned


def _scaled(g: Tensor, factor: float) -> Tensor:
    return g if factor == 1 else g * factor


def _define_fused(op: Any, product: Any) -> None:
    define_grad(
        op,
        lambda g, _input, _a, _b, beta, _alpha: _scaled(g, beta),
        lambda g, _input, _a, b, _beta, alpha: _scaled(product(g, _h(b)), alpha),
        lambda g, _input, a, _b, _beta, alpha: _scaled(product(_h(a), g), alpha),
    )


define_grad(la.mm, lambda g, _a, b: la.mm(g, _h(b)), lambda g, a, _b: la.mm(_h(a), g))
define_grad(la.bmm, lambda g, _a, b: la.bmm(g, _h(b)), lambda g, a, _b: la.bmm(_h(a), g))
define_grad(la.mv, lambda g, _a, x: pr.outer(g, conj(x)), lambda g, a, _x: la.mv(_h(a), g))
define_grad(pr.dot, lambda g, _x, y: g * conj(y), lambda g, x, _y: g * conj(x))
_define_fused(la.addmm, la.mm)
_define_fused(la.baddbmm, la.bmm)
autograd.COMPLEX.update(("mm", "bmm", "mv", "dot", "addmm", "baddbmm"))
