"""The C signature of an exported kernel, written as text such as ``"f4[m,n] f4[m,n]"``.

A word is a type (f4, f8, i1, u1, i4, i8: kind and bytes), with brackets a C-contiguous array. A letter in the
brackets is a dimension that the caller passes, once, as an int32 after the pointers; a number is fixed.
"""

import re
from dataclasses import dataclass

from torsh_ops.errors import ArgumentError

# type -> (LLVM, C, Numba)
TYPES = {
    "f4": ("float", "float", "float32"),
    "f8": ("double", "double", "float64"),
    "i1": ("i8", "signed char", "int8"),
    "u1": ("i8", "unsigned char", "uint8"),
    "i4": ("i32", "int", "int32"),
    "i8": ("i64", "long long", "int64"),
}
_WORD = re.compile(rf"({'|'.join(TYPES)})(?:\[((?:[a-z]|[1-9]\d*)(?:,(?:[a-z]|[1-9]\d*))*)\])?")


@dataclass(frozen=True)
class Argument:
    """One argument of a kernel: a scalar (`shape` empty) or a C-contiguous array."""

    type: str
    shape: tuple[str, ...]

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.type[1])


@dataclass(frozen=True)
class Signature:
    """The arguments of a kernel and the dimensions that its arrays share."""

    arguments: tuple[Argument, ...]

    @classmethod
    def parse(cls, text: str) -> "Signature":
        """Read `text`; raises ArgumentError that names the word at fault.

        >>> Signature.parse("f4[m,n] f4[m,n]").prototype("softmax")
        'int softmax(float *, float *, int m, int n)'
        """
        arguments = []
        for word in text.split():
            match = _WORD.fullmatch(word)
            if match is None:
                raise ArgumentError(f"{word!r} in {text!r} is no argument; write f4, f4[n] or f4[3,n]")
            arguments.append(Argument(match[1], tuple(match[2].split(",")) if match[2] else ()))
        return cls(tuple(arguments))

    @property
    def dims(self) -> tuple[str, ...]:
        """The named dimensions in order of first appearance."""
        return tuple(dict.fromkeys(d for a in self.arguments for d in a.shape if not d.isdigit()))

    def prototype(self, name: str) -> str:
        """The C declaration; the int it returns is 0, or Numba's status when the kernel raised."""
        pointers = [TYPES[a.type][1] + (" *" if a.shape else "") for a in self.arguments]
        return f"int {name}({', '.join([*pointers, *(f'int {d}' for d in self.dims)])})"

    def numba(self) -> str:
        """The signature as Numba reads it."""
        layouts = {0: "", 1: "[::1]"}
        words = []
        for a in self.arguments:
            rank = len(a.shape)
            words.append(TYPES[a.type][2] + layouts.get(rank, f"[{':, ' * (rank - 1)}::1]"))
        return f"void({', '.join(words)})"

    def entry(self, name: str, inner: str) -> str:
        """LLVM IR of the C function `name` that calls Numba's `inner`, which takes arrays unpacked."""
        parameters, body, call = [], [], ["ptr %ret", "ptr %exc"]
        for d in self.dims:
            body.append(f"%{d}.wide = zext i32 %{d} to i64")
        for k, a in enumerate(self.arguments):
            parameters.append(f"{'ptr' if a.shape else TYPES[a.type][0]} %arg{k}")
            if not a.shape:
                call.append(parameters[-1])
                continue
            lengths = [d if d.isdigit() else f"%{d}.wide" for d in a.shape]
            strides = [str(a.itemsize)]
            for axis in range(len(lengths) - 1, 0, -1):
                body.append(f"%stride{k}.{axis} = mul i64 {strides[0]}, {lengths[axis]}")
                strides.insert(0, f"%stride{k}.{axis}")
            body.append(f"%bytes{k} = mul i64 {strides[0]}, {lengths[0]}")
            body.append(f"%items{k} = udiv exact i64 %bytes{k}, {a.itemsize}")
            # Numba's array: meminfo, parent, nitems, itemsize, data, shape, strides.
            call += ["ptr null", "ptr null", f"i64 %items{k}", f"i64 {a.itemsize}", f"ptr %arg{k}"]
            call += [f"i64 {value}" for value in (*lengths, *strides)]
        parameters += [f"i32 %{d}" for d in self.dims]
        lines = ["%ret = alloca ptr", "%exc = alloca ptr", *body]
        lines += [f'%status = call i32 @"{inner}"({", ".join(call)})', "ret i32 %status"]
        return f"define i32 @{name}({', '.join(parameters)}) nounwind {{\n" + "\n".join(lines) + "\n}\n"
