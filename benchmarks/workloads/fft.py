"""Fourier transforms in single precision.

Flops: 5 n log2 n for n complex points and half of it for real ones, the count that benchmarks of Fourier transforms
share (Frigo and Johnson 2005), whatever an algorithm takes. Bytes: input read once, output written once.
"""

from math import log2

import numpy as np

from benchmarks.workloads.inputs import normal
from benchmarks.workloads.record import Workload


def _complex(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return normal(rng, *shape, 2).view(np.complex64)[..., 0]


def _window(n: int) -> np.ndarray:
    return np.sin(np.pi * np.arange(n) / n).astype(np.float32) ** 2


def _frames(x: np.ndarray, n: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(x, n)[:: n // 4]


def _count(samples: int, n: int) -> int:
    return (samples - n) // (n // 4) + 1


WORKLOADS = (
    Workload(
        name="fft",
        family="fft",
        # Rows and points: one short transform, rows that stay in L1, rows that do not.
        sizes={"dispatch": (1, 256), "cache": (64, 1024), "memory": (64, 1 << 16)},
        inputs=lambda rng, rows, n: (_complex(rng, rows, n),),
        call=lambda F, x: F.fft(x),
        oracle=np.fft.fft,
        flops=lambda rows, n: int(5 * rows * n * log2(n)),
        bytes=lambda rows, n: 16 * rows * n,
        rtol=1e-5,
        atol=2e-3,
    ),
    Workload(
        name="rfft",
        family="fft",
        sizes={"dispatch": (1, 512), "cache": (64, 2048), "memory": (64, 1 << 17)},
        inputs=lambda rng, rows, n: (normal(rng, rows, n),),
        call=lambda F, x: F.rfft(x),
        oracle=np.fft.rfft,
        flops=lambda rows, n: int(2.5 * rows * n * log2(n)),
        bytes=lambda rows, n: 4 * rows * n + 8 * rows * (n // 2 + 1),
        rtol=1e-5,
        atol=3e-3,
    ),
    Workload(
        name="fft2",
        family="fft",
        sizes={"dispatch": (16, 16), "cache": (256, 256), "memory": (2048, 2048)},
        inputs=lambda rng, n, m: (_complex(rng, n, m),),
        call=lambda F, x: F.fft2(x),
        oracle=np.fft.fft2,
        flops=lambda n, m: int(5 * n * m * log2(n * m)),
        bytes=lambda n, m: 16 * n * m,
        rtol=1e-5,
        atol=2e-2,
    ),
    Workload(
        name="stft",
        family="fft",
        # Samples and points of a frame, frames a quarter of one apart; each is its own row of frequencies.
        sizes={"dispatch": (1024, 256), "cache": (1 << 16, 512), "memory": (1 << 22, 1024)},
        inputs=lambda rng, samples, n: (normal(rng, samples), _window(n)),
        call=lambda F, x, window: F.stft_frames(x, window),
        oracle=lambda x, window: np.fft.rfft(_frames(x, len(window)) * window),
        flops=lambda samples, n: int(2.5 * _count(samples, n) * n * log2(n)),
        bytes=lambda samples, n: 4 * samples + 4 * n + 8 * _count(samples, n) * (n // 2 + 1),
        rtol=1e-5,
        atol=1e-3,
    ),
)
