"""How much of the machine is used: thousand million flops, or bytes, per second, of one core."""

from typing import ClassVar

from benchmarks import frameworks, workloads
from benchmarks.common import _Bound
from benchmarks.frameworks import compare


class _Rate(_Bound):
    """Base: the workloads of a class, each at one size, on each framework."""

    param_names = ("workload", "framework")
    params: ClassVar[tuple[list[str], list[str]]]
    size: ClassVar[str]

    def setup(self, workload: str, framework: str) -> None:
        """Bind, compile and pin."""
        self.workload_now = workloads.get(workload)
        self.call = self._bind(self.workload_now, framework, self.size)

    def seconds(self) -> float:
        """Median seconds of one call."""
        return compare.alternate({"call": self.call}, rounds=5)["call"].interval().median


class Compute(_Rate):
    """Workloads that arithmetic bounds, with their data in the caches."""

    version = "1"
    size = "cache"
    params = (["matmul", "bmm", "gelu", "layer_norm"], list(frameworks.NAMES))

    def track_gflops(self, workload: str, framework: str) -> float:
        """GFLOP/s."""
        work = self.workload_now
        return work.flops(*work.sizes[self.size]) / self.seconds() / 1e9

    track_gflops.unit = "GFLOP/s"  # type: ignore[attr-defined]


class Bandwidth(_Rate):
    """Workloads that memory bounds, out of the caches."""

    version = "1"
    size = "memory"
    params = (["add", "sum", "softmax", "transpose"], list(frameworks.NAMES))

    def track_gbps(self, workload: str, framework: str) -> float:
        """GB/s that must be moved: inputs read once, outputs written once."""
        work = self.workload_now
        return work.bytes(*work.sizes[self.size]) / self.seconds() / 1e9

    track_gbps.unit = "GB/s"  # type: ignore[attr-defined]
