"""SmallCNN on a small machine: limits that bind, stages that add up, and reasons where there is no number."""

import ctypes
import gc
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from benchmarks.edge import artefacts, child, small_cnn

MB = child.MB
needs_onnxruntime = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))),
    reason="the peer needs onnx and onnxruntime: pip install .[edge]",
)


def ready():
    """Give back what pytest's process has freed and malloc keeps: the limit does not see it used again."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def fill(megabytes):
    def work():
        return {"bytes": int(np.ones(megabytes * MB, np.uint8).sum())}

    return work


def test_a_limit_lets_less_pass_and_stops_more():
    assert child.under(100 * MB, ready, fill(50)) == {"bytes": 50 * MB}
    assert child.under(100 * MB, ready, fill(150)) == {"error": "MemoryError"}


def test_what_is_there_before_the_limit_does_not_count():
    kept = []

    def ready():
        kept.append(np.ones(300 * MB, np.uint8))

    assert child.under(100 * MB, ready, fill(50)) == {"bytes": 50 * MB}


@pytest.mark.parametrize(
    ("fail", "reason", "patience"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "ended by SIGKILL", 60),
        (lambda: threading.Event().wait(), "ended by SIGALRM", 1),
    ],
)
def test_a_library_that_dies_or_hangs_is_named_by_its_signal(monkeypatch, fail, reason, patience):
    monkeypatch.setattr(child, "_PATIENCE", patience)
    assert child.under(100 * MB, ready, fail) == {"error": reason}


def test_another_error_keeps_its_name():
    def work():
        raise ValueError("std::bad_alloc")

    assert child.under(100 * MB, ready, work) == {"error": "ValueError: std::bad_alloc"}


def test_a_wrong_answer_is_no_lack_of_memory(tmp_path):
    np.save(tmp_path / "expected.npy", np.ones(3, np.float32))

    def work():
        child.check(np.zeros(3, np.float32), tmp_path)
        return {}

    with pytest.raises(RuntimeError, match="for another reason"):
        child.under(100 * MB, ready, work)


def test_the_limit_of_a_fork_ends_with_it():
    child.under(1 * MB, ready, fill(150))
    assert fill(150)() == {"bytes": 150 * MB}


@pytest.mark.parametrize("needed", [0, 1, 70_000, 5 * MB, 999 * MB])
def test_halving_finds_the_smallest_limit(needed):
    found = child.smallest(lambda limit: limit >= needed, 1000 * MB)
    assert needed <= found <= needed + (1 << 16)


FRESH = """
import child, gc, numpy as np

def fits(limit):
    return "error" not in child.under(limit, gc.collect, lambda: {"bytes": int(np.ones(30_000_000, "u1").sum())})

print(child.smallest(fits, 100_000_000))
"""


def test_the_smallest_limit_is_what_the_work_uses():
    folder = Path(child.__file__).parent
    run = subprocess.run([sys.executable, "-c", FRESH], cwd=folder, capture_output=True, text=True, check=True)
    assert abs(int(run.stdout) - 30 * MB) <= MB / 2


def test_percentiles_are_values_that_were_measured():
    assert child.percentiles([float(k) for k in range(100, 0, -1)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert child.percentiles([7.0]) == {"p50": 7.0, "p95": 7.0, "p99": 7.0}


class Filler:
    """A runtime whose model is 200 MB and whose answer is 1."""

    def load(self, folder):
        self.model = np.ones(200 * MB, np.uint8)

    def infer(self):
        return self.model[:1]


def test_the_peak_counts_the_model(tmp_path):
    np.save(tmp_path / "expected.npy", np.ones(1, np.uint8))
    found = child.under(300 * MB, ready, lambda: child.steady(Filler(), tmp_path))
    # Filler does not get ready: pages of files that a fork maps anew are a few MB.
    assert abs(found["peak"] - 200 * MB) <= 15 * MB
    assert 0 < found["p50"] <= found["p95"] <= found["p99"]
    assert child.under(100 * MB, ready, lambda: child.steady(Filler(), tmp_path)) == {"error": "MemoryError"}


@needs_onnxruntime
def test_both_runtimes_answer_alike(tmp_path):
    assert artefacts.prepare(tmp_path) == {}
    for runtime in (kind() for kind in child.RUNTIMES.values()):
        runtime.start()
        runtime.load(tmp_path)
        child.check(runtime.infer(), tmp_path)
        runtime.drop()
    np.save(tmp_path / "expected.npy", np.load(tmp_path / "expected.npy") + 0.01)
    runtime.load(tmp_path)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        child.check(runtime.infer(), tmp_path)


@pytest.fixture(scope="module")
def results():
    return small_cnn.setup_cache()


CLASSES = (
    small_cnn.ColdStart,
    small_cnn.Latency,
    small_cnn.LatencyRatio,
    small_cnn.Memory,
    small_cnn.LatencyUnderLimit,
    small_cnn.MemoryUnderLimit,
)


@pytest.mark.slow
@needs_onnxruntime
def test_every_cell_is_a_number_or_does_not_fit(results):
    json.dumps(results)
    for kind in CLASSES:
        for runtime in small_cnn.NAMES:
            for rest in [(tier,) for tier in child.TIERS] if "limit_mb" in kind.param_names else [()]:
                bench = kind()
                try:
                    bench.setup(results, runtime, *rest)
                except NotImplementedError as error:
                    assert rest == (1,) and "does not fit into 1 MB" in str(error)
                    continue
                for name in (n for n in dir(bench) if n.startswith("track_")):
                    assert getattr(bench, name)(results, runtime, *rest) > 0


@pytest.mark.slow
@needs_onnxruntime
def test_the_parts_of_a_start_add_up(results):
    for runtime in small_cnn.NAMES:
        first, start = results[runtime]["first"], results[runtime]["start"]
        for run in (first, start):
            assert run["import"] + run["load"] + run["first_inference"] < run["process"]
    # The first start compiles; onnxruntime has nothing to compile.
    assert results["torsh"]["first"]["process"] > 2 * results["torsh"]["start"]["process"]
    assert results["torsh"]["first"]["first_inference"] > results["torsh"]["start"]["first_inference"]
    for runtime in small_cnn.NAMES:
        # Parameters alone are 264 kB.
        assert results[runtime]["memory"]["smallest"] > 264_000
        assert results[runtime]["memory"]["tiers"]["1000"]["peak"] > 264_000
        assert results[runtime]["start"]["peak"] > results[runtime]["memory"]["tiers"]["1000"]["peak"]
    assert min(results[runtime]["ratio"] for runtime in small_cnn.NAMES) == 1


def test_a_runtime_that_was_not_measured_says_why():
    results = {"torsh": {"ratio": "there is no other runtime here"}, "onnxruntime": "not installed"}
    for kind in (small_cnn.ColdStart, small_cnn.Memory):
        with pytest.raises(NotImplementedError, match="not installed"):
            kind().setup(results, "onnxruntime")
    with pytest.raises(NotImplementedError, match="nothing at this commit"):
        small_cnn.ColdStart().setup("nothing at this commit", "torsh")
    bench = small_cnn.LatencyRatio()
    bench.setup(results, "torsh")
    with pytest.raises(NotImplementedError, match="no other runtime"):
        bench.track_latency_over_fastest(results, "torsh")


def test_a_limit_that_is_too_small_says_so():
    results = {"torsh": {"memory": {"tiers": {"1": {"error": "MemoryError"}}}}}
    with pytest.raises(NotImplementedError, match="torsh does not fit into 1 MB: MemoryError"):
        small_cnn.MemoryUnderLimit().setup(results, "torsh", 1)


def test_a_child_that_fails_is_an_error_with_its_words(tmp_path):
    with pytest.raises(RuntimeError, match=r"start of torsh ended with status 1:(.|\n)*model\.npz"):
        small_cnn._run("start", "torsh", tmp_path)


def test_without_onnx_torsh_is_measured_alone(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert artefacts.prepare(tmp_path) == {
        "onnxruntime": "exporting needs the onnx package: pip install torsh-ops[edge]"
    }
    assert {path.name for path in tmp_path.iterdir()} == {"model.npz", "input.npy", "expected.npy"}
