"""A Numba kernel compiled for another machine: its unoptimised LLVM IR, given to another back end."""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from torsh_ops.edge.errors import RetargetError
from torsh_ops.edge.signature import Signature
from torsh_ops.edge.targets import Target, find_target
from torsh_ops.errors import ArgumentError

# Read by Numba when it is imported, hence the child process: without them the IR is already vectorised for
# the processor at hand. The empty cache folder keeps kernels compiled for this machine out.
_FRONT_END = {"NUMBA_OPT": "0", "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}


@dataclass(frozen=True)
class ObjectCode:
    """A compiled kernel: an ELF or WebAssembly object file with one C function.

    `seconds` is the processor time of Numba and LLVM, without the start of the interpreter.
    """

    name: str
    target: Target
    prototype: str
    code: bytes
    assembly: str
    seconds: float


def retarget(kernel: str, args: str, target: str, *, name: str | None = None) -> ObjectCode:
    """Compile `kernel`, "package.module:function" of an @njit function, for `target`, a name in TARGETS.

    `args` is its C signature (see `torsh_ops.edge.signature`) and `name` that of the C function, by default
    the kernel's. The function returns 0, or Numba's status when the kernel raised. Where the target has no
    fused multiply-add, llvm.fma becomes a multiplication and an addition, each rounded.

    Raises ArgumentError for bad arguments, and RetargetError when the kernel cannot be found or typed, uses
    what the target does not have (math.exp, prange, allocation, BLAS), or llvmlite lacks the back end.

    >>> retarget("torsh_ops.kernels.rows:softmax", "f4[m,n] f4[m,n]", "armv8-neon").prototype
    'int softmax(float *, float *, int m, int n)'
    """
    chosen, signature = find_target(target), Signature.parse(args)
    module, _, function = kernel.partition(":")
    if not module or not function.isidentifier():
        raise ArgumentError(f"{kernel!r} names no kernel; write 'package.module:function'")
    name = name or function
    if re.fullmatch(r"[A-Za-z_]\w*", name) is None:
        raise ArgumentError(f"{name!r} is no name of a C function")
    with tempfile.TemporaryDirectory(prefix="torsh-retarget-") as folder:
        request = {"kernel": kernel, "args": args, "target": target, "name": name, "folder": folder}
        report = _run_worker(request)
        code, assembly = Path(folder, "kernel.o").read_bytes(), Path(folder, "kernel.s").read_text()
    return ObjectCode(name, chosen, signature.prototype(name), code, assembly, report["seconds"])


def _run_worker(request: dict[str, str]) -> dict[str, float]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    environment |= _FRONT_END | {
        "NUMBA_CACHE_DIR": request["folder"],
        # The child finds torsh_ops and the kernel's module where this process does.
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
    command = [sys.executable, "-m", "torsh_ops.edge.worker"]
    done = subprocess.run(command, input=json.dumps(request), env=environment, capture_output=True, text=True)
    report = Path(request["folder"], "report.json")
    if done.returncode or not report.exists():
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise RetargetError(f"compiling for {request['target']} ended with status {done.returncode}: {last}")
    answer = json.loads(report.read_text())
    if "error" in answer:
        raise RetargetError(answer["error"])
    return answer
