"""Memory that a call needs on top of its inputs: its result and what it holds on the way, at the peak."""

import time

from benchmarks import frameworks, workloads
from benchmarks.common import _Bound, peak_growth, resident
from benchmarks.frameworks.adapter import Call


class Peak(_Bound):
    """The first call on 64 MiB inputs: its result is 64 MiB, what is more is the framework's."""

    version = "1"
    unit = "bytes"
    param_names = ("workload", "framework")
    params = (["add", "gelu", "softmax", "layer_norm"], list(frameworks.NAMES))

    def setup(self, workload: str, framework: str) -> None:
        """Bind, and run a small size, which loads and compiles what any size needs; n/a where no peak is kept."""
        work = workloads.get(workload)
        small = self._bind(work, framework, "dispatch")
        self.large = frameworks.load(framework).bind(work, work.make_inputs("memory"))
        peak_growth(lambda: None)
        settle(small)

    def track_peak_memory(self, workload: str, framework: str) -> int:
        """Peak of resident bytes during the call, less those before it."""
        with self.large as call:
            return peak_growth(call)


def settle(small: Call) -> None:
    """Call `small` until resident memory has stood still for 50 ms, two seconds at most.

    JAX frees the arrays that it has copied from in a thread of its own, some time after the copy is done.
    """
    end = time.perf_counter() + 2
    since, before = time.perf_counter(), resident()[0]
    while time.perf_counter() < min(end, since + 0.05):
        small()
        if abs(resident()[0] - before) > 1 << 20:
            since, before = time.perf_counter(), resident()[0]
