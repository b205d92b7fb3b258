"""Tensor: a NumPy array with PyTorch's surface. It holds and describes; the maths is in `torsh_ops.ops`."""

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from torsh_ops import dtypes
from torsh_ops.dtypes import dtype
from torsh_ops.errors import ArgumentError, DeviceError, DimError, DTypeError, GradError, OperandError, ShapeError

if TYPE_CHECKING:
    from torsh_ops.autograd import Node


class device:
    """Where a tensor lives: always the CPU."""

    __slots__ = ("type",)
    index = None

    def __init__(self, name: "str | device" = "cpu") -> None:
        if not isinstance(name, device) and name not in ("cpu", "cpu:0"):
            raise DeviceError(f"device {name!r} does not exist: torsh_ops computes on 'cpu' alone")
        self.type = "cpu"

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device)

    def __hash__(self) -> int:
        return hash("cpu")


CPU = device()

# Orders what is recorded and what is changed in place, in all tensors; the time of the last such change.
clock = itertools.count(1)
clock_of_change = 0


class Tensor:
    """An n-dimensional array that can record what was done to it.

    `grad` is filled by `backward()` on tensors with `requires_grad`. Make one with `tensor`, `from_numpy` or a
    creation function; the constructor wraps `array` as it is, without a copy or a check.
    """

    __slots__ = (
        "__weakref__", "_array", "_base", "_changed", "_grad_hooks", "_node", "_origin", "_version", "grad",
        "requires_grad",
    )  # fmt: skip

    # NumPy leaves `ndarray + Tensor` to the tensor.
    __array_ufunc__ = None

    if TYPE_CHECKING:  # attached by torsh_ops.ops, one function for `torsh_ops.f(x)` and `x.f()`

        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> "Tensor": ...
        def __radd__(self, other: Any) -> "Tensor": ...
        def __sub__(self, other: Any) -> "Tensor": ...
        def __rsub__(self, other: Any) -> "Tensor": ...
        def __mul__(self, other: Any) -> "Tensor": ...
        def __rmul__(self, other: Any) -> "Tensor": ...
        def __truediv__(self, other: Any) -> "Tensor": ...
        def __rtruediv__(self, other: Any) -> "Tensor": ...
        def __pow__(self, other: Any) -> "Tensor": ...
        def __matmul__(self, other: Any) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...
        def __and__(self, other: Any) -> "Tensor": ...
        def __or__(self, other: Any) -> "Tensor": ...
        def __xor__(self, other: Any) -> "Tensor": ...
        def __invert__(self) -> "Tensor": ...
        def __lt__(self, other: Any) -> "Tensor": ...
        def __le__(self, other: Any) -> "Tensor": ...
        def __gt__(self, other: Any) -> "Tensor": ...
        def __ge__(self, other: Any) -> "Tensor": ...
        def __getitem__(self, index: Any) -> "Tensor": ...
        def __setitem__(self, index: Any, value: Any) -> None: ...

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.requires_grad = False
        self.grad: Tensor | None = None
        self._node: Node | None = None
        # Of a view, the tensor that it looks into; of a detached one, that whose memory it shares.
        self._base: Tensor | None = None
        self._origin: Tensor | None = None
        self._version = self._changed = 0
        self._grad_hooks: tuple[Callable[[Tensor], Any], ...] = ()

    # Description

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each dimension."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    @property
    def dtype(self) -> dtype:
        """Element type."""
        return dtypes.OF_NUMPY[self._array.dtype]

    @property
    def device(self) -> device:
        """Where it lives: the CPU."""
        return CPU

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._array.nbytes

    @property
    def is_leaf(self) -> bool:
        """True for tensors that no recorded operation made."""
        return self._node is None

    @property
    def T(self) -> "Tensor":
        """The transpose of a matrix (a view)."""
        return self.t()

    @property
    def mT(self) -> "Tensor":
        """The last two dimensions exchanged (a view). Raises ShapeError on fewer than 2 dimensions."""
        if self._array.ndim < 2:
            raise ShapeError(f"mT needs matrices or batches of matrices, but got shape {self.shape}")
        return self.transpose(-2, -1)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[check_dim(dim, self.ndim)]

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self._array.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return self._array.size

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self._array.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Return the strides in elements, or that of one dimension."""
        strides = tuple(s // self._array.itemsize for s in self._array.strides)
        return strides if dim is None else strides[check_dim(dim, self.ndim)]

    def is_contiguous(self) -> bool:
        """Tell whether the elements lie in memory in row-major order without gaps."""
        return self._array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Tell whether the dtype is float32 or float64."""
        return self._array.dtype.kind == "f"

    def is_complex(self) -> bool:
        """Tell whether the dtype is complex64 or complex128."""
        return self._array.dtype.kind == "c"

    def data_ptr(self) -> int:
        """Return the address of the first element."""
        return int(self._array.ctypes.data)

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise OperandError("len() of a 0-d tensor")
        return self._array.shape[0]

    # To and from Python and NumPy

    def numpy(self) -> np.ndarray:
        """Return the array itself: it shares memory with the tensor.

        Raises GradError on a tensor that requires grad; detach it first.
        """
        if self.requires_grad:
            raise GradError("can't call numpy() on a tensor that requires grad; use tensor.detach().numpy()")
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def tolist(self) -> Any:
        """Return the elements as nested Python lists (a number when 0-d)."""
        return self._array.tolist()

    def item(self) -> Any:
        """Return the only element as a Python number; raises ShapeError when there are more, or none."""
        if self._array.size != 1:
            raise ShapeError(f"a tensor with {self._array.size} elements cannot be converted to a number")
        return self._array.item()

    def __float__(self) -> float:
        value = self.item()
        if isinstance(value, complex):
            if value.imag:
                raise DTypeError(f"{value} cannot be converted to a real number; take .real")
            value = value.real
        return float(value)

    def __complex__(self) -> complex:
        return complex(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._array.dtype.kind not in "ib":
            raise OperandError(f"only integer tensors can be an index, but got {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise ShapeError(f"the truth value of a tensor with {self._array.size} elements is ambiguous")
        return bool(self._array.item())

    def __iter__(self) -> Iterator["Tensor"]:
        if self._array.ndim == 0:
            raise OperandError("iteration over a 0-d tensor")
        return (self[i] for i in range(self._array.shape[0]))

    def __hash__(self) -> int:
        return id(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (np.asarray(self._array, order="C"), self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tensor":
        if self._node is not None:
            raise GradError("only leaf tensors can be deep-copied; detach() this one first")
        copy = type(self)(self._array.copy())
        copy.requires_grad = self.requires_grad
        memo[id(self)] = copy
        return copy

    def __repr__(self) -> str:
        body = np.array2string(self._array, precision=4, separator=", ", prefix="tensor(")
        parts = [body]
        own, usual = self.dtype, dtypes.get_default_dtype()
        if own not in (usual, usual.to_complex(), dtypes.int64, dtypes.bool_) or self._array.size == 0:
            parts.append(f"dtype={own}")
        if self._node is not None:
            parts.append(f"grad_fn=<{self._node.name}>")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        return f"tensor({', '.join(parts)})"

    # The tape

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Set whether operations on this tensor are recorded; returns the tensor.

        Raises GradError on integer and bool tensors, and when a recorded result is told to forget.
        """
        if requires_grad and self._array.dtype.kind not in "fc":
            raise GradError(f"only floating-point and complex tensors can require gradients, but got {self.dtype}")
        if self._node is not None and not requires_grad:
            raise GradError("you can only change requires_grad of leaf tensors; use detach()")
        self.requires_grad = requires_grad
        return self

    def register_post_accumulate_grad_hook(self, hook: "Callable[[Tensor], Any]") -> "RemovableHandle":
        """Call `hook(tensor)` after each backward() that added to this leaf's `grad`, until the handle's `remove()`.

        Raises GradError on a tensor that an operation made.
        """
        if self._node is not None:
            raise GradError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        self._grad_hooks = (*self._grad_hooks, hook)
        return RemovableHandle(self, hook)

    def detach(self) -> "Tensor":
        """Return a view of the same memory that is not recorded."""
        view = Tensor(self._array)
        view._origin = self._root()
        return view

    @property
    def data(self) -> "Tensor":
        """The same memory, not recorded."""
        return self.detach()

    def _view(self, array: np.ndarray) -> "Tensor":
        """Wrap `array`, a view into this tensor's memory. The root is kept, for its version and its block."""
        view = Tensor(array)
        view._base = self if self._base is None else self._base
        return view

    @property
    def version(self) -> int:
        """How often the memory was changed in place, through this tensor or any view of it."""
        return self._root()._version

    def _root(self) -> "Tensor":
        """The tensor that has the memory, and its version."""
        root = self if self._base is None else self._base
        return root if root._origin is None else root._origin

    def _bump(self) -> None:
        """Note a change in place."""
        global clock_of_change
        root = self._root()
        root._version += 1
        root._changed = clock_of_change = next(clock)
        if root._node is not None:
            root._node.changed = True


class RemovableHandle:
    """A registered hook, until `remove()`."""

    def __init__(self, tensor: Tensor, hook: Callable[[Tensor], Any]) -> None:
        self._tensor, self._hook = tensor, hook

    def remove(self) -> None:
        """Call the hook no more; nothing happens the second time."""
        self._tensor._grad_hooks = tuple(h for h in self._tensor._grad_hooks if h is not self._hook)


def _rebuild(array: np.ndarray, requires_grad: bool) -> Tensor:
    result = Tensor(dtypes.canonical(array))
    result.requires_grad = requires_grad
    return result


def check_dim(dim: int, ndim: int) -> int:
    """Return `dim` counted from the front; raises DimError when it is out of range of `ndim` dimensions."""
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise DimError(f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got {dim})")
    return dim + bound if dim < 0 else dim


def check_dims(dims: int | tuple[int, ...] | list[int] | None, ndim: int) -> tuple[int, ...]:
    """Return sorted distinct dims; None and () mean all. Raises DimError, or ArgumentError on one named twice."""
    if dims is None or dims == () or dims == []:
        return tuple(range(ndim))
    if isinstance(dims, int):
        wrapped_dim = check_dim(dims, ndim)
        return (wrapped_dim,) if ndim else ()
    wrapped = sorted(check_dim(d, ndim) for d in dims)
    if len(set(wrapped)) != len(wrapped):
        raise ArgumentError(f"a dim appears twice in {tuple(dims)}")
    return tuple(d for d in wrapped if d < ndim)
