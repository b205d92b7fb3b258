"""What this machine can do at best, measured: multiply-adds, bytes moved and time to memory, of one core and of all."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asv.util
import numpy as np

from benchmarks.frameworks.compare import pinned

from .sources import ROOT, cgroup_folders, memory_limit, number, numbered, table, text

CACHE = Path(".asv/machine-peaks.json")


@dataclass(frozen=True)
class Bandwidth:
    """Bytes a second when `working_set` bytes are walked over and over, by what is done with them.

    Bytes are counted as a workload counts them: each array once, without the line that a plain store fetches first.
    `copy_past` and `triad_past` store past the caches, which fetches none.
    """

    working_set: int
    level: str
    read: float
    copy: float
    triad: float
    copy_past: float
    triad_past: float

    @property
    def best(self) -> float:
        """The best of all five."""
        return max(self.read, self.best_copy, self.best_triad)

    @property
    def best_copy(self) -> float:
        """Copy with the better kind of stores."""
        return max(self.copy, self.copy_past)

    @property
    def best_triad(self) -> float:
        """STREAM's triad with the better kind of stores."""
        return max(self.triad, self.triad_past)


@dataclass(frozen=True)
class Latency:
    """Seconds until a load that needs the last one's result has its own, anywhere in `working_set` bytes."""

    working_set: int
    level: str
    seconds: float


@dataclass(frozen=True)
class Together:
    """What all `cores` that this process may use reached at once, a thread on each."""

    cores: int
    flops: float
    bandwidth: Bandwidth


@dataclass(frozen=True)
class Peaks:
    """The best one core reached: `flops` in float32 operations a second, and by working set; and all `together`."""

    cpu: str
    numba: str
    vector: str
    flops: float
    bandwidths: tuple[Bandwidth, ...]
    latencies: tuple[Latency, ...]
    together: Together

    def bandwidth(self, working_set: int) -> float:
        """Bytes a second at `working_set` bytes: the best of every kind of move, interpolated between sizes."""
        sizes = [np.log(b.working_set) for b in self.bandwidths]
        best = [b.best for b in self.bandwidths]
        return float(np.interp(np.log(max(working_set, 1)), sizes, best))

    def floor(self, flops: int, nbytes: int) -> tuple[float, str]:
        """Shortest time in seconds that `flops` and `nbytes` allow, and which of the two sets it.

        The roofline of Williams, Waterman and Patterson (2009): "compute" or "memory".
        """
        compute, memory = flops / self.flops, nbytes / self.bandwidth(nbytes)
        return (compute, "compute") if compute > memory else (memory, "memory")


def peaks(cache: Path = CACHE, refresh: bool = False) -> Peaks:
    """Peaks of this machine, from `cache` where this CPU and this Numba have been measured already.

    Measuring takes about half a minute. `refresh` measures again and keeps the better readings: a neighbour on the
    machine can only lower them. What an earlier version stored, with less in it, is measured again too.
    """
    key = f"{cpu_model()} | numba {version('numba')}"
    known = _load(cache)
    stored = stored_peaks(known.get(key))
    if stored and not refresh:
        return stored
    found = measure()
    if stored:
        found = better(stored, found)
    write_atomically(cache, json.dumps({**known, key: asdict(found)}, indent=1))
    return found


def better(old: Peaks, new: Peaks) -> Peaks:
    """Give the better of each of two readings of one machine."""
    bandwidths = {b.working_set: b for b in old.bandwidths}
    latencies = {each.working_set: each.seconds for each in old.latencies}
    together = new.together
    # Another number of cores is another machine.
    if together.cores == old.together.cores:
        together = Together(
            together.cores,
            max(old.together.flops, together.flops),
            _faster(old.together.bandwidth, together.bandwidth),
        )
    return replace(
        new,
        flops=max(old.flops, new.flops),
        bandwidths=tuple(_faster(bandwidths.get(row.working_set, row), row) for row in new.bandwidths),
        latencies=tuple(
            replace(row, seconds=min(row.seconds, latencies.get(row.working_set, row.seconds))) for row in new.latencies
        ),
        together=together,
    )


def _faster(old: Bandwidth, new: Bandwidth) -> Bandwidth:
    if old.working_set != new.working_set:
        return new
    names = [field.name for field in fields(Bandwidth) if field.name not in ("working_set", "level")]
    return replace(new, **{name: max(getattr(old, name), getattr(new, name)) for name in names})


def stored_peaks(stored: Any) -> Peaks | None:
    """Build from what `dataclasses.asdict` gave and a file kept; None of anything else, an earlier version's too."""
    try:
        together = stored["together"]
        return Peaks(
            **{
                **stored,
                "bandwidths": tuple(Bandwidth(**row) for row in stored["bandwidths"]),
                "latencies": tuple(Latency(**row) for row in stored["latencies"]),
                "together": Together(**{**together, "bandwidth": Bandwidth(**together["bandwidth"])}),
            }
        )
    except (TypeError, KeyError):
        return None


def _load(cache: Path) -> dict[str, Any]:
    try:
        found = json.loads(cache.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


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
    """Measure now: one core, then all that this process may use; what is being measured is said on stderr."""
    from .peak_timing import all_cores_bandwidth, all_cores_flops, best_bandwidth, best_flops, best_latency

    caches, sizes, cores = cpu_caches(), working_sets(), allowed_cores()
    with pinned():
        _progress("multiply-adds of one core")
        flops, vector = best_flops()
        rows, latencies = [], []
        for size in sizes:
            where = level(size, caches)
            _progress(f"one core at {binary(size)}{where and f' ({where})'}")
            rows.append(Bandwidth(size, where, **best_bandwidth(size)))
            latencies.append(Latency(size, where, best_latency(size)))
            # Again each time: another machine on the same core halves it for seconds.
            flops = max(flops, best_flops()[0])
    _progress(f"{len(cores)} cores at once")
    all_flops = all_cores_flops(cores)
    largest = Bandwidth(sizes[-1], level(sizes[-1], caches), **all_cores_bandwidth(cores, sizes[-1]))
    together = Together(len(cores), max(all_flops, all_cores_flops(cores)), largest)
    return Peaks(cpu_model(), version("numba"), vector, flops, tuple(rows), tuple(latencies), together)


def _progress(what: str) -> None:
    print(f"measuring this machine's peaks: {what}", file=sys.stderr)


def binary(size: float) -> str:
    """Write a number of bytes in binary units: 24 KiB, 1.5 MiB, 768 MiB."""
    units = ["TiB", "GiB", "MiB", "KiB", "bytes"]
    while size >= 1024 and len(units) > 1:
        size, _ = size / 1024, units.pop()
    return f"{size:.3g} {units[-1]}"


def allowed_cores() -> Sequence[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def working_sets(root: Path = ROOT) -> list[int]:
    """Bytes from within a first-level cache to beyond most last-level ones, as the free memory allows."""
    sizes = [24 << 10, 96 << 10, 384 << 10, 1536 << 10, 12 << 20, 96 << 20, 768 << 20]
    free = free_memory(root)
    if free is None:
        return sizes[:-1]
    return [size for size in sizes if size < free / 4] or sizes[:1]


def free_memory(root: Path = ROOT) -> int | None:
    """Bytes that this process may still use, of the machine's and of its control groups'; None where none is told."""
    found = []
    if available := table(root, "proc/meminfo").get("MemAvailable"):
        found.append(int(available.split()[0]) << 10)
    for folder in cgroup_folders(root, "memory"):
        if limit := memory_limit(folder):
            used = number(folder, "memory.current") or number(folder, "memory.usage_in_bytes") or 0
            found.append(max(0, limit - int(used)))
    return min(found, default=None)


def level(working_set: int, caches: dict[str, int]) -> str:
    """Name the smallest data cache that holds `working_set` bytes, or "memory"; "" when no cache is known."""
    if not caches:
        return ""
    return next((name for name, size in caches.items() if working_set <= size), "memory")


def cpu_model(root: Path = ROOT) -> str:
    """CPU model as the kernel names it, else as `lscpu` does (it knows ARM's part numbers), else as asv does."""
    model = table(root, "proc/cpuinfo").get("model name")
    return model or lscpu().get("Model name") or asv.util.get_cpu_info() or "unknown CPU"


def cpu_caches(root: Path = ROOT) -> dict[str, int]:
    """Bytes of each data cache of a core, smallest first: {"L1d": 49152, "L2": ...}; empty where the kernel tells none.

    A cache that cores share counts whole.
    """
    sizes = {}
    for folder in sorted(root.glob("sys/devices/system/cpu/cpu0/cache/index[0-9]*")):
        kind, size = text(folder, "type"), text(folder, "size")
        if kind in ("Data", "Unified") and size and size[:-1].isdigit():
            name = f"L{text(folder, 'level')}{'d' if kind == 'Data' else ''}"
            sizes[name] = int(size[:-1]) << {"K": 10, "M": 20, "G": 30}[size[-1]]
    return dict(sorted(sizes.items(), key=lambda item: item[1]))


def cache_sharers(root: Path = ROOT) -> dict[str, int]:
    """How many hardware threads share each cache of the first core, by the names of `cpu_caches`."""
    found = {}
    for folder in sorted(root.glob("sys/devices/system/cpu/cpu0/cache/index[0-9]*")):
        if (kind := text(folder, "type")) in ("Data", "Unified"):
            name = f"L{text(folder, 'level')}{'d' if kind == 'Data' else ''}"
            found[name] = len(numbered(text(folder, "shared_cpu_list")) or (0,))
    return found


def lscpu() -> dict[str, str]:
    """Fields of `lscpu` by their names; none where it is missing."""
    try:
        done = subprocess.run(["lscpu", "-J"], capture_output=True, text=True, check=True)
        return {row["field"].rstrip(":"): row["data"] for row in json.loads(done.stdout)["lscpu"]}
    except (OSError, subprocess.CalledProcessError, ValueError, KeyError):
        return {}
