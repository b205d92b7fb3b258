"""The softmax kernel in wasmtime: measured where it is right, n/a where a tool is missing."""

import importlib.util
import sys

import numpy as np
import pytest

from benchmarks.wasm import softmax
from benchmarks.wasm.engine import RowKernel

needs_tools = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("ziglang", "wasmtime"))),
    reason="needs ziglang and wasmtime: pip install .[edge]",
)


@pytest.fixture(scope="module")
def cache():
    return softmax.setup_cache()


@needs_tools
@pytest.mark.parametrize("target", softmax.TARGETS)
@pytest.mark.parametrize("size", softmax.SIZES)
def test_each_cell_computes(cache, target, size):
    bench = softmax.Softmax()
    bench.setup(cache, target, size)
    assert bench.time_softmax(cache, target, size) is None
    assert bench.kernel.run() == 0
    bench.teardown(cache, target, size)


@needs_tools
def test_vector_instructions_are_in_one_module_only(cache):
    # 0xFD begins every instruction of the vector proposal.
    assert [bytes([0xFD]) in cache[target][0] for target in ("wasm32", "wasm32-simd128")] == [False, True]


@needs_tools
def test_bytes_and_compile_time_are_the_modules(cache):
    bench = softmax.Module()
    for target in softmax.TARGETS:
        bench.setup(cache, target)
        assert 300 < bench.track_bytes(cache, target) < 10_000
        assert bench.track_bytes(cache, target) == len(cache[target][0])
        assert bench.track_compile_seconds(cache, target) > 0
    assert bench.track_bytes.unit == "bytes"
    assert bench.track_compile_seconds.unit == "seconds"


@needs_tools
def test_one_instance_takes_matrices_of_any_size(cache):
    kernel = RowKernel(cache["wasm32-simd128"][0], "softmax")
    for shape in ((3, 5), (700, 900), (1, 1)):
        kernel.place(np.zeros(shape, np.float32))
        assert kernel.run() == 0
        np.testing.assert_allclose(kernel.result(), np.full(shape, 1 / shape[1]), rtol=1e-6)


@needs_tools
def test_a_wrong_result_is_an_error_not_a_time(monkeypatch):
    monkeypatch.setattr(softmax, "KERNEL", "torsh_ops.kernels.rows:log_softmax")
    wrong = {target: (module, 0.0) for target, (module, _) in softmax.setup_cache().items()}
    monkeypatch.setattr(softmax, "RowKernel", lambda module, name: RowKernel(module, "log_softmax"))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        softmax.Softmax().setup(wrong, "wasm32", "call")


def test_without_a_linker_the_cells_are_not_available(monkeypatch):
    find_spec = importlib.util.find_spec
    without_zig = lambda name: None if name == "ziglang" else find_spec(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", without_zig)
    reason = softmax.setup_cache()
    for bench, cell in ((softmax.Softmax(), ("wasm32", "call")), (softmax.Module(), ("wasm32",))):
        with pytest.raises(NotImplementedError, match="needs the ziglang package"):
            bench.setup(reason, *cell)


def test_without_wasmtime_the_cells_are_not_available(monkeypatch):
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    with pytest.raises(NotImplementedError, match="wasmtime is not installed"):
        softmax.Softmax().setup({"wasm32": (b"", 0.0)}, "wasm32", "call")


def test_a_commit_without_the_kernel_is_not_available(monkeypatch):
    monkeypatch.setattr(softmax, "KERNEL", "torsh_ops.kernels.rows:not_there_yet")
    with pytest.raises(NotImplementedError, match="no attribute 'not_there_yet'"):
        softmax.Softmax().setup(softmax.setup_cache(), "wasm32", "call")
