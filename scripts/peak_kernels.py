"""The kernels behind `scripts.machine`: they do nothing but multiply-add, or nothing but move bytes."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# 12 chains hide 4 to 5 cycles of latency on two ports; with a and b they still fit AVX2's 16 registers.
CHAINS = 12
ROUNDS = 1_000_000


def vector_lanes() -> tuple[int, str]:
    """Count the float32 lanes of the widest vector of this CPU, and name its instruction set."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16, "AVX-512"
    return (8, "AVX2") if features.get("avx") else (4, "128 bit")


def fma_kernel(lanes: int) -> Any:
    """Compile `kernel(rounds, x, a, b)`: rounds x CHAINS fused multiply-adds on vectors of `lanes` float32.

    Written in LLVM's own instructions: the loop vectoriser stops at 256 bits here, half of the AVX-512 peak.
    """
    vector = ir.VectorType(ir.FloatType(), lanes)

    @intrinsic
    def chains(_context: Any, rounds: Any, x: Any, a: Any, b: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            start, factor, term = (_splat(builder, vector, value) for value in args[1:])
            signature = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, signature, f"llvm.fma.v{lanes}f32")
            cells = [cgutils.alloca_once_value(builder, _scaled(builder, start, i)) for i in range(CHAINS)]
            with cgutils.for_range(builder, args[0]):
                for cell in cells:
                    builder.store(builder.call(fma, [builder.load(cell), factor, term]), cell)
            total = builder.load(cells[0])
            for cell in cells[1:]:
                total = builder.fadd(total, builder.load(cell))
            return _sum_lanes(builder, total)

        return types.float32(rounds, x, a, b), generate

    @njit
    def kernel(rounds: int, x: float, a: float, b: float) -> Any:
        return chains(rounds, x, a, b)

    return kernel


def _splat(builder: Any, vector: Any, value: Any) -> Any:
    undefined, index = ir.Constant(vector, ir.Undefined), ir.VectorType(ir.IntType(32), vector.count)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(index, [0] * vector.count))


def _scaled(builder: Any, value: Any, chain: int) -> Any:
    # Equal chains would be merged into one.
    return builder.fmul(value, ir.Constant(value.type, [1.0 + chain / 64] * value.type.count))


def _sum_lanes(builder: Any, value: Any) -> Any:
    total = ir.Constant(ir.FloatType(), 0.0)
    for lane in range(value.type.count):
        total = builder.fadd(total, builder.extract_element(value, ir.Constant(ir.IntType(32), lane)))
    return total


@njit
def read(repeats: int, x: np.ndarray, _y: np.ndarray, _out: np.ndarray) -> Any:
    """Add up the bits of `x`: integer sums take one cycle, so that loads are the limit and not the additions."""
    bits = x.view(np.int32)
    total = np.int32(0)
    for _ in range(repeats):
        once = np.int32(0)
        for i in range(bits.size):
            once = np.int32(once + bits[i])
        # What one round sums goes into the next: none can be left out.
        total = np.int32(once ^ total)
    return total


@njit
def copy(repeats: int, x: np.ndarray, _y: np.ndarray, out: np.ndarray) -> Any:
    """Copy `x` to `out`, there and back in turn."""
    for r in range(repeats):
        if r % 2 == 0:
            for i in range(x.size):
                out[i] = x[i]
        else:
            for i in range(x.size):
                x[i] = out[i]
    return out[0]


@njit(fastmath={"contract"})
def triad(repeats: int, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> Any:
    """STREAM's triad, with another scalar each time."""
    for r in range(repeats):
        s = np.float32(r)
        for i in range(x.size):
            out[i] = x[i] + s * y[i]
    return out[0]


def best_of(call: Callable[[], Any], times: int) -> float:
    """Shortest of `times` calls, in seconds; one call before them is not counted."""
    call()
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def best_flops() -> tuple[float, str]:
    """Return float32 operations a second, and the vector they ran on."""
    lanes, name = vector_lanes()
    kernel, one = fma_kernel(lanes), np.float32(1)
    # x -> 0.999 x + 0.001 stays near one: neither overflow nor denormals.
    seconds = best_of(lambda: kernel(ROUNDS, one, np.float32(0.999), np.float32(0.001)), 25)
    return 2 * lanes * CHAINS * ROUNDS / seconds, name


def best_bandwidth(working_set: int) -> list[float]:
    """Bytes a second of read, copy and triad when their arrays hold `working_set` bytes together."""
    # About 50 MB a timing: long against the clock's step, short against a neighbour's burst.
    repeats, times = max(1, 50_000_000 // working_set), 25 if working_set < 50_000_000 else 5
    found = []
    for kernel, count in ((read, 1), (copy, 2), (triad, 3)):
        size = working_set // (64 * count) * 16
        arrays = [np.ones(size, np.float32) for _ in range(count)]
        # Every kernel takes three; the ones it does not use are any of those it does.
        call = partial(kernel, repeats, arrays[0], arrays[count // 2], arrays[-1])
        found.append(count * 4 * size * repeats / best_of(call, times))
    return found
