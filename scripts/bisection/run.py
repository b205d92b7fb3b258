"""Measures the launches that a search asks for, until it is answered or the time is up."""

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from asv.util import UserError

from ..builds import BuildError, Side
from ..history.series import less_is_better
from ..launches import Failure, Launches
from .commits import Commit
from .progress import Launch, Progress
from .search import Search


class CantMeasure(Exception):
    """A commit at which the benchmark has no reading; the message is the reason."""


class Bisection:
    """A search on a line of commits, from the good end to the bad one, with what is kept of it."""

    def __init__(self, line: Sequence[Commit], launches: Launches, search: Search, progress: Progress):
        self.line, self.launches, self.search, self.progress = line, launches, search, progress
        self.at = {commit.hash: position for position, commit in enumerate(line)}
        self.sides: dict[int, Side] = {}
        self.builds = 0
        self.build_seconds: list[float] = []
        self.launch_seconds: list[float] = []
        search.broken |= {self.at[commit] for commit in progress.broken}
        session = 0
        for launch in progress.launches:
            if launch.session != session:
                search.belief.interrupted()
                session = launch.session
            search.observe(self.at[launch.commit], launch.value)
        if progress.launches:
            search.belief.interrupted()

    def choose_cells(self, patterns: Sequence[str]) -> None:
        """Choose the cells that can be measured at both ends; raises UserError where there is none."""
        good, bad = 0, len(self.line) - 1
        found = self.launches.discover(self._end(good, "good"), patterns)
        if not found:
            raise UserError(f"no benchmark matches {' '.join(patterns)!r} at the good end, {self.line[good]}")
        names = list(self.progress.cells or found)
        reasons: dict[str, str] = {}
        for position in (good, bad) if not self.progress.cells else ():
            which = "good" if position == good else "bad"
            answers = self.launches.measure(self._end(position, which), [name for name in names if name not in reasons])
            for name, answer in answers.items():
                if reason := why_not(answer):
                    reasons[name] = f"{reason} (at the {which} end, {self.line[position].hash[:8]})"
        self.left_out = reasons
        names = [name for name in names if name not in reasons]
        if not names:
            name, reason = next(iter(reasons.items()))
            raise UserError(f"{name} can't be measured: {reason}: name other ends or another benchmark")
        self.progress.cells = names
        self.progress.checked += [self.line[good].hash, self.line[bad].hash]

    def _end(self, position: int, which: str) -> Side:
        try:
            return self._build(position)
        except BuildError as error:
            raise UserError(f"the {which} end can't be measured: {error}: name another") from None

    def go_on(self, until: float, tell: Callable[["Bisection", int], None]) -> bool:
        """Launch until the search is answered, or `time.monotonic()` is `until`: then it is False.

        `tell` is called before every launch, with the position that is to be launched.
        """
        while not (self.search.found() or self.search.refuted()):
            for position in self.search.next():
                if time.monotonic() > until:
                    return False
                tell(self, position)
                try:
                    self._launch(position)
                except CantMeasure as reason:
                    self._leave_out(position, str(reason))
                    break
        return True

    def _launch(self, position: int) -> None:
        commit = self.line[position].hash
        try:
            side = self._build(position)
        except BuildError as error:
            raise CantMeasure(str(error)) from None
        if commit not in self.progress.checked:
            # What a commit compiles at its first use is neither in its first reading nor in the time of a launch.
            begun = time.monotonic()
            self._read(side)
            self.progress.checked.append(commit)
            self.build_seconds[-1] += time.monotonic() - begun
        begun = time.monotonic()
        cells = self._read(side)
        self.launch_seconds.append(time.monotonic() - begun)
        value = self._value(cells)
        self.progress.launches.append(Launch(commit, value, cells, self.progress.session))
        self.progress.save()
        self.search.observe(position, value)
        self.search.build_cost = mean(self.build_seconds) / mean(self.launch_seconds)

    def _build(self, position: int) -> Side:
        if position not in self.sides:
            begun = time.monotonic()
            self.builds += 1
            self.sides[position] = self.launches.build(self.line[position].hash)
            self.build_seconds.append(time.monotonic() - begun)
        return self.sides[position]

    def _read(self, side: Side) -> dict[str, float]:
        answers = self.launches.measure(side, self.progress.cells)
        for name, answer in answers.items():
            if reason := why_not(answer):
                raise CantMeasure(f"{name}: {reason}")
        return {name: answer.best for name, answer in answers.items() if not isinstance(answer, Failure)}

    def _value(self, cells: Mapping[str, float]) -> float:
        """Geometric mean of the cells, of a rate's inverse: higher is worse."""
        units = [self.launches.cells[name].unit for name in cells]
        signs = [1 if less_is_better({"unit": unit}) else -1 for unit in units]
        logs = [sign * math.log(best) for sign, best in zip(signs, cells.values(), strict=True)]
        return math.exp(math.fsum(logs) / len(logs))

    def _leave_out(self, position: int, reason: str) -> None:
        commit = self.line[position]
        if position in (0, len(self.line) - 1):
            raise UserError(f"{reason}: and {commit} is an end, which was measured before. Try again")
        self.search.broken.add(position)
        self.progress.broken[commit.hash] = reason
        self.progress.save()

    def seconds_left(self) -> float:
        """About how long the rest takes."""
        return self.search.launches_left() * mean(self.launch_seconds)


def why_not(answer: object) -> str:
    """Reason why an answer has no logarithm; empty where it has one."""
    if isinstance(answer, Failure):
        return answer.reason
    best = answer.best  # type: ignore[attr-defined]
    return "" if math.isfinite(best) and best > 0 else f"it read {best}, and only what is above 0 can be compared"


def mean(seconds: Sequence[float]) -> float:
    """Mean, one second of none."""
    return sum(seconds) / len(seconds) if seconds else 1.0


def digest_of(suite: Path) -> str:
    """Hash of the benchmarks' sources: readings of another version of a benchmark are not compared."""
    found = hashlib.sha256()
    for path in sorted(suite.rglob("*.py")):
        found.update(str(path.relative_to(suite)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]
