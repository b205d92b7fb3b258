"""Spectrograms in Hz and in mels."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops import dtypes
from torsh_ops.errors import ArgumentError
from torsh_ops.ops import fft as ft
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.signal import stft
from torsh_ops.ops.tapers import hann_window
from torsh_ops.tensor import Tensor


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


__all__ = ["mel_spectrogram", "melscale_fbanks", "spectrogram"]
METHODS = ()
