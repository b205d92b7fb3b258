"""A fresh process that answers with a small model: `python -P child.py <job> <runtime> <folder>` prints JSON.

Jobs: `start` times each stage up to the first answer; `memory` answers under limits of RLIMIT_DATA. The folder holds
what `artefacts.prepare` wrote. Nothing is imported before the clock starts but the standard library.
"""

import ctypes
import gc
import json
import math
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

MB = 10**6
# What an inference may use beyond the ready process: the tiers of small machines.
TIERS = (1, 10, 100, 1000)
CALLS = 300
_RESOLUTION = 1 << 16
# Seconds. A probe takes a tenth of one; a runtime that hangs when memory runs out is stopped.
_PATIENCE = 20


class Torsh:
    """torsh_ops: the model is a Python class, its parameters an .npz file."""

    def start(self) -> None:
        """Import the library."""
        import torsh_ops.models

        self.library = torsh_ops

    def load(self, folder: Path) -> None:
        """Read the parameters into a new model, and the input."""
        import numpy as np

        with np.load(folder / "model.npz") as state:
            tensors = {name: self.library.from_numpy(array) for name, array in state.items()}
        self.model = self.library.models.SmallCNN()
        self.model.load_state_dict(tensors)
        self.model.eval()
        self.x = self.library.from_numpy(np.load(folder / "input.npy"))

    def infer(self) -> Any:
        """One answer, as an array."""
        with self.library.inference_mode():
            return self.model(self.x).numpy()

    def drop(self) -> None:
        """Forget the model and give its memory back."""
        del self.model, self.x
        self.library.memory.empty_cache()


class Onnxruntime:
    """onnxruntime, one thread: the model is the ONNX file that torsh_ops wrote."""

    def start(self) -> None:
        """Import the library."""
        import onnxruntime

        self.library = onnxruntime

    def load(self, folder: Path) -> None:
        """Read the file into a session, and the input."""
        import numpy as np

        options = self.library.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = str(folder / "model.onnx")
        self.session = self.library.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.x = {"input": np.load(folder / "input.npy")}

    def infer(self) -> Any:
        """One answer, as an array."""
        return self.session.run(None, self.x)[0]

    def drop(self) -> None:
        """Forget the session."""
        del self.session, self.x


RUNTIMES: dict[str, type[Torsh] | type[Onnxruntime]] = {"torsh": Torsh, "onnxruntime": Onnxruntime}


def check(answer: Any, folder: Path) -> None:
    """Raise AssertionError unless `answer` is the model's."""
    import numpy as np

    np.testing.assert_allclose(answer, np.load(folder / "expected.npy"), rtol=1e-4, atol=1e-5)


def start(runtime: Torsh | Onnxruntime, folder: Path) -> dict[str, float]:
    """Seconds of each stage, when the last one ended on the machine's clock, and the peak of resident bytes."""
    clock = [time.perf_counter()]
    runtime.start()
    clock.append(time.perf_counter())
    runtime.load(folder)
    clock.append(time.perf_counter())
    answer = runtime.infer()
    clock.append(time.perf_counter())
    peak = status("VmHWM")
    check(answer, folder)
    stages = ("import", "load", "first_inference")
    seconds = {stage: after - before for stage, before, after in zip(stages, clock, clock[1:], strict=False)}
    return {**seconds, "end": clock[-1], "peak": peak}


def status(key: str) -> int:
    """One of this process's counters in bytes (proc(5))."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def memory(runtime: Torsh | Onnxruntime, folder: Path) -> dict[str, Any]:
    """Latency and peak under each tier, and the smallest limit under which there is an answer.

    Limits count from a process that is ready: the library is imported and has answered once, so its code is
    compiled, and that model is gone again.
    """
    runtime.start()
    get_ready(runtime, folder)

    def ready() -> None:
        get_ready(runtime, folder)

    def once() -> dict[str, Any]:
        runtime.load(folder)
        check(runtime.infer(), folder)
        return {}

    def fits(limit: int) -> bool:
        return "error" not in under(limit, ready, once)

    tiers = {str(tier): under(tier * MB, ready, lambda: steady(runtime, folder)) for tier in TIERS}
    return {"smallest": smallest(fits, TIERS[-1] * MB), "tiers": tiers}


def smallest(fits: Callable[[int], bool], high: int) -> int:
    """The least number of bytes up to `high` that `fits`, to 64 KiB; found by halving."""
    low = 0
    while high - low > _RESOLUTION:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def get_ready(runtime: Torsh | Onnxruntime, folder: Path) -> None:
    """Answer once and give the memory back: what is mapped and compiled then is the runtime's own."""
    runtime.load(folder)
    check(runtime.infer(), folder)
    runtime.drop()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def steady(runtime: Torsh | Onnxruntime, folder: Path) -> dict[str, float]:
    """Percentiles of the time of an inference, and the peak of resident bytes over those before loading."""
    Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to what is resident now
    before = status("VmRSS")
    runtime.load(folder)
    check(runtime.infer(), folder)
    seconds = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        runtime.infer()
        seconds.append(time.perf_counter() - begin)
    return {**percentiles(seconds), "peak": max(0, status("VmHWM") - before)}


def percentiles(seconds: list[float]) -> dict[str, float]:
    """The 50th, 95th and 99th percentile by nearest rank: values that were measured."""
    ordered = sorted(seconds)
    return {f"p{p}": ordered[math.ceil(p / 100 * len(ordered)) - 1] for p in (50, 95, 99)}


def under(limit: int, ready: Callable[[], None], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns in a fork that, once `ready`, may use `limit` more bytes of data (RLIMIT_DATA).

    {"error": how it ended} where memory did not suffice. Raises RuntimeError when the fork failed otherwise.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(_PATIENCE)
            # A fork maps the pages of files anew: it gets ready itself, or they would count as the model's.
            ready()
            os.write(writer, json.dumps(_limited(status("VmData") + limit, work)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code > 0:
        raise RuntimeError(f"the model fails for another reason than its {limit} bytes; see stderr")
    return json.loads(data) if code == 0 else {"error": f"ended by {signal.Signals(-code).name}"}


def _limited(total: int, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns with at most `total` bytes of data; a wrong answer stays an AssertionError."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (total, hard))
    try:
        return work()
    except AssertionError:
        raise
    except MemoryError:
        return {"error": "MemoryError"}
    except Exception as error:  # onnxruntime: RuntimeException: ... std::bad_alloc
        return {"error": f"{type(error).__name__}: {str(error)[:200]}"}
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


if __name__ == "__main__":
    job, name, path = sys.argv[1:]
    print(json.dumps({"start": start, "memory": memory}[job](RUNTIMES[name](), Path(path))))
