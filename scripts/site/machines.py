"""The page of machines: what `doctor` last found out about each that has results."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asv.console import log

from . import template


def page(conf: Any) -> str:
    """Give the whole page as HTML: it needs no other file and no network."""
    return template.render("machines.html", {}, project=conf.project, machines=list(machines(Path(conf.results_dir))))


def machines(results_dir: Path) -> Iterator[dict[str, Any]]:
    """What the template shows of each machine with a note; one that can't be read is left out, with a warning."""
    # Not above: asv loads this module with every command, and NumPy comes with these.
    from ..doctor.examination import NOTE

    for path in sorted(results_dir.glob(f"*/{NOTE}")):
        try:
            yield shown(path.parent.name, json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning(f"{path} is left out of the site, run doctor again: {type(error).__name__}: {error}")


def shown(name: str, note: dict[str, Any]) -> dict[str, Any]:
    """What the template shows of one machine's note."""
    from ..conditions import Conditions
    from ..doctor import wording
    from ..doctor.noise import Noise
    from ..machine import stored_peaks

    noise = [Noise(**{key: each[key] for key in Noise.__dataclass_fields__}) for each in note["noise"]]
    peaks = stored_peaks(note["peaks"])
    facts = {title: [(fact["name"], fact["shown"]) for fact in facts] for title, facts in note["facts"].items()}
    return {
        "name": name,
        "cpu": dict(facts["hardware"])["CPU"],
        "date": note["date"].replace("T", " ").removesuffix("+00:00") + " UTC",
        "score": int(note["score"]),
        "fit": note["fit"],
        "fit_from": note["fit_from"],
        "findings": note["findings"],
        "noise": {"head": wording.NOISE, "rows": wording.noise_rows(noise)},
        "peaks": {"head": wording.LEVELS, "rows": wording.levels(peaks) if peaks else []},
        "together": wording.together(peaks) if peaks else "",
        "facts": {"while it was examined": wording.meanwhile(Conditions.stored(note["conditions"])), **facts},
    }
