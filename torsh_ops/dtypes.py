"""The five dtypes, and PyTorch's rules for what mixes into what."""

from typing import Any

import numpy as np

from torsh_ops.errors import ArgumentError, DTypeError, OperandError


class dtype:
    """One element type. `numpy` is its NumPy dtype; `category` orders bool < integer < floating point."""

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

    def __repr__(self) -> str:
        return f"torsh_ops.{self.name}"

    def __reduce__(self) -> str:
        return f"{'bool_' if self.name == 'bool' else self.name}"


bool_ = dtype("bool", 0)
int32 = dtype("int32", 1)
int64 = dtype("int64", 1)
float32 = dtype("float32", 2)
float64 = dtype("float64", 2)

OF_NUMPY: dict[np.dtype, dtype] = {d.numpy: d for d in (bool_, int32, int64, float32, float64)}
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
    """Return the dtype that `d` names: one of ours, a NumPy dtype, or a Python type (float is the default dtype)."""
    if isinstance(d, dtype):
        return d
    if d is float:
        return _default
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


def of_scalar(value: bool | int | float) -> dtype:
    """Return the dtype a Python number has on its own: bool, int64 or the default floating dtype."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    return _default


def _widest(dtypes: list[dtype]) -> dtype | None:
    return max(dtypes, key=lambda d: (d.category, d.itemsize), default=None)


def promote(dimensioned: list[dtype], zero_dim: list[dtype], scalars: list[dtype]) -> dtype:
    """Return the common dtype: tensors with dimensions decide, then 0-d tensors, then Python numbers.

    A lower rank only counts when its category (bool, integer, floating point) is higher. Source: PyTorch's
    documentation, "torch.dtype", type promotion.
    """
    result: dtype | None = None
    for group in (dimensioned, zero_dim, scalars):
        candidate = _widest(group)
        if candidate is not None and (result is None or candidate.category > result.category):
            result = candidate
    if result is None:
        raise ArgumentError("promote needs at least one dtype")
    return result
