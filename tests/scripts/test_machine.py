import json
import re
import subprocess

import numpy as np
import pytest

from scripts import machine, peak_kernels
from tests.scripts.sample_peaks import MIB, peaks


def test_the_roofline_picks_what_takes_longer():
    compute, memory = peaks().floor(10**9, 1000), peaks().floor(10, MIB)
    assert compute == (pytest.approx(0.01), "compute")
    assert memory == (pytest.approx(MIB / 60e9), "memory")


def test_the_bandwidth_is_the_best_kernel_s_and_falls_between_the_levels():
    assert peaks().bandwidth(1000) == 60e9
    assert peaks().bandwidth(MIB) == pytest.approx(60e9)
    assert peaks().bandwidth(10 * MIB) == pytest.approx(35e9)
    assert peaks().bandwidth(10**12) == 10e9


def test_a_measured_machine_is_read_from_the_cache_and_a_fresh_reading_keeps_the_better(tmp_path, monkeypatch):
    cache = tmp_path / "a" / "peaks.json"
    readings = [peaks(100e9), peaks(90e9, copy=70e9)]
    monkeypatch.setattr(machine, "measure", lambda: readings.pop(0))
    first = machine.peaks(cache)
    assert machine.peaks(cache) == first == peaks(100e9)
    better = machine.peaks(cache, refresh=True)
    assert better == machine.peaks(cache) == peaks(100e9, copy=70e9)
    assert [path.name for path in cache.parent.iterdir()] == ["peaks.json"]


def test_a_damaged_cache_is_measured_again(tmp_path, monkeypatch):
    cache = tmp_path / "peaks.json"
    cache.write_text('{"A CPU')
    monkeypatch.setattr(machine, "measure", peaks)
    assert machine.peaks(cache) == peaks()
    assert len(json.loads(cache.read_text())) == 1


def test_the_peak_kernel_multiplies_and_adds_on_whole_vectors():
    lanes, name = peak_kernels.vector_lanes()
    kernel = peak_kernels.fma_kernel(lanes)
    one = np.float32(1)
    # x -> 2x + 1, three times, from chain i's start (1 + i/64): 8x + 7 on every lane of every chain.
    expected = lanes * sum(8 * (1 + i / 64) + 7 for i in range(peak_kernels.CHAINS))
    assert kernel(3, one, np.float32(2), one) == pytest.approx(expected)
    register = {"AVX-512": "zmm", "AVX2": "ymm"}.get(name)
    if register is None:
        pytest.skip(f"the assembly of {name} vectors is not known to this test")
    (assembly,) = kernel.inspect_asm().values()
    fused = re.findall(r"\tvf(?:n?m(?:add|sub))\d+([ps][sd])\s.*%?([xyz]mm)", assembly)
    assert len(fused) >= peak_kernels.CHAINS
    assert set(fused) == {("ps", register)}


def test_the_bandwidth_kernels_move_what_they_say():
    x, y, out = (np.arange(64, dtype=np.float32) + i for i in (0, 100, 0))
    peak_kernels.triad(3, x, y, out)
    np.testing.assert_array_equal(out, x + 2 * y)
    peak_kernels.copy(1, y, y, out)
    np.testing.assert_array_equal(out, y)
    assert peak_kernels.read(1, x, x, x) == x.view(np.int32).sum(dtype=np.int32)
    for kernel in (peak_kernels.copy, peak_kernels.triad, peak_kernels.read):
        (assembly,) = kernel.inspect_asm().values()
        assert re.search("[yz]mm|v0.4s|memcpy|\txmm", assembly), kernel.__name__


def test_a_small_working_set_is_measured():
    rates = peak_kernels.best_bandwidth(24 << 10)
    assert len(rates) == 3
    # A core that moves less than 0.1 or more than 10,000 GB/s has not been timed.
    assert all(1e8 < rate < 1e13 for rate in rates)


def test_the_cpu_is_described_without_lscpu_too(monkeypatch):
    assert machine.cpu_model()

    def missing(*args, **kwargs):
        raise FileNotFoundError("lscpu")

    monkeypatch.setattr(subprocess, "run", missing)
    assert machine.cpu_model()
    assert machine.cpu_caches() == {}
    assert machine.level(MIB, {}) == ""


def test_a_working_set_is_named_by_the_cache_that_holds_it():
    caches = {"L1d": 48 << 10, "L2": 2 * MIB}
    assert [machine.level(size, caches) for size in (1000, MIB, 3 * MIB)] == ["L1d", "L2", "memory"]
