"""The emulated phone: what it computes, how exactly its instructions are counted, what is n/a without it."""

import importlib.util
import shutil
import struct
import subprocess

import numpy as np
import pytest

from benchmarks.mobile import emulator, softmax
from torsh_ops.edge import link_program, retarget

needs_tools = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None or shutil.which("qemu-aarch64") is None,
    reason="needs ziglang (pip install .[edge]) and qemu-aarch64 (Debian: qemu-user)",
)


@pytest.fixture(scope="module")
def machine():
    """Programs and plugins by target, built once."""
    built = {}

    def get(target):
        if target not in built:
            try:
                plugin = emulator.build_plugin(target)
            except NotImplementedError as error:
                pytest.skip(str(error))
            code = retarget(softmax.KERNEL, "f4[m,n] f4[m,n]", target)
            built[target] = link_program(emulator.DRIVER, code), plugin
        return built[target]

    return get


@pytest.fixture
def x():
    # 37: no multiple of any vector's length.
    return np.random.default_rng(1).standard_normal((5, 37)).astype(np.float32) * 10


@needs_tools
@pytest.mark.parametrize("target", ["armv8-neon", "riscv64", "riscv64-v"])
def test_the_kernel_computes_softmax_and_repeats_its_count(machine, x, target):
    result, first = emulator.run(*machine(target), target, x)
    _, second = emulator.run(*machine(target), target, x)
    shifted = np.exp(x - x.max(1, keepdims=True).astype(np.float64))
    np.testing.assert_allclose(result, shifted / shifted.sum(1, keepdims=True), rtol=1e-5, atol=1e-30)
    assert sum(e.count for e in first) == sum(e.count for e in second) >= x.size


@needs_tools
def test_every_instruction_is_counted_once(machine, x, tmp_path):
    # QEMU's own log with one instruction in each translation block: a line for each instruction executed.
    program, plugin = machine("armv8-neon")
    for name, data in (("program", program), ("count.so", plugin)):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "program").chmod(0o700)
    path = emulator.qemu("armv8-neon")
    wording = subprocess.run([path, "--help"], capture_output=True, text=True).stdout
    single = "-one-insn-per-tb" if "-one-insn-per-tb" in wording else "-singlestep"
    command = [path, single, "-d", "exec,nochain", "-D", "log", "-plugin", f"{tmp_path}/count.so,out=counts"]
    stdin = struct.pack("<ii", *x.shape) + x.tobytes()
    subprocess.run([*command, "./program"], cwd=tmp_path, input=stdin, check=True, capture_output=True)
    executed = sum(line.startswith("Trace ") for line in (tmp_path / "log").open())
    counted = sum(int(line.split()[2]) for line in (tmp_path / "counts").open())
    kernel = emulator.read_counts((tmp_path / "counts").read_text())
    assert counted == executed
    assert 0 < sum(e.count for e in kernel) < counted


@needs_tools
def test_vectors_do_most_of_the_work_in_long_rows_only(machine):
    def neon_share(shape):
        _, executed = emulator.run(*machine("armv8-neon"), "armv8-neon", np.zeros(shape, np.float32))
        neon = sum(e.count for e in executed if emulator.is_neon(e.opcode))
        return neon / sum(e.count for e in executed)

    assert neon_share((1, 2)) < 0.5 < neon_share((1, 1024))


@pytest.mark.parametrize(
    ("opcode", "instruction", "neon"),
    [
        (0x4E22CC20, "fmla v0.4s, v1.4s, v2.4s", True),
        (0x4FA29020, "fmul v0.4s, v1.4s, v2.s[1]", True),
        (0x0EA1B883, "fcvtzs v3.2s, v4.2s", True),
        (0x4F000420, "movi v0.4s, #1", True),
        (0x6EE21C20, "bif v0.16b, v1.16b, v2.16b", True),
        (0x6E30F820, "fmaxv s0, v1.4s", True),
        (0x1E220820, "fmul s0, s1, s2", False),
        (0x1F020C20, "fmadd s0, s1, s2, s3", False),
        (0x7E30D820, "faddp s0, v1.2s", False),
        (0x3DC00000, "ldr q0, [x0]", False),
        (0x4C407800, "ld1 {v0.4s}, [x0]", False),
        (0x91004020, "add x0, x1, #16", False),
        (0xAA020020, "orr x0, x1, x2", False),
        (0x54000041, "b.ne 8", False),
    ],
)
def test_instructions_on_vectors_are_told_by_their_encoding(opcode, instruction, neon):
    assert emulator.is_neon(opcode) is neon, instruction


@needs_tools
def test_the_driver_refuses_what_does_not_fit(machine):
    with pytest.raises(RuntimeError, match="status 101"):
        emulator.run(*machine("armv8-neon"), "armv8-neon", np.zeros((0, 4), np.float32))


@needs_tools
def test_the_benchmark_reports_each_size_and_notices_a_wrong_result(monkeypatch):
    cache = softmax.setup_cache()
    bench = softmax.Softmax()
    for size, (rows, columns) in softmax.SIZES.items():
        bench.setup(cache, "armv8-neon", size)
        total = bench.track_emulated_instructions(cache, "armv8-neon", size)
        neon = bench.track_emulated_neon_instructions(cache, "armv8-neon", size)
        assert rows * columns <= total <= 100 * rows * columns
        assert 0 < neon < total
    monkeypatch.setattr(softmax, "KERNEL", "torsh_ops.kernels.rows:log_softmax")
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        softmax.setup_cache()


def test_without_qemu_the_cells_are_not_available(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    cache = softmax.setup_cache()
    with pytest.raises(NotImplementedError, match="qemu-aarch64 is not installed"):
        softmax.Softmax().setup(cache, "armv8-neon", "long_rows")


def test_a_qemu_without_plugins_is_named(monkeypatch, tmp_path):
    (tmp_path / "qemu-aarch64").write_text("#!/bin/sh\necho usage\n")
    (tmp_path / "qemu-aarch64").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotImplementedError, match="built without plugins"):
        emulator.qemu("armv8-neon")


@pytest.mark.parametrize(
    ("version", "api"),
    [
        ("qemu-aarch64 version 7.2.22 (Debian 1:7.2)", 1),
        ("qemu-aarch64 version 9.0.2", 2),
        ("qemu-aarch64 version 10.0.3", 3),
    ],
)
def test_the_plugin_asks_for_what_its_qemu_offers(version, api):
    assert emulator.plugin_api(version) == api
    with pytest.raises(NotImplementedError, match="no version number"):
        emulator.plugin_api("qemu")
