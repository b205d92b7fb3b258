"""Kernels: plain loops that Numba compiles. They take arrays and `out`, validate nothing and allocate nothing.

Every kernel is serial, calls no libm function and can be compiled for another machine; `torsh_ops.threads` runs
one on several ranges at once.
"""

import contextlib
from pathlib import Path

# What other kernels are made of.
_SHARED = (
    "vector.py", "math.py", "trig.py", "binary.py", "reduce.py", "rows.py", "run.py", "lanes.py", "blas.py",
    "conv.py", "conv_tile.py", "conv_emit.py", "conv_copy.py", "conv_transform.py", "conv_pointwise_tile.py",
    "window_tile.py", "fft_emit.py", "fft_panel.py", "gemm_tile.py", "gemm.py", "row_steps.py", "householder.py",
    "symmetric.py", "lapack.py",
)  # fmt: skip
# What these compile may hold any kernel.
_MADE_OF_ANY = ("stream.", "short.", "window.")


def _drop_stale_code(folder: Path) -> None:
    """Remove compiled kernels older than what they are made of.

    Numba looks at a kernel's own file only: a change of `math.py` would leave old machine code in its users.
    """
    newest = max((folder / name).stat().st_mtime for name in _SHARED)
    newest_of_all = max(path.stat().st_mtime for path in folder.glob("*.py"))
    way_in = (folder / "team.py", folder / "gemm.py", folder / "gemm_tile.py", *folder.glob("call/*.py"))
    newest_way_in = max(path.stat().st_mtime for path in way_in)
    for index in folder.glob("**/__pycache__/*.nbi"):
        made_of = newest_way_in if index.parent.parent.name == "call" else newest
        if index.name.startswith(_MADE_OF_ANY):
            made_of = newest_of_all
        with contextlib.suppress(OSError):  # another process was first, or the folder is read-only
            if index.stat().st_mtime < made_of:
                index.unlink()


_drop_stale_code(Path(__file__).parent)
