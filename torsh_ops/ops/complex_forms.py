"""What of complex numbers is left to NumPy: the kernels take real numbers only."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops.errors import DTypeError

# The functions of two operands that are defined for complex numbers: everything that needs no order.
BINARY = frozenset(
    {np.add, np.subtract, np.multiply, np.true_divide, np.power, np.equal, np.not_equal}
    | {np.logical_and, np.logical_or, np.logical_xor}
)

UNARY: dict[str, Callable[[np.ndarray], Any]] = {
    "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh, "atan": np.arctan,
    "atanh": np.arctanh, "cos": np.cos, "cosh": np.cosh, "exp": np.exp, "exp2": lambda z: np.power(z.dtype.type(2), z),
    "expm1": np.expm1, "log": np.log, "log10": np.log10, "log1p": np.log1p, "log2": np.log2, "neg": np.negative,
    "rsqrt": lambda z: 1 / np.sqrt(z), "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "sin": np.sin, "sinh": np.sinh,
    "sqrt": np.sqrt, "tan": np.tan, "tanh": np.tanh,
}  # fmt: skip


def refuse(op: Callable[..., Any], dtype: object) -> DTypeError:
    """Return the error of a function that complex numbers do not have."""
    return DTypeError(f"{op.__name__}() is not implemented for complex tensors ({dtype}); take .real, .imag or abs()")


def need_binary(op: Callable[..., Any], ufunc: Callable[..., Any], dtype: object) -> None:
    """Raise DTypeError when `ufunc` is not defined for complex numbers."""
    if ufunc not in BINARY:
        raise refuse(op, dtype)


def unary(op: Callable[..., Any], array: np.ndarray) -> np.ndarray:
    """Return the function of each element; raises DTypeError when complex numbers have none of that name."""
    form = UNARY.get(op.__name__)
    if form is None:
        raise refuse(op, array.dtype)
    with np.errstate(all="ignore"):
        return np.asarray(form(array), array.dtype)
