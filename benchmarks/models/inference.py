"""Inference, one image or sequence at a time and eight together."""

from benchmarks import frameworks, workloads
from benchmarks.common import _Bound, _Timed
from benchmarks.frameworks import compare


class Cnn(_Timed, workload="cnn"):
    """A CNN of four convolutions on 32x32 images."""


class Encoder(_Timed, workload="encoder"):
    """A Transformer encoder block on 128 places of width 256."""


class Throughput(_Bound):
    """Samples per second in batches of eight."""

    version = "1"
    unit = "samples/s"
    param_names = ("model", "framework")
    params = (["cnn", "encoder"], list(frameworks.NAMES))

    def setup(self, model: str, framework: str) -> None:
        """Bind, compile and pin."""
        self.call = self._bind(workloads.get(model), framework, "batch8")

    def track_samples_per_second(self, model: str, framework: str) -> float:
        """Eight over the median time of a call."""
        return 8 / compare.alternate({"call": self.call}, rounds=7)["call"].interval().median
