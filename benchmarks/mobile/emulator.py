"""Programs for other processors run under qemu-user, their instructions counted by a plugin of our own."""

import re
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
DRIVER = HERE / "driver.c"
_PLUGIN = HERE / "count.c"
# The functions of driver.c; all other instructions are the kernel's or of what the compiler made it call.
_DRIVER_SYMBOLS = {"_start", "run", "call", "leave", "transfer"}
# Of each target the emulator and its processor: one that has what the target asks for and little more.
_PROCESSORS = {
    "armv8-neon": ("aarch64", "cortex-a53"),
    "riscv64": ("riscv64", "rv64,v=false"),
    "riscv64-v": ("riscv64", "rv64,v=true,vlen=128,vext_spec=v1.0"),
}


@dataclass(frozen=True)
class Execution:
    """One instruction of the kernel: its 4 bytes as a number and how often it was executed."""

    opcode: int
    count: int


def qemu(target: str) -> str:
    """Path of the emulator of `target`; raises NotImplementedError when it is missing or takes no plugin."""
    machine = _PROCESSORS[target][0]
    path = shutil.which(f"qemu-{machine}")
    if path is None:
        raise NotImplementedError(f"qemu-{machine} is not installed (Debian: apt-get install qemu-user)")
    if "-plugin" not in subprocess.run([path, "--help"], capture_output=True, text=True).stdout:
        raise NotImplementedError(f"{path} was built without plugins: nothing can count its instructions")
    return path


def plugin_api(version: str) -> int:
    """The plugin API to ask for, by the text of ``qemu --version``: newer QEMUs refuse older numbers."""
    match = re.search(r"version (\d+)\.(\d+)", version)
    if match is None:
        raise NotImplementedError(f"no version number in {version.strip()[:80]!r}")
    release = int(match[1]), int(match[2])
    return 3 if release >= (9, 1) else 2 if release >= (9, 0) else 1


def build_plugin(target: str) -> bytes:
    """The counting plugin, compiled for the emulator of `target`."""
    from torsh_ops.edge import compile_library

    version = subprocess.run([qemu(target), "--version"], capture_output=True, text=True, check=True).stdout
    return compile_library(_PLUGIN, f"PLUGIN_API={plugin_api(version)}")


def run(program: bytes, plugin: bytes, target: str, x: np.ndarray) -> tuple[np.ndarray, list[Execution]]:
    """Run `program` (driver.c and a row kernel) on the float32 matrix `x`: the result, the instructions."""
    with tempfile.TemporaryDirectory(prefix="torsh-emulator-") as folder:
        elf, shared, counts = Path(folder, "program"), Path(folder, "count.so"), Path(folder, "counts")
        elf.write_bytes(program)
        elf.chmod(0o700)
        shared.write_bytes(plugin)
        options = ["-cpu", _PROCESSORS[target][1], "-plugin", f"{shared},out={counts}"]
        stdin = struct.pack("<ii", *x.shape) + x.tobytes()
        done = subprocess.run([qemu(target), *options, str(elf)], input=stdin, capture_output=True)
        if done.returncode:
            message = done.stderr.decode(errors="replace")[:300]
            raise RuntimeError(f"{target} under qemu ended with status {done.returncode}: {message}")
        result = np.frombuffer(done.stdout, np.float32).reshape(x.shape)
        return result, read_counts(counts.read_text())


def read_counts(text: str) -> list[Execution]:
    """The kernel's executions out of what the plugin wrote."""
    found = []
    for line in text.splitlines():
        symbol, _, count, opcode = line.split()
        if symbol not in _DRIVER_SYMBOLS:
            found.append(Execution(int.from_bytes(bytes.fromhex(opcode), "little"), int(count)))
    return found


def is_neon(opcode: int) -> bool:
    """Whether an A64 instruction computes on vectors: the group "data processing, Advanced SIMD", not scalar.

    Arm ARM (DDI 0487) C4.1: bit 31 clear, bit 28 clear, bits 27 to 25 set.
    """
    return opcode & 0x9E000000 == 0x0E000000
