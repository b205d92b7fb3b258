"""What long work says while it goes on, on standard error."""

import sys
import time

from asv.console import log


class Progress:
    """Says what is done and how long the rest of it may take."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def say(self, line: str) -> None:
        """Print a line."""
        log.flush()
        print(line, file=sys.stderr, flush=True)

    def step(self, done: int, total: int, what: str) -> None:
        """Say that `done` of `total` are finished, and what remains at that speed."""
        if not done:
            self.started = time.monotonic()
            return self.say(f"[1/{total}] {what}")
        left = (time.monotonic() - self.started) / done * (total - done)
        return self.say(f"[{done + 1}/{total}] {what}, about {left:.0f} s left")
