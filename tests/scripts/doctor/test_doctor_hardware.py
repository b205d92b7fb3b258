"""The hardware as several kinds of machines show it."""

import subprocess
import sys

import pytest

from scripts.doctor import hardware
from scripts.doctor.fact import Fact, values
from tests.scripts.machine_files import ARM_SERVER, LAPTOP, VIRTUAL, write


def described(root, files: dict[str, str]) -> dict[str, Fact]:
    return {fact.name: fact for fact in hardware.facts(write(root, files))}


@pytest.fixture
def no_lscpu(monkeypatch):
    def missing(*args, **kwargs):
        raise FileNotFoundError("lscpu")

    monkeypatch.setattr(subprocess, "run", missing)


def test_a_laptop(tmp_path):
    found = described(tmp_path, LAPTOP)
    expected = {
        "CPU": "Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz",
        "family, model, stepping": "6, 142, 10",
        "microcode": "0xf6",
        "sockets": 1,
        "cores": 4,
        "hardware threads": 8,
        "SMT": True,
        "NUMA nodes": 1,
        "vector instructions": ["sse4_2", "avx", "f16c", "fma", "avx2"],
        "frequency now": 1900,
        "temperature": 71,
        "memory": 16163604 << 10,
        "memory available": 1500000 << 10,
        "swap in use": (2097148 - 1048572) << 10,
        "virtual machine": False,
        "on mains": False,
    }
    assert {name: found[name].value for name in expected} == expected
    assert found["frequency range"].text == "400 to 4200 MHz"
    assert found["virtual machine"].text == "no, LENOVO"
    assert found["SMT"].text == "yes"


def test_an_arm_server_in_a_container(tmp_path, no_lscpu):
    found = described(tmp_path, ARM_SERVER)
    expected = {"sockets": 2, "cores": 4, "hardware threads": 4, "SMT": False, "NUMA nodes": 2}
    assert {name: found[name].value for name in expected} == expected
    assert found["vector instructions"].text == "asimd fphp asimdhp asimddp sve"
    assert found["NUMA nodes"].text == "2; node 0 has cores 0-1; node 1 has cores not told"
    assert found["container"].value == "docker"
    # Neither flags nor firmware tell: it may be one or not.
    assert found["virtual machine"].value is None


def test_a_virtual_machine_that_shows_little(tmp_path):
    found = described(tmp_path, VIRTUAL)
    assert found["virtual machine"].text == "yes, QEMU Standard PC (Q35 + ICH9, 2009)"
    assert found["vector instructions"].value == ["avx2", "avx512f"]
    assert found["sockets"].text == "not told: /sys/devices/system/cpu/cpu*/topology"
    assert found["memory"].text == "3.84 GiB"
    assert found["swap in use"].value is None


def test_where_nothing_is_told_every_fact_says_so(tmp_path, no_lscpu):
    found = described(tmp_path, {})
    told = {name for name, fact in found.items() if fact.value is not None}
    assert told == {"CPU", "architecture", "usable by this process"}
    assert all(
        fact.text.startswith(("not told: /", "not told: no container"))
        for name, fact in found.items()
        if name not in told
    )


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's /proc")
def test_this_machine():
    known = values({"hardware": hardware.facts()})
    assert known["CPU"] and known["memory"] > known["memory available"] > 0
    assert 1 <= known["usable by this process"] <= known["hardware threads"]
