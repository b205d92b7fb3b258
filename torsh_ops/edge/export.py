"""Models as ONNX files, the format that most runtimes on small machines read."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from torsh_ops.autograd import Node, enable_grad
from torsh_ops.edge.errors import ExportError
from torsh_ops.edge.onnx_forms import FORMS
from torsh_ops.errors import ArgumentError, OperandError
from torsh_ops.tensor import Tensor

if TYPE_CHECKING:
    from torsh_ops.nn import Module

# The operators of ONNX 1.15 (2023): onnxruntime reads them from 1.17 on.
OPSET, IR_VERSION = 20, 9


def export_onnx(
    model: "Module",
    args: Tensor | Sequence[Tensor],
    f: str | os.PathLike[str],
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> None:
    """Write `model` in evaluation mode, as it computes on `args`, to the file `f`.

    The shapes of `args` are fixed in the file. The model must return one tensor. Parameters keep their names; the
    inputs are input0, input1, ... and the result is output unless named.

    Raises ExportError when the model uses an operation without an ONNX form here, when what it does depends on
    the values of its input, or when the onnx package is missing.
    """
    inputs = [args] if isinstance(args, Tensor) else list(args)
    names = list(input_names or (f"input{k}" for k in range(len(inputs))))
    results = list(output_names or ["output"])
    if len(names) != len(inputs) or len(results) != 1:
        raise ArgumentError(f"{len(inputs)} inputs and 1 output cannot be named {names} and {results}")
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        data = _Graph(_Trace(model, inputs), names, results[0]).serialize()
        # What is not on the tape (a comparison, an index, Python's if) would be frozen as it came out for `args`:
        # with other values the file must come out the same.
        other = [Tensor(np.ascontiguousarray(np.flip(-x._array))) for x in inputs]
        if data != _Graph(_Trace(model, other), names, results[0]).serialize():
            raise ExportError("what the model does depends on the values of its input: it has no fixed graph")
    finally:
        for module, mode in modes:
            module.training = mode
    Path(f).write_bytes(data)


class _Trace:
    """What `model` did to `inputs`, read off the tape: nodes in order, and the tensors that come from outside."""

    def __init__(self, model: "Module", inputs: Sequence[Tensor]) -> None:
        for k, x in enumerate(inputs):
            if not isinstance(x, Tensor) or x._array.dtype.kind != "f":
                raise OperandError(f"input {k} of an exported model must be a floating-point Tensor, not {x!r}")
        # A gradient is asked of each input, so that every step from it is recorded.
        self.inputs = [x.detach().requires_grad_() for x in inputs]
        with enable_grad():
            self.output = model(*self.inputs)
        if not isinstance(self.output, Tensor) or self.output._node is None:
            raise ExportError("an exported model must return one Tensor, computed from its input")
        self.names = {id(t): name for name, t in (*model.named_parameters(), *model.named_buffers())}
        found: set[Node] = set()
        waiting = [self.output._node]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += [a._node for a in self.args(node) if isinstance(a, Tensor) and a._node is not None]
        self.nodes = sorted(found, key=lambda node: node.order)

    @staticmethod
    def args(node: Node) -> tuple[Any, ...]:
        """The arguments of a node of a tape that nobody has walked back."""
        assert node.args is not None
        return node.args


class _Graph:
    """The ONNX graph of a trace; `node`, `constant` and `name` are what the forms in `onnx_forms` write with."""

    def __init__(self, trace: _Trace, input_names: list[str], output_name: str) -> None:
        try:
            import onnx
        except ImportError as error:
            raise ExportError("exporting needs the onnx package: pip install torsh-ops[edge]") from error
        self.onnx, self.trace, self.input_names, self.output_name = onnx, trace, input_names, output_name
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.known = {id(x): name for x, name in zip(trace.inputs, input_names, strict=True)}
        self.results: dict[Node, str] = {}

    def serialize(self) -> bytes:
        """The checked file."""
        for node in self.trace.nodes:
            form = FORMS.get(node.op)
            if form is None:
                raise ExportError(f"{node.op.__name__}() has no ONNX form in torsh_ops.edge.onnx_forms")
            self.results[node] = form(self, *self.trace.args(node))
        last = self.trace.output._node
        assert last is not None
        self.node("Identity", self.results[last], result=self.output_name)
        inputs = [self._info(n, x) for n, x in zip(self.input_names, self.trace.inputs, strict=True)]
        outputs = [self._info(self.output_name, self.trace.output)]
        make = self.onnx.helper
        graph = make.make_graph(self.nodes, "torsh_ops", inputs, outputs, list(self.initializers.values()))
        opset = make.make_opsetid("", OPSET)
        model = make.make_model(graph, opset_imports=[opset], producer_name="torsh_ops", ir_version=IR_VERSION)
        self.onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()

    def _info(self, name: str, tensor: Tensor) -> Any:
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(tensor._array.dtype)
        return self.onnx.helper.make_tensor_value_info(name, kind, tensor.shape)

    def node(self, kind: str, *operands: Any, result: str = "", **attributes: Any) -> str:
        """Add an ONNX operator on tensors, numbers or names, and return the name of its result."""
        like = next((x for x in operands if isinstance(x, Tensor)), None)
        names = [self.name(x, like) for x in operands]
        while names[-1] == "":  # onnxruntime 1.31 crashes on a trailing operand that is named and left out
            names.pop()
        result = result or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, names, [result], **attributes))
        return result

    def constant(self, array: np.ndarray, name: str = "") -> str:
        """Add `array` to the file and return its name."""
        name = name or f"constant_{len(self.initializers)}"
        self.initializers[name] = self.onnx.numpy_helper.from_array(np.array(array, order="C"), name)
        return name

    def name(self, operand: Any, like: Tensor | None = None) -> str:
        """The name of an operand; a number takes the dtype of `like`, None is an operand left out."""
        if operand is None:
            return ""
        if isinstance(operand, str):
            return operand
        if not isinstance(operand, Tensor):
            return self.constant(np.asarray(operand, None if like is None else like._array.dtype))
        if operand._node is not None:
            return self.results[operand._node]
        if id(operand) not in self.known:
            self.known[id(operand)] = self.constant(operand._array, self.trace.names.get(id(operand), ""))
        return self.known[id(operand)]
