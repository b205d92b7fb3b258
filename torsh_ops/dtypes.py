"""The seven dtypes, and PyTorch's rules for what mixes into what."""

from typing import Any

import numpy as np

from torsh_ops.errors import ArgumentError, DTypeError, OperandError


class dtype:
    """One element type. `numpy` is its NumPy dtype; `category` orders bool < integer < floating point < complex."""

    __slots__ = ("category", "name", "numpy")

    def __init__(self, name: str, category: int) -> None:
        self.name, self.category = name, category
        self.numpy = np.dtype(name)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def is_floating_point(self) -> bool:
        """True for float32 and float64."""
        return self.category == 2

    @property
    def is_complex(self) -> bool:
        """True for complex64 and complex128."""
        return self.category == 3

    def to_real(self) -> "dtype":
        """Return the dtype of the real part: itself unless complex."""
        return _REAL.get(self, self)

    def to_complex(self) -> "dtype":
        """Return the complex dtype with parts of this one: itself when complex; raises DTypeError on integers."""
        if self not in _COMPLEX:
            raise DTypeError(f"no complex dtype has parts of {self!r}; convert to float32 or float64")
        return _COMPLEX[self]

    def __repr__(self) -> str:
        return f"torsh_ops.{self.name}"

    def __reduce__(self) -> str:
        return f"{'bool_' if self.name == 'bool' else self.name}"


bool_ = dtype("bool", 0)
int32 = dtype("int32", 1)
int64 = dtype("int64", 1)
float32 = dtype("float32", 2)
float64 = dtype("float64", 2)
complex64 = dtype("complex64", 3)
complex128 = dtype("complex128", 3)

_REAL = {complex64: float32, complex128: float64}
_COMPLEX = {float32: complex64, float64: complex128, complex64: complex64, complex128: complex128}

OF_NUMPY: dict[np.dtype, dtype] = {d.numpy: d for d in (bool_, int32, int64, float32, float64, complex64, complex128)}
_NAMES = ", ".join(d.name for d in OF_NUMPY.values())
_default = float32


def get_default_dtype() -> dtype:
    """Return the dtype of new floating-point tensors: float32 unless set."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the dtype of new floating-point tensors.

    Raises DTypeError when `d` is not float32 or float64.
    """
    global _default
    if not (isinstance(d, dtype) and d.is_floating_point):
        raise DTypeError(f"only floating-point dtypes are supported as the default dtype, but got {d!r}")
    _default = d


def as_dtype(d: Any) -> dtype:
    """Return the dtype that `d` names: one of ours, a NumPy dtype, or a Python type (float is float64)."""
    if isinstance(d, dtype):
        return d
    try:
        return OF_NUMPY[np.dtype(d)]
    except TypeError:
        raise OperandError(f"{d!r} is not a dtype; torsh_ops has {_NAMES}") from None
    except KeyError:
        raise DTypeError(f"dtype {np.dtype(d).name} is not supported; torsh_ops has {_NAMES}") from None


def of_array(array: np.ndarray) -> dtype:
    """Return the dtype of a NumPy array, or raise DTypeError naming the supported ones."""
    try:
        return OF_NUMPY[array.dtype]
    except KeyError:
        raise DTypeError(f"arrays of dtype {array.dtype} are not supported; torsh_ops has {_NAMES}") from None


def canonical(array: np.ndarray) -> np.ndarray:
    """Return `array` with NumPy's own dtype object, as dtypes are compared by identity; an unpickled array has another.

    Raises DTypeError as `of_array` does.
    """
    known = of_array(array).numpy
    return array if array.dtype is known else array.view(known)


def of_scalar(value: bool | int | float | complex) -> dtype:
    """Return the dtype a Python number has on its own: bool, int64, the default floating dtype or its complex."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    return _default.to_complex() if isinstance(value, complex) else _default


def _widest(dtypes: list[dtype]) -> dtype | None:
    widest = max(dtypes, key=lambda d: (d.category, d.itemsize), default=None)
    # Numbers of 64 bits in either part make the complex number one of two such parts.
    return complex128 if widest is complex64 and float64 in dtypes else widest


def promote(dimensioned: list[dtype], zero_dim: list[dtype], scalars: list[dtype]) -> dtype:
    """Return the common dtype: tensors with dimensions decide, then 0-d tensors, then Python numbers.

    A lower rank only counts when its category (bool, integer, floating point, complex) is higher; a complex of lower
    rank keeps the precision of a floating-point dtype of higher rank. Source: PyTorch's documentation, "torch.dtype",
    type promotion.
    """
    result: dtype | None = None
    for group in (dimensioned, zero_dim, scalars):
        candidate = _widest(group)
        if candidate is not None and (result is None or candidate.category > result.category):
            result = result.to_complex() if result is not None and result.is_floating_point else candidate
    if result is None:
        raise ArgumentError("promote needs at least one dtype")
    return result
