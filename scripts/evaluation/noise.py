"""Noise to judge change-point detection on: what real asv histories left, and made models of it.

A series is positive, less is better, and has one upward step or none.
"""

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from asv.util import UserError
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Residuals of the half of the benchmarks on which no constant was tuned, in 1e-4 of the value; `source` in it names
# the histories.
SHIPPED = Path(__file__).with_name("noise.json.gz")
UNIT = 1e-4
LENGTH = 200
# A step keeps this far from both ends.
MARGIN = 10
# Values of the running median whose residuals stand for a stable series.
WINDOW = 21
SHORTEST = 60
KINDS = ("dedicated", "ci")


@dataclass(frozen=True)
class Made:
    """One series and the index of its step, -1 where it has none."""

    values: Array
    step: int


def shipped() -> dict[str, list[Array]]:
    """Residuals of the histories that come with this, by kind of machine."""
    stored = json.loads(gzip.decompress(SHIPPED.read_bytes()))
    return {kind: [np.array(series) * UNIT for series in stored["residuals"][kind]] for kind in KINDS}


def load(path: Path) -> dict[str, list[Array]]:
    """Residuals of other histories, by kind of machine.

    The file is JSON, gzipped where its name ends in .gz: {"suites": {name: {"kind": "dedicated" or "ci", "series":
    [{"values": [seconds in the order of commits]}]}}}. Raises UserError where it is something else.
    """
    try:
        raw = path.read_bytes()
        stored = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
        return residuals(stored["suites"])
    except OSError as error:
        raise UserError(f"--histories {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        shape = '{"suites": {name: {"kind": "dedicated" or "ci", "series": [{"values": [...]}]}}}'
        raise UserError(f"--histories {path} ({type(error).__name__}: {error}) is not of the shape {shape}") from None


def residuals(suites: Mapping[str, Any]) -> dict[str, list[Array]]:
    """Logs of the values less their running median: what is left when every real change is taken out.

    Series that are short, that mostly repeat a value, or that hold what has no log are left out.
    """
    found: dict[str, list[Array]] = {kind: [] for kind in KINDS}
    for suite in suites.values():
        for series in suite["series"]:
            values = np.array(series["values"], float)
            usable = len(values) >= SHORTEST and np.isfinite(values).all() and (values > 0).all()
            if usable and len(np.unique(values)) >= len(values) / 4:
                logs = np.log(values)
                around = np.lib.stride_tricks.sliding_window_view(np.pad(logs, WINDOW // 2, mode="edge"), WINDOW)
                found[suite["kind"]].append(logs - np.median(around, axis=1))
    return found


def real(noise: Sequence[Array], ordered: bool, step: float, seed: int) -> Made:
    """A stretch of a real history's residuals, permuted unless `ordered`, with a relative step unless it is 0."""
    rng = np.random.default_rng([seed, int(step * 1000), ordered])
    logs = noise[int(rng.integers(len(noise)))]
    start = int(rng.integers(max(1, len(logs) - LENGTH + 1)))
    logs = logs[start : start + LENGTH]
    return _stepped(logs.copy() if ordered else rng.permutation(logs), step, rng)


def made(model: str, step: float, seed: int) -> Made:
    """LENGTH values of a model of noise, of 3 %: lognormal, outliers, autocorrelated or drifting."""
    rng = np.random.default_rng([seed, int(step * 1000), sum(map(ord, model))])
    logs = rng.normal(0, 0.03, LENGTH)
    if model == "outliers":
        # One in twenty is off by 30 % in the mean, four in five of them slower.
        off = rng.random(LENGTH) < 0.05
        logs[off] += rng.exponential(0.3, int(off.sum())) * np.where(rng.random(int(off.sum())) < 0.8, 1, -1)
    elif model == "autocorrelated":
        for i in range(1, LENGTH):
            logs[i] = 0.3 * logs[i - 1] + math.sqrt(1 - 0.3**2) * logs[i]
    elif model == "drifting":
        period = LENGTH * rng.uniform(0.8, 2)
        logs += 0.03 * np.sin(2 * np.pi * np.arange(LENGTH) / period + rng.uniform(0, 2 * np.pi))
    elif model != "lognormal":
        raise ValueError(f"no model {model!r}")
    return _stepped(logs, step, rng)


def _stepped(logs: Array, step: float, rng: np.random.Generator) -> Made:
    at = -1
    if step:
        at = int(rng.integers(MARGIN, len(logs) - MARGIN + 1))
        logs[at:] += math.log1p(step)
    return Made(np.exp(logs), at)
