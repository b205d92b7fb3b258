"""What was measured, in words and in rows of text: for the terminal, for Markdown and for the site."""

from collections.abc import Sequence

from asv.util import human_time

from ..conditions import Conditions
from ..machine import Bandwidth, Peaks, binary
from .noise import Noise


def meanwhile(c: Conditions) -> list[tuple[str, str]]:
    """Name and wording of every condition; what this system does not tell says so."""

    def told(value: float | None, words: str) -> str:
        return "not told here" if value is None else words.format(value)

    return [
        ("watched for", f"{c.seconds:.1f} s"),
        ("load average", told(c.load, "{:.2f}") + (f" on {c.cores} cores" if c.cores else "")),
        ("other processes", told(c.others, "{:.1%} of the cores' time")),
        ("steal", told(c.steal, "{:.2%} of the cores' time")),
        ("waiting for a core", told(c.cpu_pressure, "{:.1%} of the time")),
        ("waiting for memory", told(c.memory_pressure, "{:.1%} of the time")),
        ("waiting for I/O", told(c.io_pressure, "{:.1%} of the time")),
        ("stopped by the quota", told(c.throttled, "{:.1%} of the time")),
        ("slowed for heat", told(c.thermal_throttles, "{} times")),
        ("clock drift", told(c.drift, "{:+.2f} parts per million")),
        ("time of day ran off", told(c.jump, "{:+.6f} s")),
    ]


def levels(peaks: Peaks) -> list[tuple[str, ...]]:
    """Return a row for each working set: size, level, GB/s of read, copy and triad, and the latency."""
    latencies = {each.working_set: human_time(each.seconds) for each in peaks.latencies}
    return [(*_rates(row), latencies.get(row.working_set, "")) for row in peaks.bandwidths]


def _rates(row: Bandwidth) -> tuple[str, ...]:
    rates = (f"{rate / 1e9:.1f}" for rate in (row.read, row.best_copy, row.best_triad))
    return binary(row.working_set), row.level or "unknown", *rates


def together(peaks: Peaks) -> str:
    """Return the multiply-adds of one core and of all, and what all move at once."""
    every, row = peaks.together, peaks.together.bandwidth
    disturbed = " Less than one core alone: others used the cores; measure again with --fresh-peaks."
    return (
        f"Multiply-adds, float32 ({peaks.vector}): {peaks.flops / 1e9:.0f} GFLOP/s one core, "
        f"{every.flops / 1e9:.0f} GFLOP/s {every.cores} cores. Triad of {binary(row.working_set)} on {every.cores} "
        f"cores: {row.best_triad / 1e9:.1f} GB/s.{disturbed * (every.flops < peaks.flops)}"
    )


LEVELS = ("working set", "level", "read GB/s", "copy GB/s", "triad GB/s", "latency")
NOISE = ("kernel", "time", "within a process", "between processes", "smallest change found")


def noise_rows(noise: Sequence[Noise]) -> list[tuple[str, ...]]:
    """Return a row for each kernel of the noise measurement, as NOISE heads them."""
    return [
        (n.kernel, human_time(n.seconds), f"{n.within:.1%}", f"{n.between:.1%}", f"{n.detectable:.1%}") for n in noise
    ]
