"""Emits the vector instructions of the Fourier transforms: small transforms of 16 neighbours at once.

Complex numbers lie split, real and imaginary parts apart, in memory that is given by addresses: passing arrays from
function to function costs more than a short transform. LLVM cuts the vectors of 16 to the machine's own.
"""

import math
from typing import Any

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

LANES = 16

_I32, _I64 = ir.IntType(32), ir.IntType(64)

Complex = tuple[Any, Any]


@intrinsic
def address(typingctx: Any, array: Any) -> Any:
    """The address of the first element of an array, which the caller keeps alive."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(arrayobj.make_array(array)(context, builder, args[0]).data, _I64)

    return types.int64(array), codegen


@intrinsic
def fetch(typingctx: Any, place: Any) -> Any:
    """Ask for the line of memory at an address, which need not exist."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _I32, _I32, _I32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(prefetch, [builder.inttoptr(args[0], pointer), _I32(0), _I32(3), _I32(1)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def reals(typingctx: Any, array: Any) -> Any:
    """A C-contiguous array of real or complex numbers as one dimension of real ones, the parts side by side."""
    if not (isinstance(array, types.Array) and array.layout == "C"):
        return None
    paired = isinstance(array.dtype, types.Complex)
    result = types.Array(array.dtype.underlying_float if paired else array.dtype, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = arrayobj.make_array(array)(context, builder, args[0])
        view = arrayobj.make_array(result)(context, builder)
        pointer = context.get_data_type(result.dtype).as_pointer()
        size = builder.mul(source.nitems, _I64(2)) if paired else source.nitems
        itemsize = _I64(result.dtype.bitwidth // 8)
        arrayobj.populate_array(
            view, data=builder.bitcast(source.data, pointer), shape=[size], strides=[itemsize], itemsize=itemsize,
            meminfo=None,
        )  # fmt: skip
        return view._getvalue()

    return result(array), codegen


class _Emitter:
    """Vector arithmetic on one element type."""

    def __init__(self, builder: ir.IRBuilder, element: types.Float) -> None:
        self.builder = builder
        self.bytes = element.bitwidth // 8
        self.scalar = ir.FloatType() if element.bitwidth == 32 else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, LANES)

    def at(self, base: Any, step: Any, times: int) -> Any:
        """The address `times` steps on."""
        return base if times == 0 else self.builder.add(base, self.builder.mul(step, _I64(times)))

    def pointer(self, base: Any, kind: Any, step: Any = None, times: int = 0) -> Any:
        return self.builder.inttoptr(self.at(base, step, times), kind.as_pointer())

    def load(self, base: Any, step: Any = None, times: int = 0) -> Any:
        return self.builder.load(self.pointer(base, self.vector, step, times), align=self.bytes)

    def store(self, value: Any, base: Any, step: Any = None, times: int = 0) -> None:
        self.builder.store(value, self.pointer(base, self.vector, step, times), align=self.bytes)

    def splat(self, base: Any, index: int) -> Any:
        """Number `index` behind `base` in every lane."""
        return self.all(self.builder.load(self.pointer(base, self.scalar, _I64(self.bytes), index), align=self.bytes))

    def constant(self, value: float) -> Any:
        return ir.Constant(self.vector, [value] * LANES)

    def add(self, x: Any, y: Any) -> Any:
        return self.builder.fadd(x, y, flags=("contract",))

    def sub(self, x: Any, y: Any) -> Any:
        return self.builder.fsub(x, y, flags=("contract",))

    def mul(self, x: Any, y: Any) -> Any:
        return self.builder.fmul(x, y, flags=("contract",))

    def product(self, x: Complex, w: Complex) -> Complex:
        """Product of two complex numbers."""
        return (
            self.sub(self.mul(x[0], w[0]), self.mul(x[1], w[1])),
            self.add(self.mul(x[0], w[1]), self.mul(x[1], w[0])),
        )

    def turned(self, x: Complex, k: int, n: int) -> Complex:
        """`x` times exp(-2 pi i k / n), 0 <= k < n / 2."""
        if k == 0:
            return x
        if 4 * k == n:
            return x[1], self.mul(x[0], self.constant(-1.0))
        if 8 * k in (n, 3 * n):
            half = self.constant(math.sqrt(0.5))
            total, difference = self.mul(self.add(*x), half), self.mul(self.sub(x[1], x[0]), half)
            return (total, difference) if 8 * k == n else (difference, self.mul(total, self.constant(-1.0)))
        angle = -2 * math.pi * k / n
        return self.product(x, (self.constant(math.cos(angle)), self.constant(math.sin(angle))))

    def roots(self, k: int, n: int) -> Complex:
        """exp(-2 pi i j k / n) in lane j."""
        angles = [-2 * math.pi * (j * k % n) / n for j in range(LANES)]
        cos, sin = [math.cos(a) for a in angles], [math.sin(a) for a in angles]
        return ir.Constant(self.vector, cos), ir.Constant(self.vector, sin)

    def transform(self, x: list[Complex]) -> list[Complex]:
        """The transform of a power of two of complex numbers, by halves."""
        n = len(x)
        if n == 1:
            return x
        even, odd = self.transform(x[::2]), self.transform(x[1::2])
        odd = [self.turned(z, k, n) for k, z in enumerate(odd)]
        pairs = list(zip(even, odd, strict=True))
        sums = [(self.add(a[0], b[0]), self.add(a[1], b[1])) for a, b in pairs]
        return sums + [(self.sub(a[0], b[0]), self.sub(a[1], b[1])) for a, b in pairs]

    def transposed(self, rows: list[Any]) -> list[Any]:
        """The transpose of 16 vectors of 16."""
        low = [i // 2 + LANES * (i % 2) for i in range(LANES)]
        orders = [ir.Constant(ir.VectorType(_I32, LANES), [i + half for i in low]) for half in (0, LANES // 2)]
        # Four times rows i and i + 8 are dealt out in turn: that moves a bit of the row's number to the column's.
        for _ in range(4):
            pairs = [(rows[i], rows[i + LANES // 2]) for i in range(LANES // 2)]
            rows = [self.builder.shuffle_vector(a, b, order) for a, b in pairs for order in orders]
        return rows

    def reversed(self, x: Any) -> Any:
        """The lanes from the last to the first."""
        order = ir.Constant(ir.VectorType(_I32, LANES), list(range(LANES))[::-1])
        return self.builder.shuffle_vector(x, ir.Constant(self.vector, ir.Undefined), order)

    def load_pairs(self, base: Any, step: Any, times: int) -> Complex:
        """16 complex numbers whose parts lie side by side."""
        low, high = (self.load(self.builder.add(base, _I64(n * self.bytes)), step, times) for n in (0, LANES))
        halves = [[2 * i + part for i in range(LANES)] for part in (0, 1)]
        re, im = (self.builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_I32, LANES), h)) for h in halves)
        return re, im

    def store_pairs(self, z: Complex, base: Any, step: Any, times: int) -> None:
        re, im = z
        for half in (0, 1):
            order = [half * LANES // 2 + i // 2 + LANES * (i % 2) for i in range(LANES)]
            value = self.builder.shuffle_vector(re, im, ir.Constant(ir.VectorType(_I32, LANES), order))
            self.store(value, self.builder.add(base, _I64(half * LANES * self.bytes)), step, times)

    def all(self, value: Any) -> Any:
        """A number in every lane."""
        nothing = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(nothing, value, _I32(0))
        return self.builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, LANES), None))


# Where a small transform takes number k of its operands from.


def _from_parts(emit: _Emitter, k: int, x: Any, xi: Any, step: Any) -> Complex:
    return emit.load(x, step, k), emit.load(xi, step, k)


def _from_pairs(emit: _Emitter, k: int, x: Any, xi: Any, step: Any) -> Complex:
    return emit.load_pairs(x, step, k)


def _from_swapped(emit: _Emitter, k: int, x: Any, xi: Any, step: Any) -> Complex:
    re, im = emit.load_pairs(x, step, k)
    return im, re


# Where its results go; a, b, c, d are addresses of what they are multiplied by.


def _to_parts(emit: _Emitter, k: int, z: Complex, factor: Any, y: Any, yi: Any, step: Any, *_: Any) -> None:
    emit.store(z[0], y, step, k)
    emit.store(z[1], yi, step, k)


def _to_twiddled(
    emit: _Emitter, k: int, z: Complex, factor: Any, y: Any, yi: Any, step: Any, a: Any, b: Any, *_: Any
) -> None:
    if k:
        z = emit.product(z, (emit.splat(a, k - 1), emit.splat(b, k - 1)))
    _to_parts(emit, k, z, factor, y, yi, step)


def _to_twisted(emit: _Emitter, k: int, z: Complex, factor: Any, y: Any, yi: Any, step: Any, *tables: Any) -> None:
    a, b, c, d = tables
    # The table of vectors has a row for each row of the panel, that of numbers a number.
    small = emit.builder.ashr(step, _I64(LANES.bit_length() - 1))
    vectors, numbers = (emit.load(a, step, k), emit.load(b, step, k)), [emit.at(t, small, k) for t in (c, d)]
    turned = emit.product(vectors, (emit.splat(numbers[0], 0), emit.splat(numbers[1], 0)))
    _to_parts(emit, k, emit.product(z, turned), factor, y, yi, step)


def _to_pairs(emit: _Emitter, k: int, z: Complex, factor: Any, y: Any, yi: Any, step: Any, *_: Any) -> None:
    scale = emit.all(factor)
    emit.store_pairs((emit.mul(z[0], scale), emit.mul(z[1], scale)), y, step, k)


def _to_swapped(emit: _Emitter, k: int, z: Complex, factor: Any, y: Any, yi: Any, step: Any, *_: Any) -> None:
    _to_pairs(emit, k, (z[1], z[0]), factor, y, yi, step)


def _butterfly(radix: int, load: Any, store: Any) -> Any:
    """Make an intrinsic: `radix` vectors of complex numbers from `load`, transformed, to `store`.

    ``butterfly(like, x, xi, x_step, y, yi, y_step, a, b, c, d)``: `like` gives the element type and the factor
    of `_to_pairs`; the others are addresses, and steps in bytes.
    """

    def butterfly(
        typingctx: Any, like: Any, x: Any, xi: Any, xs: Any, y: Any, yi: Any, ys: Any, a: Any, b: Any,
        c: Any, d: Any,
    ) -> Any:  # fmt: skip
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = _Emitter(builder, signature.args[0])
            found = emit.transform([load(emit, k, *args[1:4]) for k in range(radix)])
            for k, z in enumerate(found):
                store(emit, k, z, args[0], *args[4:])
            return context.get_dummy_value()

        return types.void(like, *(types.int64,) * 10), codegen

    return intrinsic(butterfly)


open4, open8 = _butterfly(4, _from_pairs, _to_twiddled), _butterfly(8, _from_pairs, _to_twiddled)
middle4, middle8 = _butterfly(4, _from_parts, _to_twiddled), _butterfly(8, _from_parts, _to_twiddled)
close4, close8 = _butterfly(4, _from_parts, _to_parts), _butterfly(8, _from_parts, _to_parts)
twisted4, twisted8 = _butterfly(4, _from_parts, _to_twisted), _butterfly(8, _from_parts, _to_twisted)
pairs4, pairs8 = _butterfly(4, _from_parts, _to_pairs), _butterfly(8, _from_parts, _to_pairs)
# The inverse is had by exchanging the parts; to choose at each vector which is which takes a third of the time.
open4_back, open8_back = _butterfly(4, _from_swapped, _to_twiddled), _butterfly(8, _from_swapped, _to_twiddled)
pairs4_back, pairs8_back = _butterfly(4, _from_parts, _to_swapped), _butterfly(8, _from_parts, _to_swapped)


def _square(load: Any, store: Any, out_width: int) -> Any:
    """Make an intrinsic: 256 complex numbers at x that `load` takes from pairs, transformed, to `store`.

    ``square(like, x, y, yi)``. They are a matrix of 16 vectors, which the registers hold from end to end.
    """

    def square(typingctx: Any, like: Any, x: Any, y: Any, yi: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = _Emitter(builder, signature.args[0])
            factor, x, y, yi = args
            z = emit.transform([load(emit, k, x, x, _I64(2 * LANES * emit.bytes)) for k in range(LANES)])
            z = [z[0]] + [emit.product(z[k], emit.roots(k, LANES * LANES)) for k in range(1, LANES)]
            re, im = (emit.transposed([part[which] for part in z]) for which in (0, 1))
            for k, found in enumerate(emit.transform(list(zip(re, im, strict=True)))):
                store(emit, k, found, factor, y, yi, _I64(out_width * LANES * emit.bytes))
            return context.get_dummy_value()

        return types.void(like, *(types.int64,) * 3), codegen

    return intrinsic(square)


square_pairs, square_back = _square(_from_pairs, _to_pairs, 2), _square(_from_swapped, _to_swapped, 2)
square_parts = _square(_from_pairs, _to_parts, 1)


def _sixteen(load: Any) -> Any:
    """Make an intrinsic: 16 vectors of complex numbers from `load`, transformed, twisted and transposed, to parts.

    ``sixteen(like, x, xi, x_step, y, yi, a, b, c, d)``; the tables are those of `_to_twisted`.
    """

    def sixteen(
        typingctx: Any, like: Any, x: Any, xi: Any, xs: Any, y: Any, yi: Any, a: Any, b: Any, c: Any, d: Any
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = _Emitter(builder, signature.args[0])
            _, x, xi, xs, y, yi, a, b, c, d = args
            row = _I64(LANES * emit.bytes)
            z = emit.transform([load(emit, k, x, xi, xs) for k in range(LANES)])
            for k in range(1, LANES):
                number = emit.splat(c, k), emit.splat(d, k)
                z[k] = emit.product(z[k], emit.product((emit.load(a, row, k), emit.load(b, row, k)), number))
            for part, to in ((0, y), (1, yi)):
                for k, lane in enumerate(emit.transposed([number[part] for number in z])):
                    emit.store(lane, to, row, k)
            return context.get_dummy_value()

        return types.void(like, *(types.int64,) * 9), codegen

    return intrinsic(sixteen)


sixteen_pairs, sixteen_back, sixteen_parts = _sixteen(_from_pairs), _sixteen(_from_swapped), _sixteen(_from_parts)


@intrinsic
def turn(typingctx: Any, like: Any, x: Any, xs: Any, y: Any, ys: Any) -> Any:
    """Write the transpose of 16 vectors, `xs` bytes apart, as 16 vectors, `ys` bytes apart."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = _Emitter(builder, like)
        _, x, xs, y, ys = args
        for k, row in enumerate(emit.transposed([emit.load(x, xs, k) for k in range(LANES)])):
            emit.store(row, y, ys, k)
        return context.get_dummy_value()

    return types.void(like, *(types.int64,) * 4), codegen


@intrinsic
def split_pairs(typingctx: Any, like: Any, x: Any, re: Any, im: Any) -> Any:
    """Write the parts of 16 complex numbers that lie side by side at x apart, to re and im."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = _Emitter(builder, signature.args[0])
        _, x, re, im = args
        z = emit.load_pairs(x, None, 0)
        emit.store(z[0], re)
        emit.store(z[1], im)
        return context.get_dummy_value()

    return types.void(like, *(types.int64,) * 3), codegen


@intrinsic
def join_pairs(typingctx: Any, scale: Any, re: Any, im: Any, out: Any) -> Any:
    """The reverse of `split_pairs`, times `scale`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = _Emitter(builder, signature.args[0])
        scale, re, im, out = args
        factor = emit.all(scale)
        emit.store_pairs((emit.mul(emit.load(re), factor), emit.mul(emit.load(im), factor)), out, None, 0)
        return context.get_dummy_value()

    return types.void(scale, *(types.int64,) * 3), codegen


@intrinsic
def join_half(
    typingctx: Any, scale: Any, re: Any, im: Any, re_end: Any, im_end: Any, cos: Any, sin: Any, out: Any
) -> Any:
    """16 coefficients of real numbers from those of pairs of them, at re and im and, backwards, up to the ends."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = _Emitter(builder, signature.args[0])
        scale, re, im, re_end, im_end, cos, sin, out = args
        ahead, back = (
            (emit.load(re), emit.load(im)),
            (emit.reversed(emit.load(re_end)), emit.reversed(emit.load(im_end))),
        )
        even = emit.add(ahead[0], back[0]), emit.sub(ahead[1], back[1])
        odd = emit.add(ahead[1], back[1]), emit.sub(back[0], ahead[0])
        turned = emit.product(odd, (emit.load(cos), emit.load(sin)))
        factor = emit.all(scale)
        z = emit.mul(emit.add(even[0], turned[0]), factor), emit.mul(emit.add(even[1], turned[1]), factor)
        emit.store_pairs(z, out, None, 0)
        return context.get_dummy_value()

    return types.void(scale, *(types.int64,) * 7), codegen


@intrinsic
def split_half(typingctx: Any, like: Any, x: Any, x_end: Any, cos: Any, sin: Any, re: Any, im: Any) -> Any:
    """16 pairs' coefficients from those of real numbers, at x and, backwards, up to the end: doubled."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = _Emitter(builder, signature.args[0])
        _, x, x_end, cos, sin, re, im = args
        ahead, back = emit.load_pairs(x, None, 0), emit.load_pairs(x_end, None, 0)
        back = emit.reversed(back[0]), emit.reversed(back[1])
        even = emit.add(ahead[0], back[0]), emit.sub(ahead[1], back[1])
        odd = emit.sub(ahead[0], back[0]), emit.add(ahead[1], back[1])
        c, s = emit.load(cos), emit.load(sin)
        turned = emit.add(emit.mul(odd[0], c), emit.mul(odd[1], s)), emit.sub(emit.mul(odd[1], c), emit.mul(odd[0], s))
        emit.store(emit.sub(even[0], turned[1]), re)
        emit.store(emit.add(even[1], turned[0]), im)
        return context.get_dummy_value()

    return types.void(like, *(types.int64,) * 6), codegen
