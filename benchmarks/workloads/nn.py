"""Activations, losses, tables and attention, float32: what models do between their matrix products.

Flops: softplus 6 (maximum, exp, two of the logarithm, sum, scale), hardswish 5, mish 8, cross-entropy 5 an element as
softmax, its gradient 4 more; attention 4 a score and width (two products), its gradient 10 more.
"""

import numpy as np

from benchmarks.workloads.inputs import indices, normal
from benchmarks.workloads.norm import softmax
from benchmarks.workloads.record import Dims, Workload

SMALL: dict[str, Dims] = {"dispatch": (256,), "cache": (65536,)}
ALL = SMALL | {"memory": (1 << 24,)}
LOGITS: dict[str, Dims] = {"dispatch": (8, 32), "cache": (256, 1000), "memory": (4096, 4096)}
# Batch, heads, length, width: too small to matter, an encoder block's, BERT's, and a long context.
ATTENTION: dict[str, Dims] = {
    "dispatch": (1, 2, 16, 16),
    "cache": (1, 8, 128, 64),
    "bert": (1, 12, 512, 64),
    "long": (1, 2, 4096, 64),
}


def _cross_entropy(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    return -np.log(softmax(x))[np.arange(len(x)), target].mean()


def _cross_entropy_gradients(x: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, ...]:
    slope, target = softmax(x), target.astype(int)
    slope[np.arange(len(x)), target] -= 1
    return _cross_entropy(x, target), slope / len(x)


def _attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    return softmax(q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5) @ v


def _attention_gradients(q: np.ndarray, k: np.ndarray, v: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, ...]:
    scale = q.shape[-1] ** -0.5
    weights = softmax(q @ k.swapaxes(-1, -2) * scale)
    slopes = t @ v.swapaxes(-1, -2)
    slopes = weights * (slopes - (slopes * weights).sum(-1, keepdims=True)) * scale
    return ((weights @ v) * t).sum(), slopes @ k, slopes.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ t


def _rows(rng: np.random.Generator, n: int, m: int) -> tuple[np.ndarray, ...]:
    return normal(rng, n, m), indices(rng, n, m)


WORKLOADS = (
    Workload(
        name="softplus",
        family="nn",
        sizes=SMALL,
        inputs=lambda rng, n: (normal(rng, n) * np.float32(3),),
        call=lambda F, x: F.softplus(x),
        oracle=lambda x: np.logaddexp(0, x),
        flops=lambda n: 6 * n,
        bytes=lambda n: 8 * n,
    ),
    Workload(
        name="hardswish",
        family="nn",
        sizes=SMALL,
        inputs=lambda rng, n: (normal(rng, n) * np.float32(3),),
        call=lambda F, x: F.hardswish(x),
        oracle=lambda x: x * np.clip(x + 3, 0, 6) / 6,
        flops=lambda n: 5 * n,
        bytes=lambda n: 8 * n,
    ),
    Workload(
        name="mish",
        family="nn",
        sizes=ALL,
        inputs=lambda rng, n: (normal(rng, n) * np.float32(3),),
        call=lambda F, x: F.mish(x),
        oracle=lambda x: x * np.tanh(np.logaddexp(0, x)),
        flops=lambda n: 8 * n,
        bytes=lambda n: 8 * n,
    ),
    Workload(
        name="cross_entropy",
        family="nn",
        sizes=LOGITS,
        inputs=_rows,
        call=lambda F, x, t: F.cross_entropy(x, t),
        oracle=_cross_entropy,
        flops=lambda n, m: 5 * n * m,
        bytes=lambda n, m: 4 * n * m + 8 * n + 4,
    ),
    Workload(
        name="grad_cross_entropy",
        family="nn",
        sizes=LOGITS,
        inputs=_rows,
        call=lambda F, x, t: F.cross_entropy(x, t),
        oracle=_cross_entropy_gradients,
        wrt=(0,),
        flops=lambda n, m: 9 * n * m,
        bytes=lambda n, m: 8 * n * m + 8 * n,
        rtol=1e-4,
    ),
    Workload(
        name="embedding",
        family="shape",
        # Rows of the table, their width, indices.
        sizes={"dispatch": (64, 32, 16), "cache": (512, 128, 512), "memory": (65536, 256, 32768)},
        inputs=lambda rng, rows, width, n: (indices(rng, n, rows), normal(rng, rows, width)),
        call=lambda F, i, w: F.embedding(i, w),
        oracle=lambda i, w: w[i],
        flops=lambda rows, width, n: 0,
        bytes=lambda rows, width, n: 8 * n + 8 * n * width,
    ),
    Workload(
        name="attention",
        family="nn",
        sizes=ATTENTION,
        inputs=lambda rng, *dims: tuple(normal(rng, *dims) for _ in range(3)),
        call=lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v),
        oracle=_attention,
        flops=lambda b, h, n, d: 4 * b * h * n * n * d,
        bytes=lambda b, h, n, d: 16 * b * h * n * d,
        rtol=1e-4,
        atol=1e-5,
    ),
    Workload(
        name="grad_attention",
        family="nn",
        sizes=ATTENTION,
        inputs=lambda rng, *dims: tuple(normal(rng, *dims) for _ in range(4)),
        call=lambda F, q, k, v, t: F.sum(F.scaled_dot_product_attention(q, k, v) * t),
        oracle=_attention_gradients,
        wrt=(0, 1, 2),
        flops=lambda b, h, n, d: 14 * b * h * n * n * d,
        bytes=lambda b, h, n, d: 28 * b * h * n * d,
        rtol=2e-4,
        # The value adds up to a million products, of which cancellation may leave little.
        atol=2e-3,
    ),
)
