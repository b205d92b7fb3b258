"""Random numbers in float32: each number drawn counts as one flop.

What is drawn differs from framework to framework. Checked is its distribution: sorted and put through the
distribution function, the values lie as those of the oracle, its quantiles, up to Kolmogorov and Smirnov's distance.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.workloads.record import Workload

_erf = np.vectorize(math.erf, otypes=[np.float64])


# The normal distribution function, and where.
_PLACES = np.linspace(-7.0, 7.0, 14001)
_NORMAL = 0.5 + 0.5 * _erf(_PLACES * math.sqrt(0.5))


def _drawn(name: str, distribution: Callable[[np.ndarray], Any], quantiles: Callable[[np.ndarray], Any]) -> Workload:
    return Workload(
        name=name,
        family="random",
        sizes={"dispatch": (256,), "cache": (1 << 16,), "memory": (1 << 24,)},
        # Its shape is what is asked for; its first element is the seed where a framework has no stream of its own.
        inputs=lambda rng, n: (np.zeros(n, np.float32),),
        call=lambda F, x: getattr(F, name)(x),
        oracle=lambda x: quantiles((np.arange(x.size) + 0.5) / x.size),
        # 64 Ki of them tell enough.
        compared=lambda drawn: distribution(np.sort(drawn[:: max(drawn.size >> 16, 1)])),
        flops=lambda n: n,
        bytes=lambda n: 4 * n,
        rtol=0.0,
        # 256 numbers lie further off once in 8 million draws.
        atol=0.18,
    )


WORKLOADS = (
    _drawn("rand_like", lambda x: x, lambda p: p),
    _drawn("randn_like", lambda x: np.interp(x, _PLACES, _NORMAL), lambda p: np.interp(p, _NORMAL, _PLACES)),
)
