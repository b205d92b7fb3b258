import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import LAYOUTS, assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops import dtypes
from torsh_ops.errors import DTypeError, GradError, ShapeError

ALL = ("bool", "int32", "int64", "float32", "float64", "complex64", "complex128")
COMPLEX = ("complex64", "complex128")
NUMBERS = (True, 2, 0.5, 1 - 2j)


def arrays(rng, shape, dtype):
    if dtype in COMPLEX:
        values = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    else:
        values = np.round(rng.standard_normal(shape) * 3)
    return np.asarray(values, dtype)


@needs_torch
@settings(max_examples=200, deadline=None)
@given(
    first=st.sampled_from(ALL),
    second=st.sampled_from(ALL + NUMBERS),
    shapes=st.sampled_from((((2, 3), (3,)), ((2, 3), ()), ((), (3,)), ((), ()), ((0,), (1,)))),
    name=st.sampled_from(("add", "sub", "mul", "div", "eq", "ne")),
)
def test_arithmetic_promotes_as_torch(first, second, shapes, name):
    rng = np.random.default_rng(5)
    a = arrays(rng, shapes[0], first)
    b = arrays(rng, shapes[1], second) if isinstance(second, str) else second
    kinds = {first, second if isinstance(second, str) else type(b).__name__}
    if name == "sub" and "bool" in kinds:
        return
    theirs = getattr(torch, name)(
        torch.from_numpy(a.copy()), torch.from_numpy(b.copy()) if isinstance(second, str) else b
    )
    ours = getattr(torsh_ops, name)(torsh_ops.from_numpy(a), torsh_ops.from_numpy(b) if isinstance(second, str) else b)
    assert_same(ours, theirs)


@needs_torch
@pytest.mark.parametrize(
    "first,second,third",
    [("float64", "complex64", None), (None, "float64", 1j), ("complex64", "float64", None), ("int64", None, 1j)],
)
def test_result_type_is_torchs(first, second, third):
    def kinds(lib):
        operands = [lib.ones(2, dtype=getattr(lib, first))] if first else []
        operands += [lib.tensor(1, dtype=getattr(lib, second))] if second else []
        operands += [third] if third is not None else []
        return lib.result_type(*operands)

    assert str(kinds(torsh_ops)).split(".")[1] == str(kinds(torch)).split(".")[1]


UNARY = (
    "abs angle sgn exp log sqrt tanh sigmoid rsqrt neg conj conj_physical real imag square reciprocal isreal "
    "view_as_real isnan isinf isfinite"
).split()


@needs_torch
@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", COMPLEX)
def test_functions_match_torch(name, dtype):
    rng = np.random.default_rng(2)
    for shape, layout in (((), "contiguous"), ((0,), "contiguous"), ((3, 4), "transposed"), ((2, 5), "negative")):
        array = LAYOUTS[layout](arrays(rng, shape, dtype))
        theirs = getattr(torch, name)(torch.from_numpy(array.copy())).resolve_conj()
        assert_same(getattr(torsh_ops, name)(torsh_ops.from_numpy(array)), theirs)


@needs_torch
def test_functions_at_the_edges_match_torch():
    parts = [0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan, 1e-40]
    array = np.array([complex(a, b) for a in parts for b in parts], np.complex64)
    ours, theirs = torsh_ops.from_numpy(array), torch.from_numpy(array.copy())
    for name in ("abs", "angle", "neg", "conj", "isnan", "isinf", "isfinite", "isreal"):
        assert_same(getattr(torsh_ops, name)(ours), getattr(torch, name)(theirs).resolve_conj())


def test_numbers_match_numpy_without_torch():
    rng = np.random.default_rng(3)
    a, b = arrays(rng, (3, 4), "complex128"), arrays(rng, (4,), "complex128")
    x, y = torsh_ops.from_numpy(a), torsh_ops.from_numpy(b)
    for ours, theirs in (
        (x + y, a + b), (x - y, a - b), (x * y, a * b), (x / y, a / b), (x**2, a * a), (2j - x, 2j - a),
        (x.sum(1), a.sum(1)), (x.mean(), a.mean()), (x.prod(0), a.prod(0)), (x @ y, a @ b), (abs(x), abs(a)),
        (x.angle(), np.angle(a)), (x.sgn(), a / abs(a)), (x == y, a == b), (x.sum((0, 1), True), a.sum(keepdims=True)),
        (torsh_ops.where(x.real > 0, x, 0), np.where(a.real > 0, a, 0)), (x.to(torsh_ops.bool), a != 0),
    ):  # fmt: skip
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-14)
        assert ours.dtype.numpy == theirs.dtype


@needs_torch
@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.tensor([1 + 2j, 3]),
        lambda lib: lib.tensor(np.array([1j], np.complex128)),
        lambda lib: lib.tensor([1, 2], dtype=lib.cdouble),
        lambda lib: lib.zeros(2, dtype=lib.complex64),
        lambda lib: lib.zeros(2, dtype=complex),
        lambda lib: lib.zeros(2, dtype=float),
        lambda lib: lib.full((2,), 1 - 1j),
        lambda lib: lib.eye(2, dtype=lib.cfloat),
        lambda lib: lib.ones_like(lib.tensor([1j])),
        lambda lib: lib.complex(lib.tensor([1.0, 2.0]), lib.tensor(-1.0)),
        lambda lib: lib.polar(lib.tensor([1.0, 2.0]), lib.tensor([0.5, -2.0])),
        lambda lib: lib.view_as_complex(lib.tensor([[1.0, 2.0], [3.0, 4.0]])),
        lambda lib: lib.angle(lib.tensor([-1, 0, 2])),
        lambda lib: lib.angle(lib.tensor([-1.0, 0.0, float("nan")])),
        lambda lib: lib.sgn(lib.tensor([-3, 0, 2])),
        lambda lib: lib.sgn(lib.tensor([0j, 3 + 4j])),
        lambda lib: lib.isreal(lib.tensor([1.0])),
        lambda lib: lib.tensor([1 + 1j]).real.contiguous(),
        lambda lib: lib.tensor([0j, 1j]).to(lib.bool),
    ],
)
def test_creation_matches_torch(make):
    assert_same(make(torsh_ops), make(torch))


def test_parts_are_views():
    x = torsh_ops.tensor([1 + 2j, 3 - 1j])
    pairs, real, imag = torsh_ops.view_as_real(x), x.real, x.imag
    x[0] = 5j
    assert (real.tolist(), imag.tolist(), pairs.tolist()) == ([0, 3], [5, -1], [[0, 5], [3, -1]])
    imag.mul_(2)
    assert x.tolist() == [10j, 3 - 2j]
    again = torsh_ops.view_as_complex(pairs)
    again.zero_()
    assert x.tolist() == [0, 0]
    assert torsh_ops.ones(2).real.tolist() == [1, 1]


def test_python_sees_complex_numbers():
    x = torsh_ops.tensor(1 - 2j)
    assert x.item() == complex(x) == 1 - 2j
    assert (x.is_complex(), torsh_ops.is_complex(x.real), torsh_ops.is_floating_point(x)) == (True, False, False)
    assert float(torsh_ops.tensor(2 + 0j)) == 2
    assert repr(torsh_ops.tensor([1 + 2j])) == "tensor([1.+2.j])"
    assert repr(torsh_ops.tensor([1 + 2j], dtype=torsh_ops.complex128)).endswith("dtype=torsh_ops.complex128)")
    assert torsh_ops.equal(pickle.loads(pickle.dumps(x)), x)
    assert pickle.loads(pickle.dumps(torsh_ops.complex64)) is torsh_ops.complex64
    assert torsh_ops.allclose(x, x * (1 + 1e-7))
    assert torsh_ops.float64.to_complex() is dtypes.complex128
    assert torsh_ops.complex64.to_real() is dtypes.float32


def test_what_complex_numbers_lack_raises():
    x = torsh_ops.tensor([1 + 2j, 3])
    for call in (
        lambda: x < x, lambda: x >= 1, lambda: torsh_ops.maximum(x, x), lambda: x.clamp(min=0), lambda: x % 2,
        lambda: x // 2, lambda: torsh_ops.relu(x), lambda: torsh_ops.erf(x), lambda: torsh_ops.ones(2).imag,
        lambda: torsh_ops.tensor([1j], dtype=torsh_ops.float32), lambda: float(torsh_ops.tensor(1j)),
        lambda: torsh_ops.ones(2).mul_(1j), lambda: torsh_ops.view_as_real(torsh_ops.ones(2)),
        lambda: torsh_ops.view_as_complex(torsh_ops.ones(2, 2, dtype=torsh_ops.int64)),
        lambda: torsh_ops.complex(torsh_ops.ones(2), torsh_ops.ones(2, dtype=torsh_ops.float64)),
        lambda: torsh_ops.polar(torsh_ops.tensor([1]), torsh_ops.tensor([1])),
        lambda: torsh_ops.set_default_dtype(torsh_ops.complex64), lambda: torsh_ops.int64.to_complex(),
    ):  # fmt: skip
        with pytest.raises(DTypeError):
            call()
    with pytest.raises(ShapeError, match="size 2"):
        torsh_ops.view_as_complex(torsh_ops.ones(3))
    with pytest.raises(ShapeError, match="stride"):
        torsh_ops.view_as_complex(torsh_ops.ones(4, 4)[:, ::2])
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        assert x.to(torsh_ops.float32).tolist() == [1, 3]
    with pytest.warns(UserWarning, match="discards"):
        assert torsh_ops.zeros(2).copy_(x).tolist() == [1, 3]


# Real functions of a complex tensor (and of a second one), by name.
LOSSES = {
    "mul": lambda lib, z, w: (z * w * z.conj() + 2j * z).real.sum(),
    "div": lambda lib, z, w: (z / w + 1 / z).imag.sum(),
    "sub": lambda lib, z, w: ((z - w) * (w - 3)).real.mean(),
    "abs": lambda lib, z, w: (z - w).abs().sum(),
    "angle": lambda lib, z, w: (lib.angle(z) * lib.angle(w)).sum(),
    "sgn": lambda lib, z, w: (lib.sgn(z) * w).imag.sum(),
    "exp_log": lambda lib, z, w: (lib.exp(z) * lib.log(w)).real.sum(),
    "complex": lambda lib, z, w: lib.complex(z.real * w.imag, z.imag).abs().sum(),
    "polar": lambda lib, z, w: (lib.polar(z.abs(), w.real) * w).imag.sum(),
    "pairs": lambda lib, z, w: (lib.view_as_real(z * w) * lib.tensor([1.0, 3.0], dtype=lib.float64)).sum(),
    "moves": lambda lib, z, w: (lib.cat([z.reshape(-1), w]).reshape(3, 3).transpose(0, 1)[1:] * (2 + 1j)).imag.sum(),
    "mixed": lambda lib, z, w: (z.real * w * w.sum() + lib.where(z.real > 0, z, w * 1j)).imag.sum(),
    "mean": lambda lib, z, w: (z.mean(0) * w.sum(0, True)).real.sum(),
}


def leaves(lib, rng):
    z, w = arrays(rng, (2, 3), "complex128"), arrays(rng, (3,), "complex128")
    return lib.from_numpy(z).requires_grad_(), lib.from_numpy(w).requires_grad_()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_differences(name):
    rng = np.random.default_rng(11)
    z, w = leaves(torsh_ops, rng)
    LOSSES[name](torsh_ops, z, w).backward()
    for position, leaf in enumerate((z, w)):
        pairs = leaf.detach().numpy()[..., None].view(np.float64)

        def value(moved, position=position):
            args = [z.detach(), w.detach()]
            args[position] = torsh_ops.view_as_complex(torsh_ops.from_numpy(moved))
            return LOSSES[name](torsh_ops, *args).item()

        expected = numeric_gradient(value, pairs).view(np.complex128)[..., 0]
        np.testing.assert_allclose(leaf.grad.numpy(), expected, rtol=1e-7, atol=1e-8)


@needs_torch
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_match_torch(name):
    ours, theirs = (leaves(lib, np.random.default_rng(12)) for lib in (torsh_ops, torch))
    LOSSES[name](torsh_ops, *ours).backward()
    LOSSES[name](torch, *theirs).backward()
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a.grad, b.grad.resolve_conj(), rtol=1e-12, atol=1e-12)


@needs_torch
def test_second_derivatives_match_torch():
    found = []
    for lib in (torsh_ops, torch):
        z, w = leaves(lib, np.random.default_rng(13))
        first = lib.autograd.grad((z * w * z).abs().sum(), z, create_graph=True)[0]
        found.append(lib.autograd.grad((first * first.conj()).real.sum(), [z, w]))
    for ours, theirs in zip(*found, strict=True):
        assert_same(ours, theirs.resolve_conj(), rtol=1e-10, atol=1e-10)


def test_a_real_leaf_gets_a_real_gradient():
    x = torsh_ops.tensor([1.0, 2.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (x * (3 + 4j)).abs().sum().backward()
    assert x.grad.dtype is torsh_ops.float32
    np.testing.assert_allclose(x.grad.numpy(), [5, 5], rtol=1e-6)


def test_a_gradient_without_a_rule_for_complex_numbers_raises():
    z = torsh_ops.tensor([1 + 1j, 2], requires_grad=True)
    with pytest.raises(GradError, match=r"tanh .* complex"):
        torsh_ops.tanh(z).real.sum().backward()
    with pytest.raises(GradError, match="only for real scalar outputs"):
        z.sum().backward()
