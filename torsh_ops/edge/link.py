"""Object code joined into what a machine loads: a WebAssembly module or a static ELF program."""

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from torsh_ops.edge.constructs import explain
from torsh_ops.edge.errors import RetargetError
from torsh_ops.edge.retarget import ObjectCode
from torsh_ops.errors import ArgumentError

# Kernels keep only spills on the stack; the default of 64 KiB would be most of a small module's memory.
_WASM_STACK = 16384


def link_wasm(*objects: ObjectCode) -> bytes:
    """Join `objects` into one WebAssembly module that exports their functions, `memory` and `__heap_base`.

    The caller may use the memory from `__heap_base` on. Raises RetargetError when a symbol is undefined or
    the linker, which the ziglang package carries, is not installed.
    """
    if not objects or not all(item.target.is_wasm for item in objects):
        raise ArgumentError("link_wasm takes one or more objects whose target is wasm32")
    exports = [f"--export={name}" for name in (*(item.name for item in objects), "__heap_base")]
    options = ["--no-entry", "--gc-sections", "--strip-all", "-z", f"stack-size={_WASM_STACK}", *exports]
    return _zig(["wasm-ld", *options], objects, f"linking {', '.join(item.name for item in objects)}")


def link_program(driver: Path, kernel: ObjectCode) -> bytes:
    """Join `kernel` with `driver`, a C file that needs no libc, into a static Linux program.

    The driver defines `_start` and finds the name of the kernel's function in the macro KERNEL. Symbols are
    kept, so that an emulator can tell the kernel from the driver. Raises as `link_wasm` does.
    """
    machine = kernel.target.triple.split("-")[0]
    if kernel.target.is_wasm:
        raise ArgumentError(f"link_program makes Linux programs; use link_wasm for {kernel.target.name}")
    options = ["-target", f"{machine}-linux-musl", "-nostdlib", "-static", f"-DKERNEL={kernel.name}"]
    command = ["cc", "-O1", "-fno-sanitize=all", *options, str(driver)]
    return _zig(command, (kernel,), f"linking {kernel.name}")


def compile_library(source: Path, *defines: str) -> bytes:
    """Compile the C file `source`, with `defines` ("NAME=VALUE"), into a shared library for this machine."""
    flags = [f"-D{define}" for define in defines]
    command = ["cc", "-O2", "-shared", "-fPIC", "-fno-sanitize=all", *flags, str(source)]
    return _zig(command, (), f"compiling {source.name}")


def _zig(command: list[str], objects: tuple[ObjectCode, ...], task: str) -> bytes:
    """Run one of zig's tools on `objects` and return the file that it wrote."""
    if importlib.util.find_spec("ziglang") is None:
        raise RetargetError(f"{task} needs the ziglang package: pip install torsh-ops[edge]")
    with tempfile.TemporaryDirectory(prefix="torsh-link-") as folder:
        paths = []
        for k, item in enumerate(objects):
            paths.append(Path(folder, f"{k}.o"))
            paths[-1].write_bytes(item.code)
        out = Path(folder, "out")
        full = [sys.executable, "-m", "ziglang", *command, *map(str, paths), "-o", str(out)]
        done = subprocess.run(full, capture_output=True, text=True)
        if done.returncode:
            undefined = re.findall(r"undefined symbol: (\S+)", done.stderr)
            reason = explain(undefined) if undefined else done.stderr.strip()[:500]
            raise RetargetError(f"{task} failed: {reason}")
        return out.read_bytes()
