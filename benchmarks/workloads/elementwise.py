"""Element-wise operators on float32.

Flops: each addition, multiplication, division, comparison, square root and each exp, log, tanh or erf counts
as one, whatever it takes inside; so exp's GFLOP/s are its thousand million elements per second. Bytes: every
input read once, every output written once.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.workloads.inputs import normal, positive
from benchmarks.workloads.record import Dims, Workload

# 256 elements: nothing but the call. 256 KiB an array: three fit in a 1 MiB L2. 64 MiB an array: out of every
# L2, and three of them out of most L3.
DISPATCH, CACHE, MEMORY = (256,), (1 << 16,), (1 << 24,)
SMALL = {"dispatch": DISPATCH, "cache": CACHE}
ALL = SMALL | {"memory": MEMORY}

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _unary(
    name: str, oracle: Callable[..., Any], flops: int, sizes: Mapping[str, Dims] = SMALL, inputs: Any = normal
) -> Workload:
    return Workload(
        name=name,
        family="elementwise",
        sizes=sizes,
        inputs=lambda rng, n: (inputs(rng, n),),
        call=lambda F, x: getattr(F, name)(x),
        oracle=oracle,
        flops=lambda n: flops * n,
        bytes=lambda n: 8 * n,
    )


def _binary(name: str, oracle: Callable[..., Any], sizes: Mapping[str, Dims] = SMALL, out: int = 4) -> Workload:
    return Workload(
        name=name,
        family="elementwise",
        sizes=sizes,
        inputs=lambda rng, n: (normal(rng, n), positive(rng, n)),
        call=lambda F, a, b: getattr(F, name)(a, b),
        oracle=oracle,
        flops=lambda n: n,
        bytes=lambda n: (8 + out) * n,
    )


WORKLOADS = (
    _binary("add", lambda a, b: a + b, ALL),
    _binary("mul", lambda a, b: a * b),
    _binary("div", lambda a, b: a / b),
    _binary("gt", lambda a, b: a > b, out=1),
    Workload(
        name="add_broadcast",
        family="elementwise",
        sizes={"dispatch": (16, 16), "cache": (256, 256), "memory": (4096, 4096)},
        inputs=lambda rng, n, m: (normal(rng, n, m), normal(rng, m)),
        call=lambda F, a, b: F.add(a, b),
        oracle=lambda a, b: a + b,
        flops=lambda n, m: n * m,
        bytes=lambda n, m: 8 * n * m + 4 * m,
    ),
    _unary("exp", np.exp, 1, ALL),
    _unary("log", np.log, 1, inputs=positive),
    _unary("sqrt", np.sqrt, 1, inputs=positive),
    _unary("tanh", np.tanh, 1),
    _unary("relu", lambda x: np.maximum(x, 0), 1),
    _unary("sigmoid", lambda x: 1 / (1 + np.exp(-x)), 4),
    _unary("silu", lambda x: x / (1 + np.exp(-x)), 4),
    _unary("gelu", lambda x: 0.5 * x * (1 + _erf(x * math.sqrt(0.5))), 5, ALL),
    _unary("sin", np.sin, 1, ALL),
    _unary("log1p", np.log1p, 1, inputs=positive),
    _unary("expm1", np.expm1, 1),
    _unary("erf", _erf, 1),
    Workload(
        name="pow",
        family="elementwise",
        sizes=SMALL,
        inputs=lambda rng, n: (positive(rng, n), normal(rng, n)),
        call=lambda F, x, y: F.pow(x, y),
        oracle=lambda x, y: x**y,
        flops=lambda n: n,
        bytes=lambda n: 12 * n,
    ),
    _binary("remainder", lambda x, y: x % y),
    Workload(
        name="clamp",
        family="elementwise",
        sizes=ALL,
        inputs=lambda rng, n: (normal(rng, n),),
        call=lambda F, x: F.clamp(x, -0.5, 0.5),
        oracle=lambda x: np.clip(x, -0.5, 0.5),
        flops=lambda n: 2 * n,
        bytes=lambda n: 8 * n,
    ),
    Workload(
        name="where",
        family="elementwise",
        sizes=SMALL,
        inputs=lambda rng, n: (normal(rng, n) > 0, normal(rng, n), normal(rng, n)),
        call=lambda F, c, x, y: F.where(c, x, y),
        oracle=np.where,
        flops=lambda n: n,
        bytes=lambda n: 13 * n,
    ),
    Workload(
        name="lerp",
        family="elementwise",
        sizes=SMALL,
        inputs=lambda rng, n: (normal(rng, n), normal(rng, n)),
        call=lambda F, x, y: F.lerp(x, y, 0.3),
        oracle=lambda x, y: x + 0.3 * (y - x),
        flops=lambda n: 3 * n,
        bytes=lambda n: 12 * n,
    ),
    Workload(
        name="addcmul",
        family="elementwise",
        sizes=SMALL,
        inputs=lambda rng, n: (normal(rng, n), normal(rng, n), normal(rng, n)),
        call=lambda F, x, y, z: F.addcmul(x, y, z),
        oracle=lambda x, y, z: x + y * z,
        flops=lambda n: 2 * n,
        bytes=lambda n: 16 * n,
    ),
)
