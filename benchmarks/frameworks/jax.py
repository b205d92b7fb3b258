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

    def max_pool2d(self, x: Any, size: int) -> Any:
        """Maximum of each `size` by `size` square of NHWC images, without overlap."""
        window = (1, size, size, 1)
        return self.module.lax.reduce_window(x, -np.inf, self.module.lax.max, window, window, "VALID")

    def scaled_dot_product_attention(self, q: Any, k: Any, v: Any) -> Any:
        """``softmax(q @ k.T / sqrt(width)) @ v`` over the last two axes."""
        scores = (q * q.shape[-1] ** -0.5) @ self.jnp.swapaxes(k, -2, -1)
        return self.module.nn.softmax(scores, -1) @ v

    def adaptive_avg_pool2d(self, x: Any, size: int) -> Any:
        """Mean over all places of NHWC images: `size` is 1."""
        if size != 1:
            raise NotImplementedError(f"adaptive_avg_pool2d to {size} places is not written for jax")
        return x.mean((1, 2), keepdims=True)

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
        "eq": jnp.equal,
        "lt": jnp.less,
        "gt": jnp.greater,
        "sum": lambda x, dim=None, keepdim=False: jnp.sum(x, axis=dim, keepdims=keepdim),
        "mean": lambda x, dim=None, keepdim=False: jnp.mean(x, axis=dim, keepdims=keepdim),
        "amax": lambda x, dim=None, keepdim=False: jnp.max(x, axis=dim, keepdims=keepdim),
        "var": lambda x, dim=None, keepdim=False: jnp.var(x, axis=dim, ddof=1, keepdims=keepdim),
        "argmax": lambda x, dim=None, keepdim=False: jnp.argmax(x, axis=dim, keepdims=keepdim),
        "norm": jnp.linalg.norm,
        "matmul": jnp.matmul,
        "bmm": jnp.matmul,
        "linear": lambda x, weight, bias=None: x @ weight.T if bias is None else x @ weight.T + bias,
        "reshape": jnp.reshape,
        "flatten": lambda x, start: x.reshape(*x.shape[:start], -1),
        "transpose": jnp.swapaxes,
        "permute": jnp.transpose,
        # What jit returns is always in row-major order: XLA copies where a transpose stands last.
        "contiguous": lambda x: x,
        "index_select": lambda x, dim, index: jnp.take(x, index, axis=dim),
        "softmax": nn.softmax,
        "log_softmax": nn.log_softmax,
    }
