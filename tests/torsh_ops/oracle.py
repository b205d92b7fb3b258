"""PyTorch as second oracle where it is installed, and what makes comparable inputs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import torsh_ops

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed: pip install 'torsh-ops[frameworks]'")

DTYPES = ("float32", "float64", "int32", "int64", "bool")
REAL = ("float32", "float64")


def arrays(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Values that no operator finds hard: away from 0 and from overflow, a few ties among integers."""
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("int"):
        return np.asarray(rng.integers(-4, 5, shape), dtype=dtype)
    return np.asarray(rng.standard_normal(shape), dtype=dtype)


# Layouts that a kernel written for contiguous memory gets wrong when nobody checks.
LAYOUTS = {
    "contiguous": lambda a: a,
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "negative": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1] if a.ndim else a,
    "offset": lambda a: np.concatenate([a[:1], a])[1:] if a.ndim else a,
}

shapes = st.lists(st.integers(0, 5), min_size=0, max_size=4).map(tuple)


def assert_same(ours: Any, theirs: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Assert equal dtype, shape and values (NaN equal to NaN) of one of ours and one of PyTorch's."""
    assert isinstance(ours, torsh_ops.Tensor), type(ours)
    assert repr(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=rtol, atol=atol)


def numeric_gradient(function: Any, array: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences of a scalar function of one float64 array."""
    gradient = np.zeros_like(array)
    for i in np.ndindex(array.shape):
        moved = array.copy()
        moved[i] += step
        above = function(moved)
        moved[i] -= 2 * step
        gradient[i] = (above - function(moved)) / (2 * step)
    return gradient
