"""Writing element by element at chosen places: scatter and its kin. A trailing underscore writes in place."""

from collections.abc import Callable
from typing import Any

import numpy as np

from torsh_ops.autograd import record
from torsh_ops.errors import DTypeError, OperandError, ShapeError
from torsh_ops.kernels import index as ik
from torsh_ops.kernels import move as mk
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.in_place import change, must_record
from torsh_ops.ops.index import about, check_indices, outside, within
from torsh_ops.ops.layout import compact
from torsh_ops.ops.plan import New, Plan, Step, flat, planned
from torsh_ops.ops.views import array_of
from torsh_ops.tensor import Tensor, check_dim

Number = bool | int | float
Write = Callable[..., None]

_I8 = np.dtype(np.int64)

_REDUCE: dict[str, Any] = {
    "sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum,
}  # fmt: skip


def copied(op: Callable[..., Any], input: Tensor, write: Write, *args: Any) -> Tensor:
    """Return a copy of `input` into which `write` has written, recorded as `op(input, *args)`."""
    result = compact(array_of(op, input))
    write(op, input, result, *args)
    return record(op, Tensor(result), (input, *args))


def changed(op: Callable[..., Any], self: Tensor, write: Write, *args: Any) -> Tensor:
    """Let `write` write into the tensor itself; return it."""
    if must_record(self, *args):
        return change(self, lambda before: copied(op, before, write, *args))
    write(op, self, self._array, *(_apart(self, a) for a in args))
    self._bump()
    return self


def _apart(self: Tensor, value: Any) -> Any:
    """Return `value`, copied when it looks into the memory that is about to change."""
    if isinstance(value, Tensor) and np.may_share_memory(value._array, self._array):
        return Tensor(value._array.copy())
    return value


def source_of(op: Callable[..., Any], input: Tensor, src: Any, name: str = "src") -> np.ndarray:
    array = need_tensor(op, src, name)._array
    if array.dtype is not input._array.dtype:
        raise DTypeError(
            f"{op.__name__}(): Expected self.dtype to be equal to {name}.dtype, but got {input.dtype} and {src.dtype}"
        )
    return array


def _places(op: Callable[..., Any], input: Tensor, dim: int, index: Tensor, src: np.ndarray | None) -> Any:
    """Check an index of scatter; return it as a key for NumPy, with the part of `src` that it takes."""
    array = check_indices(op, input, dim, index)
    if array.size:
        within(op, "self", array, input.shape, dim)
        if src is not None:
            within(op, "src", array, src.shape, None)
    used = None if src is None else src[tuple(slice(n) for n in array.shape)]
    if not input.ndim or not array.ndim:  # one element, named once or not at all
        return np.full(input.shape, array.size, bool), None if used is None else used.reshape(-1)
    places: list[Any] = list(np.indices(array.shape, sparse=True))
    places[dim] = array
    return tuple(places), used


def _write_scatter(op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, src: Any) -> None:
    array = source_of(op, input, src) if isinstance(src, Tensor) else None
    key, used = _places(op, input, dim, index, array)
    if index.numel():
        result[key] = number_of(op, input, src) if array is None else used


def number_of(op: Callable[..., Any], input: Tensor, value: Any) -> np.ndarray:
    """Return a number, or a tensor of one, in the dtype of `input`; raise where it does not fit."""
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise ShapeError(f"{op.__name__}: value must be a number or a 0-dim tensor, but got shape {value.shape}")
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise OperandError(f"{op.__name__}: value must be a number or a 0-dim tensor, not {type(value).__name__}")
    own = input._array.dtype
    if isinstance(value, complex) and own.kind != "c":
        raise DTypeError(f"{op.__name__}: the complex value {value} does not fit a tensor of {input.dtype}")
    try:
        with np.errstate(all="ignore"):
            return np.asarray(value, own)
    except (OverflowError, ValueError):
        raise ShapeError(f"value cannot be converted to {input.dtype} without overflow: {value}") from None


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """`input` with `src`, a tensor or a number, at `index` along `dim`; `reduce` "add" or "multiply" combines.

    Raises DimError on an index out of range, ShapeError when `index` is larger than `src`, or than `input` elsewhere.
    """
    dim = check_dim(dim, array_of(scatter, input).ndim)
    src = _given(src, value)
    if reduce is not None:
        return scatter_reduce(input, dim, index, _filled(input, index, src), _spelled(reduce))
    return copied(scatter, input, _write_scatter, dim, index, src)


def scatter_(
    self: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """`scatter` in place; returns the tensor."""
    dim = check_dim(dim, self.ndim)
    src = _given(src, value)
    if reduce is not None:
        return scatter_reduce_(self, dim, index, _filled(self, index, src), _spelled(reduce))
    return changed(scatter, self, _write_scatter, dim, index, src)


def _given(src: Any, value: Any) -> Any:
    if (src is None) == (value is None):
        raise OperandError("scatter() takes either src or value")
    return value if src is None else src


def _filled(input: Tensor, index: Tensor, src: Any) -> Tensor:
    return src if isinstance(src, Tensor) else Tensor(np.full(index.shape, src, input._array.dtype))


def _spelled(reduce: str) -> str:
    if reduce not in ("add", "multiply"):
        raise ShapeError(f"reduce argument must be either add or multiply, but got {reduce!r}")
    return {"add": "sum", "multiply": "prod"}[reduce]


def _write_add(op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, src: Tensor) -> None:
    array = source_of(op, input, src)
    places = need_tensor(op, index, "index")._array
    if _fits_kernel(result, dim, places, array):
        bad = ik.scatter_add(result.ravel(), places.ravel(), array.ravel(), *about(result.shape, dim))
        if bad >= 0:
            raise outside(op, places, bad, dim, result.shape[dim])
        return
    key, used = _places(op, input, dim, index, array)
    np.add.at(result, key, used)


def _fits_kernel(result: np.ndarray, dim: int, places: np.ndarray, source: np.ndarray) -> bool:
    """Tell whether the kernel of scatter_add takes the arrays: where other dimensions are of one size."""
    own, shape = places.shape, result.shape
    alike = own == source.shape and shape[:dim] == own[:dim] and shape[dim + 1 :] == own[dim + 1 :]
    return alike and all_ready(result, source, places)


def all_ready(result: np.ndarray, source: np.ndarray, places: np.ndarray) -> bool:
    """Tell whether the kernels that add can take the arrays: of floating point, contiguous, places as int64."""
    return (
        places.size > 0
        and places.ndim == result.ndim > 0
        and result.dtype.kind == "f"
        and places.dtype is _I8
        and result.flags.c_contiguous
        and source.flags.c_contiguous
        and places.flags.c_contiguous
    )


def _plan_scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Plan | None:
    array, places = input._array, index._array
    dim = check_dim(dim, array.ndim)
    if src._array.dtype is not array.dtype or not _fits_kernel(array, dim, places, src._array):
        return None
    out = New(array.shape, input)
    copy = Step(mk.copy_block, flat(input), 0, 0, flat(out), 0, 0, 1, array.size)
    add = Step(ik.scatter_add, flat(out), flat(index), flat(src), *about(array.shape, dim), checked=True)
    return Plan(out, [copy, add], recorded=4)


@planned(_plan_scatter_add)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with `src` added at `index` along `dim`; places named twice get both. Errors as in `scatter`."""
    dim = check_dim(dim, array_of(scatter_add, input).ndim)
    return copied(scatter_add, input, _write_add, dim, index, src)


def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`scatter_add` in place; returns the tensor."""
    return changed(scatter_add, self, _write_add, check_dim(dim, self.ndim), index, src)


def _write_reduce(
    op: Any, input: Tensor, result: np.ndarray, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> None:
    if reduce not in _REDUCE:
        raise ShapeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    key, used = _places(op, input, dim, index, source_of(op, input, src))
    if not include_self:
        result[key] = _identity(reduce, result.dtype)
    with np.errstate(all="ignore"):
        _REDUCE[reduce].at(result, key, used)
    if reduce == "mean":
        count = np.full(result.shape, int(include_self))
        np.add.at(count, key, 1)
        np.maximum(count, 1, out=count)
        divide = np.floor_divide if result.dtype.kind in "ib" else np.true_divide
        divide(result, count, out=result, casting="unsafe")


def _identity(reduce: str, dtype: np.dtype) -> Any:
    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    sign = -1 if reduce == "amax" else 1
    if dtype.kind == "f":
        return sign * np.inf
    if dtype.kind == "b":
        return reduce == "amin"
    return np.iinfo(dtype).min if sign < 0 else np.iinfo(dtype).max


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with `src` combined at `index` along `dim` by "sum", "prod", "mean", "amax" or "amin".

    Without `include_self`, the values that are there before do not count. Errors as in `scatter`.
    """
    dim = check_dim(dim, array_of(scatter_reduce, input).ndim)
    return copied(scatter_reduce, input, _write_reduce, dim, index, src, reduce, include_self)


def scatter_reduce_(
    self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`scatter_reduce` in place; returns the tensor."""
    return changed(scatter_reduce, self, _write_reduce, check_dim(dim, self.ndim), index, src, reduce, include_self)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Zeros with a one at each class: (..., num_classes), int64; as many classes as occur unless given.

    Raises ShapeError on a class that is negative or too great.
    """
    classes = array_of(one_hot, tensor)
    if classes.dtype.kind != "i":
        raise DTypeError(f"one_hot is only applicable to index tensors of type int64, but got {tensor.dtype}")
    if not classes.size and num_classes <= 0:
        raise ShapeError("Can not infer total number of classes from empty tensor.")
    if classes.size and classes.min() < 0:
        raise ShapeError(f"Class values must be non-negative, but got {classes.min()}")
    if num_classes == -1:
        num_classes = int(classes.max()) + 1
    if num_classes < 1:
        raise ShapeError(f"num_classes should be positive, but got {num_classes}")
    if classes.size and classes.max() >= num_classes:
        raise ShapeError(f"Class values must be smaller than num_classes ({num_classes}), but got {classes.max()}")
    return Tensor((classes[..., None] == np.arange(num_classes)).astype(np.int64))


__all__ = ["scatter", "scatter_add", "scatter_reduce"]
METHODS = (scatter, scatter_, scatter_add, scatter_add_, scatter_reduce, scatter_reduce_)
