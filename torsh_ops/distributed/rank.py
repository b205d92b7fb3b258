"""What every rank of a job runs: `python -m torsh_ops.distributed.rank FOLDER`, started by `launch.run`."""

import faulthandler
import os
import pickle
import pkgutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import torsh_ops
from torsh_ops.distributed.mpi import load_mpi


def main(folder: Path) -> None:
    """Run the job in `folder` as one rank and leave its result, or the failure that ended it, there."""
    world = load_mpi().COMM_WORLD
    rank = world.Get_rank()
    # The launcher asks with SIGUSR1 where a rank stands. The handler answers from inside a blocked MPI call
    # too, into a file that stays open to the end.
    stack = open(folder / f"{rank}.stack", "w")
    faulthandler.register(signal.SIGUSR1, stack, all_threads=False)
    faulthandler.enable(stack, all_threads=False)
    leave(folder / f"{rank}.pid", os.getpid())
    threading.Thread(target=end_with, args=(folder / "lifeline",), daemon=True).start()
    hold_to_one_core(rank)
    try:
        leave(folder / f"{rank}.result", run_job(folder, world.Get_size()))
    except BaseException as error:
        summary = traceback.format_exception_only(error)[-1].strip()
        leave(folder / f"{rank}.failure", (time.monotonic(), summary, traceback.format_exc()))
        sys.stdout.flush()
        # A plain exit would wait in MPI_Finalize for ranks that wait for this one.
        os._exit(1)


def run_job(folder: Path, size: int) -> Any:
    """Call the job's function; raises RuntimeError when this is not the job that the launcher described."""
    job = pickle.loads((folder / "job").read_bytes())
    if size != job["nprocs"]:
        library = load_mpi().Get_library_version().splitlines()[0].split(",")[0]
        raise RuntimeError(
            f"{job['mpiexec']} started {job['nprocs']} ranks and MPI sees {size}: it belongs to another MPI "
            f"than mpi4py, which loads {library}"
        )
    if torsh_ops.__file__ != job["torsh_ops"]:
        raise RuntimeError(f"the rank imports {torsh_ops.__file__} and its launcher {job['torsh_ops']}")
    function, args = pickle.loads(job["call"])
    return (pkgutil.resolve_name(function) if isinstance(function, str) else function)(*args)


def hold_to_one_core(rank: int) -> None:
    """Pin this process to one of the cores it may use, by rank, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})


def end_with(lifeline: Path) -> None:
    """End this process when nobody holds the other end of `lifeline`: the launcher is gone."""
    end = os.open(lifeline, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(end, True)
    os.read(end, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def leave(path: Path, value: Any) -> None:
    """Write `value` at `path`, whole or not at all."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_bytes(pickle.dumps(value))
    os.replace(part, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
