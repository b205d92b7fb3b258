"""What the options of several commands have in common, and their errors, written once."""

import argparse
import sys
from collections.abc import Callable

from asv.console import log
from asv.util import UserError


def add_json(parser: argparse.ArgumentParser, what: str = "everything measured") -> None:
    """Add --json, which writes `what`."""
    parser.add_argument("--json", metavar="FILE", help=f"write {what} to FILE; - is standard output")


def add_frameworks(parser: argparse.ArgumentParser) -> None:
    """Add --frameworks."""
    parser.add_argument("--frameworks", action="store_true", help="in the environment of all five frameworks")


def add_environment(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose where commits are built: --frameworks and --environment."""
    add_frameworks(parser)
    parser.add_argument(
        "-E", "--environment", metavar="SPEC", action="append", default=[],
        help="another environment, as asv names them; `existing` takes this Python as it is",
    )  # fmt: skip


def status_of(command: str, run: Callable[[], int]) -> int:
    """Return the status of `run`; where something that a person can mend stops it, say so in one line: 2."""
    try:
        return run()
    except (UserError, OSError) as error:
        log.flush()
        print(f"{command}: {error}", file=sys.stderr)
        return 2
