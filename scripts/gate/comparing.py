"""Rounds of launches, base and head in turn, until every cell is decided or nothing is left to spend."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..builds import Side
from ..history.series import less_is_better
from ..launches import Cell, Failure, Launches, Reading
from ..paired import Comparison, Outcome, Plan, judge, log_change

# Base and head of a cell are read no further apart than this, or the machine's drift comes between them.
TOGETHER_SECONDS = 8.0


@dataclass
class Pair:
    """The readings of one cell, round by round, and why there are none where a side failed."""

    cell: Cell
    base: list[Reading] = field(default_factory=list)
    head: list[Reading] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)

    @property
    def changes(self) -> list[float]:
        """Log changes of the best readings, above 0 where head is worse."""
        found = (self.change(*readings) for readings in zip(self.base, self.head, strict=True))
        return [change for change in found if change is not None]

    def change(self, base: Reading, head: Reading) -> float | None:
        """Log change between two readings; None where they have no ratio."""
        return log_change(base.best, head.best, less_is_better({"unit": self.cell.unit}))


@dataclass(frozen=True)
class Progress:
    """Where a comparison stands: for whoever shows it."""

    round: int
    rounds: int
    live: int
    cells: int
    seconds_left: float | None
    doing: str


class OutOfTime(Exception):
    """The budget would be overrun by another round."""


class Rounds:
    """Compares cells of two sides; `run` fills `pairs`, which hold what was measured also when it is interrupted.

    `budget` is in seconds. Of two rounds base is first in one and head in the other, in an order left to chance.
    """

    def __init__(
        self,
        launches: Launches,
        sides: tuple[Side, Side],
        cells: Iterable[Cell],
        plan: Plan,
        budget: float | None = None,
        show: Callable[[Progress], None] = lambda progress: None,
        to_the_end: bool = False,
    ):
        self.launches, self.plan, self.show, self.to_the_end = launches, plan, show, to_the_end
        self.base, self.head = sides
        self.pairs = {cell.name: Pair(cell) for cell in cells}
        self.seconds: dict[str, float] = {}
        self.end = None if budget is None else time.monotonic() + budget
        self.out_of_time = False
        self._order: list[bool] = []

    @property
    def live(self) -> list[str]:
        """Cells that no side failed at and that are not decided, or all of these `to_the_end`."""
        verdicts = self.verdicts()
        able = (name for name, pair in self.pairs.items() if not pair.failures)
        return [name for name in able if self.to_the_end or verdicts[name].outcome is Outcome.UNDECIDED]

    def verdicts(self) -> dict[str, Comparison]:
        """What can be said now of each cell that no side failed at."""
        return judge({name: pair.changes for name, pair in self.pairs.items() if not pair.failures}, self.plan)

    def run(self) -> None:
        """Warm both sides up, then do rounds until all is decided, or rounds or time are over."""
        self.warm_up()
        live = self.live
        for done in range(self.plan.rounds):
            if not live:
                return
            try:
                self._round(done, live)
            except OutOfTime:
                self.out_of_time = True
                return
            live = self.live if done + 1 in self.plan.looks else [n for n in live if not self.pairs[n].failures]

    def warm_up(self) -> None:
        """Launch each side once and keep no reading: kernels are compiled, and what fails is known."""
        for side, which in ((self.base, "base"), (self.head, "head")):
            self.show(Progress(0, self.plan.rounds, len(self.pairs), len(self.pairs), None, f"warming up {which}"))
            self._read(side, which, list(self.pairs))

    def _together(self, names: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        spent = 0.0
        for name in names:
            took = self.seconds.get(name, 0.0)
            if batch and spent + took > TOGETHER_SECONDS:
                yield batch
                batch, spent = [], 0.0
            batch.append(name)
            spent += took
        if batch:
            yield batch

    def _round(self, done: int, live: Sequence[str]) -> None:
        if not self._order:
            self._order = [True, False] if random.random() < 0.5 else [False, True]
        base_first = self._order.pop()
        left = self._seconds_left(done, live)
        for names in self._together(live):
            if self.end is not None and time.monotonic() + self._cost(names) > self.end:
                raise OutOfTime
            self.show(Progress(done + 1, self.plan.rounds, len(live), len(self.pairs), left, names[0]))
            readings: dict[str, Mapping[str, Reading]] = {}
            for which in ("base", "head") if base_first else ("head", "base"):
                began = time.monotonic()
                readings[which] = self._read(self.base if which == "base" else self.head, which, names)
                self.seconds |= dict.fromkeys(names, (time.monotonic() - began) / len(names))
            self._keep(readings["base"], readings["head"])

    def _cost(self, names: Iterable[str]) -> float:
        return 2 * sum(self.seconds.get(name, 0.0) for name in names)

    def _seconds_left(self, done: int, live: Sequence[str]) -> float | None:
        """Seconds until the last round, were none of `live` decided before; None in the first round."""
        most = self._cost(live) * (self.plan.rounds - done) or None
        return most if most is None or self.end is None else min(most, self.end - time.monotonic())

    def _keep(self, base: Mapping[str, Reading], head: Mapping[str, Reading]) -> None:
        for name in base.keys() & head.keys():
            pair = self.pairs[name]
            if pair.change(base[name], head[name]) is None:
                values = f"{base[name].best:g} and {head[name].best:g}"
                pair.failures["both"] = Failure(f"{values} have no ratio: only values above 0 can be compared")
            pair.base.append(base[name])
            pair.head.append(head[name])

    def _read(self, side: Side, which: str, names: Sequence[str]) -> dict[str, Reading]:
        readings = {}
        for name, answer in self.launches.measure(side, names).items():
            if isinstance(answer, Failure):
                self.pairs[name].failures[which] = answer
            else:
                readings[name] = answer
        return readings
