import dataclasses
import json
import re
import subprocess
import threading

import numpy as np
import pytest

from scripts import machine, peak_kernels, peak_timing
from tests.scripts.machine_files import write
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


def test_a_fresh_reading_keeps_the_better_of_everything():
    old, new = peaks(90e9, copy=70e9, triad_past=65e9), peaks(100e9)
    slow = dataclasses.replace(new.latencies[0], seconds=9e-9)
    new = dataclasses.replace(new, latencies=(slow, *new.latencies[1:]))
    both = machine.better(old, new)
    assert both == dataclasses.replace(peaks(100e9, copy=70e9, triad_past=65e9), together=peaks(100e9).together)
    # More cores than before: what fewer of them reached together says nothing.
    wider = dataclasses.replace(new, together=dataclasses.replace(new.together, cores=4, flops=1e9))
    assert machine.better(old, wider).together.flops == 1e9


def key() -> str:
    return f"{machine.cpu_model()} | numba {machine.version('numba')}"


OLD = {"cpu": "A CPU", "numba": "0.68", "vector": "AVX2", "flops": 1e9, "bandwidths": [{"working_set": 9, "read": 1e9}]}


@pytest.mark.parametrize("stored", ['{"A CPU', "[1, 2]", "\udcff", {"another": 1}, OLD, {}, None])
def test_a_damaged_or_earlier_cache_is_measured_again_and_the_rest_of_it_kept(tmp_path, monkeypatch, stored):
    cache = tmp_path / "peaks.json"
    text = stored if isinstance(stored, str) else json.dumps({"another machine": 5, key(): stored})
    cache.write_bytes(text.encode(errors="surrogateescape"))
    monkeypatch.setattr(machine, "measure", peaks)
    assert machine.peaks(cache) == peaks()
    found = json.loads(cache.read_text())
    assert found.pop(key())["flops"] == 100e9
    assert found == ({} if isinstance(stored, str) else {"another machine": 5})
    monkeypatch.setattr(machine, "measure", lambda: pytest.fail("measured what is known"))
    assert machine.peaks(cache) == peaks()


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
    x, y, out = (peak_timing._aligned(128) for _ in range(3))
    for copy, triad in (
        (peak_kernels.copy, peak_kernels.triad),
        (peak_kernels.copy_past, peak_kernels.triad_past),
    ):
        x[:], y[:], out[:] = np.arange(128), np.arange(128) + 100, 0
        triad(3, x, y, out)
        np.testing.assert_array_equal(out, x + 2 * y)
        copy(2, y, y, out)
        np.testing.assert_array_equal(out, y)
    assert peak_kernels.read(1, x, x, x) == x.view(np.int32).sum(dtype=np.int32)


def test_the_bandwidth_kernels_use_the_widest_vectors_and_the_stores_that_they_say():
    wide = {"AVX-512": "zmm", "AVX2": "ymm"}.get(peak_kernels.vector_lanes()[1], "xmm|v[0-9]+|q[0-9]+")
    for name, kernel, count in peak_kernels.MOVERS:
        kernel(1, *[peak_timing._aligned(64)] * 3)
        (assembly,) = kernel.inspect_asm().values()
        assert re.search(wide, assembly), name
        assert bool(re.search(r"v?movntp|stnp", assembly)) is name.endswith("_past"), name
        assert count == {"read": 1, "copy": 2, "triad": 3}[name.removesuffix("_past")]


@pytest.mark.parametrize("size", [64, 24 << 10, 96 << 10])
def test_the_ring_visits_every_line_once(size):
    successors, at, seen = peak_kernels.ring(size), 0, set()
    for _ in range(size // 64):
        at = peak_kernels.chase(1, successors, at)
        assert at % 8 == 0
        seen.add(at)
    assert at == 0 and len(seen) == size // 64
    assert peak_kernels.chase(size // 64, successors, 0) == 0


def test_a_small_working_set_is_measured():
    rates = peak_timing.best_bandwidth(24 << 10)
    assert set(rates) == {"read", "copy", "triad", "copy_past", "triad_past"}
    # A core that moves less than 0.1 or more than 10,000 GB/s has not been timed.
    assert all(1e8 < rate < 1e13 for rate in rates.values())
    # No load takes less than a tenth of a nanosecond, and none from a first-level cache a millisecond.
    assert 1e-10 < peak_timing.best_latency(24 << 10) < 1e-3


def test_all_cores_work_at_once_from_a_common_start():
    cores = machine.allowed_cores()[-2:]
    inside, most, lock = 0, 0, threading.Barrier(len(cores))

    def make():
        def call():
            nonlocal inside, most
            inside += 1
            # Every call waits for the others: with one after the other this would not end.
            lock.wait(60)
            most = max(most, inside)
            lock.wait(60)
            inside = 0

        return call

    assert peak_timing.best_of_all(make, cores, 3) > 0
    assert most == len(cores)


def test_a_thread_that_fails_is_not_waited_for():
    cores = machine.allowed_cores()

    def make():
        if threading.current_thread().name.endswith(f"_{len(cores) - 1}"):
            raise MemoryError("of this test")
        return lambda: None

    with pytest.raises(MemoryError, match="of this test"):
        peak_timing.best_of_all(make, cores, 3)


@pytest.mark.slow
def test_this_machine_s_peaks_are_measured_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(machine, "working_sets", lambda: [24 << 10, 4 * MIB])
    found = machine.peaks(tmp_path / "peaks.json")
    assert [row.working_set for row in found.bandwidths] == [row.working_set for row in found.latencies]
    assert found.together.cores == len(machine.allowed_cores())
    assert machine.peaks(tmp_path / "peaks.json") == found
    assert "measuring this machine's peaks: one core at 24 KiB" in capsys.readouterr().err


CACHE = "sys/devices/system/cpu/cpu0/cache/index{}/{}"
CACHES = [("1", "Data", "48K", "0-1"), ("1", "Instruction", "32K", "0-1"), ("2", "Unified", "2048K", "0-1")]


def test_caches_are_read_from_the_kernel(tmp_path):
    names = ("level", "type", "size", "shared_cpu_list")
    for i, cache in enumerate([*CACHES, ("3", "Unified", "266240K", "0-15,32-47")]):
        write(tmp_path, {CACHE.format(i, name): f"{value}\n" for name, value in zip(names, cache, strict=True)})
    assert machine.cpu_caches(tmp_path) == {"L1d": 48 << 10, "L2": 2 << 20, "L3": 260 << 20}
    assert machine.cache_sharers(tmp_path) == {"L1d": 2, "L2": 2, "L3": 32}


def test_the_cpu_is_described_without_the_kernel_s_files_and_lscpu_too(tmp_path, monkeypatch):
    assert machine.cpu_model()

    def missing(*args, **kwargs):
        raise FileNotFoundError("lscpu")

    monkeypatch.setattr(subprocess, "run", missing)
    assert machine.cpu_model(tmp_path)
    assert machine.cpu_caches(tmp_path) == {}
    assert machine.level(MIB, {}) == ""


def test_the_cpu_of_an_arm_machine_is_named_by_lscpu(tmp_path, monkeypatch):
    write(tmp_path, {"proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"})
    answer = '{"lscpu": [{"field": "Vendor ID:", "data": "ARM"}, {"field": "Model name:", "data": "Neoverse-N1"}]}'
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, answer))
    assert machine.cpu_model(tmp_path) == "Neoverse-N1"


def test_a_working_set_is_named_by_the_cache_that_holds_it():
    caches = {"L1d": 48 << 10, "L2": 2 * MIB}
    assert [machine.level(size, caches) for size in (1000, MIB, 3 * MIB)] == ["L1d", "L2", "memory"]


def test_bytes_are_written_in_binary_units():
    assert [machine.binary(size) for size in (512, 24 << 10, 1536 << 10, 3 << 40)] == [
        "512 bytes",
        "24 KiB",
        "1.5 MiB",
        "3 TiB",
    ]


def test_the_largest_working_set_fits_into_what_may_be_used(tmp_path):
    write(tmp_path, {"proc/meminfo": "MemTotal:  9000000 kB\nMemAvailable:  8000000 kB\n"})
    assert machine.working_sets(tmp_path)[-1] == 768 * MIB
    group = "sys/fs/cgroup"
    files = {"proc/self/cgroup": "0::/box\n", f"{group}/cgroup.controllers": "memory\n"}
    limits = {f"{group}/box/memory.max": f"{1 << 30}\n", f"{group}/box/memory.current": f"{600 * MIB}\n"}
    write(tmp_path, {**files, **limits})
    assert machine.free_memory(tmp_path) == 424 * MIB
    assert machine.working_sets(tmp_path)[-1] == 96 * MIB
    write(tmp_path, {f"{group}/box/memory.current": f"{1 << 30}\n"})
    assert machine.working_sets(tmp_path) == [24 << 10]


def test_where_no_memory_is_told_the_largest_working_set_is_left_out(tmp_path):
    assert machine.free_memory(tmp_path) is None
    assert machine.working_sets(tmp_path)[-1] == 96 * MIB
