"""The affine map, as an operator and as a layer."""

from torsh_ops import memory, threads
from torsh_ops.autograd import define_grad, record
from torsh_ops.errors import DTypeError, ShapeError
from torsh_ops.kernels import blas
from torsh_ops.nn import init
from torsh_ops.nn.module import Module, Parameter
from torsh_ops.ops.creation import empty
from torsh_ops.ops.dispatch import contiguous_array, need_tensor
from torsh_ops.ops.linalg import matmul
from torsh_ops.tensor import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``: (..., in) with weight (out, in) and bias (out,) gives (..., out).

    Raises ShapeError and DTypeError on operands that do not fit.
    """
    _check(input, weight, bias)
    if bias is None or bias.ndim != 1 or threads.get_num_threads() > 1 or not input.is_floating_point():
        product = matmul(input, weight.t()) if weight.ndim == 2 else matmul(input, weight)
        return product if bias is None else product + bias
    # GEMM adds to what is there: the bias costs no pass of its own.
    x, w = contiguous_array(input), contiguous_array(weight)
    result = memory.empty((*x.shape[:-1], w.shape[0]), x.dtype)
    result[...] = bias._array
    if x.size and w.size:
        blas.gemm(x.reshape(-1, x.shape[-1]), False, w, True, 1.0, result.reshape(-1, w.shape[0]))
    return record(linear, Tensor(result), (input, weight, bias))


def _rows(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


define_grad(
    linear,
    lambda g, _x, w, _b: matmul(g, w),
    lambda g, x, _w, _b: matmul(_rows(g).t(), _rows(x)),
    lambda g, _x, _w, _b: g if g.ndim == 1 else g.sum(tuple(range(g.ndim - 1))),
)


def _check(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    need_tensor(linear, input)
    need_tensor(linear, weight, "weight")
    if weight.ndim not in (1, 2) or input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise ShapeError(
            f"linear(): input of shape {input.shape} and weight of shape {weight.shape} do not fit: expected "
            "(..., in) and (out, in)"
        )
    if bias is not None and need_tensor(linear, bias, "bias").shape not in (weight.shape[:-1], (1,), ()):
        raise ShapeError(f"linear(): bias must have shape {weight.shape[:-1]}, but got {bias.shape}")
    for name, other in (("weight", weight), ("bias", bias)):
        if other is not None and other._array.dtype != input._array.dtype:
            raise DTypeError(f"linear(): input is {input.dtype} but {name} is {other.dtype}; convert one with .to(...)")


class Linear(Module):
    """``y = x @ weight.T + bias`` on the last dimension; weight is (out_features, in_features)."""

    weight: Parameter
    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: object = None) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_features, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start again from random values, uniform within 1 / sqrt(in_features)."""
        init.default_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
