"""The core's softmax kernel as ARMv8 code with NEON, run under an emulator that counts its instructions.

The counts are exact and repeat. They are no times: how many cycles a phone takes for them is not known here.
"""

import numpy as np

from benchmarks import workloads
from benchmarks.mobile import emulator

KERNEL = "torsh_ops.kernels.rows:softmax"
TARGETS = ["armv8-neon"]
# As many elements in short rows as in long ones: the ends of rows are what vector code does worst.
SIZES = {"short_rows": (1024, 16), "long_rows": (16, 1024)}


def setup_cache():
    """Instructions of each target and size, all and those on vectors, or the reason why there are none."""
    try:
        from torsh_ops.edge import RetargetError, link_program, retarget
    except ImportError as error:
        return str(error)
    try:
        counts = {}
        for target in TARGETS:
            plugin = emulator.build_plugin(target)
            code = retarget(KERNEL, "f4[m,n] f4[m,n]", target)
            program = link_program(emulator.DRIVER, code)
            for size in SIZES:
                counts[target, size] = _count(program, plugin, target, size)
        return counts
    except (RetargetError, NotImplementedError) as error:
        return str(error)


setup_cache.timeout = 300  # type: ignore[attr-defined]


def _count(program, plugin, target, size):
    workload = workloads.get("softmax")
    (x,) = workload.inputs(np.random.default_rng(workload.seed), *SIZES[size])
    result, executed = emulator.run(program, plugin, target, x)
    np.testing.assert_allclose(result, workload.oracle(x.astype(np.float64)), workload.rtol, workload.atol)
    return sum(e.count for e in executed), sum(e.count for e in executed if emulator.is_neon(e.opcode))


class Softmax:
    """Instructions that one call of the kernel executes; the result was compared with NumPy's."""

    params = (TARGETS, list(SIZES))
    param_names = ("target", "size")
    version = "1"

    def setup(self, cache, target, size):
        """Leave with the reason where nothing could be counted."""
        if isinstance(cache, str):
            raise NotImplementedError(cache)

    def track_emulated_instructions(self, cache, target, size):
        """All instructions."""
        return cache[target, size][0]

    def track_emulated_neon_instructions(self, cache, target, size):
        """Those that compute on vectors; loads and stores are not among them."""
        return cache[target, size][1]

    track_emulated_instructions.unit = "instructions"  # type: ignore[attr-defined]
    track_emulated_neon_instructions.unit = "instructions"  # type: ignore[attr-defined]
