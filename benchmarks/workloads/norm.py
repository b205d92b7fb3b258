"""Normalisations along rows, float32.

Flops per element: softmax 5 (maximum, difference, exp, sum, division), log_softmax 5, layer_norm 7 (mean 1,
difference 1, squares and their sum 2, scaling 1, weight and bias 2).
"""

import numpy as np

from benchmarks.workloads.inputs import normal
from benchmarks.workloads.record import Workload

SMALL = {"dispatch": (8, 32), "cache": (256, 256)}
ALL = SMALL | {"memory": (4096, 4096)}


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax of each row, in float64."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def standardize(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row less its mean, over its deviation, and that deviation; eps as PyTorch's layer_norm."""
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(-1, keepdims=True) + 1e-5)
    return centred / deviation, deviation


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
)
