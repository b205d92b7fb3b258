"""Products by equation in float32. Flops: a multiplication and an addition for each product that is summed."""

import numpy as np

from benchmarks.workloads.inputs import normal
from benchmarks.workloads.record import Workload

WORKLOADS = (
    Workload(
        name="einsum",
        family="linalg",
        # The scores of attention: batch, heads, positions, width.
        sizes={"dispatch": (1, 2, 8, 8), "cache": (2, 4, 128, 64)},
        inputs=lambda rng, b, h, s, d: (normal(rng, b, s, h, d), normal(rng, b, s, h, d)),
        call=lambda F, q, k: F.einsum("bqhd,bkhd->bhqk", q, k),
        oracle=lambda q, k: np.einsum("bqhd,bkhd->bhqk", q, k),
        flops=lambda b, h, s, d: 2 * b * h * s * s * d,
        bytes=lambda b, h, s, d: 4 * b * h * (2 * s * d + s * s),
        atol=1e-4,
    ),
)
