"""The settings of the operating system that decide how steady a measurement can be."""

import os
import platform
import re
from pathlib import Path

from ..machine import binary
from ..sources import ROOT, cgroup_folders, memory_limit, number, numbered, table, text
from .fact import Fact, listed

CPU = "sys/devices/system/cpu"
THP = "sys/kernel/mm/transparent_hugepage/enabled"


def facts(root: Path = ROOT) -> tuple[Fact, ...]:
    """Describe the operating system."""
    release = table_of_assignments(text(root, "etc/os-release") or "")
    os_name = release.get("PRETTY_NAME") or (platform.platform() if root == ROOT else None)
    kernel = text(root, "proc/sys/kernel/osrelease") or (platform.release() if root == ROOT else None)
    swappiness, randomised = number(root, "proc/sys/vm/swappiness"), number(root, "proc/sys/kernel/randomize_va_space")
    return (
        Fact("operating system", os_name, "/etc/os-release"),
        Fact("kernel", kernel, "/proc/sys/kernel/osrelease"),
        Fact("governor", _governor(root), f"/{CPU}/cpu*/cpufreq/scaling_governor"),
        Fact("frequency driver", text(root, f"{CPU}/cpu0/cpufreq/scaling_driver"), f"/{CPU}/cpu0/cpufreq"),
        Fact("turbo", _turbo(root), f"/{CPU}/intel_pstate/no_turbo, /{CPU}/cpufreq/boost"),
        _cores_of(root, "isolated cores", "isolated", "isolcpus"),
        _cores_of(root, "cores without ticks", "nohz_full", "nohz_full"),
        *_limits(root),
        Fact("transparent huge pages", _chosen(text(root, THP)), f"/{THP}"),
        Fact(
            "address randomisation",
            None if randomised is None else randomised > 0,
            "/proc/sys/kernel/randomize_va_space",
        ),
        Fact("swappiness", None if swappiness is None else int(swappiness), "/proc/sys/vm/swappiness"),
        *_clock_source(root),
        Fact("niceness", os.nice(0) if hasattr(os, "nice") else None, "nice(2)"),
    )


def table_of_assignments(content: str) -> dict[str, str]:
    """NAME="value" lines as a table."""
    return {name: value.strip("'\"") for name, value in re.findall(r"^(\w+)=(.*)$", content, re.M)}


def _governor(root: Path) -> str | None:
    paths = sorted(root.glob(f"{CPU}/cpu[0-9]*/cpufreq/scaling_governor"))
    found = {text(root, str(path.relative_to(root))) for path in paths} - {None, ""}
    return listed(sorted(map(str, found))) if found else None


def _turbo(root: Path) -> bool | None:
    if (off := number(root, f"{CPU}/intel_pstate/no_turbo")) is not None:
        return off == 0
    boost = number(root, f"{CPU}/cpufreq/boost")
    return None if boost is None else boost == 1


def _cores_of(root: Path, name: str, file: str, option: str) -> Fact:
    """Cores that the kernel's scheduler or its ticks leave alone: from /sys, else from the kernel's command line."""
    cores = numbered(text(root, f"{CPU}/{file}"))
    # "(null)" where the kernel can do it and was not asked to.
    if cores is None and (line := text(root, "proc/cmdline")) is not None:
        asked = re.search(rf"\b{option}=(?:[a-z_]+,)*([\d,-]+)", line)
        cores = numbered(asked[1]) if asked else ()
    shown = listed(cores) if cores else "none"
    return Fact(name, None if cores is None else list(cores), f"/{CPU}/{file}, /proc/cmdline", shown)


def _limits(root: Path) -> list[Fact]:
    """Limits of the control groups that this process is in: cores' worth of CPU time, and bytes; 0 is no limit."""
    groups = list(cgroup_folders(root, "cpu"))
    cores = min(filter(None, map(_quota, groups)), default=0)
    memory = min(filter(None, map(memory_limit, cgroup_folders(root, "memory"))), default=0)
    source = "/proc/self/cgroup, /sys/fs/cgroup"
    return [
        Fact("CPU quota", cores if groups else None, source, f"{cores:g} cores" if cores else "none"),
        Fact("memory limit", memory if groups else None, source, binary(memory) if memory else "none"),
    ]


def _quota(folder: Path) -> float | None:
    """Cores' worth of time that a group may use: "200000 100000" in version 2, two files in version 1."""
    both = text(folder, "cpu.max") or f"{text(folder, 'cpu.cfs_quota_us')} {text(folder, 'cpu.cfs_period_us')}"
    quota, _, period = both.partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _chosen(line: str | None) -> str | None:
    """Return the word in brackets of "always [madvise] never"."""
    found = re.search(r"\[(\w+)\]", line or "")
    return found[1] if found else None


def _clock_source(root: Path) -> list[Fact]:
    folder = "sys/devices/system/clocksource/clocksource0"
    flags = table(root, "proc/cpuinfo").get("flags", "").split()
    steady = {"constant_tsc", "nonstop_tsc"} <= set(flags) if flags else None
    return [
        Fact("clock source", text(root, f"{folder}/current_clocksource"), f"/{folder}/current_clocksource"),
        Fact("steady time stamp counter", steady, "/proc/cpuinfo: constant_tsc, nonstop_tsc"),
    ]
