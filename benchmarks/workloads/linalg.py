"""Matrix products, 2·m·n·k flops, and LAPACK's factorisations, in float32.

Flops of those: Golub and Van Loan 2013, sections 3.2, 4.2, 5.2 and 8.3. Sizes are one small matrix, many, and one
large enough for matrix products to decide.
"""

from typing import Any

import numpy as np

from benchmarks.workloads.inputs import normal
from benchmarks.workloads.record import Workload

_SIZES = {"dispatch": (1, 16), "cache": (64, 32), "compute": (1, 512)}


def _definite(rng: np.random.Generator, batch: int, n: int) -> tuple[np.ndarray, ...]:
    """Symmetric matrices with eigenvalues 1 to n: far enough apart for float32 to tell the eigenvectors."""
    q, _ = np.linalg.qr(rng.standard_normal((batch, n, n)))
    return (((q * np.arange(1, n + 1)) @ q.swapaxes(-1, -2)).astype(np.float32),)


def _square(rng: np.random.Generator, batch: int, n: int) -> tuple[np.ndarray, ...]:
    """Matrices far from singular."""
    return (normal(rng, batch, n, n) + np.float32(2 * n**0.5) * np.eye(n, dtype=np.float32),)


def _factorisation(name: str, cubes: float, results: int, inputs: Any, oracle: Any, **more: Any) -> Workload:
    """One function of matrices, of `cubes` times n cubed flops and so many matrices as results."""
    return Workload(
        name=name,
        family="linalg",
        sizes=_SIZES,
        inputs=inputs,
        call=lambda F, *matrices: getattr(F, name)(*matrices),
        oracle=oracle,
        flops=lambda batch, n: int(cubes * batch * n**3),
        bytes=lambda batch, n: 4 * batch * n * n * (results + 1),
        **more,
    )


WORKLOADS = (
    _factorisation("cholesky", 1 / 3, 1, _definite, np.linalg.cholesky, rtol=1e-3, atol=1e-3),
    _factorisation("inv", 2, 1, _square, np.linalg.inv, rtol=1e-4, atol=2e-5),
    Workload(
        name="solve",
        family="linalg",
        sizes=_SIZES,
        inputs=lambda rng, batch, n: (*_square(rng, batch, n), normal(rng, batch, n, n)),
        call=lambda F, a, b: F.solve(a, b),
        oracle=np.linalg.solve,
        flops=lambda batch, n: 8 * batch * n**3 // 3,
        bytes=lambda batch, n: 12 * batch * n * n,
        rtol=1e-4,
        atol=1e-4,
    ),
    # Signs are free.
    _factorisation("qr", 8 / 3, 2, _square, lambda a: tuple(np.linalg.qr(a)), rtol=1e-3, atol=1e-2, compared=np.abs),
    Workload(
        name="eigh",
        family="linalg",
        sizes=_SIZES,
        inputs=_definite,
        call=lambda F, a: F.eigh(a),
        oracle=lambda a: tuple(np.linalg.eigh(a)),
        flops=lambda batch, n: 9 * batch * n**3,
        bytes=lambda batch, n: 4 * batch * (2 * n * n + n),
        rtol=1e-3,
        atol=1e-2,
        compared=np.abs,
    ),
    Workload(
        name="matmul",
        family="linalg",
        # 1024: long enough for the best rate a GEMM reaches here, short enough to be repeated.
        sizes={
            "dispatch": (16, 16, 16),
            "cache": (256, 256, 256),
            "block": (512, 512, 512),
            "compute": (1024, 1024, 1024),
            "large": (2048, 2048, 2048),
        },
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
        # cache: the scores of 8 heads of 64, 128 positions; compute: of 8 images and 12 heads.
        sizes={
            "dispatch": (2, 8, 8, 8),
            "cache": (8, 128, 64, 128),
            "small": (64, 32, 32, 32),
            "compute": (96, 128, 64, 128),
        },
        inputs=lambda rng, b, m, k, n: (normal(rng, b, m, k), normal(rng, b, k, n)),
        call=lambda F, a, b: F.bmm(a, b),
        oracle=np.matmul,
        flops=lambda b, m, k, n: 2 * b * m * k * n,
        bytes=lambda b, m, k, n: 4 * b * (m * k + k * n + m * n),
        atol=1e-4,
    ),
)
