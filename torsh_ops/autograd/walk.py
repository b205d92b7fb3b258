"""Backward: the nodes of the tape are walked from the newest to the oldest."""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from torsh_ops import tensor as storage
from torsh_ops.autograd.mode import RECORDING
from torsh_ops.autograd.tape import COMPLEX, GRADIENTS, Node, follow_base
from torsh_ops.errors import GradError, ShapeError
from torsh_ops.tensor import Tensor


def _sum_to(gradient: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum a gradient over the dimensions that broadcasting added or stretched."""
    extra = gradient._array.ndim - len(shape)
    if extra:
        gradient = gradient.sum(0 if extra == 1 else tuple(range(extra)))
    stretched = tuple(d for d, size in enumerate(shape) if size == 1 and gradient.shape[d] != 1)
    return gradient.sum(stretched, True) if stretched else gradient


_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)


class _Walk:
    """One backward pass: gradients not yet handed on, by node and by leaf."""

    def __init__(self, retain_graph: bool, create_graph: bool, inputs: Sequence[Tensor] | None) -> None:
        self.retain_graph, self.create_graph = retain_graph, create_graph
        self.queue: list[tuple[int, Node]] = []
        self.waiting: dict[Node, Tensor] = {}
        self.leaves: dict[int, tuple[Tensor, Tensor]] = {}
        # With `inputs`, only they collect; a non-leaf among them is caught on its way through the queue.
        self.wanted_leaves: set[int] | None = None
        self.wanted_nodes: set[Node] | None = None
        if inputs is not None:
            self.wanted_leaves = {id(t) for t in inputs if t._node is None}
            self.wanted_nodes = {t._node for t in inputs if t._node is not None}
        self.caught: dict[Node, Tensor] = {}

    def give(self, node: Node | None, leaf: Tensor, gradient: Tensor) -> None:
        """Add a gradient to those of a node, or of a leaf where there is none."""
        if node is not None:
            before = self.waiting.get(node)
            if before is None:
                self.waiting[node] = gradient
                heappush(self.queue, (-node.order, node))
            else:
                self.waiting[node] = before + gradient
        elif self.wanted_leaves is None or id(leaf) in self.wanted_leaves:
            earlier = self.leaves.get(id(leaf))
            self.leaves[id(leaf)] = (leaf, gradient if earlier is None else earlier[1] + gradient)

    def run(self) -> None:
        queue, waiting, wanted, retain = self.queue, self.waiting, self.wanted_nodes, self.retain_graph
        while queue:
            node = heappop(queue)[1]
            gradient = waiting.pop(node)
            if wanted and node in wanted:
                self.caught[node] = gradient
            self.step(node, gradient)
            if not retain:
                node.args = node.result = None

    def step(self, node: Node, gradient: Tensor) -> None:
        """Hand the gradient of a node's result on to its arguments. A call saved here is 2 % of a small pass."""
        args, defined, order = node.args, GRADIENTS.get(node.op), node.order
        if args is None or defined is None:
            raise _unusable(node)
        rules, rest, together = defined
        changed = storage.clock_of_change > order
        joint: Any = None
        if together is not None and not self.create_graph:
            if changed:
                _check_unchanged(node, together.uses)
            joint = together.rule(gradient, *args)
        for position, arg in enumerate(args):
            if not isinstance(arg, Tensor) or not arg.requires_grad:
                continue
            target = arg._node
            if target is not None and target.order > order and (target := _as_of(target, order)) is None:
                continue
            if joint is not None:
                given = joint[position]
            elif position < len(rules) and (bound := rules[position]) is not None:
                rule, wants_out, uses = bound
                if changed:
                    _check_unchanged(node, uses)
                if wants_out:
                    given = rule(gradient, *args, out=node.output(self.create_graph))
                else:
                    given = rule(gradient, *args)
            elif rest is not None:
                given = rest(gradient, position, *args)
            else:
                raise GradError(f"{node.op.__name__} has no gradient for argument {position}")
            array, own = given._array, arg._array
            kind = own.dtype
            if array.dtype is not kind or array.shape != own.shape or not (kind is _F32 or kind is _F64):
                given = _fitted(given, arg, node)
            self.give(target, arg, given)


def _unusable(node: Node) -> GradError:
    if node.args is None:
        return GradError(
            "Trying to backward through the graph a second time: its tensors were freed by the first pass. "
            "Specify retain_graph=True the first time."
        )
    return GradError(f"{node.op.__name__} has no gradient")


def _as_of(node: Node, order: int) -> Node | None:
    """The node that a tensor had at a time before operations in place gave it `node`; None where it had none."""
    now: Node | None = node
    while now is not None and now.order > order:
        now = now.previous
    return now


def _check_unchanged(node: Node, uses: Sequence[int]) -> None:
    """Raise GradError when one of the arguments that a rule looks at was changed in place since it was recorded."""
    args, order = node.args, node.order
    assert args is not None
    for position in uses:
        arg = args[position]
        if isinstance(arg, Tensor) and arg._root()._changed > order:
            raise GradError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: "
                f"argument {position} of {node.op.__name__}, shape {arg.shape}, is at version {arg.version}, changed "
                "after it was used; write the form that returns a new tensor, or use clone() first"
            )


def _fitted(gradient: Tensor, arg: Tensor, node: Node) -> Tensor:
    """Return a gradient in the shape and dtype of its argument."""
    if (arg.is_complex() or gradient.is_complex()) and node.op.__name__ not in COMPLEX:
        raise GradError(f"{node.op.__name__} has no gradient for complex tensors, but got {arg.dtype}")
    if gradient._array.shape != arg._array.shape:
        gradient = _sum_to(gradient, arg._array.shape)
    if gradient._array.dtype is arg._array.dtype:
        return gradient
    # A real argument has no imaginary direction to move in.
    return (gradient if arg.is_complex() else gradient.real).to(arg.dtype)


# The gradient of a scalar with regard to itself.
_ONES = {kind: Tensor(np.ones((), kind)) for kind in (_F32, _F64)}
_SHARED = {id(one._array) for one in _ONES.values()}


def _first_gradient(tensor: Tensor, gradient: Tensor | None) -> Tensor:
    """Check where a pass starts; return the gradient there, 1 unless given."""
    if not tensor.requires_grad:
        raise GradError("this tensor does not require grad and has no grad_fn")
    array = tensor._array
    if gradient is None:
        if not array.ndim and array.dtype in _ONES:
            return _ONES[array.dtype]
        if array.dtype.kind == "c":
            raise GradError(f"grad can be implicitly created only for real scalar outputs, but got {tensor.dtype}")
        if array.size != 1:
            raise GradError(f"grad can be implicitly created only for scalar outputs, but got shape {tensor.shape}")
        return Tensor(np.ones(array.shape, array.dtype))
    if gradient.shape != tensor.shape:
        raise ShapeError(f"the gradient has shape {gradient.shape}, but the output has shape {tensor.shape}")
    return gradient


def _walk(
    tensors: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    retain_graph: bool | None,
    create_graph: bool,
    inputs: Sequence[Tensor] | None,
) -> _Walk:
    walk = _Walk(create_graph if retain_graph is None else retain_graph, create_graph, inputs)
    recording = RECORDING.get()
    RECORDING.set(create_graph)
    try:
        for tensor, gradient in zip(tensors, gradients, strict=True):
            first = _first_gradient(tensor, gradient)
            if tensor._base is not None:
                follow_base(tensor)
            walk.give(tensor._node, tensor, first)
        walk.run()
    finally:
        RECORDING.set(recording)
    return walk


def _listed(
    tensors: Tensor | Sequence[Tensor], gradients: Tensor | Sequence[Tensor | None] | None
) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
    """Return where a pass starts, and the gradients there, as sequences."""
    roots = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    if gradients is None:
        return roots, (None,) * len(roots)
    return roots, (gradients,) if isinstance(gradients, Tensor) else tuple(gradients)


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of `tensors` to the `grad` of every leaf (or of `inputs` alone).

    Raises GradError when nothing was recorded, when a graph is walked again without retain_graph, or when a tensor
    that a rule needs was changed in place.
    """
    roots, gradients = _listed(tensors, grad_tensors)
    walk = _walk(roots, gradients, retain_graph, create_graph, inputs)
    # What several may look into: rules hand one array to several leaves, or a view, or what a pass started with.
    seen = _SHARED.union(id(one._array) for one in gradients if one is not None)
    for leaf, gradient in walk.leaves.values():
        before = leaf.grad
        if before is None:
            array = gradient._array
            fresh = gradient._base is None and gradient._origin is None and id(array) not in seen
            if not create_graph and not (fresh and array.flags.c_contiguous):
                gradient = gradient.detach().clone()
            seen.add(id(array))
            leaf.grad = gradient
        elif create_graph:
            leaf.grad = before + gradient
        else:
            before.add_(gradient)
    for leaf, _ in walk.leaves.values():
        for hook in leaf._grad_hooks:
            hook(leaf)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of `outputs` with respect to `inputs`; `grad` attributes stay as they are.

    Raises GradError when an input was not used, unless allow_unused (then its gradient is None).
    """
    roots, gradients = _listed(outputs, grad_outputs)
    wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for position, tensor in enumerate(wanted):
        if not tensor.requires_grad:
            raise GradError(f"input {position} of grad() does not require grad")
    walk = _walk(roots, gradients, retain_graph, create_graph, wanted)
    found: list[Tensor | None] = []
    for position, tensor in enumerate(wanted):
        gradient = walk.caught.get(tensor._node) if tensor._node else walk.leaves.get(id(tensor), (None, None))[1]
        if gradient is None and not allow_unused:
            raise GradError(f"input {position} of grad() was not used in the graph; set allow_unused=True for None")
        found.append(gradient)
    return tuple(found)
