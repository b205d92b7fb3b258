"""The machines that a kernel can be compiled for."""

from dataclasses import dataclass

from torsh_ops.errors import ArgumentError


@dataclass(frozen=True)
class Target:
    """One instruction set as LLVM names it.

    `features` are LLVM's, comma-separated. `abi` is LLVM's name of the calling convention where the triple
    leaves it open. `fma`: whether there is a fused multiply-add; without one it would be a call to libm.
    """

    name: str
    triple: str
    cpu: str = "generic"
    features: str = ""
    abi: str = ""
    fma: bool = True

    @property
    def is_wasm(self) -> bool:
        """Whether the object is WebAssembly rather than ELF."""
        return self.triple.startswith("wasm")


_LINUX = "unknown-linux-gnu"
# What every current engine runs without a flag; simd128 is kept apart because its gain is measured.
_WASM = "+bulk-memory,+sign-ext,+nontrapping-fptoint,+mutable-globals"
_RISCV = "+m,+a,+f,+d,+c"

TARGETS = {
    target.name: target
    for target in (
        Target("armv8-neon", f"aarch64-{_LINUX}", features="+neon"),
        Target("riscv64", f"riscv64-{_LINUX}", "generic-rv64", _RISCV, abi="lp64d"),
        Target("riscv64-v", f"riscv64-{_LINUX}", "generic-rv64", f"{_RISCV},+v,+zvl128b", abi="lp64d"),
        Target("wasm32", "wasm32-unknown-unknown", features=_WASM, fma=False),
        Target("wasm32-simd128", "wasm32-unknown-unknown", features=f"{_WASM},+simd128", fma=False),
    )
}


def find_target(name: str) -> Target:
    """The target called `name`; raises ArgumentError with the names that exist."""
    if name not in TARGETS:
        raise ArgumentError(f"no target {name!r}; there are {', '.join(TARGETS)}")
    return TARGETS[name]
