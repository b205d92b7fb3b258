"""PyTorch, eager: operators are its own, the fastest spelling it offers."""

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.frameworks.adapter import Adapter, Bound

if TYPE_CHECKING:
    from benchmarks.workloads.record import Workload


class Framework(Adapter):
    """PyTorch in inference mode, or its autograd for a workload that asks for gradients."""

    name = "torch"
    package = "torch"
    functional = "torch.nn.functional"

    def __init__(self) -> None:
        self.module = importlib.import_module(self.package)

    def find(self, op: str) -> Callable[..., Any] | None:
        """Give the operator from the module, or else from its nn.functional."""
        # torch.softmax is the C++ entry and nn.functional.softmax a Python wrapper of it: the module goes
        # first.
        if callable(found := getattr(self.module, op, None)):
            return found
        try:
            return getattr(importlib.import_module(self.functional), op, None)
        except ModuleNotFoundError:
            # A commit of torsh_ops from before it had one.
            return None

    def norm(self, x: Any) -> Any:
        """Euclidean norm of all elements; torch.norm is a Python wrapper of this."""
        return self.module.linalg.vector_norm(x)

    def contiguous(self, x: Any) -> Any:
        """`x` in row-major order."""
        return x.contiguous()

    def from_numpy(self, x: np.ndarray) -> Any:
        """Copy a NumPy array into the framework."""
        return self.module.tensor(x)

    def to_numpy(self, x: Any) -> np.ndarray:
        """One tensor as a NumPy array."""
        return x.detach().numpy()

    def bind(self, workload: "Workload", inputs: Sequence[np.ndarray]) -> Bound:
        """Make the call ready: in inference mode, or with backward() on fresh gradients."""
        args = self.arrays(workload, inputs)
        if not workload.wrt:
            return Bound(lambda: workload.call(self, *args), self.module.inference_mode)
        leaves = [args[i].requires_grad_() for i in workload.wrt]

        def value_and_gradients() -> tuple[Any, ...]:
            for leaf in leaves:
                leaf.grad = None
            value = workload.call(self, *args)
            value.backward()
            return (value, *(leaf.grad for leaf in leaves))

        return Bound(value_and_gradients)
