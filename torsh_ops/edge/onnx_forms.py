"""The ONNX form of each operator, as a table.

``FORMS[op](graph, *recorded arguments)`` adds ONNX operators to `graph` and returns the name of the result. A new
operator is one line.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops.edge.errors import ExportError
from torsh_ops.nn.linear import linear
from torsh_ops.ops import attention as at
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops import index as ix
from torsh_ops.ops import joining as jn
from torsh_ops.ops import linalg as la
from torsh_ops.ops import norm as nm
from torsh_ops.ops import pool
from torsh_ops.ops import reduce as rd
from torsh_ops.ops import views as vw
from torsh_ops.ops.conv import conv2d

Form = Callable[..., str]


def _axes(values: Any) -> np.ndarray:
    return np.asarray(values, np.int64)


def _same(kind: str) -> Form:
    return lambda g, *operands: g.node(kind, *operands)


def _reduction(kind: str) -> Form:
    def form(g: Any, x: Any, dims: tuple[int, ...], keepdim: bool) -> str:
        return g.node(kind, x, g.constant(_axes(dims)), keepdims=int(keepdim))

    return form


def _layer_norm(g: Any, x: Any, shape: tuple[int, ...], weight: Any, bias: Any, eps: float, *_: Any) -> str:
    scale = np.ones(shape, x._array.dtype) if weight is None else weight
    scale = g.constant(scale) if isinstance(scale, np.ndarray) else scale
    return g.node("LayerNormalization", x, scale, bias, axis=-len(shape), epsilon=float(eps))


def _getitem(g: Any, x: Any, key: Any) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, (np.ndarray, bool)) for part in parts):
        raise ExportError("indexing with a tensor has no ONNX form here")
    # Integers become slices of one place, which the final shape leaves out.
    fixed = [part for part in parts if part is not None]
    gap = x.ndim - sum(part is not Ellipsis for part in fixed)
    at = next((k for k, part in enumerate(fixed) if part is Ellipsis), len(fixed))
    fixed[at : at + 1] = [slice(None)] * gap
    ranges = []
    for part, size in zip(fixed, x.shape, strict=True):
        ranges.append(part if isinstance(part, slice) else slice(part % size, part % size + 1))
    bounds = np.array([r.indices(size) for r, size in zip(ranges, x.shape, strict=True)], np.int64)
    cut = g.node("Slice", x, *map(g.constant, (bounds[:, 0], bounds[:, 1], _axes(range(x.ndim)), bounds[:, 2])))
    return g.node("Reshape", cut, g.constant(_axes(x._array[key].shape)))


def _linear(g: Any, x: Any, weight: Any, bias: Any) -> str:
    if x.ndim == 2:
        return g.node("Gemm", x, weight, bias, transB=1)
    product = g.node("MatMul", x, g.node("Transpose", weight, perm=(1, 0)))
    return product if bias is None else g.node("Add", product, bias)


def _conv2d(g: Any, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> str:
    window = {"strides": stride, "pads": (*padding, *padding), "dilations": dilation, "group": groups}
    return g.node("Conv", x, weight, bias, **window)


def _max_pool2d(
    g: Any, x: Any, _indices: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> str:
    kernel, padding, dilation = _pair(kernel), _pair(padding), _pair(dilation)
    stride = kernel if stride is None else _pair(stride)
    window = {"kernel_shape": kernel, "strides": stride, "pads": (*padding, *padding), "dilations": dilation}
    return g.node("MaxPool", x, ceil_mode=int(ceil_mode), **window)


def _average(g: Any, x: Any, windows: Any) -> str:
    """Mean over windows: over everything, or a product with the windows of the rows and those of the columns."""
    rows, columns = (
        _window_matrix(bounds, scale, size)
        for bounds, scale, size in zip(windows[:2], windows[2:4], x.shape[-2:], strict=True)
    )
    if rows.shape[0] == columns.shape[0] == 1 and rows.all() and columns.all():
        return g.node("ReduceMean", x, g.constant(_axes((-2, -1))), keepdims=1)
    return g.node("MatMul", g.node("MatMul", g.constant(rows), x), g.constant(columns.T))


def _window_matrix(bounds: np.ndarray, scale: np.ndarray, size: int) -> np.ndarray:
    place = np.arange(size)
    inside = (place >= bounds[0][:, None]) & (place < bounds[1][:, None])
    return inside * scale[:, None]


def _attention(g: Any, query: Any, key: Any, value: Any, mask: Any, call: Any) -> str:
    plain = query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
    if call.causal or not plain or (mask is not None and not mask.is_floating_point()):
        raise ExportError("attention that is causal, has a bool mask or shares heads has no ONNX form here")
    axes = list(range(key.ndim))
    turned = g.node("Transpose", key, perm=(*axes[:-2], axes[-1], axes[-2]))
    scores = g.node("MatMul", query, turned)
    scores = g.node("Mul", scores, g.constant(np.asarray(call.scale, query._array.dtype)))
    if mask is not None:
        scores = g.node("Add", scores, mask)
    return g.node("MatMul", g.node("Softmax", scores, axis=-1), value)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


FORMS: dict[Callable[..., Any], Form] = {
    ew.add: _same("Add"),
    ew.sub: _same("Sub"),
    ew.mul: _same("Mul"),
    ew.div: _same("Div"),
    ew.pow: _same("Pow"),
    ew.neg: _same("Neg"),
    ew.abs: _same("Abs"),
    ew.maximum: _same("Max"),
    ew.minimum: _same("Min"),
    ew.exp: _same("Exp"),
    ew.log: _same("Log"),
    ew.sqrt: _same("Sqrt"),
    ew.square: lambda g, x: g.node("Mul", x, x),
    ew.reciprocal: _same("Reciprocal"),
    ew.rsqrt: lambda g, x: g.node("Reciprocal", g.node("Sqrt", x)),
    ew.erf: _same("Erf"),
    ew.tanh: _same("Tanh"),
    ew.sigmoid: _same("Sigmoid"),
    ew.relu: _same("Relu"),
    ew.silu: lambda g, x: g.node("Mul", x, g.node("Sigmoid", x)),
    ew.gelu: _same("Gelu"),
    ew.gelu_tanh: lambda g, x: g.node("Gelu", x, approximate="tanh"),
    ew.clone: _same("Identity"),
    la.mm: _same("MatMul"),
    la.bmm: _same("MatMul"),
    linear: _linear,
    conv2d: _conv2d,
    pool.max_pool2d: _max_pool2d,
    pool._average: _average,
    rd.sum: _reduction("ReduceSum"),
    rd.mean: _reduction("ReduceMean"),
    rd.amax: _reduction("ReduceMax"),
    rd.amin: _reduction("ReduceMin"),
    nm.softmax: lambda g, x, dim: g.node("Softmax", x, axis=dim),
    nm.log_softmax: lambda g, x, dim: g.node("LogSoftmax", x, axis=dim),
    nm.layer_norm: _layer_norm,
    at.scaled_dot_product_attention: _attention,
    ix.advanced: _getitem,
    ix.index_select: lambda g, x, dim, index: g.node("Gather", x, index, axis=dim),
    vw.slice_view: _getitem,
    vw.reshape: lambda g, x, shape: g.node("Reshape", x, g.constant(_axes(shape))),
    vw.permute: lambda g, x, dims: g.node("Transpose", x, perm=dims),
    vw.expand: lambda g, x, shape: g.node("Expand", x, g.constant(_axes(shape))),
    jn.cat: lambda g, dim, *tensors: g.node("Concat", *tensors, axis=dim),
}
