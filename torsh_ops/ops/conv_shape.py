"""What convolutions of one, two and three dimensions ask of their operands, and the shapes that come out."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from torsh_ops.errors import ArgumentError, DTypeError, ShapeError
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.windows import numbers
from torsh_ops.tensor import Tensor

Sizes = tuple[int, ...]
_AXES = "dhw"


class Geometry(NamedTuple):
    """The checked arguments of a convolution: tuples of one int for each direction, whose number types leave open."""

    out: Any
    stride: Any
    padding: Any
    dilation: Any
    groups: int
    ends: Any  # zeros to append, which padding="same" needs beyond equal borders


def check_tensors(op: Callable[..., Any], input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raise unless all are tensors of one floating dtype."""
    own = need_tensor(op, input)._array.dtype
    if need_tensor(op, weight, "weight")._array.dtype != own:
        raise DTypeError(f"Input type ({input.dtype}) and weight type ({weight.dtype}) should be the same")
    if bias is not None and need_tensor(op, bias, "bias")._array.dtype != own:
        raise DTypeError(f"Input type ({input.dtype}) and bias type ({bias.dtype}) should be the same")
    if own.kind != "f":
        raise DTypeError(f"{op.__name__}() is not implemented for {input.dtype}; convert the operands with .to(...)")


def _check_ranks(op: str, count: int, size: Sizes, weight_size: Sizes, form: str, groups: Any) -> None:
    if len(size) not in (count + 1, count + 2):
        raise ShapeError(
            f"Expected {count + 1}D (unbatched) or {count + 2}D (batched) input to {op}, but got input of size: "
            f"{list(size)}"
        )
    if len(weight_size) != count + 2 or 0 in weight_size:
        kernel = ", ".join(f"k{axis}" for axis in _AXES[3 - count :])
        raise ShapeError(f"{op}(): weight must be of shape ({form}, {kernel}), but got {list(weight_size)}")
    if not isinstance(groups, int) or groups < 1:
        raise ArgumentError(f"{op}(): groups must be a positive integer, but got {groups!r}")
    if weight_size[0] % groups:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {list(weight_size)} instead"
        )


def _check_channels(
    given: str, size: Sizes, channels: int, dims: int, weight_size: Sizes, bias_size: Sizes | None, rows: int
) -> None:
    if size[-dims - 1] != channels:
        raise ShapeError(
            f"Given {given}, weight of size {list(weight_size)}, expected input{list(size)} to have "
            f"{channels} channels, but got {size[-dims - 1]} channels instead"
        )
    if bias_size is not None and bias_size != (rows,):
        raise ShapeError(
            f"Given {given}, weight of size {list(weight_size)}, expected bias to be 1-dimensional with "
            f"{rows} elements, but got bias of size {list(bias_size)} instead"
        )


@lru_cache(maxsize=512)
def correlation(
    op: str,
    size: Sizes,
    weight_size: Sizes,
    bias_size: Sizes | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> Geometry:
    """Check the arguments of conv1d, conv2d or conv3d, named `op`."""
    count = int(op[-2])
    _check_ranks(op, count, size, weight_size, "k, c / groups", groups)
    channels, rows = weight_size[1] * groups, weight_size[0]
    _check_channels(f"groups={groups}", size, channels, count, weight_size, bias_size, rows)
    stride, dilation = numbers(op, "stride", stride, 1, count), numbers(op, "dilation", dilation, 1, count)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(weight_size[2:], dilation, strict=True))
    ends = (0,) * count
    if isinstance(padding, str):
        padding, ends = _named_padding(op, padding, reach, stride)
    padding = numbers(op, "padding", padding, 0, count)
    padded = tuple(n + 2 * p + e for n, p, e in zip(size[-count:], padding, ends, strict=True))
    if any(r > n for r, n in zip(reach, padded, strict=True)):
        raise ShapeError(
            f"Calculated padded input size per channel: {padded}. Kernel size: {reach}. Kernel size can't be greater "
            f"than actual input size; input{list(size)}, weight of size {list(weight_size)}"
        )
    out = tuple((n - r) // s + 1 for n, r, s in zip(padded, reach, stride, strict=True))
    return Geometry(out, stride, padding, dilation, groups, ends)


def _named_padding(op: str, padding: str, reach: Sizes, stride: Sizes) -> tuple[Sizes, Sizes]:
    """Zeros on both sides, and more at the end, that "valid" or "same" stands for."""
    none = (0,) * len(reach)
    if padding == "valid":
        return none, none
    if padding != "same":
        raise ArgumentError(f"Invalid padding string {padding!r}: {op} takes 'valid', 'same' or numbers")
    if any(s != 1 for s in stride):
        raise ArgumentError(f"padding='same' is not supported for strided convolutions, but got stride {stride}")
    return tuple((r - 1) // 2 for r in reach), tuple((r - 1) % 2 for r in reach)


@lru_cache(maxsize=512)
def transposed(
    op: str,
    size: Sizes,
    weight_size: Sizes,
    bias_size: Sizes | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Geometry:
    """Check the arguments of conv_transpose1d, 2d or 3d, named `op`."""
    count = int(op[-2])
    _check_ranks(op, count, size, weight_size, "c, k / groups", groups)
    rows = weight_size[1] * groups
    _check_channels(f"transposed=1, groups={groups}", size, weight_size[0], count, weight_size, bias_size, rows)
    stride, dilation = numbers(op, "stride", stride, 1, count), numbers(op, "dilation", dilation, 1, count)
    padding = numbers(op, "padding", padding, 0, count)
    more = numbers(op, "output_padding", output_padding, 0, count)
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ShapeError(
            f"output padding must be smaller than either stride or dilation, but got output_padding {more}, "
            f"stride {stride} and dilation {dilation}"
        )
    out = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, k, s, p, d, m in zip(size[-count:], weight_size[2:], stride, padding, dilation, more, strict=True)
    )
    if min(out) < 1:
        raise ShapeError(
            f"Given input size per channel: {size[-count:]} and weight of size {list(weight_size)}. Calculated output "
            f"size per channel: {out}. Output size is too small"
        )
    return Geometry(out, stride, padding, dilation, groups, (0,) * count)
