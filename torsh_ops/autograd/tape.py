"""The tape: what was done, recorded as nodes, and the table of the operators' gradients."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import tensor as storage
from torsh_ops.autograd.mode import RECORDING
from torsh_ops.errors import GradError
from torsh_ops.tensor import Tensor

Rule = Callable[..., Tensor]
# One call for all arguments, instead of a rule for each.
Together = Callable[..., Sequence[Tensor | None]]


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


GRADIENTS: dict[Callable[..., Any], _Gradient] = {}
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
    GRADIENTS[op] = _Gradient(bound, rest, None if together is None else _bind(together))


def record(op: Callable[..., Any], result: Tensor, args: tuple[Any, ...]) -> Tensor:
    """Put `result = op(*args)` on the tape when recording is on and any argument requires grad; return `result`."""
    if RECORDING.get() and result._array.dtype.kind in "fc":
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
