"""Reductions of a float32 matrix. Flops: one for each addition, product or comparison of an element."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.workloads.inputs import normal
from benchmarks.workloads.record import Dims, Workload

SMALL = {"dispatch": (8, 32), "cache": (256, 256)}
ALL = SMALL | {"memory": (4096, 4096)}


def _reduction(
    name: str,
    call: Callable[..., Any],
    oracle: Callable[..., Any],
    flops: int = 1,
    sizes: Mapping[str, Dims] = SMALL,
    *,
    rows: bool = True,
    out: int = 4,
) -> Workload:
    """Reduce each row, or everything when not `rows`; `out` is the bytes of one result."""
    return Workload(
        name=name,
        family="reduce",
        sizes=sizes,
        inputs=lambda rng, n, m: (normal(rng, n, m),),
        call=call,
        oracle=oracle,
        flops=lambda n, m: flops * n * m,
        bytes=lambda n, m: 4 * n * m + out * (n if rows else 1),
        # The sum of n·m normal values is no more than a few √(n·m), and the rounding of each goes into it.
        atol=1e-5 if rows else 2e-3,
    )


def _columns(name: str, call: Callable[..., Any], oracle: Callable[..., Any]) -> Workload:
    """Reduce each column."""
    return Workload(
        name=name,
        family="reduce",
        sizes=ALL,
        inputs=lambda rng, n, m: (normal(rng, n, m),),
        call=call,
        oracle=oracle,
        flops=lambda n, m: n * m,
        bytes=lambda n, m: 4 * n * m + 4 * m,
        atol=1e-3,
    )


# No norm of 16 Mi elements: PyTorch adds the squares up in float32, one after the other, and is 6e-4 off there.
WORKLOADS = (
    _reduction("sum", lambda F, x: F.sum(x), np.sum, sizes=ALL, rows=False),
    _columns("sum_columns", lambda F, x: F.sum(x, 0), lambda x: x.sum(0)),
    _reduction("mean", lambda F, x: F.mean(x, -1), lambda x: x.mean(-1)),
    _reduction("max", lambda F, x: F.amax(x, -1), lambda x: x.max(-1)),
    _reduction("var", lambda F, x: F.var(x, -1), lambda x: x.var(-1, ddof=1), 4),
    _reduction("logsumexp", lambda F, x: F.logsumexp(x, -1), lambda x: np.log(np.exp(x).sum(-1)), 3),
    _reduction("argmax", lambda F, x: F.argmax(x, -1), lambda x: x.argmax(-1), out=8),
    _reduction("norm", lambda F, x: F.norm(x), np.linalg.norm, 2, rows=False),
)
