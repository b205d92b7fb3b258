import itertools
import math

import numpy as np
import pytest
from oracle import assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DTypeError, ShapeError

WINDOWS = ("hann_window", "hamming_window", "blackman_window", "bartlett_window", "kaiser_window")


@needs_torch
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_match_torch(name):
    for length, periodic in itertools.product((0, 1, 2, 5, 8, 400), (True, False)):
        ours, theirs = (getattr(lib, name)(length, periodic, dtype=lib.float64) for lib in (torsh_ops, torch))
        assert_same(ours, theirs, rtol=1e-6, atol=1e-7)  # PyTorch's Bessel function is good to 1e-7
        assert_same(getattr(torsh_ops, name)(length, periodic), getattr(torch, name)(length, periodic))


def test_windows_by_their_formulas():
    assert torsh_ops.hann_window(4).tolist() == pytest.approx([0, 0.5, 1, 0.5])
    assert torsh_ops.hann_window(3, False).tolist() == pytest.approx([0, 1, 0])
    assert torsh_ops.hamming_window(4, True, 0.6, 0.4).tolist() == pytest.approx([0.2, 0.6, 1, 0.6])
    assert torsh_ops.bartlett_window(4).tolist() == pytest.approx([0, 0.5, 1, 0.5])
    assert torsh_ops.blackman_window(4).tolist() == pytest.approx([0, 0.34, 1, 0.34], abs=1e-7)
    # I0(0) = 1 at the ends, over I0(beta): I0(2) = 2.2795853.
    assert torsh_ops.kaiser_window(3, False, 2.0).tolist() == pytest.approx([1 / 2.2795853, 1, 1 / 2.2795853])


STFT = [
    {"n_fft": 16},
    {"n_fft": 16, "hop_length": 5, "win_length": 10},
    {"n_fft": 15, "hop_length": 4, "center": False},
    {"n_fft": 16, "pad_mode": "constant", "normalized": True},
    {"n_fft": 12, "pad_mode": "replicate", "onesided": False},
    {"n_fft": 12, "pad_mode": "circular", "win_length": 7, "hop_length": 3},
    {"n_fft": 60, "hop_length": 7},
]


def with_window(lib, arguments, dtype):
    width = arguments.get("win_length", arguments["n_fft"])
    return {**arguments, "window": lib.hamming_window(width, dtype=getattr(lib, dtype))}


@needs_torch
@pytest.mark.parametrize("arguments", STFT)
def test_stft_matches_torch(arguments):
    rng = np.random.default_rng(1)
    for shape, dtype in (((50,), "float32"), ((3, 47), "float64"), ((2, 50), "complex64")):
        array = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if dtype == "complex64" else 0)
        given = {**arguments, "onesided": False} if dtype == "complex64" else arguments
        for windowed in (False, True):
            found = []
            for lib in (torsh_ops, torch):
                real = dtype.replace("complex64", "float32")
                a = with_window(lib, given, real) if windowed else given
                found.append(lib.stft(lib.from_numpy(array.astype(dtype)), return_complex=True, **a))
            assert_same(*found, rtol=1e-5, atol=2e-5)


def test_stft_is_the_definition():
    """Frame by frame, in float64, without a Fourier transform of NumPy's."""
    rng = np.random.default_rng(2)
    signal, n, hop = rng.standard_normal(40), 8, 3
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    padded = np.concatenate((signal[4:0:-1], signal, signal[-2:-6:-1]))
    turns = np.exp(-2j * np.pi * np.outer(np.arange(n // 2 + 1), np.arange(n)) / n)
    expected = np.stack([turns @ (padded[t * hop : t * hop + n] * window) for t in range(1 + 40 // hop)], -1)
    x = torsh_ops.from_numpy(signal)
    found = torsh_ops.stft(x, n, hop, window=torsh_ops.from_numpy(window), return_complex=True)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)
    pairs = torsh_ops.stft(x, n, hop, window=torsh_ops.from_numpy(window), return_complex=False)
    np.testing.assert_array_equal(pairs.numpy(), np.stack((found.numpy().real, found.numpy().imag), -1))


@pytest.mark.parametrize("onesided", [True, False])
@pytest.mark.parametrize("normalized", [True, False])
def test_istft_gives_the_signal_back(onesided, normalized):
    rng = np.random.default_rng(3)
    for shape in ((60,), (2, 61)):
        x = torsh_ops.from_numpy(rng.standard_normal(shape))
        window = torsh_ops.hann_window(12, dtype=torsh_ops.float64)
        settings = {"hop_length": 4, "win_length": 12, "window": window, "normalized": normalized}
        z = torsh_ops.stft(x, 16, onesided=onesided, return_complex=True, **settings)
        back = torsh_ops.istft(z, 16, onesided=onesided, length=shape[-1], **settings)
        np.testing.assert_allclose(back.numpy(), x.numpy(), rtol=1e-10, atol=1e-12)
        assert torsh_ops.istft(z, 16, onesided=onesided, **settings).shape[-1] == 60


@needs_torch
@pytest.mark.parametrize(
    "arguments",
    [
        {"n_fft": 16},
        {"n_fft": 16, "hop_length": 5, "win_length": 12, "normalized": True},
        {"n_fft": 15, "hop_length": 4, "length": 40},
        {"n_fft": 16, "length": 90},
        {"n_fft": 16, "center": False, "length": 20},
        {"n_fft": 9, "onesided": False},
        {"n_fft": 9, "onesided": False, "return_complex": True},
    ],
)
@pytest.mark.filterwarnings("ignore:.*the signal is shorter|.*length of signal is shorter")
def test_istft_matches_torch(arguments):
    rng = np.random.default_rng(4)
    n = arguments["n_fft"]
    rows = n if arguments.get("onesided") is False else n // 2 + 1
    for lead in ((), (2,)):
        z = rng.standard_normal((*lead, rows, 14)) + 1j * rng.standard_normal((*lead, rows, 14))
        found = [lib.istft(lib.from_numpy(z), **with_window(lib, arguments, "float64")) for lib in (torsh_ops, torch)]
        assert_same(*found, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("arguments", STFT[:6])
def test_gradients_are_differences(arguments):
    rng = np.random.default_rng(5)
    signal, width = rng.standard_normal((2, 20)), arguments.get("win_length", arguments["n_fft"])
    window = rng.random(width) + 0.5
    weights = torsh_ops.from_numpy(rng.standard_normal(400))

    def value(x, w):
        z = torsh_ops.stft(x, window=w, return_complex=True, **arguments)
        return (z.abs().reshape(-1) * weights[: z.numel()]).sum()

    x, w = (torsh_ops.from_numpy(a).requires_grad_() for a in (signal, window))
    value(x, w).backward()
    by_x = numeric_gradient(lambda a: value(torsh_ops.from_numpy(a), w.detach()).item(), signal)
    by_w = numeric_gradient(lambda a: value(x.detach(), torsh_ops.from_numpy(a)).item(), window)
    np.testing.assert_allclose(x.grad.numpy(), by_x, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(w.grad.numpy(), by_w, rtol=1e-6, atol=1e-6)


@needs_torch
def test_first_and_second_gradients_match_torch():
    found = []
    for lib in (torsh_ops, torch):
        rng = np.random.default_rng(6)
        x = lib.from_numpy(rng.standard_normal((2, 40))).requires_grad_()
        window = lib.hann_window(12, dtype=lib.float64)
        z = lib.stft(x, 12, 4, window=window, return_complex=True)
        back = lib.istft(z * z.abs(), 12, 4, window=window, length=40)
        first = lib.autograd.grad((back * back * back).sum(), x, create_graph=True)[0]
        found.append((first.detach(), lib.autograd.grad((first * first).sum(), x)[0]))
    for ours, theirs in zip(*found, strict=True):
        assert_same(ours, theirs, rtol=1e-7, atol=1e-6)


def triangles(frequencies, edges):
    """The mel filters by their definition, one number at a time."""
    table = np.zeros((len(frequencies), len(edges) - 2))
    for i, f in enumerate(frequencies):
        for m, (low, middle, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
            if low < f <= middle:
                table[i, m] = (f - low) / (middle - low)
            elif middle < f < high:
                table[i, m] = (high - f) / (high - middle)
    return table


def test_mel_filters_by_their_definition():
    def htk(mel):
        return 700 * (10 ** (mel / 2595) - 1)

    def slaney(mel):
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    frequencies = np.linspace(0, 8000, 201)
    top = 2595 * math.log10(1 + 7600 / 700)
    bottom = 2595 * math.log10(1 + 80 / 700)
    edges = [htk(m) for m in np.linspace(bottom, top, 22)]
    found = torsh_ops.melscale_fbanks(201, 80.0, 7600.0, 20, 16000)
    np.testing.assert_allclose(found.numpy(), triangles(frequencies, edges), atol=1e-6)
    top = 15 + 27 * math.log(8000 / 1000) / math.log(6.4)
    edges = np.array([slaney(m) for m in np.linspace(0, top, 22)])
    expected = triangles(frequencies, edges) * 2 / (edges[2:] - edges[:-2])
    found = torsh_ops.melscale_fbanks(201, 0.0, 8000.0, 20, 16000, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-8)


def test_spectrograms():
    rng = np.random.default_rng(7)
    x = torsh_ops.from_numpy(rng.standard_normal((2, 3, 500)).astype(np.float32))
    window = torsh_ops.hann_window(64)
    z = torsh_ops.stft(x.reshape(6, 500), 64, 32, window=window, return_complex=True).numpy().reshape(2, 3, 33, 16)
    for power, expected in ((None, z), (1.0, abs(z)), (2.0, abs(z) ** 2), (0.5, abs(z) ** 0.5)):
        found = torsh_ops.spectrogram(x, 0, window, 64, 32, 64, power)
        np.testing.assert_allclose(found.numpy(), expected, rtol=2e-4, atol=2e-4)
    scaled = torsh_ops.spectrogram(x, 0, window, 64, 32, 64, 1.0, normalized=True)
    np.testing.assert_allclose(scaled.numpy(), abs(z) / np.sqrt((window.numpy() ** 2).sum()), rtol=1e-4, atol=1e-5)
    filters = torsh_ops.melscale_fbanks(33, 0.0, 4000.0, 10, 8000).numpy()
    mel = torsh_ops.mel_spectrogram(x, 8000, 64, n_mels=10)
    np.testing.assert_allclose(mel.numpy(), filters.T @ abs(z) ** 2, rtol=2e-4, atol=2e-4)
    padded = torsh_ops.spectrogram(x, 40, window, 64, 32, 64, None, center=False)
    wide = np.pad(x.numpy(), ((0, 0), (0, 0), (40, 40)))
    again = torsh_ops.stft(torsh_ops.from_numpy(wide[0]), 64, 32, window=window, center=False, return_complex=True)
    np.testing.assert_allclose(padded.numpy()[0], again.numpy(), rtol=1e-5, atol=1e-5)


def test_wrong_arguments():
    x, z = torsh_ops.ones(20), torsh_ops.ones(9, 4, dtype=torsh_ops.complex64)
    for error, match, wrong in (
        (ArgumentError, "return_complex", lambda: torsh_ops.stft(x, 8)),
        (ArgumentError, "'wrap'", lambda: torsh_ops.stft(x, 8, pad_mode="wrap", return_complex=True)),
        (ShapeError, "1D or 2D", lambda: torsh_ops.stft(torsh_ops.ones(1, 2, 3), 2, return_complex=True)),
        (ShapeError, "n_fft <= 20", lambda: torsh_ops.stft(x, 21, center=False, return_complex=True)),
        (ShapeError, "longer signal", lambda: torsh_ops.stft(x, 40, return_complex=True)),
        (ShapeError, "hop_length > 0", lambda: torsh_ops.stft(x, 8, 0, return_complex=True)),
        (ShapeError, "win_length", lambda: torsh_ops.stft(x, 8, win_length=9, return_complex=True)),
        (ShapeError, "win_length=8", lambda: torsh_ops.stft(x, 8, window=x, return_complex=True)),
        (ShapeError, "onesided", lambda: torsh_ops.stft(x.to(torsh_ops.complex64), 8, onesided=True)),
        (DTypeError, "int64", lambda: torsh_ops.stft(torsh_ops.arange(20), 8, return_complex=True)),
        (DTypeError, "complex-valued", lambda: torsh_ops.istft(x, 8)),
        (ShapeError, "2 or 3", lambda: torsh_ops.istft(z[0], 8)),
        (ShapeError, "to be 11", lambda: torsh_ops.istft(z, 20)),
        (ShapeError, "win_length=4", lambda: torsh_ops.istft(z, 16, 5, win_length=4)),
        (ArgumentError, "uncovered", lambda: torsh_ops.istft(z, 16, window=torsh_ops.zeros(16))),
        (ArgumentError, "'bark'", lambda: torsh_ops.melscale_fbanks(9, 0.0, 10.0, 2, 20, mel_scale="bark")),
        (ArgumentError, "'l2'", lambda: torsh_ops.melscale_fbanks(9, 0.0, 10.0, 2, 20, norm="l2")),
        (ArgumentError, "below f_max", lambda: torsh_ops.melscale_fbanks(9, 10.0, 1.0, 2, 20)),
        (DTypeError, "floating-point", lambda: torsh_ops.hann_window(4, dtype=torsh_ops.int64)),
        (ShapeError, "-1", lambda: torsh_ops.hann_window(-1)),
    ):
        with pytest.raises(error, match=match):
            wrong()
    with pytest.warns(UserWarning, match="0 everywhere"):
        torsh_ops.melscale_fbanks(9, 0.0, 4000.0, 40, 8000)
