"""`cost`: what measuring, publishing and detecting take here, beside stock asv."""

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from asv.commands import Command
from asv.console import log
from asv.util import UserError

from ..options import add_json

PARTS = ("startup", "cells", "publish", "detection")


class Cost(Command):
    """Measures this project's cost and asv's own, side by side."""

    @classmethod
    def setup_arguments(cls, subparsers: Any) -> Any:
        """Add the command and its options."""
        parser = subparsers.add_parser(
            "cost",
            help="Time measuring, publishing and detecting, beside stock asv",
            description="Time what this project adds to asv beside asv as it is: the start of a command, cells of a "
            "real commit at equal precision, publish of made results, and change points in made series. Takes about "
            "ten minutes on two quiet cores, with --quick three, and once a minute more for an environment.",
            epilog="Exit status: 0, 2 when something could not be measured, 130 when interrupted (what was measured "
            "until then is shown and written).",
        )
        add = parser.add_argument
        add("--quick", action="store_true", help="fewer repetitions, and results of 200 commits x 50 benchmarks")
        add("--only", metavar="PART", action="append", choices=PARTS, help=f"one part: {', '.join(PARTS)}; repeatable")
        add("--commit", help="whose cells are measured [HEAD]")
        add_json(parser)
        parser.set_defaults(func=cls.run_from_args)
        return parser

    @classmethod
    def run_from_conf_args(cls, conf: Any, args: Any) -> int:
        """Call `run` with the options."""
        return cls.run(conf, args.quick, args.only or PARTS, args.commit, args.json)

    @classmethod
    def run(
        cls,
        conf: Any,
        quick: bool = False,
        parts: Sequence[str] = PARTS,
        commit: str | None = None,
        json_file: str | None = None,
    ) -> int:
        """Measure `parts`, print the table, write the JSON; 2 when a part could not be measured, 130 on Ctrl-C."""
        # Not above: they load NumPy, and --help needs none.
        from .. import conditions
        from ..cost import cells, detection, publishing, report, startup
        from ..cost.progress import Progress
        from ..machine import write_atomically

        progress = Progress()
        measures = {
            "startup": partial(startup.measure, 5 if quick else 11),
            "cells": partial(cells.measure, conf, commit, 4 if quick else 12),
            "publish": partial(publishing.measure, *((200, 50) if quick else (1000, 200))),
            "detection": partial(detection.measure, 100 if quick else 1000),
        }
        found: dict[str, Any] = {"quick": quick, "failed": {}, "interrupted": False}
        # asv's logger writes to standard output: only the answer may come there.
        with redirect_stdout(sys.stderr):
            try:
                for part in (part for part in PARTS if part in parts):
                    before = conditions.read()
                    try:
                        found[part] = measures[part](progress=progress)
                        found[part]["unfit"] = conditions.unfit(conditions.between(before, conditions.read()))
                    except UserError as error:
                        if str(error) == "Interrupted.":
                            raise KeyboardInterrupt from None
                        found["failed"][part] = str(error)
            except KeyboardInterrupt:
                found["interrupted"] = True
            log.flush()
        report.show(found, to_stderr=json_file == "-")
        for part, why in found["failed"].items():
            progress.say(f"{part}: not measured, {why}")
        if json_file == "-":
            print(json.dumps(found, indent=1))
        elif json_file:
            write_atomically(Path(json_file), json.dumps(found, indent=1) + "\n")
        return 130 if found["interrupted"] else 2 if found["failed"] else 0
