"""The tape: what was done is recorded as nodes, and `backward` walks them from the newest to the oldest."""

import inspect
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import tensor as storage
from torsh_ops.errors import GradError, ShapeError
from torsh_ops.tensor import Tensor

Rule = Callable[..., Tensor]
# One call for all arguments, instead of a rule for each.
Together = Callable[..., Sequence[Tensor | None]]


class _Mode(threading.local):
    recording = True


_mode = _Mode()


def look_again(view: Tensor, base: Tensor) -> None:
    """Record `view` as a view of `base` as it is now; torsh_ops.ops.in_place, which can build views, puts it here."""
    raise NotImplementedError


class Node:
    """One recorded operation: the op, its arguments, and its result's array for rules that use it.

    `order` is the time on the clock that changes in place are marked with too. `changed` tells that the result was
    changed in place since; `previous` is the node that a tensor had before an operation in place gave it this one.
    """

    __slots__ = ("args", "changed", "op", "order", "previous", "result")

    def __init__(self, op: Callable[..., Any], args: tuple[Any, ...], result: Tensor) -> None:
        self.op = op
        self.args: tuple[Any, ...] | None = args
        self.result: np.ndarray | None = result._array
        self.changed = False
        self.previous: Node | None = None
        self.order = next(storage.clock)

    @property
    def name(self) -> str:
        """The op's name, as PyTorch's grad_fn shows it."""
        return self.op.__name__.title().replace("_", "") + "Backward"

    def output(self, recorded: bool) -> Tensor:
        """Return the result again, as part of the graph when `recorded`. Raises GradError when it was changed."""
        assert self.result is not None
        if self.changed:
            raise GradError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: the "
                f"result of {self.op.__name__}, shape {self.result.shape}; write the form that returns a new tensor"
            )
        out = Tensor(self.result)
        if recorded:
            out._node, out.requires_grad = self, True
        return out


class _Bound(NamedTuple):
    """A rule, whether it wants the result, and the positions of the arguments that it looks at."""

    rule: Any
    wants_out: bool
    uses: tuple[int, ...]


class _Gradient(NamedTuple):
    """What is defined for an op: a rule for each positional argument (None: no gradient), one for all beyond those."""

    rules: tuple[_Bound | None, ...]
    rest: Rule | None
    together: _Bound | None


_gradients: dict[Callable[..., Any], _Gradient] = {}
# Ops by name whose rules hold for complex numbers: see `torsh_ops.gradients.complex`.
COMPLEX: set[str] = set()


def _bind(rule: Rule | Together) -> _Bound:
    parameters = list(inspect.signature(rule).parameters.values())[1:]
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "out"]
    uses = tuple(i for i, p in enumerate(positional) if not p.name.startswith("_"))
    return _Bound(rule, any(p.name == "out" for p in parameters), uses)


def define_grad(
    op: Callable[..., Any], *rules: Rule | None, rest: Rule | None = None, together: Together | None = None
) -> None:
    """Define the gradients of `op`: one rule for each positional argument, None where there is none.

    A rule gets the gradient of the result and the recorded arguments, ``rule(g, *args)``, and returns the gradient
    of its argument; summing over broadcast dimensions is done for it. A rule with a keyword-only parameter `out`
    also gets the result. Parameters that start with an underscore are not looked at, so a change of them in place
    is no error. Rules written with tensor operations can be differentiated again. `rest` serves the arguments of an
    op that takes any number of them: ``rest(g, position, *args)``. `together` is for kernels that find all gradients
    in one pass: it takes what a rule takes, returns one gradient or None for each argument, and serves instead of
    the rules in a backward pass that is not itself recorded.
    """
    bound = tuple(None if rule is None else _bind(rule) for rule in rules)
    _gradients[op] = _Gradient(bound, rest, None if together is None else _bind(together))


def record(op: Callable[..., Any], result: Tensor, args: tuple[Any, ...]) -> Tensor:
    """Put `result = op(*args)` on the tape when recording is on and any argument requires grad; return `result`."""
    if _mode.recording and result._array.dtype.kind in "fc":
        node = None
        for arg in args:
            if isinstance(arg, Tensor) and arg.requires_grad:
                if arg._base is not None:
                    follow_base(arg)
                node = node or Node(op, args, result)
        if node is not None:
            result._node, result.requires_grad = node, True
    return result


def follow_base(view: Tensor) -> None:
    """Give a recorded view its base's present history, where the base was changed in place since the view was made."""
    node, base = view._node, view._base
    assert base is not None
    if node is not None and base._node is not None and base._node.order > node.order:
        look_again(view, base)


def is_grad_enabled() -> bool:
    """Tell whether operations are recorded on this thread."""
    return _mode.recording


class set_grad_enabled:
    """Switch recording on this thread; as a context manager or decorator, only inside."""

    def __init__(self, mode: bool) -> None:
        self._wanted = mode
        self._before = _mode.recording
        _mode.recording = mode

    def __enter__(self) -> None:
        _mode.recording = self._wanted

    def __exit__(self, *exc: object) -> None:
        _mode.recording = self._before


class _Switch:
    """A context manager and decorator that sets recording to `wanted` inside."""

    wanted: bool

    def __enter__(self) -> None:
        self._before = _mode.recording
        _mode.recording = self.wanted

    def __exit__(self, *exc: object) -> None:
        _mode.recording = self._before

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return inside


class no_grad(_Switch):
    """Record nothing inside; a context manager and a decorator."""

    wanted = False


class enable_grad(_Switch):
    """Record inside, whatever is set outside; a context manager and a decorator."""

    wanted = True


class inference_mode(no_grad):
    """The same as `no_grad` here: tensors carry no view or version bookkeeping worth saving."""


def _sum_to(gradient: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum a gradient over the dimensions that broadcasting added or stretched."""
    extra = gradient._array.ndim - len(shape)
    if extra:
        gradient = gradient.sum(0 if extra == 1 else tuple(range(extra)))
    stretched = tuple(d for d, size in enumerate(shape) if size == 1 and gradient.shape[d] != 1)
    return gradient.sum(stretched, True) if stretched else gradient


class _Walk:
    """One backward pass: gradients not yet handed on, by node and by leaf."""

    def __init__(self, retain_graph: bool, create_graph: bool, inputs: Sequence[Tensor] | None) -> None:
        self.retain_graph, self.create_graph = retain_graph, create_graph
        self.queue: list[tuple[int, Node]] = []
        self.waiting: dict[Node, Tensor] = {}
        self.leaves: dict[int, tuple[Tensor, Tensor]] = {}
        # With `inputs`, only they collect; a non-leaf among them is caught on its way through the queue.
        self.wanted_leaves = None if inputs is None else {id(t) for t in inputs if t._node is None}
        self.wanted_nodes = None if inputs is None else {t._node for t in inputs if t._node is not None}
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
        queue, waiting, wanted = self.queue, self.waiting, self.wanted_nodes
        while queue:
            node = heappop(queue)[1]
            gradient = waiting.pop(node)
            if wanted and node in wanted:
                self.caught[node] = gradient
            self.step(node, gradient)
            if not self.retain_graph:
                node.args = node.result = None

    def step(self, node: Node, gradient: Tensor) -> None:
        """Hand the gradient of a node's result on to its arguments. A call saved here is 2 % of a small pass."""
        args, defined, order = node.args, _gradients.get(node.op), node.order
        if args is None or defined is None:
            raise _unusable(node)
        rules, rest, together = defined
        joint: Any = None
        if together is not None and not self.create_graph:
            _check_unchanged(node, together.uses)
            joint = together.rule(gradient, *args)
        position = -1
        for arg in args:
            position += 1
            if not isinstance(arg, Tensor) or not arg.requires_grad:
                continue
            target = arg._node
            if target is not None and target.order > order and (target := _as_of(target, order)) is None:
                continue
            if joint is not None:
                given = joint[position]
            elif position < len(rules):
                bound = rules[position]
                if bound is None:
                    raise GradError(f"{node.op.__name__} has no gradient for argument {position}")
                rule, wants_out, uses = bound
                if storage.clock_of_change > order:
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
            if array.shape != own.shape or array.dtype is not own.dtype or own.dtype.kind == "c":
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
    for position in uses if storage.clock_of_change > order else ():
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
_ONES = {kind: Tensor(np.ones((), kind)) for kind in (np.dtype(np.float32), np.dtype(np.float64))}


def _first_gradient(tensor: Tensor, gradient: Tensor | None) -> Tensor:
    """Check where a pass starts; return the gradient there, 1 unless given."""
    if not tensor.requires_grad:
        raise GradError("this tensor does not require grad and has no grad_fn")
    array = tensor._array
    if gradient is None:
        if array.dtype.kind == "c":
            raise GradError(f"grad can be implicitly created only for real scalar outputs, but got {tensor.dtype}")
        if array.size != 1:
            raise GradError(f"grad can be implicitly created only for scalar outputs, but got shape {tensor.shape}")
        return Tensor(np.ones(array.shape, array.dtype)) if array.ndim else _ONES[array.dtype]
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
    recording, _mode.recording = _mode.recording, create_graph
    try:
        for tensor, gradient in zip(tensors, gradients, strict=True):
            first = _first_gradient(tensor, gradient)
            if tensor._base is not None:
                follow_base(tensor)
            walk.give(tensor._node, tensor, first)
        walk.run()
    finally:
        _mode.recording = recording
    return walk


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
    roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if grad_tensors is None:
        gradients: list[Tensor | None] = [None] * len(roots)
    else:
        gradients = [grad_tensors] if isinstance(grad_tensors, Tensor) else list(grad_tensors)
    walk = _walk(roots, gradients, retain_graph, create_graph, inputs)
    # What several may look into: rules hand one array to several leaves, or a view, or what a pass started with.
    seen = {id(one._array) for one in (*_ONES.values(), *gradients) if one is not None}
    for leaf, gradient in walk.leaves.values():
        if leaf.grad is None:
            array = gradient._array
            own = gradient._root() is gradient and id(array) not in seen and array.flags.c_contiguous
            if not own and not create_graph:
                gradient = gradient.detach().clone()
            seen.add(id(array))
            leaf.grad = gradient
        elif create_graph:
            leaf.grad = leaf.grad + gradient
        else:
            leaf.grad.add_(gradient)
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
    roots = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        gradients: list[Tensor | None] = [None] * len(roots)
    else:
        gradients = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
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
