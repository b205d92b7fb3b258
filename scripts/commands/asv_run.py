"""`run`: asv's own, which goes on where it was interrupted, records samples, and stops at a stated precision."""

import json
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import asv.commands.run as asv_run
from asv.benchmarks import Benchmarks
from asv.environment import ExistingEnvironment, get_environments
from asv.machine import Machine
from asv.util import UserError

# With --precision, and without -a rounds=N: 20 rounds halve what 5 do.
MOST_ROUNDS = 20
# What tells one run from another: the same again is the one that was interrupted.
SELECTION = (
    "range_spec", "steps", "date_period", "bench", "attribute", "quick", "env_spec", "set_commit_hash", "machine",
    "skip_successful", "skip_failed", "skip_existing_commits", "launch_method",
)  # fmt: skip


class Run(asv_run.Run):
    """Takes the place of asv's command of this name."""

    @classmethod
    def setup_arguments(cls, subparsers: Any) -> Any:
        """Add the command and its options."""
        parser = super().setup_arguments(subparsers)
        parser.description += (
            "\nTyped again, a run that was interrupted goes on: what it measured is kept. Rounds (-a rounds=N) are "
            "interleaved\nover commits, each from a fresh process of a fresh server, and samples are stored.\n"
        )
        add = parser.add_argument
        add("--afresh", action="store_true", help="measure everything again, also what an interrupted run has done")
        add(
            "--precision",
            metavar="PERCENT",
            type=percent,
            help="measure each cell until the standard error of its time is below PERCENT of it, as far as "
            f"-a rounds=N allows [{MOST_ROUNDS}]",
        )
        # None is asv's "where it can be done".
        parser.set_defaults(record_samples=True, interleave_rounds=None)
        return parser

    @classmethod
    def run_from_conf_args(cls, conf: Any, args: Any, **options: Any) -> int | None:
        """Call `run` with the options."""
        return super().run_from_conf_args(conf, args, afresh=args.afresh, precision=args.precision, **options)

    @classmethod
    def run(cls, conf: Any, afresh: bool = False, precision: float | None = None, **options: Any) -> int | None:
        """Measure as asv does what is not done yet: asv's exit status, or 2 when a benchmark failed.

        Raises KeyboardInterrupt where asv reports Ctrl-C as an error.
        """
        # Not above: it loads NumPy, and --help needs none.
        from ..rounds import Rounds

        asked = {name: options[name] for name in SELECTION if options.get(name)}
        skips = [options.get(name) for name in SELECTION if name.startswith("skip")]
        rounds = Rounds(
            results_dir=Path(conf.results_dir),
            selection=json.dumps({**asked, "precision": precision}, default=str),
            afresh=afresh,
            keep_stored=any(skips),
            precision=precision,
        )
        if precision:
            demand_fresh_servers(conf, options)
            rounds.noise = known_noise(conf, options.get("machine"))
            samples = (3, rounds.noise.samples(), 0.3)
            options["attribute"] = {"rounds": MOST_ROUNDS, "repeat": samples, **(options.get("attribute") or {})}
        if rounds.left and not any(skips):
            options.update(skip_successful=True, skip_failed=True)
        try:
            status = None
            with rounds.underway():
                status = super().run(conf, **options)
        except UserError as error:
            # So asv says that it was Ctrl-C.
            if str(error) == "Interrupted.":
                raise KeyboardInterrupt from None
            raise
        if precision:
            report(rounds.imprecise.values(), precision)
        rounds.say_unfit()
        return status or (2 if rounds.failed else None)


def percent(text: str) -> float:
    """Read "2" or "2%" as 0.02."""
    try:
        value = float(text.removesuffix("%")) / 100
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 0.5:
        raise ArgumentTypeError(f"{text!r} is no percentage from 0.1 to 50")
    return value


def known_noise(conf: Any, machine: str | None) -> Any:
    """Noise of `machine`, this one where None, from its stored runs; the default's before the first."""
    from .. import precision, tags

    name = Machine.load(machine_name=machine, interactive=True).machine
    try:
        benchmarks = Benchmarks.load(conf)
    except UserError:
        return precision.Noise()
    return precision.measured(tags.read_all(Path(conf.results_dir), name), benchmarks)


def demand_fresh_servers(conf: Any, options: Any) -> None:
    """Raise UserError where asv can't interleave rounds."""
    existing = any(isinstance(env, ExistingEnvironment) for env in get_environments(conf, options.get("env_spec")))
    if existing or options.get("dry_run") or options.get("interleave_rounds") is False:
        raise UserError(
            "--precision needs interleaved rounds of stored results: leave out --dry-run, --no-interleave-rounds "
            "and -E existing"
        )


def report(imprecise: Any, precision: float) -> None:
    """Say how many cells have the precision asked for."""
    from ..rounds import say

    wanted, timed = map(sum, zip(*imprecise, strict=True)) if imprecise else (0, 0)
    say(f"{timed - wanted} of {timed} cells have a standard error of {precision:.1%} or less")
    if wanted:
        say(f"the other {wanted} need more rounds (-a rounds=N) or a quieter machine")
