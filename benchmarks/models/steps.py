"""One training step on each framework: forward, loss, backward, and plain gradient descent on every weight.

`make(name, workload, inputs)` takes a workload with gradients and gives a Step. The weights move with each call, as
they do in training; `reset` puts them back, so that no sample measures a model that has been trained away.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import frameworks
from benchmarks.frameworks.adapter import Adapter, layouts
from benchmarks.workloads import Workload

LEARNING_RATE = 0.01


@dataclass(frozen=True)
class Step:
    """`call` takes one step and returns the loss before it; `weights` are read with `read` and put back by `reset`."""

    call: Callable[[], Any]
    reset: Callable[[], None]
    read: Callable[[], tuple[np.ndarray, ...]]


def make(name: str, workload: Workload, inputs: Sequence[np.ndarray]) -> Step:
    """Make the step of `workload` ready on the framework `name`, compiled where it can be.

    Raises FrameworkUnavailable, or NotImplementedError where the framework has no autograd or optimizer.
    """
    adapter = frameworks.load(name)
    if name not in _MAKERS:
        raise NotImplementedError(f"{name} has no autograd")
    return _MAKERS[name](adapter, workload, adapter.arrays(workload, inputs))


def _reader(adapter: Adapter, workload: Workload, weights: Callable[[], Sequence[Any]]) -> Callable[[], Any]:
    given = layouts(workload, workload.make_inputs(next(iter(workload.sizes))))
    wanted = [given[i] for i in workload.wrt]

    def read() -> tuple[np.ndarray, ...]:
        return tuple(np.array(adapter.numpy(w, layout)) for w, layout in zip(weights(), wanted, strict=True))

    return read


def _eager(adapter: Any, workload: Workload, args: list[Any]) -> Step:
    """PyTorch and torsh_ops, with their own SGD."""
    try:
        optim = importlib.import_module(f"{adapter.package}.optim")
    except ModuleNotFoundError:
        raise NotImplementedError(f"{adapter.package} has no optim here") from None
    leaves = [args[i].requires_grad_() for i in workload.wrt]
    starts = [leaf.detach().clone() for leaf in leaves]
    optimizer = optim.SGD(leaves, lr=LEARNING_RATE)

    def call() -> Any:
        optimizer.zero_grad()
        loss = workload.call(adapter, *args)
        loss.backward()
        optimizer.step()
        return loss

    def reset() -> None:
        for leaf, start in zip(leaves, starts, strict=True):
            leaf.detach().copy_(start)

    return Step(call, reset, _reader(adapter, workload, lambda: leaves))


def _tensorflow(adapter: Any, workload: Workload, args: list[Any]) -> Step:
    """Variables, and the whole step as one tf.function."""
    tf = adapter.module
    variables = [tf.Variable(args[i]) for i in workload.wrt]
    starts = [args[i] for i in workload.wrt]
    fixed = [x for i, x in enumerate(args) if i not in workload.wrt]

    def step(*xs: Any) -> Any:
        given, weights = iter(xs), iter(variables)
        with tf.GradientTape() as tape:
            loss = workload.call(
                adapter, *(next(weights) if i in workload.wrt else next(given) for i in range(len(args)))
            )
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(LEARNING_RATE * tf.convert_to_tensor(gradient))
        return loss

    traced = tf.function(step, autograph=False)

    def reset() -> None:
        for variable, start in zip(variables, starts, strict=True):
            variable.assign(start)

    return Step(lambda: traced(*fixed), reset, _reader(adapter, workload, lambda: variables))


def _jax(adapter: Any, workload: Workload, args: list[Any]) -> Step:
    """The whole step as one jit that takes over the memory of the weights it replaces."""
    jax, jnp = adapter.module, adapter.jnp
    fixed = {i: x for i, x in enumerate(args) if i not in workload.wrt}
    starts = [np.asarray(args[i]) for i in workload.wrt]
    state: dict[str, list[Any]] = {}

    def step(weights: list[Any], fixed: dict[int, Any]) -> tuple[Any, list[Any]]:
        def loss(weights: list[Any]) -> Any:
            given = {**fixed, **dict(zip(workload.wrt, weights, strict=True))}
            return workload.call(adapter, *(given[i] for i in range(len(args))))

        value, gradients = jax.value_and_grad(loss)(weights)
        return value, [w - LEARNING_RATE * g for w, g in zip(weights, gradients, strict=True)]

    compiled = jax.jit(step, donate_argnums=0)

    def call() -> Any:
        value, state["weights"] = jax.block_until_ready(compiled(state["weights"], fixed))
        return value

    def reset() -> None:
        state["weights"] = [jnp.array(start).block_until_ready() for start in starts]

    reset()
    return Step(call, reset, _reader(adapter, workload, lambda: state["weights"]))


_MAKERS: dict[str, Callable[[Any, Workload, list[Any]], Step]] = {
    "torsh": _eager,
    "torch": _eager,
    "tensorflow": _tensorflow,
    "jax": _jax,
}
