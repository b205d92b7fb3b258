"""The kernels behind `scripts.machine`: they do nothing but multiply-add, move bytes, or wait for the next address."""

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

# 12 chains hide 4 to 5 cycles of latency on two ports; with a and b they still fit AVX2's 16 registers.
CHAINS = 12
LINE = 64
# Two loads a cycle need two; each is four registers where vectors have 128 bits, and those have 16 at least.
SUMS = 4


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

    @njit(nogil=True)
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


def _line(context: Any, builder: Any, signature: Any, args: Any, which: int, line: Any, vector: Any) -> Any:
    """Return the address of a line of the array that is argument `which`, as one of a `vector` of 64 bytes."""
    array = arrayobj.make_array(signature.args[which])(context, builder, args[which])
    start = builder.bitcast(array.data, ir.IntType(8).as_pointer())
    return builder.bitcast(builder.gep(start, [builder.mul(line, ir.Constant(line.type, LINE))]), vector.as_pointer())


@intrinsic
def _sum_bits(_context: Any, x: Any, groups: Any) -> Any:
    """Add up `groups` of SUMS lines of `x` as integers, a running sum for each line of a group."""
    vector = ir.VectorType(ir.IntType(32), LINE // 4)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        cells = [cgutils.alloca_once_value(builder, ir.Constant(vector, [0] * vector.count)) for _ in range(SUMS)]
        with cgutils.for_range(builder, args[1]) as loop:
            first = builder.mul(loop.index, ir.Constant(loop.index.type, SUMS))
            for i, cell in enumerate(cells):
                line = builder.add(first, ir.Constant(first.type, i))
                value = builder.load(_line(context, builder, signature, args, 0, line, vector), align=LINE)
                builder.store(builder.add(builder.load(cell), value), cell)
        total = ir.Constant(ir.IntType(32), 0)
        for cell in cells:
            lanes = builder.load(cell)
            for lane in range(vector.count):
                total = builder.add(total, builder.extract_element(lanes, ir.Constant(ir.IntType(32), lane)))
        return total

    return types.int32(x, groups), generate


@njit(nogil=True)
def read(repeats: int, x: np.ndarray, _y: np.ndarray, _out: np.ndarray) -> Any:
    """Add up the bits of `x`: integer sums take one cycle, so that loads are the limit and not the additions.

    In LLVM's own vectors, like all that moves bytes here: the loop vectoriser stops at 256 bits, which read 166 GB/s
    from a first-level cache that gave 269 so, and 114 from a second-level one that gave 139.
    """
    total = np.int32(0)
    for _ in range(repeats):
        # What one round sums goes into the next: none can be left out.
        total = np.int32(_sum_bits(x, x.size * 4 // LINE // SUMS) ^ total)
    return total


def _storing(past: bool) -> Any:
    """Compile `store(x, y, out, line, scalar)`: a line of x + scalar y, or of x where y is None, into `out`.

    `past` the caches a store does not read the line that it replaces.
    """
    vector = ir.VectorType(ir.FloatType(), LINE // 4)

    @intrinsic
    def store(_context: Any, x: Any, y: Any, out: Any, line: Any, scalar: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def place(which: int) -> Any:
                return _line(context, builder, signature, args, which, args[3], vector)

            value = builder.load(place(0), align=LINE)
            if not isinstance(y, types.NoneType):
                product = builder.fmul(builder.load(place(1), align=LINE), _splat(builder, vector, args[4]))
                value = builder.fadd(value, product, flags=("contract",))
            stored = builder.store(value, place(2), align=LINE)
            if past:
                stored.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
            return context.get_dummy_value()

        return types.void(x, y, out, line, scalar), generate

    return store


_store, _store_past = _storing(past=False), _storing(past=True)


def _copying(store: Any) -> Any:
    @njit(nogil=True)
    def copy(repeats: int, x: np.ndarray, _y: np.ndarray, out: np.ndarray) -> Any:
        """Copy `x` to `out`."""
        for _ in range(repeats):
            for line in range(x.size * 4 // LINE):
                store(x, None, out, line, np.float32(0))
        return out[0]

    return copy


def _triad(store: Any) -> Any:
    @njit(nogil=True)
    def triad(repeats: int, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> Any:
        """STREAM's triad, with another scalar each time."""
        for r in range(repeats):
            for line in range(x.size * 4 // LINE):
                store(x, y, out, line, np.float32(r))
        return out[0]

    return triad


copy, triad = _copying(_store), _triad(_store)
# With stores past the caches.
copy_past, triad_past = _copying(_store_past), _triad(_store_past)


# Name, kernel, and how many arrays it walks over: float32, whole groups of SUMS lines, each array beginning at a line.
MOVERS: tuple[tuple[str, Any, int], ...] = (
    ("read", read, 1),
    ("copy", copy, 2),
    ("triad", triad, 3),
    ("copy_past", copy_past, 2),
    ("triad_past", triad_past, 3),
)


@njit
def chase(steps: int, successors: np.ndarray, start: int) -> int:
    """Follow `successors`, one number a line, for `steps`: each address comes from the load before."""
    at = start
    for _ in range(steps):
        at = successors[at]
    return at


def ring(working_set: int) -> np.ndarray:
    """Link all lines of an array of `working_set` bytes into one ring in random order, for `chase`."""
    step = LINE // 8
    order = np.random.default_rng(0).permutation(working_set // LINE) * step
    successors = np.zeros(working_set // LINE * step, np.int64)
    successors[order] = np.roll(order, -1)
    return successors
