"""PyTorch, eager: operators are its own, the fastest spelling it offers."""

import importlib
from collections.abc import Callable, Sequence
from functools import partial
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

    def bincount(self, x: Any, bins: int) -> Any:
        """How often each number below `bins` comes."""
        return self.module.bincount(x, None, bins)

    def depthwise_conv2d(self, x: Any, weight: Any, stride: int, padding: int) -> Any:
        """Convolve each channel of NCHW images with its own kernel."""
        return self.conv2d(x, weight, None, stride, padding, 1, len(weight))

    def fft(self, x: Any) -> Any:
        """Complex transform of rows; `fft` itself is a namespace."""
        return self.module.fft.fft(x)

    def rfft(self, x: Any) -> Any:
        """Real transform of rows."""
        return self.module.fft.rfft(x)

    def fft2(self, x: Any) -> Any:
        """Complex transform of rows and columns."""
        return self.module.fft.fft2(x)

    def stft_frames(self, x: Any, window: Any) -> Any:
        """Spectra of frames a quarter of the window apart, each in a row."""
        size = len(window)
        spectra = self.module.stft(x, size, size // 4, window=window, center=False, return_complex=True)
        return spectra.transpose(0, 1)

    def cholesky(self, x: Any) -> Any:
        """Lower factor of symmetric matrices; at the top level is an older form."""
        return self.module.linalg.cholesky(x)

    def solve(self, a: Any, b: Any) -> Any:
        """``inverse(a) @ b``, without the inverse."""
        return self.module.linalg.solve(a, b)

    def inv(self, x: Any) -> Any:
        """Inverse of matrices."""
        return self.module.linalg.inv(x)

    def qr(self, x: Any) -> Any:
        """Q and R of matrices; at the top level is an older form."""
        return self.module.linalg.qr(x)

    def eigh(self, x: Any) -> Any:
        """Eigenvalues and eigenvectors of symmetric matrices."""
        return self.module.linalg.eigh(x)

    def batch_norm(self, *args: Any) -> Any:
        """Normalise by channel; torch.batch_norm has another order of arguments."""
        return importlib.import_module(self.functional).batch_norm(*args)

    def embedding(self, indices: Any, weight: Any) -> Any:
        """Rows of `weight`; torch.embedding has another order of arguments."""
        return importlib.import_module(self.functional).embedding(indices, weight)

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
            return Bound(partial(workload.call, self, *args), self.module.inference_mode)
        leaves = [args[i].requires_grad_() for i in workload.wrt]

        def value_and_gradients() -> tuple[Any, ...]:
            for leaf in leaves:
                leaf.grad = None
            value = workload.call(self, *args)
            value.backward()
            return (value, *(leaf.grad for leaf in leaves))

        return Bound(value_and_gradients)
