"""JAX: the whole call compiled by jit, with its inputs as arguments, and waited for."""

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.frameworks.adapter import CHANNELS_LAST, Adapter, Bound

if TYPE_CHECKING:
    from benchmarks.workloads.record import Workload


class Framework(Adapter):
    """JAX on the CPU; images and kernels are channels-last, XLA's own order there."""

    name = "jax"
    axes = CHANNELS_LAST

    def __init__(self) -> None:
        self.module = importlib.import_module("jax")
        self.jnp = importlib.import_module("jax.numpy")
        self.ops = operators(self.jnp, self.module.nn)

    def find(self, op: str) -> Callable[..., Any] | None:
        """Give the operator from the table; what takes more than a line is a method."""
        return self.ops.get(op)

    def from_numpy(self, x: np.ndarray) -> Any:
        """Copy a NumPy array into JAX, and wait: the copy would go on into what is measured."""
        return self.jnp.array(x).block_until_ready()

    def to_numpy(self, x: Any) -> np.ndarray:
        """One JAX array as a NumPy array."""
        return np.asarray(x)

    def bind(self, workload: "Workload", inputs: Sequence[np.ndarray]) -> Bound:
        """Compile the call, or its value and gradients; inputs are arguments, so none folds to a constant."""
        jax, args = self.module, self.arrays(workload, inputs)

        def call(*xs: Any) -> Any:
            return workload.call(self, *xs)

        if not workload.wrt:
            compiled = jax.jit(call)
            return Bound(lambda: jax.block_until_ready(compiled(*args)))
        step = jax.jit(jax.value_and_grad(call, argnums=workload.wrt))

        def value_and_gradients() -> tuple[Any, ...]:
            value, gradients = jax.block_until_ready(step(*args))
            return (value, *gradients)

        return Bound(value_and_gradients)

    def layer_norm(self, x: Any, shape: Sequence[int], weight: Any, bias: Any, eps: float = 1e-5) -> Any:
        """Normalise over the last ``len(shape)`` axes, then scale and shift."""
        axes = tuple(range(-len(shape), 0))
        centred = x - x.mean(axes, keepdims=True)
        variance = self.jnp.square(centred).mean(axes, keepdims=True)
        return centred * self.module.lax.rsqrt(variance + eps) * weight + bias

    def conv2d(self, x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0) -> Any:
        """Convolve NHWC images with an HWIO kernel."""
        result = self.module.lax.conv_general_dilated(
            x,
            weight,
            (stride, stride),
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return result if bias is None else result + bias

    def depthwise_conv2d(self, x: Any, weight: Any, stride: int, padding: int) -> Any:
        """Convolve each channel of NHWC images with its own HW1C kernel."""
        return self.module.lax.conv_general_dilated(
            x,
            weight,
            (stride, stride),
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )

    def max_pool2d(self, x: Any, size: int, stride: int | None = None, padding: int = 0) -> Any:
        """Maximum of each `size` by `size` square of NHWC images."""
        step, pads = stride or size, (padding, padding)
        shape, strides = (1, size, size, 1), (1, step, step, 1)
        border = ((0, 0), pads, pads, (0, 0))
        return self.module.lax.reduce_window(x, -np.inf, self.module.lax.max, shape, strides, border)

    def avg_pool2d(self, x: Any, size: int) -> Any:
        """Mean of each `size` by `size` square of NHWC images, without overlap."""
        window = (1, size, size, 1)
        return self.module.lax.reduce_window(x, 0.0, self.module.lax.add, window, window, "VALID") / size**2

    def interpolate(self, x: Any, size: None, scale_factor: int, mode: str) -> Any:
        """Resample NHWC images."""
        n, height, width, channels = x.shape
        shape = (n, height * scale_factor, width * scale_factor, channels)
        return self.module.image.resize(x, shape, mode, antialias=False)

    def sort(self, x: Any, dim: int) -> Any:
        """Elements along `dim` in order, and where they were."""
        places = self.jnp.argsort(x, axis=dim)
        return self.jnp.take_along_axis(x, places, dim), places

    def topk(self, x: Any, k: int) -> Any:
        """The `k` greatest of each row in order, and where they were."""
        return tuple(self.module.lax.top_k(x, k))

    def erf(self, x: Any) -> Any:
        """Error function."""
        return self.module.lax.erf(x)

    def scaled_dot_product_attention(self, q: Any, k: Any, v: Any) -> Any:
        """``softmax(q @ k.T / sqrt(width)) @ v`` over the last two axes."""
        scores = (q * q.shape[-1] ** -0.5) @ self.jnp.swapaxes(k, -2, -1)
        return self.module.nn.softmax(scores, -1) @ v

    def scatter_add(self, x: Any, dim: int, index: Any, src: Any) -> Any:
        """`x` with `src` added at the places `index` along `dim`."""
        places = list(self.jnp.indices(index.shape, sparse=True))
        places[dim] = index
        return x.at[tuple(places)].add(src)

    def adaptive_avg_pool2d(self, x: Any, size: int) -> Any:
        """Mean over all places of NHWC images: `size` is 1."""
        if size != 1:
            raise NotImplementedError(f"adaptive_avg_pool2d to {size} places is not written for jax")
        return x.mean((1, 2), keepdims=True)

    def stft_frames(self, x: Any, window: Any) -> Any:
        """Spectra of frames a quarter of the window apart, each in a row."""
        size = len(window)
        starts = np.arange(0, len(x) - size + 1, size // 4)
        return self.jnp.fft.rfft(x[starts[:, None] + np.arange(size)] * window)

    def rand_like(self, x: Any) -> Any:
        """Uniform numbers in the shape of `x`; the key comes from `x`, or XLA would draw once and for all."""
        return self.module.random.uniform(self.module.random.key(x[0].astype(int)), x.shape)

    def randn_like(self, x: Any) -> Any:
        """Normal numbers in the shape of `x`."""
        return self.module.random.normal(self.module.random.key(x[0].astype(int)), x.shape)

    def rms_norm(self, x: Any, shape: Sequence[int], weight: Any, eps: float) -> Any:
        """Divide by the root of the mean square over the last axis, then scale."""
        return x * self.module.lax.rsqrt(self.jnp.square(x).mean(-1, keepdims=True) + eps) * weight

    def group_norm(self, x: Any, groups: int, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
        """Normalise groups of channels of (n, c, places), then scale and shift by channel."""
        rows = x.reshape(len(x), groups, -1)
        rows = rows - rows.mean(-1, keepdims=True)
        rows = rows * self.module.lax.rsqrt(self.jnp.square(rows).mean(-1, keepdims=True) + eps)
        return rows.reshape(x.shape) * weight[:, None] + bias[:, None]

    def batch_norm(
        self, x: Any, mean: Any, var: Any, weight: Any, bias: Any, training: bool = False, eps: float = 1e-5
    ) -> Any:
        """Normalise each channel of (n, c, places) by its own or the given statistics, then scale and shift."""
        if training:
            mean, var = x.mean((0, 2)), x.var((0, 2))
        scale = weight * self.module.lax.rsqrt(var + eps)
        return x * scale[:, None] + (bias - mean * scale)[:, None]

    def cross_entropy(self, logits: Any, target: Any) -> Any:
        """Mean negative log-likelihood of the class `target` of each row."""
        likelihood = self.module.nn.log_softmax(logits, 1)
        return -self.jnp.take_along_axis(likelihood, target[:, None], 1).mean()


def operators(jnp: Any, nn: Any) -> dict[str, Callable[..., Any]]:
    """PyTorch's name to the JAX call, for those that are one."""
    return {
        "add": jnp.add,
        "sub": jnp.subtract,
        "mul": jnp.multiply,
        "div": jnp.divide,
        "exp": jnp.exp,
        "log": jnp.log,
        "sqrt": jnp.sqrt,
        "tanh": jnp.tanh,
        "sigmoid": nn.sigmoid,
        "relu": nn.relu,
        "gelu": lambda x: nn.gelu(x, approximate=False),
        "silu": nn.silu,
        "maximum": jnp.maximum,
        "minimum": jnp.minimum,
        "where": jnp.where,
        "sin": jnp.sin,
        "log1p": jnp.log1p,
        "expm1": jnp.expm1,
        "pow": jnp.power,
        "clamp": jnp.clip,
        "lerp": lambda x, end, weight: x + weight * (end - x),
        "addcmul": lambda x, a, b: x + a * b,
        "remainder": jnp.remainder,
        "eq": jnp.equal,
        "lt": jnp.less,
        "gt": jnp.greater,
        "sum": lambda x, dim=None, keepdim=False: jnp.sum(x, axis=dim, keepdims=keepdim),
        "mean": lambda x, dim=None, keepdim=False: jnp.mean(x, axis=dim, keepdims=keepdim),
        "amax": lambda x, dim=None, keepdim=False: jnp.max(x, axis=dim, keepdims=keepdim),
        "var": lambda x, dim=None, keepdim=False: jnp.var(x, axis=dim, ddof=1, keepdims=keepdim),
        "argmax": lambda x, dim=None, keepdim=False: jnp.argmax(x, axis=dim, keepdims=keepdim),
        "logsumexp": nn.logsumexp,
        "quantile": lambda x, q, dim: jnp.quantile(x, q, axis=dim),
        "cumsum": lambda x, dim: jnp.cumsum(x, axis=dim),
        "searchsorted": jnp.searchsorted,
        "bincount": lambda x, bins: jnp.bincount(x, length=bins),
        "norm": jnp.linalg.norm,
        "matmul": jnp.matmul,
        "cholesky": jnp.linalg.cholesky,
        "solve": jnp.linalg.solve,
        "inv": jnp.linalg.inv,
        "qr": jnp.linalg.qr,
        "eigh": jnp.linalg.eigh,
        "bmm": jnp.matmul,
        "linear": lambda x, weight, bias=None: x @ weight.T if bias is None else x @ weight.T + bias,
        "reshape": jnp.reshape,
        "flatten": lambda x, start: x.reshape(*x.shape[:start], -1),
        "transpose": jnp.swapaxes,
        "permute": jnp.transpose,
        # What jit returns is always in row-major order: XLA copies where a transpose stands last.
        "contiguous": lambda x: x,
        "index_select": lambda x, dim, index: jnp.take(x, index, axis=dim),
        "cat": jnp.concatenate,
        "gather": lambda x, dim, index: jnp.take_along_axis(x, index, dim),
        "masked_fill": lambda x, mask, value: jnp.where(mask, value, x),
        "pad": lambda x, widths: jnp.pad(x, tuple(zip(widths[::2], widths[1::2], strict=True))[::-1]),
        "flip": jnp.flip,
        "roll": jnp.roll,
        "einsum": jnp.einsum,
        "softmax": nn.softmax,
        "log_softmax": nn.log_softmax,
        "embedding": lambda indices, weight: jnp.take(weight, indices, axis=0),
        "softplus": nn.softplus,
        "hardswish": nn.hard_swish,
        "mish": nn.mish,
        "fft": jnp.fft.fft,
        "rfft": jnp.fft.rfft,
        "fft2": jnp.fft.fft2,
    }
