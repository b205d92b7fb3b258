"""`frameworks`: workloads on all frameworks in alternation, as a table."""

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from asv.commands import Command
from asv.console import log
from asv.util import UserError

from benchmarks.frameworks import NAMES, FrameworkUnavailable, UnknownName, load, threads

from ..options import add_json


class Frameworks(Command):
    """Times chosen workloads on every installed framework, beside one another."""

    @classmethod
    def setup_arguments(cls, subparsers: Any) -> Any:
        """Add the command and its options."""
        parser = subparsers.add_parser(
            "frameworks",
            help="Time workloads on all frameworks in alternation, as a table",
            description="Check and time workloads on every installed framework, on one core or on N with N threads.",
        )
        add = parser.add_argument
        add("--workload", "-w", metavar="GLOB", action="append", default=[], help="workloads, e.g. 'soft*'")
        add("--family", metavar="GLOB", action="append", default=[], help="families of workloads, e.g. reduce")
        add("--size", metavar="GLOB", action="append", default=[], help="sizes, e.g. dispatch")
        add("--framework", "-f", metavar="NAME", action="append", default=[], help=f"of {', '.join(NAMES)}")
        add(
            "--seconds",
            type=float,
            default=0.5,
            help="for each workload and size, three rounds at least [0.5]",
        )
        add("--threads", type=int, default=1, metavar="N", help="threads of each framework, on as many cores [1]")
        add_json(parser)
        add("--fresh-peaks", action="store_true", help="measure the machine's peaks again and keep the better")
        parser.set_defaults(func=cls.run_from_args)
        return parser

    @classmethod
    def run_from_conf_args(cls, conf: Any, args: Any) -> int:
        """Call `run` with the options."""
        return cls.run(
            args.workload,
            args.family,
            args.size,
            args.framework,
            args.seconds,
            args.json,
            args.fresh_peaks,
            args.threads,
        )

    @classmethod
    def run(
        cls,
        workloads: Sequence[str] = (),
        families: Sequence[str] = (),
        sizes: Sequence[str] = (),
        frameworks: Sequence[str] = (),
        seconds: float = 0.5,
        json_file: str | None = None,
        fresh_peaks: bool = False,
        count: int = 1,
    ) -> int:
        """Measure, print the table, write the JSON; 1 when a result was wrong.

        When interrupted it does so with what was measured until then, and gives 130.
        """
        # Not above: these load NumPy and every workload, and --help needs neither.
        demand_cores(count)
        threads.hold(count)
        from .. import comparison, machine, report

        chosen = comparison.choose(workloads, families, sizes)
        if not chosen:
            raise UserError("no workload has all of these: leave out --size or --family")
        # Frameworks and asv's logger write to standard output as they please: only the answer may come there.
        with redirect_stdout(sys.stderr):
            names, missing = load_frameworks(frameworks or NAMES)
            peaks = machine.peaks(refresh=fresh_peaks)
            cells, interrupted = comparison.measure(chosen, names, seconds, count)
            log.flush()
        found = report.Report(cells, names, missing, peaks, interrupted, count)
        report.show(found, to_stderr=json_file == "-")
        if interrupted:
            print(f"interrupted: {len(cells)} of {len(chosen)} cells were measured", file=sys.stderr)
        if json_file:
            report.write_json(found, json_file)
        return 130 if interrupted else 1 if any(cell.wrong for cell in cells) else 0


def demand_cores(count: int) -> None:
    """Raise UserError unless this process may use `count` cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not 1 <= count <= cores:
        raise UserError(f"--threads {count}: each thread needs a core, and this process may use 1 to {cores}")


def load_frameworks(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Load each framework; gives those that work, and the reason for each that does not."""
    for name in names:
        if name not in NAMES:
            raise UnknownName("framework", name, NAMES)
    missing = {}
    for name in names:
        print(f"loading {name}", file=sys.stderr)
        try:
            load(name)
        except FrameworkUnavailable as error:
            missing[name] = str(error)
    if len(missing) == len(names):
        raise UserError("nothing to time. " + "; ".join(f"{name}: {why}" for name, why in missing.items()))
    return [name for name in names if name not in missing], missing
