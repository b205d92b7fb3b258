"""Tensor's methods and operators: the functions of `torsh_ops.ops`, attached by name."""

from typing import Any

from torsh_ops import autograd
from torsh_ops.ops import activation as ac
from torsh_ops.ops import arrange as ar
from torsh_ops.ops import classic as cl
from torsh_ops.ops import complex as cx
from torsh_ops.ops import creation as cr
from torsh_ops.ops import distributions as ds
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import extreme as xt
from torsh_ops.ops import index as ix
from torsh_ops.ops import joining as jn
from torsh_ops.ops import linalg as la
from torsh_ops.ops import norm as nm
from torsh_ops.ops import pairwise as pw
from torsh_ops.ops import pointwise as pt
from torsh_ops.ops import products as pr
from torsh_ops.ops import put as pu
from torsh_ops.ops import quantile as qu
from torsh_ops.ops import random as rn
from torsh_ops.ops import reduce as rd
from torsh_ops.ops import scan as sn
from torsh_ops.ops import scatter as sc
from torsh_ops.ops import search as se
from torsh_ops.ops import signal as sg
from torsh_ops.ops import sort as so
from torsh_ops.ops import special as sp
from torsh_ops.ops import splitting as sl
from torsh_ops.ops import statistics as st
from torsh_ops.ops import ternary as tn
from torsh_ops.ops import views as vw
from torsh_ops.ops.in_place import in_place
from torsh_ops.tensor import Tensor

# Each has a tuple METHODS, attached under the functions' own names, and may have IN_PLACE, attached as `name_`, and
# ALIASES, other names of either.
_FAMILIES = (
    ac, ar, cl, cr, cx, ds, ew, ix, jn, la, nm, pr, pt, pu, pw, qu, rd, rn, sc, se, sg, sl, sn, so, sp, st, tn, vw, xt,
)  # fmt: skip


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
    for family in _FAMILIES:
        for op in family.METHODS:
            setattr(Tensor, op.__name__, op)
        for op in getattr(family, "IN_PLACE", ()):
            setattr(Tensor, f"{op.__name__}_", in_place(op))
    for family in _FAMILIES:
        for name, op in getattr(family, "ALIASES", {}).items():
            setattr(Tensor, name, op)
            if hasattr(Tensor, f"{op.__name__}_"):
                setattr(Tensor, f"{name}_", in_place(op))
    named = {
        "backward": _backward,
        "float": ew.float_, "double": ew.double_, "long": ew.long_, "int": ew.int_, "bool": ew.bool_,
        "__add__": ew.add, "__radd__": ew.add, "__iadd__": in_place(ew.add),
        "__sub__": ew.sub, "__rsub__": _reflected(ew.sub), "__isub__": in_place(ew.sub),
        "__mul__": ew.mul, "__rmul__": ew.mul, "__imul__": in_place(ew.mul),
        "__truediv__": ew.div, "__rtruediv__": _reflected(ew.div), "__itruediv__": in_place(ew.div),
        "__floordiv__": ew.floor_divide, "__rfloordiv__": _reflected(ew.floor_divide),
        "__mod__": ew.remainder, "__rmod__": _reflected(ew.remainder),
        "__pow__": ew.pow, "__rpow__": _reflected(ew.pow),
        "__matmul__": la.matmul, "__neg__": ew.neg, "__abs__": ew.abs,
        "__eq__": ew.eq, "__ne__": ew.ne, "__lt__": ew.lt, "__le__": ew.le, "__gt__": ew.gt, "__ge__": ew.ge,
        "__and__": ew.bitwise_and, "__or__": ew.bitwise_or, "__xor__": pw.bitwise_xor, "__invert__": ew.bitwise_not,
        "__rand__": ew.bitwise_and, "__ror__": ew.bitwise_or, "__rxor__": pw.bitwise_xor,
        "__iand__": in_place(ew.bitwise_and), "__ior__": in_place(ew.bitwise_or), "__ixor__": in_place(pw.bitwise_xor),
        "__lshift__": pw.bitwise_left_shift, "__rlshift__": _reflected(pw.bitwise_left_shift),
        "__rshift__": pw.bitwise_right_shift, "__rrshift__": _reflected(pw.bitwise_right_shift),
        "__ifloordiv__": in_place(ew.floor_divide), "__imod__": in_place(ew.remainder), "__ipow__": in_place(ew.pow),
        "__pos__": pt.positive, "where": tn.where_of,
        "real": property(cx.real), "imag": property(cx.imag),
        "__getitem__": ix.getitem, "__setitem__": ix.setitem,
    }  # fmt: skip
    for name, function in named.items():
        setattr(Tensor, name, function)
