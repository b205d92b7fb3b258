"""`bench`: the last commits on torsh and numpy, published, in a few minutes."""

import logging
import re
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asv import environment
from asv.benchmarks import Benchmarks
from asv.commands import Command
from asv.commands.publish import Publish
from asv.console import log
from asv.machine import Machine, MachineCollection
from asv.results import iter_results_for_machine
from asv.util import UserError, human_time
from rich.console import Console
from rich.table import Table

from ..options import add_frameworks
from ..results import Row, geometric_mean, rows
from .asv_run import Run

# One of each kind of work: dispatch, bandwidth, a transcendental function, a reduction, rows, GEMM.
FEW = (
    r"^ops\.elementwise\.(Add|Exp)\.time_",
    r"^ops\.reduce\.Sum\.time_",
    r"^ops\.norm\.Softmax\.time_",
    r"^ops\.linalg\.Matmul\.time_",
)
# What pyproject.toml lists here is left out of the light environment.
HEAVY = ("frameworks", "edge", "distributed")


class Bench(Command):
    """Measures the last commits and publishes them."""

    @classmethod
    def setup_arguments(cls, subparsers: Any) -> Any:
        """Add the command and its options."""
        parser = subparsers.add_parser(
            "bench",
            help="Measure the last commits on torsh and numpy, publish html/ and print a table",
            description="Measure the last commits of this repository on torsh and numpy with a few benchmarks, "
            "publish them and print a table. What is stored is not measured again.",
        )
        add = parser.add_argument
        add("--commits", "-n", type=int, default=2, help="how many commits, counted back from HEAD [2]")
        add("--bench", "-b", metavar="REGEX", action="append", help="other benchmarks than the usual few")
        add_frameworks(parser)
        add("--show-stderr", "-e", action="store_true", help="show what the benchmarks print")
        parser.set_defaults(func=cls.run_from_args)
        return parser

    @classmethod
    def run_from_conf_args(cls, conf: Any, args: Any) -> int:
        """Call `run` with the options."""
        return cls.run(conf, args.commits, args.bench, args.frameworks, args.show_stderr)

    @classmethod
    def run(
        cls,
        conf: Any,
        commits: int = 2,
        bench: Sequence[str] | None = None,
        frameworks: bool = False,
        show_stderr: bool = False,
    ) -> int:
        """Measure, publish and print; 0, or 2 when a build or a benchmark failed."""
        hashes = last_commits(conf.repo, commits)
        if not frameworks:
            drop_heavy(conf)
        # The commits chosen are HEAD's, on whatever branch it is, or on none.
        conf.branches = ["HEAD"]
        know_this_machine()
        name_environment_shortly(conf, "all frameworks" if frameworks else "torsh and numpy")
        status = measure(conf, hashes, list(bench or FEW), show_stderr)
        if status == 1:
            return 1
        Publish.run(conf, pull=False)
        log.flush()
        print_table(conf, hashes)
        site = Path(conf.html_dir).resolve()
        print(f"\nPublished in {site}. To look at it: python -m scripts preview")
        if status:
            print("Some benchmarks failed: bench --show-stderr shows why.")
        return status or 0


def measure(conf: Any, hashes: Sequence[str], bench: Sequence[str], show_stderr: bool) -> int | None:
    """Run what is not stored yet, alternating the commits; 2 when anything failed."""
    return Run.run(
        conf,
        range_spec=hashes,
        bench=bench,
        skip_successful=True,
        show_stderr=show_stderr,
        record_samples=True,
        # Two processes for each cell, the commits in turn: processes differ by more than samples in one do.
        attribute={"rounds": 2},
        interleave_rounds=True,
        pull=False,
    )


def last_commits(repo: str, count: int) -> list[str]:
    """Hashes of the last `count` commits along first parents, the oldest first; all where fewer exist."""
    if count < 1:
        raise UserError(f"--commits {count}: at least one")
    folder = Path(repo).resolve()
    command = ["git", "rev-list", "--first-parent", f"--max-count={count}", "HEAD", "--"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("git is not installed, and bench measures commits: install git") from None
    if done.returncode and "not a git repository" in done.stderr:
        raise UserError(f"{folder} is no git checkout, and bench measures commits: use `git clone`")
    if done.returncode:
        raise UserError(f"no commit to measure in {folder}: commit first ({done.stderr.strip()})")
    return done.stdout.split()[::-1]


def drop_heavy(conf: Any, pyproject: Path = Path("pyproject.toml")) -> None:
    """Take the packages of the HEAVY extras out of the environment that `conf` describes."""
    extras = tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"]
    heavy = {re.split(r"[^\w.-]", line)[0] for extra in HEAVY for line in extras[extra]}
    required = conf.matrix["req"]
    conf.matrix["req"] = {key: required[key] for key in required if key.removeprefix("pip+") not in heavy}


def name_environment_shortly(conf: Any, short: str) -> None:
    """Write `short` where asv logs an environment's name, which lists every package and variable."""
    names = sorted((each.name for each in environment.get_environments(conf, [])), key=len, reverse=True)

    def shorten(record: logging.LogRecord) -> bool:
        for name in names:
            record.msg = str(record.msg).replace(name, short)
        return True

    # asv logs to the root logger itself.
    logging.getLogger().addFilter(shorten)


def know_this_machine() -> None:
    """Answer asv's questions about this machine with its defaults, unless they have been answered."""
    name = Machine.get_unique_machine_name()
    try:
        MachineCollection.load(name)
    except UserError:
        MachineCollection.save(name, Machine.get_defaults())


def print_table(conf: Any, hashes: Sequence[str]) -> None:
    """Print torsh's time per case, beside numpy's, at the newest commit, and its change since the oldest."""
    newest, oldest = stored(conf, hashes[-1]), stored(conf, hashes[0])
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("benchmark", no_wrap=True)
    table.add_column("size", no_wrap=True)
    since = f"since {hashes[0][: conf.hash_length]}"
    for column in ("torsh", "numpy", "numpy / torsh", *([since] if len(hashes) > 1 else [])):
        table.add_column(column, justify="right", no_wrap=True)
    for key, row in newest.items():
        times = [human_time(row.times[n].median) if n in row.times else "n/a" for n in ("torsh", "numpy")]
        change = [_change(oldest.get(key), row)] if len(hashes) > 1 else []
        table.add_row(*key, *times, _quotient(_torsh_to_numpy(row)), *change)
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)
    console.print()
    console.print(table)
    if len(hashes) > 1:
        console.print("\nIn brackets: a change of torsh that its 99 % intervals do not tell from none.")
    ratios = [ratio for row in newest.values() if (ratio := _torsh_to_numpy(row))]
    if mean := geometric_mean(ratios):
        console.print(
            f"\nCommit {hashes[-1][: conf.hash_length]}: torsh is {mean:.2f} times as fast as numpy "
            f"(geometric mean of {len(ratios)}).",
            highlight=False,
        )


def stored(conf: Any, commit: str) -> dict[tuple[str, str], Row]:
    """Rows that this machine has stored of `commit`, in the environment that `conf` describes."""
    names = {each.name for each in environment.get_environments(conf, [])}
    benchmarks = Benchmarks.load(conf)
    found = {}
    for result in iter_results_for_machine(conf.results_dir, Machine.get_unique_machine_name()):
        if result.commit_hash == commit and result.env_name in names:
            found.update({(row.benchmark, row.case): row for row in rows(result, benchmarks)})
    return found


def _torsh_to_numpy(row: Row) -> float | None:
    if {"torsh", "numpy"} <= row.times.keys():
        return row.times["numpy"].median / row.times["torsh"].median
    return None


def _quotient(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.2f}"


def _change(old: Row | None, new: Row) -> str:
    before, now = (row.times.get("torsh") if row else None for row in (old, new))
    if before is None or now is None:
        return "n/a"
    text = f"{now.median / before.median - 1:+.0%}"
    if None in (before.low, before.high, now.low, now.high):
        return text
    overlap = before.low <= now.high and now.low <= before.high  # type: ignore[operator]
    return f"({text})" if overlap else text
