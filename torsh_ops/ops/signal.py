"""Signals in time and frequency: window functions, the short-time Fourier transform and the mel spectrogram."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import dtypes, memory
from torsh_ops.autograd import record
from torsh_ops.dtypes import as_dtype
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import fft as ft
from torsh_ops.ops.complex import view_as_real
from torsh_ops.ops.creation import finish, float_dtype
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.tensor import Tensor

# Windows


def _window(
    op: Callable[..., Any],
    length: int,
    periodic: bool,
    values: Callable[[np.ndarray, int], Any],
    dtype: Any,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    """Return a window of `length`: `values` gets the places 0 to n and n, the last place of the symmetric window."""
    np_dtype = float_dtype(dtype)
    if np_dtype.kind != "f":
        raise DTypeError(f"{op.__name__} expects a floating-point dtype, but got {as_dtype(dtype)}")
    if length < 0:
        raise ShapeError(f"{op.__name__} requires a non-negative window_length, but got {length}")
    if length <= 1:
        return finish(np.ones(length, np_dtype), device, requires_grad)
    last = length if periodic else length - 1
    return finish(values(np.arange(length), last).astype(np_dtype), device, requires_grad)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`sin(pi k / n)^2`, n the length when `periodic` (for spectra), one less when symmetric (for filters)."""
    return _window(
        hann_window, window_length, periodic, lambda k, n: np.sin(np.pi * k / n) ** 2, dtype, device, requires_grad
    )


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`alpha - beta cos(2 pi k / n)`."""

    def values(k: np.ndarray, n: int) -> Any:
        return alpha - beta * np.cos(2 * np.pi * k / n)

    return _window(hamming_window, window_length, periodic, values, dtype, device, requires_grad)


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`0.42 - 0.5 cos(2 pi k / n) + 0.08 cos(4 pi k / n)`."""

    def values(k: np.ndarray, n: int) -> Any:
        return 0.42 - 0.5 * np.cos(2 * np.pi * k / n) + 0.08 * np.cos(4 * np.pi * k / n)

    return _window(blackman_window, window_length, periodic, values, dtype, device, requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The triangle `1 - |2 k / n - 1|`."""
    return _window(
        bartlett_window, window_length, periodic, lambda k, n: 1 - np.abs(2 * k / n - 1), dtype, device, requires_grad
    )


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`I0(beta sqrt(1 - (2 k / n - 1)^2)) / I0(beta)`, I0 the modified Bessel function. Kaiser and Schafer 1980."""

    def values(k: np.ndarray, n: int) -> Any:
        return np.i0(beta * np.sqrt(1 - (2 * k / n - 1) ** 2)) / np.i0(beta)

    return _window(kaiser_window, window_length, periodic, values, dtype, device, requires_grad)


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
    frames = framed(input, _frame_window(stft, window, width, n_fft, input), n_fft, hop, pad, pad_mode)
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


# Spectrograms


def _mels(hertz: Any, scale: str) -> Any:
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0)
    hertz = np.asarray(hertz, np.float64)
    above = 15.0 + np.log(np.maximum(hertz, 1000.0) / 1000.0) * (27.0 / math.log(6.4))
    return np.where(hertz >= 1000.0, above, hertz * 0.015)


def _hertz(mels: Any, scale: str) -> Any:
    if scale == "htk":
        return 700.0 * (10.0 ** (np.asarray(mels) / 2595.0) - 1.0)
    above = 1000.0 * np.exp((np.maximum(mels, 15.0) - 15.0) * (math.log(6.4) / 27.0))
    return np.where(mels >= 15.0, above, mels / 0.015)


def melscale_fbanks(
    n_freqs: int,
    f_min: float,
    f_max: float,
    n_mels: int,
    sample_rate: int,
    norm: str | None = None,
    mel_scale: str = "htk",
) -> Tensor:
    """Triangular filters, evenly spaced in mels between two frequencies in Hz, as a matrix (n_freqs, n_mels).

    `mel_scale` is "htk" (Young et al.) or "slaney" (Slaney 1998: linear below 1 kHz); `norm` "slaney" divides each by
    its width. The arguments are those of torchaudio. Raises ArgumentError on others.
    """
    if norm not in (None, "slaney"):
        raise ArgumentError(f"norm must be one of None or 'slaney', but got {norm!r}")
    if mel_scale not in ("htk", "slaney"):
        raise ArgumentError(f"mel_scale must be one of 'htk' or 'slaney', but got {mel_scale!r}")
    if not f_min < f_max:
        raise ArgumentError(f"f_min must be below f_max, but got {f_min} and {f_max}")
    edges = _hertz(np.linspace(_mels(f_min, mel_scale), _mels(f_max, mel_scale), n_mels + 2), mel_scale)
    widths = np.diff(edges)
    distances = edges - np.linspace(0, sample_rate // 2, n_freqs)[:, None]
    rising, falling = -distances[:, :-2] / widths[:-1], distances[:, 2:] / widths[1:]
    filters = np.maximum(np.minimum(rising, falling), 0.0)
    if norm == "slaney":
        filters *= 2.0 / (edges[2:] - edges[:-2])
    if not filters.any(axis=0).all():
        warnings.warn(f"a mel filter is 0 everywhere: n_mels={n_mels} is too high for n_freqs={n_freqs}", stacklevel=2)
    return Tensor(filters.astype(dtypes.get_default_dtype().numpy))


def spectrogram(
    waveform: Tensor,
    pad: int,
    window: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
    power: float | None,
    normalized: bool = False,
    center: bool = True,
    pad_mode: str = "reflect",
    onesided: bool = True,
) -> Tensor:
    """`stft` of a waveform (…, time), its absolute value to `power` unless that is None: (…, frequencies, frames).

    `pad` zeros go to both ends first; `normalized` divides by the window's Euclidean norm. The arguments are those of
    torchaudio.functional.
    """
    if pad > 0:
        waveform = _placed_signal(waveform, pad)
    rows = waveform.reshape(-1, waveform.shape[-1])
    found = stft(rows, n_fft, hop_length, win_length, window, center, pad_mode, False, onesided, True)
    found = found.reshape(*waveform.shape[:-1], *found.shape[-2:])
    if normalized:
        found = found / (window * window).sum().sqrt()
    if power is None:
        return found
    if power == 2:
        return found.real * found.real + found.imag * found.imag
    return found.abs() if power == 1 else found.abs() ** power


def _placed_signal(waveform: Tensor, pad: int) -> Tensor:
    dim = waveform.ndim - 1
    return ft.rolled(ft.resized(waveform, (waveform.shape[dim] + 2 * pad,), (dim,)), (pad,), (dim,))


def mel_spectrogram(
    waveform: Tensor,
    sample_rate: int = 16000,
    n_fft: int = 400,
    win_length: int | None = None,
    hop_length: int | None = None,
    f_min: float = 0.0,
    f_max: float | None = None,
    pad: int = 0,
    n_mels: int = 128,
    window_fn: Callable[..., Tensor] = hann_window,
    power: float = 2.0,
    normalized: bool = False,
    center: bool = True,
    pad_mode: str = "reflect",
    norm: str | None = None,
    mel_scale: str = "htk",
) -> Tensor:
    """Mel spectrogram of a waveform (…, time) of `sample_rate` Hz: (…, n_mels, frames).

    The arguments, and what stands for those not given, are those of torchaudio.transforms.MelSpectrogram.
    """
    width = n_fft if win_length is None else win_length
    hop = width // 2 if hop_length is None else hop_length
    window = window_fn(width, dtype=need_tensor(mel_spectrogram, waveform).dtype)
    found = spectrogram(waveform, pad, window, n_fft, hop, width, power, normalized, center, pad_mode)
    top = float(sample_rate // 2) if f_max is None else f_max
    filters = melscale_fbanks(n_fft // 2 + 1, f_min, top, n_mels, sample_rate, norm, mel_scale)
    return (found.transpose(-1, -2) @ filters.to(found.dtype)).transpose(-1, -2)


__all__ = [
    "bartlett_window", "blackman_window", "hamming_window", "hann_window", "istft", "kaiser_window",
    "mel_spectrogram", "melscale_fbanks", "spectrogram", "stft",
]  # fmt: skip
METHODS = (
    istft, stft,
)  # fmt: skip
