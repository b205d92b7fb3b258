"""What every optimizer has: groups of parameters with their settings, and state for each parameter."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from torsh_ops import threads
from torsh_ops.autograd import enable_grad
from torsh_ops.errors import ArgumentError, OperandError, TorshError
from torsh_ops.ops.dispatch import contiguous_array
from torsh_ops.tensor import Tensor


class OptimizerStateError(TorshError, ValueError):
    """A state that does not fit an optimizer's parameters."""


class Optimizer:
    """Base of the optimizers: a child defines `update`, which steps one parameter.

    `param_groups` are dicts with "params" and the settings, those of `defaults` where a group has none of its own.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise OperandError("params should be an iterable of Tensors or dicts, but got a Tensor: put it in a list")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        given = list(params)
        if not given:
            raise ArgumentError("optimizer got an empty parameter list")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own."""
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise OperandError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ArgumentError("can't optimize a non-leaf Tensor")
            if id(p) in known:
                raise ArgumentError("some parameters appear in more than one parameter group, or twice in one")
            known.add(id(p))
        group = {**self.defaults, **param_group, "params": params}
        self.check(group)
        self.param_groups.append(group)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ArgumentError on a setting out of range."""
        for name in ("lr", "momentum", "weight_decay", "eps", "alpha"):
            if group.get(name, 0.0) < 0.0:
                raise ArgumentError(f"Invalid {name} value: {group[name]}")
        for i, beta in enumerate(group.get("betas", ())):
            if not 0.0 <= beta < 1.0:
                raise ArgumentError(f"Invalid beta parameter at index {i}: {beta}")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget every parameter's gradient, or fill it with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad = p.grad.detach().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient; `closure` computes the loss again first and is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, contiguous_array(p.grad), group)
                    p._bump()
        return loss

    def update(self, p: Tensor, gradient: np.ndarray, group: dict[str, Any]) -> None:
        """Move one parameter in place."""
        raise NotImplementedError(f"{type(self).__name__} has no update()")

    def kept(self, p: Tensor, *names: str) -> dict[str, Any]:
        """The state of `p`, with zeros of its shape under names that are not there yet."""
        state = self.state.setdefault(p, {})
        for name in names:
            if name not in state:
                state[name] = Tensor(np.zeros(p.shape, p._array.dtype))
        return state

    def state_dict(self) -> dict[str, Any]:
        """The state by the parameters' number and the groups' settings; tensors share memory with the optimizer."""
        numbers = {id(p): i for i, p in enumerate(self._all())}
        groups = [{**group, "params": [numbers[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {"state": {numbers[id(p)]: dict(state) for p, state in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the state that `state_dict` gave; tensors are copied.

        Raises OptimizerStateError when the groups or their sizes differ.
        """
        groups, state = state_dict["param_groups"], state_dict["state"]
        sizes = [[len(group["params"]) for group in given] for given in (self.param_groups, groups)]
        if sizes[0] != sizes[1]:
            raise OptimizerStateError(
                f"loaded state dict has parameter groups of sizes {sizes[1]}, but the optimizer has {sizes[0]}"
            )
        for own, given in zip(self.param_groups, groups, strict=True):
            own.update({name: value for name, value in given.items() if name != "params"})
        tensors = list(self._all())
        self.state = {
            tensors[number]: {n: v.clone() if isinstance(v, Tensor) else v for n, v in kept.items()}
            for number, kept in state.items()
        }

    def _all(self) -> Iterable[Tensor]:
        return (p for group in self.param_groups for p in group["params"])

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {value}" for name, value in sorted(group.items()) if name != "params"]
        return "\n".join([*lines, ")"])


def run(kernel: Callable[..., Any], p: Tensor, *given: Any) -> None:
    """Run an optimizer's kernel over the parameter's memory, shared among the threads."""
    array = contiguous_array(p)
    threads.elementwise(kernel, *(g.reshape(-1) if isinstance(g, np.ndarray) else g for g in given), array.reshape(-1))
    if array is not p._array:
        p._array[...] = array


def unsupported(owner: str, **given: Any) -> None:
    """Raise ArgumentError on options that PyTorch has and this optimizer does not."""
    named = [name for name, value in given.items() if value]
    if named:
        raise ArgumentError(f"{owner} does not support {', '.join(named)}")
