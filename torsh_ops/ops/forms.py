"""What tables of element-wise operators are made of: NumPy's functions as kernels, and names for functions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops.tensor import Tensor

Op = Callable[..., Tensor]


def by_numpy(ufunc: Callable[..., Any]) -> Callable[..., None]:
    """Return NumPy's function of one array or two as a kernel."""

    def kernel(*arrays: Any) -> None:
        # The machine's own overflow and invalid results are results, as in PyTorch: no warning.
        with np.errstate(all="ignore"):
            ufunc(*arrays[:-1], out=arrays[-1])

    return kernel


def real_kernel(kernel: Callable[..., Any], ufunc: Callable[..., Any]) -> Callable[..., None]:
    """Return a compiled kernel for floating-point results and NumPy's function for all others, as one."""
    rest = by_numpy(ufunc)

    def either(x: Any, y: Any, out: np.ndarray) -> None:
        (kernel if out.dtype.kind == "f" else rest)(x, y, out)

    return either


def named(op: Op, name: str, doc: str, module: str) -> Op:
    """Give a function that a table made its name and its documentation."""
    op.__name__ = op.__qualname__ = name
    op.__doc__, op.__module__ = doc, module
    return op
