"""Which Fourier transforms run on the kernels, with their tables; the others are NumPy's (pocketfft)."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from torsh_ops import threads
from torsh_ops.kernels import fft as kernels
from torsh_ops.ops.plan import New, Plan, Step, flat
from torsh_ops.tensor import Tensor

# Rows of up to this many are seen as 16 rows, which are transformed in registers: 0.5 to 0.9 of the time of a square.
_MIDDLE = 1 << 14
# Rows of fewer points than this are transformed 16 at a time, longer ones as a matrix.
_LONG = 256
_SHORTEST = 16
_LONGEST = 1 << 22
# Columns go through one panel, which should stay in L2.
_TALLEST = 1 << 12


# The dtype of the real part.
PART_OF = {
    np.dtype(np.float32): np.dtype(np.float32), np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.float64): np.dtype(np.float64), np.dtype(np.complex128): np.dtype(np.float64),
}  # fmt: skip


class RowPlan(NamedTuple):
    """A row of n points as a matrix (a, b), the table of its kernel, and how many numbers of room that takes."""

    a: int
    b: int
    table: np.ndarray
    room: int


def _passes(n: int) -> np.ndarray:
    """The roots that multiply the results of each pass over `n` points: n - 1 in all."""
    found, left = [], n
    while left > 1:
        radix = 4 if left in (4, 16) else 8
        m = left // radix
        powers = np.outer(np.arange(m), np.arange(1, radix)).ravel()
        found.append(np.exp(-2j * np.pi * (powers % left) / left))
        left = m
    return np.concatenate(found)


def _parts(*tables: np.ndarray) -> list[np.ndarray]:
    return [part.ravel() for z in tables for part in (z.real, z.imag)]


def _roots(powers: np.ndarray, n: int) -> np.ndarray:
    return np.exp(-2j * np.pi * (powers % n) / n)


@lru_cache(maxsize=64)
def row_plan(n: int, np_dtype: np.dtype) -> RowPlan:
    """The plan of rows of `n` complex numbers."""
    halves = _roots(np.arange(n), 2 * n)  # for the 2 n real numbers that n pairs are
    if n < _LONG:
        tables = _parts(_passes(n), halves)
        a, b, room = n, 1, 8 * kernels.LANES * n
    else:
        a = kernels.LANES if n <= _MIDDLE else 1 << n.bit_length() // 2
        b = n // a
        rows, lanes = np.arange(a), np.arange(kernels.LANES)
        vectors = _roots(np.outer(rows, lanes), n)
        numbers = _roots(np.outer(np.arange(0, b, kernels.LANES), rows), n)
        tables = _parts(_passes(a), _passes(b), vectors, numbers, halves)
        room = 4 * n + max(6 * a, 4 * b) * kernels.LANES
    return RowPlan(a, b, np.concatenate(tables).astype(np_dtype), room)


@lru_cache(maxsize=64)
def column_table(n: int, np_dtype: np.dtype) -> np.ndarray:
    """The table of columns of `n` points."""
    return np.concatenate(_parts(_passes(n))).astype(np_dtype)


def _fits(n: int, longest: int) -> bool:
    return _SHORTEST <= n <= longest and n & (n - 1) == 0


def scale_of(n: int, norm: str, forward: bool) -> float:
    """What a transform of `n` points is multiplied by."""
    if norm == "ortho":
        return 1 / math.sqrt(n)
    return 1 / n if (norm == "forward") == forward else 1.0


@lru_cache(maxsize=256)
def complex_scale(shape: tuple[int, ...], dims: tuple[int, ...], norm: str, forward: bool) -> float | None:
    """The scale of a transform of complex numbers of `shape` over `dims`; None where it is not for the kernels."""
    last = len(shape) - 1
    if not all(_fits(shape[d], _LONGEST if d == last else _TALLEST) for d in dims):
        return None
    return scale_of(math.prod(shape[d] for d in dims), norm, forward)


def takes_real(ndim: int, dim: int, n: int) -> bool:
    """Tell whether the kernels transform `n` real numbers in `dim`, or back to them."""
    return dim == ndim - 1 and n % 2 == 0 and _fits(n // 2, _LONGEST)


def transform_rows(x: np.ndarray, out: np.ndarray, kind: Any, inverse: bool, scale: float, n: int) -> None:
    """Transform contiguous rows of `n` complex numbers, or of what `kind` says; `x` and `out` may be the same."""
    plan = row_plan(n, PART_OF[out.dtype])

    def run(x: np.ndarray, out: np.ndarray) -> None:
        work = np.empty(plan.room, plan.table.dtype)
        kernels.rows(x.reshape(-1), out.reshape(-1), kind, inverse, scale, plan.a, plan.b, plan.table, work)

    if threads.count == 1:
        run(x, out)
        return
    rows, to = x.reshape(-1, x.shape[-1]), out.reshape(-1, out.shape[-1])
    threads.rowwise(run, x.size, len(rows), rows, to)


def rows_at_once(input: Tensor, out: New, kind: Any, inverse: bool, scale: float, n: int) -> Plan | None:
    """What `transform_rows` does on one thread, as a plan; None where it is work for several."""
    if not 0 < input._array.size < threads.WORTH_ELEMENTS:
        return None
    way = row_plan(n, PART_OF[out.dtype])
    work = New((way.room,), way.table.dtype)
    form = int(kind), inverse, scale, way.a, way.b
    return Plan(out, [Step(kernels.rows, flat(input), flat(out), *form, way.table, work)], room=[work])


def planes_at_once(input: Tensor, out: New, inverse: bool, scale: float) -> Plan | None:
    """What `transform` does with the last two dimensions on one thread, as a plan; None where it is for several."""
    if not 0 < input._array.size < threads.WORTH_ELEMENTS:
        return None
    height, width = out.shape[-2:]
    a, b, table, of_columns, room = _plane_plan(height, width, PART_OF[out.dtype])
    work = New((room,), table.dtype)
    form = height, inverse, scale, a, b
    return Plan(out, [Step(kernels.plane, flat(input), flat(out), *form, table, of_columns, work)], room=[work])


def _transform_columns(x: np.ndarray, out: np.ndarray, d: int, inverse: bool, scale: float) -> None:
    n, outer = x.shape[d], math.prod(x.shape[:d])
    table = column_table(n, PART_OF[out.dtype])

    def run(x: np.ndarray, out: np.ndarray) -> None:
        work = np.empty(6 * kernels.LANES * n, table.dtype)
        kernels.columns(x, out, x.size * outer // size, n, inverse, scale, table, work)

    size = x.size
    if threads.count == 1 or outer == 1:
        run(x, out)
    else:
        threads.rowwise(run, size, outer, x.reshape(outer, -1), out.reshape(outer, -1))


@lru_cache(maxsize=64)
def _plane_plan(height: int, width: int, np_dtype: np.dtype) -> tuple[int, int, np.ndarray, np.ndarray, int]:
    """The plan of matrices: that of their rows, the table of their columns, and room for either."""
    plan = row_plan(width, np_dtype)
    room = max(plan.room, 6 * kernels.LANES * height)
    return plan.a, plan.b, plan.table, column_table(height, np_dtype), room


def frames(x: np.ndarray, hop: int, window: np.ndarray, out: np.ndarray, scale: float) -> None:
    """Transform pieces of the flat `x`, `hop` apart and times `window`, to halves of their spectra, the rows of `out`.

    `takes_real` says which lengths of the window there are.
    """
    plan = row_plan(window.size // 2, window.dtype)

    def arguments(rows: slice) -> tuple[Any, ...]:
        work, block = np.empty(plan.room, window.dtype), np.empty(kernels.LANES * window.size, window.dtype)
        return x[rows.start * hop :], hop, window, out[rows], scale, plan.a, plan.b, plan.table, work, block

    threads.ranges(kernels.frames, out.size, len(out), arguments)


def transform(x: np.ndarray, out: np.ndarray, dims: tuple[int, ...], inverse: bool, scale: float) -> None:
    """Transform contiguous complex `x` over `dims` into `out`, times `scale`."""
    rest = len(dims)
    if rest == 2 and dims[0] == x.ndim - 2 and dims[1] == x.ndim - 1 and threads.count == 1:
        a, b, table, of_columns, room = _plane_plan(x.shape[-2], x.shape[-1], PART_OF[out.dtype])
        work = np.empty(room, table.dtype)
        kernels.plane(x.reshape(-1), out.reshape(-1), out.shape[-2], inverse, scale, a, b, table, of_columns, work)
        return
    for d in dims:
        rest -= 1
        factor = 1.0 if rest else scale
        if d == x.ndim - 1:
            transform_rows(x, out, kernels.COMPLEX, inverse, factor, x.shape[d])
        else:
            _transform_columns(x, out, d, inverse, factor)
        x = out
