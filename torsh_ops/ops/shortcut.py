"""The short way of an operator: a compiled function that serves the common case without running Python.

    @shortcut.binary(kernel)
    def add(input, other, *, alpha=1, out=None): ...

makes a call of `add` one of a C function compiled by `torsh_ops.kernels.call`: contiguous float tensors, or one and a
number, of a size that one thread works on, go straight to the kernel (0.2 us where the way through Python takes 1.6).
Every other call goes to the Python function below the decorator; so does every call on an interpreter whose objects
the compiled code does not know. Importing compiles nothing: the first call of an operator brings the compiled function
of its kind in.
"""

import ctypes
import platform
import sys
import sysconfig
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numba import cfunc, types

from torsh_ops import memory, threads
from torsh_ops import tensor as storage
from torsh_ops.autograd import Node, record
from torsh_ops.autograd.mode import RECORDING
from torsh_ops.kernels import team
from torsh_ops.kernels.call import objects as table
from torsh_ops.kernels.call import pointwise, products, views
from torsh_ops.kernels.call import rows as by_rows
from torsh_ops.kernels.call.objects import (
    ANY_DIMS,
    BOUNDS,
    CHOICE,
    FILLING,
    NO_DIM,
    ONE_DIM,
    VALUES,
)
from torsh_ops.ops.operator import ENTRY, operator_type
from torsh_ops.tensor import Tensor

__all__ = [
    "BOUNDS", "CHOICE", "FILLING", "NO_DIM", "ONE_DIM", "binary", "getitem",
    "lookup", "normalisation", "operator_of", "product", "reduction", "rows", "ternary", "unary", "view",
]  # fmt: skip

Function = TypeVar("Function", bound=Callable[..., Any])

SUPPORTED = (
    platform.python_implementation() == "CPython"
    and ctypes.sizeof(ctypes.c_void_p) == 8
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)
# Where functions stand in NumPy's C interface; the order is part of NumPy's binary interface.
_NEW_FROM_DESCR, _SET_BASE_OBJECT = 94, 282
# A call's arguments and result: the operator, arguments, their count, names of the last of them.
_ENTRY = types.intp(types.intp, types.intp, types.intp, types.intp)
_REAL = (types.float32, types.float64)

_api = ctypes.pythonapi
_api.PyCapsule_GetPointer.restype = ctypes.c_void_p
_api.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)


class _Way(np.ndarray):
    """The table of one operator, and what its words point to."""

    function: Callable[..., Any]
    entry: Any
    signature: Callable[[int], tuple[Any, ...]]
    kernel: Any
    operator: Any
    fetcher: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Bring the compiled function in and call it: the first call of an operator comes here."""
        if not SUPPORTED:
            return self.function(*args, **kwargs)
        _bring_in(self.entry)
        return self.operator(*args, **kwargs)

    def fetch(self, which: int) -> None:
        """Compile, or load, the kernel for one dtype and form; put its address into the table."""
        arguments = self.signature(which)
        kernel = self.kernel[which % table.FORMS] if isinstance(self.kernel, tuple) else self.kernel
        self[table.KERNELS + which] = team.address_of(kernel, arguments)


_ways: list[_Way] = []
_shared = np.zeros(table.SHARED_SIZE, np.int64)
# Referred to by address alone.
_kept: list[Any] = []
_compiled: dict[Any, Any] = {}


_Operator = operator_type() if SUPPORTED else None


def operator_of(
    function: Function,
    entry: Any,
    kernel: Any,
    signature: Any,
    fetch: Any = None,
    recorded_as: Any = (),
    **words: int,
) -> Any:
    """Make the operator that takes the short way of `entry`, with what its table says.

    `fetch` is called from there for what is missing: a kernel's address, unless another is given. By form of the
    operands it is `recorded_as` other operators, where these are given.
    """
    if _Operator is None:
        return function
    way = np.zeros(table.TABLE_SIZE, np.int64).view(_Way)
    operator = _Operator()
    way.function, way.entry, way.kernel, way.signature = function, entry, kernel, signature
    way.operator, way.fetcher = operator, fetch or way.fetch
    operator.way, operator.__wrapped__, operator.__doc__ = way, function, function.__doc__
    operator.__name__, operator.__qualname__ = function.__name__, function.__qualname__
    ctypes.c_ssize_t.from_address(id(operator) + table.OPERATOR_TABLE).value = way.ctypes.data
    way[table.SHARED] = _shared.ctypes.data
    way[table.PYTHON], way[table.FETCH] = id(function), id(way.fetcher)
    for form in range(table.FORMS):
        way[table.RECORD_AS + form] = id(recorded_as[form] if form < len(recorded_as) else operator)
    for word, value in words.items():
        way[getattr(table, word)] = value
    _ways.append(way)
    return operator


def _slots(kind: Any) -> dict[str, int]:
    """Find where an object keeps its slots: in one whose every slot holds an object of its own."""
    names = [name for name in kind.__slots__ if name != "__weakref__"]
    probe = kind.__new__(kind)
    marks = {name: object() for name in names}
    for name, mark in marks.items():
        setattr(probe, name, mark)
    words = (ctypes.c_ssize_t * (kind.__basicsize__ // 8)).from_address(id(probe))
    return {name: 8 * list(words).index(id(mark)) for name, mark in marks.items()}


def _describe_slots() -> None:
    of_tensor, of_node = _slots(Tensor), _slots(Node)
    _shared[table.SLOTS], _shared[table.SLOTS_END] = min(of_tensor.values()), max(of_tensor.values()) + 8
    for name in ("array", "grad", "base", "node"):
        slot = "requires_grad" if name == "grad" else f"_{name}"
        _shared[getattr(table, f"SLOT_{name.upper()}")] = of_tensor[slot]
    for name, at in of_node.items():
        _shared[getattr(table, f"NODE_{name.upper()}")] = at


def _bring_in(entry: Any) -> None:
    """Compile, or load, the function that serves operators of one kind, and let them start with it."""
    if entry not in _compiled:
        _compiled[entry] = cfunc(_ENTRY, cache=True)(entry)
    for way in _ways:
        if way.entry is entry:
            ctypes.c_ssize_t.from_address(id(way.operator) + ENTRY).value = _compiled[entry].address


def _fill_shared_table() -> None:
    api = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
    functions = (ctypes.c_void_p * (_SET_BASE_OBJECT + 1)).from_address(_api.PyCapsule_GetPointer(api, None))
    pointed = {
        table.TENSOR: Tensor, table.NDARRAY: np.ndarray, table.FLOAT: float, table.INT: int, table.TUPLE: tuple,
        table.LIST: list, table.SLICE: slice, table.STR: str, table.FALSE: False, table.TRUE: True, table.NONE: None,
        table.ELLIPSIS: Ellipsis,
        table.DIM: sys.intern("dim"), table.KEEPDIM: sys.intern("keepdim"),
        table.MIN: sys.intern("min"), table.MAX: sys.intern("max"), table.F32: np.dtype(np.float32),
        table.F64: np.dtype(np.float64), table.BOOL: np.dtype(np.bool_), table.I64: np.dtype(np.int64),
        table.EMPTY: _empty_like, table.ALLOCATE: memory.empty, table.RECORD: record,
        table.TEMPLATE: Tensor(np.empty(0)), table.NODE: Node, table.CLOCK: storage.clock, table.RECORDING: RECORDING,
    }  # fmt: skip
    for word, value in pointed.items():
        _shared[word] = id(value)
    _kept.extend(pointed.values())
    _shared[table.NEW_ARRAY] = functions[_NEW_FROM_DESCR] or 0
    _shared[table.SET_BASE] = functions[_SET_BASE_OBJECT] or 0
    _shared[table.POOLED], _shared[table.SHARED_WORK] = memory.POOLED_RESULT_BYTES, threads.WORTH_ELEMENTS
    _shared[table.THREADS] = threads.cell.ctypes.data
    _describe_slots()


def _empty_like(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return memory.empty(array.shape, dtype)


if SUPPORTED:
    _fill_shared_table()


def _real_array(which: int) -> tuple[Any, int]:
    kind, form = divmod(which, table.FORMS)
    return types.Array(_REAL[kind], 1, "C"), form


def _bool_or(array: Any, to_bool: bool) -> Any:
    return types.Array(types.boolean, 1, "C") if to_bool else array


def unary(kernel: Any, *, to_bool: bool = False, recorded: bool = True) -> Callable[[Function], Function]:
    """Give an operator of one tensor the short way to `kernel(x, out)`; `to_bool` when its result is bool.

    Not `recorded` when the rule of its gradient takes more than the tensor.
    """

    def signature(which: int) -> tuple[Any, ...]:
        array, _ = _real_array(which)
        return array, _bool_or(array, to_bool)

    words = {"RESULT": table.BOOL if to_bool else 0} | ({} if recorded else {"RECORD_AS": 0})
    return lambda function: operator_of(function, pointwise.unary, kernel, signature, **words)


def binary(kernel: Any, *, to_bool: bool = False, numbers: bool = True) -> Callable[[Function], Function]:
    """Give an operator of two operands the short way to `kernel(x, y, out)`.

    `to_bool` when its result is bool, not `numbers` when both operands must be tensors.
    """

    def signature(which: int) -> tuple[Any, ...]:
        array, form = _real_array(which)
        number = types.float64
        x, y = number if form == table.RIGHT else array, number if form == table.LEFT else array
        return x, y, _bool_or(array, to_bool)

    result = table.BOOL if to_bool else 0
    return lambda function: operator_of(function, pointwise.binary, kernel, signature, RESULT=result, NUMBERS=numbers)


def reduction(
    kernel: Any,
    *,
    dims: int = ANY_DIMS,
    to_index: bool = False,
    positional: int = 3,
    recorded: bool = False,
) -> Callable[[Function], Function]:
    """Give a reduction the short way to `kernel(x, n, out)`, which reduces rows of `n` neighbours.

    `dims` says whether the operator may be called without a `dim`; `to_index` when its result is int64. The first
    `positional` arguments are input, dim, keepdim; any of the two last may come by name. `recorded` when the rule of
    its gradient takes `(x, dims, keepdim)`; other reductions are recorded by their Python function.
    """

    def signature(which: int) -> tuple[Any, ...]:
        array, _ = _real_array(which)
        return array, types.intp, types.Array(types.int64, 1, "C") if to_index else array

    words = {"RESULT": table.I64 if to_index else 0, "DIMS": dims, "POSITIONAL": positional}
    if not recorded:
        words["RECORD_AS"] = 0
    return lambda function: operator_of(function, by_rows.reduce, kernel, signature, **words)


def _arrays(which: int, ndim: int) -> Any:
    return types.Array(_REAL[which // table.FORMS], ndim, "C")


def rows(kernel: Any) -> Callable[[Function], Function]:
    """Give an operator of the rows along a `dim` the short way to `kernel(x, out)` of matrices."""
    return lambda function: operator_of(function, by_rows.rows, kernel, lambda which: (_arrays(which, 2),) * 2)


def normalisation(kernel: Any, *, biased: bool) -> Callable[[Function], Function]:
    """Give a normalisation of rows the short way to `kernel(x, weight, bias, eps, out, kept)`, or that without bias."""

    def signature(which: int) -> tuple[Any, ...]:
        matrix, vector = _arrays(which, 2), _arrays(which, 1)
        return matrix, *(vector,) * (1 + biased), types.float64, matrix, matrix

    return lambda function: operator_of(function, by_rows.normalise, kernel, signature, NUMBERS=biased)


def product(
    mm: Any = None, mv: Any = None, bmm: Any = None, *, recorded_as: Sequence[Any] = ()
) -> Callable[[Function], Function]:
    """Give a product of matrices, of a matrix and a vector, and of batches the short way to three kernels.

    `mm` and `bmm` take `(a, transposed, b, transposed, out)`, `mv` the same without the fourth. The gradients are
    those of the three operators `recorded_as`; of the operator itself when none are given.
    """
    kernels = (mm, mv, bmm)

    def signature(which: int) -> tuple[Any, ...]:
        form = which % table.FORMS
        if form == table.LEFT:
            return _arrays(which, 2), types.intp, _arrays(which, 1), _arrays(which, 1)
        batch = _arrays(which, 3 if form == table.RIGHT else 2)
        return batch, types.intp, batch, types.intp, batch

    def short(function: Function) -> Function:
        taken = sum(1 << form for form, kernel in enumerate(kernels) if kernel is not None)
        return operator_of(function, products.product, kernels, signature, None, recorded_as, FORMS_TAKEN=taken)

    return short


def ternary(
    kernel: Any, *, kind: int = VALUES, numbers: int = 3, recorded: bool = True
) -> Callable[[Function], Function]:
    """Give an operator of three operands the short way to `kernel(x, y, z, out)`.

    `kind` tells bounds, which may be missing, and an operand that chooses, from plain values. `numbers` says
    whether `y` (1), `z` (2), both (3) or none (0) may be numbers. Not `recorded` when the rule of its gradient takes
    more than the three.
    """

    def signature(which: int) -> tuple[Any, ...]:
        array, form, number = _arrays(which, 1), which % table.FORMS, types.float64
        first = types.Array(types.boolean, 1, "C") if kind in (CHOICE, FILLING) else array
        return first, number if form & 1 else array, number if form & 2 else array, array

    words = {"DIMS": kind, "NUMBERS": numbers}
    if not recorded:
        words["RECORD_AS"] = 0
    return lambda function: operator_of(function, pointwise.ternary, kernel, signature, **words)


def lookup(kernel: Any, *, selects: bool = False) -> Callable[[Function], Function]:
    """Give `op(index, table)`, or `op(table, 0, index)` when it `selects`, the short way.

    `kernel(table, index, out, rows, width, bad)` writes to `bad` the place of an index out of range, or -1.
    """

    def signature(which: int) -> tuple[Any, ...]:
        values, index = _arrays(which, 1), types.Array(types.int64, 1, "C")
        return values, index, values, types.intp, types.intp, index

    return lambda function: operator_of(function, views.lookup, kernel, signature, DIMS=selects)


def _by_method(entry: Any, method: str, **words: int) -> Callable[[Function], Function]:
    name = sys.intern(method)
    _kept.append(name)
    return lambda function: operator_of(function, entry, None, None, METHOD=id(name), **words)


def view(method: str, *, from_rows: bool = False) -> Callable[[Function], Function]:
    """Give a view of integers or one tuple the short way to the array's `method`.

    `from_rows` where only the view of a contiguous array shares its memory.
    """
    return _by_method(views.view, method, FROM_ROWS=from_rows)


def getitem(function: Function) -> Function:
    """Give indexing the short way for keys that NumPy takes as a view."""
    return operator_of(function, views.getitem, None, None)
