"""All that `doctor` finds out about this machine, and how it is written down."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import conditions, machine
from ..conditions import Conditions
from ..machine import Peaks
from . import clocks, hardware, noise, score, software, system
from .clocks import Clock
from .fact import Sections, values
from .noise import Noise
from .score import Finding

# Beside asv's machine.json; asv reads the files that end in .json.
NOTE = "doctor.note"


@dataclass(frozen=True)
class Examination:
    """What this machine is, what it did during the examination, and what follows for measurements on it.

    `noise` is empty and `peaks` None where they were not measured; `interrupted` says that Ctrl-C was the reason.
    """

    date: str
    sections: Sections
    conditions: Conditions
    clock: Clock
    noise: tuple[Noise, ...]
    peaks: Peaks | None
    interrupted: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What costs points, the dearest first, and what is worth knowing."""
        return score.findings(values(self.sections), self.conditions, self.clock, self.noise)

    @property
    def score(self) -> int:
        """Reproducibility from 0 to 100."""
        return score.score(self.findings)

    @property
    def fit(self) -> bool:
        """Whether the machine is fit to measure now."""
        return self.score >= score.FIT


def examine(
    repo: Path,
    quick: bool = False,
    refresh_peaks: bool = False,
    progress: Callable[[str], None] = lambda text: None,
    processes: int = noise.PROCESSES,
) -> Examination:
    """Examine this machine: about 15 s, and half a minute more for its peaks, unless they are known or `quick`.

    On Ctrl-C it gives what it knows by then. Raises UserError when the noise kernels fail.
    """
    progress("what this machine is")
    sections = {
        "hardware": hardware.facts(),
        "system": system.facts(),
        "software": software.facts(repo),
    }
    clock, peaks, interrupted = clocks.measure(), None, False
    found: tuple[Noise, ...] = ()
    before = after = conditions.read()
    try:
        found = noise.measure(processes, lambda text: progress(f"noise of identical work: {text}"))
        after = conditions.read()
        peaks = None if quick else machine.peaks(refresh=refresh_peaks)
    except KeyboardInterrupt:
        interrupted = True
        after = conditions.read() if after is before else after
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Examination(date, sections, conditions.between(before, after), clock, found, peaks, interrupted)


def as_json(examination: Examination) -> dict[str, Any]:
    """Everything, in JSON's types."""
    return {
        "date": examination.date,
        "score": examination.score,
        "fit": examination.fit,
        "fit_from": score.FIT,
        "interrupted": examination.interrupted,
        "findings": [asdict(finding) for finding in examination.findings],
        "conditions": asdict(examination.conditions),
        "clock": asdict(examination.clock),
        "noise": [{**asdict(each), "detectable": each.detectable} for each in examination.noise],
        "peaks": asdict(examination.peaks) if examination.peaks else None,
        "facts": {
            title: [{**asdict(fact), "shown": fact.text} for fact in facts]
            for title, facts in examination.sections.items()
        },
    }


def to_text(examination: Examination) -> str:
    """Everything as the text of a JSON file."""
    return json.dumps(as_json(examination), indent=1) + "\n"


def store(examination: Examination, results_dir: Path, name: str) -> Path:
    """Write the note of machine `name` beside asv's results of it, whole or not at all; returns its path."""
    path = results_dir / name / NOTE
    machine.write_atomically(path, to_text(examination))
    return path


def write(target: str, text: str) -> None:
    """Write `text` to the file `target`, whole or not at all, or to standard output for "-"."""
    if target == "-":
        print(text, end="")
    else:
        machine.write_atomically(Path(target), text)
