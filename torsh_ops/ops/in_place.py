"""Operations in place on tensors that require grad: the form that returns a new tensor is recorded, then written.

The tensor gets the history of that form, as in PyTorch; through a view, its base and the view do. What was recorded
before keeps to the history of its time (see `torsh_ops.autograd.Node`), and where it needs values that are
gone, backward raises.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import tensor as storage
from torsh_ops.autograd import Node, follow_base, is_grad_enabled, tape
from torsh_ops.errors import DTypeError, GradError, ShapeError
from torsh_ops.ops.layout import compact
from torsh_ops.ops.places import Look, view_by, written, written_by
from torsh_ops.tensor import Tensor

_ALL = (Ellipsis,)


def must_record(target: Tensor, *inputs: Any) -> bool:
    """Whether a change of `target` by `inputs` belongs on the tape; raises GradError when it is a leaf of it."""
    if not is_grad_enabled():
        return False
    base = target._base
    if target.requires_grad and target._node is None:
        raise GradError(
            f"a leaf tensor that requires grad, shape {target.shape}, is being used in an in-place operation; "
            "use no_grad(), or the form that returns a new tensor"
        )
    if base is not None and base.requires_grad:
        if base._node is None:
            raise GradError(
                f"a view of a leaf tensor that requires grad, shape {base.shape}, is being used in an in-place "
                "operation; use no_grad(), or the form that returns a new tensor"
            )
        return True
    return target.requires_grad or any(isinstance(x, Tensor) and x.requires_grad for x in inputs)


def change(target: Tensor, form: Callable[[Tensor], Tensor]) -> Tensor:
    """Write `form(target)` into `target`, recorded; return `target`.

    Raises ShapeError or DTypeError when the result does not fit into it.
    """
    base = target._base
    if target._array.dtype.kind not in "fc":
        raise DTypeError(f"the result requires grad and can't be written in place to a tensor of {target.dtype}")
    how = None if base is None else _where(target, base)
    if base is not None and base.requires_grad:
        if target.requires_grad:
            follow_base(target)
        else:
            _look_again(target, base)
    before = Tensor(compact(target._array))
    before._node, before.requires_grad = target._node, target.requires_grad
    start = next(storage.clock)
    result = form(before)
    if result.shape != target.shape:
        raise ShapeError(f"output with shape {target.shape} doesn't match the broadcast shape {result.shape}")
    if not np.can_cast(result._array.dtype, target._array.dtype, "same_kind"):
        raise DTypeError(f"result type {result.dtype} can't be cast to the output type {target.dtype}")
    if result._node is None or result._node.order < start or result.dtype is not target.dtype:
        result = written(before, _ALL, result)
    np.copyto(target._array, result._array)
    target._bump()
    if base is None or how is None:
        assert result._node is not None
        _give_history(target, result._node)
        return target
    old = Tensor(base._array)
    old._node, old.requires_grad = base._node, base.requires_grad
    _give_history(base, Node(written_by, (old, how, result), base))
    _look_again(target, base)
    return target


def _give_history(tensor: Tensor, node: Node) -> None:
    node.previous = tensor._node
    tensor._node, tensor.requires_grad = node, True


def _look_again(view: Tensor, base: Tensor) -> None:
    _give_history(view, Node(view_by, (base, _where(view, base)), view))


def _where(view: Tensor, base: Tensor) -> Look:
    """How to look at an array of the shape of `base` as `view` looks at it."""
    part, whole = view._array, base._array
    if part.dtype is not whole.dtype or not whole.flags.c_contiguous:
        raise GradError(
            f"a change in place through a view of shape {part.shape} can't be recorded: its base, of shape "
            f"{whole.shape}, is not contiguous or of another dtype; write to a clone()"
        )
    item, shape = part.itemsize, part.shape
    first = (part.ctypes.data - whole.ctypes.data) // item if part.size else 0
    steps = tuple(s // item for s in part.strides)

    def how(array: np.ndarray) -> np.ndarray:
        strides = tuple(s * array.itemsize for s in steps)
        return np.lib.stride_tricks.as_strided(array.reshape(-1)[first:], shape, strides)

    return how


tape.look_again = _look_again


def in_place(op: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return the method that writes the result of `op` into its first operand, which must be able to hold it."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if must_record(self, *args, *kwargs.values()):
            return change(self, lambda before: op(before, *(before if a is self else a for a in args), **kwargs))
        return op(self, *args, **kwargs, out=self)

    method.__name__ = method.__qualname__ = f"{op.__name__}_"
    method.__doc__ = f"Do `{op.__name__}` in place and return the tensor; see torsh_ops.{op.__name__}."
    return method
