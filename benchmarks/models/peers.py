"""torsh beside the fastest of the others, both measured in turn in one process."""

from contextlib import ExitStack
from typing import Any

from benchmarks import frameworks, workloads
from benchmarks.frameworks import compare
from benchmarks.models import steps


class Peers:
    """Median time of torsh over that of the fastest peer: below 1, torsh is the faster one."""

    version = "1"
    unit = "ratio"
    timeout = 240.0
    param_names = ("model", "work")
    params = (["cnn", "encoder"], ["batch1", "batch8", "training step"])

    def setup(self, model: str, work: str) -> None:
        """Bind and compile on every framework; n/a without torsh or without a peer."""
        self._open = ExitStack()
        self._open.enter_context(compare.pinned())
        if work == "training step":
            self.calls, reasons = _steps(workloads.get(f"{model}_training"))
        else:
            self.calls, reasons = self._open.enter_context(compare.bind(workloads.get(model), work))
        if "torsh" in reasons:
            raise NotImplementedError(reasons["torsh"])
        if len(self.calls) == 1:
            raise NotImplementedError(f"no peer of torsh here: {reasons}")

    def track_time_over_fastest_peer(self, model: str, work: str) -> float:
        """Median of the paired ratios."""
        samples = compare.alternate(self.calls, rounds=11)
        ours = samples.pop("torsh")
        return ours.ratio(samples[compare.fastest(samples)]).median

    def teardown(self, model: str, work: str) -> None:
        """Leave the modes and the core."""
        self._open.close()


def _steps(workload: workloads.Workload) -> tuple[dict[str, Any], dict[str, str]]:
    """The training step on every framework, run once; and why a framework has none."""
    calls, reasons = {}, {}
    for name in frameworks.NAMES:
        try:
            calls[name] = steps.make(name, workload, workload.make_inputs("batch8")).call
            calls[name]()
        except NotImplementedError as error:
            reasons[name] = str(error)
    return calls, reasons
