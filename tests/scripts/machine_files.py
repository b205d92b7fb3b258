"""Files of /proc and /sys as several kinds of machine show them, written into a folder that stands for "/"."""

from pathlib import Path


def write(root: Path, files: dict[str, str]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def stat(*cores: tuple[int, int, int], first: int = 0) -> str:
    """/proc/stat of cores that spent so many ticks in user mode, idle, and stolen."""
    lines = [f"cpu{first + i} {user} 0 0 {idle} 0 0 0 {stolen} 0 0" for i, (user, idle, stolen) in enumerate(cores)]
    totals = [sum(column) for column in zip(*cores, strict=True)]
    return "\n".join([f"cpu  {totals[0]} 0 0 {totals[1]} 0 0 0 {totals[2]} 0 0", *lines, "intr 0 0", "ctxt 9\n"])


def process(pid: int, parent: int, ticks: int, name: str = "a process") -> dict[str, str]:
    """/proc/<pid>/stat of a process that computed so many ticks."""
    return {f"proc/{pid}/stat": f"{pid} ({name}) S {parent} 1 1 0 -1 4194304 101 0 0 0 {ticks} 0 0 0 20 0 1 0 99 3 4\n"}


def pressure(total: int, avg10: float) -> str:
    return (
        f"some avg10={avg10:.2f} avg60=1.19 avg300=1.99 total={total}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    )


CPU = "sys/devices/system/cpu"

# An x86 laptop of four cores with two threads each, as Linux 6 shows it on bare metal.
LAPTOP = {
    "proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 142\nmodel name\t: "
    "Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz\n"
    "stepping\t: 10\nmicrocode\t: 0xf6\ncpu MHz\t\t: 2112.000\ncache size\t: 8192 KB\n"
    "flags\t\t: fpu vme tsc constant_tsc nonstop_tsc sse4_2 avx f16c fma avx2\n\nprocessor\t: 1\ncpu MHz\t\t: 900.0\n",
    f"{CPU}/online": "0-7\n",
    f"{CPU}/isolated": "\n",
    f"{CPU}/nohz_full": "(null)\n",
    f"{CPU}/intel_pstate/no_turbo": "0\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave\n",
    f"{CPU}/cpu0/cpufreq/scaling_driver": "intel_pstate\n",
    f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "1900000\n",
    f"{CPU}/cpu0/cpufreq/cpuinfo_min_freq": "400000\n",
    f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq": "4200000\n",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "powersave\n",
    **{f"{CPU}/cpu{i}/topology/core_id": f"{i % 4}\n" for i in range(8)},
    **{f"{CPU}/cpu{i}/topology/physical_package_id": "0\n" for i in range(8)},
    f"{CPU}/cpu0/topology/thread_siblings_list": "0,4\n",
    "sys/devices/system/node/online": "0\n",
    "sys/class/dmi/id/sys_vendor": "LENOVO\n",
    "sys/class/power_supply/AC/online": "0\n",
    "sys/class/power_supply/BAT0/status": "Discharging\n",
    "sys/class/hwmon/hwmon2/name": "coretemp\n",
    "sys/class/hwmon/hwmon2/temp1_input": "71000\n",
    "proc/meminfo": "MemTotal:       16163604 kB\nMemFree:         100000 kB\nMemAvailable:    1500000 kB\n"
    "SwapTotal:       2097148 kB\nSwapFree:        1048572 kB\n",
    "etc/os-release": 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\n',
    "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
    "proc/sys/kernel/randomize_va_space": "2\n",
    "proc/sys/vm/swappiness": "60\n",
    "proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet\n",
    "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-2.scope\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
    "sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n",
}

# An ARM server of two sockets in a container with a quota: no model name, no flags, no firmware, control groups 1.
ARM_SERVER = {
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd evtstrm aes fphp asimdhp asimddp sve\n"
    "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd40\n",
    f"{CPU}/online": "0-3\n",
    **{f"{CPU}/cpu{i}/topology/core_id": f"{i % 2}\n" for i in range(4)},
    **{f"{CPU}/cpu{i}/topology/physical_package_id": f"{i // 2}\n" for i in range(4)},
    f"{CPU}/cpu0/topology/thread_siblings_list": "0\n",
    f"{CPU}/cpufreq/boost": "1\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n",
    "sys/devices/system/node/online": "0-1\n",
    "sys/devices/system/node/node0/cpulist": "0-1\n",
    ".dockerenv": "",
    "proc/cmdline": "console=ttyS0 isolcpus=managed_irq,domain,2-3 nohz_full=2-3\n",
    "proc/self/cgroup": "5:memory:/docker/1f2e\n4:cpu,cpuacct:/docker/1f2e\n1:name=systemd:/docker/1f2e\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "4294967296\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
}

# A virtual machine whose kernel shows little: no cpufreq, no topology, no control groups.
VIRTUAL = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC-Rome Processor\ncpu MHz\t\t: 2445.404\n"
    "flags\t\t: fpu tsc avx2 avx512f hypervisor\n",
    "sys/class/dmi/id/sys_vendor": "QEMU\n",
    "sys/class/dmi/id/product_name": "Standard PC (Q35 + ICH9, 2009)\n",
    "proc/meminfo": "MemTotal:        4026000 kB\n",
}
