"""What a bisection has measured, kept after every launch so that it goes on where it was ended."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asv.util import UserError

from ..machine import write_atomically


@dataclass(frozen=True)
class Launch:
    """One launch of the commit with this hash: `value` is compared, the geometric mean of `cells` (a rate inverted).

    `cells` are in their benchmark's unit; `session` counts how often the bisection had been interrupted before.
    """

    commit: str
    value: float
    cells: Mapping[str, float]
    session: int


@dataclass
class Progress:
    """Launches in their order, and the commits that can't be measured with their reasons."""

    file: Path
    asked: Mapping[str, Any]
    launches: list[Launch] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    checked: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    session: int = 0

    @classmethod
    def open(cls, folder: Path, asked: Mapping[str, Any], restart: bool = False) -> "Progress":
        """Go on with what is kept in `folder` of a bisection that asked for the same, or begin.

        Raises UserError where the file kept can't be understood.
        """
        key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
        file = folder / f"{key}.json"
        if restart or not file.exists():
            return cls(file, asked)
        try:
            kept = json.loads(file.read_text())
            launches = [Launch(**launch) for launch in kept["launches"]]
            if not all(launch.value > 0 for launch in launches):
                raise ValueError("a launch without a time")
            return cls(file, asked, launches, kept["broken"], kept["checked"], kept["cells"], kept["session"] + 1)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{file} can't be read ({error}): --restart measures anew and replaces it") from None

    def save(self) -> None:
        """Write everything, whole or not at all."""
        write_atomically(self.file, json.dumps({key: v for key, v in asdict(self).items() if key != "file"}, indent=1))
