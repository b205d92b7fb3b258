"""Gradients of the products of matrices."""

from torsh_ops.autograd import define_grad
from torsh_ops.ops import linalg as la

define_grad(la.mm, lambda g, _a, b: la.mm(g, b.T), lambda g, a, _b: la.mm(a.T, g))
define_grad(la.mv, lambda g, _a, x: la.outer(g, x), lambda g, a, _x: la.mv(a.T, g))
define_grad(la.bmm, lambda g, _a, b: la.bmm(g, b.transpose(1, 2)), lambda g, a, _b: la.bmm(a.transpose(1, 2), g))
