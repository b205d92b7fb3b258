"""Element-wise operators. Operands broadcast and promote as in PyTorch; `out=` writes into an existing tensor."""

from typing import Any

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.autograd import record
from torsh_ops.dtypes import as_dtype, dtype
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.kernels import binary as bk
from torsh_ops.kernels import quotient as qk
from torsh_ops.kernels import unary as uk
from torsh_ops.kernels.power import power
from torsh_ops.ops import shortcut
from torsh_ops.ops.complex import absolute
from torsh_ops.ops.dispatch import (
    Operand,
    binary,
    broadcast_shapes,
    castable,
    copy_into,
    larger_operand,
    need_tensor,
    result_type,
    unary,
    write_out,
)
from torsh_ops.ops.forms import by_numpy, real_kernel
from torsh_ops.ops.in_place import change, must_record
from torsh_ops.ops.places import written
from torsh_ops.ops.plan import New, Plan, Step, flat, planned
from torsh_ops.ops.ternary import clamp as clamp
from torsh_ops.ops.ternary import where as where
from torsh_ops.tensor import Tensor
from torsh_ops.tensor import device as make_device

_BOOL, _FLOAT32 = np.dtype(bool), np.dtype(np.float32)


@shortcut.binary(bk.add)
def add(input: Operand, other: Operand, *, alpha: float = 1, out: Tensor | None = None) -> Tensor:
    """`input + alpha * other`."""
    return binary(add, bk.add, np.add, input, other if alpha == 1 else mul(other, alpha), out)


@shortcut.binary(bk.sub)
def sub(input: Operand, other: Operand, *, alpha: float = 1, out: Tensor | None = None) -> Tensor:
    """`input - alpha * other`; raises DTypeError on bool operands."""
    if _any_bool(input, other):
        raise DTypeError("subtraction, the `-` operator, with a bool tensor is not supported; use `~` or logical_not()")
    return binary(sub, bk.sub, np.subtract, input, other if alpha == 1 else mul(other, alpha), out)


def _any_bool(*operands: Operand) -> bool:
    return any(x._array.dtype is _BOOL if isinstance(x, Tensor) else isinstance(x, bool) for x in operands)


@shortcut.binary(bk.mul)
def mul(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input * other`."""
    return binary(mul, bk.mul, np.multiply, input, other, out)


@shortcut.binary(bk.div)
def div(input: Operand, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """`input / other`, of integers in the default floating dtype; rounding_mode "floor" or "trunc" keeps them."""
    if rounding_mode is None:
        return binary(div, bk.div, np.true_divide, input, other, out, true_division=True)
    if rounding_mode == "floor":
        return floor_divide(input, other, out=out)
    if rounding_mode == "trunc":
        return binary(div, by_numpy(_trunc_divide), _trunc_divide, no_zero(input, other), other, out)
    raise ArgumentError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor', but got {rounding_mode!r}")


def _trunc_divide(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    if out.dtype.kind == "f":
        np.trunc(np.true_divide(a, b), out=out)
    else:
        np.subtract(a, np.fmod(a, b), out=out)
        np.floor_divide(out, b, out=out)


def no_zero(input: Operand, other: Operand) -> Operand:
    """Return `input`, or raise where PyTorch does: bools, and an integer division by zero."""
    common = result_type(input, other)
    if common is dtypes.bool_:
        raise DTypeError("rounded division and remainder are not implemented for bool tensors; convert with .to(...)")
    nothing = isinstance(input, Tensor) and input.numel() == 0
    if common.category == 1 and not nothing and not np.all(other._array if isinstance(other, Tensor) else other):
        raise ArgumentError("ZeroDivisionError: an integer tensor is divided by zero")
    return input


@shortcut.binary(qk.floor_divide)
def floor_divide(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input // other`, rounded towards minus infinity; raises ArgumentError on an integer division by zero."""
    kernel = real_kernel(qk.floor_divide, np.floor_divide)
    return binary(floor_divide, kernel, np.floor_divide, no_zero(input, other), other, out)


@shortcut.binary(qk.remainder)
def remainder(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input % other` with the sign of `other`; raises ArgumentError on an integer division by zero."""
    return binary(remainder, real_kernel(qk.remainder, np.remainder), np.remainder, no_zero(input, other), other, out)


def _plan_pow(input: Operand, exponent: Operand) -> Plan | None:
    """float32, where it takes less time than NumPy's, and the powers that have a kernel of their own."""
    x = input._array if isinstance(input, Tensor) else None
    y = exponent._array if isinstance(exponent, Tensor) else None
    like = larger_operand(input if x is None else x, exponent if y is None else y)
    number = y is None and not isinstance(exponent, bool)
    if like is None or like.dtype is not _FLOAT32 or not 0 < like.size < (_OWN_POWER if y is not None else 1 << 17):
        return None
    out = New(like.shape, like.dtype)
    if number and exponent in _KERNELS:
        return Plan(out, [Step(_KERNELS[exponent], flat(input), flat(out))], recorded=0)
    operands = (flat(v) if isinstance(v, Tensor) else float(v) for v in (input, exponent))
    return Plan(out, [Step(power, *operands, flat(out))], recorded=2)


@planned(_plan_pow)
def pow(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input ** exponent`; raises ArgumentError on integers to a negative integer power."""
    if isinstance(input, Tensor) and input.is_floating_point():
        if not isinstance(exponent, Tensor) and exponent in _POWERS:
            op = _POWERS[exponent]
            return op(input) if out is None else op(input, out=out)
        return binary(pow, _power, np.power, input, exponent, out)
    common = result_type(input, exponent)
    if common is dtypes.bool_:
        raise DTypeError("pow is not implemented for bool tensors; convert them with .to(...)")
    if common.category == 1 and np.any((exponent._array if isinstance(exponent, Tensor) else exponent) < 0):
        raise ArgumentError("Integers to negative integer powers are not allowed.")
    return binary(pow, _power, np.power, input, exponent, out)


# NumPy's power: its vector code takes 51 us for 64 Ki elements of two arrays, the kernel 81. Called on 256, it takes
# 0.6 us and the kernel 0.3.
_power = by_numpy(np.power)
_OWN_POWER = 1024


@shortcut.binary(bk.maximum_, numbers=False)
def maximum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The greater of the two; NaN where either is."""
    return binary(maximum, bk.maximum_, np.maximum, need_tensor(maximum, input), need_tensor(maximum, other), out)


@shortcut.binary(bk.minimum_, numbers=False)
def minimum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of the two; NaN where either is."""
    return binary(minimum, bk.minimum_, np.minimum, need_tensor(minimum, input), need_tensor(minimum, other), out)


@shortcut.binary(bk.eq, to_bool=True)
def eq(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input == other` as bool."""
    return binary(eq, bk.eq, np.equal, input, other, out, result_dtype=_BOOL)


@shortcut.binary(bk.ne, to_bool=True)
def ne(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input != other` as bool."""
    return binary(ne, bk.ne, np.not_equal, input, other, out, result_dtype=_BOOL)


@shortcut.binary(bk.lt, to_bool=True)
def lt(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input < other` as bool."""
    return binary(lt, bk.lt, np.less, input, other, out, result_dtype=_BOOL)


@shortcut.binary(bk.le, to_bool=True)
def le(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input <= other` as bool."""
    return binary(le, bk.le, np.less_equal, input, other, out, result_dtype=_BOOL)


@shortcut.binary(bk.gt, to_bool=True)
def gt(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input > other` as bool."""
    return binary(gt, bk.gt, np.greater, input, other, out, result_dtype=_BOOL)


@shortcut.binary(bk.ge, to_bool=True)
def ge(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input >= other` as bool."""
    return binary(ge, bk.ge, np.greater_equal, input, other, out, result_dtype=_BOOL)


def logical_and(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input and other`, of what is not zero, as bool."""
    return binary(logical_and, by_numpy(np.logical_and), np.logical_and, input, other, out, result_dtype=_BOOL)


def logical_or(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input or other`, of what is not zero, as bool."""
    return binary(logical_or, by_numpy(np.logical_or), np.logical_or, input, other, out, result_dtype=_BOOL)


def bitwise_and(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input & other`, bit by bit of integers, `and` of bools."""
    _need_whole(bitwise_and, input, other)
    return binary(bitwise_and, by_numpy(np.bitwise_and), np.bitwise_and, input, other, out)


def bitwise_or(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input | other`, bit by bit of integers, `or` of bools."""
    _need_whole(bitwise_or, input, other)
    return binary(bitwise_or, by_numpy(np.bitwise_or), np.bitwise_or, input, other, out)


def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`~input`, bit by bit of integers, `not` of bools."""
    _need_whole(bitwise_not, need_tensor(bitwise_not, input))
    result = np.asarray(np.bitwise_not(input._array))
    return Tensor(result) if out is None else write_out(bitwise_not, result, out, input)


def _need_whole(op: Any, *operands: Operand) -> None:
    if result_type(*operands).category > 1:
        raise DTypeError(f"{op.__name__} is not implemented for {result_type(*operands)}; convert with .to(...)")


def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`not input`, of what is not zero, as bool."""
    result = np.asarray(np.logical_not(need_tensor(logical_not, input)._array))
    return Tensor(result) if out is None else write_out(logical_not, result, out, input)


@shortcut.unary(uk.neg)
def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`-input`; raises DTypeError on bool."""
    if need_tensor(neg, input)._array.dtype is _BOOL:
        raise DTypeError("negation, the `-` operator, on a bool tensor is not supported; use logical_not")
    if not input.is_floating_point() and not input.is_complex():
        return binary(neg, bk.sub, np.subtract, 0, input, out)
    return unary(neg, uk.neg, input, out)


@shortcut.unary(uk.absolute)
def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`|input|`."""
    if need_tensor(abs, input).is_complex():
        return absolute(input, out=out)
    if not input.is_floating_point():
        return maximum(input, neg(input), out=out)
    return unary(abs, uk.absolute, input, out)


@shortcut.unary(uk.exp)
def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`e ** input`; float32 to 1.5 ulp."""
    return unary(exp, uk.exp, input, out)


@shortcut.unary(uk.log)
def log(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Natural logarithm; float32 to 1.03 ulp."""
    return unary(log, uk.log, input, out)


@shortcut.unary(uk.sqrt)
def sqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Square root."""
    return unary(sqrt, uk.sqrt, input, out)


@shortcut.unary(uk.rsqrt)
def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`1 / sqrt(input)`."""
    return unary(rsqrt, uk.rsqrt, input, out)


@shortcut.unary(uk.reciprocal)
def reciprocal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`1 / input`."""
    if need_tensor(reciprocal, input).is_complex():
        return div(1.0, input, out=out)
    return unary(reciprocal, uk.reciprocal, input, out)


@shortcut.unary(uk.square)
def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input ** 2`; integers stay."""
    if not need_tensor(square, input).is_floating_point():
        return mul(input, input, out=out)
    return unary(square, uk.square, input, out)


# Exponents that are operators of their own, without a logarithm.
_POWERS: dict[Any, Any] = {2: square, -1: reciprocal, 0.5: sqrt, -0.5: rsqrt}
_KERNELS: dict[Any, Any] = {2: uk.square, -1: uk.reciprocal, 0.5: uk.sqrt, -0.5: uk.rsqrt}


@shortcut.unary(uk.tanh)
def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic tangent."""
    return unary(tanh, uk.tanh, input, out)


@shortcut.unary(uk.sigmoid)
def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`1 / (1 + exp(-input))`."""
    return unary(sigmoid, uk.sigmoid, input, out)


@shortcut.unary(uk.erf)
def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Error function."""
    return unary(erf, uk.erf, input, out)


@shortcut.unary(uk.relu)
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """`max(input, 0)`; NaN stays."""
    if not need_tensor(relu, input).is_floating_point():
        return clamp(input, min=0)
    if inplace and must_record(input):
        return change(input, relu)
    return unary(relu, uk.relu, input, input if inplace else None)


def relu_(input: Tensor) -> Tensor:
    """Do `relu` in place and return the tensor."""
    return relu(input, inplace=True)


@shortcut.unary(uk.silu)
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * sigmoid(input)`. Elfwing et al. 2017."""
    if inplace and must_record(input):
        return change(input, silu)
    return unary(silu, uk.silu, input, input if inplace else None)


@shortcut.unary(uk.gelu)
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """`input * Phi(input)`, the exact form with erf, or the tanh form. Hendrycks and Gimpel 2016.

    Raises ArgumentError when `approximate` is neither "none" nor "tanh".
    """
    if approximate == "none":
        return unary(gelu, uk.gelu, input)
    if approximate == "tanh":
        return unary(gelu_tanh, uk.gelu_tanh, input)
    raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh', but got {approximate!r}")


@shortcut.unary(uk.gelu_tanh)
def gelu_tanh(input: Tensor) -> Tensor:
    """`gelu` in its tanh form."""
    return gelu(input, "tanh")


def isnan(input: Tensor) -> Tensor:
    """True where NaN."""
    return Tensor(np.asarray(np.isnan(need_tensor(isnan, input)._array)))


def isinf(input: Tensor) -> Tensor:
    """True where plus or minus infinity."""
    return Tensor(np.asarray(np.isinf(need_tensor(isinf, input)._array)))


def isfinite(input: Tensor) -> Tensor:
    """True where neither NaN nor infinite."""
    return Tensor(np.asarray(np.isfinite(need_tensor(isfinite, input)._array)))


def clone(input: Tensor) -> Tensor:
    """A contiguous copy; gradients flow through it."""
    array = need_tensor(clone, input)._array
    copy = memory.empty(array.shape, array.dtype)
    copy_into(copy, array)
    return record(clone, Tensor(copy), (input,))


def to(input: Tensor, dtype: dtype | Any = None, device: Any = None, *, copy: bool = False) -> Tensor:
    """`input` in another dtype; itself when it already is and no copy is asked for."""
    if isinstance(dtype, (str, make_device)):
        dtype, device = None, dtype
    if device is not None:
        make_device(device)
    wanted = need_tensor(to, input).dtype if dtype is None else as_dtype(dtype)
    if wanted is input.dtype and not copy:
        return input
    result = memory.empty(input.shape, wanted.numpy)
    copy_into(result, input._array)
    return record(to, Tensor(result), (input,))


def copy_(self: Tensor, src: Tensor) -> Tensor:
    """Copy `src`, broadcast and cast, into this tensor."""
    if broadcast_shapes(self.shape, need_tensor(copy_, src, "src").shape) != self.shape:
        raise ShapeError(f"copy_(): a source of shape {src.shape} does not fit into shape {self.shape}")
    if must_record(self, src):
        return change(self, lambda before: written(before, (Ellipsis,), src))
    with np.errstate(all="ignore"):
        np.copyto(self._array, castable(src._array, self._array), casting="unsafe")
    self._bump()
    return self


def fill_(self: Tensor, value: Operand) -> Tensor:
    """Set every element to `value`."""
    number = value.item() if isinstance(value, Tensor) else value
    if must_record(self, value):
        return change(self, lambda before: written(before, (Ellipsis,), value))
    self._array[...] = number
    self._bump()
    return self


def zero_(self: Tensor) -> Tensor:
    """Set every element to 0."""
    return fill_(self, 0)


def float_(self: Tensor) -> Tensor:
    """The tensor as float32."""
    return to(self, dtypes.float32)


def double_(self: Tensor) -> Tensor:
    """The tensor as float64."""
    return to(self, dtypes.float64)


def long_(self: Tensor) -> Tensor:
    """The tensor as int64."""
    return to(self, dtypes.int64)


def int_(self: Tensor) -> Tensor:
    """The tensor as int32."""
    return to(self, dtypes.int32)


def bool_(self: Tensor) -> Tensor:
    """The tensor as bool: what is not zero."""
    return to(self, dtypes.bool_)


__all__ = [
    "abs", "add", "bitwise_and", "bitwise_not", "bitwise_or", "clone", "div", "eq", "erf", "exp",
    "floor_divide", "ge", "gt", "isfinite", "isinf", "isnan", "le", "log", "logical_and", "logical_not", "logical_or",
    "lt", "maximum", "minimum", "mul", "ne", "neg", "pow", "reciprocal", "relu", "relu_", "remainder", "rsqrt",
    "sigmoid", "sqrt", "square", "sub", "tanh",
]  # fmt: skip
METHODS = (
    abs, add, bitwise_and, bitwise_not, bitwise_or, clone, copy_, div, eq, erf, exp, fill_, floor_divide, ge, gt,
    isfinite, isinf, isnan, le, log, logical_and, logical_not, logical_or, lt, maximum, minimum, mul, ne, neg, pow,
    reciprocal, relu, relu_, remainder, rsqrt, sigmoid, sqrt, square, sub, tanh, to, zero_,
)  # fmt: skip
IN_PLACE = (
    abs, add, bitwise_and, bitwise_not, bitwise_or, div, eq, erf, exp, floor_divide, ge, gt, le, log, logical_and,
    logical_not, logical_or, lt, mul, ne, neg, pow, reciprocal, remainder, rsqrt, sigmoid, sqrt, square, sub, tanh,
)  # fmt: skip
