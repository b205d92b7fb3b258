"""Levels of every series kept in a file, JSON or CSV, to compare a later state with."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from asv.util import UserError

from ..machine import write_atomically
from ..results import is_number
from .verdicts import Verdict

FORMAT = 1
COLUMNS = ("name", "machine", "environment", "unit", "level", "noise", "commit")


@dataclass(frozen=True)
class Level:
    """Newest level of one series: the median of the values since its last change, and the newest commit in it."""

    name: str
    machine: str
    environment: str
    unit: str
    level: float
    noise: float
    commit: str


@dataclass(frozen=True)
class Difference:
    """A series against the baseline: worse, better, same, new, gone, or stored in another unit."""

    name: str
    machine: str
    environment: str
    verdict: str
    effect: float = 0.0


def levels(verdicts: Sequence[Verdict]) -> list[Level]:
    """The level of each series that has one."""
    return [
        Level(
            v.series.name, v.series.machine, v.series.environment, v.series.unit,
            v.levels[-1], v.noise, v.series.judged[-1].commit,
        )
        for v in verdicts
        if v.levels
    ]  # fmt: skip


def save(verdicts: Sequence[Verdict], path: Path) -> int:
    """Write the levels to `path`, as CSV where it ends in .csv, else as JSON; gives how many there were."""
    found = levels(verdicts)
    if path.suffix == ".csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(level) for level in found)
        text = out.getvalue()
    else:
        text = json.dumps({"format": FORMAT, "levels": [asdict(level) for level in found]}, indent=1) + "\n"
    write_atomically(path, text)
    return len(found)


def load(path: Path) -> list[Level]:
    """Read what `save` wrote. Raises UserError where the file is missing or is something else."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            stored: Sequence[Mapping[str, str]] = list(csv.DictReader(io.StringIO(text)))
        else:
            stored = json.loads(text)["levels"]
        found = [
            Level(
                row["name"], row["machine"], row["environment"], row["unit"],
                float(row["level"]), float(row["noise"]), row["commit"],
            )
            for row in stored
        ]  # fmt: skip
    except OSError as error:
        raise UserError(f"--baseline {path}: {error.strerror} (--save-baseline writes one)") from None
    except (ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise UserError(f"--baseline {path} is no baseline ({why}); --save-baseline writes one") from None
    if not found or not all(is_number(level.level) for level in found):
        raise UserError(f"--baseline {path} holds no levels, or one that is no number; --save-baseline writes one")
    return found


def compare(verdicts: Sequence[Verdict], baseline: Sequence[Level], least: float) -> list[Difference]:
    """Set each series beside its baseline; a difference below `least`, or below twice the noise, is the same."""
    stored = {(level.name, level.machine, level.environment): level for level in baseline}
    less = {(v.series.name, v.series.machine, v.series.environment): v.series.less_is_better for v in verdicts}
    result = []
    for now in levels(verdicts):
        key = (now.name, now.machine, now.environment)
        then = stored.pop(key, None)
        if then is None:
            result.append(Difference(*key, "new"))
        elif then.unit != now.unit or not then.level:
            result.append(Difference(*key, "another unit" if then.unit != now.unit else "same"))
        else:
            effect = now.level / then.level - 1
            same = abs(effect) < max(least, 2 * now.noise, 2 * then.noise)
            worse = (effect > 0) == less[key]
            result.append(Difference(*key, "same" if same else "worse" if worse else "better", effect))
    return result + [Difference(*key, "gone") for key in stored]
