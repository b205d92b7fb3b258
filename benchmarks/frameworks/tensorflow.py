"""TensorFlow: the whole call as one tf.function of its inputs; a call on the CPU returns when it is done."""

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.frameworks.adapter import CHANNELS_LAST, Adapter, Bound

if TYPE_CHECKING:
    from benchmarks.workloads.record import Workload


class Framework(Adapter):
    """TensorFlow on the CPU; images and kernels are channels-last, the only order its CPU kernels take."""

    name = "tensorflow"
    axes = CHANNELS_LAST

    def __init__(self) -> None:
        self.module = importlib.import_module("tensorflow")
        self.ops = operators(self.module)
        # Many workloads in one process are many traces: TensorFlow takes that for a mistake and warns.
        self.module.get_logger().setLevel("ERROR")

    def find(self, op: str) -> Callable[..., Any] | None:
        """Give the operator from the table; what takes more than a line is a method."""
        return self.ops.get(op)

    def from_numpy(self, x: np.ndarray) -> Any:
        """Copy a NumPy array into a tensor."""
        return self.module.constant(x)

    def to_numpy(self, x: Any) -> np.ndarray:
        """One tensor as a NumPy array; a gradient by rows (IndexedSlices) is made dense."""
        return self.module.convert_to_tensor(x).numpy()

    def bind(self, workload: "Workload", inputs: Sequence[np.ndarray]) -> Bound:
        """Trace the call, or its value and gradients, into one graph."""
        tf, args = self.module, self.arrays(workload, inputs)

        def call(*xs: Any) -> Any:
            return workload.call(self, *xs)

        def value_and_gradients(*xs: Any) -> tuple[Any, ...]:
            leaves = [xs[i] for i in workload.wrt]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(leaves)
                value = call(*xs)
            return (value, *tape.gradient(value, leaves))

        traced = tf.function(value_and_gradients if workload.wrt else call, autograph=False)
        return Bound(partial(traced, *args))

    def layer_norm(self, x: Any, shape: Sequence[int], weight: Any, bias: Any, eps: float = 1e-5) -> Any:
        """Normalise over the last ``len(shape)`` axes, then scale and shift."""
        nn = self.module.nn
        mean, variance = nn.moments(x, list(range(-len(shape), 0)), keepdims=True)
        return nn.batch_normalization(x, mean, variance, bias, weight, eps)

    def matmul(self, a: Any, b: Any) -> Any:
        """Matrix product; TensorFlow has a call of its own for a vector on the right."""
        return self.module.matmul(a, b) if len(b.shape) > 1 else self.module.linalg.matvec(a, b)

    def var(self, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        """Unbiased variance: TensorFlow's own divides by n, PyTorch's by n - 1."""
        biased = self.module.math.reduce_variance(x, axis=dim, keepdims=keepdim)
        n = np.prod(x.shape) // np.prod(biased.shape)
        return biased * (n / (n - 1))

    def conv2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0) -> Any:
        """Convolve NHWC images with an HWIO kernel."""
        nn, pads = self.module.nn, [padding, padding]
        result = nn.conv2d(x, weight, stride, [[0, 0], pads, pads, [0, 0]])
        return result if bias is None else nn.bias_add(result, bias)

    def depthwise_conv2d(self, x: Any, weight: Any, stride: int, padding: int) -> Any:
        """Convolve each channel of NHWC images with its own HW1C kernel; TensorFlow's own order is HWC1."""
        tf, pads = self.module, [padding, padding]
        height, width, _, channels = weight.shape
        kernel = tf.reshape(weight, (height, width, channels, 1))
        return tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], [[0, 0], pads, pads, [0, 0]])

    def transpose(self, x: Any, dim0: int, dim1: int) -> Any:
        """Swap two axes; TensorFlow's transpose copies."""
        order = list(range(len(x.shape)))
        order[dim0], order[dim1] = order[dim1], order[dim0]
        return self.module.transpose(x, order)

    def linear(self, x: Any, weight: Any, bias: Any = None) -> Any:
        """``x @ weight.T + bias``."""
        result = self.module.matmul(x, weight, transpose_b=True)
        return result if bias is None else self.module.nn.bias_add(result, bias)

    def sort(self, x: Any, dim: int) -> Any:
        """Elements of each row of a matrix in order, and where they were; `dim` is the last."""
        places = self.module.argsort(x, axis=dim)
        return self.module.gather(x, places, batch_dims=1), places

    def quantile(self, x: Any, q: float, dim: int) -> Any:
        """The `q`-quantile of each row of a matrix, between two elements; `dim` is the last."""
        rows = self.module.sort(x, axis=dim)
        place = q * (x.shape[-1] - 1)
        low = int(place)
        return rows[:, low] + (place - low) * (rows[:, low + 1] - rows[:, low])

    def scaled_dot_product_attention(self, q: Any, k: Any, v: Any) -> Any:
        """``softmax(q @ k.T / sqrt(width)) @ v`` over the last two axes."""
        tf = self.module
        scores = tf.matmul(q * q.shape[-1] ** -0.5, k, transpose_b=True)
        return tf.matmul(tf.nn.softmax(scores), v)

    def scatter_add(self, x: Any, dim: int, index: Any, src: Any) -> Any:
        """`x` with `src` added at the places `index` along `dim`."""
        tf = self.module
        places = tf.meshgrid(*(tf.range(n, dtype=index.dtype) for n in index.shape), indexing="ij")
        places[dim] = index
        return tf.tensor_scatter_nd_add(x, tf.stack(places, -1), src)

    def adaptive_avg_pool2d(self, x: Any, size: int) -> Any:
        """Mean over all places of NHWC images: `size` is 1."""
        if size != 1:
            raise NotImplementedError(f"adaptive_avg_pool2d to {size} places is not written for tensorflow")
        return self.module.reduce_mean(x, axis=(1, 2), keepdims=True)

    def stft_frames(self, x: Any, window: Any) -> Any:
        """Spectra of frames a quarter of the window apart, each in a row."""
        size = window.shape[0]
        return self.module.signal.stft(x, size, size // 4, size, window_fn=lambda length, dtype: window)

    def max_pool2d(self, x: Any, size: int, stride: int | None = None, padding: int = 0) -> Any:
        """Maximum of each `size` by `size` square of NHWC images."""
        pads = [padding, padding]
        border = [[0, 0], pads, pads, [0, 0]] if padding else "VALID"
        return self.module.nn.max_pool2d(x, size, stride or size, border)

    def interpolate(self, x: Any, size: None, scale_factor: int, mode: str) -> Any:
        """Resample NHWC images."""
        shape = (x.shape[1] * scale_factor, x.shape[2] * scale_factor)
        return self.module.image.resize(x, shape, mode)

    def rms_norm(self, x: Any, shape: Sequence[int], weight: Any, eps: float) -> Any:
        """Divide by the root of the mean square over the last axis, then scale."""
        tf = self.module
        return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + eps) * weight

    def group_norm(self, x: Any, groups: int, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
        """Normalise groups of channels of (n, c, places), then scale and shift by channel."""
        tf = self.module
        rows = tf.reshape(x, (x.shape[0], groups, -1))
        mean, variance = tf.nn.moments(rows, [-1], keepdims=True)
        rows = tf.nn.batch_normalization(rows, mean, variance, None, None, eps)
        return tf.reshape(rows, x.shape) * weight[:, None] + bias[:, None]

    def batch_norm(
        self, x: Any, mean: Any, var: Any, weight: Any, bias: Any, training: bool = False, eps: float = 1e-5
    ) -> Any:
        """Normalise each channel of (n, c, places) by its own or the given statistics, then scale and shift."""
        nn, mean_of = self.module.nn, self.module.reduce_mean
        if training:
            # A sample at a time: one float32 sum over 50176 numbers, as nn.moments takes it, is 4e-5 off.
            mean = mean_of(mean_of(x, 2), 0)
            var = mean_of(mean_of(self.module.math.squared_difference(x, mean[:, None]), 2), 0)
        columns = (v[:, None] for v in (mean, var, bias, weight))
        return nn.batch_normalization(x, *columns, eps)

    def cross_entropy(self, logits: Any, target: Any) -> Any:
        """Mean negative log-likelihood of the class `target` of each row."""
        tf = self.module
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=logits))


def operators(tf: Any) -> dict[str, Callable[..., Any]]:
    """PyTorch's name to the TensorFlow call, for those that are one."""
    return {
        "add": tf.add,
        "sub": tf.subtract,
        "mul": tf.multiply,
        "div": tf.divide,
        "exp": tf.exp,
        "log": tf.math.log,
        "sqrt": tf.sqrt,
        "tanh": tf.tanh,
        "sigmoid": tf.sigmoid,
        "relu": tf.nn.relu,
        "gelu": lambda x: tf.nn.gelu(x, approximate=False),
        "silu": tf.nn.silu,
        "maximum": tf.maximum,
        "minimum": tf.minimum,
        "where": tf.where,
        "sin": tf.sin,
        "log1p": tf.math.log1p,
        "expm1": tf.math.expm1,
        "erf": tf.math.erf,
        "pow": tf.pow,
        "clamp": tf.clip_by_value,
        "lerp": lambda x, end, weight: x + weight * (end - x),
        "addcmul": lambda x, a, b: x + a * b,
        "remainder": tf.math.floormod,
        "eq": tf.equal,
        "lt": tf.less,
        "gt": tf.greater,
        "sum": lambda x, dim=None, keepdim=False: tf.reduce_sum(x, axis=dim, keepdims=keepdim),
        "mean": lambda x, dim=None, keepdim=False: tf.reduce_mean(x, axis=dim, keepdims=keepdim),
        "amax": lambda x, dim=None, keepdim=False: tf.reduce_max(x, axis=dim, keepdims=keepdim),
        "argmax": lambda x, dim: tf.argmax(x, axis=dim),
        "logsumexp": lambda x, dim: tf.reduce_logsumexp(x, axis=dim),
        "topk": tf.math.top_k,
        "cumsum": lambda x, dim: tf.cumsum(x, axis=dim),
        "searchsorted": tf.searchsorted,
        "bincount": lambda x, bins: tf.math.bincount(x, minlength=bins),
        "norm": tf.norm,
        "bmm": tf.matmul,
        "cholesky": tf.linalg.cholesky,
        "solve": tf.linalg.solve,
        "inv": tf.linalg.inv,
        "qr": tf.linalg.qr,
        "eigh": tf.linalg.eigh,
        "reshape": tf.reshape,
        "flatten": lambda x, start: tf.reshape(x, (*x.shape[:start], -1)),
        "permute": tf.transpose,
        # Every TensorFlow tensor is in row-major order.
        "contiguous": lambda x: x,
        "index_select": lambda x, dim, index: tf.gather(x, index, axis=dim),
        "cat": tf.concat,
        "gather": lambda x, dim, index: tf.gather(x, index, axis=dim, batch_dims=dim),
        "masked_fill": lambda x, mask, value: tf.where(mask, value, x),
        "nonzero": tf.where,
        "pad": lambda x, widths: tf.pad(x, tuple(zip(widths[::2], widths[1::2], strict=True))[::-1]),
        "flip": tf.reverse,
        "roll": tf.roll,
        "einsum": tf.einsum,
        "softmax": tf.nn.softmax,
        "log_softmax": tf.nn.log_softmax,
        "embedding": lambda indices, weight: tf.gather(weight, indices),
        "softplus": tf.nn.softplus,
        "hardswish": lambda x: x * tf.nn.relu6(x + 3) * (1 / 6),
        "mish": lambda x: x * tf.tanh(tf.nn.softplus(x)),
        "fft": tf.signal.fft,
        "rfft": tf.signal.rfft,
        "fft2": tf.signal.fft2d,
        "rand_like": lambda x: tf.random.uniform(x.shape),
        "randn_like": lambda x: tf.random.normal(x.shape),
        "avg_pool2d": lambda x, size: tf.nn.avg_pool2d(x, size, size, "VALID"),
    }
