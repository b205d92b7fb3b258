"""A scalar and its gradients, float32: forward and backward are timed together, as a training step does.

Flops: those of the forward pass and, for each gradient, those of its formula. Bytes: inputs read once,
gradients written once.
"""

import numpy as np

from benchmarks.workloads.inputs import normal
from benchmarks.workloads.norm import softmax, standardize
from benchmarks.workloads.record import Workload


def _square_gradients(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, ...]:
    root = a * b + c
    return np.square(root).sum(), 2 * root * b, 2 * root * a, 2 * root


def _mlp_gradients(
    x: np.ndarray, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, ...]:
    hidden = np.tanh(x @ w1 + b1)
    error = hidden @ w2 - y
    back = 2 * error / error.size
    before = (back @ w2.T) * (1 - hidden**2)
    return np.square(error).mean(), x.T @ before, before.sum(0), hidden.T @ back


def _normalised_gradients(x: np.ndarray, w: np.ndarray, b: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, ...]:
    unit, deviation = standardize(x)
    s = softmax(unit * w + b)
    back = s * (t - (t * s).sum(-1, keepdims=True))
    g = back * w
    gx = (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True)) / deviation
    return (s * t).sum(), gx, (back * unit).sum(0), back.sum(0)


WORKLOADS = (
    Workload(
        name="grad_square",
        family="autograd",
        sizes={"dispatch": (16, 16), "cache": (256, 256)},
        inputs=lambda rng, n, m: (normal(rng, n, m), normal(rng, n, m), normal(rng, n, m)),
        call=lambda F, a, b, c: F.sum((a * b + c) ** 2),
        oracle=_square_gradients,
        wrt=(0, 1, 2),
        flops=lambda n, m: 7 * n * m,
        bytes=lambda n, m: 24 * n * m,
        rtol=1e-4,
        atol=1e-5,
    ),
    Workload(
        name="grad_matmul",
        family="autograd",
        sizes={"dispatch": (16, 16, 16), "cache": (256, 256, 256)},
        inputs=lambda rng, m, k, n: (normal(rng, m, k), normal(rng, k, n), normal(rng, m, n)),
        call=lambda F, a, b, t: F.sum(F.matmul(a, b) * t),
        oracle=lambda a, b, t: (((a @ b) * t).sum(), t @ b.T, a.T @ t),
        wrt=(0, 1),
        flops=lambda m, k, n: 6 * m * k * n + 2 * m * n,
        bytes=lambda m, k, n: 4 * (2 * m * k + 2 * k * n + m * n),
        rtol=1e-4,
        # The value adds 65536 products up to about 4000, of which cancellation may leave little.
        atol=5e-2,
    ),
    Workload(
        name="grad_softmax_layer_norm",
        family="autograd",
        sizes={"dispatch": (8, 32), "cache": (256, 256)},
        inputs=lambda rng, n, m: (normal(rng, n, m), normal(rng, m), normal(rng, m), normal(rng, n, m)),
        call=lambda F, x, w, b, t: F.sum(F.softmax(F.layer_norm(x, x.shape[-1:], w, b), -1) * t),
        oracle=_normalised_gradients,
        wrt=(0, 1, 2),
        flops=lambda n, m: 32 * n * m,
        bytes=lambda n, m: 12 * n * m + 16 * m,
        rtol=1e-4,
        atol=1e-4,
    ),
    Workload(
        name="grad_mlp",
        family="autograd",
        # Batch, input, hidden, output: one hidden layer under tanh, mean squared error.
        sizes={"dispatch": (8, 16, 16, 4), "cache": (128, 256, 256, 16)},
        inputs=lambda rng, b, i, h, o: (
            normal(rng, b, i),
            normal(rng, i, h) / np.float32(i**0.5),
            normal(rng, h),
            normal(rng, h, o) / np.float32(h**0.5),
            normal(rng, b, o),
        ),
        call=lambda F, x, w1, b1, w2, y: F.mean((F.matmul(F.tanh(F.matmul(x, w1) + b1), w2) - y) ** 2),
        oracle=_mlp_gradients,
        wrt=(1, 2, 3),
        flops=lambda b, i, h, o: 4 * b * i * h + 6 * b * h * o + 6 * b * h + 4 * b * o,
        bytes=lambda b, i, h, o: 4 * (b * i + 2 * (i * h + h + h * o) + b * o),
        rtol=1e-4,
        atol=1e-6,
    ),
)
