"""`doctor`: what this machine is, and how fit it is to measure now."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from asv.commands import Command
from asv.console import log
from asv.machine import Machine, MachineCollection
from asv.util import UserError

from ..options import add_json


class Doctor(Command):
    """Examines this machine."""

    @classmethod
    def setup_arguments(cls, subparsers: Any) -> Any:
        """Add the command and its options."""
        parser = subparsers.add_parser(
            "doctor",
            help="Examine this machine: what it is, what it can do at best, how fit it is to measure now",
            description="Examine this machine: what it is; what it did meanwhile (load, steal, pressure, heat, "
            "clocks); by how much identical work differs in fresh processes; its peaks. Every finding that costs "
            "points of the reproducibility score comes with the reason and what to type against it. Takes 10 to "
            "20 s, and half a minute more the first time, for the peaks. What a source does not tell is said to be "
            "not told.",
            epilog="Exit status: 0 fit to measure, 1 not fit, 2 it could not be measured or written, 130 interrupted. "
            "The result is stored beside asv's results of this machine, and the next publish shows it on the site.",
        )
        add = parser.add_argument
        add("--quick", action="store_true", help="without the peaks")
        add("--fresh-peaks", action="store_true", help="measure the peaks again and keep the better")
        add_json(parser, "everything")
        add("--markdown", metavar="FILE", help="write it as a page to FILE; - is standard output")
        add("--machine", "-m", metavar="NAME", help="the name that asv knows this machine by [as asv machine has it]")
        parser.set_defaults(func=cls.run_from_args)
        return parser

    @classmethod
    def run_from_conf_args(cls, conf: Any, args: Any) -> int:
        """Call `run` with the options."""
        return cls.run(conf, args.quick, args.fresh_peaks, args.json, args.markdown, args.machine)

    @classmethod
    def run(
        cls,
        conf: Any,
        quick: bool = False,
        fresh_peaks: bool = False,
        json_file: str | None = None,
        markdown_file: str | None = None,
        machine: str | None = None,
    ) -> int:
        """Examine, print, write the files and the note; 0 where the machine is fit to measure, 1 where it is not.

        When Ctrl-C comes it shows what is known by then, stores no note, and gives 130.
        """
        if quick and fresh_peaks:
            raise UserError("--quick leaves the peaks out, --fresh-peaks measures them: take one of them")
        if json_file == markdown_file == "-":
            raise UserError("--json and --markdown can't both go to standard output: name a file for one of them")
        # Not above: these load NumPy and Numba, and --help needs neither.
        from ..doctor import examination, report

        # A library that prints while it is loaded may not print between the answer's lines.
        with redirect_stdout(sys.stderr):
            try:
                found = examination.examine(Path(conf.repo), quick, fresh_peaks, _progress)
            except UserError as error:
                print(f"doctor: {error}", file=sys.stderr)
                return 2
            log.flush()
        report.show(found, to_stderr="-" in (json_file, markdown_file))
        written = _write(found, json_file, markdown_file)
        if found.interrupted:
            print("interrupted: what is not shown was not measured, and no note was stored", file=sys.stderr)
            return 130
        written = _store(found, Path(conf.results_dir), machine or machine_name()) and written
        return 2 if not written else 0 if found.fit else 1


def _write(found: Any, json_file: str | None, markdown_file: str | None) -> bool:
    from ..doctor import examination, report

    targets = ((json_file, examination.to_text), (markdown_file, report.markdown))
    try:
        for target, text in targets:
            if target:
                examination.write(target, text(found))
    except OSError as error:
        print(f"doctor: can't write {target}: {error}", file=sys.stderr)
        return False
    return True


def _store(found: Any, results_dir: Path, name: str) -> bool:
    from ..doctor import examination

    try:
        path = examination.store(found, results_dir, name)
    except OSError as error:
        print(f"doctor: can't store the note in {results_dir / name}: {error}", file=sys.stderr)
        return False
    print(f"doctor: stored in {path}", file=sys.stderr)
    return True


def machine_name() -> str:
    """Name of this machine as asv stores its results under it."""
    name = Machine.get_unique_machine_name()
    try:
        return MachineCollection.load(name).get("machine", name)
    except UserError:
        return name


def _progress(what: str) -> None:
    print(f"doctor: {what}", file=sys.stderr)
