"""Functions of one tensor beyond arithmetic: angles, exponentials and logarithms, rounding, signs, tests.

Integers and bools become the default dtype first, but where a function keeps them. What programs spend their time in
has a kernel; the rest is NumPy's.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory, threads
from torsh_ops.autograd import record
from torsh_ops.errors import DTypeError
from torsh_ops.kernels import ternary as tk
from torsh_ops.kernels import unary as uk
from torsh_ops.ops import shortcut
from torsh_ops.ops.dispatch import contiguous_array, need_tensor, unary, write_out
from torsh_ops.ops.forms import Op, by_numpy, named
from torsh_ops.tensor import Tensor


def function(name: str, doc: str, kernel: Any, short: bool = False) -> Op:
    """Return an operator of one tensor; `short` gives it the short way, for which `kernel` must be compiled."""

    def op(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        return unary(op, kernel, input, out)

    op = named(op, name, doc, __name__)
    # What `op` calls itself above is what it is recorded as: the function with the short way.
    op = shortcut.unary(kernel)(op) if short else op
    return op


def _whole(name: str, doc: str, kernel: Any) -> Op:
    """Return an operator that leaves integers as they are."""

    def op(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        if need_tensor(op, input).dtype.category != 1:
            return unary(op, kernel, _not_bool(op, input), out)
        copy = contiguous_array(input).copy()
        return Tensor(copy) if out is None else write_out(op, copy, out, input)

    op = shortcut.unary(kernel)(named(op, name, doc, __name__))
    return op


def _not_bool(op: Op, input: Tensor) -> Tensor:
    if input.dtype is dtypes.bool_:
        raise DTypeError(f"{op.__name__} is not implemented for bool tensors; convert with .to(...)")
    return input


def _test(name: str, doc: str, ufunc: Callable[..., Any]) -> Op:
    """Return an operator whose result is bool."""

    def op(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        result = np.asarray(ufunc(need_tensor(op, input)._array))
        return Tensor(result) if out is None else write_out(op, result, out, input)

    return named(op, name, doc, __name__)


def _scaled(factor: float) -> Callable[..., None]:
    return by_numpy(lambda x, out: np.multiply(x, out.dtype.type(factor), out=out))


sin = function("sin", "Sine; float32 to 2 ulp for any angle.", uk.sin, short=True)
cos = function("cos", "Cosine; float32 to 2 ulp for any angle.", uk.cos, short=True)
tan = function("tan", "Tangent.", by_numpy(np.tan))
asin = function("asin", "Arc sine; NaN outside of -1 to 1.", by_numpy(np.arcsin))
acos = function("acos", "Arc cosine; NaN outside of -1 to 1.", by_numpy(np.arccos))
atan = function("atan", "Arc tangent.", by_numpy(np.arctan))
sinh = function("sinh", "Hyperbolic sine.", by_numpy(np.sinh))
cosh = function("cosh", "Hyperbolic cosine.", by_numpy(np.cosh))
asinh = function("asinh", "Inverse hyperbolic sine.", by_numpy(np.arcsinh))
acosh = function("acosh", "Inverse hyperbolic cosine; NaN below 1.", by_numpy(np.arccosh))
atanh = function("atanh", "Inverse hyperbolic tangent; NaN outside of -1 to 1.", by_numpy(np.arctanh))
sinc = function(
    "sinc", "`sin(pi x) / (pi x)`, 1 at 0.", by_numpy(lambda x, out: np.copyto(out, np.sinc(x), casting="same_kind"))
)
deg2rad = function("deg2rad", "Degrees as radians.", _scaled(math.pi / 180))
rad2deg = function("rad2deg", "Radians as degrees.", _scaled(180 / math.pi))
exp2 = function("exp2", "`2 ** input`; float32 to 2 ulp.", uk.exp2, short=True)
expm1 = function("expm1", "`exp(input) - 1`, right near 0; float32 to 2 ulp.", uk.expm1, short=True)
log1p = function("log1p", "`log(1 + input)`, right near 0; float32 to 2 ulp.", uk.log1p, short=True)
log2 = function("log2", "Logarithm to base 2.", by_numpy(np.log2))
log10 = function("log10", "Logarithm to base 10.", by_numpy(np.log10))
floor = _whole("floor", "The largest whole number not above; integers stay.", uk.floor_)
ceil = _whole("ceil", "The smallest whole number not below; integers stay.", uk.ceil_)
trunc = _whole("trunc", "Without the fraction; integers stay.", uk.trunc_)
_round = _whole("round", "The nearest whole number, of two the even one; integers stay.", uk.round_)
signbit = _test("signbit", "True where the sign is minus, that of -0 included.", np.signbit)
isposinf = _test("isposinf", "True where plus infinity.", np.isposinf)
isneginf = _test("isneginf", "True where minus infinity.", np.isneginf)


@shortcut.unary(uk.frac)
def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The fraction, of the sign of `input`; raises DTypeError on integers and bools."""
    if need_tensor(frac, input).dtype.category < 2:
        raise DTypeError(f"frac is not implemented for {input.dtype}; convert with .to(...)")
    return unary(frac, uk.frac, input, out)


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """The nearest number of `decimals` decimals, of two the even one; integers stay.

    Raises DTypeError on integers with `decimals`.
    """
    if decimals == 0:
        return _round(input, out=out)
    if need_tensor(round, input).dtype.category != 2:
        raise DTypeError(f"round(): decimals={decimals} needs a floating-point tensor, but got {input.dtype}")
    power = 10.0 ** abs(decimals)
    scaled = input * power if decimals > 0 else input / power
    whole = _round(scaled)
    result = whole / power if decimals > 0 else whole * power
    return result if out is None else write_out(round, result._array, out, input)


@shortcut.unary(uk.sign)
def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1, in the dtype of `input`; NaN gives 0."""
    if need_tensor(sign, input).dtype.category >= 2:
        return unary(sign, uk.sign, input, out)
    array = input._array
    result = array.copy() if array.dtype.kind == "b" else np.asarray(np.sign(array))
    return Tensor(result) if out is None else write_out(sign, result, out, input)


def positive(input: Tensor) -> Tensor:
    """`input` itself; raises DTypeError on bool."""
    return _not_bool(positive, need_tensor(positive, input))


def nan_to_num(
    input: Tensor,
    nan: float | None = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with numbers in the places of NaN and infinities: 0 and the largest of its dtype unless given."""
    if need_tensor(nan_to_num, input)._array.dtype.kind != "f":
        copy = input._array.copy()
        return Tensor(copy) if out is None else write_out(nan_to_num, copy, out, input)
    array = contiguous_array(input)
    most = float(np.finfo(array.dtype).max)
    places = (
        0.0 if nan is None else float(nan),
        most if posinf is None else float(posinf),
        -most if neginf is None else float(neginf),
    )
    result = memory.empty_like(array)
    threads.fill(tk.nan_to_num, array, *places, result)
    if out is not None:
        return write_out(nan_to_num, result, out, input)
    return record(nan_to_num, Tensor(result), (input,))


# Other names of the same functions.
ALIASES: dict[str, Op] = {
    "arcsin": asin, "arccos": acos, "arctan": atan, "arcsinh": asinh, "arccosh": acosh, "arctanh": atanh, "fix": trunc,
}  # fmt: skip
arcsin, arccos, arctan = asin, acos, atan
arcsinh, arccosh, arctanh, fix = asinh, acosh, atanh, trunc

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "exp2",
    "expm1",
    "fix",
    "floor",
    "frac",
    "isneginf",
    "isposinf",
    "log1p",
    "log2",
    "log10",
    "nan_to_num",
    "positive",
    "rad2deg",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "tan",
    "trunc",
]  # fmt: skip
METHODS = (
    acos, acosh, asin, asinh, atan, atanh, ceil, cos, cosh, deg2rad, exp2, expm1, floor, frac, isneginf, isposinf,
    log10, log1p, log2, nan_to_num, positive, rad2deg, round, sign, signbit, sin, sinc, sinh, tan, trunc,
)  # fmt: skip
IN_PLACE = (
    acos, acosh, asin, asinh, atan, atanh, ceil, cos, cosh, deg2rad, exp2, expm1, floor, frac, log10, log1p, log2,
    nan_to_num, rad2deg, round, sign, sin, sinc, sinh, tan, trunc,
)  # fmt: skip
