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
    "full_like_cut": lambda lib: lib.full_like(lib.ones(2, dtype=lib.int64), 2.7),
    "full_of_tensor": lambda lib: lib.full((2,), lib.tensor(3)),
    "full_as_bool": lambda lib: lib.full((2,), 3, dtype=lib.bool),
    "zeros_0d": lambda lib: lib.zeros(()),
    "eye_empty": lambda lib: lib.eye(0, 3),
    "arange_int_dtype": lambda lib: lib.arange(0.5, 3.5, 1, dtype=lib.int32),
    "arange_cut": lambda lib: lib.arange(0, 2.5, dtype=lib.int64),
    "arange_float_dtype": lambda lib: lib.arange(5, dtype=lib.float64),
    "arange_tensors": lambda lib: lib.arange(lib.tensor(1), lib.tensor(4)),
    "arange_large": lambda lib: lib.arange(2**62, 2**62 + 3),
    "arange_empty": lambda lib: lib.arange(1, 1),
    "linspace_int": lambda lib: lib.linspace(-10, 5, 7, dtype=lib.int64),
    "linspace_one": lambda lib: lib.linspace(2, 9, 1),
    "linspace_none": lambda lib: lib.linspace(2, 9, 0),
    "linspace_tensors": lambda lib: lib.linspace(lib.tensor(1.0), lib.tensor(3.0), 3),
    "linspace_complex": lambda lib: lib.linspace(0, 1 + 1j, 3),
    "logspace": lambda lib: lib.logspace(-1, 2, 5),
    "logspace_base": lambda lib: lib.logspace(0, 4, 5, base=2, dtype=lib.int64),
    "logspace_negative": lambda lib: lib.logspace(0, 1, 2, base=-2),
    "scalar_tensor": lambda lib: lib.scalar_tensor(3),
    "scalar_tensor_dtype": lambda lib: lib.scalar_tensor(3, dtype=lib.int64),
    "asarray": lambda lib: lib.asarray([1.0, 2.0], dtype=lib.float64),
    "new_zeros": lambda lib: lib.ones(2, dtype=lib.float64).new_zeros(2, 3),
    "new_ones": lambda lib: lib.ones(2, dtype=lib.int32).new_ones([2]),
    "new_full": lambda lib: lib.ones(2, dtype=lib.int64).new_full((2,), 3.7),
    "new_tensor": lambda lib: lib.ones(2).new_tensor([1]),
    "new_tensor_cut": lambda lib: lib.ones(2, dtype=lib.int64).new_tensor([1.5]),
    "new_zeros_dtype": lambda lib: lib.ones(2).new_zeros((2,), dtype=lib.int32),
    "new_empty": lambda lib: lib.ones(2).new_empty((0, 3)),
    "zeros_out": lambda lib: lib.zeros(2, out=lib.ones(2, dtype=lib.int64)),
    "eye_out": lambda lib: lib.eye(2, out=lib.ones(2, 2, dtype=lib.int64)),
    "arange_out": lambda lib: lib.arange(0, 3, out=lib.ones(3)),
    "full_out": lambda lib: lib.full((2,), 4, out=lib.ones(2)),
    "tensor_of_tensors": lambda lib: lib.tensor([lib.tensor(1.0), 2]),
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
    with pytest.raises(DTypeError, match=r"uint16.*float32"):
        torsh_ops.zeros(2, dtype=np.uint16)
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
    with pytest.raises(ArgumentError, match="unsupported range"):
        torsh_ops.arange(0, math.inf)
    with pytest.raises(DTypeError, match="bool"):
        torsh_ops.arange(3, dtype=torsh_ops.bool)
    with pytest.raises(DTypeError, match="inf"):
        torsh_ops.full((2,), math.inf, dtype=torsh_ops.int64)
    with pytest.raises(DTypeError, match="1j"):
        torsh_ops.full((2,), 1j, dtype=torsh_ops.float32)
    with pytest.raises(ArgumentError, match="-1"):
        torsh_ops.linspace(0, 1, -1)
    with pytest.raises(ShapeError, match="out has shape"):
        torsh_ops.zeros(2, out=torsh_ops.ones(3))
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
