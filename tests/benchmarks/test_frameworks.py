"""Adapters: one thread each, missing and broken frameworks, names that do not exist."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import frameworks, workloads
from benchmarks.frameworks import FrameworkUnavailable, UnknownName
from benchmarks.frameworks.adapter import Adapter
from benchmarks.frameworks.threads import CRIPPLING, ENVIRONMENT

ROOT = Path(__file__).parent.parent.parent


def run(code: str, *paths: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter, where none of the thread variables are set."""
    clean = {k: v for k, v in os.environ.items() if k not in ENVIRONMENT and k not in CRIPPLING}
    clean["PYTHONPATH"] = os.pathsep.join(map(str, [*paths, ROOT]))
    return subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True, timeout=300
    )


def answer(code: str, *paths: Path, **environment: str) -> object:
    """What `code` printed last, as JSON."""
    done = run(code, *paths, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def need(name: str) -> Adapter:
    try:
        return frameworks.load(name)
    except FrameworkUnavailable as reason:
        pytest.skip(str(reason))


BUSY = """
import json, sys, time
from benchmarks import frameworks, workloads
shares = []
for workload, size in (("matmul", "compute"), ("exp", "memory"), ("sum", "memory")):
    workload = workloads.get(workload)
    with frameworks.load({name!r}).bind(workload, workload.make_inputs(size)) as call:
        call()
        wall, cpu = time.perf_counter(), time.process_time()
        while time.perf_counter() < wall + 0.4:
            call()
        shares.append((time.process_time() - cpu) / (time.perf_counter() - wall))
print(json.dumps(shares))
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core can't tell one thread from two")
@pytest.mark.parametrize("name", frameworks.NAMES)
def test_uses_one_thread(name):
    need(name)
    shares = answer(BUSY.format(name=name))
    # Two threads at work use up to 2 seconds of CPU time a second.
    assert max(shares) < 1.15, f"CPU seconds per second of matmul, exp, sum: {shares}"


COUNTS = """
import ctypes, json, os, pathlib, sys
import benchmarks
from benchmarks.frameworks import threads
threads.hold(2)
from benchmarks import frameworks, workloads
module = frameworks.load({name!r}).module
workload = workloads.get("exp")
with frameworks.load({name!r}).bind(workload, workload.make_inputs("dispatch")) as call:
    call()
if {name!r} in ("torsh", "torch"):
    count = module.get_num_threads()
elif {name!r} == "numpy":
    library, = pathlib.Path(module.__file__).parent.parent.glob("numpy.libs/libscipy_openblas*")
    count = ctypes.CDLL(str(library)).scipy_openblas_get_num_threads64_()
elif {name!r} == "tensorflow":
    count = module.config.threading.get_intra_op_parallelism_threads()
else:
    count = int(os.environ["NPROC"])  # jax tells nobody
print(json.dumps([count, {{k: os.environ[k] for k in ("OMP_NUM_THREADS", "TF_NUM_INTEROP_THREADS")}}]))
"""


@pytest.mark.parametrize("name", frameworks.NAMES)
def test_is_held_to_as_many_threads_as_told(name):
    need(name)
    count, environment = answer(COUNTS.format(name=name))
    assert count == 2
    assert environment == {"OMP_NUM_THREADS": "2", "TF_NUM_INTEROP_THREADS": "1"}


def test_importing_benchmarks_clears_what_cripples_and_loads_no_framework():
    code = """
import benchmarks, json, os, sys
loaded = [m for m in ("numpy", "torch", "tensorflow", "jax") if m in sys.modules]
print(json.dumps([dict(os.environ), loaded]))
"""
    environment, loaded = answer(code, OPENBLAS_CORETYPE="Haswell", OPENBLAS_L2_SIZE="512", OMP_NUM_THREADS="4")
    assert not set(CRIPPLING) & set(environment)
    assert environment.items() >= ENVIRONMENT.items()
    assert loaded == []


def test_numpy_loaded_before_is_held_and_what_it_has_read_is_warned_about():
    code = """
import ctypes, json, pathlib, numpy
import benchmarks
library, = pathlib.Path(numpy.__file__).parent.parent.glob("numpy.libs/libscipy_openblas*")
print(json.dumps(ctypes.CDLL(str(library)).scipy_openblas_get_num_threads64_()))
"""
    done = run(code, OPENBLAS_CORETYPE="Haswell")
    assert done.stdout.strip() == "1"
    assert "OPENBLAS_CORETYPE was set when NumPy was loaded" in done.stderr


def test_an_unknown_framework_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match=r"^no framework 'pytorch': did you mean torch"):
        frameworks.load("pytorch")


def test_available_names_every_framework():
    found = frameworks.available()
    assert tuple(found) == frameworks.NAMES
    assert found["numpy"] is None


AVAILABLE = "import json; from benchmarks import frameworks; print(json.dumps(frameworks.available()))"


def test_a_missing_framework_says_how_to_install_it():
    found = answer(f"import sys; sys.modules['jax'] = None\n{AVAILABLE}")
    assert found["jax"] == "jax is not installed: pip install .[frameworks]"
    assert found["numpy"] is None


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('wrong ABI\\nmore')", "RuntimeError: wrong ABI"),
        ("import a_module_it_needs", "ModuleNotFoundError: No module named 'a_module_it_needs'"),
        ("", "ModuleNotFoundError: No module named 'jax.numpy'"),
    ],
)
def test_a_broken_framework_is_named_and_the_others_go_on(tmp_path, source, reason):
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text(source)
    code = """
import json
from benchmarks import workloads
from benchmarks.frameworks import compare
with compare.bind(workloads.get("exp"), "dispatch", ["jax", "numpy"]) as (calls, reasons):
    samples = compare.alternate(calls, rounds=3)
print(json.dumps([reasons, list(samples)]))
"""
    reasons, measured = answer(code, tmp_path)
    assert reasons == {"jax": f"jax is installed and broken: {reason}"}
    assert measured == ["numpy"]


@pytest.mark.parametrize("name", frameworks.NAMES)
def test_an_operator_that_is_not_there_says_so(name):
    with pytest.raises(NotImplementedError, match="has no fourier_of_bessel"):
        need(name).fourier_of_bessel  # noqa: B018


@pytest.mark.parametrize("name", frameworks.NAMES)
@pytest.mark.parametrize("layout", ["", "NCHW", "OIHW"])
def test_arrays_come_back_as_they_went(name, layout):
    adapter = need(name)
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(adapter.numpy(adapter.array(x, layout), layout), x)


@pytest.mark.parametrize("name", frameworks.NAMES)
def test_inputs_are_copied(name):
    adapter = need(name)
    x = np.ones(64, np.float32)
    inside = adapter.array(x)
    x[:] = 2
    np.testing.assert_array_equal(adapter.numpy(inside), np.ones(64))


@pytest.mark.parametrize("name", frameworks.NAMES)
def test_what_is_bound_depends_on_the_inputs(name):
    adapter, workload = need(name), workloads.get("exp")
    for value in (0.0, 1.0):
        x = np.full(256, value, np.float32)
        with adapter.bind(workload, (x,)) as call:
            np.testing.assert_allclose(adapter.numpy(call()), np.exp(x), rtol=1e-6)


def test_torch_infers_while_a_call_is_open_and_not_after():
    adapter, workload = need("torch"), workloads.get("exp")
    bound = adapter.bind(workload, workload.make_inputs("dispatch"))
    for _ in range(2):
        with bound:
            assert adapter.module.is_inference_mode_enabled()
        assert not adapter.module.is_inference_mode_enabled()
