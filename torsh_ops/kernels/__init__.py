"""Kernels: plain loops that Numba compiles. They take arrays and `out`, validate nothing and allocate nothing.

Every kernel is serial, calls no libm function and can be compiled for another machine; `torsh_ops.threads` runs
one on several ranges at once.
"""

import contextlib
from pathlib import Path

# What other kernels are made of.
_SHARED = ("vector.py", "math.py", "reduce.py", "blas.py", "conv_tile.py", "conv_emit.py")


def _drop_stale_code(folder: Path) -> None:
    """Remove compiled kernels older than what they are made of.

    Numba looks at a kernel's own file only: a change of `math.py` would leave old machine code in its users.
    """
    newest = max((folder / name).stat().st_mtime for name in _SHARED)
    for index in folder.glob("__pycache__/*.nbi"):
        with contextlib.suppress(OSError):  # another process was first, or the folder is read-only
            if index.stat().st_mtime < newest:
                index.unlink()


_drop_stale_code(Path(__file__).parent)
