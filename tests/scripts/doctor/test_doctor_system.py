"""The operating system's settings as several kinds of machines show them."""

import pytest

from scripts.doctor import system
from tests.scripts.machine_files import ARM_SERVER, CPU, LAPTOP, write


def described(root, files: dict[str, str]) -> dict:
    return {fact.name: fact for fact in system.facts(write(root, files))}


def test_a_laptop(tmp_path):
    found = described(tmp_path, LAPTOP)
    expected = {
        "operating system": "Ubuntu 24.04.1 LTS",
        "kernel": "6.8.0-45-generic",
        "governor": "powersave",
        "frequency driver": "intel_pstate",
        "turbo": True,
        "isolated cores": [],
        "cores without ticks": [],
        "CPU quota": 0,
        "memory limit": 0,
        "transparent huge pages": "always",
        "address randomisation": True,
        "swappiness": 60,
        "clock source": "hpet",
        "steady time stamp counter": True,
    }
    assert {name: found[name].value for name in expected} == expected
    assert found["CPU quota"].text == "none"
    assert found["isolated cores"].text == "none"


def test_an_arm_server_in_a_container(tmp_path):
    found = described(tmp_path, ARM_SERVER)
    assert found["governor"].value == "performance"
    assert found["turbo"].value is True
    assert found["isolated cores"].value == found["cores without ticks"].value == [2, 3]
    assert found["CPU quota"].value == 1.5
    assert found["CPU quota"].text == "1.5 cores"
    assert found["memory limit"].text == "4 GiB"
    assert found["steady time stamp counter"].value is None


def test_where_nothing_is_told_every_fact_says_so(tmp_path):
    found = described(tmp_path, {})
    assert [name for name, fact in found.items() if fact.value is not None] == ["niceness"]
    assert found["governor"].text == f"not told: /{CPU}/cpu*/cpufreq/scaling_governor"


def test_the_tightest_quota_of_the_groups_around_counts(tmp_path):
    group = "sys/fs/cgroup"
    files = {
        "proc/self/cgroup": "0::/outer/inner\n",
        f"{group}/cgroup.controllers": "cpu memory\n",
        f"{group}/outer/cpu.max": "50000 100000\n",
        f"{group}/outer/inner/cpu.max": "400000 100000\n",
        f"{group}/outer/inner/memory.max": "max\n",
        f"{group}/outer/memory.max": "1073741824\n",
    }
    found = described(tmp_path, files)
    assert found["CPU quota"].value == 0.5
    assert found["memory limit"].value == 1 << 30


@pytest.mark.parametrize(
    ("files", "turbo"),
    [
        ({"intel_pstate/no_turbo": "1\n"}, False),
        ({"cpufreq/boost": "0\n"}, False),
        ({"cpufreq/boost": "1\n"}, True),
        ({"cpufreq/boost": ""}, None),
    ],
)
def test_turbo_has_two_sources(tmp_path, files, turbo):
    assert described(tmp_path, {f"{CPU}/{path}": text for path, text in files.items()})["turbo"].value is turbo


def test_cores_that_differ_in_their_governor_are_told(tmp_path):
    files = {f"{CPU}/cpu{i}/cpufreq/scaling_governor": f"{g}\n" for i, g in enumerate(("schedutil", "performance"))}
    assert described(tmp_path, files)["governor"].value == "performance, schedutil"
