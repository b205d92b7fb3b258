"""Fourier transforms: the short call, and rows that stay in the caches."""

from benchmarks.common import _Timed


class Fft(_Timed, workload="fft", sizes=("dispatch", "cache")):
    """Complex transforms of rows."""


class Stft(_Timed, workload="stft", sizes=("cache",)):
    """Spectra of the frames of a signal."""
