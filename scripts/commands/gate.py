"""`gate`: is this commit, or the working tree, slower than that one? An answer that noise does not give."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from asv.commands import Command
from asv.console import log
from asv.util import UserError

from ..options import add_environment, add_json, status_of
from .bench import FEW

if TYPE_CHECKING:
    from ..gate.session import Choice
    from ..paired import Plan

DESCRIPTION = """\
Compare HEAD with BASE, or the working tree where no HEAD is named: both are built, and launched in turn in fresh
processes until each benchmark is decided: regressed, improved, not regressed, or undecided, which is no pass.

  gate main                          the working tree (with what is not committed) against main
  gate main HEAD -b ops.norm         two commits, some benchmarks
  gate main --affected               only what the changes between the two can touch
  gate main --mode quick             a few benchmarks in a minute or two; sees 10 %
  gate --self-test                   how often this machine would call nothing a regression

Exit status: 0 no regression, 1 a regression, 2 something could not be measured, 3 undecided, 130 interrupted.
"""


@dataclass(frozen=True)
class Mode:
    """Which benchmarks, how many rounds at most, and the least change that counts."""

    patterns: tuple[str, ...]
    rounds: int
    effect: float
    everything: bool = False

    def plan(self, rounds: int | None = None, effect: float | None = None) -> "Plan":
        """Plan of this mode, but for what is given; `effect` is in percent."""
        from ..paired import Plan

        return Plan(rounds or self.rounds, self.effect if effect is None else effect / 100)


MODES = {
    "quick": Mode(FEW, 12, 0.04),
    "standard": Mode((r"(^|\.)time_\w+(\(|$)",), 60, 0.02),
    "comprehensive": Mode((), 100, 0.02, everything=True),
}


class Gate(Command):
    """Compares two commits, or the working tree with one, and says whether anything regressed."""

    @classmethod
    def setup_arguments(cls, subparsers: Any) -> Any:
        """Add the command and its options."""
        parser = subparsers.add_parser(
            "gate",
            help="Say whether a commit or the working tree is slower than another, or that it can't be told",
            description=DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add = parser.add_argument
        add("base", nargs="?", metavar="BASE", help="commit to compare with")
        add("head", nargs="?", metavar="HEAD", help="commit to judge [the working tree]")
        add("--mode", choices=MODES, default="standard", help="quick: a few timings; standard: all timings of the "
            "project's own; comprehensive: every benchmark, of all frameworks there are [standard]")  # fmt: skip
        add("--bench", "-b", metavar="REGEX", action="append", help="other benchmarks than the mode's")
        add("--rounds", type=int, metavar="N", help="at most N launches of each side [12, 60 or 100 by mode]")
        add("--effect", type=float, metavar="PERCENT", help="least change that is called one; a pass rules out 2.5 "
            "times as much [4 in quick mode, else 2]")  # fmt: skip
        add("--budget", type=float, metavar="MINUTES", help="stop measuring by then; what is open is undecided")
        add("--affected", action="store_true", help="leave out what no change between the two can touch")
        add("--self-test", action="store_true", help="compare HEAD, or BASE, with itself 40 times, and keep what "
            "that says of the mode")  # fmt: skip
        add_environment(parser)
        add_json(parser, "everything, each reading too,")
        add("--markdown", metavar="FILE", help="write the table for a comment to FILE")
        add("--junit", metavar="FILE", help="write a JUnit report to FILE")
        parser.set_defaults(func=cls.run_from_args)
        return parser

    @classmethod
    def run_from_conf_args(cls, conf: Any, args: Any) -> int:
        """Call `run` with the options; whatever stops the comparison is status 2, for 1 is a regression."""
        return status_of("gate", lambda: cls.run(
            conf, args.base, args.head, args.mode, args.bench, args.rounds, args.effect, args.budget, args.affected,
            args.self_test, args.frameworks, args.environment, args.json, args.markdown, args.junit,
        ))  # fmt: skip

    @classmethod
    def run(
        cls,
        conf: Any,
        base: str | None = None,
        head: str | None = None,
        mode: str = "standard",
        bench: Sequence[str] | None = None,
        rounds: int | None = None,
        effect: float | None = None,
        budget: float | None = None,
        affected: bool = False,
        self_test: bool = False,
        frameworks: bool = False,
        environment: Sequence[str] = (),
        json_file: str | None = None,
        markdown: str | None = None,
        junit: str | None = None,
    ) -> int:
        """Measure, print the table, write what was asked for; gives the exit status.

        Raises UserError for what the user can mend: names, options, builds that fail, a suite that can't be imported.
        """
        if base is None and not self_test:
            raise UserError("name the commit to compare with: gate BASE, or gate BASE HEAD")
        if self_test and (head or affected or rounds or budget or markdown or junit):
            raise UserError(
                "--self-test compares one commit with itself, 40 times: leave out HEAD, --affected, --rounds, "
                "--budget, --markdown and --junit"
            )
        # Not above: these load NumPy and SciPy, and --help needs neither.
        from ..gate import session, show

        first = base or "HEAD"
        wanted = replace(MODES[mode], patterns=FEW, everything=False) if self_test else MODES[mode]
        choice = choose(wanted, bench, rounds, effect, budget)
        # asv's logger, and what it starts, write to standard output: only the answer may come there.
        with redirect_stdout(sys.stderr), session.Session(conf, choice, frameworks, environment) as one:
            if self_test:
                tested, interrupted = one.test_itself(first)
            else:
                found = one.compare(first, head, affected)
            log.flush()
        if self_test:
            return show.publish_self_test(tested, interrupted, choice.plan.false_alarms, json_file)
        return show.publish(found, json_file, markdown, junit)


def choose(
    mode: Mode, bench: Sequence[str] | None, rounds: int | None, effect: float | None, budget: float | None
) -> "Choice":
    """Settle a mode with what the options say otherwise; `effect` is in percent, `budget` in minutes."""
    from ..gate.session import Choice

    if rounds is not None and rounds < 4:
        raise UserError(f"--rounds {rounds}: four at least, fewer decide nothing")
    if effect is not None and not 0 < effect < 100:
        raise UserError(f"--effect {effect:g}: percent, more than 0 and less than 100")
    if budget is not None and budget <= 0:
        raise UserError(f"--budget {budget:g}: minutes, more than 0")
    plan = mode.plan(rounds, effect)
    return Choice(
        tuple(bench or mode.patterns), mode.everything or bool(bench), plan, None if budget is None else 60 * budget
    )
