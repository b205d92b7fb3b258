"""Gradients of complex numbers, by PyTorch's convention: the conjugate Wirtinger derivative, `g * conj(f'(x))`.

A rule written for real numbers holds for complex ones where it moves elements or conjugates what it multiplies by.
`COMPLEX` names the operators whose rules do; backward() through any other raises GradError.
"""

from torsh_ops import autograd
from torsh_ops.autograd import define_grad
from torsh_ops.ops import complex as cx
from torsh_ops.ops import elementwise as ew
from torsh_ops.tensor import Tensor


def _turned(g: Tensor, z: Tensor) -> Tensor:
    """`g` times i, over the conjugate of `z`: how the angle of `z` moves it."""
    return g * (1j / z.conj())


def _angle_grad(g: Tensor, z: Tensor) -> Tensor:
    zero = ew.eq(z, 0)
    if not z.is_complex():
        return ew.where(ew.eq(z, z), 0.0, z)
    return ew.where(zero, 0.0, _turned(g, ew.where(zero, 1.0, z)))


def _sgn_grad(g: Tensor, z: Tensor) -> Tensor:
    if not z.is_complex():
        return g * 0.0
    zero = ew.eq(z, 0)
    safe = ew.where(zero, 1.0, z)
    unit = cx.sgn(safe)
    across = (g - unit * (g * unit.conj()).real) / cx.absolute(safe)
    return ew.where(zero, 0.0, across)


def _with_no_imag(part: Tensor) -> Tensor:
    return cx.complex(part, part * 0.0)


define_grad(cx.real, lambda g, _z: _with_no_imag(g))
define_grad(cx.imag, lambda g, _z: _with_no_imag(g) * 1j)
define_grad(cx.conj, lambda g, _z: cx.conj(g))
define_grad(cx.complex, lambda g, _x, _y: cx.real(g), lambda g, _x, _y: cx.imag(g))
define_grad(
    cx.polar,
    lambda g, length, angle: cx.real(g * cx.polar(ew.mul(length, 0.0) + 1.0, -angle)),
    lambda g, length, angle: cx.imag(g * cx.polar(length, -angle)),
)
define_grad(cx.view_as_real, lambda g, _z: cx.view_as_complex(g.contiguous()))
define_grad(cx.view_as_complex, lambda g, _x: cx.view_as_real(g))
define_grad(cx.absolute, lambda g, z: g * cx.sgn(z))
define_grad(cx.angle, _angle_grad)
define_grad(cx.sgn, _sgn_grad)

autograd.COMPLEX.update(
    # Of complex numbers, above.
    ("real", "imag", "conj", "complex", "polar", "view_as_real", "view_as_complex", "absolute", "angle", "sgn"),
    # Arithmetic.
    ("add", "sub", "mul", "div", "neg", "where", "clone", "to", "exp", "log", "sum", "mean"),
    # Elements that move.
    ("reshape", "permute", "expand", "slice_view", "put_at", "cat"),
)
