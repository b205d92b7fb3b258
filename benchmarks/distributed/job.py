"""A job of two ranks for `setup_cache`: its results, or the reason why there are none here."""

import importlib.util
import os
from collections.abc import Callable
from typing import Any

RANKS = 2
# Seconds: a rank compiles its kernels and imports the peer first. The jobs take a few seconds after that.
DEADLINE = 180.0


def measure(function: Callable[..., Any], *args: Any) -> Any:
    """Run `function(*args)` on RANKS ranks and return rank 0's result, or a string: why it cannot run here."""
    if importlib.util.find_spec("torsh_ops.distributed") is None:
        return "torsh_ops has no distributed at this commit"
    from torsh_ops.distributed import MPIMissingError
    from torsh_ops.distributed.launch import run

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < RANKS:
        return f"{RANKS} ranks on {cores} core would measure the scheduler: MPI waits by spinning"
    try:
        return run(function, RANKS, args, timeout=DEADLINE)[0]
    except MPIMissingError as error:
        return str(error)


def found(results: Any, key: str) -> Any:
    """Return `results[key]`; n/a, with the reason, where the job or this part of it did not run."""
    value = results if isinstance(results, str) else results[key]
    if isinstance(value, str):
        raise NotImplementedError(value)
    return value
