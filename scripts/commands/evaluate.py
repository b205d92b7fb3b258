"""`evaluate`: how well history, gate and bisect do their work, on noise with known answers."""

import importlib
import inspect
import pkgutil
from typing import Any

from asv.commands import Command
from asv.util import UserError

from .. import evaluation
from ..options import status_of

ABOUT = """\
Print how often a command of this lab is right and how often it raises a false alarm, beside asv's own method, on noise
whose answer is known. The seeds are fixed: the same numbers come out everywhere. Exit status: 0 every bar holds, 1 one
does not."""
EXAMPLES = """\
examples:
  python -m scripts evaluate history                    change points, on real and made noise: some minutes
  python -m scripts evaluate history --runs 100         sooner, and less exact
  python -m scripts evaluate history --histories FILE   on the noise of other asv histories (docs/history.md)"""


class Evaluate(Command):
    """Prints the table of one method's errors."""

    @classmethod
    def setup_arguments(cls, subparsers: Any) -> Any:
        """Add the command and its options."""
        from argparse import RawDescriptionHelpFormatter

        parser = subparsers.add_parser(
            "evaluate",
            help="Print how often history, gate or bisect is right, on noise with known answers",
            description=ABOUT,
            epilog=EXAMPLES,
            formatter_class=RawDescriptionHelpFormatter,
        )
        parser.add_argument("method", choices=methods(), help="what to evaluate")
        parser.add_argument("--runs", type=int, metavar="N", help="how many of each kind [as many as the bars ask for]")
        parser.add_argument("--histories", metavar="FILE", help="history only: take the real noise from this file")
        parser.set_defaults(func=cls.run_from_args)
        return parser

    @classmethod
    def run_from_conf_args(cls, conf: Any, args: Any) -> int:
        """Call `run` with the options; what it can't do is status 2."""
        return status_of("evaluate", lambda: cls.run(args.method, args.runs, args.histories))

    @classmethod
    def run(cls, method: str, runs: int | None = None, histories: str | None = None) -> int:
        """Print the table of `method`; 1 when a bar does not hold. Raises UserError for an option it has not."""
        if runs is not None and runs < 1:
            raise UserError(f"--runs {runs}: at least one")
        table = importlib.import_module(f"{evaluation.__name__}.{method}").table
        options = {name: value for name, value in (("runs", runs), ("histories", histories)) if value is not None}
        for name in options:
            if name not in inspect.signature(table).parameters:
                raise UserError(f"--{name} is no option of evaluate {method}")
        return 0 if table(**options) else 1


def methods() -> list[str]:
    """Modules of `evaluation` that have a table: those named like a command."""
    commands = {module.name for module in pkgutil.iter_modules(importlib.import_module("scripts.commands").__path__)}
    return sorted(module.name for module in pkgutil.iter_modules(evaluation.__path__) if module.name in commands)
