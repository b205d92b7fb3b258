"""The core on small machines: kernels retargeted to ARM, RISC-V and WebAssembly, models exported to ONNX."""

from torsh_ops.edge.errors import ExportError, RetargetError
from torsh_ops.edge.export import export_onnx
from torsh_ops.edge.link import compile_library, link_program, link_wasm
from torsh_ops.edge.retarget import ObjectCode, retarget
from torsh_ops.edge.targets import TARGETS, Target

__all__ = [
    "TARGETS",
    "ExportError",
    "ObjectCode",
    "RetargetError",
    "Target",
    "compile_library",
    "export_onnx",
    "link_program",
    "link_wasm",
    "retarget",
]
