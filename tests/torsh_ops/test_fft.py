import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import LAYOUTS, assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DimError, DTypeError, ShapeError

ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
TWO = tuple(f"{name}2" for name in ONE)
MANY = tuple(f"{name}n" for name in ONE)
NORMS = (None, "backward", "ortho", "forward")
REAL_INPUT = ("rfft", "ihfft")


def takes_real(name):
    return name.startswith(REAL_INPUT)


def arrays(rng, shape, dtype):
    values = rng.standard_normal(shape)
    return np.asarray(values + 1j * rng.standard_normal(shape) if dtype.startswith("c") else values * 3, dtype)


def direct(z, forward=True):
    """The transform of the last dimension by its definition, in float64."""
    n = z.shape[-1]
    turns = np.outer(np.arange(n), np.arange(n)) % n
    return z @ np.exp((-2j if forward else 2j) * np.pi * turns / n)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 12, 16, 32, 64, 100, 128, 256, 400, 512, 1024, 2048])
def test_every_length_is_the_definition(n):
    rng = np.random.default_rng(n)
    for rows in (1, 3, 17):
        z = arrays(rng, (rows, n), "complex128")
        x = z.real.copy()
        for dtype, bound in (("complex64", 4e-7), ("complex128", 2e-15)):
            w = z.astype(dtype)
            scale = bound * np.sqrt(n) * max(np.log2(n), 1)
            a = torsh_ops.from_numpy(w)
            r = torsh_ops.from_numpy(x.astype(a.dtype.to_real().numpy))
            for ours, theirs in (
                (torsh_ops.fft.fft(a), direct(z)),
                (torsh_ops.fft.ifft(a, norm="forward"), direct(z, False)),
                (torsh_ops.fft.rfft(r), direct(x)[:, : n // 2 + 1]),
            ):
                assert np.abs(ours.numpy() - theirs).max() < scale
            back = torsh_ops.fft.irfft(torsh_ops.fft.rfft(r), n)
            assert back.shape == x.shape
            assert np.abs(back.numpy() - x).max() < scale


@pytest.mark.parametrize("n", [4096, 1 << 14, 1 << 15, 1 << 17])
def test_long_rows_are_those_of_numpy(n):
    z = arrays(np.random.default_rng(n), (2, n), "complex128")
    for dtype, bound in (("complex64", 4e-7), ("complex128", 2e-15)):
        a = torsh_ops.from_numpy(z.astype(dtype))
        r = torsh_ops.from_numpy(a.numpy().real.copy())
        scale = bound * np.sqrt(n) * np.log2(n)
        for ours, theirs in (
            (torsh_ops.fft.fft(a), np.fft.fft(z)),
            (torsh_ops.fft.ifft(a, norm="forward"), np.fft.ifft(z, norm="forward")),
            (torsh_ops.fft.rfft(r), np.fft.rfft(z.real)),
            (torsh_ops.fft.irfft(torsh_ops.fft.rfft(r)), z.real),
        ):
            assert np.abs(ours.numpy() - theirs).max() < scale


PLANNED = {
    "fft": ((3, 64), lambda f, x: f(x)),
    "ifft": ((3, 512), lambda f, x: f(x, None, -1, "ortho")),
    "rfft": ((2, 3, 64), lambda f, x: f(x, dim=2)),
    "irfft": ((3, 65), lambda f, x: f(x, n=128)),
    "fft2": ((2, 32, 16), lambda f, x: f(x)),
    "ifft2": ((16, 64), lambda f, x: f(x, dim=(0, 1), norm="forward")),
}


@pytest.mark.parametrize("name", PLANNED)
def test_what_comes_again_is_the_same_and_keeps_its_gradient(name):
    shape, call = PLANNED[name]
    x = torsh_ops.from_numpy(arrays(np.random.default_rng(5), shape, "float32" if name == "rfft" else "complex64"))

    def run(x):
        return call(getattr(torsh_ops.fft, name), x)

    first = run(x)
    for _ in range(3):
        again = run(x)
        assert again.dtype is first.dtype
        np.testing.assert_array_equal(again.numpy(), first.numpy())
    x.requires_grad_()
    for _ in range(3):
        found = run(x)
        assert found.requires_grad
    with torsh_ops.no_grad():
        assert not run(x).requires_grad


@needs_torch
@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(ONE),
    dtype=st.sampled_from(("float32", "float64", "complex64", "complex128", "int64", "bool")),
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple),
    n=st.one_of(st.none(), st.integers(1, 40)),
    norm=st.sampled_from(NORMS),
    dim=st.integers(-3, 2),
    layout=st.sampled_from(sorted(LAYOUTS)),
)
def test_one_dimension_matches_torch(name, dtype, shape, n, norm, dim, layout):
    if takes_real(name) and dtype.startswith("c"):
        dtype = "float32"
    dim = max(min(dim, len(shape) - 1), -len(shape))
    if n is None and shape[dim] == 1 and name in ("irfft", "hfft"):
        n = 1
    array = LAYOUTS[layout](arrays(np.random.default_rng(1), shape, dtype))
    ours = getattr(torsh_ops.fft, name)(torsh_ops.from_numpy(array), n, dim, norm)
    theirs = getattr(torch.fft, name)(torch.from_numpy(array.copy()), n, dim, norm).resolve_conj()
    assert_same(ours, theirs, rtol=1e-5, atol=2e-5)


CASES = [
    ((4, 6), None, None), ((4, 6), (3, 8), None), ((2, 4, 6), (5,), None), ((2, 4, 6), (-1, 5), (0, 2)),
    ((2, 4, 6), None, (1, 0)), ((3, 5, 4), (4, 3), (-1, 0)), ((16, 32), None, None), ((3, 32, 18), None, (1, 2)),
]  # fmt: skip


@needs_torch
@pytest.mark.parametrize("name", TWO + MANY)
@pytest.mark.parametrize("norm", NORMS)
def test_several_dimensions_match_torch(name, norm):
    rng = np.random.default_rng(4)
    for shape, s, dim in CASES:
        array = arrays(rng, shape, "float32" if takes_real(name) else "complex64")
        if name.endswith("2") and dim is None:
            dim = (-2, -1) if s is None or len(s) == 2 else (-1,)
        ours = getattr(torsh_ops.fft, name)(torsh_ops.from_numpy(array), s, dim, norm)
        theirs = getattr(torch.fft, name)(torch.from_numpy(array.copy()), s, dim, norm).resolve_conj()
        assert_same(ours, theirs, rtol=1e-5, atol=3e-4 if norm != "backward" else 1e-4)


@pytest.mark.parametrize("shape", [(16, 16), (64, 32), (3, 8, 40), (2, 33, 16), (512, 4)])
def test_several_dimensions_are_one_after_the_other(shape):
    z = arrays(np.random.default_rng(6), shape, "complex128")
    for dims in ((0,), (0, 1), tuple(range(len(shape)))):
        expected = z
        for d in dims:
            expected = np.moveaxis(direct(np.moveaxis(expected, d, -1)), -1, d)
        for dtype, bound in (("complex64", 1e-6), ("complex128", 1e-14)):
            ours = torsh_ops.fft.fftn(torsh_ops.from_numpy(z.astype(dtype)), dim=dims)
            assert ours.dtype.name == dtype
            assert np.abs(ours.numpy() - expected).max() < bound * np.abs(expected).max()


def test_threads_change_nothing():
    z = torsh_ops.from_numpy(arrays(np.random.default_rng(7), (33, 64, 128), "complex64"))
    x = z.real.contiguous()
    calls = (
        lambda: torsh_ops.fft.fft2(z),
        lambda: torsh_ops.fft.ifft(z.reshape(33, 8192)),
        lambda: torsh_ops.fft.rfft(x),
        lambda: torsh_ops.fft.irfft(torsh_ops.fft.rfft(x.reshape(33, 8192))),
    )
    alone = [call() for call in calls]
    try:
        torsh_ops.set_num_threads(2)
        assert all(torsh_ops.equal(call(), result) for call, result in zip(calls, alone, strict=True))
    finally:
        torsh_ops.set_num_threads(1)


@needs_torch
def test_frequencies_and_shifts_match_torch():
    for n in (1, 4, 7):
        for name in ("fftfreq", "rfftfreq"):
            assert_same(getattr(torsh_ops.fft, name)(n, 0.5), getattr(torch.fft, name)(n, 0.5))
    array = np.arange(24.0).reshape(2, 3, 4)
    for name in ("fftshift", "ifftshift"):
        for dim in (None, 1, (0, -1)):
            ours = getattr(torsh_ops.fft, name)(torsh_ops.from_numpy(array), dim)
            assert_same(ours, getattr(torch.fft, name)(torch.from_numpy(array), dim))


def test_frequencies_and_shifts():
    assert torsh_ops.fft.fftfreq(5, 0.1).tolist() == pytest.approx([0, 2, 4, -4, -2])
    assert torsh_ops.fft.rfftfreq(4).tolist() == [0, 0.25, 0.5]
    x = torsh_ops.arange(5)
    assert torsh_ops.fft.fftshift(x).tolist() == [3, 4, 0, 1, 2]
    assert torsh_ops.equal(torsh_ops.fft.ifftshift(torsh_ops.fft.fftshift(x)), x)


def call(lib, name, x, arguments):
    z = getattr(lib.fft, name)(x, **arguments)
    weights = lib.arange(1.0, z.numel() + 1, dtype=lib.float64).reshape(*z.shape)
    return ((z.abs() if z.is_complex() else z * z) * weights).sum()


GRADIENTS = [
    ("fft", {}), ("fft", {"n": 7, "norm": "ortho"}), ("ifft", {"n": 3}), ("ifft", {"norm": "forward", "dim": 0}),
    ("rfft", {}), ("rfft", {"n": 7}), ("rfft", {"norm": "forward", "dim": 0}), ("irfft", {}), ("irfft", {"n": 5}),
    ("irfft", {"norm": "ortho", "dim": 0}), ("hfft", {"n": 6}), ("ihfft", {}), ("fft2", {}), ("ifft2", {"s": (3, 6)}),
    ("rfftn", {"norm": "ortho"}), ("irfftn", {"s": (3, 7)}), ("fftshift", {}), ("ihfftn", {}), ("hfftn", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), GRADIENTS)
def test_gradients_are_differences(name, arguments):
    rng = np.random.default_rng(8)
    pairs = rng.standard_normal((3, 4) if takes_real(name) else (3, 4, 2))

    def value(moved):
        x = torsh_ops.from_numpy(moved)
        return call(torsh_ops, name, x if takes_real(name) else torsh_ops.view_as_complex(x), arguments)

    leaf = torsh_ops.from_numpy(pairs).requires_grad_()
    value_of_leaf = call(torsh_ops, name, leaf if takes_real(name) else torsh_ops.view_as_complex(leaf), arguments)
    value_of_leaf.backward()
    expected = numeric_gradient(lambda moved: value(moved).item(), pairs)
    np.testing.assert_allclose(leaf.grad.numpy(), expected, rtol=1e-6, atol=1e-6)


@needs_torch
@pytest.mark.parametrize(("name", "arguments"), GRADIENTS)
def test_first_and_second_gradients_match_torch(name, arguments):
    array = arrays(np.random.default_rng(9), (3, 4), "float64" if takes_real(name) else "complex128")
    found = []
    for lib in (torsh_ops, torch):
        x = lib.from_numpy(array.copy()).requires_grad_()
        first = lib.autograd.grad(call(lib, name, x, arguments), x, create_graph=True)[0]
        second = lib.autograd.grad((first * first.conj()).real.sum(), x)[0]
        found.append((first.detach(), second))
    for ours, theirs in zip(*found, strict=True):
        assert_same(ours, theirs.resolve_conj(), rtol=1e-8, atol=1e-8)


def test_out_and_wrong_arguments():
    x, z = torsh_ops.ones(4), torsh_ops.ones(3, 4, dtype=torsh_ops.complex64)
    out = torsh_ops.empty(3, 4, dtype=torsh_ops.complex64)
    assert torsh_ops.fft.fft(z, out=out) is out
    np.testing.assert_allclose(out.numpy()[:, 0], 4)
    assert torsh_ops.fft.fft(torsh_ops.zeros(0, 4)).shape == (0, 4)
    assert torsh_ops.fft.fft2(torsh_ops.zeros(0, 32, 16)).shape == (0, 32, 16)
    assert torsh_ops.fft.irfft(torsh_ops.fft.rfft(torsh_ops.zeros(0, 64))).shape == (0, 64)
    assert torsh_ops.fft.rfft(torsh_ops.zeros(4, 0, 2), dim=0).shape == (3, 0, 2)
    for error, match, wrong in (
        (DTypeError, "real input", lambda: torsh_ops.fft.rfft(z)),
        (DTypeError, "real input", lambda: torsh_ops.fft.ihfft(z)),
        (DTypeError, "cast", lambda: torsh_ops.fft.fft(x, out=torsh_ops.empty(4))),
        (ArgumentError, "'both'", lambda: torsh_ops.fft.fft(x, norm="both")),
        (DimError, "out of range", lambda: torsh_ops.fft.fft(x, dim=1)),
        (DimError, "no dimensions", lambda: torsh_ops.fft.fft(torsh_ops.tensor(1.0))),
        (ShapeError, r"data points \(0\)", lambda: torsh_ops.fft.fft(x, n=0)),
        (ShapeError, r"data points \(0\)", lambda: torsh_ops.fft.fft(torsh_ops.zeros(2, 0))),
        (ShapeError, r"data points \(0\)", lambda: torsh_ops.fft.irfft(torsh_ops.ones(1))),
        (ShapeError, "unique", lambda: torsh_ops.fft.fftn(z, dim=(0, 0))),
        (ShapeError, "same length", lambda: torsh_ops.fft.fftn(z, s=(2,), dim=(0, 1))),
        (ShapeError, "only has 1", lambda: torsh_ops.fft.fftn(x, s=(2, 2))),
    ):
        with pytest.raises(error, match=match):
            wrong()
