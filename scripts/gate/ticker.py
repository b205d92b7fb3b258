"""Where a comparison stands, on standard error."""

import sys
import time
from types import TracebackType

from asv.console import log
from rich.console import Console

from .comparing import Progress


class Ticker:
    """Says on standard error where a comparison stands: one line that changes on a terminal, a few lines elsewhere."""

    SECONDS = 10.0

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False)
        self.status = self.console.status("starting")
        self._said = 0.0
        self._line = ""

    def __enter__(self) -> "Ticker":
        if self.console.is_terminal:
            self.status.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.status.stop()

    def say(self, text: str) -> None:
        """Show what is being done now."""
        self._line = text
        if self.console.is_terminal:
            self.status.update(text)
        else:
            # asv ends a line when it begins the next.
            log.flush()
            print(text, file=sys.stderr, flush=True)

    def progress(self, now: Progress) -> None:
        """Show a round: how many cells are open, and how long it takes at most."""
        if not now.round:
            self.say(f"{now.doing}: {now.cells} cells, compiled where they must be")
            return
        left = "" if now.seconds_left is None else f", at most {duration(now.seconds_left)} left"
        self._line = f"round {now.round} of at most {now.rounds}: {now.live} of {now.cells} cells open{left}"
        if self.console.is_terminal:
            self.status.update(self._line)
        elif now.round == 1 or time.monotonic() > self._said + self.SECONDS:
            self._said = time.monotonic()
            print(self._line, file=sys.stderr, flush=True)

    def cell(self, name: str) -> None:
        """Show the cell that is being measured, where a line can change."""
        if self.console.is_terminal:
            self.status.update(f"{self._line}  {name}")


def duration(seconds: float) -> str:
    """Write 42 s, 3 min, 2 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
