"""The far side of `scripts.launches`: measures cells in the environment under test, and reports each as it is done.

It runs as a file, in a process of its own, where asv_runner is and this package is not. The task is a file of JSON;
answers go, a line of JSON each, to the file descriptor that the task names.
"""

import inspect
import io
import json
import math
import os
import pickle
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from asv_runner.benchmarks.mark import SkipNotImplemented
from asv_runner.discovery import get_benchmark_from_name, list_benchmarks

Say = Callable[[dict[str, Any]], None]


def main() -> None:
    """Do the task in the file that is named: list the suite's benchmarks, or measure cells, or trace them."""
    with open(sys.argv[1], encoding="utf-8") as file:
        task = json.load(file)
    with open(task["report"], "w", buffering=1, encoding="utf-8") as report:
        if "cells" in task:
            measure(task, trace if task["trace"] else one, lambda answer: print(json.dumps(answer), file=report))
        else:
            listed = io.StringIO()
            list_benchmarks(task["suite"], listed)
            print(f'{{"suite": {listed.getvalue()}}}', file=report)


def measure(task: dict[str, Any], treat: Callable[..., dict[str, Any]], say: Say) -> None:
    """Give each cell of `task` to `treat` in its order; one that fails does not stop the others."""
    caches: dict[str, Any] = {}
    for cell in task["cells"]:
        say({"begun": cell["name"], "printed": printed()})
        # Left to its default this ends the process: a benchmark that hangs in C code would run no handler.
        signal.setitimer(signal.ITIMER_REAL, cell["timeout"])
        try:
            answer = treat(task["suite"], cell["id"], task["scratch"], caches)
        except KeyboardInterrupt:
            raise
        # Whatever a benchmark raises, SystemExit too, is its own failure.
        except BaseException as error:
            traceback.print_exc()
            answer = {"failed": " ".join(f"{type(error).__name__}: {error}".split())}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        say({"cell": cell["name"], **answer})


def printed() -> int:
    """Bytes that this process has printed until now: the launcher keeps both streams in one file."""
    sys.stdout.flush()
    sys.stderr.flush()
    return os.fstat(1).st_size


def one(suite: str, identity: str, scratch: str, caches: dict[str, Any]) -> dict[str, Any]:
    """Set one cell up, run it as asv does, and tear it down."""
    benchmark = get_benchmark_from_name(suite, identity)
    with folder_of(benchmark, scratch):
        benchmark.set_cache(cache_of(benchmark, caches))
        skipped = benchmark.do_setup()
        try:
            if skipped:
                return {"skipped": True}
            result = benchmark.do_run()
        except SkipNotImplemented:
            return {"skipped": True}
        finally:
            benchmark.do_teardown()
    if isinstance(result, dict):
        return {"samples": result["samples"]}
    if isinstance(result, (int, float)) and math.isnan(result):
        return {"skipped": True}
    with suppress(TypeError, ValueError, OverflowError):
        if math.isfinite(value := float(result)):
            return {"samples": [value]}
    return {"failed": f"it gave {result!r:.80}, which is no finite number"}


def trace(suite: str, identity: str, scratch: str, caches: dict[str, Any]) -> dict[str, Any]:
    """Files of the functions that a cell's setup and one call of it run; of compiled ones their module's."""
    files: set[str] = set()

    def note(frame: Any, event: str, called: Any) -> None:
        # A module's and a class's own code runs when it is imported, needed or not.
        if frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            files.add(frame.f_code.co_filename)
        if event == "c_call":
            homes = (getattr(called, "__module__", None), type(getattr(called, "__self__", None)).__module__)
            modules = (sys.modules.get(name) for name in homes if isinstance(name, str))
            files.update(file for module in modules if (file := getattr(module, "__file__", None)))

    for profile in (None, note):
        # At first without: whatever is imported on use calls functions as well.
        benchmark = get_benchmark_from_name(suite, identity)
        with folder_of(benchmark, scratch):
            benchmark.set_cache(cache_of(benchmark, caches))
            sys.setprofile(profile)
            try:
                if benchmark.do_setup():
                    return {"skipped": True}
                benchmark.func(*benchmark._build_params())
            finally:
                sys.setprofile(None)
            benchmark.do_teardown()
    return {"files": sorted(files)}


@contextmanager
def folder_of(benchmark: Any, scratch: str) -> Iterator[None]:
    """Work in a folder that is this benchmark's, or is shared by those that share a `setup_cache`."""
    if benchmark.setup_cache_key is None:
        folder = tempfile.mkdtemp(dir=scratch)
    else:
        folder = os.path.join(scratch, "".join(c if c.isalnum() else "-" for c in benchmark.setup_cache_key))
        os.makedirs(folder, exist_ok=True)
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def cache_of(benchmark: Any, caches: dict[str, Any]) -> Any:
    """What its `setup_cache` gives, made once in a launch: a value that it measured must not come from an older one."""
    key = benchmark.setup_cache_key
    if key is None:
        return None
    if key not in caches:
        caches[key] = pickle.dumps(benchmark.do_setup_cache())
    # A copy each, as where asv loads it in another process.
    return pickle.loads(caches[key])


if __name__ == "__main__":
    main()
