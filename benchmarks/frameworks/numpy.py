"""NumPy: each operator as a NumPy user writes it; what needs a function that NumPy lacks is not there."""

from collections.abc import Callable, Sequence
from functools import partial
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
        return Bound(partial(workload.call, self, *args))


def softmax(x: Any, dim: int) -> Any:
    """Softmax along `dim`, shifted by the maximum."""
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


def log_softmax(x: Any, dim: int) -> Any:
    """Logarithm of the softmax along `dim`."""
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def logsumexp(x: Any, dim: int) -> Any:
    """Logarithm of the sum of exponentials along `dim`, shifted by the maximum."""
    top = x.max(axis=dim, keepdims=True)
    return np.log(np.exp(x - top).sum(axis=dim)) + top.squeeze(dim)


def sort(x: Any, dim: int) -> Any:
    """Elements along `dim` in order, and where they were."""
    places = np.argsort(x, axis=dim)
    return np.take_along_axis(x, places, dim), places


def topk(x: Any, k: int) -> Any:
    """The `k` greatest of each row in order, and where they were: split off, then sorted."""
    places = np.argpartition(x, -k, axis=-1)[..., -k:]
    values = np.take_along_axis(x, places, -1)
    order = np.argsort(-values, axis=-1)
    return np.take_along_axis(values, order, -1), np.take_along_axis(places, order, -1)


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


def depthwise_conv2d(x: Any, weight: Any, stride: int, padding: int) -> Any:
    """Convolve each channel of NCHW images with its own kernel."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    return np.einsum("nchwij,cij->nchw", windows(padded, weight.shape[2:], stride), weight[:, 0])


def max_pool2d(x: Any, size: int, stride: int | None = None, padding: int = 0) -> Any:
    """Maximum of each `size` by `size` square of NCHW images."""
    border = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(x, border, constant_values=-np.inf) if padding else x
    return windows(padded, (size, size), stride or size).max(axis=(4, 5))


def scaled_dot_product_attention(q: Any, k: Any, v: Any) -> Any:
    """``softmax(q @ k.T / sqrt(width)) @ v`` over the last two axes."""
    return softmax((q * q.shape[-1] ** -0.5) @ np.swapaxes(k, -2, -1), -1) @ v


def adaptive_avg_pool2d(x: Any, size: int) -> Any:
    """Mean over all places of NCHW images: `size` is 1."""
    if size != 1:
        raise NotImplementedError(f"adaptive_avg_pool2d to {size} places is not written for numpy")
    return x.mean((2, 3), keepdims=True)


def rms_norm(x: Any, shape: Sequence[int], weight: Any, eps: float) -> Any:
    """Divide by the root of the mean square over the last axis, then scale."""
    return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + x.dtype.type(eps)) * weight


def group_norm(x: Any, groups: int, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    """Normalise groups of channels of (n, c, places), then scale and shift by channel."""
    rows = x.reshape(len(x), groups, -1)
    rows = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + x.dtype.type(eps))
    return rows.reshape(x.shape) * weight[:, None] + bias[:, None]


def batch_norm(x: Any, mean: Any, var: Any, weight: Any, bias: Any, training: bool = False, eps: float = 1e-5) -> Any:
    """Normalise each channel of (n, c, places) by its own or the given statistics, then scale and shift."""
    if training:
        mean, var = x.mean((0, 2)), x.var((0, 2))
    scale = weight / np.sqrt(var + x.dtype.type(eps))
    return x * scale[:, None] + (bias - mean * scale)[:, None]


def cross_entropy(logits: Any, target: Any) -> Any:
    """Mean negative log-likelihood of the class `target` of each row."""
    return -log_softmax(logits, 1)[np.arange(len(target)), target].mean()


def stft_frames(x: Any, window: Any) -> Any:
    """Spectra of frames a quarter of the window apart, each in a row."""
    size = len(window)
    return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(x, size)[:: size // 4] * window)


# NumPy's own documentation passes one generator around; float32 is drawn as such.
_RANDOM = np.random.default_rng(0)


def scatter_add(x: Any, dim: int, index: Any, src: Any) -> Any:
    """`x` with `src` added at the places `index` along `dim`."""
    places = list(np.indices(index.shape, sparse=True))
    places[dim] = index
    result = x.copy()
    np.add.at(result, tuple(places), src)
    return result


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
    "sin": np.sin,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "pow": np.power,
    "clamp": np.clip,
    "lerp": lambda x, end, weight: x + weight * (end - x),
    "addcmul": lambda x, a, b: x + a * b,
    "remainder": np.remainder,
    "eq": np.equal,
    "lt": np.less,
    "gt": np.greater,
    "sum": lambda x, dim=None, keepdim=False: np.sum(x, axis=dim, keepdims=keepdim),
    "mean": lambda x, dim=None, keepdim=False: np.mean(x, axis=dim, keepdims=keepdim),
    "amax": lambda x, dim=None, keepdim=False: np.max(x, axis=dim, keepdims=keepdim),
    "var": lambda x, dim=None, keepdim=False: np.var(x, axis=dim, ddof=1, keepdims=keepdim),
    "argmax": lambda x, dim=None, keepdim=False: np.argmax(x, axis=dim, keepdims=keepdim),
    "logsumexp": logsumexp,
    "sort": sort,
    "topk": topk,
    "quantile": lambda x, q, dim: np.quantile(x, np.float32(q), axis=dim),
    "cumsum": lambda x, dim: np.cumsum(x, axis=dim),
    "searchsorted": np.searchsorted,
    "bincount": lambda x, bins: np.bincount(x, minlength=bins),
    "norm": np.linalg.norm,
    "matmul": np.matmul,
    "cholesky": np.linalg.cholesky,
    "solve": np.linalg.solve,
    "inv": np.linalg.inv,
    "qr": np.linalg.qr,
    "eigh": np.linalg.eigh,
    "bmm": np.matmul,
    "linear": lambda x, weight, bias=None: x @ weight.T if bias is None else x @ weight.T + bias,
    "reshape": np.reshape,
    "flatten": lambda x, start: x.reshape(*x.shape[:start], -1),
    "transpose": np.swapaxes,
    "permute": np.transpose,
    "contiguous": np.ascontiguousarray,
    "index_select": lambda x, dim, index: np.take(x, index, axis=dim),
    "cat": np.concatenate,
    "gather": lambda x, dim, index: np.take_along_axis(x, index, dim),
    "scatter_add": scatter_add,
    "masked_fill": lambda x, mask, value: np.where(mask, value, x),
    "nonzero": np.argwhere,
    "pad": lambda x, widths: np.pad(x, tuple(zip(widths[::2], widths[1::2], strict=True))[::-1]),
    "flip": np.flip,
    "roll": np.roll,
    "einsum": lambda equation, *xs: np.einsum(equation, *xs, optimize=True),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "batch_norm": batch_norm,
    "embedding": lambda indices, weight: np.take(weight, indices, axis=0),
    "softplus": lambda x: np.logaddexp(x, 0),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) * (1 / 6),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "layer_norm": layer_norm,
    "conv2d": conv2d,
    "depthwise_conv2d": depthwise_conv2d,
    "max_pool2d": max_pool2d,
    "avg_pool2d": lambda x, size: windows(x, (size, size), size).mean(axis=(4, 5)),
    "scaled_dot_product_attention": scaled_dot_product_attention,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "cross_entropy": cross_entropy,
    "fft": np.fft.fft,
    "rfft": np.fft.rfft,
    "fft2": np.fft.fft2,
    "stft_frames": stft_frames,
    "rand_like": lambda x: _RANDOM.random(x.shape, x.dtype),
    "randn_like": lambda x: _RANDOM.standard_normal(x.shape, x.dtype),
}
