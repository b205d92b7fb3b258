"""Functions of two operands beyond arithmetic: remainders, angles, logarithms of sums, whole numbers bit by bit."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import dtypes
from torsh_ops.errors import DTypeError
from torsh_ops.kernels import quotient as qk
from torsh_ops.kernels import special as sk
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import shortcut
from torsh_ops.ops.dispatch import Operand, binary, broadcast_shapes, need_tensor, result_type, write_out
from torsh_ops.ops.forms import Op, by_numpy, named, real_kernel
from torsh_ops.tensor import Tensor

# The lowest category of dtype that a function takes: bools, whole numbers, or floating-point numbers.
BOOLS, NUMBERS, REALS = 0, 1, 2


def function(
    name: str,
    doc: str,
    ufunc: Callable[..., Any],
    least: int = REALS,
    kernel: Any = None,
    floating: bool = False,
    numbers: bool = False,
) -> Op:
    """Return an operator of two operands: `ufunc`, or the compiled `kernel` for floating-point numbers.

    `least` is the lowest category it takes. `floating` turns integers and bools into the default dtype first.
    With `numbers` one operand may be a number.
    """
    run = by_numpy(ufunc) if kernel is None else real_kernel(kernel, ufunc)

    def op(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
        if not numbers or not isinstance(other, Tensor):
            need_tensor(op, input)
        if not numbers:
            need_tensor(op, other, "other")
        if not floating:
            _need_category(op, least, input, other)
        return binary(op, run, ufunc, input, other, out, true_division=floating)

    op = named(op, name, doc, __name__)
    op = op if kernel is None else shortcut.binary(kernel, numbers=numbers)(op)
    return op


def _need_category(op: Op, least: int, *operands: Operand) -> None:
    common = result_type(*operands)
    if common.category < least:
        raise DTypeError(f"{op.__name__} is not implemented for {common}; convert with .to(...)")


def _whole(name: str, doc: str, ufunc: Callable[..., Any], least: int, numbers: bool = True) -> Op:
    """Return an operator of whole numbers, and of bools where `least` says so."""
    run = by_numpy(ufunc)

    def op(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
        if not numbers:
            need_tensor(op, input), need_tensor(op, other, "other")
        _need_category(op, least, input, other)
        if result_type(input, other).category > 1:
            raise DTypeError(f"{op.__name__} is not implemented for {result_type(input, other)}; convert with .to(...)")
        return binary(op, run, ufunc, input, other, out)

    return named(op, name, doc, __name__)


def _hypot(x: Any, y: Any, out: np.ndarray) -> None:
    # NumPy's goes through the C library, 30 times slower. float32 has room in float64; float64 needs the care.
    single = out.dtype == np.float32 and all(isinstance(v, np.ndarray) and v.flags.c_contiguous for v in (x, y))
    if single and x.shape == y.shape == out.shape and out.flags.c_contiguous:
        sk.hypot(x, y, out)
    else:
        np.hypot(x, y, out=out)


def _xlogy(x: Any, y: Any, out: np.ndarray) -> None:
    result = np.multiply(x, np.log(y))
    np.copyto(out, np.where((np.asarray(x) == 0) & ~np.isnan(y), 0, result), casting="same_kind")


def _xlog1py(x: Any, y: Any, out: np.ndarray) -> None:
    result = np.multiply(x, np.log1p(y))
    np.copyto(out, np.where((np.asarray(x) == 0) & ~np.isnan(y), 0, result), casting="same_kind")


atan2 = function("atan2", "Angle of the point (other, input), from -pi to pi.", np.arctan2, floating=True)
hypot = function("hypot", "`sqrt(input**2 + other**2)`, without overflow on the way.", _hypot)
copysign = function("copysign", "`input` with the sign of `other`.", np.copysign, floating=True, numbers=True)
fmax = function("fmax", "The greater of the two; a number before NaN.", np.fmax, BOOLS)
fmin = function("fmin", "The smaller of the two; a number before NaN.", np.fmin, BOOLS)
nextafter = function("nextafter", "The next number from `input` towards `other`.", np.nextafter)
logaddexp = function("logaddexp", "`log(exp(input) + exp(other))`.", np.logaddexp, REALS, sk.logaddexp)
logaddexp2 = function("logaddexp2", "`log2(2**input + 2**other)`.", np.logaddexp2)
xlogy = function("xlogy", "`input * log(other)`, 0 where `input` is 0.", _xlogy, REALS, sk.xlogy, True, True)
xlog1py = function("xlog1py", "`input * log1p(other)`, 0 where `input` is 0.", _xlog1py, floating=True, numbers=True)
bitwise_xor = _whole("bitwise_xor", "`input ^ other`, bit by bit of integers, `xor` of bools.", np.bitwise_xor, BOOLS)
bitwise_left_shift = _whole("bitwise_left_shift", "`input << other`, of integers.", np.left_shift, NUMBERS)
bitwise_right_shift = _whole("bitwise_right_shift", "`input >> other`, of integers.", np.right_shift, NUMBERS)
gcd = _whole("gcd", "The greatest common divisor, of integers.", np.gcd, NUMBERS, numbers=False)
lcm = _whole("lcm", "The least common multiple, of integers; never negative.", np.lcm, NUMBERS, numbers=False)


@shortcut.binary(qk.fmod_)
def fmod(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The remainder of `input / other` of the sign of `input`, exact.

    Raises ArgumentError on an integer division by zero.
    """
    need_tensor(fmod, input)
    return binary(fmod, real_kernel(qk.fmod_, np.fmod), np.fmod, ew.no_zero(input, other), other, out)


def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 below 0 and at NaN, 1 above, `values` at 0. Raises DTypeError when the dtypes differ."""
    _same_dtype(heaviside, input, values, "values")
    result = np.where(input._array > 0, 1, np.where(input._array == 0, values._array, 0)).astype(input._array.dtype)
    return Tensor(result) if out is None else write_out(heaviside, result, out, input, values)


def _same_dtype(op: Op, input: Tensor, other: Tensor, name: str) -> None:
    if need_tensor(op, input).dtype is not need_tensor(op, other, name).dtype:
        raise DTypeError(
            f"{op.__name__}: input and {name} must have one dtype, but got {input.dtype} and {other.dtype}"
        )


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """True where `|input - other| <= atol + rtol |other|`. Raises DTypeError when the dtypes differ."""
    _same_dtype(isclose, input, other, "other")
    broadcast_shapes(input.shape, other.shape)
    return Tensor(np.asarray(np.isclose(input._array, other._array, rtol, atol, equal_nan)))


def logical_xor(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input != other`, of what is not zero, as bool."""
    need_tensor(logical_xor, input), need_tensor(logical_xor, other, "other")
    kernel = by_numpy(np.logical_xor)
    return binary(logical_xor, kernel, np.logical_xor, input, other, out, result_dtype=dtypes.bool_.numpy)


def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input * 2**other`."""
    need_tensor(ldexp, input), need_tensor(ldexp, other, "other")
    return ew.mul(input, ew.pow(2.0, other), out=out)


def float_power(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input ** exponent` in float64."""
    x, y = (v.to(dtypes.float64) if isinstance(v, Tensor) else float(v) for v in (input, exponent))
    return ew.pow(x, y, out=out)


def rsub(input: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
    """`other - alpha * input`."""
    return ew.sub(other, need_tensor(rsub, input), alpha=alpha)


# Other names of the same functions.
ALIASES: dict[str, Op] = {
    "arctan2": atan2, "absolute": ew.abs, "clip": ew.clamp, "divide": ew.div, "true_divide": ew.div, "greater": ew.gt,
    "greater_equal": ew.ge, "less": ew.lt, "less_equal": ew.le, "multiply": ew.mul, "negative": ew.neg,
    "not_equal": ew.ne, "subtract": ew.sub,
}  # fmt: skip
arctan2, absolute, clip, divide, true_divide, greater = atan2, ew.abs, ew.clamp, ew.div, ew.div, ew.gt
greater_equal, less, less_equal, multiply, negative = ew.ge, ew.lt, ew.le, ew.mul, ew.neg
not_equal, subtract = ew.ne, ew.sub

__all__ = [
    "absolute", "arctan2", "atan2", "bitwise_left_shift", "bitwise_right_shift", "bitwise_xor", "clip", "copysign",
    "divide", "float_power", "fmax", "fmin", "fmod", "gcd", "greater", "greater_equal", "heaviside", "hypot", "isclose",
    "lcm", "ldexp", "less", "less_equal", "logaddexp", "logaddexp2", "logical_xor", "multiply", "negative", "nextafter",
    "not_equal", "rsub", "subtract", "true_divide", "xlogy",
]  # fmt: skip
METHODS = (
    atan2, bitwise_left_shift, bitwise_right_shift, bitwise_xor, copysign, float_power, fmax, fmin, fmod, gcd,
    heaviside, hypot, isclose, lcm, ldexp, logaddexp, logaddexp2, logical_xor, nextafter, xlogy,
)  # fmt: skip
IN_PLACE = (
    atan2, bitwise_left_shift, bitwise_right_shift, bitwise_xor, copysign, float_power, fmod, gcd, heaviside, hypot,
    lcm, ldexp, logical_xor, nextafter, xlogy,
)  # fmt: skip
