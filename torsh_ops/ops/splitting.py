"""Cutting tensors into pieces, which are views."""

import itertools
from collections.abc import Sequence
from typing import Any

from torsh_ops.errors import DimError, ShapeError
from torsh_ops.ops.views import array_of, select, slice_view
from torsh_ops.tensor import Tensor, check_dim


def _pieces(input: Tensor, dim: int, bounds: Sequence[int]) -> tuple[Tensor, ...]:
    """Views between neighbouring bounds."""
    lead = (slice(None),) * dim
    return tuple(slice_view(input, (*lead, slice(a, b))) for a, b in itertools.pairwise(bounds))


def _cuttable(op: Any, input: Tensor, dim: int) -> tuple[int, int]:
    """Return `dim` from the front and its size; raise on a tensor without dimensions."""
    shape = array_of(op, input).shape
    if not shape:
        raise ShapeError(f"{op.__name__} expects at least a 1-dimensional tensor")
    dim = check_dim(dim, len(shape))
    return dim, shape[dim]


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive pieces along `dim`: of one size (the last may be less), or of the sizes given."""
    dim, n = _cuttable(split, tensor, dim)
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step < 0 or (step == 0 and n):
            raise ShapeError(f"split expects split_size to be positive, but got {step}")
        return _pieces(tensor, dim, [*range(0, n, step), n] if n else [0, 0])
    return split_with_sizes(tensor, split_size_or_sections, dim)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive pieces of the sizes given. Raises ShapeError unless they sum to the size of `dim`."""
    dim, n = _cuttable(split_with_sizes, input, dim)
    sizes = list(split_sizes)
    if sum(sizes) != n or any(size < 0 for size in sizes):
        raise ShapeError(f"split expects sizes that sum to {n} (the size of dimension {dim}), but got {sizes}")
    return _pieces(input, dim, [0, *itertools.accumulate(sizes)])


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most `chunks` pieces of one size along `dim`; the last may be less."""
    dim, n = _cuttable(chunk, input, dim)
    if chunks < 1:
        raise ShapeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if not n:
        return _pieces(input, dim, [0] * (chunks + 1))
    return split(input, -(-n // chunks), dim)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of as many sections, the first ones greater by one; or of what lies between the indices given."""
    dim, n = _cuttable(tensor_split, input, dim)
    given = indices_or_sections.tolist() if isinstance(indices_or_sections, Tensor) else indices_or_sections
    if isinstance(given, int):
        if given < 1:
            raise ShapeError(f"tensor_split: number of sections must be larger than 0, got {given}")
        size, larger = divmod(n, given)
        return _pieces(input, dim, [i * size + min(i, larger) for i in range(given + 1)])
    lead = (slice(None),) * dim
    bounds = [0, *given, None]
    return tuple(slice_view(input, (*lead, slice(a, b))) for a, b in itertools.pairwise(bounds))


def _need_dims(op: Any, input: Tensor, ndim: int) -> None:
    if array_of(op, input).ndim < ndim:
        raise ShapeError(
            f"{op.__name__} requires a tensor with at least {ndim} dimension{'s' * (ndim > 1)}, "
            f"but got a tensor with {input.ndim} dimensions"
        )


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along the second dimension, of a vector along its only one; sections must be of one size."""
    _need_dims(hsplit, input, 1)
    return _even_split(hsplit, input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along the first dimension; sections must be of one size."""
    _need_dims(vsplit, input, 2)
    return _even_split(vsplit, input, indices_or_sections, 0)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along the third dimension; sections must be of one size."""
    _need_dims(dsplit, input, 3)
    return _even_split(dsplit, input, indices_or_sections, 2)


def _even_split(op: Any, input: Tensor, given: Any, dim: int) -> tuple[Tensor, ...]:
    if isinstance(given, int) and (given < 1 or input.shape[dim] % given):
        raise ShapeError(
            f"{op.__name__} attempted to split along dimension {dim}, but the size of the dimension "
            f"{input.shape[dim]} is not divisible by the split_size {given}!"
        )
    return tensor_split(input, given, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of every place along `dim`, without that dimension."""
    if not array_of(unbind, input).ndim:
        raise DimError("Dimension specified as 0 but tensor has no dimensions")
    dim = check_dim(dim, input.ndim)
    return tuple(select(input, dim, i) for i in range(input.shape[dim]))


__all__ = ["chunk", "dsplit", "hsplit", "split", "split_with_sizes", "tensor_split", "unbind", "vsplit"]
METHODS = (chunk, dsplit, hsplit, split, split_with_sizes, tensor_split, unbind, vsplit)
