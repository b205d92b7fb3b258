"""The gate's own test on a machine: a commit against itself, and how often that would be called a regression."""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from asv.machine import Machine

from ..machine import write_atomically
from ..paired import Outcome, Plan, follow

STORE = Path(".asv/gate-self-test.json")
# Rounds drawn together, so that what lasts longer than one round stays together.
BLOCK = 4
SERIES = 4000


@dataclass(frozen=True)
class SelfTest:
    """False regressions per series of rounds of a commit against itself, by cell, and when that was measured."""

    date: str
    rounds: int
    false_rates: Mapping[str, float]

    @property
    def false_rate(self) -> float:
        """Mean over the cells."""
        return float(np.mean(list(self.false_rates.values())))

    def trusted(self, plan: Plan) -> bool:
        """Whether this machine keeps to the false alarms that `plan` allows."""
        return self.false_rate <= plan.false_alarms


def assess(changes: Mapping[str, Sequence[float]], plan: Plan, seed: int = 0) -> SelfTest:
    """Draw series from the A/A `changes` of each cell, in blocks with either side first, and follow each as gate does.

    A cell with fewer than two blocks of rounds is left out.
    """
    rng = np.random.default_rng(seed)
    rates = {}
    for name, values in changes.items():
        if len(values) >= 2 * BLOCK:
            outcomes, _ = follow(draw(np.array(values), plan.rounds, SERIES, rng), plan)
            rates[name] = float(np.mean(outcomes == Outcome.REGRESSED))
    now = datetime.datetime.now(datetime.UTC)
    return SelfTest(f"{now:%Y-%m-%d %H:%M} UTC", max(map(len, changes.values()), default=0), rates)


def draw(changes: np.ndarray, rounds: int, series: int, rng: np.random.Generator) -> np.ndarray:
    """Draw (series, rounds) from A/A `changes` by a circular block bootstrap; each block swaps its sides by chance."""
    blocks = -(-rounds // BLOCK)
    starts = rng.integers(0, len(changes), (series, blocks, 1))
    signs = rng.choice([-1.0, 1.0], (series, blocks, 1))
    drawn = changes[(starts + np.arange(BLOCK)) % len(changes)] * signs
    return drawn.reshape(series, -1)[:, :rounds]


def remember(found: SelfTest, store: Path = STORE) -> None:
    """Keep `found` as this machine's."""
    write_atomically(store, json.dumps({**_load(store), Machine.get_unique_machine_name(): asdict(found)}, indent=1))


def recall(store: Path = STORE) -> SelfTest | None:
    """Give this machine's last self-test; None where there is none that can be read."""
    try:
        return SelfTest(**_load(store)[Machine.get_unique_machine_name()])
    except (KeyError, TypeError):
        return None


def _load(store: Path) -> dict[str, dict]:
    try:
        found = json.loads(store.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
