"""torsh beside the fastest of the others, both measured in turn in one process."""

from contextlib import ExitStack

from benchmarks import workloads
from benchmarks.frameworks import compare


class Peers:
    """Median time of torsh over that of the fastest peer: below 1, torsh is the faster one."""

    version = "1"
    unit = "ratio"
    timeout = 120.0
    param_names = ("workload", "size")
    params = (
        ["add", "exp", "gelu", "sum", "softmax", "layer_norm", "matmul", "grad_mlp"],
        ["dispatch", "cache"],
    )

    def setup(self, workload: str, size: str) -> None:
        """Bind and compile on every framework; n/a without torsh or without a peer."""
        self._open = ExitStack()
        self._open.enter_context(compare.pinned())
        self.calls, reasons = self._open.enter_context(compare.bind(workloads.get(workload), size))
        if "torsh" in reasons:
            raise NotImplementedError(reasons["torsh"])
        if len(self.calls) == 1:
            raise NotImplementedError(f"no peer of torsh here: {reasons}")

    def track_time_over_fastest_peer(self, workload: str, size: str) -> float:
        """Median of the paired ratios."""
        samples = compare.alternate(self.calls, rounds=11)
        ours = samples.pop("torsh")
        return ours.ratio(samples[compare.fastest(samples)]).median

    def teardown(self, workload: str, size: str) -> None:
        """Leave the modes and the core."""
        self._open.close()
