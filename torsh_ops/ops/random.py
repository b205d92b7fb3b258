"""Random numbers. Functions take a `generator`, or use one documented default that `manual_seed` seeds.

The streams are PCG64's by way of NumPy: reproducible from the seed on any machine, not PyTorch's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.dtypes import as_dtype
from torsh_ops.errors import ArgumentError, DTypeError
from torsh_ops.ops.creation import Size, finish, float_dtype, shape_of
from torsh_ops.tensor import Tensor


class Generator:
    """A source of random numbers with a seed and a state of its own."""

    def __init__(self, device: Any = "cpu") -> None:
        self.manual_seed(0)

    def manual_seed(self, seed: int) -> "Generator":
        """Start the stream of `seed` (any integer that is not negative); returns the generator."""
        if not isinstance(seed, int) or seed < 0:
            raise ArgumentError(f"a seed must be a non-negative integer, but got {seed!r}")
        self._seed = seed
        self.numpy = np.random.Generator(np.random.PCG64(seed))
        return self

    def initial_seed(self) -> int:
        """Return the seed of the running stream."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Return the stream's position, for `set_state`."""
        return dict(self.numpy.bit_generator.state)

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to a position that `get_state` gave."""
        self.numpy.bit_generator.state = state


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator (0 at the start of a process) and return it."""
    return default_generator.manual_seed(seed)


def _source(generator: Generator | None) -> np.random.Generator:
    return (default_generator if generator is None else generator).numpy


def _real(dtype: Any) -> np.dtype:
    np_dtype = float_dtype(dtype)
    if np_dtype.kind != "f":
        raise DTypeError(f"random real numbers need a floating-point dtype, but got {as_dtype(dtype)}; see randint")
    return np_dtype


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of `size` drawn uniformly from [0, 1)."""
    array = memory.empty(shape_of(size), _real(dtype))
    _source(generator).random(dtype=array.dtype.type, out=array)
    return finish(array, device, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of `size` drawn from the standard normal distribution."""
    array = memory.empty(shape_of(size), _real(dtype))
    _source(generator).standard_normal(dtype=array.dtype.type, out=array)
    return finish(array, device, requires_grad)


def rand_like(input: Tensor, *, generator: Generator | None = None, dtype: Any = None) -> Tensor:
    """`rand` in the shape and dtype of `input`."""
    return rand(input.shape, generator=generator, dtype=dtype or input.dtype)


def randn_like(input: Tensor, *, generator: Generator | None = None, dtype: Any = None) -> Tensor:
    """`randn` in the shape and dtype of `input`."""
    return randn(input.shape, generator=generator, dtype=dtype or input.dtype)


def randint(
    low: int,
    high: int | Size,
    size: Size | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Return integers drawn uniformly from [low, high); `randint(high, size)` starts at 0. int64 unless `dtype`."""
    if size is None:
        if not isinstance(high, Sequence):
            raise ArgumentError("randint needs a size: randint(high, size) or randint(low, high, size)")
        low, high, size = 0, low, high
    if not isinstance(high, int) or low >= high:
        raise ArgumentError(f"randint expects low < high, but got low={low} and high={high}")
    wanted = dtypes.int64 if dtype is None else as_dtype(dtype)
    array = _source(generator).integers(low, high, size=shape_of((size,)), dtype=np.int64)
    return finish(array.astype(wanted.numpy, copy=False), device, False)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """Return the integers 0 to n - 1 in random order; int64 unless `dtype`."""
    wanted = dtypes.int64 if dtype is None else as_dtype(dtype)
    return finish(_source(generator).permutation(n).astype(wanted.numpy, copy=False), device, False)


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor from the normal distribution."""
    return self.copy_(randn(self.shape, generator=generator, dtype=self.dtype) * std + mean)


def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor uniformly from [a, b)."""
    return self.copy_(rand(self.shape, generator=generator, dtype=self.dtype) * (b - a) + a)


__all__ = [
    "Generator", "default_generator", "manual_seed", "rand", "rand_like", "randint", "randn", "randn_like", "randperm",
]  # fmt: skip
METHODS = (
    normal_, uniform_,
)  # fmt: skip
