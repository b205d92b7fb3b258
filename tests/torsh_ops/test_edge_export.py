"""Models written as ONNX compute what they compute here, and what cannot be written is refused."""

import sys

import numpy as np
import pytest

import torsh_ops
from torsh_ops import nn
from torsh_ops.edge import ExportError, export_onnx
from torsh_ops.errors import ArgumentError, OperandError
from torsh_ops.models import EncoderBlock, SmallCNN
from torsh_ops.ops import elementwise as ew

onnx = pytest.importorskip("onnx", reason="exporting needs onnx: pip install .[edge]")


class Function(nn.Module):
    """A model that is one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def values(*shape):
    generator = np.random.default_rng(0)
    return torsh_ops.from_numpy(generator.standard_normal(shape).astype(np.float32))


def run(path, *inputs):
    """The first output of the file, by onnx's own reference implementation."""
    from onnx.reference import ReferenceEvaluator

    session = ReferenceEvaluator(str(path))
    return session.run(None, dict(zip(session.input_names, (x.numpy() for x in inputs), strict=True)))[0]


def exported(tmp_path, model, *inputs):
    export_onnx(model, inputs, tmp_path / "model.onnx")
    with torsh_ops.no_grad():
        expected = model.eval()(*inputs).numpy()
    got = run(tmp_path / "model.onnx", *inputs)
    assert got.dtype == expected.dtype
    return got, expected


FUNCTIONS = {
    "add": lambda x, y: x + y,
    "sub and numbers": lambda x, y: 1 - x - 2.5 + y * 3,
    "div": lambda x, y: x / (y * y + 1),
    "pow": lambda x, y: (x * x + 1) ** 1.5 + y**2 + (y * y + 1) ** -1 + (x * x + 1) ** -0.5,
    "extremes": lambda x, y: ew.maximum(x, y) - ew.minimum(x, y),
    "exp and log": lambda x, y: ew.log(ew.exp(x) + ew.exp(-y)),
    "roots": lambda x, y: ew.sqrt(ew.abs(x)) - y,
    "activations": lambda x, y: ew.tanh(x) + ew.sigmoid(y) + ew.relu(x) + ew.silu(y) + ew.erf(x),
    "gelu": lambda x, y: ew.gelu(x) + ew.gelu(y, "tanh"),
    "matmul": lambda x, y: x @ y.transpose(1, 2),
    "flat matmul": lambda x, y: x.reshape(6, 4) @ y.reshape(4, 6),
    "reductions": lambda x, y: x.sum(1) + y.mean((0, 1)) + x.amax(1) - y.amin(1, keepdim=True).squeeze(1),
    "sum of all": lambda x, y: x.sum() + y,
    "softmax": lambda x, y: torsh_ops.softmax(x, 1) + torsh_ops.log_softmax(y, -1),
    "layer norm": lambda x, y: nn.functional.layer_norm(x, (3, 4)) + y,
    "shapes": lambda x, y: torsh_ops.cat([x.permute(2, 0, 1), y.unsqueeze(0).squeeze(0).permute(2, 0, 1)], 1),
    "expand": lambda x, y: x[:, :1].expand(2, 3, 4) + y,
    "slices": lambda x, y: x[..., 1:3] + y[:, :, ::2] + x[0, None, -1, 1] + y[1, 2, 3],
    "rows": lambda x, y: x[torsh_ops.tensor([1, 0])] + y.index_select(0, torsh_ops.tensor([0, 1])),
    "one input twice": lambda x, y: x * x + y,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_operators_have_their_form(tmp_path, name):
    got, expected = exported(tmp_path, Function(FUNCTIONS[name]), values(2, 3, 4), values(4, 3, 2).reshape(2, 3, 4) + 1)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


LAYERS = {
    "linear": (lambda: nn.Linear(4, 5), (3, 4)),
    "linear without bias": (lambda: nn.Linear(4, 5, bias=False), (3, 4)),
    "linear on sequences": (lambda: nn.Linear(4, 5), (2, 3, 4)),
    "strided, dilated, padded conv": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=(1, 2), dilation=2), (1, 2, 9, 8)),
    "grouped conv": (lambda: nn.Conv2d(4, 6, (3, 1), groups=2, bias=False), (2, 4, 7, 5)),
    "max pool": (lambda: nn.MaxPool2d(2), (1, 2, 6, 8)),
    "overlapping max pool": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (1, 2, 8, 7)),
    "average pool": (lambda: nn.AvgPool2d((3, 2), 2, 1), (1, 2, 7, 8)),
    "mean over places": (lambda: nn.AdaptiveAvgPool2d(1), (2, 3, 5, 4)),
    "uneven adaptive pool": (lambda: nn.AdaptiveAvgPool2d((3, 2)), (1, 2, 7, 5)),
    "layer norm": (lambda: nn.LayerNorm(6), (2, 3, 6)),
    "batch norm": (lambda: nn.BatchNorm2d(3), (2, 3, 4, 4)),
    "dropout": (lambda: nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), (3, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_their_form(tmp_path, name):
    make, shape = LAYERS[name]
    got, expected = exported(tmp_path, make(), values(*shape))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_models_come_out_the_same_in_onnxruntime(tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install .[edge]")
    for model, shape in ((SmallCNN(), (2, 3, 16, 16)), (EncoderBlock(32, 4, 64), (2, 7, 32))):
        x = values(*shape)
        export_onnx(model, x, tmp_path / "model.onnx", input_names=["x"], output_names=["y"])
        with torsh_ops.no_grad():
            expected = model.eval()(x).numpy()
        session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(["y"], {"x": x.numpy()})[0], expected, rtol=1e-4, atol=1e-5)


def test_names_and_shapes_are_in_the_file(tmp_path):
    export_onnx(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), values(3, 4), tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.input, *graph.output)}
    assert shapes == {"input0": [3, 4], "output": [3, 5]}
    assert {i.name for i in graph.initializer} == {"0.weight", "0.bias"}


def test_the_model_is_left_as_it_was(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5).eval())
    x = values(3, 4)
    export_onnx(model, x, tmp_path / "model.onnx")
    assert [m.training for m in model.modules()] == [True, True, False]
    assert not x.requires_grad and all(p.grad is None and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: ew.where(x > 0, x, x * 2), r"where\(\) has no ONNX form"),
        (lambda x: x * 2 if float(x.sum()) > 0 else x * 3, "depends on the values of its input"),
        (lambda x: x * float(x.max()), "depends on the values of its input"),
        (lambda x: x * (x > 0).to(torsh_ops.float32), "depends on the values of its input"),
        (lambda x: x[torsh_ops.tensor([0, 1]), torsh_ops.tensor([1, 0])], "indexing with a tensor"),
        (lambda x: nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True), "attention that is causal"),
        (lambda x: torsh_ops.ones(3), "computed from its input"),
        (lambda x: (x, x), "must return one Tensor"),
    ],
)
def test_what_has_no_fixed_graph_is_refused(tmp_path, function, message):
    with pytest.raises(ExportError, match=message):
        export_onnx(Function(function), values(3, 4), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_bad_arguments_are_refused(tmp_path):
    model = nn.Linear(4, 4)
    with pytest.raises(OperandError, match="input 0 of an exported model must be a floating-point Tensor"):
        export_onnx(model, torsh_ops.zeros(3, 4, dtype=torsh_ops.int64), tmp_path / "model.onnx")
    with pytest.raises(ArgumentError, match="1 inputs and 1 output cannot be named"):
        export_onnx(model, values(3, 4), tmp_path / "model.onnx", input_names=["a", "b"])


def test_a_missing_onnx_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError, match=r"pip install torsh-ops\[edge\]"):
        export_onnx(nn.Linear(4, 4), values(3, 4), tmp_path / "model.onnx")
