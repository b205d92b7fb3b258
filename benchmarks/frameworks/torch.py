"""PyTorch, eager: operators are its own, the fastest spelling it offers."""

import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.frameworks.adapter import Adapter, Bound

if TYPE_CHECKING:
    from benchmarks.workloads.record import Workload


# Operators that the top level lacks, or has in another form or as a namespace. As methods of the adapter they would add
# a Python call to every time, which NumPy's do not have.
_WHERE = {
    **dict.fromkeys(("fft", "rfft", "fft2"), "fft"),
    **dict.fromkeys(("cholesky", "solve", "inv", "qr", "eigh"), "linalg"),
    **dict.fromkeys(("batch_norm", "embedding"), "nn.functional"),
    "contiguous": "Tensor",
}


class Framework(Adapter):
    """PyTorch in inference mode, or its autograd for a workload that asks for gradients."""

    name = "torch"
    package = "torch"
    functional = "torch.nn.functional"

    def __init__(self) -> None:
        self.module = importlib.import_module(self.package)

    def find(self, op: str) -> Callable[..., Any] | None:
        """Give the operator from the module, or else from its nn.functional."""
        if op in _WHERE:
            with suppress(AttributeError):  # a commit of torsh_ops from before it had one
                return getattr(attrgetter(_WHERE[op])(self.module), op)
            return None
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

    def bincount(self, x: Any, bins: int) -> Any:
        """How often each number below `bins` comes."""
        return self.module.bincount(x, None, bins)

    def depthwise_conv2d(self, x: Any, weight: Any, stride: int, padding: int) -> Any:
        """Convolve each channel of NCHW images with its own kernel."""
        return self.conv2d(x, weight, None, stride, padding, 1, len(weight))

    def stft_frames(self, x: Any, window: Any) -> Any:
        """Spectra of frames a quarter of the window apart, each in a row."""
        size = len(window)
        spectra = self.module.stft(x, size, size // 4, window=window, center=False, return_complex=True)
        return spectra.transpose(0, 1)

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
            return Bound(partial(workload.call, self, *args), self.module.inference_mode)
        leaves = [args[i].requires_grad_() for i in workload.wrt]

        def value_and_gradients() -> tuple[Any, ...]:
            for leaf in leaves:
                leaf.grad = None
            value = workload.call(self, *args)
            value.backward()
            return (value, *(leaf.grad for leaf in leaves))

        return Bound(value_and_gradients)
