"""Module, Parameter, the containers, and starting values."""

import copy
import math
import pickle

import numpy as np
import pytest
from layers import normal, t
from oracle import needs_torch, torch

import torsh_ops
from torsh_ops import nn
from torsh_ops.errors import ArgumentError, DimError, DTypeError, OperandError, ShapeError, TorshError


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.norm = nn.BatchNorm2d(3)
        self.second = nn.Linear(3, 2, bias=False)
        self.scale = nn.Parameter(torsh_ops.ones(1))
        self.register_buffer("seen", torsh_ops.zeros(1), persistent=False)

    def forward(self, x):
        return self.second(self.first(x)) * self.scale


NAMES = ["scale", "first.weight", "first.bias", "norm.weight", "norm.bias", "second.weight"]
STATE = [*NAMES[:5], "norm.running_mean", "norm.running_var", "norm.num_batches_tracked", "second.weight"]


def test_what_a_module_owns():
    model = Two()
    assert [n for n, _ in model.named_parameters()] == NAMES
    assert list(model.state_dict()) == STATE
    assert [n for n, _ in model.named_buffers()] == [
        "seen",
        *(f"norm.{n}" for n in ("running_mean", "running_var", "num_batches_tracked")),
    ]
    assert [n for n, _ in model.named_modules()] == ["", "first", "norm", "second"]
    assert [n for n, _ in model.named_children()] == ["first", "norm", "second"]
    assert next(model.parameters()) is model.scale
    model.tied = model.first
    assert len(list(model.parameters())) == 6


def test_a_state_moves_from_model_to_model(tmp_path):
    one, other = Two(), Two()
    other.load_state_dict(one.state_dict())
    x = t(normal(5, 4, dtype="float32"))
    np.testing.assert_array_equal(one(x).detach().numpy(), other(x).detach().numpy())
    # The state shares memory with its model, and loading copies.
    one.state_dict()["scale"][0] = 5.0
    assert (one.scale.item(), other.scale.item()) == (5.0, 1.0)
    (tmp_path / "model").write_bytes(pickle.dumps(one))
    again = pickle.loads((tmp_path / "model").read_bytes())
    np.testing.assert_array_equal(one(x).detach().numpy(), again(x).detach().numpy())
    assert isinstance(again.scale, nn.Parameter)


def test_a_state_that_does_not_fit_changes_nothing():
    model = Two()
    state = {**model.state_dict(), "third": torsh_ops.ones(1), "scale": torsh_ops.ones(2)}
    before = model.first.bias.detach().numpy().copy()
    state["first.bias"] = torsh_ops.zeros(3)
    del state["second.weight"]
    with pytest.raises(RuntimeError) as error:
        model.load_state_dict(state)
    for part in (
        "Error(s) in loading state_dict for Two:",
        "Unexpected key(s) in state_dict: 'third'.",
        "Missing key(s) in state_dict: 'second.weight'.",
        "size mismatch for scale: copying a param with shape (2,) from the state_dict, ",
        "the shape in the current model is (1,).",
    ):
        assert part in str(error.value)
    np.testing.assert_array_equal(model.first.bias.detach().numpy(), before)
    del state["scale"]
    keys = model.load_state_dict(state, strict=False)
    assert (keys.missing_keys, keys.unexpected_keys) == (["scale", "second.weight"], ["third"])
    np.testing.assert_array_equal(model.first.bias.detach().numpy(), np.zeros(3))


def test_modes_gradients_and_apply():
    model = Two()
    seen = []
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen == ["Linear", "BatchNorm2d", "Linear", "Two"]
    assert not model.eval().norm.training
    assert model.train().norm.training
    model(torsh_ops.ones(1, 4)).sum().backward()
    assert model.first.weight.grad is not None
    model.zero_grad(set_to_none=False)
    assert not model.first.weight.grad.numpy().any()
    model.zero_grad()
    assert model.first.weight.grad is None
    model.requires_grad_(False)
    assert not model(torsh_ops.ones(1, 4)).requires_grad


def test_conversion():
    model = Two().double()
    assert {p.dtype for p in model.parameters()} == {torsh_ops.float64}
    assert model.norm.num_batches_tracked.dtype is torsh_ops.int64
    assert model(t(normal(1, 4))).dtype is torsh_ops.float64
    assert model.to("cpu").float().scale.dtype is torsh_ops.float32
    with pytest.raises(DTypeError, match="int64"):
        model.to(torsh_ops.int64)


def test_copies_are_independent():
    model = Two()
    twin = copy.deepcopy(model)
    assert isinstance(twin.scale, nn.Parameter) and twin.scale is not model.scale
    twin.scale.detach()[0] = 9.0
    assert model.scale.item() == 1.0


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda m: setattr(m, "scale", torsh_ops.ones(1)), OperandError, "cannot assign 'Tensor' as parameter 'scale'"),
        (lambda m: setattr(m, "first", 3), OperandError, "cannot assign 'int' as child module 'first'"),
        (lambda m: m.third, AttributeError, "'Two' object has no attribute 'third'"),
        (lambda m: m.register_buffer("b", 3), OperandError, "cannot assign 'int' as buffer 'b'"),
        (lambda m: m.register_parameter("p", torsh_ops.ones(1)), OperandError, "as parameter 'p'"),
        (lambda m: m.add_module("a.b", m.first), ArgumentError, r"'a\.b'"),
        (lambda m: m.add_module("a", 3), OperandError, "3 is not a Module"),
        (lambda m: m.train("yes"), ArgumentError, "yes"),
        (lambda m: m.load_state_dict({**m.state_dict(), "scale": 3}), RuntimeError, "scale: expected a Tensor"),
        (lambda m: nn.Parameter(3), OperandError, "int"),
        (lambda m: nn.Module()(1), NotImplementedError, "Module has no forward"),
    ],
)  # fmt: skip
def test_misuse_of_a_module(act, error, message):
    with pytest.raises(error, match=message):
        act(Two())


def test_a_module_that_forgets_its_base():
    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"cannot assign module 'layer' before Module.__init__\(\) call"):
        Forgetful()


def test_attributes_can_be_exchanged_and_deleted():
    model = Two()
    model.scale = nn.Parameter(torsh_ops.zeros(1))
    model.second = None
    assert "second.weight" not in model.state_dict()
    del model.first
    assert [n for n, _ in model.named_parameters()] == ["scale", "norm.weight", "norm.bias"]
    with pytest.raises(AttributeError):
        _ = model.first


def test_containers():
    one = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Flatten())
    assert len(one) == 3 and isinstance(one[-1], nn.Flatten) and len(one[:2]) == 2
    assert one.append(nn.Identity())(torsh_ops.ones(2, 4)).shape == (2, 3)
    assert list(nn.Sequential({"a": nn.Tanh(), "b": nn.Sigmoid()}).named_children())[1][0] == "b"
    many = nn.ModuleList(nn.Linear(1, 1) for _ in range(3))
    many[1] = nn.Identity()
    assert [n for n, _ in many.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert len(many[1:]) == 2 and many[-1] is list(many)[2]
    for container in (one, many):
        with pytest.raises(DimError, match="7"):
            container[7]


@needs_torch
@pytest.mark.parametrize(
    "make",
    [
        lambda n: n.Sequential(n.Conv2d(3, 8, 3, padding=1, bias=False), n.ReLU(inplace=True), n.MaxPool2d(2)),
        lambda n: n.Conv2d(4, 8, (3, 2), stride=2, padding="valid", dilation=2, groups=2),
        lambda n: n.Sequential(n.AvgPool2d(3), n.AdaptiveAvgPool2d((1, 2)), n.Flatten(), n.Dropout(0.1)),
        lambda n: n.Sequential(n.BatchNorm2d(3), n.LayerNorm([4, 5]), n.Embedding(5, 2, padding_idx=-1), n.Softmax(1)),
        lambda n: n.ModuleList([n.GELU(), n.SiLU(), n.Tanh(), n.Sigmoid(), n.Identity()]),
        lambda n: n.Linear(3, 4, bias=False),
    ],
)
def test_repr_is_torchs(make):
    assert repr(make(nn)) == repr(make(torch.nn))


# Starting values


@pytest.mark.parametrize(
    ("fill", "bound"),
    [
        (lambda x, g: nn.init.kaiming_uniform_(x, nonlinearity="relu", generator=g), math.sqrt(3 * 2 / 300)),
        (lambda x, g: nn.init.kaiming_uniform_(x, math.sqrt(5), generator=g), 1 / math.sqrt(300)),
        (lambda x, g: nn.init.kaiming_uniform_(x, mode="fan_out", nonlinearity="tanh", generator=g), 5 / 1200**0.5),
        (lambda x, g: nn.init.xavier_uniform_(x, 2.0, generator=g), 2 * math.sqrt(6 / 700)),
        (lambda x, g: nn.init.uniform_(x, -0.5, 0.5, generator=g), 0.5),
    ],
)  # fmt: skip
def test_uniform_starts_fill_their_range(fill, bound):
    x = torsh_ops.empty(400, 300, requires_grad=True)
    assert fill(x, torsh_ops.Generator().manual_seed(1)) is x
    values = x.detach().numpy()
    assert 0.999 * bound < np.abs(values).max() <= bound * (1 + 1e-6)
    # 120000 uniform draws: five standard deviations of the mean are 0.0084 of the bound.
    assert abs(values.mean()) < 0.0084 * bound
    np.testing.assert_allclose(values.std(), bound / math.sqrt(3), rtol=0.01)
    again = fill(torsh_ops.empty(400, 300), torsh_ops.Generator().manual_seed(1))
    np.testing.assert_array_equal(again.numpy(), values)


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (lambda x, g: nn.init.kaiming_normal_(x, nonlinearity="linear", generator=g), 1 / math.sqrt(300)),
        (lambda x, g: nn.init.xavier_normal_(x, generator=g), math.sqrt(2 / 700)),
        (lambda x, g: nn.init.normal_(x, 0.0, 3.0, generator=g), 3.0),
    ],
)
def test_normal_starts_have_their_deviation(fill, std):
    values = fill(torsh_ops.empty(400, 300), torsh_ops.Generator().manual_seed(1)).numpy()
    np.testing.assert_allclose(values.std(), std, rtol=0.02)
    assert np.abs(values).max() > 3.5 * std


def test_constant_starts():
    x = torsh_ops.empty(3, requires_grad=True)
    assert nn.init.ones_(x).tolist() == [1, 1, 1]
    assert nn.init.zeros_(x).tolist() == [0, 0, 0]
    assert nn.init.constant_(x, 4).tolist() == [4, 4, 4]
    assert nn.init.calculate_gain("leaky_relu", 0.5) == math.sqrt(1.6)


def test_layers_start_within_their_fan_in():
    for layer, fan in ((nn.Linear(50, 40), 50), (nn.Conv2d(8, 40, 3, groups=2), 36)):
        for p in layer.parameters():
            assert 0.8 / math.sqrt(fan) < np.abs(p.detach().numpy()).max() <= 1 / math.sqrt(fan)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.init.kaiming_uniform_(t(normal(5))), ShapeError, r"\(5,\)"),
        (lambda: nn.init.kaiming_uniform_(t(normal(5, 4)), mode="in"), ArgumentError, "Mode in not supported"),
        (lambda: nn.init.calculate_gain("swish"), ArgumentError, "Unsupported nonlinearity swish"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message) as raised:
        call()
    assert isinstance(raised.value, TorshError)
