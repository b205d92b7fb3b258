import copy
import math
import pickle

import numpy as np
import pytest
from oracle import assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops import nn
from torsh_ops.errors import ArgumentError, DimError, DTypeError, OperandError, ShapeError, TorshError
from torsh_ops.nn import attention
from torsh_ops.nn import functional as F


def normal(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def t(array):
    return torsh_ops.from_numpy(np.asarray(array))


# Operators against PyTorch: value, gradients of all floating-point arguments. Each gets the library's nn.functional,
# the library, and tensors.
W, B = normal(5, 4, seed=1), normal(5, seed=2)
X, IMAGES = normal(3, 4), normal(4, 3, 5, 6)
CLASSES, PROBABLE = np.array([1, 3, 0]), np.abs(normal(3, 4, seed=3))
CASES = {
    "linear": (lambda f, T, x, w, b: f.linear(x, w, b), X, W, B),
    "linear without bias": (lambda f, T, x, w: f.linear(x, w), X, W),
    "linear of one": (lambda f, T, x, w, b: f.linear(x, w, b), X[0], W, B),
    "linear of many": (lambda f, T, x, w, b: f.linear(x, w, b), normal(2, 3, 4), W, B),
    "batch_norm": (lambda f, T, x, w, b: f.batch_norm(x, None, None, w, b, True), IMAGES, B[:3], B[2:]),
    "batch_norm plain": (lambda f, T, x: f.batch_norm(x, None, None, training=True, eps=0.1), X),
    "batch_norm running": (
        lambda f, T, x, w, b: f.batch_norm(x, T.zeros(3).double() + 0.5, T.ones(3).double() * 2, w, b),
        IMAGES, B[:3], B[2:],
    ),
    "embedding": (lambda f, T, w: f.embedding(T.tensor([[0, 4, 4], [2, 1, 4]]), w), W),
    "embedding padding": (lambda f, T, w: f.embedding(T.tensor([0, 4, 4, 2]), w, padding_idx=4), W),
    "mse_loss": (lambda f, T, x, y: f.mse_loss(x, y), X, PROBABLE),
    "mse_loss sum": (lambda f, T, x, y: f.mse_loss(x, y, reduction="sum"), X, PROBABLE),
    "l1_loss none": (lambda f, T, x, y: f.l1_loss(x, y, reduction="none"), X, PROBABLE),
    "bce": (lambda f, T, x, y: f.binary_cross_entropy_with_logits(x, y), X * 40, PROBABLE),
    "bce weighted": (
        lambda f, T, x, y: f.binary_cross_entropy_with_logits(
            x, y, T.tensor(np.abs(X)), reduction="sum", pos_weight=T.tensor(W[0] + 3)
        ),
        X, PROBABLE,
    ),
    "nll_loss": (lambda f, T, x: f.nll_loss(x, T.tensor(CLASSES)), X),
    "nll_loss one": (lambda f, T, x: f.nll_loss(x, T.tensor(2)), X[0]),
    "cross_entropy": (lambda f, T, x: f.cross_entropy(x, T.tensor(CLASSES)), X),
    "cross_entropy images": (
        lambda f, T, x: f.cross_entropy(x, T.tensor(np.arange(4 * 30).reshape(4, 5, 6) % 3), reduction="none"), IMAGES
    ),
    "cross_entropy ignored": (lambda f, T, x: f.cross_entropy(x, T.tensor(CLASSES), ignore_index=3), X),
    "cross_entropy weighted": (
        lambda f, T, x: f.cross_entropy(x, T.tensor(CLASSES), T.tensor(PROBABLE[0]), ignore_index=3), X
    ),
    "cross_entropy smooth": (
        lambda f, T, x: f.cross_entropy(
            x, T.tensor(CLASSES), T.tensor(PROBABLE[0]), ignore_index=3, label_smoothing=0.3
        ),
        X,
    ),
    "cross_entropy smooth sum": (
        lambda f, T, x: f.cross_entropy(x, T.tensor(CLASSES), reduction="sum", label_smoothing=0.3), X
    ),
    "cross_entropy probabilities": (
        lambda f, T, x, p: f.cross_entropy(x, p, T.tensor(PROBABLE[0]), label_smoothing=0.1), X, PROBABLE
    ),
    "attention": (
        lambda f, T, q, k, v: f.scaled_dot_product_attention(q, k, v),
        normal(2, 3, 5, 4), normal(2, 3, 6, 4, seed=1), normal(2, 3, 6, 7, seed=2),
    ),
    "attention causal": (
        lambda f, T, q: f.scaled_dot_product_attention(q, q, q, is_causal=True, scale=0.3), normal(2, 5, 4)
    ),
    "attention masked": (
        lambda f, T, q: f.scaled_dot_product_attention(q, q, q, T.tensor(np.tri(5, dtype=bool))), normal(2, 5, 4)
    ),
    "attention biased": (
        lambda f, T, q, m: f.scaled_dot_product_attention(q, q, q, m), normal(2, 5, 4), normal(5, 5, seed=4)
    ),
}  # fmt: skip


WIDE = ("running", "weighted", "smooth", "probabilities")


def weigh(y):
    """A different weight for each element, as nested lists so that either library takes them."""
    return np.random.default_rng(7).standard_normal(tuple(y.shape))


@needs_torch
# Some cases hold float64 constants.
@pytest.mark.parametrize(
    ("name", "dtype"),
    [(n, d) for n in CASES for d in ("float32", "float64") if d == "float64" or not any(part in n for part in WIDE)],
)
def test_operators_are_torchs(name, dtype):
    call, *arrays = CASES[name]
    arrays = [a.astype(dtype) for a in arrays]
    ours = [t(a.copy()).requires_grad_() for a in arrays]
    theirs = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    y, z = call(F, torsh_ops, *ours), call(torch.nn.functional, torch, *theirs)
    how = {"float32": (2e-5, 1e-5), "float64": (1e-10, 1e-12)}[dtype]
    assert_same(y, z, *how)
    w = weigh(y).astype(dtype)
    y.backward(t(w))
    z.backward(torch.from_numpy(w))
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a.grad, b.grad, *how)


@pytest.mark.parametrize("name", CASES)
def test_operators_gradients_by_differences(name):
    call, *arrays = CASES[name]
    arrays = [a[:2] if a.ndim == 4 and name.startswith("batch") else a for a in arrays]
    if name.startswith("cross_entropy images"):
        arrays = [IMAGES]
    leaves = [t(a.copy()).requires_grad_() for a in arrays]
    y = call(F, torsh_ops, *leaves)
    w = weigh(y)
    y.backward(t(w))
    for i, leaf in enumerate(leaves):

        def value(a, i=i):
            given = [*arrays[:i], a, *arrays[i + 1 :]]
            return float((call(F, torsh_ops, *map(t, given)).numpy() * w).sum())

        if name == "embedding padding":
            continue
        np.testing.assert_allclose(leaf.grad.numpy(), numeric_gradient(value, arrays[i]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "name", ["linear", "batch_norm", "batch_norm plain", "embedding padding", "cross_entropy", "attention"]
)
def test_second_derivatives_by_differences(name):
    call, x, *rest = CASES[name]
    x = x[:2] if x.ndim == 4 and name.startswith("batch") else x

    def gradient(a, create_graph):
        leaf = t(a.copy()).requires_grad_()
        loss = (call(F, torsh_ops, leaf, *map(t, rest)) ** 3).sum()
        return leaf, torsh_ops.autograd.grad(loss, leaf, create_graph=create_graph)[0]

    along = normal(*x.shape, seed=9)
    leaf, first = gradient(x, True)
    (second,) = torsh_ops.autograd.grad((first * t(along)).sum(), leaf)
    above, below = (gradient(x + h * along, False)[1].numpy() for h in (1e-6, -1e-6))
    want = (above - below) / 2e-6
    np.testing.assert_allclose(second.numpy(), want, rtol=1e-5, atol=1e-6 * np.abs(want).max())


def test_batch_norm_without_torch():
    x, w, b = normal(4, 3, 5, 6, dtype="float32") * 3 + 100, normal(3, dtype="float32"), normal(3, dtype="float32")
    mean, var = torsh_ops.zeros(3), torsh_ops.ones(3)
    got = F.batch_norm(t(x), mean, var, t(w), t(b), training=True, momentum=0.25).numpy()
    wide = x.astype("f8")
    m, v = (f(wide, axis=(0, 2, 3)) for f in (np.mean, np.var))
    want = (wide - m[:, None, None]) / np.sqrt(v[:, None, None] + 1e-5) * w[:, None, None] + b[:, None, None]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mean.numpy(), 0.25 * m, rtol=1e-6)
    np.testing.assert_allclose(var.numpy(), 0.75 + 0.25 * v * 120 / 119, rtol=1e-5)


def test_linear_and_cross_entropy_without_torch():
    np.testing.assert_allclose(F.linear(t(X), t(W), t(B)).numpy(), X @ W.T + B, rtol=1e-13)
    logs = X - np.log(np.exp(X).sum(1, keepdims=True))
    want = -logs[[0, 1, 2], CLASSES].mean()
    np.testing.assert_allclose(F.cross_entropy(t(X), t(CLASSES)).item(), want, rtol=1e-13)


def test_everything_ignored_is_nan():
    assert math.isnan(F.cross_entropy(t(X), t(np.full(3, -100))).item())
    assert F.cross_entropy(t(X), t(np.full(3, -100)), reduction="sum").item() == 0


def test_linear_with_two_threads():
    torsh_ops.set_num_threads(2)
    try:
        np.testing.assert_allclose(F.linear(t(X), t(W), t(B)).numpy(), X @ W.T + B, rtol=1e-13)
    finally:
        torsh_ops.set_num_threads(1)


def test_dropout():
    torsh_ops.manual_seed(3)
    x = torsh_ops.ones(200, 200, requires_grad=True)
    y = F.dropout(x, 0.25)
    kept = y.detach().numpy() != 0
    # 40000 draws: five standard deviations are 0.011.
    assert abs(kept.mean() - 0.75) < 0.011
    np.testing.assert_allclose(y.detach().numpy()[kept], 1 / 0.75, rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert F.dropout(x, 0.25, training=False) is x
    assert not F.dropout(x, 1.0).detach().numpy().any()
    layer = nn.Dropout(0.5)
    assert layer(x) is not x
    assert layer.eval()(x) is x


# Modules


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


def load(ours, theirs):
    ours.load_state_dict({n: t(v.detach().numpy()) for n, v in theirs.state_dict().items()})
    return ours


@needs_torch
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda n: n.Linear(4, 3), (2, 4)),
        (lambda n: n.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 9, 9)),
        (lambda n: n.Sequential(n.BatchNorm2d(4), n.ReLU(), n.AvgPool2d(2), n.Tanh()), (2, 4, 6, 6)),
        (lambda n: n.BatchNorm2d(4, momentum=None, affine=False), (2, 4, 6, 6)),
        (lambda n: n.BatchNorm2d(4, track_running_stats=False).eval(), (2, 4, 6, 6)),
        (lambda n: n.LayerNorm((3, 4), bias=False), (2, 3, 4)),
        (lambda n: n.Sequential(n.GELU("tanh"), n.SiLU(), n.Softmax(-1), n.Sigmoid()), (2, 4)),
        (lambda n: n.TransformerEncoderLayer(8, 2, 16, dropout=0.0), (5, 3, 8)),
        (lambda n: n.TransformerEncoderLayer(8, 4, 16, dropout=0.0, activation="gelu", batch_first=True), (3, 5, 8)),
        (lambda n: n.TransformerEncoderLayer(8, 1, 16, 0.0, norm_first=True, bias=False, batch_first=True), (3, 5, 8)),
        (lambda n: n.TransformerEncoderLayer(8, 2, 16, dropout=0.0), (5, 8)),
    ],
)
def test_layers_are_torchs(make, shape):
    theirs = make(torch.nn).double()
    ours = load(make(nn).double(), theirs)
    for step in range(2):
        x = normal(*shape, seed=step)
        a, b = t(x).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
        y, z = ours(a), theirs(b)
        assert_same(y, z, 1e-10, 1e-12)
        w = weigh(y)
        y.backward(t(w))
        z.backward(torch.from_numpy(w))
        assert_same(a.grad, b.grad, 1e-9, 1e-11)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_same(p.grad, q.grad, 1e-9, 1e-11)
    for p, q in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert_same(p, q, 1e-9, 1e-11)
    assert_same(ours.eval()(t(x)), theirs.eval()(torch.from_numpy(x)), 1e-9, 1e-11)


@needs_torch
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masks", ["none", "bool", "float", "padding", "both", "heads"])
def test_attention_is_torchs(masks, batch_first):
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=batch_first).double()
    ours = load(nn.MultiheadAttention(8, 2, batch_first=batch_first).double(), theirs)
    shapes = [(3, 5, 8), (3, 6, 8), (3, 6, 8)]
    arrays = [normal(*(s if batch_first else (s[1], s[0], s[2])), seed=i) for i, s in enumerate(shapes)]
    later, padding = ~np.tri(5, 6, 1, dtype=bool), np.arange(18).reshape(3, 6) % 6 > 3
    given = {
        "none": {},
        "bool": {"attn_mask": later},
        "float": {"attn_mask": normal(5, 6, seed=8)},
        "padding": {"key_padding_mask": padding},
        "both": {"attn_mask": later, "key_padding_mask": padding},
        "heads": {"attn_mask": np.broadcast_to(later, (6, 5, 6)).copy()},
    }[masks]
    for average in (True, False):
        y, a = ours(*map(t, arrays), **{n: t(m) for n, m in given.items()}, average_attn_weights=average)
        z, b = theirs(
            *map(torch.from_numpy, arrays),
            **{n: torch.from_numpy(m) for n, m in given.items()},
            average_attn_weights=average,
        )
        assert_same(y, z, 1e-10, 1e-12)
        assert_same(a, b, 1e-10, 1e-12)
    assert ours(*map(t, arrays), need_weights=False)[1] is None


def test_attention_without_torch():
    q, k, v = normal(2, 5, 4), normal(2, 6, 4, seed=1), normal(2, 6, 3, seed=2)
    scores = np.exp(q @ k.transpose(0, 2, 1) / 2)
    want = scores / scores.sum(-1, keepdims=True) @ v
    np.testing.assert_allclose(F.scaled_dot_product_attention(*map(t, (q, k, v))).numpy(), want, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("length", "keys", "width", "wide"),
    [(5, 6, 4, 7), (70, 130, 33, 20), (64, 16, 16, 16), (1, 1, 1, 1), (129, 3, 8, 40)],
)
def test_attention_without_gradients_is_one_kernel(length, keys, width, wide, dtype, monkeypatch):
    # As they come out of one projection: views with the heads between the places and the width.
    q, k, v = (
        normal(2, n, 3, w, dtype=dtype, seed=i).swapaxes(1, 2)
        for i, (n, w) in enumerate(((length, width), (keys, width), (keys, wide)))
    )
    wq, wk, wv = (a.astype("f8") for a in (q, k, v))
    scores = np.exp(wq @ wk.swapaxes(-1, -2) * 0.3)
    want = scores / scores.sum(-1, keepdims=True) @ wv
    monkeypatch.setattr(attention, "_attend", None)
    got = F.scaled_dot_product_attention(*map(t, (q, k, v)), scale=0.3)
    assert got.shape == want.shape
    rounding = {"float32": 1e-5, "float64": 1e-13}[dtype]
    np.testing.assert_allclose(got.numpy(), want, rtol=rounding, atol=rounding)
    torsh_ops.set_num_threads(2)
    try:
        np.testing.assert_array_equal(
            F.scaled_dot_product_attention(*map(t, (q, k, v)), scale=0.3).numpy(), got.numpy()
        )
    finally:
        torsh_ops.set_num_threads(1)


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


# Bad input

Z = torsh_ops.zeros(3, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.linear(t(X), t(W[:, :3])), ShapeError, r"input of shape \(3, 4\) and weight of shape \(5, 3\)"),
        (lambda: F.linear(t(X), t(W), t(B[:2])), ShapeError, r"bias must have shape \(5,\), but got \(2,\)"),
        (lambda: F.linear(t(X), t(W).float()), DTypeError, "float64 but weight is .*float32"),
        (lambda: F.embedding(t([0, 5]), t(W)), DimError, "index 5 is out of range .* 5 rows"),
        (lambda: F.embedding(t([0, -1]), t(W)), DimError, "index -1"),
        (lambda: F.embedding(t(B), t(W)), DTypeError, "float64"),
        (lambda: F.embedding(t([0]), t(B)), ShapeError, r"2-D, but got shape \(5,\)"),
        (lambda: F.embedding(t([0]), t(W), padding_idx=9), ArgumentError, "9"),
        (lambda: F.embedding(t([0]), t(W), max_norm=1.0), ArgumentError, "max_norm"),
        (lambda: nn.Embedding(3, 2, sparse=True), ArgumentError, "sparse"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), ArgumentError, "3"),
        (lambda: F.batch_norm(t(X[0]), None, None, training=True), ShapeError, r"\(4,\)"),
        (lambda: F.batch_norm(t(X[:1]), None, None, training=True), ArgumentError, r"more than 1 value .*\[1, 4\]"),
        (lambda: F.batch_norm(t(X), None, None), ArgumentError, "running_mean and running_var"),
        (lambda: F.batch_norm(t(X), None, None, t(B), training=True), ShapeError, r"contain 4 elements, not \[5\]"),
        (lambda: F.batch_norm(t(X), None, None, t(B[:4]).float(), training=True), DTypeError, "weight is .*float32"),
        (lambda: nn.BatchNorm2d(3)(t(X)), ShapeError, r"expected 4D input \(got 2D input\)"),
        (lambda: F.mse_loss(t(X), t(B)), ShapeError, r"\(5,\) must have the shape of the input, \(3, 4\)"),
        (lambda: F.mse_loss(t(X), t(X), reduction="avg"), ArgumentError, "avg is not a valid value"),
        (lambda: nn.MSELoss(reduction="avg"), ArgumentError, "avg is not a valid value"),
        (lambda: F.nll_loss(t(X), t([1, 4, 0])), DimError, "Target 4 is out of bounds: there are 4 classes"),
        (lambda: F.nll_loss(t(X), t([1, 0])), ShapeError, r"Expected target size \[3\], got \[2\]"),
        (lambda: F.nll_loss(t(X), t(CLASSES), t(B)), ShapeError, r"all 4 classes, but got shape \(5,\)"),
        (lambda: F.nll_loss(t(X), t(B[:3])), DTypeError, "float64"),
        (lambda: F.cross_entropy(t(X), t(CLASSES), label_smoothing=2.0), ArgumentError, r"2\.0"),
        (lambda: F.dropout(t(X), 1.5), ArgumentError, r"1\.5"),
        (lambda: F.dropout(t(X), inplace=True), ArgumentError, "inplace"),
        (lambda: nn.Dropout(-1), ArgumentError, "-1"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="reflect"), ArgumentError, "'reflect' is not supported"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ArgumentError, "3, 4 and groups=2"),
        (lambda: nn.MultiheadAttention(9, 2), ArgumentError, "9 and 2"),
        (lambda: nn.MultiheadAttention(8, 2, add_zero_attn=True, kdim=4), ArgumentError, "add_zero_attn, kdim"),
        (lambda: nn.MultiheadAttention(4, 2)(t(B), t(B), t(B)), ShapeError, "1-D query"),
        (lambda: nn.MultiheadAttention(4, 2)(Z, Z, Z, key_padding_mask=t(B)), ShapeError, "key_padding_mask"),
        (lambda: nn.MultiheadAttention(4, 2)(t(X), t(X), t(X), is_causal=True), ArgumentError, "Need attn_mask"),
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="swish"), OperandError, "swish"),
        (lambda: F.scaled_dot_product_attention(t(X), t(W), t(X)), ShapeError, "do not fit"),
        (lambda: F.scaled_dot_product_attention(t(X), t(X), t(X), enable_gqa=True), ArgumentError, "enable_gqa"),
        (lambda: F.scaled_dot_product_attention(t(X), t(X), t(X), t(X), is_causal=True), ArgumentError, "is_causal"),
        (lambda: nn.init.kaiming_uniform_(t(B)), ShapeError, r"\(5,\)"),
        (lambda: nn.init.kaiming_uniform_(t(W), mode="in"), ArgumentError, "Mode in not supported"),
        (lambda: nn.init.calculate_gain("swish"), ArgumentError, "Unsupported nonlinearity swish"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message) as raised:
        call()
    assert isinstance(raised.value, TorshError)
