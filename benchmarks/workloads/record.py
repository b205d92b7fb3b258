"""The record that defines one piece of work, once, for every framework."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Dims = tuple[int, ...]


@dataclass(frozen=True)
class Workload:
    """One piece of work: its inputs, the call, its cost and what counts as a right answer.

    `call` is written once, against the vocabulary of `benchmarks.frameworks` (PyTorch's names), and gets the
    framework first: ``lambda F, x: F.softmax(x, -1)``. `oracle` gets the same inputs as float64 NumPy arrays.
    `layouts` names the layout of each input as `inputs` makes it ("NCHW" image, "OIHW" kernel, "" plain): an
    adapter whose framework wants another layout converts it before the clock starts; `out_layout` is that of
    the result. With `wrt`, what is timed is the value and its gradients with respect to those inputs, and the
    oracle returns (value, gradient, ...). `compared` says what of a result is compared with the same of the
    oracle's, where the values themselves are drawn at random.
    """

    name: str
    family: str
    sizes: Mapping[str, Dims]
    inputs: Callable[..., tuple[np.ndarray, ...]]
    call: Callable[..., Any]
    oracle: Callable[..., Any]
    flops: Callable[..., int]
    bytes: Callable[..., int]
    rtol: float = 1e-5
    atol: float = 1e-6
    layouts: tuple[str, ...] = ()
    out_layout: str = ""
    wrt: tuple[int, ...] = ()
    compared: Callable[[np.ndarray], Any] | None = None
    version: str = "1"
    seed: int = field(default=20260101)

    def make_inputs(self, size: str) -> tuple[np.ndarray, ...]:
        """Make the inputs of `size`: the same arrays in every process, for every framework."""
        return self.inputs(np.random.default_rng(self.seed), *self.sizes[size])

    def expected(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """Every output for `inputs`, computed in float64 by the oracle."""
        wide = {"f": np.float64, "c": np.complex128}
        result = self.oracle(*(x.astype(wide.get(x.dtype.kind, x.dtype)) for x in inputs))
        return tuple(np.asarray(r) for r in (result if isinstance(result, tuple) else (result,)))

    def difference(self, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> str:
        """Say in one line where `found` is further from `expected` than the tolerance; "" where it is not."""
        if len(found) != len(expected):
            return f"{len(found)} results instead of {len(expected)}"
        for i, (f, e) in enumerate(zip(found, expected, strict=True)):
            if f.shape != e.shape:
                return f"result {i} has shape {f.shape} instead of {e.shape}"
            if self.compared is not None:
                f, e = np.asarray(self.compared(f)), np.asarray(self.compared(e))
            close = np.isclose(f, e, rtol=self.rtol, atol=self.atol, equal_nan=True)
            if not close.all():
                at = tuple(map(int, np.unravel_index(np.argmin(close), close.shape)))
                return f"result {i} at {at} is {f[at]:.9g}, not {e[at]:.9g}; {(~close).mean():.2%} of it is off"
        return ""
