"""Arrays that workloads are made of: float32, the same in every process for one generator state."""

import numpy as np

# Drawing 64 MiB takes longer than most timings: 4 MiB are drawn and repeated, a period no cache of a core
# holds.
DRAWN = 1 << 20


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Standard normal values."""
    count = int(np.prod(shape))
    return np.resize(rng.standard_normal(min(count, DRAWN), dtype=np.float32), shape)


def positive(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Values between 0.1 and 10.1, evenly spread."""
    count = int(np.prod(shape))
    return np.resize(rng.random(min(count, DRAWN), dtype=np.float32) * 10 + np.float32(0.1), shape)


def indices(rng: np.random.Generator, count: int, below: int) -> np.ndarray:
    """Whole numbers from 0 to `below` - 1, int64."""
    return rng.integers(0, below, count)
