"""NumPy: each operator as a NumPy user writes it; what needs a function that NumPy lacks is not there."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.frameworks.adapter import Adapter, Bound

if TYPE_CHECKING:
    from benchmarks.workloads.record import Workload


class Framework(Adapter):
    """NumPy alone, without SciPy: no erf, so no gelu, and no autograd; those cells are n/a."""

    name = "numpy"
    module = np

    def find(self, op: str) -> Callable[..., Any] | None:
        """Give the operator from OPS."""
        return OPS.get(op)

    def from_numpy(self, x: np.ndarray) -> np.ndarray:
        """Copy a NumPy array."""
        return np.array(x)

    def to_numpy(self, x: Any) -> np.ndarray:
        """`x` itself."""
        return x

    def bind(self, workload: "Workload", inputs: Sequence[np.ndarray]) -> Bound:
        """Make the call ready; NotImplementedError for gradients."""
        if workload.wrt:
            raise NotImplementedError("numpy has no autograd")
        args = self.arrays(workload, inputs)
        return Bound(lambda: workload.call(self, *args))


def softmax(x: Any, dim: int) -> Any:
    """Softmax along `dim`, shifted by the maximum."""
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


def log_softmax(x: Any, dim: int) -> Any:
    """Logarithm of the softmax along `dim`."""
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def layer_norm(x: Any, shape: Sequence[int], weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    """Normalise over the last ``len(shape)`` axes, then scale and shift."""
    axes = tuple(range(-len(shape), 0))
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    return centred / np.sqrt(variance + x.dtype.type(eps)) * weight + bias


def windows(x: Any, size: Sequence[int], stride: int) -> Any:
    """Views of every `size` window of NCHW images: N, C, rows, columns, then the window."""
    return np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))[:, :, ::stride, ::stride]


def conv2d(x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0) -> Any:
    """Convolve NCHW images with an OIHW kernel: windows, then one matrix product."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    result = np.tensordot(windows(padded, weight.shape[2:], stride), weight, axes=([1, 4, 5], [1, 2, 3]))
    return (result if bias is None else result + bias).transpose(0, 3, 1, 2)


def scaled_dot_product_attention(q: Any, k: Any, v: Any) -> Any:
    """``softmax(q @ k.T / sqrt(width)) @ v`` over the last two axes."""
    return softmax((q * q.shape[-1] ** -0.5) @ np.swapaxes(k, -2, -1), -1) @ v


def adaptive_avg_pool2d(x: Any, size: int) -> Any:
    """Mean over all places of NCHW images: `size` is 1."""
    if size != 1:
        raise NotImplementedError(f"adaptive_avg_pool2d to {size} places is not written for numpy")
    return x.mean((2, 3), keepdims=True)


def cross_entropy(logits: Any, target: Any) -> Any:
    """Mean negative log-likelihood of the class `target` of each row."""
    return -log_softmax(logits, 1)[np.arange(len(target)), target].mean()


OPS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "where": np.where,
    "eq": np.equal,
    "lt": np.less,
    "gt": np.greater,
    "sum": lambda x, dim=None, keepdim=False: np.sum(x, axis=dim, keepdims=keepdim),
    "mean": lambda x, dim=None, keepdim=False: np.mean(x, axis=dim, keepdims=keepdim),
    "amax": lambda x, dim=None, keepdim=False: np.max(x, axis=dim, keepdims=keepdim),
    "var": lambda x, dim=None, keepdim=False: np.var(x, axis=dim, ddof=1, keepdims=keepdim),
    "argmax": lambda x, dim=None, keepdim=False: np.argmax(x, axis=dim, keepdims=keepdim),
    "norm": np.linalg.norm,
    "matmul": np.matmul,
    "bmm": np.matmul,
    "linear": lambda x, weight, bias=None: x @ weight.T if bias is None else x @ weight.T + bias,
    "reshape": np.reshape,
    "flatten": lambda x, start: x.reshape(*x.shape[:start], -1),
    "transpose": np.swapaxes,
    "permute": np.transpose,
    "contiguous": np.ascontiguousarray,
    "index_select": lambda x, dim, index: np.take(x, index, axis=dim),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "layer_norm": layer_norm,
    "conv2d": conv2d,
    "max_pool2d": lambda x, size: windows(x, (size, size), size).max(axis=(4, 5)),
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "cross_entropy": cross_entropy,
}
