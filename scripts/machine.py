"""What this machine can do at best, measured: float32 multiply-adds and bytes moved by one core."""

import json
import os
import subprocess
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asv.util
import numpy as np

from benchmarks.frameworks.compare import pinned

CACHE = Path(".asv/machine-peaks.json")


@dataclass(frozen=True)
class Bandwidth:
    """Bytes a second of one core when `working_set` bytes are walked over and over, by what is done with them.

    Bytes are counted as a workload counts them: each array once, without the line a store fetches first.
    """

    working_set: int
    level: str
    read: float
    copy: float
    triad: float


@dataclass(frozen=True)
class Peaks:
    """The best one core reached: `flops` in float32 operations a second, `bandwidths` by working set."""

    cpu: str
    numba: str
    vector: str
    flops: float
    bandwidths: tuple[Bandwidth, ...]

    def bandwidth(self, working_set: int) -> float:
        """Bytes a second at `working_set` bytes: the best of read, copy and triad, interpolated between sizes."""
        sizes = [np.log(b.working_set) for b in self.bandwidths]
        best = [max(b.read, b.copy, b.triad) for b in self.bandwidths]
        return float(np.interp(np.log(max(working_set, 1)), sizes, best))

    def floor(self, flops: int, nbytes: int) -> tuple[float, str]:
        """Shortest time in seconds that `flops` and `nbytes` allow, and which of the two sets it.

        The roofline of Williams, Waterman and Patterson (2009): "compute" or "memory".
        """
        compute, memory = flops / self.flops, nbytes / self.bandwidth(nbytes)
        return (compute, "compute") if compute > memory else (memory, "memory")


def peaks(cache: Path = CACHE, refresh: bool = False) -> Peaks:
    """Peaks of this machine, from `cache` where this CPU and this Numba have been measured already.

    Measuring takes about 6 s. `refresh` measures again and keeps the better readings: a neighbour on the machine
    can only lower them.
    """
    key = f"{cpu_model()} | numba {version('numba')}"
    known = _load(cache)
    stored = _from_json(known[key]) if key in known else None
    if stored and not refresh:
        return stored
    found = measure()
    if stored:
        found = better(stored, found)
    write_atomically(cache, json.dumps({**known, key: asdict(found)}, indent=1))
    return found


def better(old: Peaks, new: Peaks) -> Peaks:
    """Give the higher of each of two readings of one machine."""
    before = {b.working_set: b for b in old.bandwidths}
    merged = []
    for row in new.bandwidths:
        other = before.get(row.working_set, row)
        best = {name: max(getattr(row, name), getattr(other, name)) for name in ("read", "copy", "triad")}
        merged.append(replace(row, **best))
    return replace(new, flops=max(old.flops, new.flops), bandwidths=tuple(merged))


def _from_json(stored: dict[str, Any]) -> Peaks:
    return Peaks(**{**stored, "bandwidths": tuple(Bandwidth(**row) for row in stored["bandwidths"])})


def _load(cache: Path) -> dict[str, Any]:
    try:
        return json.loads(cache.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` whole or not at all: a full disk or a kill leaves the old file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def measure() -> Peaks:
    """Measure now, on one core."""
    from .peak_kernels import best_bandwidth, best_flops

    caches = cpu_caches()
    with pinned():
        flops, vector = best_flops()
        rows = tuple(Bandwidth(size, level(size, caches), *best_bandwidth(size)) for size in working_sets())
    return Peaks(cpu_model(), version("numba"), vector, flops, rows)


def working_sets() -> list[int]:
    """Bytes from within a first-level cache to beyond most last-level ones, as the free memory allows."""
    sizes = [24 << 10, 96 << 10, 384 << 10, 1536 << 10, 12 << 20, 96 << 20, 768 << 20]
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return sizes[:-1]
    return [size for size in sizes if size < free / 4]


def level(working_set: int, caches: dict[str, int]) -> str:
    """Name the smallest data cache that holds `working_set` bytes, or "memory"; "" when no cache is known."""
    if not caches:
        return ""
    return next((name for name, size in caches.items() if working_set <= size), "memory")


def cpu_model() -> str:
    """CPU model as `lscpu` names it, else as asv does."""
    fields = {row["field"].rstrip(":"): row["data"] for row in _lscpu("-J").get("lscpu", [])}
    return fields.get("Model name") or asv.util.get_cpu_info() or "unknown CPU"


def cpu_caches() -> dict[str, int]:
    """Bytes of each data cache, smallest first: {"L1d": 49152, "L2": ...}; empty where `lscpu` is missing."""
    rows = _lscpu("-J", "-B", "-C=NAME,ONE-SIZE,TYPE").get("caches", [])
    sizes = {row["name"]: int(row["one-size"]) for row in rows if row["type"] != "Instruction"}
    return dict(sorted(sizes.items(), key=lambda item: item[1]))


def _lscpu(*options: str) -> dict[str, Any]:
    try:
        done = subprocess.run(["lscpu", *options], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, json.JSONDecodeError):
        return {}
