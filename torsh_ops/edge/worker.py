"""The child process of `retarget`: JSON on stdin; kernel.o, kernel.s and report.json in the given folder."""

import importlib
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from numba.core.errors import NumbaError
from numba.core.registry import CPUDispatcher

from torsh_ops.edge.constructs import explain
from torsh_ops.edge.errors import RetargetError
from torsh_ops.edge.signature import Signature
from torsh_ops.edge.targets import Target, find_target

# For NumPy's names Numba calls these from libm; every target has instructions for them.
_INSTRUCTIONS = re.compile(r"@(floor|ceil|trunc|sqrt)(f?)\(")
# These intrinsics become calls of libm; the other llvm.* become instructions.
_LIBM = re.compile(r"llvm\.((exp|log)(2|10)?|powi?|a?(sin|cos|tan)h?|atan2|sincos|ldexp|frexp|modf)\.")
# Numba keeps its reference counting out of line. Inlined, it sees the null owner that our entry passes.
_NOINLINE = re.compile(r"^(attributes #\d+ = \{.*)\bnoinline\b", re.MULTILINE)


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    folder = Path(request["folder"])
    try:
        target, signature = find_target(request["target"]), Signature.parse(request["args"])
        kernel = find_kernel(request["kernel"])
        machine = target_machine(target)
        start = time.process_time()
        ir = front_end(kernel, request["kernel"], signature, request["name"])
        module = back_end(ir, request["name"], target, machine)
        code = machine.emit_object(module)
        report: dict[str, Any] = {"seconds": time.process_time() - start}
        (folder / "kernel.o").write_bytes(code)
        (folder / "kernel.s").write_text(machine.emit_assembly(module))
    except RetargetError as error:
        report = {"error": str(error)}
    (folder / "report.json").write_text(json.dumps(report))


def find_kernel(path: str) -> CPUDispatcher:
    """The @njit function at "module:function"."""
    module, _, function = path.partition(":")
    try:
        kernel = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise RetargetError(f"no kernel {path}: {error}") from error
    if not isinstance(kernel, CPUDispatcher):
        raise RetargetError(f"{path} is a {type(kernel).__name__}; only an @njit function can be retargeted")
    return kernel


def front_end(kernel: CPUDispatcher, path: str, signature: Signature, name: str) -> str:
    """Unoptimised LLVM IR of `kernel` with a C function `name` that calls it."""
    try:
        compiled = kernel.compile(signature.numba())
    except (NumbaError, TypeError) as error:  # TypeError: another number of arguments
        # Numba's first line says in which of its own steps it failed, the next one why.
        reason = next(line for line in str(error).splitlines() if line and not line.startswith("Failed in"))
        raise RetargetError(f"{path} does not compile for {signature.numba()}: {reason}") from error
    overload = next(found for found in kernel.overloads.values() if found.entry_point == compiled)
    return overload.library.get_llvm_str() + signature.entry(name, overload.fndesc.mangled_name)


def target_machine(target: Target) -> llvm.TargetMachine:
    """LLVM's code generator for `target`."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        chosen = llvm.Target.from_triple(target.triple)
    except RuntimeError as error:
        raise RetargetError(f"this llvmlite has no back end for {target.triple}: {error}") from error
    reloc = "static" if target.is_wasm else "pic"
    return chosen.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc=reloc, codemodel="default", abiname=target.abi
    )


def back_end(ir: str, name: str, target: Target, machine: llvm.TargetMachine) -> llvm.ModuleRef:
    """Numba's IR as a module optimised for `target` that keeps `name` and what it calls."""
    module = llvm.parse_assembly(_portable(ir, target))
    module.triple, module.data_layout = target.triple, str(machine.target_data)
    for item in (*module.functions, *module.global_variables):
        if not item.is_declaration and item.name != name:
            item.linkage = "internal"
    module.verify()
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    manager = passes.getModulePassManager()
    manager.add_global_dead_code_eliminate_pass()
    manager.run(module, passes)
    undefined = [f.name for f in module.functions if f.is_declaration]
    undefined = [n for n in undefined if not n.startswith("llvm.") or _LIBM.match(n)]
    if undefined:
        raise RetargetError(f"{name} cannot leave this machine: {explain(undefined)}")
    return module if target.fma else llvm.parse_assembly(_in_order(str(module)))


def _portable(ir: str, target: Target) -> str:
    """`ir` without what only makes sense on the machine that Numba compiled for."""
    ir = _NOINLINE.sub(r"\1inlinehint", ir)
    ir = _INSTRUCTIONS.sub(lambda m: f"@llvm.{m[1]}.{'f32' if m[2] else 'f64'}(", ir)
    if not target.fma:
        ir = ir.replace("@llvm.fma.", "@llvm.fmuladd.")
    # Renaming can leave two declarations of one function behind.
    seen: set[str] = set()
    lines = []
    for line in ir.splitlines():
        declared = re.match(r"declare .*?@([\w.$]+)\(", line)
        if declared is None or declared[1] not in seen:
            lines.append(line)
        if declared is not None:
            seen.add(declared[1])
    return "\n".join(lines)


def _in_order(ir: str) -> str:
    """Optimised `ir` whose single operations the code generator may no longer reorder.

    To the optimiser fmuladd is one operation; the code generator splits it, and could then cancel the large
    number that a kernel adds and subtracts to round: exp would lose all of its fraction. Sums of a whole
    vector, at the end of a loop, keep their freedom.
    """
    flags = re.compile(r"\b(reassoc|fast)\b")

    def kept(line: str) -> bool:
        return "@llvm.vector.reduce." in line or line.startswith("@")  # a global may hold any text

    return "\n".join(line if kept(line) else flags.sub("", line) for line in ir.splitlines())


if __name__ == "__main__":
    main()
