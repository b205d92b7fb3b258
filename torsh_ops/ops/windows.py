"""Arguments of operators that slide a window over images: one number for both directions, or a pair."""

from typing import Any

from torsh_ops.errors import ArgumentError, OperandError

Pair = tuple[int, int]


def hashable(value: Any) -> Any:
    """Return a list as a tuple, anything else as it is: what is checked once for each value is found by it again."""
    return tuple(value) if isinstance(value, list) else value


def pair(op: str, name: str, value: Any, least: int) -> Pair:
    """Return the number or pair `value` as (rows, columns).

    Raises OperandError unless it is one or two ints, ArgumentError when one is less than `least`.
    """
    both = (value, value) if isinstance(value, int) else value
    if isinstance(both, tuple) and len(both) == 1:
        both *= 2
    if not isinstance(both, tuple) or len(both) != 2 or not all(isinstance(v, int) for v in both):
        raise OperandError(f"{op}(): {name} must be an int or a pair of ints, but got {value!r}")
    if min(both) < least:
        raise ArgumentError(f"{op}(): {name} must be at least {least}, but got {value!r}")
    return both
