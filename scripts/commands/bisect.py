"""`bisect`: the commit that made a benchmark slower, by noise-aware search."""

import math
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asv.commands import Command
from asv.console import log
from asv.util import UserError

from ..options import add_environment, add_json, status_of

MINUTES = 60.0
ABOUT = """\
Find the commit that made a benchmark slower, though times are noisy and some commits do not build. Fresh processes of
the good end, the bad end and commits between them are measured in turn; each reading shifts the probability of every
commit, and the next launch is the one that is expected to tell most for its cost. It ends with a commit, or with the
commits that can't be told apart. After Ctrl-C the same command goes on where it was."""
EXAMPLES = """\
examples:
  python -m scripts bisect HEAD~64..HEAD "ops.norm.Softmax.time_call\\('torsh', 'cache'\\)"
  python -m scripts bisect v1.0 main ops.reduce.Sum --touching torsh_ops
  python -m scripts bisect HEAD~9..HEAD ops.linalg --faster --max-minutes 10 --json found.json

exit status: 0 found, 2 could not measure, 3 undecided or no such step, 130 interrupted"""


class Bisect(Command):
    """Finds the commit of a slowdown."""

    @classmethod
    def setup_arguments(cls, subparsers: Any) -> Any:
        """Add the command and its options."""
        import argparse

        parser = subparsers.add_parser(
            "bisect",
            help="Find the commit that made a benchmark slower, under noise and broken builds",
            description=ABOUT,
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add = parser.add_argument
        add("commits", nargs="+", metavar="COMMITS", help="GOOD..BAD, or GOOD BAD; along first parents")
        add("bench", metavar="REGEX", help="a benchmark's cell, or several, taken together as their geometric mean")
        add("--faster", action="store_true", help="look for the commit that made it faster (where a rate rose)")
        add("--effect", type=float, default=2.0, metavar="PERCENT", help="a smaller change is none [2]")
        add("--touching", metavar="PATH", action="append", default=[], help="only commits that change PATH")
        add("--certainty", type=float, default=0.99, metavar="P", help="probability to end with [0.99]")
        add("--within", type=int, default=1, metavar="N", help="N neighbouring commits are near enough [1]")
        add("--max-minutes", type=float, default=MINUTES, metavar="M", help=f"end after M minutes [{MINUTES:.0f}]")
        add("--restart", action="store_true", help="forget what an interrupted search has measured")
        add_environment(parser)
        add_json(parser)
        parser.set_defaults(func=cls.run_from_args)
        return parser

    @classmethod
    def run_from_conf_args(cls, conf: Any, args: Any) -> int:
        """Call `run` with the options; 2 for what a person can mend."""
        return status_of("python -m scripts bisect", lambda: cls.run(
            conf, args.commits, args.bench, faster=args.faster, touching=args.touching, certainty=args.certainty,
            within=args.within, effect=args.effect / 100, max_minutes=args.max_minutes, restart=args.restart,
            heavy=args.frameworks, environment=args.environment, json_file=args.json,
        ))  # fmt: skip

    @classmethod
    def run(
        cls,
        conf: Any,
        commits: Sequence[str],
        bench: str,
        faster: bool = False,
        touching: Sequence[str] = (),
        certainty: float = 0.99,
        within: int = 1,
        effect: float = 0.02,
        max_minutes: float = MINUTES,
        restart: bool = False,
        heavy: bool = False,
        environment: Sequence[str] = (),
        json_file: str | None = None,
    ) -> int:
        """Search, print the answer, write the JSON; raises UserError for what can't be measured."""
        demand(certainty, within, effect, max_minutes)
        # Not above: these load NumPy and SciPy, and --help needs neither.
        from .. import builds, conditions, launches
        from ..bisection import commits as history
        from ..bisection import progress, report, run, search

        begun, until = conditions.read(), time.monotonic() + 60 * max_minutes
        # asv's logger writes to standard output: only the answer may come there.
        with redirect_stdout(sys.stderr):
            line = history.line_of(conf, commits, touching)
            env = builds.choose_environment(conf, environment, heavy)
            asked = {
                "commits": [commit.hash for commit in line],
                "benchmarks": bench,
                "suite": run.digest_of(Path(conf.benchmark_dir)),
                "environment": env.name,
                "faster": faster,
            }
            kept = progress.Progress.open(Path(conf.results_dir).parent / "bisect", asked, restart)
            with launches.Launches(conf, env) as launcher:
                wanted = search.Search(len(line) - 1, faster, certainty, within, effect)
                bisection = run.Bisection(line, launcher, wanted, kept)
                interrupted = measure(bisection, bench, until)
            log.flush()
        during = conditions.between(begun, conditions.read())
        if kept.cells:
            report.show(bisection, during, to_stderr=json_file == "-")
        if interrupted:
            print(f"interrupted: {len(kept.launches)} launches are kept; the same command goes on", file=sys.stderr)
        if json_file:
            data = {**report.answer(bisection), "interrupted": interrupted, "conditions": asdict(during)}
            report.write_json(data, json_file)
        statuses = {"found": 0, "absent": 3, "undecided": 3, "unmeasurable": 2}
        return 130 if interrupted else statuses[report.state(bisection)]


def demand(certainty: float, within: int, effect: float, max_minutes: float) -> None:
    """Raise UserError for a number that can't be meant."""
    if not 0.5 < certainty < 1:
        raise UserError(f"--certainty {certainty}: a probability between 0.5 and 1")
    if within < 1:
        raise UserError(f"--within {within}: at least one commit")
    if not 0 <= effect < math.inf:
        raise UserError(f"--effect {100 * effect:g}: percent, 0 or more")
    if not (max_minutes > 0 and math.isfinite(max_minutes)):
        raise UserError(f"--max-minutes {max_minutes}: more than none")


def measure(bisection: Any, bench: str, until: float) -> bool:
    """Choose the cells and launch until there is an answer or time is up; True where Ctrl-C ended it."""
    from ..bisection import report

    def tell(bisection: Any, position: int) -> None:
        log.flush()
        print(report.line(bisection, position, until), file=sys.stderr, flush=True)

    kept, line = bisection.progress, bisection.line
    try:
        print(f"{len(line) - 1} commits from {line[0].hash[:8]} to {line[-1].hash[:8]}", file=sys.stderr)
        if kept.launches:
            print(f"going on after {len(kept.launches)} launches (--restart measures anew)", file=sys.stderr)
        bisection.choose_cells([bench])
        bisection.go_on(until, tell)
    except KeyboardInterrupt:
        return True
    return False
