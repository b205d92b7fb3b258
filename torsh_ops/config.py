"""What torsh_ops runs on."""

import platform
import sys
from importlib.metadata import version

import llvmlite.binding
import numba
import numpy as np

from torsh_ops import dtypes, memory, threads
from torsh_ops.kernels import blas


def show_config() -> str:
    """Return, one line each: versions, the CPU as the compiler sees it, BLAS and its kernel, threads, the pool.

    Print it; the first thing to look at when two machines disagree.
    """
    openblas = blas.describe()
    features = llvmlite.binding.get_host_cpu_features()
    vectors = [f for f in ("avx2", "fma", "avx512f", "avx512vnni", "avx512bf16", "neon", "sve") if features.get(f)]
    lines = {
        "torsh_ops": version("torsh-ops") if _installed() else "not installed, imported from its source",
        "python": f"{platform.python_implementation()} {sys.version.split()[0]} on {platform.platform()}",
        "numpy": np.__version__,
        "numba": f"{numba.__version__} (LLVM {'.'.join(map(str, llvmlite.binding.llvm_version_info))})",
        "cpu": f"{llvmlite.binding.get_host_cpu_name()} ({' '.join(vectors) or 'no vector extension known here'})",
        "blas": f"{openblas['build']} (kernel {openblas['core']})",
        "threads": str(threads.get_num_threads()),
        "default dtype": repr(dtypes.get_default_dtype()),
        "memory pool": ", ".join(f"{name} {value}" for name, value in memory.stats().items()),
    }
    return "\n".join(f"{name + ':':15}{value}" for name, value in lines.items())


def _installed() -> bool:
    try:
        version("torsh-ops")
    except ModuleNotFoundError:
        return False
    return True
