"""Complex numbers: their parts, what makes them of real ones, and the functions that only they need."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.autograd import record
from torsh_ops.errors import DTypeError, ShapeError
from torsh_ops.ops.dispatch import broadcast_shapes, need_tensor, write_out
from torsh_ops.ops.pointwise import sign
from torsh_ops.tensor import Tensor


def is_complex(input: Tensor) -> bool:
    """Tell whether the dtype is complex64 or complex128."""
    return need_tensor(is_complex, input).is_complex()


def is_floating_point(input: Tensor) -> bool:
    """Tell whether the dtype is float32 or float64."""
    return need_tensor(is_floating_point, input).is_floating_point()


def real(input: Tensor) -> Tensor:
    """The real part, a view; a real tensor is its own."""
    if not need_tensor(real, input).is_complex():
        return input
    return record(real, input._view(input._array.real), (input,))


def imag(input: Tensor) -> Tensor:
    """The imaginary part, a view. Raises DTypeError on a real tensor."""
    if not need_tensor(imag, input).is_complex():
        raise DTypeError(f"imag is not implemented for tensors with non-complex dtypes, but got {input.dtype}")
    return record(imag, input._view(input._array.imag), (input,))


def conj(input: Tensor) -> Tensor:
    """The complex conjugate, a copy; a real tensor is its own."""
    if not need_tensor(conj, input).is_complex():
        return input
    return record(conj, Tensor(np.asarray(np.conjugate(input._array))), (input,))


def conj_physical(input: Tensor) -> Tensor:
    """`conj`, which here always computes a copy."""
    return conj(input)


def resolve_conj(input: Tensor) -> Tensor:
    """`input` itself: no conjugation is ever put off."""
    return need_tensor(resolve_conj, input)


def is_conj(input: Tensor) -> bool:
    """False: no conjugation is ever put off."""
    need_tensor(is_conj, input)
    return False


def _parts(
    op: Callable[..., Any], first: Tensor, second: Tensor, names: tuple[str, str]
) -> tuple[np.dtype, tuple[int, ...]]:
    """Return the dtype and shape of the complex tensor that two real ones make."""
    a, b = need_tensor(op, first, names[0]), need_tensor(op, second, names[1])
    if not (a.is_floating_point() and b.is_floating_point()):
        raise DTypeError(f"{op.__name__}(): expected two float32 or float64 tensors, but got {a.dtype} and {b.dtype}")
    if a.dtype is not b.dtype:
        raise DTypeError(f"{op.__name__}(): expected {names[1]} to be of dtype {a.dtype}, but got {b.dtype}")
    return a.dtype.to_complex().numpy, broadcast_shapes(a.shape, b.shape)


def complex(real: Tensor, imag: Tensor) -> Tensor:
    """`real + 1j * imag`. Raises DTypeError unless both are float32 or both float64."""
    np_dtype, shape = _parts(complex, real, imag, ("real", "imag"))
    result = memory.empty(shape, np_dtype)
    result.real, result.imag = real._array, imag._array
    return record(complex, Tensor(result), (real, imag))


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """The complex numbers of length `abs` and direction `angle` in radians.

    Raises DTypeError unless both are float32 or both float64.
    """
    np_dtype, shape = _parts(polar, abs, angle, ("abs", "angle"))
    result = memory.empty(shape, np_dtype)
    with np.errstate(all="ignore"):
        np.multiply(abs._array, np.cos(angle._array), out=result.real)
        np.multiply(abs._array, np.sin(angle._array), out=result.imag)
    return record(polar, Tensor(result), (abs, angle))


def view_as_real(input: Tensor) -> Tensor:
    """A view with a last dimension more, of size 2: real and imaginary part. Raises DTypeError on a real tensor."""
    if not need_tensor(view_as_real, input).is_complex():
        raise DTypeError(f"view_as_real is only supported for complex tensors, but got {input.dtype}")
    pairs = input._array[..., None].view(input.dtype.to_real().numpy)
    return record(view_as_real, input._view(pairs), (input,))


def view_as_complex(input: Tensor) -> Tensor:
    """A view whose numbers are the pairs in the last dimension, which goes.

    Raises DTypeError unless floating point, ShapeError unless the last dimension is 2 neighbours in memory.
    """
    if not need_tensor(view_as_complex, input).is_floating_point():
        raise DTypeError(f"view_as_complex is only supported for floating-point tensors, but got {input.dtype}")
    array = input._array
    if array.ndim == 0 or array.shape[-1] != 2:
        raise ShapeError(f"view_as_complex: the tensor must have a last dimension of size 2, but got {array.shape}")
    own = input.dtype.to_complex().numpy
    if array.strides[-1] != array.itemsize or any(step % own.itemsize for step in array.strides[:-1]):
        raise ShapeError(
            f"view_as_complex: the last dimension must have stride 1 and the others an even one, but got "
            f"{input.stride()}; use contiguous()"
        )
    return record(view_as_complex, input._view(array.view(own)[..., 0]), (input,))


def isreal(input: Tensor) -> Tensor:
    """True where the imaginary part is 0; everywhere on a real tensor."""
    return Tensor(np.asarray(np.isreal(need_tensor(isreal, input)._array)))


def absolute(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The length of each complex number."""
    with np.errstate(all="ignore"):
        length = np.asarray(np.abs(input._array))
    return record(absolute, Tensor(length), (input,)) if out is None else write_out(absolute, length, out, input)


def angle(input: Tensor) -> Tensor:
    """The direction of each number in radians, from -pi to pi; of a real one 0 or, when negative, pi. NaN stays."""
    array = need_tensor(angle, input)._array
    if array.dtype.kind == "c":
        return record(angle, Tensor(np.asarray(np.angle(array))), (input,))
    own = array.dtype if array.dtype.kind == "f" else dtypes.get_default_dtype().numpy
    result = np.where(array < 0, np.pi, np.where(np.isnan(array), array, 0)).astype(own)
    return record(angle, Tensor(result), (input,))


def sgn(input: Tensor) -> Tensor:
    """`input / |input|`, 0 where `input` is 0; of real numbers the sign."""
    if not need_tensor(sgn, input).is_complex():
        return sign(input)
    return record(sgn, Tensor(np.asarray(np.sign(input._array))), (input,))


__all__ = [
    "angle", "complex", "conj", "conj_physical", "imag", "is_complex", "is_conj", "is_floating_point", "isreal",
    "polar", "real", "resolve_conj", "sgn", "view_as_complex", "view_as_real",
]  # fmt: skip
METHODS = (
    angle, conj, conj_physical, is_conj, isreal, resolve_conj, sgn,
)  # fmt: skip
