"""asv with our commands, and with help and errors of one tool."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

import asv.commands
import asv.main

from benchmarks.frameworks import UnknownName

from . import commands as ours  # noqa: F401  registers our commands with asv
from .selection import demand_benchmarks

PROG = "python -m scripts"
ABOUT = "Measure torsh_ops over its commits, beside NumPy, PyTorch, TensorFlow and JAX."
GROUPS = {
    "start here": ("doctor", "bench", "frameworks"),
    "measure": ("run", "continuous", "find", "gate", "bisect", "profile"),
    "read": ("history", "show", "compare", "publish", "preview", "gh-pages", "evaluate"),
    "keep": ("machine", "setup", "check", "cost", "rm", "update", "quickstart"),
}
# They choose benchmarks of the working tree by regular expressions.
BY_PATTERN = ("bench", "run", "continuous", "find", "gate", "bisect")
EXAMPLES = """\
examples:
  python -m scripts bench                              the last commits on torsh and numpy, published to html/
  python -m scripts frameworks -w softmax -w 'mat*'    two kinds of work on every installed framework
  python -m scripts run HEAD~5..HEAD -b elementwise    asv's own run, over five commits"""


def main() -> NoReturn:
    """Run the command in sys.argv; exits 2 for a name that does not exist and 130 on Ctrl-C."""
    asv.commands.make_argparser = partial(one_tool, asv.commands.make_argparser)
    try:
        asv.main.main()
    except UnknownName as error:
        leave(str(error), 2)
    except KeyboardInterrupt:
        leave(
            "interrupted; what was measured is kept: bench and run, typed again, go on there",
            130,
        )
    except BrokenPipeError:
        # The reader has gone (`| head`): nothing is left to say, and Python must not try at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if {"-v", "--verbose"} & set(sys.argv):
            raise
        leave(f"{error} (--verbose shows where)", 1)
    raise AssertionError("asv.main.main() exits")


def leave(message: str, status: int) -> NoReturn:
    """Print one line on standard error and exit."""
    print(f"{PROG}: {message}", file=sys.stderr)
    sys.exit(status)


def one_tool(make_argparser: Callable[[], Any]) -> Any:
    """Give asv's parser, with all commands registered, our name, one help text and one kind of error."""
    parser, subparsers = make_argparser()
    commands: Mapping[str, argparse.ArgumentParser] = subparsers.choices
    lines = {action.dest: " ".join(action.help.split()) for action in subparsers._choices_actions}
    parser.prog = PROG
    parser.format_help = partial(overview, lines)
    for each in (parser, *commands.values()):
        each.prog = re.sub("^asv", PROG, each.prog)
        each.error = partial(explain, parser, commands)
    for name in BY_PATTERN:
        commands[name].set_defaults(func=partial(demand_benchmarks, commands[name].get_default("func")))
    return parser, subparsers


def overview(lines: Mapping[str, str]) -> str:
    """List the commands by group with a line each; one that no group names comes last."""
    grouped = [name for names in GROUPS.values() for name in names]
    rest = tuple(name for name in lines if name not in grouped and name != "help")
    width = max(map(len, lines))
    parts = [f"usage: {PROG} <command> [options]\n\n{ABOUT}\n"]
    for title, names in (GROUPS | ({"more": rest} if rest else {})).items():
        parts += [f"{title}:", *(f"  {name:{width}}  {lines[name]}" for name in names), ""]
    parts += [
        f"{PROG} <command> --help shows a command's options; --config FILE names another asv.conf.json.",
        "",
    ]
    return "\n".join([*parts, EXAMPLES, ""])


def explain(parser: Any, commands: Mapping[str, Any], message: str) -> NoReturn:
    """Turn argparse's error into one line that names what was typed and what was probably meant; exits 2."""
    command = next((word for word in sys.argv[1:] if word in commands), None)
    if choice := re.search("invalid choice: '(.*?)'", message) if command is None else None:
        leave(str(UnknownName("command", choice[1], commands)), 2)
    if option := re.match("unrecognized arguments: (--?[^ =]+)", message):
        actions = (commands[command] if command else parser)._actions
        known = [name for action in actions for name in action.option_strings if name.startswith("--")]
        leave(str(UnknownName(f"{command or 'global'} option", option[1], known)), 2)
    leave(f"{command + ': ' if command else ''}{message} (see {PROG} {command or '<command>'} --help)", 2)
