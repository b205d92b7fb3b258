"""The tag of each measurement: what the machine did meanwhile, in a file beside the results that it belongs to.

A line of JSON for each benchmark and round, added as soon as that was measured. asv reads the files that end in
.json, so it never sees these. A line that was cut short by a kill or a full disk is left out, and no other with it.
What all lines of one round share, the long name of the environment above all, stands in a line before them.
"""

import glob
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .conditions import Conditions

SUFFIX = ".tags"
# Readings differ by percents: five digits keep all that they say.
DIGITS = 5
SHARED = ("commit", "environment", "run")


@dataclass(frozen=True)
class Tag:
    """One benchmark, measured once in every cell that was asked for.

    started_at: milliseconds since 1970, as asv stores it. added: the stored result holds former measurements too.
    medians, spreads: of each cell's samples, in seconds and relative; None where nothing was timed. rounds_left: how
    many more this run had ahead for this benchmark. run: names the run that it was a part of, None outside of one.
    """

    commit: str
    environment: str
    benchmark: str
    version: str
    started_at: int
    added: bool
    medians: tuple[float | None, ...]
    spreads: tuple[float | None, ...]
    rounds_left: int
    run: str | None
    conditions: Conditions


def beside(results_file: Path) -> Path:
    """Name the file of the tags that belong to `results_file`."""
    return results_file.with_suffix(SUFFIX)


def append(path: Path, tag: Tag, first: bool) -> None:
    """Add `tag` to the file `path`, after what it shares with those to come when it is the `first` of a round.

    Raises OSError when it can't be written.
    """
    values = {name: value for name, value in asdict(tag).items() if value is not None}
    shared = {name: values.pop(name) for name in SHARED if name in values}
    values["conditions"] = {name: round(v, 6) for name, v in values["conditions"].items() if v is not None}
    for name in ("medians", "spreads"):
        values[name] = [None if v is None else float(f"{v:.{DIGITS}g}") for v in values[name]]
    lines = [json.dumps(each, separators=(",", ":")) for each in ([shared, values] if first else [values])]
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
        # On a line of its own whatever a killed run left before it.
        start = "" if file.read(1) in (b"", b"\n") else "\n"
        file.write((start + "\n".join(lines) + "\n").encode())


def read(path: Path) -> Iterator[Tag]:
    """Give the tags of a file in the order in which they were written; none where it can't be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    shared: dict[str, Any] = {}
    for line in lines:
        try:
            values = json.loads(line)
            if "environment" in values:
                shared = values
            else:
                yield _tag({**shared, **values})
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


def read_all(results_dir: Path, machine: str | None = None) -> Iterator[Tag]:
    """Give the tags of every results file of `machine`, or of all machines."""
    folder = "*" if machine is None else glob.escape(machine)
    for path in sorted(results_dir.glob(f"{folder}/*{SUFFIX}")):
        yield from read(path)


def _tag(stored: dict[str, Any]) -> Tag:
    return Tag(
        commit=str(stored["commit"]),
        environment=str(stored["environment"]),
        benchmark=str(stored["benchmark"]),
        version=str(stored["version"]),
        started_at=int(stored["started_at"]),
        added=bool(stored["added"]),
        medians=tuple(stored["medians"]),
        spreads=tuple(stored["spreads"]),
        rounds_left=int(stored["rounds_left"]),
        run=stored.get("run"),
        conditions=Conditions.stored(stored["conditions"]),
    )


def spread(samples: Sequence[float] | None) -> float | None:
    """Relative spread of one process's samples: 1.4826 times their median deviation from their median, over it.

    That is the standard deviation of normal noise (Rousseeuw and Croux 1993), and one slow sample moves it little.
    """
    if not samples or len(samples) < 3 or (middle := median(samples)) <= 0:
        return None
    return 1.4826 * median(abs(value - middle) for value in samples) / middle
