"""Discrete Fourier transforms, `torsh_ops.fft`: complex, real and Hermitian, over one or several dimensions.

`norm` says which direction divides by the number of points n: "backward" (default) the inverse, "forward" the forward
one, "ortho" each by sqrt(n). float32 stays in single precision; integers become the default floating dtype.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.autograd import record
from torsh_ops.errors import ArgumentError, DimError, DTypeError, ShapeError
from torsh_ops.kernels.fft import COMPLEX, FROM_HALF, TO_HALF
from torsh_ops.ops import fft_plan as plan
from torsh_ops.ops.complex import conj
from torsh_ops.ops.creation import finish, float_dtype
from torsh_ops.ops.dispatch import contiguous_array, need_tensor, write_out
from torsh_ops.ops.plan import New, Plan, Planner, planned
from torsh_ops.tensor import Tensor, check_dim, check_dims

Dims = int | Sequence[int] | None
Norm = Literal["backward", "forward", "ortho"]

# What divides by n in the adjoint of a transform: what did in the other direction.
SWAPPED: dict[Norm, Norm] = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _norm(op: Callable[..., Any], norm: Any) -> Norm:
    if norm is None:
        return "backward"
    if norm not in SWAPPED:
        raise ArgumentError(
            f"{op.__name__}(): invalid normalization mode {norm!r}; use 'backward', 'ortho' or 'forward'"
        )
    return norm


def _promoted(op: Callable[..., Any], input: Tensor, real: bool) -> Tensor:
    """Return `input` as a tensor that the transform takes: complex, or floating point where it must be `real`."""
    kind = need_tensor(op, input)._array.dtype.kind
    if real and kind == "c":
        raise DTypeError(f"{op.__name__}() expects a real input tensor, but got {input.dtype}")
    if kind == "c" or (kind == "f" and real):
        return input
    if kind != "f":
        input = input.to(dtypes.get_default_dtype())
    return input if real else input.to(input.dtype.to_complex())


def _one_dim(op: Callable[..., Any], input: Tensor, n: int | None, dim: int) -> int:
    if input.ndim == 0:
        raise DimError(f"{op.__name__}(): dim {dim} specified, but the tensor has no dimensions")
    d = check_dim(dim, input.ndim)
    _positive(op, input.shape[d] if n is None else n)
    return d


def _positive(op: Callable[..., Any], n: int) -> None:
    if n < 1:
        raise ShapeError(f"{op.__name__}(): invalid number of data points ({n}) specified")


def _sizes(op: Callable[..., Any], input: Tensor, s: Any, dim: Dims) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the dimensions of an n-dimensional transform and the number of points in each."""
    dim = tuple(dim) if isinstance(dim, list) else dim
    return _checked_sizes(op, input.shape, tuple(s) if isinstance(s, list) else s, dim)


@lru_cache(maxsize=256)
def _checked_sizes(
    op: Callable[..., Any], shape: tuple[int, ...], s: Any, dim: Any
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    ndim = len(shape)
    given = None if s is None else ((s,) if isinstance(s, int) else s)
    if dim is not None:
        dims = tuple(check_dim(d, ndim) for d in ((dim,) if isinstance(dim, int) else dim))
    else:
        first = 0 if given is None else ndim - len(given)
        if first < 0:
            raise ShapeError(f"{op.__name__}(): got s={given}, but the tensor only has {ndim} dimensions")
        dims = tuple(range(first, ndim))
    if len(set(dims)) != len(dims):
        raise ShapeError(f"{op.__name__}(): FFT dims must be unique, but got {dim}")
    if given is not None and len(given) != len(dims):
        raise ShapeError(f"{op.__name__}(): dim and s must have the same length, but got {dim} and {given}")
    own = tuple(shape[d] for d in dims)
    sizes = own if given is None else tuple(m if n == -1 else n for n, m in zip(given, own, strict=True))
    for n in sizes:
        _positive(op, n)
    return dims, sizes


def resized(input: Tensor, sizes: tuple[int, ...], dims: tuple[int, ...]) -> Tensor:
    """`input` cut to `sizes` in `dims`, or filled up with zeros; itself when it has them."""
    array = input._array
    if all(array.shape[d] == n for d, n in zip(dims, sizes, strict=True)):
        return input
    target = list(array.shape)
    for d, n in zip(dims, sizes, strict=True):
        target[d] = n
    result = memory.empty(tuple(target), array.dtype)
    if any(n > m for n, m in zip(target, array.shape, strict=True)):
        result.fill(0)
    both = tuple(slice(min(n, m)) for n, m in zip(target, array.shape, strict=True))
    result[both] = array[both]
    return record(resized, Tensor(result), (input, sizes, dims))


def c2c(input: Tensor, dims: tuple[int, ...], forward: bool, norm: Norm) -> Tensor:
    """The complex transform over `dims`; unscaled where `norm` names the other direction."""
    result = memory.empty(input.shape, input._array.dtype)
    if not (dims and result.size):
        result[...] = input._array
    elif (scale := plan.complex_scale(result.shape, dims, norm, forward)) is not None:
        plan.transform(contiguous_array(input), result, dims, not forward, scale)
    else:
        transform = np.fft.fftn if forward else np.fft.ifftn
        transform(input._array, axes=dims, norm=norm, out=result)
    tensor = Tensor(result)
    return record(c2c, tensor, (input, dims, forward, norm)) if input.requires_grad else tensor


def r2c(input: Tensor, dim: int, norm: Norm) -> Tensor:
    """The first half of the forward transform of real numbers, n // 2 + 1 of them."""
    shape = list(input.shape)
    shape[dim] = shape[dim] // 2 + 1
    result = memory.empty(tuple(shape), input.dtype.to_complex().numpy)
    n = input.shape[dim]
    if result.size and plan.takes_real(input.ndim, dim, n):
        scale = plan.scale_of(n, norm, True)
        plan.transform_rows(contiguous_array(input), result, TO_HALF, False, scale, n // 2)
    elif result.size:
        np.fft.rfft(input._array, axis=dim, norm=norm, out=result)
    tensor = Tensor(result)
    return record(r2c, tensor, (input, dim, norm)) if input.requires_grad else tensor


def c2r(input: Tensor, dim: int, n: int, norm: Norm) -> Tensor:
    """The inverse transform to `n` real numbers of their first n // 2 + 1 coefficients."""
    shape = list(input.shape)
    shape[dim] = n
    result = memory.empty(tuple(shape), input.dtype.to_real().numpy)
    if result.size and plan.takes_real(input.ndim, dim, n):
        scale = plan.scale_of(n, norm, False)
        plan.transform_rows(contiguous_array(input), result, FROM_HALF, True, scale, n // 2)
    elif result.size:
        np.fft.irfft(input._array, n, axis=dim, norm=norm, out=result)
    return record(c2r, Tensor(result), (input, dim, n, norm))


def _delivered(op: Callable[..., Any], result: Tensor, out: Tensor | None, input: Tensor) -> Tensor:
    return result if out is None else write_out(op, result._array, out, input)


def _complex_1d(op: Any, input: Tensor, n: int | None, dim: int, norm: Any, forward: bool, out: Any) -> Tensor:
    x = _promoted(op, input, real=False)
    d = _one_dim(op, x, n, dim)
    x = resized(x, (x.shape[d] if n is None else n,), (d,))
    return _delivered(op, c2c(x, (d,), forward, _norm(op, norm)), out, input)


def _plan_complex(forward: bool) -> Planner:
    def planner(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Plan | None:
        x = input._array
        if n is not None or x.dtype.kind != "c" or check_dim(dim, x.ndim) != x.ndim - 1:
            return None
        scale = plan.complex_scale(x.shape, (x.ndim - 1,), _norm(fft, norm), forward)
        if scale is None:
            return None
        return plan.rows_at_once(input, New(x.shape, x.dtype), COMPLEX, not forward, scale, x.shape[-1])

    return planner


def _plan_rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Plan | None:
    x = input._array
    size, last = x.shape[-1], x.ndim - 1
    if (
        n is not None
        or x.dtype.kind != "f"
        or check_dim(dim, x.ndim) != last
        or not plan.takes_real(x.ndim, last, size)
    ):
        return None
    out = New((*x.shape[:-1], size // 2 + 1), input.dtype.to_complex().numpy)
    return plan.rows_at_once(input, out, TO_HALF, False, plan.scale_of(size, _norm(rfft, norm), True), size // 2)


def _plan_irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Plan | None:
    x = input._array
    size, last = 2 * (x.shape[-1] - 1) if n is None else n, x.ndim - 1
    fits = x.shape[-1] == size // 2 + 1 and plan.takes_real(x.ndim, last, size)
    if x.dtype.kind != "c" or check_dim(dim, x.ndim) != last or not fits:
        return None
    out = New((*x.shape[:-1], size), input.dtype.to_real().numpy)
    return plan.rows_at_once(input, out, FROM_HALF, True, plan.scale_of(size, _norm(irfft, norm), False), size // 2)


@planned(_plan_complex(True))
def fft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Discrete Fourier transform over `dim`, of `n` points: the input is cut or filled up with zeros to them."""
    return _complex_1d(fft, input, n, dim, norm, True, out)


@planned(_plan_complex(False))
def ifft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Inverse of `fft`."""
    return _complex_1d(ifft, input, n, dim, norm, False, out)


@planned(_plan_rfft)
def rfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fft` of real numbers: the first n // 2 + 1 coefficients, whose conjugates the others are."""
    x = _promoted(rfft, input, real=True)
    d = _one_dim(rfft, x, n, dim)
    x = resized(x, (x.shape[d] if n is None else n,), (d,))
    return _delivered(rfft, r2c(x, d, _norm(rfft, norm)), out, input)


@planned(_plan_irfft)
def irfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Inverse of `rfft`, to `n` real numbers (2 (m - 1) of m coefficients unless given; state an odd n)."""
    x = _promoted(irfft, input, real=False)
    d = _one_dim(irfft, x, 1, dim)
    points = 2 * (x.shape[d] - 1) if n is None else n
    _positive(irfft, points)
    x = resized(x, (points // 2 + 1,), (d,))
    return _delivered(irfft, c2r(x, d, points, _norm(irfft, norm)), out, input)


def hfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fft` of a signal that is Hermitian in time, given by its first half: `n` real numbers."""
    result = irfft(conj(need_tensor(hfft, input)), n, dim, SWAPPED[_norm(hfft, norm)])
    return _delivered(hfft, result, out, input)


def ihfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Inverse of `hfft`: the first half of a Hermitian signal."""
    result = conj(rfft(input, n, dim, SWAPPED[_norm(ihfft, norm)]))
    return _delivered(ihfft, result, out, input)


def _complex_nd(op: Any, input: Tensor, s: Any, dim: Dims, norm: Any, forward: bool, out: Any) -> Tensor:
    x = _promoted(op, input, real=False)
    dims, sizes = _sizes(op, x, s, dim)
    return _delivered(op, c2c(resized(x, sizes, dims), dims, forward, _norm(op, norm)), out, input)


def fftn(
    input: Tensor, s: Any = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fft` over several dimensions, all unless `dim` or `s` says which; `s` gives the points in each (-1: its own)."""
    return _complex_nd(fftn, input, s, dim, norm, True, out)


def ifftn(
    input: Tensor, s: Any = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Inverse of `fftn`."""
    return _complex_nd(ifftn, input, s, dim, norm, False, out)


def rfftn(
    input: Tensor, s: Any = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`fftn` of real numbers: half of the last dimension."""
    x = _promoted(rfftn, input, real=True)
    dims, sizes = _sizes(rfftn, x, s, dim)
    if not dims:
        raise ShapeError("rfftn must transform at least one dimension")
    mode = _norm(rfftn, norm)
    half = r2c(resized(x, sizes, dims), dims[-1], mode)
    return _delivered(rfftn, c2c(half, dims[:-1], True, mode) if dims[:-1] else half, out, input)


def irfftn(
    input: Tensor, s: Any = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Inverse of `rfftn`; the last of `s` is the number of real points, 2 (m - 1) unless given."""
    x = _promoted(irfftn, input, real=False)
    dims, sizes = _sizes(irfftn, x, s, dim)
    if not dims:
        raise ShapeError("irfftn must transform at least one dimension")
    last = sizes[-1]
    if s is None or (s if isinstance(s, int) else s[-1]) == -1:
        last = 2 * (last - 1)
    _positive(irfftn, last)
    mode = _norm(irfftn, norm)
    x = resized(x, (*sizes[:-1], last // 2 + 1), dims)
    x = c2c(x, dims[:-1], False, mode) if dims[:-1] else x
    return _delivered(irfftn, c2r(x, dims[-1], last, mode), out, input)


def hfftn(
    input: Tensor, s: Any = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`hfft` over several dimensions; half of the last one is given."""
    result = irfftn(conj(need_tensor(hfftn, input)), s, dim, SWAPPED[_norm(hfftn, norm)])
    return _delivered(hfftn, result, out, input)


def ihfftn(
    input: Tensor, s: Any = None, dim: Dims = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Inverse of `hfftn`."""
    return _delivered(ihfftn, conj(rfftn(input, s, dim, SWAPPED[_norm(ihfftn, norm)])), out, input)


def _plan_two(forward: bool) -> Planner:
    def planner(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Plan | None:
        x = input._array
        if s is not None or x.dtype.kind != "c" or check_dims(dim, x.ndim) != (x.ndim - 2, x.ndim - 1):
            return None
        scale = plan.complex_scale(x.shape, (x.ndim - 2, x.ndim - 1), _norm(fftn, norm), forward)
        return None if scale is None else plan.planes_at_once(input, New(x.shape, x.dtype), not forward, scale)

    return planner


def _over_two(op: Callable[..., Tensor], inverse: str) -> Callable[..., Tensor]:
    def two(
        input: Tensor, s: Any = None, dim: Dims = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
    ) -> Tensor:
        return op(input, s, dim, norm, out=out)

    two.__name__ = two.__qualname__ = inverse
    two.__doc__ = f"`{op.__name__}` over the last two dimensions unless `dim` names others."
    return planned(_plan_two(op is fftn))(two) if op in (fftn, ifftn) else two


fft2 = _over_two(fftn, "fft2")
ifft2 = _over_two(ifftn, "ifft2")
rfft2 = _over_two(rfftn, "rfft2")
irfft2 = _over_two(irfftn, "irfft2")
hfft2 = _over_two(hfftn, "hfft2")
ihfft2 = _over_two(ihfftn, "ihfft2")


def _frequencies(n: int, d: float, numbers: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    if n < 1:
        raise ShapeError(f"the number of points must be positive, but got {n}")
    return finish((numbers / (n * d)).astype(float_dtype(dtype)), device, requires_grad)


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Frequencies, in cycles per unit of the sample spacing `d`, of the n coefficients of `fft`."""
    numbers = np.concatenate((np.arange((n + 1) // 2), np.arange(-(n // 2), 0)))
    return _frequencies(n, d, numbers, dtype, device, requires_grad)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Frequencies of the n // 2 + 1 coefficients of `rfft`."""
    return _frequencies(n, d, np.arange(n // 2 + 1), dtype, device, requires_grad)


def rolled(input: Tensor, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Tensor:
    """`input` with its elements moved on by `shifts` along `dims`, those at the end coming back at the start."""
    return record(rolled, Tensor(np.roll(input._array, shifts, dims)), (input, shifts, dims))


def _shift(op: Callable[..., Any], input: Tensor, dim: Dims, sign: int) -> Tensor:
    ndim = need_tensor(op, input).ndim
    given = range(ndim) if dim is None else ((dim,) if isinstance(dim, int) else dim)
    dims = tuple(check_dim(d, ndim) for d in given)
    shifts = tuple(input.shape[d] // 2 if sign > 0 else -(input.shape[d] // 2) for d in dims)
    return rolled(input, shifts, dims)


def fftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """Move frequency 0 to the middle of `dim` (all dimensions unless given)."""
    return _shift(fftshift, input, dim, 1)


def ifftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """Inverse of `fftshift`."""
    return _shift(ifftshift, input, dim, -1)


__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip
