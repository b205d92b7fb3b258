"""Run a function on real MPI ranks of this machine: one thread and one core a rank, a deadline a job."""

import importlib.util
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torsh_ops
from torsh_ops.distributed.mpi import INSTALL, MPIMissingError
from torsh_ops.errors import ArgumentError, TorshError

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
# Open MPI refuses root unless both are set.
ROOT_ALLOWED = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
# How long a rank may take to say where it stands, and mpiexec to end the ranks once told to, in seconds.
ANSWER_SECONDS = 1.0
END_SECONDS = 5.0


class JobError(TorshError, RuntimeError):
    """A job that ended without the results of all its ranks."""


class RankError(JobError):
    """A rank raised or died: `rank`, None when nothing tells which; the message carries its traceback."""

    def __init__(self, rank: int | None, message: str) -> None:
        super().__init__(message)
        self.rank = rank


class DeadlineError(JobError, TimeoutError):
    """A job was ended at its deadline; the message says where each rank stood."""


def run(
    function: Callable[..., Any] | str, nprocs: int = 2, args: Sequence[Any] = (), timeout: float = 60.0
) -> list[Any]:
    """Call `function(*args)` on `nprocs` MPI ranks and return their results, by rank.

    `function` is one that another process can import, or its "module:name"; arguments and results are pickled. The
    ranks see this process's sys.path and torsh_ops. `timeout` is the whole job's, its start included, in seconds.

    Raises RankError when a rank raises or dies, DeadlineError at the deadline (every rank is ended first),
    MPIMissingError when mpi4py or mpiexec is missing, ArgumentError for a function that ranks cannot import.
    """
    mpiexec = find_mpiexec()
    with tempfile.TemporaryDirectory(prefix="torsh-job-") as name:
        folder = Path(name)
        describe(folder, function, nprocs, args, mpiexec)
        command = [mpiexec, *local_options(mpiexec), "-n", str(nprocs)]
        with started(folder, command, import_path(function)) as job:
            try:
                status = job.wait(timeout)
            except subprocess.TimeoutExpired:
                stood = [f"rank {rank} {where(folder, rank)}" for rank in range(nprocs)]
                ended = f"the job of {nprocs} ranks was ended at its deadline, {timeout:g} s"
                raise DeadlineError("\n".join([ended, *stood])) from None
        raise_failure(folder, nprocs, status)
        sys.stdout.write(said(folder))
        return [read(folder / f"{rank}.result") for rank in range(nprocs)]


def find_mpiexec() -> str:
    """Return the path of mpiexec: the one that the mpich wheel installs beside Python, or that on PATH.

    Raises MPIMissingError, with the way out, when there is none or mpi4py is missing.
    """
    if importlib.util.find_spec("mpi4py") is None:
        raise MPIMissingError(f"mpi4py is not installed: {INSTALL}")
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    mpiexec = shutil.which("mpiexec", path=path)
    if mpiexec is None:
        raise MPIMissingError(f"mpiexec is neither in {sysconfig.get_path('scripts')} nor on PATH: {INSTALL}")
    return mpiexec


def local_options(mpiexec: str) -> list[str]:
    """Return what makes `mpiexec` start ranks here, without a remote shell, and leave pinning to them."""
    version = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, check=False).stdout
    if "HYDRA" in version:  # mpich and its children
        return ["-launcher", "fork", "-hosts", "localhost"]
    if re.search("Open ?MPI|OpenRTE|PRRTE", version):
        return ["--bind-to", "none", "--map-by", ":OVERSUBSCRIBE"]
    return []


def describe(folder: Path, function: Callable[..., Any] | str, nprocs: int, args: Sequence[Any], mpiexec: str) -> None:
    """Write what the ranks need to know into `folder`."""
    try:
        call = pickle.dumps((function, tuple(args)))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ArgumentError(f"{function!r} or its arguments cannot be sent to the ranks: {error}") from error
    job = {"call": call, "nprocs": nprocs, "mpiexec": mpiexec, "torsh_ops": torsh_ops.__file__}
    (folder / "job").write_bytes(pickle.dumps(job))
    os.mkfifo(folder / "lifeline")


def import_path(function: Callable[..., Any] | str) -> list[str]:
    """Return this process's sys.path, and behind it the folder of the function's own package.

    asv imports benchmarks through a finder of its own, off sys.path; last, that folder shadows nothing.
    """
    path = [entry or os.getcwd() for entry in sys.path]
    if isinstance(function, str):
        return path
    if function.__module__ == "__main__":
        name = function.__qualname__
        raise ArgumentError(f"{name} is in __main__, which the ranks cannot import: move it to a module")
    package, _, inner = function.__module__.partition(".")
    source = Path(sys.modules[package].__path__[0] if inner else str(sys.modules[package].__file__))
    return [*path, str(source.parent)]


@contextmanager
def started(folder: Path, mpiexec: list[str], path: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the ranks, and see that none is left at the end, whatever happens."""
    command = [*mpiexec, sys.executable, "-P", "-m", "torsh_ops.distributed.rank", str(folder)]
    environment = {**os.environ, **ONE_THREAD, **ROOT_ALLOWED, "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path)
    # The ranks end themselves when this process, the lifeline's only holder, is gone.
    with open(folder / "lifeline", "r+b", buffering=0), open(folder / "output", "wb") as output:
        job = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield job
        finally:
            # mpiexec ends its ranks at SIGTERM, stopped ones too, and reaps them; the lifeline takes any it left.
            if job.poll() is None:
                job.terminate()
            try:
                job.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                job.kill()
                job.wait()


def where(folder: Path, rank: int) -> str:
    """Say where a rank of a running job stands, as the rank itself tells."""
    if (folder / f"{rank}.result").exists():
        return "had finished"
    if not (folder / f"{rank}.pid").exists():
        return "had not started MPI"
    stack = folder / f"{rank}.stack"
    try:
        os.kill(read(folder / f"{rank}.pid"), signal.SIGUSR1)
    except ProcessLookupError:
        return "had ended"
    deadline = time.monotonic() + ANSWER_SECONDS
    while "_run_module_as_main" not in (text := stack.read_text()):
        if time.monotonic() > deadline:
            return "did not say where it stood: it is stopped, or deep in a system call"
        time.sleep(0.01)
    # Most recent call first; below run_job are the frames of the launcher's own module.
    frames = text.partition(" in run_job")[0].splitlines()[1:-1]
    return "\n".join(["stood in", *frames])


def raise_failure(folder: Path, nprocs: int, status: int) -> None:
    """Raise RankError for the rank that failed first; nothing when every rank left a result."""
    failures = [
        (*read(folder / f"{rank}.failure"), rank) for rank in range(nprocs) if (folder / f"{rank}.failure").exists()
    ]
    if failures:
        _, summary, trace, rank = min(failures)
        raise RankError(rank, f"rank {rank} of {nprocs} raised {summary}\n\n{trace}")
    if all((folder / f"{rank}.result").exists() for rank in range(nprocs)):
        return
    output = said(folder)
    rank = next((r for r in range(nprocs) if _named_by(folder, r, output)), None)
    # mpich says "Killed (signal 9)", Open MPI "exited on signal 9".
    end = re.search(r"(?:\(|exited on )signal (\d+)", output)
    names = {str(number.value): number.name for number in signal.Signals}
    how = f"was ended by {names.get(end[1], end[0])}" if end else f"left no result, status {status}"
    who = "a rank" if rank is None else f"rank {rank}"
    stack = "" if rank is None else (folder / f"{rank}.stack").read_text()
    last = "\n".join(output.splitlines()[-20:])
    raise RankError(rank, f"{who} of {nprocs} {how}\n{stack}\nthe job's last output:\n{last}")


def _named_by(folder: Path, rank: int, output: str) -> bool:
    """Whether mpiexec's report of a dead process names this rank's."""
    pid = folder / f"{rank}.pid"
    return pid.exists() and re.search(rf"PID {read(pid)}\b", output) is not None


def said(folder: Path) -> str:
    """Return what the ranks and mpiexec printed."""
    return (folder / "output").read_text(errors="replace")


def read(path: Path) -> Any:
    """Return what a rank left at `path`."""
    return pickle.loads(path.read_bytes())
