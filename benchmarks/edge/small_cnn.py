"""SmallCNN on a small machine: one 32x32 image, one core, one thread, onnxruntime beside torsh_ops."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import frameworks
from benchmarks.edge import child
from benchmarks.edge.artefacts import prepare
from benchmarks.frameworks import compare

NAMES = list(child.RUNTIMES)
# Starts timed after the first, which compiles the kernels.
STARTS = 3
# The 99th percentile is then the tenth longest of them.
CALLS = 1000
STAGES = ("import", "load", "first_inference", "process", "peak")


def setup_cache() -> Any:
    """Measure everything once, by runtime and subject; text stands for what could not be measured."""
    if not Path("/proc/self/clear_refs").exists():
        return "memory is read from Linux's /proc, which is not here"
    frameworks.threads.hold()
    with tempfile.TemporaryDirectory(prefix="torsh-edge-") as name, compare.pinned():
        folder = Path(name)
        try:
            missing = prepare(folder)
        except NotImplementedError as error:
            return str(error)
        if importlib.util.find_spec("onnxruntime") is None:
            missing["onnxruntime"] = "onnxruntime is not installed: pip install torsh-ops[edge]"
        ready = [runtime for runtime in NAMES if runtime not in missing]
        found: dict[str, Any] = {runtime: _starts(runtime, folder) for runtime in ready}
        for runtime, latency in _latencies(ready, folder).items():
            found[runtime] |= latency | {"memory": _run("memory", runtime, folder)}
        return missing | found


setup_cache.timeout = 600  # type: ignore[attr-defined]


def _run(job: str, runtime: str, folder: Path) -> dict[str, Any]:
    """One run of child.py; torsh_ops is the one that this process has, and its kernels are cached in `folder`."""
    package = importlib.util.find_spec("torsh_ops")
    assert package is not None and package.origin is not None
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(folder / "kernels"),
        "PYTHONPATH": str(Path(package.origin).parent.parent),
        # Blocks from 128 KiB on go back to the system when freed, always: what was free would not count as used.
        "MALLOC_MMAP_THRESHOLD_": "131072",
        "MALLOC_TRIM_THRESHOLD_": "0",
    }
    command = [sys.executable, "-P", child.__file__, job, runtime, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{job} of {runtime} ended with status {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _starts(runtime: str, folder: Path) -> dict[str, Any]:
    """Seconds from asking for a process to its first answer: the very first time, and the medians after that."""
    runs = []
    for _ in range(1 + STARTS):
        before = time.perf_counter()
        run = _run("start", runtime, folder)
        runs.append(run | {"process": run["end"] - before})
    return {"first": runs[0], "start": {stage: median(run[stage] for run in runs[1:]) for stage in STAGES}}


def _latencies(names: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Percentiles of one inference, and the time over the fastest's; every sample is one call, in alternation."""
    calls = {}
    for name in names:
        runtime = child.RUNTIMES[name]()
        runtime.start()
        runtime.load(folder)
        child.check(runtime.infer(), folder)
        calls[name] = runtime.infer
    samples = compare.alternate(calls, rounds=CALLS, sample_seconds=0)
    best = samples[compare.fastest(samples)]
    found = {}
    for name, sample in samples.items():
        ratio = sample.ratio(best).median if len(samples) > 1 else "there is no other runtime here"
        found[name] = {"latency": child.percentiles(list(sample.seconds)), "ratio": ratio}
    return found


def _find(results: Any, runtime: str) -> dict[str, Any]:
    """The results of a runtime; n/a, with the reason, where it was not measured."""
    found = results if isinstance(results, str) else results[runtime]
    if isinstance(found, str):
        raise NotImplementedError(found)
    return found


class _Runtimes:
    """The cells of each runtime."""

    param_names = ("runtime",)
    params = (NAMES,)
    version = "1"

    def setup(self, results, runtime):
        """Find this runtime's results."""
        self.found = _find(results, runtime)


class ColdStart(_Runtimes):
    """A fresh process up to its first answer; but for the very first time, compiled kernels are on disk."""

    unit = "seconds"

    def track_cold_start_import(self, results, runtime):
        """Importing the library."""
        return self.found["start"]["import"]

    def track_cold_start_load(self, results, runtime):
        """Reading the model."""
        return self.found["start"]["load"]

    def track_cold_start_first_inference(self, results, runtime):
        """The first answer."""
        return self.found["start"]["first_inference"]

    def track_cold_start_process(self, results, runtime):
        """All of it, and the interpreter's own start."""
        return self.found["start"]["process"]

    def track_first_start_process(self, results, runtime):
        """The same the very first time: torsh_ops compiles every kernel."""
        return self.found["first"]["process"]


class Latency(_Runtimes):
    """One inference at a time in a warm process, the runtimes in alternation."""

    unit = "seconds"

    def track_latency_p50(self, results, runtime):
        """Median."""
        return self.found["latency"]["p50"]

    def track_latency_p95(self, results, runtime):
        """One in twenty takes longer."""
        return self.found["latency"]["p95"]

    def track_latency_p99(self, results, runtime):
        """One in a hundred takes longer."""
        return self.found["latency"]["p99"]


class LatencyRatio(_Runtimes):
    """Median of the paired ratios to the faster runtime, which has 1 itself."""

    unit = "ratio"

    def track_latency_over_fastest(self, results, runtime):
        """Time of an inference over the fastest's."""
        if isinstance(self.found["ratio"], str):
            raise NotImplementedError(self.found["ratio"])
        return self.found["ratio"]


class Memory(_Runtimes):
    """What a process needs."""

    unit = "bytes"

    def track_process_peak_memory(self, results, runtime):
        """Most resident memory up to the first answer, interpreter and libraries included."""
        return self.found["start"]["peak"]

    def track_smallest_data_limit(self, results, runtime):
        """Smallest RLIMIT_DATA, above what the ready runtime holds, under which the model loads and answers."""
        return self.found["memory"]["smallest"]


class _Tiers:
    """Load and answer under RLIMIT_DATA: the ready runtime and so many megabytes; n/a where that is too little."""

    param_names = ("runtime", "limit_mb")
    params = (NAMES, list(child.TIERS))
    version = "1"

    def setup(self, results, runtime, limit_mb):
        """Find the results under this limit."""
        self.tier = _find(results, runtime)["memory"]["tiers"][str(limit_mb)]
        if "error" in self.tier:
            raise NotImplementedError(f"{runtime} does not fit into {limit_mb} MB: {self.tier['error']}")


class LatencyUnderLimit(_Tiers):
    """One inference at a time."""

    unit = "seconds"

    def track_latency_p50(self, results, runtime, limit_mb):
        """Median."""
        return self.tier["p50"]

    def track_latency_p95(self, results, runtime, limit_mb):
        """One in twenty takes longer."""
        return self.tier["p95"]

    def track_latency_p99(self, results, runtime, limit_mb):
        """One in a hundred takes longer."""
        return self.tier["p99"]


class MemoryUnderLimit(_Tiers):
    """Resident memory at its peak."""

    unit = "bytes"

    def track_peak_memory(self, results, runtime, limit_mb):
        """Over that of the ready runtime."""
        return self.tier["peak"]
