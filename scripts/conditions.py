"""What a machine did while something was measured: who else computed, what waited, whether its clocks held.

`read` before and after, `between` the two, and `unfit` says in words why what was measured then can't be trusted.
What this system does not tell is None, and None never makes a measurement unfit.
"""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .sources import ROOT, cgroup_folders, number, table, text

# Of the cores' time. The hypervisor gave it to others while this machine wanted to run; 2 % is the least change that
# a comparison here may call one.
STEAL_LIMIT = 0.02
# Of the cores' time, computed by processes other than this one and those it started. Half a core of two: below it a
# pinned benchmark still has a core to itself, above it caches and memory are shared with work that comes and goes.
OTHERS_LIMIT = 0.25
# Of the time, in which some process that could run waited for a core (the kernel's pressure stall information).
CPU_PRESSURE_LIMIT = 0.10
# Where others computed less than this share, those that waited were of the measurement: ranks on too few cores.
LEAST_OTHERS = 0.05
# Of the time, in which some process waited for memory to be freed or read back first: on a quiet machine none does.
MEMORY_PRESSURE_LIMIT = 0.01
# Of the time, in which the group's quota of CPU time was used up, and everything in it stood still.
THROTTLED_LIMIT = 0.005
# Parts per million by which the clock that times benchmarks ran off the unadjusted one; NTP slews by 500 at most.
DRIFT_LIMIT = 1000
# Seconds by which the time of day ran off: it was set, or the machine was paused.
JUMP_LIMIT = 1.0

# Shares of less time say little: the kernel counts in ticks of 10 ms.
LEAST_TICKS = 100
# The kernel brings the totals of its pressure up to date every 2 s, so over less its own mean of 10 s is the better;
# over less than 1 s that is all but about what was before.
TOTAL_PRESSURE_SECONDS = 10
LEAST_PRESSURE_SECONDS = 1
# A drift over less time is the noise of reading two clocks: 1 us in 0.1 s is 10 parts per million.
LEAST_DRIFT_SECONDS = 0.1


@dataclass(frozen=True)
class Ticks:
    """One core's time since the machine started, in ticks of the kernel: all, what it computed, what was stolen."""

    total: int
    busy: int
    stolen: int


@dataclass(frozen=True)
class Pressure:
    """Microseconds since the start in which some process waited for a resource, and the share of the last 10 s."""

    total: int
    last_ten_seconds: float


@dataclass(frozen=True)
class Snapshot:
    """Counters of this machine at one moment; `between` two of them is what they say."""

    clock: float
    raw_clock: float | None
    time_of_day: float
    load: float | None
    ticks: Mapping[int, Ticks]
    own_ticks: int | None
    pressure: Mapping[str, Pressure]
    throttled_seconds: float | None
    thermal_throttles: int | None
    temperature: float | None
    frequency: float | None


@dataclass(frozen=True)
class Conditions:
    """How a machine did in a stretch of time; a number that this system does not tell is None.

    seconds: how long. load: the 1 minute load average at its end. cores: that this process might use.
    others, steal: shares of those cores' time that other processes computed, and that the hypervisor took.
    cpu_pressure, io_pressure, memory_pressure: shares of the time in which some process of the machine waited for
    it; over less than 10 s, of the last 10 s. throttled: share of the time in which the CPU quota stopped us.
    thermal_throttles: how often a core slowed for heat. temperature: of the hottest sensor of the CPU at the end, in
    degrees Celsius. frequency: mean of the cores at the end, in MHz. drift: of the clock that times benchmarks
    against the unadjusted one, in parts per million. jump: seconds by which the time of day ran off that clock.
    """

    seconds: float
    load: float | None = None
    cores: int | None = None
    others: float | None = None
    steal: float | None = None
    cpu_pressure: float | None = None
    io_pressure: float | None = None
    memory_pressure: float | None = None
    throttled: float | None = None
    thermal_throttles: int | None = None
    temperature: float | None = None
    frequency: float | None = None
    drift: float | None = None
    jump: float | None = None

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> "Conditions":
        """Build from what `dataclasses.asdict` gave and a file kept: names unknown here are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{"seconds": 0.0, **{name: value for name, value in values.items() if name in known}})


def read(root: Path = ROOT) -> Snapshot:
    """Read the counters now; takes 3 ms on a machine with a hundred processes."""
    clock, raw_clock, time_of_day = _clocks()
    cores = _allowed_cores()
    return Snapshot(
        clock=clock,
        raw_clock=raw_clock,
        time_of_day=time_of_day,
        load=_load(root),
        ticks={core: ticks for core, ticks in _ticks(root).items() if cores is None or core in cores},
        own_ticks=_own_ticks(root, os.getpid()),
        pressure={name: found for name in ("cpu", "io", "memory") if (found := _pressure(root, name))},
        throttled_seconds=_throttled_seconds(root),
        thermal_throttles=_thermal_throttles(root),
        temperature=temperature(root),
        frequency=frequency(root),
    )


def between(before: Snapshot, after: Snapshot) -> Conditions:
    """Conditions from `before` to `after`, two snapshots of one machine since it was started."""
    seconds = after.clock - before.clock
    others, steal = _shares(before, after)
    pressure = {name: _waited(before.pressure.get(name), now, seconds) for name, now in after.pressure.items()}
    throttled = _difference(before.throttled_seconds, after.throttled_seconds)
    return Conditions(
        seconds=seconds,
        load=after.load,
        cores=len(after.ticks) or None,
        others=others,
        steal=steal,
        cpu_pressure=pressure.get("cpu"),
        io_pressure=pressure.get("io"),
        memory_pressure=pressure.get("memory"),
        throttled=throttled / seconds if throttled is not None and seconds > 0 else None,
        thermal_throttles=_difference(before.thermal_throttles, after.thermal_throttles),
        temperature=after.temperature,
        frequency=after.frequency,
        drift=_drift(before, after, seconds),
        jump=after.time_of_day - before.time_of_day - seconds,
    )


def unfit(conditions: Conditions) -> tuple[str, ...]:
    """Give the reasons, in words, why nothing measured under `conditions` can be trusted; none where it can."""
    c = conditions
    waited = c.cpu_pressure if c.others is None or c.others > LEAST_OTHERS else None
    checks = (
        (c.others, OTHERS_LIMIT, "other processes took {:.0%} of the cores' time (limit {:.0%})"),
        (c.steal, STEAL_LIMIT, "the hypervisor took {:.1%} of the cores' time (limit {:.0%})"),
        (waited, CPU_PRESSURE_LIMIT, "processes waited for a core {:.0%} of the time (limit {:.0%})"),
        (c.memory_pressure, MEMORY_PRESSURE_LIMIT, "processes waited for memory {:.1%} of the time (limit {:.0%})"),
        (c.throttled, THROTTLED_LIMIT, "the CPU quota stopped everything {:.1%} of the time (limit {:.1%})"),
        (c.thermal_throttles, 0, "cores were slowed for heat {:.0f} times (limit {:.0f})"),
        (c.drift and abs(c.drift), DRIFT_LIMIT, "the clock ran {:.0f} parts per million off (limit {:.0f})"),
        (c.jump and abs(c.jump), JUMP_LIMIT, "the time of day jumped by {:.1f} s (limit {:.0f} s)"),
    )
    return tuple(words.format(value, limit) for value, limit, words in checks if value is not None and value > limit)


def _clocks() -> tuple[float, float | None, float]:
    """Read the clock that times benchmarks, the one that nothing adjusts, and the time of day, as one moment."""
    raw = getattr(time, "CLOCK_MONOTONIC_RAW", None)
    if raw is None:
        return time.perf_counter(), None, time.time()
    # Of five, the reading in which the least came between: a process may be stopped at any of them.
    readings = []
    for _ in range(5):
        first, clock, of_day = time.clock_gettime(raw), time.perf_counter(), time.time()
        last = time.clock_gettime(raw)
        readings.append((last - first, clock, (first + last) / 2, of_day))
    return min(readings)[1:]


def _allowed_cores() -> set[int] | None:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def _load(root: Path) -> float | None:
    if found := text(root, "proc/loadavg"):
        return float(found.split()[0])
    return os.getloadavg()[0] if root == ROOT and hasattr(os, "getloadavg") else None


def _ticks(root: Path) -> dict[int, Ticks]:
    """Ticks of every core: user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5))."""
    found = {}
    for line in (text(root, "proc/stat") or "").splitlines():
        name, *values = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and len(values) >= 8:
            user, nice, system, idle, iowait, irq, softirq, stolen = map(int, values[:8])
            busy = user + nice + system + irq + softirq
            found[int(name[3:])] = Ticks(busy + idle + iowait + stolen, busy, stolen)
    return found


def _own_ticks(root: Path, pid: int) -> int | None:
    """Ticks that process `pid` computed, and all that descend from it, those that have ended included."""
    used, parents = {}, {}
    for path in (root / "proc").glob("[0-9]*/stat"):
        # A name in parentheses may hold anything, so the numbers begin after the last one.
        values = (text(root, str(path.relative_to(root))) or "").rpartition(")")[2].split()
        # A process that has just ended has no file.
        if len(values) > 14:
            # Its own time in user mode and in the kernel, and that of the children it has waited for.
            used[int(path.parent.name)] = sum(map(int, values[11:15]))
            parents[int(path.parent.name)] = int(values[1])
    if pid not in used:
        return None
    ours = {pid}
    while more := {child for child, parent in parents.items() if parent in ours and child not in ours}:
        ours |= more
    return sum(used[each] for each in ours)


def _pressure(root: Path, name: str) -> Pressure | None:
    """Pressure on "cpu", "io" or "memory", the line "some avg10=1.27 avg60=1.19 avg300=1.99 total=7802904764"."""
    line = next(iter((text(root, f"proc/pressure/{name}") or "").splitlines()), "")
    values = dict(re.findall(r"(\w+)=([\d.]+)", line))
    if "total" not in values:
        return None
    return Pressure(int(values["total"]), float(values["avg10"]) / 100)


def _throttled_seconds(root: Path) -> float | None:
    """Seconds since the start in which this process's group had used up its CPU quota."""
    found = []
    for folder in cgroup_folders(root, "cpu"):
        counters = table(folder, "cpu.stat")
        for name, unit in (("throttled_usec", 1e-6), ("throttled_time", 1e-9)):
            if name in counters:
                found.append(int(counters[name]) * unit)
    return max(found, default=None)


def _thermal_throttles(root: Path) -> int | None:
    counts = [number(root, str(p.relative_to(root))) for p in _cpus(root, "thermal_throttle/core_throttle_count")]
    known = [int(count) for count in counts if count is not None]
    return sum(known) if known else None


def temperature(root: Path = ROOT) -> float | None:
    """Degrees Celsius of the hottest sensor of the CPU; None where no driver shows one."""
    sensors = [
        *((p, p.parent / "name") for p in root.glob("sys/class/hwmon/hwmon*/temp*_input")),
        *((p, p.parent / "type") for p in root.glob("sys/class/thermal/thermal_zone*/temp")),
    ]
    found = []
    for path, kind in sensors:
        name = (text(root, str(kind.relative_to(root))) or "").lower()
        value = number(root, str(path.relative_to(root)))
        if value is not None and any(word in name for word in ("coretemp", "k10temp", "zenpower", "cpu", "pkg", "soc")):
            found.append(value / 1000)
    return max(found, default=None)


def frequency(root: Path = ROOT) -> float | None:
    """Mean frequency of the cores in MHz now, as cpufreq gives it, else /proc/cpuinfo; None where neither does."""
    found = [number(root, str(p.relative_to(root))) for p in _cpus(root, "cpufreq/scaling_cur_freq")]
    known = [value / 1000 for value in found if value is not None]
    if not known:
        lines = (text(root, "proc/cpuinfo") or "").splitlines()
        known = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return sum(known) / len(known) if known else None


def _cpus(root: Path, path: str) -> list[Path]:
    return sorted(root.glob(f"sys/devices/system/cpu/cpu[0-9]*/{path}"))


def _shares(before: Snapshot, after: Snapshot) -> tuple[float | None, float | None]:
    """Shares of the cores' time that other processes computed and that the hypervisor took."""
    both = before.ticks.keys() & after.ticks.keys()
    total, busy, stolen = (
        sum(getattr(after.ticks[core], name) - getattr(before.ticks[core], name) for core in both)
        for name in ("total", "busy", "stolen")
    )
    if total < LEAST_TICKS:
        return None, None
    own = _difference(before.own_ticks, after.own_ticks)
    others = None if own is None else min(max((busy - own) / total, 0.0), 1.0)
    return others, max(stolen / total, 0.0)


def _waited(before: Pressure | None, after: Pressure, seconds: float) -> float | None:
    if seconds < LEAST_PRESSURE_SECONDS:
        return None
    if before is None or seconds < TOTAL_PRESSURE_SECONDS:
        return after.last_ten_seconds
    return min(max((after.total - before.total) * 1e-6 / seconds, 0.0), 1.0)


def _drift(before: Snapshot, after: Snapshot, seconds: float) -> float | None:
    raw = _difference(before.raw_clock, after.raw_clock)
    return (seconds / raw - 1) * 1e6 if raw is not None and raw > LEAST_DRIFT_SECONDS else None


def _difference(before: Any, after: Any) -> Any:
    return None if before is None or after is None else after - before
