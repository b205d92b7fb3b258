"""The hardware of a machine as Linux describes it: processor, caches, memory, NUMA, and whether it is a virtual one."""

import os
import platform
from pathlib import Path

from llvmlite import binding

from ..conditions import frequency, temperature
from ..machine import allowed_cores, binary, cache_sharers, cpu_caches, cpu_model, lscpu
from ..sources import ROOT, number, numbered, table, text
from .fact import Fact, listed

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
# What kernels are chosen by: the kernel's names for x86 and for ARM.
VECTORS = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx512", "avx_vnni", "amx", "asimd", "sve", "i8mm", "bf16", "fphp")


def facts(root: Path = ROOT) -> tuple[Fact, ...]:
    """Describe the hardware."""
    return (*_processor(root), *_caches(root), *_memory(root), _virtual(root), _container(root), _mains(root))


def _processor(root: Path) -> list[Fact]:
    cpuinfo = table(root, "proc/cpuinfo")
    identity = [cpuinfo.get(name) for name in ("cpu family", "model", "stepping")]
    features = instructions(root)
    limits = [number(root, f"{CPU}/cpu0/cpufreq/cpuinfo_{end}_freq") for end in ("min", "max")]
    return [
        Fact("CPU", cpu_model(root), "/proc/cpuinfo"),
        Fact("architecture", platform.machine(), "uname"),
        Fact("family, model, stepping", listed(identity) if all(identity) else None, "/proc/cpuinfo"),
        Fact("microcode", cpuinfo.get("microcode"), "/proc/cpuinfo"),
        *_topology(root),
        Fact("vector instructions", features, "/proc/cpuinfo", " ".join(features or ()) or "none known here"),
        Fact("frequency now", mhz := frequency(root), "/proc/cpuinfo, cpufreq", f"{mhz or 0:.0f} MHz"),
        Fact(
            "frequency range",
            limits if None not in limits else None,
            f"/{CPU}/cpu0/cpufreq",
            f"{(limits[0] or 0) / 1000:.0f} to {(limits[1] or 0) / 1000:.0f} MHz",
        ),
        Fact("temperature", heat := temperature(root), "/sys/class/hwmon, /sys/class/thermal", f"{heat or 0:.0f} °C"),
    ]


def instructions(root: Path) -> list[str] | None:
    """Vector instruction sets of the processor, as Linux names them; as LLVM does on other systems."""
    cpuinfo = table(root, "proc/cpuinfo")
    flags = (cpuinfo.get("flags") or cpuinfo.get("Features") or "").split()
    if not flags and root == ROOT:
        flags = sorted(name for name, has in binding.get_host_cpu_features().items() if has)
    return [flag for flag in flags if flag.startswith(VECTORS)] if flags else None


def _topology(root: Path) -> list[Fact]:
    online = numbered(text(root, f"{CPU}/online"))
    count = os.cpu_count() if root == ROOT else None
    places = {
        (number(root, f"{CPU}/cpu{cpu}/topology/physical_package_id"), number(root, f"{CPU}/cpu{cpu}/topology/core_id"))
        for cpu in online or ()
    }
    known = places and not any(None in place for place in places)
    siblings = numbered(text(root, f"{CPU}/cpu0/topology/thread_siblings_list"))
    nodes = numbered(text(root, f"{NODE}/online")) or ()
    parts = [f"node {node} has cores {text(root, f'{NODE}/node{node}/cpulist') or 'not told'}" for node in nodes]
    return [
        Fact("sockets", len({socket for socket, _ in places}) if known else None, f"/{CPU}/cpu*/topology"),
        Fact("cores", len(places) if known else None, f"/{CPU}/cpu*/topology"),
        Fact("hardware threads", len(online) if online else count, f"/{CPU}/online"),
        Fact("usable by this process", len(allowed_cores()), "sched_getaffinity"),
        Fact("SMT", len(siblings) > 1 if siblings else None, f"/{CPU}/cpu0/topology/thread_siblings_list"),
        Fact("NUMA nodes", len(nodes) or None, f"/{NODE}/online", "; ".join([str(len(nodes)), *parts])),
    ]


def _caches(root: Path) -> list[Fact]:
    sizes, sharers = cpu_caches(root), cache_sharers(root)
    if not sizes:
        return [Fact("caches", None, f"/{CPU}/cpu0/cache")]
    return [
        Fact(f"{name} cache", size, "", f"{binary(size)}, shared by {n} hardware threads" if n > 1 else binary(size))
        for name, size in sizes.items()
        for n in (sharers[name],)
    ]


def _memory(root: Path) -> list[Fact]:
    meminfo = table(root, "proc/meminfo")

    def amount(name: str) -> int | None:
        return int(meminfo[name].split()[0]) << 10 if name in meminfo else None

    total, available, swap, unused = map(amount, ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree"))
    used = None if swap is None or unused is None else swap - unused
    return [
        Fact(name, size, "/proc/meminfo", binary(size or 0))
        for name, size in (("memory", total), ("memory available", available), ("swap", swap), ("swap in use", used))
    ]


def _virtual(root: Path) -> Fact:
    """Whether this is a virtual machine: x86 says so in a flag, others in what the firmware calls itself."""
    flags = table(root, "proc/cpuinfo").get("flags", "").split()
    firmware = [text(root, f"sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")]
    described = " ".join(filter(None, firmware))
    hypervisor = (lscpu().get("Hypervisor vendor") if root == ROOT else None) or text(root, "sys/hypervisor/type")
    source = "/proc/cpuinfo, /sys/class/dmi, /sys/hypervisor"
    if "hypervisor" in flags or hypervisor:
        return Fact("virtual machine", True, source, listed(filter(None, ("yes", hypervisor, described))))
    if flags:
        return Fact("virtual machine", False, source, listed(filter(None, ("no", described))))
    return Fact("virtual machine", None, source)


def _container(root: Path) -> Fact:
    """Which kind of container this is, by the marks that engines leave; that there is none can't be known."""
    marks = {".dockerenv": "docker", "run/.containerenv": "podman", "var/run/secrets/kubernetes.io": "kubernetes"}
    kind = text(root, "run/systemd/container") or next(
        (name for at, name in marks.items() if (root / at).exists()), None
    )
    return Fact("container", kind, "no container engine's mark")


def _mains(root: Path) -> Fact:
    """Whether the machine runs on mains; a machine without a battery tells nothing of it."""
    online = [number(root, str(p.relative_to(root))) for p in root.glob("sys/class/power_supply/A*/online")]
    return Fact("on mains", any(online) if online else None, "/sys/class/power_supply")
