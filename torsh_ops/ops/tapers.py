"""Window functions: what a piece of a signal is multiplied by before its spectrum is taken."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops.dtypes import as_dtype
from torsh_ops.errors import DTypeError, ShapeError
from torsh_ops.ops.creation import finish, float_dtype
from torsh_ops.tensor import Tensor


def _window(
    op: Callable[..., Any],
    length: int,
    periodic: bool,
    values: Callable[[np.ndarray, int], Any],
    dtype: Any,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    """Return a window of `length`: `values` gets the places 0 to n and n, the last place of the symmetric window."""
    np_dtype = float_dtype(dtype)
    if np_dtype.kind != "f":
        raise DTypeError(f"{op.__name__} expects a floating-point dtype, but got {as_dtype(dtype)}")
    if length < 0:
        raise ShapeError(f"{op.__name__} requires a non-negative window_length, but got {length}")
    if length <= 1:
        return finish(np.ones(length, np_dtype), device, requires_grad)
    last = length if periodic else length - 1
    return finish(values(np.arange(length), last).astype(np_dtype), device, requires_grad)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`sin(pi k / n)^2`, n the length when `periodic` (for spectra), one less when symmetric (for filters)."""
    return _window(
        hann_window, window_length, periodic, lambda k, n: np.sin(np.pi * k / n) ** 2, dtype, device, requires_grad
    )


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`alpha - beta cos(2 pi k / n)`."""

    def values(k: np.ndarray, n: int) -> Any:
        return alpha - beta * np.cos(2 * np.pi * k / n)

    return _window(hamming_window, window_length, periodic, values, dtype, device, requires_grad)


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`0.42 - 0.5 cos(2 pi k / n) + 0.08 cos(4 pi k / n)`."""

    def values(k: np.ndarray, n: int) -> Any:
        return 0.42 - 0.5 * np.cos(2 * np.pi * k / n) + 0.08 * np.cos(4 * np.pi * k / n)

    return _window(blackman_window, window_length, periodic, values, dtype, device, requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The triangle `1 - |2 k / n - 1|`."""
    return _window(
        bartlett_window, window_length, periodic, lambda k, n: 1 - np.abs(2 * k / n - 1), dtype, device, requires_grad
    )


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`I0(beta sqrt(1 - (2 k / n - 1)^2)) / I0(beta)`, I0 the modified Bessel function. Kaiser and Schafer 1980."""

    def values(k: np.ndarray, n: int) -> Any:
        return np.i0(beta * np.sqrt(1 - (2 * k / n - 1) ** 2)) / np.i0(beta)

    return _window(kaiser_window, window_length, periodic, values, dtype, device, requires_grad)


__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]
METHODS = ()
