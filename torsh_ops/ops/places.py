"""Looking at and writing to places of a tensor that shapes alone do not describe; what is written comes as a copy."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import memory
from torsh_ops.autograd import record
from torsh_ops.ops.layout import compact
from torsh_ops.tensor import Tensor

Look = Callable[[np.ndarray], np.ndarray]


def view_by(input: Tensor, how: Look) -> Tensor:
    """A view `how(array)`, such as a diagonal; `put_by` is its reverse."""
    tensor = input._view(how(input._array))
    return record(view_by, tensor, (input, how)) if input.requires_grad else tensor


def put_by(shape: tuple[int, ...], how: Look, g: Tensor) -> Tensor:
    """Zeros of `shape` with `g` added where `how` looks: the gradient of `view_by`."""
    places = how(np.arange(math.prod(shape)).reshape(shape))
    result = memory.empty((math.prod(shape),), g._array.dtype)
    result.fill(0)
    np.add.at(result, places.reshape(-1), g._array.reshape(-1))
    return record(put_by, Tensor(result.reshape(shape)), (shape, how, g))


def written(input: Tensor, key: Any, value: Any) -> Tensor:
    """`input` with `value`, broadcast and cast, at the index `key`: what NumPy takes."""
    result = compact(input._array)
    with np.errstate(all="ignore"):
        result[key] = value._array if isinstance(value, Tensor) else value
    return record(written, Tensor(result), (input, key, value))


def written_by(input: Tensor, how: Look, value: Tensor) -> Tensor:
    """`input` with `value` where `how` looks."""
    result = compact(input._array)
    how(result)[...] = value._array
    return record(written_by, Tensor(result), (input, how, value))
