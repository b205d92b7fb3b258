import math
import pickle

import numpy as np
import pytest
from oracle import assert_same, needs_torch, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DeviceError, DTypeError, OperandError, ShapeError

CALLS = {
    "zeros": lambda lib: lib.zeros(2, 3),
    "zeros_tuple": lambda lib: lib.zeros((2, 0)),
    "ones": lambda lib: lib.ones([2, 3], dtype=lib.int64),
    "full": lambda lib: lib.full((2, 2), 7),
    "full_float": lambda lib: lib.full((2,), 2.5),
    "full_bool": lambda lib: lib.full((2,), True),
    "eye": lambda lib: lib.eye(3, 2),
    "arange": lambda lib: lib.arange(5),
    "arange_step": lambda lib: lib.arange(10, 1, -3),
    "arange_float": lambda lib: lib.arange(0, 1, 0.3),
    "linspace": lambda lib: lib.linspace(-1, 1, 7),
    "tensor_int": lambda lib: lib.tensor([1, 2]),
    "tensor_float": lambda lib: lib.tensor([[1.0, 2]]),
    "tensor_bool": lambda lib: lib.tensor([True, False]),
    "tensor_scalar": lambda lib: lib.tensor(3.5),
    "tensor_dtype": lambda lib: lib.tensor([1, 2], dtype=lib.float64),
    "tensor_empty": lambda lib: lib.tensor([]),
    "zeros_like": lambda lib: lib.zeros_like(lib.tensor([1, 2])),
    "full_like": lambda lib: lib.full_like(lib.ones(2), 3),
}


@needs_torch
@pytest.mark.parametrize("name", CALLS)
def test_matches_torch(name):
    assert_same(CALLS[name](torsh_ops), CALLS[name](torch))


def test_random_is_reproducible_and_has_its_moments():
    generator = torsh_ops.Generator().manual_seed(7)
    first = torsh_ops.randn(200_000, generator=generator)
    again = torsh_ops.randn(200_000, generator=torsh_ops.Generator().manual_seed(7))
    assert torsh_ops.equal(first, again)
    assert abs(first.mean().item()) < 0.01
    assert abs(first.std().item() - 1) < 0.01
    uniform = torsh_ops.rand(200_000, generator=generator)
    assert 0 <= uniform.amin().item() < 1e-4 < 1 - 1e-4 < uniform.amax().item() < 1
    assert abs(uniform.var().item() - 1 / 12) < 0.001
    state = generator.get_state()
    drawn = torsh_ops.rand(5, generator=generator)
    generator.set_state(state)
    assert torsh_ops.equal(drawn, torsh_ops.rand(5, generator=generator))
    torsh_ops.manual_seed(3)
    a = torsh_ops.randint(-2, 3, (1000,))
    torsh_ops.manual_seed(3)
    assert torsh_ops.equal(a, torsh_ops.randint(-2, 3, (1000,)))
    assert sorted(set(a.tolist())) == [-2, -1, 0, 1, 2]
    assert sorted(torsh_ops.randperm(9).tolist()) == list(range(9))


def test_from_numpy_shares_and_tensor_copies():
    array = np.zeros(3, np.float32)
    shared, copied = torsh_ops.from_numpy(array), torsh_ops.tensor(array)
    array[0] = 5
    assert shared.tolist() == [5, 0, 0]
    assert copied.tolist() == [0, 0, 0]
    assert np.asarray(shared) is not None
    assert np.shares_memory(np.asarray(shared), array)


def test_repr_reads_like_torch():
    assert repr(torsh_ops.tensor([0.5, 0.25])) == "tensor([0.5 , 0.25])"
    assert repr(torsh_ops.tensor([1, 2], dtype=torsh_ops.int32)) == "tensor([1, 2], dtype=torsh_ops.int32)"
    assert repr(torsh_ops.ones(1, requires_grad=True)) == "tensor([1.], requires_grad=True)"
    assert "grad_fn=<MulBackward>" in repr(torsh_ops.ones(1, requires_grad=True) * 2)


def test_conversions_to_python():
    assert float(torsh_ops.tensor(2.5)) == 2.5
    assert [10, 20][torsh_ops.tensor(1)] == 20
    assert bool(torsh_ops.tensor([3]))
    with pytest.raises(ShapeError, match="ambiguous"):
        bool(torsh_ops.ones(2))
    with pytest.raises(ShapeError, match="2 elements"):
        torsh_ops.ones(2).item()
    assert len(list(torsh_ops.ones(3, 2))) == 3
    assert math.isnan(torsh_ops.tensor(math.nan).item())


def test_errors_name_the_value():
    with pytest.raises(ShapeError, match="-1"):
        torsh_ops.zeros(2, -1)
    with pytest.raises(OperandError, match=r"2\.5"):
        torsh_ops.zeros(2.5)
    with pytest.raises(DTypeError, match=r"complex64.*float32"):
        torsh_ops.zeros(2, dtype=np.complex64)
    with pytest.raises(DTypeError, match="U1"):
        torsh_ops.tensor(["a"])
    with pytest.raises(ShapeError, match="different lengths"):
        torsh_ops.tensor([[1], [1, 2]])
    with pytest.raises(DeviceError, match="'cuda'"):
        torsh_ops.zeros(2, device="cuda")
    with pytest.raises(ArgumentError, match="nonzero"):
        torsh_ops.arange(0, 5, 0)
    with pytest.raises(ArgumentError, match="inconsistent"):
        torsh_ops.arange(5, 0)
    with pytest.raises(OperandError, match="list"):
        torsh_ops.from_numpy([1])
    with pytest.raises(ArgumentError, match="low=3 and high=3"):
        torsh_ops.randint(3, 3, (2,))
    with pytest.raises(DTypeError, match="randint"):
        torsh_ops.rand(2, dtype=torsh_ops.int64)


def test_unpickled_arrays_and_tensors_mix_with_others():
    array = pickle.loads(pickle.dumps(np.ones((2, 2), np.float32)))
    assert (torsh_ops.from_numpy(array) @ torsh_ops.ones(2, 2)).tolist() == [[2, 2], [2, 2]]
    leaf = pickle.loads(pickle.dumps(torsh_ops.ones(2, 2, requires_grad=True)))
    assert leaf.requires_grad
    assert torsh_ops.mm(leaf, torsh_ops.ones(2, 2)).tolist() == [[2, 2], [2, 2]]
