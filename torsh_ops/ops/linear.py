"""The affine and the bilinear map."""

from torsh_ops import memory, threads
from torsh_ops.autograd import record
from torsh_ops.errors import DTypeError, ShapeError
from torsh_ops.ops import gemm
from torsh_ops.ops import reduce as rd
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.linalg import matmul
from torsh_ops.tensor import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``: (..., in) with weight (out, in) and bias (out,) gives (..., out).

    Raises ShapeError and DTypeError on operands that do not fit.
    """
    if bias is not None and isinstance(input, Tensor) and isinstance(weight, Tensor) and isinstance(bias, Tensor):
        x, w, b = input._array, weight._array, bias._array
        kind = x.dtype
        if (
            kind.kind == "f" and kind is w.dtype is b.dtype
            and w.ndim == 2 and x.ndim > 0 and x.shape[-1] == w.shape[1] and b.shape == w.shape[:1]
            and x.size > 0 and w.size > 0 and threads.count == 1
            and x.flags.c_contiguous and w.flags.c_contiguous and b.flags.c_contiguous
        ):  # fmt: skip
            out = memory.empty((*x.shape[:-1], w.shape[0]), kind)
            if x.ndim == 2:
                gemm.affine(x, w, b, out)
            else:
                gemm.affine(x.reshape(-1, w.shape[1]), w, b, out.reshape(-1, w.shape[0]))
            result = Tensor(out)
            if input.requires_grad or weight.requires_grad or bias.requires_grad:
                return record(linear, result, (input, weight, bias))
            return result
    _check(input, weight, bias)
    product = matmul(input, weight.t()) if weight.ndim == 2 else matmul(input, weight)
    return product if bias is None else product + bias


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


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input1 @ weight[k] @ input2 + bias[k]`` for each k: (..., in1) and (..., in2) give (..., out).

    `weight` is (out, in1, in2). Raises ShapeError on operands that do not fit.
    """
    need_tensor(bilinear, input1, "input1")
    need_tensor(bilinear, input2, "input2")
    if (
        need_tensor(bilinear, weight, "weight").ndim != 3
        or input1.shape[:-1] != input2.shape[:-1]
        or (*input1.shape[-1:], *input2.shape[-1:]) != weight.shape[1:]
    ):
        raise ShapeError(
            f"bilinear(): inputs of shapes {input1.shape} and {input2.shape} and weight of shape {weight.shape} do not "
            "fit: expected (..., in1), (..., in2) and (out, in1, in2)"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"bilinear(): bias must have shape {weight.shape[:1]}, but got {bias.shape}")
    outputs, first, second = weight.shape
    turned = weight.permute(1, 0, 2).reshape(first, outputs * second)
    half = matmul(input1.reshape(-1, first), turned).reshape(-1, outputs, second)
    result = rd.sum(half * input2.reshape(-1, 1, second), -1).reshape(*input1.shape[:-1], outputs)
    return result if bias is None else result + bias


__all__ = ["bilinear"]
METHODS = ()
