"""Gradients of the Fourier transforms and of framing: each is linear, so its gradient is its adjoint."""

import numpy as np

from torsh_ops import autograd
from torsh_ops.autograd import define_grad
from torsh_ops.ops import fft, signal
from torsh_ops.tensor import Tensor


def _weights(g: Tensor, dim: int, n: int, interior: float) -> Tensor:
    """`interior` for the coefficients that stand for two of `n`, 1 for the others, along `dim`."""
    weights = np.full(n // 2 + 1, interior, g.dtype.to_real().numpy)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    shape = [1] * g.ndim
    shape[dim] = weights.size
    return Tensor(weights.reshape(shape))


def _r2c_grad(g: Tensor, x: Tensor, dim: int, norm: fft.Norm) -> Tensor:
    n = x.shape[dim]
    return fft.c2r(g * _weights(g, dim, n, 0.5), dim, n, fft.SWAPPED[norm])


def _c2r_grad(g: Tensor, _z: Tensor, dim: int, n: int, norm: fft.Norm) -> Tensor:
    half = fft.r2c(g, dim, fft.SWAPPED[norm])
    return half * _weights(half, dim, n, 2.0)


define_grad(fft.resized, lambda g, x, _sizes, dims: fft.resized(g, tuple(x.shape[d] for d in dims), dims))
define_grad(fft.c2c, lambda g, _z, dims, forward, norm: fft.c2c(g, dims, not forward, fft.SWAPPED[norm]))
define_grad(fft.r2c, _r2c_grad)
define_grad(fft.c2r, _c2r_grad)
define_grad(fft.rolled, lambda g, _x, shifts, dims: fft.rolled(g, tuple(-s for s in shifts), dims))

autograd.COMPLEX.update(("resized", "c2c", "r2c", "c2r", "rolled"))


def _framed_window_grad(g: Tensor, x: Tensor, _window: Tensor, size: int, hop: int, pad: int, mode: str) -> Tensor:
    return (g * signal.framed(x, None, size, hop, pad, mode).conj()).sum(tuple(range(x.ndim)))


def _framed_grad(g: Tensor, x: Tensor, window: Tensor | None, _size: int, hop: int, pad: int, mode: str) -> Tensor:
    return signal.overlapped(g if window is None else g * window.conj(), x.shape[-1], hop, pad, mode)


define_grad(signal.framed, _framed_grad, _framed_window_grad)
define_grad(
    signal.overlapped,
    lambda g, x, _length, hop, pad, mode: signal.framed(g, None, x.shape[-1], hop, pad, mode),
)

autograd.COMPLEX.update(("framed", "overlapped"))
