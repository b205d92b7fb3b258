"""Matrix products in float32. Flops: 2·m·n·k, a multiplication and an addition."""

import numpy as np

from benchmarks.workloads.inputs import normal
from benchmarks.workloads.record import Workload

WORKLOADS = (
    Workload(
        name="matmul",
        family="linalg",
        # 1024: long enough for the best rate a GEMM reaches here, short enough to be repeated.
        sizes={"dispatch": (16, 16, 16), "cache": (256, 256, 256), "compute": (1024, 1024, 1024)},
        inputs=lambda rng, m, k, n: (normal(rng, m, k), normal(rng, k, n)),
        call=lambda F, a, b: F.matmul(a, b),
        oracle=np.matmul,
        flops=lambda m, k, n: 2 * m * k * n,
        bytes=lambda m, k, n: 4 * (m * k + k * n + m * n),
        atol=3e-4,
    ),
    Workload(
        name="matvec",
        family="linalg",
        sizes={"dispatch": (16, 16), "cache": (256, 256), "memory": (4096, 4096)},
        inputs=lambda rng, m, k: (normal(rng, m, k), normal(rng, k)),
        call=lambda F, a, x: F.matmul(a, x),
        oracle=np.matmul,
        flops=lambda m, k: 2 * m * k,
        bytes=lambda m, k: 4 * (m * k + k + m),
        atol=3e-4,
    ),
    Workload(
        name="bmm",
        family="linalg",
        # cache: the scores of 8 heads of 64, 128 positions.
        sizes={"dispatch": (2, 8, 8, 8), "cache": (8, 128, 64, 128)},
        inputs=lambda rng, b, m, k, n: (normal(rng, b, m, k), normal(rng, b, k, n)),
        call=lambda F, a, b: F.bmm(a, b),
        oracle=np.matmul,
        flops=lambda b, m, k, n: 2 * b * m * k * n,
        bytes=lambda b, m, k, n: 4 * b * (m * k + k * n + m * n),
        atol=1e-4,
    ),
)
