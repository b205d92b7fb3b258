"""Gradients of looking at places and writing to them: what was overwritten has none."""

from typing import Any

import numpy as np

from torsh_ops import autograd
from torsh_ops.autograd import define_grad
from torsh_ops.ops import places as pl
from torsh_ops.ops.index import getitem
from torsh_ops.tensor import Tensor


def _value_grad(g: Tensor, _input: Tensor, key: Any, value: Tensor) -> Tensor:
    part = getitem(g, key)
    # NumPy lets leading dimensions of size 1 go.
    more = value.ndim - part.ndim
    return part.reshape((1,) * more + part.shape) if more > 0 else part


define_grad(pl.view_by, lambda g, _x, how: pl.put_by(_x.shape, how, g))
define_grad(pl.put_by, None, None, lambda g, _shape, how, _g: pl.view_by(g.contiguous(), how))
define_grad(
    pl.written,
    lambda g, _input, key, _value: pl.written(g, key, 0),
    None,
    lambda g, _input, key, _value: _value_grad(g, _input, key, _value),
)
define_grad(
    pl.written_by,
    lambda g, _input, how, _value: pl.written_by(g, how, Tensor(np.zeros((), g._array.dtype))),
    None,
    lambda g, _input, how, _value: pl.view_by(g.contiguous(), how),
)
autograd.COMPLEX.update(("view_by", "put_by", "written", "written_by"))
