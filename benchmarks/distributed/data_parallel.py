"""One data-parallel training step over two ranks, beside PyTorch's DistributedDataParallel on gloo."""

import tempfile

from benchmarks.distributed import data_parallel_ranks
from benchmarks.distributed.job import found, measure

BATCH = 64
SAMPLES = 20


def setup_cache():
    """Run the job once: steps on both frameworks, in alternation."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(data_parallel_ranks.steps, BATCH, SAMPLES, folder)


setup_cache.timeout = 300  # type: ignore[attr-defined]


class Step:
    """A step of SGD on an MLP of 1.9 million parameters, 64 rows a rank."""

    param_names = ("framework",)
    params = (["torsh", "torch"],)
    version = "1"

    def setup(self, results, framework):
        """Leave with the reason when this framework was not measured."""
        self.seconds = found(results, framework)

    def track_step_seconds(self, results, framework):
        """Time of one step: the median over samples of the slowest rank."""
        return self.seconds

    track_step_seconds.unit = "seconds"  # type: ignore[attr-defined]


class StepTraffic:
    """What the ranks say to one another in a step of torsh_ops."""

    version = "1"

    def setup(self, results):
        """Leave with the reason when the job did not run."""
        self.nbytes = found(results, "bytes")
        self.share = found(results, "share")

    def track_bytes_per_step(self, results):
        """Bytes that one rank sends in a step, counted at the calls."""
        return self.nbytes

    def track_communication_share(self, results):
        """Part of a step that collectives take, waiting for the other rank included."""
        return self.share

    track_bytes_per_step.unit = "bytes"  # type: ignore[attr-defined]
    track_communication_share.unit = "ratio"  # type: ignore[attr-defined]
