"""One use of the gate: builds, discovers, chooses, compares, and gives a report."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asv.util import UserError

from ..builds import BuildError, Side, choose_environment, commit_of, working_tree
from ..commands.bench import name_environment_shortly
from ..conditions import between, read, unfit
from ..launches import Cell, Launches
from ..paired import Plan
from ..results import plain
from .affected import Affected, changed_files
from .comparing import Rounds
from .report import Report
from .self_test import SelfTest, assess, recall, remember
from .ticker import Ticker

OURS = "torsh"
# Rounds of a self-test: enough to draw series from that are as long.
SELF_TEST_ROUNDS = 40


@dataclass(frozen=True)
class Choice:
    """What is compared: benchmarks by regular expressions, and whether those of other frameworks are too."""

    patterns: Sequence[str]
    others: bool
    plan: Plan
    budget: float | None = None


class Session:
    """A context manager about the environment and the builds; raises UserError for what the user can mend."""

    def __init__(self, conf: Any, choice: Choice, heavy: bool = False, spec: Sequence[str] = ()):
        self.conf, self.choice = conf, choice
        self.ticker = Ticker()
        env = choose_environment(conf, spec, heavy)
        name_environment_shortly(conf, "the environment")
        self.launches = Launches(conf, env, self.ticker.cell)
        self._stack = ExitStack()

    def __enter__(self) -> "Session":
        self._stack.enter_context(self.ticker)
        self._stack.enter_context(self.launches)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()

    def compare(self, base: str, head: str | None, affected: bool = False) -> Report:
        """Compare the commits called `base` and `head`; the working tree where that is None."""
        commits = (commit_of(self.conf, base), commit_of(self.conf, head) if head else working_tree(self.conf.repo))
        names = (f"{base} ({commits[0][:8]})", f"{head or 'the working tree'} ({commits[1][:8]})")
        if commits[0] == commits[1]:
            raise UserError(f"{names[0]} and {names[1]} are the same commit: nothing to compare")
        base_side, head_side = sides = self._build(commits)
        cells, left_out = self._choose(sides)
        if affected:
            cells, untouched = self._affected(sides, cells)
            left_out |= {"no change between the two can touch them": untouched} if untouched else {}
        rounds = Rounds(
            self.launches,
            (base_side, head_side),
            cells.values(),
            self.choice.plan,
            self.choice.budget,
            self.ticker.progress,
        )
        before = read()
        interrupted = _interrupted(rounds)
        during = between(before, read())
        return Report(
            *names, self.choice.plan, rounds.pairs, rounds.verdicts(), left_out, during, unfit(during), recall(),
            interrupted, rounds.out_of_time,
        )  # fmt: skip

    def test_itself(self, commit: str) -> tuple[SelfTest, bool]:
        """Compare a commit with itself for SELF_TEST_ROUNDS; gives what that says, and whether Ctrl-C came.

        What was interrupted is not remembered.
        """
        (side,) = self._build((commit_of(self.conf, commit),))
        cells, _ = self._choose((side, side))
        plan = replace(self.choice.plan, rounds=SELF_TEST_ROUNDS)
        rounds = Rounds(self.launches, (side, side), cells.values(), plan, None, self.ticker.progress, to_the_end=True)
        interrupted = _interrupted(rounds)
        changes = {name: pair.changes for name, pair in rounds.pairs.items() if not pair.failures}
        found = assess(changes, self.choice.plan)
        if not found.false_rates and not interrupted:
            raise UserError("no cell of the self-test could be measured: name others with --bench")
        if not interrupted:
            remember(found)
        return found, interrupted

    def _build(self, commits: Sequence[str]) -> tuple[Side, ...]:
        built, broken = [], []
        for commit in commits:
            self.ticker.say(f"building {commit[:8]}")
            try:
                built.append(self.launches.build(commit))
            except BuildError as error:
                broken.append(str(error))
        if broken:
            raise BuildError("; ".join(broken))
        return tuple(built)

    def _choose(self, sides: Sequence[Side]) -> tuple[dict[str, Cell], dict[str, list[str]]]:
        """Cells to compare, and those left out by reason: what either side has, in the order of the last one."""
        found: dict[str, Cell] = {}
        broken: list[UserError] = []
        for side in dict.fromkeys(reversed(sides)):
            self.ticker.say(f"discovering benchmarks at {side.commit[:8]}")
            try:
                cells = self.launches.discover(side, self.choice.patterns)
            except UserError as error:
                broken.append(error)
            else:
                found |= {name: cell for name, cell in cells.items() if name not in found}
        if len(broken) == len(set(sides)):
            raise broken[0]
        for reason in broken:
            self.ticker.say(f"{reason}: its benchmarks will fail")
        others = [] if self.choice.others else [name for name, cell in found.items() if foreign(cell)]
        chosen = {name: cell for name, cell in found.items() if name not in set(others)}
        if not chosen:
            raise UserError(f"no benchmark matches {' or '.join(map(repr, self.choice.patterns))}")
        return chosen, {"they measure other frameworks, see --mode comprehensive": others} if others else {}

    def _affected(self, sides: tuple[Side, ...], cells: Mapping[str, Cell]) -> tuple[dict[str, Cell], list[str]]:
        """Cells that a change can touch, as far as is known, and the others."""
        base, head = sides
        suite = Path(self.conf.benchmark_dir).resolve()
        repository = Path(self.conf.repo).resolve()
        folder = str(suite.relative_to(repository)) if suite.is_relative_to(repository) else "benchmarks"
        changed = changed_files(self.conf.repo, base.commit, head.commit)
        touched: set[str] = set()
        for side in sides:
            self.ticker.say(f"tracing what the benchmarks run at {side.commit[:8]}")
            decide = Affected(side.folder, folder, changed)
            traces = self.launches.trace(side, cells)
            # One that can't be traced may run anything.
            touched |= {name for name in cells if name not in traces or decide.touches(traces[name])}
        return (
            {name: cell for name, cell in cells.items() if name in touched},
            [name for name in cells if name not in touched],
        )


def foreign(cell: Cell) -> bool:
    """Whether a cell measures another framework than the code under test."""
    return "framework" in cell.params and plain(cell.params["framework"]) != OURS


def _interrupted(rounds: Rounds) -> bool:
    try:
        rounds.run()
    except KeyboardInterrupt:
        return True
    return False
