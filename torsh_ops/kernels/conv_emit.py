"""Emits the vector instructions of the convolution kernels: what LLVM's own vectoriser does not find by itself."""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

INT64 = ir.IntType(64)
INT32 = ir.IntType(32)


def _choose_tile() -> tuple[int, int]:
    """Bytes of a vector and rows of a tile: as many sums as there are registers, less those for operands."""
    # What Numba compiles for: this machine, or what its environment variable says instead.
    features = (config.CPU_FEATURES or llvm.get_host_cpu_features().flatten()).split(",")
    if "+avx512f" in features:
        return 64, 8  # 32 registers
    if "+avx2" in features:
        return 32, 4  # 16 registers
    return 16, 8 if "+neon" in features else 4


VECTOR_BYTES, ROWS = _choose_tile()


def lanes_of(itemsize: int) -> int:
    """Elements in one vector."""
    return VECTOR_BYTES // itemsize


class Emitter:
    """Emits instructions on vectors of one element type. `args` holds the kernel's arguments, arrays as pointers."""

    def __init__(self, builder: ir.IRBuilder, element: types.Float, args: dict[str, Any]) -> None:
        self.builder, self.args = builder, args
        self.bits = element.bitwidth
        self.width = lanes_of(self.bits // 8)
        self.scalar = ir.FloatType() if self.bits == 32 else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, self.width)
        self.align = INT32(self.bits // 8)

    def at(self, pointer: Any, *terms: Any) -> Any:
        """Address of pointer[sum of terms]; a term is a value or a number."""
        index: Any = INT64(0)
        for term in terms:
            index = self.builder.add(index, INT64(term) if isinstance(term, int) else term)
        return self.builder.gep(pointer, [index])

    def load(self, pointer: Any, *terms: Any) -> Any:
        """One element."""
        return self.builder.load(self.at(pointer, *terms))

    def load_vector(self, pointer: Any, *terms: Any) -> Any:
        """A whole vector, from any address."""
        return self.builder.load(self._cast(self.at(pointer, *terms)), align=self.bits // 8)

    def store_vector(self, value: Any, pointer: Any, *terms: Any) -> None:
        """Store a whole vector to any address."""
        self.builder.store(value, self._cast(self.at(pointer, *terms)), align=self.bits // 8)

    def gather(self, pointer: Any, indices: list[Any]) -> Any:
        """One element for each lane, from anywhere."""
        vector: Any = ir.Constant(self.vector, ir.Undefined)
        for lane, index in enumerate(indices):
            vector = self.builder.insert_element(vector, self.load(pointer, index), INT32(lane))
        return vector

    def at_most(self, number: int, bound: Any) -> Any:
        """The smaller of a number and a value."""
        return self.builder.select(self.builder.icmp_signed("<", INT64(number), bound), INT64(number), bound)

    def splat(self, value: Any) -> Any:
        """A vector of `value` in every lane."""
        vector = ir.Constant(ir.VectorType(value.type, self.width), ir.Undefined)
        first = self.builder.insert_element(vector, value, INT32(0))
        return self.builder.shuffle_vector(first, vector, self._indices([0] * self.width))

    def zeros(self) -> Any:
        """A vector of zeros."""
        return ir.Constant(self.vector, [0.0] * self.width)

    def add_product(self, factor: Any, x: Any, total: Any) -> Any:
        """``factor * x + total``: fused where the machine has such an instruction."""
        product = self.builder.fmul(factor, x, flags=("contract",))
        return self.builder.fadd(product, total, flags=("contract",))

    def combine(self, matrix: list[list[float]], vectors: list[Any]) -> list[Any]:
        """The product of a small constant matrix and a list of vectors."""
        results = []
        for row in matrix:
            # Ones first: what is only added takes no multiplication.
            terms = sorted(zip(row, vectors, strict=True), key=lambda term: abs(term[0]) != 1)
            total = None
            for factor, x in terms:
                if factor == 0:
                    continue
                if total is None:
                    total = x if factor == 1 else self.builder.fmul(self._constant(factor), x)
                elif factor in (1, -1):
                    total = self.builder.fadd(total, x) if factor == 1 else self.builder.fsub(total, x)
                else:
                    total = self.add_product(self._constant(factor), x, total)
            results.append(total)
        return results

    def every_fourth(self, vectors: list[Any]) -> list[Any]:
        """Four vectors in a row as their elements 0, 4, 8 ..., then 1, 5, 9 ..., and so on."""
        evens, odds = zip(*(self.unzip(*vectors[i : i + 2]) for i in (0, 2)), strict=True)
        (first, third), (second, fourth) = self.unzip(*evens), self.unzip(*odds)
        return [first, second, third, fourth]

    def in_fours(self, vectors: list[Any]) -> list[Any]:
        """The reverse of `every_fourth`."""
        first, second, third, fourth = vectors
        evens, odds = self.interleave(first, third), self.interleave(second, fourth)
        return [v for pair in zip(evens, odds, strict=True) for v in self.interleave(*pair)]

    def interleave(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The elements of two vectors in turn, as two vectors."""
        order = [n for lane in range(self.width) for n in (lane, self.width + lane)]
        halves = (order[: self.width], order[self.width :])
        low, high = (self.builder.shuffle_vector(x, y, self._indices(half)) for half in halves)
        return low, high

    def unzip(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The even elements of two vectors in a row, and the odd ones."""
        every = range(0, 2 * self.width, 2)
        even = self.builder.shuffle_vector(x, y, self._indices(every))
        return even, self.builder.shuffle_vector(x, y, self._indices(i + 1 for i in every))

    def first_lanes(self, count: Any) -> Any:
        """The mask of the first `count` lanes."""
        return self.builder.icmp_signed(
            "<", self._indices(range(self.width)), self.splat(self.builder.trunc(count, INT32))
        )

    def lanes_from(self, first: Any) -> Any:
        """The mask of all lanes from `first` on."""
        return self.builder.icmp_signed(
            ">=", self._indices(range(self.width)), self.splat(self.builder.trunc(first, INT32))
        )

    def read_masked(self, mask: Any, pointer: Any, *terms: Any) -> Any:
        """The lanes of `mask`, zero elsewhere."""
        kind = ir.FunctionType(self.vector, [self.vector.as_pointer(), INT32, mask.type, self.vector])
        place = self._cast(self.at(pointer, *terms))
        return self.builder.call(self._function("load", kind), [place, self.align, mask, self.zeros()])

    def write_masked(self, mask: Any, value: Any, pointer: Any, *terms: Any) -> None:
        """Store the lanes of `mask`."""
        kind = ir.FunctionType(ir.VoidType(), [self.vector, self.vector.as_pointer(), INT32, mask.type])
        place = self._cast(self.at(pointer, *terms))
        self.builder.call(self._function("store", kind), [value, place, self.align, mask])

    def gather_masked(self, pointer: Any, places: Any, mask: Any) -> Any:
        """The elements at a vector of places, in the lanes of `mask`; zero elsewhere."""
        b = self.builder
        addresses = b.add(self.splat(b.ptrtoint(pointer, INT64)), b.mul(places, self.splat(INT64(self.bits // 8))))
        pointers = b.inttoptr(addresses, ir.VectorType(self.scalar.as_pointer(), self.width))
        kind = ir.FunctionType(self.vector, [pointers.type, INT32, mask.type, self.vector])
        name = f"llvm.masked.gather.v{self.width}f{self.bits}.v{self.width}p0"
        function = cgutils.get_or_insert_function(b.module, kind, name)
        return b.call(function, [pointers, self.align, mask, self.zeros()])

    def prefetch(self, pointer: Any, write: bool, nearest: int = 3) -> None:
        """Fetch a cache line that will be written, or read, into the first (3), second (2) or third level of cache."""
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), INT32, INT32, INT32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        place = self.builder.bitcast(pointer, ir.IntType(8).as_pointer())
        self.builder.call(function, [place, INT32(int(write)), INT32(nearest), INT32(1)])

    def _cast(self, pointer: Any) -> Any:
        return self.builder.bitcast(pointer, self.vector.as_pointer())

    def _function(self, name: str, kind: ir.FunctionType) -> Any:
        name = f"llvm.masked.{name}.v{self.width}f{self.bits}.p0"
        return cgutils.get_or_insert_function(self.builder.module, kind, name)

    def _constant(self, factor: float) -> Any:
        return ir.Constant(self.vector, [factor] * self.width)

    def _indices(self, indices: Any) -> Any:
        return ir.Constant(ir.VectorType(INT32, self.width), list(indices))


def kernel_intrinsic(arrays: str, numbers: str, emit: Any) -> Any:
    """Make ``emit(Emitter)`` callable from kernels as ``f((array, ...), (number, ...))``, in the order of the names.

    The first array's dtype is that of the vectors.
    """
    array_names, number_names = arrays.split(), numbers.split()

    def typed(context: Any, array_tuple: Any, number_tuple: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            args = dict(zip(number_names, cgutils.unpack_tuple(builder, values[1]), strict=True))
            lowered = zip(array_names, array_tuple.types, cgutils.unpack_tuple(builder, values[0]), strict=True)
            args |= {name: context.make_array(kind)(context, builder, value).data for name, kind, value in lowered}
            emit(Emitter(builder, array_tuple.types[0].dtype, args))
            return context.get_dummy_value()

        integers = types.UniTuple(types.int64, len(number_names))
        return types.void(array_tuple, integers), generate

    return intrinsic(typed)
