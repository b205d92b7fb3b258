"""The state of the default generator, as `torch.random`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torsh_ops.ops.random import default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state


@contextmanager
def fork_rng(devices: Any = (), enabled: bool = True) -> Iterator[None]:
    """Put the default generator back, at the end, to where it was; `devices` is taken as PyTorch does and is empty."""
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)


__all__ = ["default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]
