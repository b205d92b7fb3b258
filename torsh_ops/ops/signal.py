"""Signals in time and frequency: the short-time Fourier transform and its inverse."""

import warnings
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.autograd import is_grad_enabled, record
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import fft as ft
from torsh_ops.ops import fft_plan as plan
from torsh_ops.ops.complex import view_as_real
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.tensor import Tensor

# Frames: what a window slides over, and its adjoint, which adds the frames up again.

_PAD_MODES = ("reflect", "constant", "replicate", "circular")


def _padded(array: np.ndarray, pad: int, mode: str) -> np.ndarray:
    if pad == 0:
        return array
    n = array.shape[-1]
    result = np.empty((*array.shape[:-1], n + 2 * pad), array.dtype)
    result[..., pad : pad + n] = array
    left, right = result[..., :pad], result[..., pad + n :]
    if mode == "reflect":
        left[...], right[...] = array[..., pad:0:-1], array[..., -2 : -pad - 2 : -1]
    elif mode == "circular":
        left[...], right[...] = array[..., -pad:], array[..., :pad]
    elif mode == "replicate":
        left[...], right[...] = array[..., :1], array[..., -1:]
    else:
        left[...], right[...] = 0, 0
    return result


def _unpadded(array: np.ndarray, pad: int, mode: str) -> np.ndarray:
    """Add what was padded to where it came from: the adjoint of `_padded`."""
    if pad == 0:
        return array
    inside, left, right = array[..., pad:-pad].copy(), array[..., :pad], array[..., -pad:]
    if mode == "reflect":
        inside[..., pad:0:-1] += left
        inside[..., -2 : -pad - 2 : -1] += right
    elif mode == "circular":
        inside[..., -pad:] += left
        inside[..., :pad] += right
    elif mode == "replicate":
        inside[..., 0] += left.sum(-1)
        inside[..., -1] += right.sum(-1)
    return inside


def framed(input: Tensor, window: Tensor | None, size: int, hop: int, pad: int, mode: str) -> Tensor:
    """Pieces of `size`, `hop` apart, of the last dimension padded by `pad` at both ends, times `window`."""
    padded = np.ascontiguousarray(_padded(input._array, pad, mode))
    count = 1 + (padded.shape[-1] - size) // hop
    step = padded.strides[-1]
    strides = (*padded.strides[:-1], hop * step, step)
    pieces = np.ndarray((*padded.shape[:-1], count, size), padded.dtype, padded, 0, strides)
    own = pieces.dtype
    if window is not None and window._array.dtype is not own:
        own = np.result_type(pieces, window._array)
    result = memory.empty(pieces.shape, dtypes.OF_NUMPY[own].numpy)
    if window is None:
        result[...] = pieces
    else:
        np.multiply(pieces, window._array, out=result)
    return record(framed, Tensor(result), (input, window, size, hop, pad, mode))


def overlapped(frames: Tensor, length: int, hop: int, pad: int, mode: str) -> Tensor:
    """The sum of frames `hop` apart, `length` elements after the padding at both ends is folded back."""
    array = frames._array
    count, size = array.shape[-2:]
    parts = -(-size // hop)
    # Cut into pieces of `hop`, the frames' k-th pieces lie one after the other: one addition for each k.
    total = max(length + 2 * pad, (count + parts) * hop)
    result = np.zeros((*array.shape[:-2], -(-total // hop), hop), array.dtype)
    for k in range(parts):
        piece = array[..., k * hop : (k + 1) * hop]
        result[..., k : k + count, : piece.shape[-1]] += piece
    flat = result.reshape(*array.shape[:-2], -1)[..., : length + 2 * pad]
    return record(overlapped, Tensor(_unpadded(flat, pad, mode)), (frames, length, hop, pad, mode))


# The short-time Fourier transform


def _frame_window(op: Any, window: Tensor | None, win_length: int, n_fft: int, like: Tensor) -> Tensor | None:
    """Return the window in the middle of `n_fft` places; None for ones everywhere."""
    if window is None:
        if win_length == n_fft:
            return None
        window = Tensor(np.ones(win_length, like.dtype.to_real().numpy))
    if need_tensor(op, window, "window").shape != (win_length,):
        raise ShapeError(
            f"{op.__name__}: expected a 1D window tensor of size equal to win_length={win_length}, "
            f"but got window with size {window.shape}"
        )
    left = (n_fft - win_length) // 2
    return window if win_length == n_fft else _placed(window, left, n_fft)


def _placed(window: Tensor, left: int, size: int) -> Tensor:
    """`window` with zeros around it: moved to its place among `size` by a turn."""
    return ft.rolled(ft.resized(window, (size,), (0,)), (left,), (0,))


def _check_steps(op: Any, input: Tensor, n_fft: int, hop: int, win_length: int) -> None:
    if hop < 1:
        raise ShapeError(f"{op.__name__}({input.shape}): expected hop_length > 0, but got {hop}")
    if not 0 < win_length <= n_fft:
        raise ShapeError(
            f"{op.__name__}({input.shape}): expected 0 < win_length <= n_fft={n_fft}, but got {win_length}"
        )


def _spectra(
    input: Tensor, window: Tensor | None, size: int, hop: int, pad: int, mode: str, normalized: bool
) -> Tensor | None:
    """Half the spectra of real frames, (…, frames, frequencies), in one pass; None where they are not for that."""
    array = input._array
    taken = window is not None and window._array.dtype is array.dtype and plan.takes_real(1, 0, size)
    if not taken or window is None or (is_grad_enabled() and (input.requires_grad or window.requires_grad)):
        return None
    padded = np.ascontiguousarray(_padded(array, pad, mode))
    count = 1 + (padded.shape[-1] - size) // hop
    result = memory.empty((*padded.shape[:-1], count, size // 2 + 1), input.dtype.to_complex().numpy)
    weights, scale = contiguous_array(window), plan.scale_of(size, "ortho" if normalized else "backward", True)
    if array.ndim == 1:
        plan.frames(padded, hop, weights, result, scale)
    else:
        for row, into in zip(padded, result, strict=True):
            plan.frames(row, hop, weights, into, scale)
    return Tensor(result)


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
) -> Tensor:
    """Short-time Fourier transform of a signal (time) or (batch, time): (…, frequencies, frames).

    Frame t is centred at `t * hop_length` (n_fft // 4 unless given) when `center`, which pads both ends by n_fft // 2,
    else begins there. `normalized` divides by sqrt(n_fft); `onesided` (default for real signals) gives n_fft // 2 + 1
    frequencies. With ``return_complex=False`` a last dimension of real and imaginary part comes in place of complex
    numbers. Raises ShapeError on sizes that do not fit.
    """
    if need_tensor(stft, input).ndim not in (1, 2):
        raise ShapeError(f"stft: expected a 1D or 2D tensor, but got shape {input.shape}")
    if input._array.dtype.kind not in "fc":
        raise DTypeError(f"stft: expected a tensor of floating point or complex values, but got {input.dtype}")
    complex_input = input.is_complex() or (window is not None and window.is_complex())
    if return_complex is None and not complex_input:
        raise ArgumentError("stft requires the return_complex parameter be given for real inputs: use True")
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if pad_mode not in _PAD_MODES:
        raise ArgumentError(f"stft: pad_mode must be one of {_PAD_MODES}, but got {pad_mode!r}")
    pad = n_fft // 2 if center else 0
    length = input.shape[-1]
    if pad_mode in ("reflect", "circular") and pad >= length + (pad_mode == "circular"):
        raise ShapeError(
            f"stft: {pad_mode} padding of {pad} at each end needs a longer signal than shape {input.shape}"
        )
    if not 0 < n_fft <= length + 2 * pad:
        raise ShapeError(f"stft({input.shape}): expected 0 < n_fft <= {length + 2 * pad}, but got {n_fft}")
    _check_steps(stft, input, n_fft, hop, width)
    onesided = not complex_input if onesided is None else onesided
    if onesided and complex_input:
        raise ShapeError("stft: cannot have onesided output if window or input is complex")
    taper = _frame_window(stft, window, width, n_fft, input)
    if onesided and (found := _spectra(input, taper, n_fft, hop, pad, pad_mode, normalized)) is not None:
        result = found.transpose(-2, -1)
        return view_as_real(result) if return_complex is False else result
    frames = framed(input, taper, n_fft, hop, pad, pad_mode)
    norm: ft.Norm = "ortho" if normalized else "backward"
    dim = frames.ndim - 1
    if onesided:
        spectrum = ft.r2c(frames, dim, norm)
    else:
        spectrum = ft.c2c(frames.to(frames.dtype.to_complex()), (dim,), True, norm)
    result = spectrum.transpose(-2, -1)
    return view_as_real(result) if return_complex is False else result


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """Inverse of `stft`: frames are added up and divided by the sum of the squared windows. Griffin and Lim 1984.

    Takes complex (…, frequencies, frames), gives (time) or (batch, time), `length` elements when given. Raises
    ShapeError on sizes that do not fit, ArgumentError where the windows leave an element uncovered.
    """
    if not need_tensor(istft, input).is_complex():
        raise DTypeError(f"istft requires a complex-valued input tensor matching stft's output, but got {input.dtype}")
    if input.ndim not in (2, 3) or input.numel() == 0:
        raise ShapeError(f"istft: expected a non-empty tensor with 2 or 3 dimensions, but got shape {input.shape}")
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    rows, count = input.shape[-2:]
    onesided = rows != n_fft if onesided is None else onesided
    wanted = n_fft // 2 + 1 if onesided else n_fft
    if rows != wanted:
        raise ShapeError(f"istft: expected the frequency dimension of {input.shape} to be {wanted}, but got {rows}")
    _check_steps(istft, input, n_fft, hop, width)
    if hop > width:
        raise ShapeError(f"istft: expected 0 < hop_length <= win_length={width}, but got {hop}")
    if return_complex and onesided:
        raise ShapeError("istft: cannot have onesided output if window or input is complex")
    placed = _frame_window(istft, window, width, n_fft, input)
    norm: ft.Norm = "ortho" if normalized else "backward"
    spectrum, dim = input.transpose(-2, -1), input.ndim - 1
    if return_complex:
        frames = ft.c2c(spectrum, (dim,), False, norm)
    else:
        frames = ft.c2r(ft.resized(spectrum, (n_fft // 2 + 1,), (dim,)), dim, n_fft, norm)
    whole = n_fft + hop * (count - 1)
    cover = np.ones((count, n_fft)) if placed is None else np.tile(np.square(placed._array), (count, 1))
    envelope = overlapped(Tensor(cover.astype(frames._array.dtype)), whole, hop, 0, "constant")._array
    signal = overlapped(frames if placed is None else ew.mul(frames, placed), whole, hop, 0, "constant")
    return _cut(signal, envelope, n_fft // 2 if center else 0, length)


def _cut(signal: Tensor, envelope: np.ndarray, margin: int, length: int | None) -> Tensor:
    """Divide by the envelope, without the margins; `length` elements when given."""
    whole = envelope.size
    stop = whole - margin if length is None else margin + length
    covered = envelope[margin:stop]
    if covered.size and np.abs(covered).min() < 1e-11:
        raise ArgumentError("istft: window overlap add min is 0: the windows leave elements of the signal uncovered")
    result = ew.div(signal[..., margin : min(stop, whole)], Tensor(covered))
    if length is not None and stop > whole:
        warnings.warn("the signal is shorter than length: the result is padded with zeros", stacklevel=3)
        result = ft.resized(result, (length,), (result.ndim - 1,))
    return result


__all__ = ["istft", "stft"]
METHODS = (
    istft, stft,
)  # fmt: skip
