"""The core's softmax kernel as WebAssembly, with and without vector instructions."""

from contextlib import ExitStack

import numpy as np

from benchmarks import workloads
from benchmarks.frameworks import compare
from benchmarks.wasm.engine import RowKernel

KERNEL = "torsh_ops.kernels.rows:softmax"
TARGETS = ["wasm32", "wasm32-simd128"]
# The call from Python costs 45 us whatever it computes: "call" is that cost; in the others it is below 5 %.
# "memory": 8 MiB in and 8 MiB out, more than any L2.
SIZES = {"call": (1, 16), "cache": (512, 1024), "memory": (1024, 2048)}


def setup_cache():
    """The module and the compile time of each target, or the reason why there is none."""
    try:
        from torsh_ops.edge import RetargetError, link_wasm, retarget
    except ImportError as error:
        return str(error)
    built = {}
    try:
        for target in TARGETS:
            code = retarget(KERNEL, "f4[m,n] f4[m,n]", target)
            built[target] = link_wasm(code), code.seconds
    except RetargetError as error:
        return str(error)
    return built


setup_cache.timeout = 300  # type: ignore[attr-defined]


def _built(cache, target):
    if isinstance(cache, str):
        raise NotImplementedError(cache)
    return cache[target]


class Softmax:
    """Time of one call from Python, in wasmtime; the result was compared with NumPy's."""

    params = (TARGETS, list(SIZES))
    param_names = ("target", "size")
    version = "1"
    rounds = 2
    repeat = (3, 5, 0.3)
    sample_time = 0.004
    warmup_time = 0.02
    kernel: RowKernel

    def setup(self, cache, target, size):
        """Compile the module, run it once and compare; only once, though asv comes here before every sample."""
        if not hasattr(self, "kernel"):
            module, _ = _built(cache, target)
            workload = workloads.get("softmax")
            (x,) = workload.inputs(np.random.default_rng(workload.seed), *SIZES[size])
            kernel = RowKernel(module, "softmax")
            kernel.place(x)
            assert kernel.run() == 0
            expected = workload.oracle(x.astype(np.float64))
            np.testing.assert_allclose(kernel.result(), expected, workload.rtol, workload.atol)
            self.kernel = kernel
        self.open = ExitStack()
        self.open.enter_context(compare.pinned())

    def teardown(self, cache, target, size):
        """Leave the core; asv comes here after a skipped setup too."""
        if hasattr(self, "open"):
            self.open.close()

    def time_softmax(self, cache, target, size):
        """One call."""
        self.kernel.run()


class Module:
    """What the kernel costs before it runs: bytes to load, and seconds that Numba and LLVM took."""

    params = (TARGETS,)
    param_names = ("target",)
    version = "1"

    def setup(self, cache, target):
        """Leave with the reason when there is no module."""
        self.module, self.seconds = _built(cache, target)

    def track_bytes(self, cache, target):
        """Size of the linked module."""
        return len(self.module)

    def track_compile_seconds(self, cache, target):
        """Processor time from Python function to object code."""
        return self.seconds

    track_bytes.unit = "bytes"  # type: ignore[attr-defined]
    track_compile_seconds.unit = "seconds"  # type: ignore[attr-defined]
