"""`history`: what changed over the stored results, and when."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from asv.commands import Command
from asv.util import UserError

from ..options import add_json, status_of

ABOUT = """\
Find the commits at which stored results changed for good. Nothing is measured: asv's results are read.

Each cell of a benchmark, on each machine and environment, is a series. It is called regressed or improved when its
level stepped and stayed; temporary when it came back; drifting when it moved slowly, without a step; stable; or too
short, below ten values. A step has an interval of commits from which it can come, and the best guess among them.
Exit status: 0 no regression, 1 regressions, 2 could not tell."""
EXAMPLES = """\
examples:
  python -m scripts history                              everything, on the configured branch
  python -m scripts history -b Softmax --since HEAD~50   one benchmark over the last commits
  python -m scripts history --save-baseline base.json    keep today's levels ...
  python -m scripts history --baseline base.json         ... and compare with them later"""


class History(Command):
    """Says what became of each benchmark over the stored commits."""

    @classmethod
    def setup_arguments(cls, subparsers: Any) -> Any:
        """Add the command and its options."""
        from argparse import RawDescriptionHelpFormatter

        parser = subparsers.add_parser(
            "history",
            help="Find what became slower or faster over the stored commits, and when",
            description=ABOUT,
            epilog=EXAMPLES,
            formatter_class=RawDescriptionHelpFormatter,
        )
        add = parser.add_argument
        add("--bench", "-b", metavar="REGEX", action="append", default=[], help="only cells whose name matches one")
        add("--machine", "-m", metavar="NAME", help="only this machine")
        add("--environment", metavar="REGEX", help="only environments whose description matches")
        add("--since", metavar="COMMIT|DATE", help="leave out what is older, e.g. HEAD~100, v1.0 or 2026-01-31")
        add("--branch", metavar="NAME", help="the branch whose commits are in the series [the configured ones]")
        add("--min-effect", type=float, default=1.0, metavar="PERCENT", help="smaller changes are not reported [1]")
        add("--all", "-a", action="store_true", help="list stable and too short series as well")
        add_json(parser, "everything found")
        add("--csv", metavar="FILE", help="write a line for each series to FILE")
        add("--markdown", metavar="FILE", help="write the table as Markdown to FILE")
        add("--save-baseline", metavar="FILE", help="write the present levels to FILE (.csv or .json)")
        add("--baseline", metavar="FILE", help="compare the present levels with those in FILE; worse ones exit 1")
        parser.set_defaults(func=cls.run_from_args)
        return parser

    @classmethod
    def run_from_conf_args(cls, conf: Any, args: Any) -> int:
        """Call `run` with the options; what it can't do is status 2."""
        return status_of("history", lambda: cls.run(
            conf, args.bench, args.machine, args.environment, args.since, args.branch, args.min_effect, args.all,
            args.json, args.csv, args.markdown, args.save_baseline, args.baseline,
        ))  # fmt: skip

    @classmethod
    def run(
        cls,
        conf: Any,
        bench: Sequence[str] = (),
        machine: str | None = None,
        environment: str | None = None,
        since: str | None = None,
        branch: str | None = None,
        min_effect: float = 1.0,
        every: bool = False,
        json_file: str | None = None,
        csv_file: str | None = None,
        markdown_file: str | None = None,
        save_baseline: str | None = None,
        baseline: str | None = None,
    ) -> int:
        """Read, judge, print and write; 1 where something regressed, or is worse than the baseline.

        Raises UserError where there is nothing to judge.
        """
        # Not above: these load scipy, and --help needs it not.
        from ..history import baselines, report, series, verdicts

        if not 0 <= min_effect < 100:
            raise UserError(f"--min-effect {min_effect:g}: a percentage from 0 to below 100")
        stored = baselines.load(Path(baseline)) if baseline else None
        found = series.read(conf, branch, since)
        found = replace(found, series=tuple(chosen(found.series, bench, machine, environment)))
        judged = verdicts.judge_all(found.series, min_effect / 100)
        differences = None if stored is None else baselines.compare(judged, stored, min_effect / 100)
        shown = report.Report(found, judged, conf.hash_length, differences)
        report.show(shown, every, to_stderr="-" in (json_file, csv_file, markdown_file))
        if json_file:
            report.write_json(shown, json_file)
        if csv_file:
            report.write(report.table_csv(shown), csv_file)
        if markdown_file:
            report.write(report.markdown(shown, every), markdown_file)
        if save_baseline:
            count = baselines.save(judged, Path(save_baseline))
            print(f"{count} levels are kept in {save_baseline}")
        worse = any(each.verdict == "worse" for each in differences or ())
        if all(verdict.state == "too short" for verdict in judged):
            return 2
        return 1 if worse or any(verdict.state == "regressed" for verdict in judged) else 0


def chosen(every: Sequence[Any], bench: Sequence[str], machine: str | None, environment: str | None) -> list[Any]:
    """Series that match every filter. Raises UserError for a filter that leaves none, with what there is."""
    found = list(every)
    if machine is not None:
        names = sorted({series.machine for series in found})
        found = [series for series in found if series.machine == machine]
        if not found:
            raise UserError(f"no results of machine {machine!r}; there are {', '.join(names)}")
    for option, patterns, text in (
        ("--environment", [environment] if environment else [], lambda series: series.environment),
        ("--bench", bench, lambda series: series.name),
    ):
        if not patterns:
            continue
        try:
            wanted = [re.compile(pattern) for pattern in patterns]
        except re.error as error:
            raise UserError(f"{option} {' '.join(patterns)!r} is no regular expression: {error}") from None
        there = sorted({text(series) for series in found})
        found = [series for series in found if any(each.search(text(series)) for each in wanted)]
        if not found:
            some = ", ".join(there[:5]) + (", ..." if len(there) > 5 else "")
            raise UserError(f"{option} {' '.join(patterns)!r} matches no stored series; there are {some}")
    return found
