"""All-reduce of float32 over two MPI ranks, beside PyTorch's gloo."""

import tempfile

from benchmarks.distributed import allreduce_ranks
from benchmarks.distributed.job import RANKS, found, measure

# Bytes, calls a sample, samples. A call's fixed cost; caches; memory, where the library's own buffers show.
SIZES = {"1KiB": (2**10, 200, 30), "1MiB": (2**20, 10, 30), "64MiB": (2**26, 1, 12)}


def setup_cache():
    """Run the job once: every size on both backends, in alternation."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(allreduce_ranks.all_reduce, SIZES, folder)


setup_cache.timeout = 300  # type: ignore[attr-defined]


class AllReduce:
    """Sum of one array a rank, in place: 1 KiB shows the latency of a call, 64 MiB the bandwidth."""

    param_names = ("size", "backend")
    params = (list(SIZES), ["mpi", "gloo"])
    version = "1"

    def setup(self, results, size, backend):
        """Leave with the reason when this cell was not measured."""
        self.seconds = found(results, f"{backend} {size}")

    def track_allreduce_seconds(self, results, size, backend):
        """Time of one call: the median over samples of the slowest rank."""
        return self.seconds

    def track_allreduce_bandwidth(self, results, size, backend):
        """Bus bandwidth as nccl-tests defines it: 2(n - 1)/n of the array's bytes, over the time."""
        return 2 * (RANKS - 1) / RANKS * SIZES[size][0] / self.seconds / 1e9

    track_allreduce_seconds.unit = "seconds"  # type: ignore[attr-defined]
    track_allreduce_bandwidth.unit = "GB/s"  # type: ignore[attr-defined]


class AllReduceTraffic:
    """Bytes that one rank sends in an all-reduce, counted at the call."""

    param_names = ("size",)
    params = (list(SIZES),)
    version = "1"

    def setup(self, results, size):
        """Leave with the reason when the job did not run."""
        self.nbytes = found(results, f"bytes {size}")

    def track_allreduce_bytes(self, results, size):
        """Bytes of one call."""
        return self.nbytes

    track_allreduce_bytes.unit = "bytes"  # type: ignore[attr-defined]
