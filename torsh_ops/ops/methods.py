"""Tensor's methods and operators: the functions of `torsh_ops.ops`, attached by name."""

from typing import Any

from torsh_ops import autograd
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import index as ix
from torsh_ops.ops import linalg as la
from torsh_ops.ops import norm as nm
from torsh_ops.ops import random as rn
from torsh_ops.ops import reduce as rd
from torsh_ops.ops.dispatch import in_place
from torsh_ops.tensor import Tensor

_METHODS = (
    ew.abs, ew.add, ew.clamp, ew.clone, ew.copy_, ew.div, ew.eq, ew.erf, ew.exp, ew.fill_, ew.floor_divide, ew.ge,
    ew.gt, ew.isfinite, ew.isinf, ew.isnan, ew.le, ew.log, ew.logical_and, ew.logical_not, ew.logical_or, ew.lt,
    ew.maximum, ew.minimum, ew.mul, ew.ne, ew.neg, ew.pow, ew.reciprocal, ew.relu, ew.remainder, ew.rsqrt, ew.sigmoid,
    ew.sqrt, ew.square, ew.sub, ew.tanh, ew.to, ew.zero_,
    rd.all, rd.allclose, rd.amax, rd.amin, rd.any, rd.argmax, rd.argmin, rd.equal, rd.logsumexp, rd.max, rd.mean,
    rd.min, rd.norm, rd.prod, rd.std, rd.sum, rd.var,
    nm.softmax, nm.log_softmax,
    la.addmm, la.bmm, la.dot, la.matmul, la.mm,
    la.mv, la.outer,
    ix.broadcast_to, ix.chunk, ix.contiguous, ix.expand, ix.flatten, ix.gather, ix.index_select, ix.masked_fill,
    ix.narrow, ix.permute, ix.reshape, ix.scatter_add, ix.split, ix.squeeze, ix.t, ix.transpose, ix.tril, ix.triu,
    ix.unsqueeze, ix.view, ix.view_as,
    rn.normal_, rn.uniform_,
)  # fmt: skip
_IN_PLACE = (ew.add, ew.sub, ew.mul, ew.div, ew.pow, ew.neg, ew.exp, ew.log, ew.sqrt, ew.tanh, ew.sigmoid, ew.clamp)


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add this tensor's gradients to the `grad` of the leaves it came from; see torsh_ops.autograd.backward."""
    autograd.backward(self, gradient, retain_graph, create_graph, inputs)


def _reflected(op: Any) -> Any:
    return lambda self, other: op(other, self)


def attach() -> None:
    """Give Tensor its methods and operators."""
    for op in _METHODS:
        setattr(Tensor, op.__name__, op)
    for op in _IN_PLACE:
        setattr(Tensor, f"{op.__name__}_", in_place(op))
    named = {
        "backward": _backward,
        "float": ew.float_, "double": ew.double_, "long": ew.long_, "int": ew.int_, "bool": ew.bool_,
        "__add__": ew.add, "__radd__": _reflected(ew.add), "__iadd__": in_place(ew.add),
        "__sub__": ew.sub, "__rsub__": _reflected(ew.sub), "__isub__": in_place(ew.sub),
        "__mul__": ew.mul, "__rmul__": _reflected(ew.mul), "__imul__": in_place(ew.mul),
        "__truediv__": ew.div, "__rtruediv__": _reflected(ew.div), "__itruediv__": in_place(ew.div),
        "__floordiv__": ew.floor_divide, "__rfloordiv__": _reflected(ew.floor_divide),
        "__mod__": ew.remainder, "__rmod__": _reflected(ew.remainder),
        "__pow__": ew.pow, "__rpow__": _reflected(ew.pow),
        "__matmul__": la.matmul, "__neg__": ew.neg, "__abs__": ew.abs,
        "__eq__": ew.eq, "__ne__": ew.ne, "__lt__": ew.lt, "__le__": ew.le, "__gt__": ew.gt, "__ge__": ew.ge,
        "__and__": ew.bitwise_and, "__or__": ew.bitwise_or, "__invert__": ew.bitwise_not,
        "__getitem__": ix.getitem, "__setitem__": ix.setitem,
    }  # fmt: skip
    for name, function in named.items():
        setattr(Tensor, name, function)
