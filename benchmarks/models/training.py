"""One training step: forward, loss, backward and gradient descent on every weight, in batches of eight."""

from typing import ClassVar

from benchmarks import frameworks, workloads
from benchmarks.frameworks import compare
from benchmarks.models import steps


class _Step:
    """Base: makes the step of one workload ready, pinned to one core; n/a where a framework can't train."""

    size = "batch8"
    version = "1"
    timeout = 120.0
    rounds = 1
    repeat = (3, 8, 0.3)
    sample_time = 0.004
    warmup_time = 0.02
    param_names = ("framework",)
    params = (list(frameworks.NAMES),)
    workload: ClassVar[str]

    def setup(self, framework: str) -> None:
        """Compile once per cell, and begin every sample with the same weights."""
        self._pin = compare.pinned()
        self._pin.__enter__()
        if not hasattr(self, "step"):
            workload = workloads.get(self.workload)
            self.step = steps.make(framework, workload, workload.make_inputs(self.size))
            self.step.call()
        self.step.reset()

    def time_step(self, framework: str) -> None:
        """One step, done when it returns."""
        self.step.call()

    def track_samples_per_second(self, framework: str) -> float:
        """Eight over the median time of a step."""
        return 8 / compare.alternate({"call": self.step.call}, rounds=7)["call"].interval().median

    track_samples_per_second.unit = "samples/s"  # type: ignore[attr-defined]

    def teardown(self, framework: str) -> None:
        """Leave the core; asv runs this after a skipped setup too."""
        self._pin.__exit__(None, None, None)


class Cnn(_Step):
    """A CNN of four convolutions on 32x32 images, mean cross-entropy."""

    workload = "cnn_training"


class Encoder(_Step):
    """A Transformer encoder block on 128 places of width 256, mean squared error."""

    workload = "encoder_training"
