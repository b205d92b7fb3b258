"""Plans: an operator's calls of one kind are worked out once, in Python, and then done again without it.

    def _plan(input, dim, index):
        out = New(index.shape, input)
        return Plan(out, [Step(kernel, flat(input), flat(index), flat(out), input.shape[dim])])

    @planned(_plan)
    def gather(input, dim, index): ...

The second time in a row that `gather` is called with the same numbers and with tensors of the same shapes, dtypes and
layouts, `_plan` is asked. What it returns is kept: later calls of that kind make the arrays and call the kernels from
compiled code, 0.2 us in all. It returns None for what the function below the decorator is to do, and that does all
else: first calls, errors, gradients that are not recorded as ``op(*args)``.
"""

import contextlib
import ctypes
import math
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numba import from_dtype, types

from torsh_ops import memory
from torsh_ops.errors import OperandError, TorshError
from torsh_ops.kernels import team
from torsh_ops.kernels.call import plans as table
from torsh_ops.ops import shortcut
from torsh_ops.ops.layout import ALIKE
from torsh_ops.tensor import Tensor

__all__ = ["LARGE_BYTES", "New", "Plan", "Seen", "Step", "alike", "flat", "plan_view", "planned", "seen"]

Function = TypeVar("Function", bound=Callable[..., Any])
Planner = Callable[..., "Plan | None"]

# A planner's arguments are not checked yet: the operator itself says what is wrong with them.
_REFUSALS = (TorshError, AttributeError, TypeError, ValueError, IndexError)
# From here on the kernels of a plan run without Python's lock, which costs 60 ns a turn.
LARGE_BYTES = 1 << 18
# So many plans an operator makes; more is a sign of calls that do not come again.
_MOST_PLANS = 4096


class New:
    """An array to make, of `shape` and the dtype of `like`; it is a result unless it is left out of those.

    With `strides` in bytes it is a view of the first tensor of the call, from `offset` bytes on.
    """

    def __init__(
        self, shape: Iterable[int], like: Any, strides: tuple[int, ...] | None = None, offset: int = 0
    ) -> None:
        self.shape = tuple(shape)
        self.dtype: np.dtype = like if isinstance(like, np.dtype) else like._array.dtype
        self.strides, self.offset = strides, offset

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return math.prod(self.shape) * self.dtype.itemsize


def plan_view(input: Tensor, array: np.ndarray) -> "Plan":
    """Return the plan of an operator that gives `array`, a view of its first argument."""
    return Plan(New(array.shape, array.dtype, array.strides, array.ctypes.data - input._array.ctypes.data))


class Seen:
    """A tensor, a new or a constant array as a kernel is to see it: in another shape or dtype, or with strides."""

    def __init__(self, source: Any, shape: tuple[int, ...], dtype: np.dtype, strides: tuple[int, ...] | None) -> None:
        self.source, self.shape, self.dtype, self.strides = source, shape, dtype, strides


def seen(x: Any, shape: Sequence[int] | None = None) -> Seen:
    """Return a tensor or array for a kernel: as it lies in memory, or contiguous and in another shape."""
    if isinstance(x, New):
        return Seen(x, x.shape if shape is None else tuple(shape), x.dtype, None)
    array = x._array if isinstance(x, Tensor) else x
    strides = None if array.flags.c_contiguous else array.strides
    if shape is not None and strides is not None:
        raise OperandError(f"strides {strides} have no other shape: no plan")
    return Seen(x, array.shape if shape is None else tuple(shape), array.dtype, strides)


def flat(x: Any) -> Seen:
    """Return a contiguous tensor or array for a kernel, in one dimension."""
    return seen(x, (math.prod(x.shape),))


def alike(x: Seen) -> Seen:
    """Return what is of 4 or 8 bytes an element as the kernels that only move these take it."""
    return Seen(x.source, x.shape, ALIKE[x.dtype], x.strides)


class Step:
    """A kernel to call with arrays and numbers.

    Where it is `checked` it returns -1 when all went well. Where it `counts`, it returns how much it used of the
    first dimension of that new array, the rest of which is cut off, or -1 when not all went well. Otherwise the call
    is done anew by the operator's Python function, so nothing must have been changed.
    """

    def __init__(self, kernel: Any, *operands: Any, checked: bool = False, counts: New | None = None) -> None:
        self.kernel, self.checked, self.counts = kernel, checked, counts
        self.operands: list[Any] = [x if isinstance(x, (bool, int, float, Seen)) else seen(x) for x in operands]


class Plan:
    """What a call does: it makes arrays and calls kernels.

    It returns the array `results`, or several as the `of` (a kind of tuple) they belong to; `room` are arrays that
    are not returned. `recorded` says that the gradient's rule takes the arguments of the call, and so many.
    """

    def __init__(
        self, results: New | Sequence[New], steps: Sequence[Step] = (), *, of: type | None = None,
        room: Sequence[New] = (), recorded: int = 0,
    ) -> None:  # fmt: skip
        self.results = [results] if isinstance(results, New) else list(results)
        self.arrays, self.steps, self.of, self.recorded = [*self.results, *room], steps, of, recorded


def _bits(number: float) -> int:
    return struct.unpack("q", struct.pack("d", number))[0]


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _array_words(array: New, keep: list[Any]) -> list[int]:
    """Return how `kernels.call.plans` finds an array described."""
    shape, strides = ([*v, *[0] * (table.MAX_NDIM - len(v))] for v in (array.shape, array.strides or ()))
    pooled = array.nbytes if array.strides is None and array.nbytes >= memory.POOLED_RESULT_BYTES else 0
    keep += [array.dtype, array.shape]
    viewed = -1 if array.strides is None else 0
    return [id(array.dtype), len(array.shape), pooled, id(array.shape), viewed, array.offset, *shape, *strides]


def _strides(shape: tuple[int, ...], itemsize: int) -> list[int]:
    return [itemsize * math.prod(shape[d + 1 :]) for d in range(len(shape))]


class _Maker:
    """Makes the plans of one operator, and keeps them where its compiled function looks."""

    def __init__(self, planner: Planner) -> None:
        self.planner, self.made = planner, 0
        self.words = np.zeros(table.PLANS_SIZE, np.int64)
        self.kept: list[Any] = [None] * table.ASKED

    def __call__(self, note: int, mixed: int, *args: Any, **kwargs: Any) -> np.ndarray | None:
        """Return the plan for the call whose note is at an address, after keeping it; None when there are enough."""
        if self.made == _MOST_PLANS:
            return None
        length = ctypes.c_int64.from_address(note).value
        # Copied before any other call can write another note.
        key = list((ctypes.c_int64 * length).from_address(note + 8 * table.WORDS))
        given = [*args, *kwargs.values()]
        names = [*kwargs, *(x for x in given if isinstance(x, str))]
        if any(sys.intern(name) is not name for name in names):
            return None  # it may be gone when its address comes again
        plan = None
        with contextlib.suppress(*_REFUSALS):
            plan = self.planner(*args, **kwargs)
        words, keep = self._written(plan, key, mixed, given)
        found = np.array(words, np.int64)
        first = (mixed & (table.SETS - 1)) * table.WAYS
        ways = range(first, first + table.WAYS)
        way = next((i for i in ways if self.kept[i] is None), ways[self.made % table.WAYS])
        before = self.kept[way]
        self.kept[way] = (found, keep, names)
        self.words[way], self.words[table.LAST] = id(found), 0
        del before  # only now: the compiled function may be looking at it
        self.made += 1
        return found

    def _written(self, plan: Plan | None, key: list[int], mixed: int, given: Sequence[Any]) -> tuple[Any, list[Any]]:
        head = [0] * table.PLAN_WORDS
        head[table.HASH], head[table.LENGTH], head[table.REFUSED] = _signed(mixed % (1 << 64)), len(key), plan is None
        if plan is None:
            return [*head, *key], []
        flattened = [y for x in given for y in (x if isinstance(x, (tuple, list)) else (x,))]
        tensors = [x for x in flattened if isinstance(x, Tensor)]
        if len(plan.arrays) > table.MOST_MADE:
            raise NotImplementedError(f"a plan of {len(plan.arrays)} arrays; there is room for {table.MOST_MADE}")
        keep: list[Any] = [plan.of, *(x._array.dtype for x in tensors)]
        arrays = [word for array in plan.arrays for word in _array_words(array, keep)]
        calls = [word for step in plan.steps for word in self._call_words(step, tensors, plan.arrays, keep)]
        head[table.MAKES], head[table.MAKES_AT] = len(plan.arrays), table.PLAN_WORDS + len(key)
        head[table.CALLS], head[table.CALLS_AT] = len(plan.steps), head[table.MAKES_AT] + len(arrays)
        head[table.RETURNS] = 0 if plan.of is None else id(plan.of)
        head[table.RETURNED], head[table.RECORDED] = len(plan.results), plan.recorded
        work = sum(x.nbytes for x in plan.arrays) + sum(x.nbytes for x in tensors) if plan.steps else 0
        head[table.LARGE] = work >= LARGE_BYTES
        return [*head, *key, *arrays, *calls], keep

    @staticmethod
    def _call_words(step: Step, tensors: list[Tensor], arrays: list[New], keep: list[Any]) -> list[int]:
        signature: list[Any] = []
        words: list[int] = []
        reals: list[int] = []
        patches: list[int] = []
        for x in step.operands:
            if isinstance(x, bool):
                signature.append(types.boolean)
                words.append(x)
            elif isinstance(x, int):
                signature.append(types.intp)
                words.append(x)
            elif isinstance(x, float):
                signature.append(types.float64)
                reals.append(_bits(x))
            else:
                strides = _strides(x.shape, x.dtype.itemsize) if x.strides is None else list(x.strides)
                signature.append(types.Array(from_dtype(x.dtype), len(x.shape), "C" if x.strides is None else "A"))
                data = 0
                if isinstance(x.source, np.ndarray):
                    keep.append(x.source)
                    data = x.source.ctypes.data
                else:
                    made = isinstance(x.source, New)
                    place = next(i for i, y in enumerate(arrays if made else tensors) if y is x.source)
                    patches += [len(words) + 4, place + (table.MADE - table.ARRAYS if made else 0), 0]
                words += [0, 0, math.prod(x.shape), x.dtype.itemsize, data, *x.shape, *strides]
        if len(words) > team.WHOLES or len(reals) > team.REALS:
            raise NotImplementedError(f"a kernel of {len(words)} words and {len(reals)} real numbers")
        address = team.address_of(step.kernel, tuple(signature))
        found = table.WELL if step.checked else table.NOTHING
        if step.counts is not None:
            found = table.COUNT + arrays.index(step.counts)
        mailbox = [0] * team.WORDS
        mailbox[team.ADDRESS // 8] = address
        mailbox[team.WHOLE // 8 : team.WHOLE // 8 + len(words)] = words
        mailbox[team.REAL // 8 : team.REAL // 8 + len(reals)] = reals
        return [found, len(words) <= team.FEW_WHOLES, *mailbox, len(patches) // 3, *patches]


def planned(planner: Planner, *, unless_contiguous: bool = False) -> Callable[[Function], Function]:
    """Give an operator the short way by plans that `planner`, called with its arguments, returns; None for no plan.

    Where it is for what is `unless_contiguous`, one contiguous tensor alone is its own result.
    """
    maker = _Maker(planner)
    words = {"METHOD": maker.words.ctypes.data, "FROM_ROWS": unless_contiguous}
    return lambda function: shortcut.operator_of(function, table.planned, None, None, maker, **words)
