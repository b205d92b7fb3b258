"""Whether calls keep what they were given, or made."""

import gc
import sys
from collections.abc import Callable


def assert_nothing_is_kept(once: Callable[[], None], *held: object) -> None:
    """Call `once` 300 times: no reference to any of `held` is left, and no new object."""
    for _ in range(3):  # a plan, which is kept, is made for what comes again
        once()
    gc.collect()
    counts, objects = [sys.getrefcount(h) for h in held], len(gc.get_objects())
    for _ in range(300):
        once()
    gc.collect()
    assert [sys.getrefcount(h) for h in held] == counts
    assert len(gc.get_objects()) - objects < 50
