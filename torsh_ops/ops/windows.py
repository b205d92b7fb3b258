"""Arguments of operators that slide a window over images: one number for all directions, or one for each."""

from typing import Any

from torsh_ops.errors import ArgumentError, OperandError

Pair = tuple[int, int]

_WORDS = {1: "an int", 2: "an int or a pair of ints", 3: "an int or three ints"}


def hashable(value: Any) -> Any:
    """Return a list as a tuple, anything else as it is: what is checked once for each value is found by it again."""
    return tuple(value) if isinstance(value, list) else value


def numbers(op: str, name: str, value: Any, least: int, count: int) -> Any:
    """Return the number or tuple `value` as a tuple of `count` ints.

    Raises OperandError unless it is one or `count` ints, ArgumentError when one is less than `least`.
    """
    found = (value,) * count if isinstance(value, int) else value
    if isinstance(found, (tuple, list)) and len(found) == 1:
        found = tuple(found) * count
    if not isinstance(found, (tuple, list)) or len(found) != count or not all(isinstance(v, int) for v in found):
        raise OperandError(f"{op}(): {name} must be {_WORDS[count]}, but got {value!r}")
    if min(found) < least:
        raise ArgumentError(f"{op}(): {name} must be at least {least}, but got {value!r}")
    return tuple(found)


def pair(op: str, name: str, value: Any, least: int) -> Pair:
    """Return the number or pair `value` as (rows, columns); raises as `numbers`."""
    rows, columns = numbers(op, name, value, least, 2)
    return rows, columns
