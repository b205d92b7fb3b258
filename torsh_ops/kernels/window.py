"""Convolutions in the form that plans call: `(images, weights, init, tables, room, out)`.

`tables` has the numbers that a method was prepared with, `room` is its buffer.
"""

import numpy as np
from numba import njit

from torsh_ops.kernels import conv, conv_depthwise
from torsh_ops.kernels.vector import SERIAL, span

_NUMBERS, _ARRAYS = 11, 6  # of a plan; the arrays' sizes lie between


@njit(**SERIAL)
def _plan(tables):
    """The plan whose `words` are in `tables`."""
    numbers, sizes = span(tables, 0, _NUMBERS), span(tables, _NUMBERS, _ARRAYS)
    rows, columns = _NUMBERS + _ARRAYS, _NUMBERS + _ARRAYS + sizes[0]
    taps = columns + sizes[1]
    sources = taps + sizes[2]
    targets = sources + sizes[3]
    return conv.Plan(
        numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6],
        span(tables, rows, sizes[0]), span(tables, columns, sizes[1]), numbers[7], numbers[8], numbers[9],
        span(tables, taps, sizes[2]), span(tables, sources, sizes[3]), span(tables, targets, sizes[4]),
        span(tables, targets + sizes[4], sizes[5]), numbers[10],
    )  # fmt: skip


def words(plan: conv.Plan) -> list[int]:
    """The numbers of a plan, the sizes of its arrays, and the arrays."""
    arrays = [value for value in plan if isinstance(value, np.ndarray)]
    numbers = [value for value in plan if not isinstance(value, np.ndarray)]
    return [*numbers, *(a.size for a in arrays), *(int(value) for a in arrays for value in a)]


@njit(**SERIAL)
def direct(x, weights, init, tables, room, out):
    """`conv.correlate`: the elements of the copy, the plan."""
    copy, plan = tables[0], _plan(span(tables, 1, tables.size - 1))
    conv.correlate(plan, x, weights, init, out, span(room, 0, copy), span(room, copy, room.size - copy))


@njit(**SERIAL)
def depthwise(x, weights, init, tables, room, out):
    """`conv_depthwise.depthwise`: stride, top, left, lanes, the masks."""
    masks = span(tables, 4, tables.size - 4)
    conv_depthwise.depthwise(x, weights, init, tables[0], tables[1], tables[2], tables[3], masks, out)
