"""Sorting, choosing by rank, searching, counting and prefix sums.

Flops: each comparison or addition that the usual way takes counts as one: n log2 n for a sort of n, log2 n for a
search in n. The elements of each row differ, so that every order is the only one.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.workloads.inputs import indices, normal
from benchmarks.workloads.record import Dims, Workload

SMALL = {"dispatch": (8, 32), "cache": (256, 256)}


def _distinct(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Whole numbers about 0 in random order, none twice; float32 holds each exactly."""
    count = math.prod(shape)
    return (rng.permutation(count) - count // 2).reshape(shape).astype(np.float32)


def _rows(
    name: str,
    call: Callable[..., Any],
    oracle: Callable[..., Any],
    flops: Callable[[int, int], int],
    out: Callable[[int, int], int],
    sizes: Mapping[str, Dims] = SMALL,
    inputs: Callable[..., np.ndarray] = _distinct,
) -> Workload:
    """Work on each row; `out` is the bytes of the result."""
    return Workload(
        name=name,
        family="sort",
        sizes=sizes,
        inputs=lambda rng, n, m: (inputs(rng, n, m),),
        call=call,
        oracle=oracle,
        flops=flops,
        bytes=lambda n, m: 4 * n * m + out(n, m),
        # A sum of 4096 normal values in float32, one after the other.
        atol=1e-3,
    )


def _sorted(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = np.argsort(x, -1)
    return np.take_along_axis(x, places, -1), places


def _top(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    values, places = _sorted(-x)
    return -values[..., :k], places[..., :k]


def _sort_flops(n: int, m: int) -> int:
    return int(n * m * math.log2(m))


WORKLOADS = (
    _rows("sort", lambda F, x: F.sort(x, -1), _sorted, _sort_flops, lambda n, m: 12 * n * m),
    _rows("topk", lambda F, x: F.topk(x, 8), lambda x: _top(x, 8), lambda n, m: n * m, lambda n, m: 96 * n),
    _rows(
        "quantile",
        lambda F, x: F.quantile(x, 0.5, -1),
        lambda x: np.quantile(x, 0.5, -1),
        _sort_flops,
        lambda n, m: 4 * n,
    ),
    _rows(
        "cumsum",
        lambda F, x: F.cumsum(x, -1),
        lambda x: np.cumsum(x, -1),
        lambda n, m: n * m,
        lambda n, m: 4 * n * m,
        SMALL | {"memory": (4096, 4096)},
        normal,
    ),
    Workload(
        name="searchsorted",
        family="sort",
        sizes={"dispatch": (256, 256), "cache": (16384, 16384)},
        inputs=lambda rng, n, m: (np.sort(_distinct(rng, n)), normal(rng, m) * np.float32(n / 4)),
        call=lambda F, sequence, x: F.searchsorted(sequence, x),
        oracle=lambda sequence, x: np.searchsorted(sequence, x),
        flops=lambda n, m: int(m * math.log2(n)),
        bytes=lambda n, m: 4 * n + 12 * m,
    ),
    Workload(
        name="bincount",
        family="sort",
        sizes={"dispatch": (256, 32), "cache": (1 << 15, 256)},
        # int64, as indices are: 256 KiB of them.
        inputs=lambda rng, n, bins: (np.concatenate([indices(rng, n - 1, bins), [bins - 1]]),),
        call=lambda F, x: F.bincount(x, 32 if x.shape[0] == 256 else 256),
        oracle=lambda x: np.bincount(x),
        flops=lambda n, bins: n,
        bytes=lambda n, bins: 8 * n + 8 * bins,
    ),
)
