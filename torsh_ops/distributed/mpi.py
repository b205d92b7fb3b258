"""MPI, imported on use: importing mpi4py starts MPI in the process, which only a rank wants."""

import functools
from types import ModuleType

from torsh_ops.errors import TorshError

INSTALL = "pip install torsh-ops[distributed]"


class MPIMissingError(TorshError, ImportError):
    """mpi4py, an MPI library or mpiexec cannot be found."""


@functools.cache
def load_mpi() -> ModuleType:
    """Import mpi4py.MPI, which starts MPI in this process; raises MPIMissingError with the way out."""
    try:
        import mpi4py

        # mpi4py asks for MPI_THREAD_MULTIPLE, whose locks take a 1 KiB all-reduce of mpich 5.0 from 1.9 to
        # 4.4 us.
        mpi4py.rc.thread_level = "serialized"
        from mpi4py import MPI
    except ImportError as error:
        raise MPIMissingError(f"mpi4py cannot be imported ({error}): {INSTALL}") from error
    except RuntimeError as error:
        # mpi4py is there and the library that it loads is not.
        raise MPIMissingError(f"mpi4py finds no MPI library ({error}): {INSTALL} brings mpich") from error
    return MPI
