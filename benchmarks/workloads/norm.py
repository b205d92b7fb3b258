"""Normalisations along rows, float32.

Flops per element: softmax 5 (maximum, difference, exp, sum, division), log_softmax 5, layer_norm 7 (mean 1,
difference 1, squares and their sum 2, scaling 1, weight and bias 2), rms_norm 4, group_norm and batch_norm 7, with
given statistics 2.
"""

import numpy as np

from benchmarks.workloads.inputs import normal, positive
from benchmarks.workloads.record import Workload

SMALL = {"dispatch": (8, 32), "cache": (256, 256)}
ALL = SMALL | {"memory": (4096, 4096)}
# Samples, channels, places.
IMAGES = {"dispatch": (2, 8, 16), "cache": (4, 64, 256), "memory": (16, 256, 3136)}


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax of each row, in float64."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def standardize(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row less its mean, over its deviation, and that deviation; eps as PyTorch's layer_norm."""
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(-1, keepdims=True) + 1e-5)
    return centred / deviation, deviation


def groups(count: int) -> np.ndarray:
    """An array whose length is the number of groups, for calls get arrays alone."""
    return np.zeros(count, np.float32)


def group_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Each sample's groups of channels with mean 0 and variance 1, then weight and bias by channel; in float64."""
    rows = standardize(x.reshape(len(x), len(g), -1))[0]
    return rows.reshape(x.shape) * w[:, None] + b[:, None]


def batch_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Each channel with mean 0 and variance 1 over the batch, then weight and bias; in float64."""
    centred = x - x.mean((0, 2), keepdims=True)
    return centred / np.sqrt(np.square(centred).mean((0, 2), keepdims=True) + 1e-5) * w[:, None] + b[:, None]


WORKLOADS = (
    Workload(
        name="softmax",
        family="norm",
        sizes=ALL,
        inputs=lambda rng, n, m: (normal(rng, n, m),),
        call=lambda F, x: F.softmax(x, -1),
        oracle=softmax,
        flops=lambda n, m: 5 * n * m,
        bytes=lambda n, m: 8 * n * m,
        atol=1e-7,
    ),
    Workload(
        name="log_softmax",
        family="norm",
        sizes=SMALL,
        inputs=lambda rng, n, m: (normal(rng, n, m),),
        call=lambda F, x: F.log_softmax(x, -1),
        oracle=lambda x: np.log(softmax(x)),
        flops=lambda n, m: 5 * n * m,
        bytes=lambda n, m: 8 * n * m,
    ),
    Workload(
        name="layer_norm",
        family="norm",
        sizes=ALL,
        inputs=lambda rng, n, m: (normal(rng, n, m), normal(rng, m), normal(rng, m)),
        call=lambda F, x, w, b: F.layer_norm(x, x.shape[-1:], w, b),
        oracle=lambda x, w, b: standardize(x)[0] * w + b,
        flops=lambda n, m: 7 * n * m,
        bytes=lambda n, m: 8 * (n * m + m),
        atol=1e-5,
    ),
    Workload(
        name="rms_norm",
        family="norm",
        sizes=SMALL,
        inputs=lambda rng, n, m: (normal(rng, n, m), normal(rng, m)),
        call=lambda F, x, w: F.rms_norm(x, x.shape[-1:], w, 1e-5),
        oracle=lambda x, w: x / np.sqrt(np.square(x).mean(-1, keepdims=True) + 1e-5) * w,
        flops=lambda n, m: 4 * n * m,
        bytes=lambda n, m: 8 * n * m + 4 * m,
        atol=1e-5,
    ),
    Workload(
        name="group_norm",
        family="norm",
        # Samples, groups, channels of a group, places.
        sizes={"dispatch": (2, 2, 4, 16), "cache": (4, 8, 8, 256), "memory": (16, 32, 8, 3136)},
        inputs=lambda rng, n, g, c, p: (normal(rng, n, g * c, p), normal(rng, g * c), normal(rng, g * c), groups(g)),
        call=lambda F, x, w, b, g: F.group_norm(x, g.shape[0], w, b),
        oracle=group_norm,
        flops=lambda n, g, c, p: 7 * n * g * c * p,
        bytes=lambda n, g, c, p: 8 * n * g * c * p + 8 * g * c + 4 * g,
        atol=1e-5,
    ),
    Workload(
        name="batch_norm",
        family="norm",
        sizes=IMAGES,
        inputs=lambda rng, n, c, p: (normal(rng, n, c, p), normal(rng, c), normal(rng, c)),
        call=lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True),
        oracle=batch_norm,
        flops=lambda n, c, p: 7 * n * c * p,
        bytes=lambda n, c, p: 8 * n * c * p + 8 * c,
        atol=1e-5,
    ),
    Workload(
        name="batch_norm_inference",
        family="norm",
        sizes=IMAGES,
        inputs=lambda rng, n, c, p: (
            normal(rng, n, c, p),
            normal(rng, c),
            positive(rng, c),
            normal(rng, c),
            normal(rng, c),
        ),
        call=lambda F, x, m, v, w, b: F.batch_norm(x, m, v, w, b),
        oracle=lambda x, m, v, w, b: (x - m[:, None]) * (w / np.sqrt(v + 1e-5))[:, None] + b[:, None],
        flops=lambda n, c, p: 2 * n * c * p,
        bytes=lambda n, c, p: 8 * n * c * p + 16 * c,
        atol=1e-5,
    ),
)
