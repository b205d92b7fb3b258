"""What a benchmark class stands on: one workload, on every framework, at its sizes.

A class names its workload and no more::

    class Exp(_Timed, workload="exp"):
        \"\"\"exp of float32.\"\"\"

The bases are private, or asv would find their methods again in each module that imports them.
"""

import ctypes
import importlib.util
import signal
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import frameworks, workloads
from benchmarks.frameworks import compare
from benchmarks.frameworks.adapter import Call

# What a framework imports with its first operation, so that every cell would do it again: 0.4 s of JAX.
LATE = {"jax": ("jaxlib.mlir.dialects.mhlo", "jaxlib.mlir.dialects.builtin")}


def preload() -> None:
    """Import every framework that is installed, and compute nothing.

    asv's fork server imports this module once per commit and forks for each cell, so a cell finds TensorFlow loaded
    instead of spending five seconds on it. A framework that computed here would start threads, which no fork keeps.
    """
    for package in frameworks.PACKAGES.values():
        if importlib.util.find_spec(package):
            try:
                for name in (package, *LATE.get(package, ())):
                    importlib.import_module(name)
            except Exception as error:
                # The cells of a broken framework say the same; the server must live for the others.
                print(f"{package} is installed and broken: {type(error).__name__}: {error}")
    # Numba does the same, 0.3 s, where a kernel comes from its cache.
    importlib.import_module("numba.core.registry").cpu_target.target_context.refresh()


def end_with_parent() -> None:
    """Have Linux end this process when the one that started it ends, however that does (PR_SET_PDEATHSIG).

    A fork server whose asv was killed would wait for ever, with every framework in memory.
    """
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):
        prctl(1, signal.SIGKILL)


# How asv starts its fork server. In any other process (a cell that asv spawns, a test) importing this stays cheap.
if sys.argv[1:2] == ["run_server"]:
    end_with_parent()
    preload()


class _Bound:
    """Binds a workload on a framework, on one core; n/a where the framework or its operator is missing."""

    workload: ClassVar[workloads.Workload]
    version: ClassVar[str]
    # A cell takes well under a second; the rest is for the first compilation of kernels at a commit.
    timeout = 120.0

    def _bind(self, workload: workloads.Workload, framework: str, size: str) -> Call:
        """Pin and make the call ready, once per cell: asv runs setup again before every sample."""
        self._open = ExitStack()
        # Before the framework starts its threads: they stay on the core that they were started on.
        self._open.enter_context(compare.pinned())
        cell = (workload.name, framework, size)
        if getattr(self, "_cell", None) != cell:
            self._bound = frameworks.load(framework).bind(workload, workload.make_inputs(size))
            with self._bound as call:
                call()
            self._cell = cell
        return self._open.enter_context(self._bound)

    def teardown(self, *cell: str) -> None:
        """Leave the framework's mode and the core; asv runs this after a skipped setup too."""
        if hasattr(self, "_open"):
            self._open.close()


class _Timed(_Bound):
    """Seconds per call of one workload, for each framework and size."""

    param_names = ("framework", "size")
    params: ClassVar[tuple[list[str], list[str]]]
    # One process of few samples: samples in one differ by 1.1 %, processes of one server by 1.9 %, rounds with a server
    # each by 3.5 % (57 cells, 18 processes each), and a process costs as much as 20 samples. So more precision is more
    # rounds: `python -m scripts run --precision 2`. The median of five is right when two were disturbed.
    rounds = 1
    repeat = (3, 5, 0.3)
    sample_time = 0.004
    # After 24 ms the first samples differ from the last ones no more than later ones do; TensorFlow's by 5-30 % at 8.
    warmup_time = 0.02

    def __init_subclass__(cls, workload: str, sizes: Iterable[str] = (), **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.workload = workloads.get(workload)
        cls.version = cls.workload.version
        cls.params = (list(frameworks.NAMES), list(sizes or cls.workload.sizes))

    def setup(self, framework: str, size: str) -> None:
        """Bind, compile and pin."""
        self.call = self._bind(self.workload, framework, size)

    def time_call(self, framework: str, size: str) -> None:
        """One call, done when it returns."""
        self.call()


def peak_growth(call: Call) -> int:
    """Peak of this process's resident bytes during `call`, less the resident bytes before it.

    Linux keeps the peak (VmHWM) and sets it back when 5 is written to clear_refs (proc(5)); where it doesn't, this
    raises NotImplementedError. What malloc holds of freed memory is given back first, or the call would reuse it;
    what a framework's own allocator holds can't be, so measure the first call of a size in its process.
    """
    getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        raise NotImplementedError(f"this kernel can't reset the peak of resident memory: {error}") from error
    before, peak = resident()
    # The two counters are read apart: 1 MiB is far more than can come between.
    if peak > before + (1 << 20):
        raise NotImplementedError(f"this kernel did not reset the peak of resident memory: it stays at {peak} bytes")
    result = call()
    _, peak = resident()
    del result
    return max(0, peak - before)


def resident() -> tuple[int, int]:
    """Resident bytes now and at their peak."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now, peak = (int(status[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))
    return now, peak
