"""The tape: what was done is recorded as nodes, and `backward` walks them from the newest to the oldest."""

import heapq
import inspect
import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from torsh_ops.errors import GradError, ShapeError
from torsh_ops.tensor import Tensor

Rule = Callable[..., Tensor]

_clock = itertools.count()


class _Mode(threading.local):
    recording = True


_mode = _Mode()


class Node:
    """One recorded operation: the op, its arguments, and its result's array for rules that use it."""

    __slots__ = ("args", "op", "order", "result", "versions")

    def __init__(self, op: Callable[..., Any], args: tuple[Any, ...], result: Tensor) -> None:
        self.op = op
        self.args: tuple[Any, ...] | None = args
        self.result: tuple[np.ndarray, Tensor | None] | None = (result._array, result._base)
        # As Tensor.version, without the call.
        self.versions = [
            (a._version if a._base is None else a._base._version) if isinstance(a, Tensor) else None for a in args
        ]
        self.order = next(_clock)

    @property
    def name(self) -> str:
        """The op's name, as PyTorch's grad_fn shows it."""
        return self.op.__name__.title().replace("_", "") + "Backward"

    def output(self) -> Tensor:
        """Return the recorded result again, still part of the graph."""
        assert self.result is not None
        array, base = self.result
        out = Tensor(array)
        out._base, out._node, out.requires_grad = base, self, True
        return out


class _Bound(NamedTuple):
    """A rule, whether it wants the result, and the positions of the arguments that it looks at."""

    rule: Rule
    wants_out: bool
    uses: tuple[int, ...]


# op -> its rules, one for each positional argument (None: no gradient).
_rules: dict[Callable[..., Any], tuple[_Bound | None, ...]] = {}
# Ops by name whose rules hold for complex numbers: see `torsh_ops.gradients.complex`.
COMPLEX: set[str] = set()
# op -> the rule of all arguments beyond those.
_rest: dict[Callable[..., Any], Rule] = {}


def _bind(rule: Rule) -> _Bound:
    parameters = list(inspect.signature(rule).parameters.values())[1:]
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "out"]
    uses = tuple(i for i, p in enumerate(positional) if not p.name.startswith("_"))
    return _Bound(rule, any(p.name == "out" for p in parameters), uses)


def define_grad(op: Callable[..., Any], *rules: Rule | None, rest: Rule | None = None) -> None:
    """Define the gradients of `op`: one rule for each positional argument, None where there is none.

    A rule gets the gradient of the result and the recorded arguments, ``rule(g, *args)``, and returns the gradient
    of its argument; summing over broadcast dimensions is done for it. A rule with a keyword-only parameter `out`
    also gets the result. Parameters that start with an underscore are not looked at, so a change of them in place
    is no error. Rules written with tensor operations can be differentiated again. `rest` serves the arguments of an
    op that takes any number of them: ``rest(g, position, *args)``.
    """
    _rules[op] = tuple(None if rule is None else _bind(rule) for rule in rules)
    if rest is not None:
        _rest[op] = rest


def record(op: Callable[..., Any], result: Tensor, args: tuple[Any, ...]) -> Tensor:
    """Put `result = op(*args)` on the tape when recording is on and any argument requires grad; return `result`."""
    if _mode.recording:
        for arg in args:
            if isinstance(arg, Tensor) and arg.requires_grad:
                if result._array.dtype.kind in "fc":
                    result.requires_grad = True
                    result._node = Node(op, args, result)
                break
    return result


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
    extra = gradient.ndim - len(shape)
    if extra:
        gradient = gradient.sum(tuple(range(extra)))
    stretched = tuple(d for d, size in enumerate(shape) if size == 1 and gradient.shape[d] != 1)
    return gradient.sum(stretched, True) if stretched else gradient


class _Walk:
    """One backward pass: gradients not yet handed on, by node and by leaf."""

    def __init__(self, retain_graph: bool, inputs: Sequence[Tensor] | None) -> None:
        self.retain_graph = retain_graph
        self.queue: list[tuple[int, Node]] = []
        self.waiting: dict[Node, Tensor] = {}
        self.leaves: dict[int, tuple[Tensor, Tensor]] = {}
        # With `inputs`, only they collect; a non-leaf among them is caught on its way through the queue.
        self.wanted_leaves = None if inputs is None else {id(t) for t in inputs if t._node is None}
        self.caught: dict[Node, Tensor] = {}
        self.wanted_nodes = {t._node for t in inputs or () if t._node is not None}

    def give(self, target: Tensor, gradient: Tensor) -> None:
        node = target._node
        if node is None:
            if self.wanted_leaves is None or id(target) in self.wanted_leaves:
                earlier = self.leaves.get(id(target))
                self.leaves[id(target)] = (target, gradient if earlier is None else earlier[1] + gradient)
            return
        before = self.waiting.get(node)
        if before is None:
            self.waiting[node] = gradient
            heapq.heappush(self.queue, (-node.order, node))
        else:
            self.waiting[node] = before + gradient

    def run(self) -> None:
        while self.queue:
            node = heapq.heappop(self.queue)[1]
            gradient = self.waiting.pop(node)
            if node in self.wanted_nodes:
                self.caught[node] = gradient
            self.step(node, gradient)
            if not self.retain_graph:
                node.args = node.result = None

    def step(self, node: Node, gradient: Tensor) -> None:
        args = node.args
        if args is None:
            raise GradError(
                "Trying to backward through the graph a second time: its tensors were freed by the first pass. "
                "Specify retain_graph=True the first time."
            )
        rules = _rules.get(node.op)
        if rules is None:
            raise GradError(f"{node.op.__name__} has no gradient")
        for position, arg in enumerate(args):
            if not (isinstance(arg, Tensor) and arg.requires_grad):
                continue
            if position >= len(rules) and node.op in _rest:
                given = _rest[node.op](gradient, position, *args)
            else:
                bound = rules[position] if position < len(rules) else None
                if bound is None:
                    raise GradError(f"{node.op.__name__} has no gradient for argument {position}")
                rule, wants_out, uses = bound
                for use in uses:
                    self.check_version(node, use, args[use])
                given = rule(gradient, *args, out=node.output()) if wants_out else rule(gradient, *args)
            array, wanted = given._array, arg._array
            if (wanted.dtype.kind == "c" or array.dtype.kind == "c") and node.op.__name__ not in COMPLEX:
                raise GradError(f"{node.op.__name__} has no gradient for complex tensors, but got {arg.dtype}")
            if array.shape != wanted.shape:
                given = _sum_to(given, wanted.shape)
            if array.dtype is not wanted.dtype:
                # A real argument has no imaginary direction to move in.
                given = (given if arg.is_complex() else given.real).to(arg.dtype)
            self.give(arg, given)

    @staticmethod
    def check_version(node: Node, position: int, arg: Any) -> None:
        expected = node.versions[position]
        if expected is not None and expected != (arg._version if arg._base is None else arg._base._version):
            raise GradError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: "
                f"argument {position} of {node.op.__name__}, shape {arg.shape}, is at version {arg.version}; "
                f"expected version {expected}"
            )


def _start(tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> Iterable[tuple[Tensor, Tensor]]:
    for tensor, gradient in zip(tensors, gradients, strict=True):
        if not tensor.requires_grad:
            raise GradError("this tensor does not require grad and has no grad_fn")
        if gradient is None:
            if tensor.is_complex():
                raise GradError(f"grad can be implicitly created only for real scalar outputs, but got {tensor.dtype}")
            if tensor.numel() != 1:
                raise GradError(f"grad can be implicitly created only for scalar outputs, but got shape {tensor.shape}")
            gradient = Tensor(np.ones(tensor.shape, tensor._array.dtype))
        elif gradient.shape != tensor.shape:
            raise ShapeError(f"the gradient has shape {gradient.shape}, but the output has shape {tensor.shape}")
        yield tensor, gradient


def _walk(
    tensors: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    retain_graph: bool | None,
    create_graph: bool,
    inputs: Sequence[Tensor] | None,
) -> _Walk:
    walk = _Walk(create_graph if retain_graph is None else retain_graph, inputs)
    with set_grad_enabled(create_graph):
        for tensor, gradient in _start(tensors, gradients):
            walk.give(tensor, gradient)
        walk.run()
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
    seen: set[int] = set()
    for leaf, gradient in walk.leaves.values():
        if leaf.grad is not None and not create_graph:
            leaf.grad.add_(gradient)
        elif leaf.grad is not None:
            leaf.grad = leaf.grad + gradient
        elif create_graph:
            leaf.grad = gradient
        else:
            leaf.grad = _own(gradient, seen, gradients)
    for leaf, _ in walk.leaves.values():
        for hook in leaf._grad_hooks:
            hook(leaf)


def _own(gradient: Tensor, seen: set[int], given: Sequence[Tensor | None]) -> Tensor:
    """Return `gradient` as memory of its own: rules may hand one array to several leaves, or a view."""
    array = gradient._array
    shared = array.base is not None and gradient._base is not None
    if shared or id(array) in seen or not array.flags.c_contiguous or any(gradient is g for g in given):
        return gradient.detach().clone()
    seen.add(id(array))
    return gradient


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
