"""The reproducibility score: 100, less what each finding costs, with the reason and how to mend it.

What a source does not tell costs nothing. Whatever makes single measurements unfit (`conditions.unfit`) costs enough
to bring any machine under the line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..conditions import LEAST_OTHERS, OTHERS_LIMIT, STEAL_LIMIT, Conditions, unfit
from .clocks import Clock
from .noise import Noise

# Under it a machine is not fit to measure: any one reason of `unfit`, or several of the lasting handicaps at once.
FIT = 60
UNFIT = 45
# A/A variation between processes, and its cost. Histories of dedicated machines vary by 0.5 to 1 %, of hosted CI
# runners by 1.4 to 2.3 % (medians); from 10 % on, not even a change of a fifth is found by ten processes a side.
NOISE_COSTS = ((0.10, UNFIT), (0.05, 30), (0.02, 15), (0.01, 5))
STOLEN = 0.002
LOADED = 0.5
HOT = 85
COARSE_CLOCK = 1e-6
LITTLE_MEMORY = 2 << 30
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "refined-jiffies")


@dataclass(frozen=True)
class Finding:
    """Something that makes measurements vary: points it costs, what it is, why it matters and how to mend it."""

    points: int
    what: str
    why: str
    mend: str


@dataclass(frozen=True)
class Rule:
    """A finding where the fact of that name is known and `holds`; `what` and `mend` may name its value."""

    fact: str
    holds: Callable[[Any], Any]
    points: int
    what: str
    why: str
    mend: str


RULES = (
    Rule(
        "governor",
        lambda governor: governor != "performance",
        8,
        "the frequency governor is {value}",
        "the frequency follows the load, so a short benchmark runs at another one than a long one",
        "sudo cpupower frequency-set -g performance",
    ),
    Rule(
        "turbo",
        bool,
        5,
        "turbo is on",
        "the frequency depends on heat and on what the other cores do",
        "Intel: echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo; "
        "others: echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost",
    ),
    Rule(
        "SMT",
        bool,
        5,
        "SMT is on",
        "two hardware threads share a core: a neighbour on the other one halves it",
        "echo off | sudo tee /sys/devices/system/cpu/smt/control",
    ),
    Rule(
        "transparent huge pages",
        lambda pages: pages == "always",
        3,
        "transparent huge pages are on for everything",
        "the kernel moves pages together while a benchmark runs, or does not",
        "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
    ),
    Rule(
        "swap in use",
        bool,
        3,
        "swap is in use",
        "memory that a benchmark touches may have to be read back from the disk",
        "with memory to spare: sudo swapoff -a && sudo swapon -a",
    ),
    Rule(
        "memory available",
        lambda available: available < LITTLE_MEMORY,
        10,
        "less than 2 GiB of memory is available",
        "the kernel frees pages while a benchmark wants new ones",
        "close what holds memory: top -o %MEM",
    ),
    Rule(
        "isolated cores",
        lambda cores: not cores,
        2,
        "no core is isolated",
        "the scheduler may put any process onto the core of a benchmark",
        "on a dedicated machine: isolcpus= and nohz_full= in the kernel's parameters",
    ),
    Rule(
        "clock source",
        lambda source: source in SLOW_CLOCKS,
        10,
        "the clock source is {value}",
        "reading it takes a call into the kernel and about a microsecond",
        "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource",
    ),
    Rule(
        "virtual machine",
        bool,
        10,
        "this is a virtual machine",
        "neighbours that nothing here can see share its caches, memory and power",
        "a dedicated machine; on this one many processes in alternation, which gate and frameworks do",
    ),
    Rule(
        "CPU quota",
        bool,
        10,
        "a control group allows {value:g} cores' worth of time",
        "when it is used up everything stands still until the next period",
        "whole cores instead of a quota, for example docker run --cpuset-cpus",
    ),
    Rule(
        "usable by this process",
        lambda cores: cores == 1,
        10,
        "this process may use one core only",
        "everything that the system does interrupts the benchmark",
        "two cores at least: see taskset -p $$ and the control group",
    ),
    Rule(
        "on mains",
        lambda mains: not mains,
        10,
        "this machine runs on its battery",
        "firmware saves power as it likes",
        "plug it in",
    ),
    Rule(
        "address randomisation",
        bool,
        0,
        "addresses are randomised",
        "every process has another layout: a part of what processes differ by",
        "leave it on: fresh processes average it out; a single layout would be measured as if it were the code",
    ),
    Rule(
        "crippling variables at the start",
        bool,
        0,
        "this shell sets {names}",
        "libraries take slower kernels by it; the commands here clear it, other programs do not",
        "unset {names}",
    ),
    Rule(
        "files changed since",
        bool,
        0,
        "{value} files differ from the last commit",
        "asv measures commits: what is in none is not measured",
        "commit first",
    ),
)


def findings(
    known: Mapping[str, Any], conditions: Conditions, clock: Clock, noise: Sequence[Noise] = ()
) -> tuple[Finding, ...]:
    """Everything found, the dearest first; `known` are the facts' values by name."""
    every = (*_now(conditions), *_load(known, conditions), *_noise(noise), *_clock(clock), *_lasting(known))
    return tuple(sorted(every, key=lambda finding: -finding.points))


def score(found: Sequence[Finding]) -> int:
    """100 less the points of `found`, 0 at least."""
    return max(0, 100 - sum(finding.points for finding in found))


def _lasting(known: Mapping[str, Any]) -> Iterator[Finding]:
    for rule in RULES:
        value = known.get(rule.fact)
        if value is not None and rule.holds(value):
            names = " ".join(value) if isinstance(value, dict) else ""
            what, mend = (words.format(value=value, names=names) for words in (rule.what, rule.mend))
            yield Finding(rule.points, what, rule.why, mend)


def _now(c: Conditions) -> Iterator[Finding]:
    for reason in unfit(c):
        yield Finding(
            UNFIT, reason, "nothing measured meanwhile can be trusted", "see what it is (top), wait, run doctor again"
        )
    if c.others is not None and LEAST_OTHERS < c.others <= OTHERS_LIMIT:
        yield Finding(
            10,
            f"other processes took {c.others:.0%} of the cores' time",
            "they share caches, memory and the power budget with what is measured",
            "close what else computes: top -o %CPU",
        )
    if c.steal is not None and STOLEN < c.steal <= STEAL_LIMIT:
        yield Finding(
            5,
            f"the hypervisor took {c.steal:.1%} of the cores' time",
            "a sample that is interrupted reads too long",
            "another hour, or a machine with cores of its own",
        )
    if c.temperature is not None and c.temperature > HOT:
        yield Finding(10, f"the CPU is at {c.temperature:.0f} °C", "near its limit a core slows down", "let it cool")


def _load(known: Mapping[str, Any], c: Conditions) -> Iterator[Finding]:
    """The load average counts where nothing better tells what others compute: it lags by a minute and holds us too."""
    cores = known.get("usable by this process")
    if c.others is None and c.load is not None and cores and c.load / cores > LOADED:
        yield Finding(
            20,
            f"the load average is {c.load:.2f} on {cores} cores",
            "others compute on the cores that are measured",
            "close what else computes: top -o %CPU",
        )


def _noise(noise: Sequence[Noise]) -> Iterator[Finding]:
    worst = max(noise, key=lambda each: each.between, default=None)
    points = next((cost for least, cost in NOISE_COSTS if worst and worst.between >= least), 0)
    if worst and points:
        yield Finding(
            points,
            f"identical work ({worst.kernel}) differs by {worst.between:.1%} from process to process",
            f"{worst.processes} processes a side find a change of {worst.detectable:.0%} and more, and none below",
            "mend what else is listed here, then run doctor again",
        )


def _clock(clock: Clock) -> Iterator[Finding]:
    if clock.resolution > COARSE_CLOCK:
        yield Finding(
            10,
            f"the clock steps by {clock.resolution * 1e6:.2g} µs",
            "short samples are multiples of its step",
            "another clock source: see clocksource= in the kernel's parameters",
        )
