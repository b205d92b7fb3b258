"""What a machine did meanwhile: read from made-up /proc and /sys, and from this machine once."""

import dataclasses
import json
import os
import subprocess
import sys
import time

import pytest

from scripts import conditions
from scripts.conditions import Conditions
from tests.scripts.machine_files import pressure, process, stat, write

BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(conditions, "_allowed_cores", lambda: {0, 1})


def at(root, files: dict, seconds: float):
    """A snapshot of `files` as if taken `seconds` after the first, by clocks that agree."""
    found = conditions.read(write(root, files))
    return dataclasses.replace(found, clock=100 + seconds, raw_clock=50 + seconds, time_of_day=1e9 + seconds)


def test_shares_are_of_the_cores_that_this_process_may_use(tmp_path, monkeypatch):
    monkeypatch.setattr(conditions, "_allowed_cores", lambda: {2, 3})
    me, idle = os.getpid(), (0, 100, 0)
    files = {"proc/stat": stat((0, 100, 0), (0, 100, 0), idle, idle), **process(me, 1, 10)}
    before = at(tmp_path, files, 0)
    # Cores 0 and 1 are busy, and not ours; of the 400 ticks of 2 and 3 we took 150, others 100, the hypervisor 20.
    files = {"proc/stat": stat((200, 100, 0), (200, 100, 0), (200, 100, 0), (50, 230, 20)), **process(me, 1, 160)}
    found = conditions.between(before, at(tmp_path, files, 2))
    assert found.cores == 2
    assert found.others == pytest.approx(100 / 400)
    assert found.steal == pytest.approx(20 / 400)
    assert conditions.unfit(found) == ("the hypervisor took 5.0% of the cores' time (limit 2%)",)


def test_what_we_started_is_not_others_whatever_its_name(tmp_path, two_cores):
    me, idle = os.getpid(), stat((0, 1000, 0), (0, 1000, 0))
    before = at(tmp_path, {"proc/stat": idle, **process(me, 1, 5)}, 0)
    # A child with an odd name and its own child compute 300 ticks, a stranger 40.
    family = {**process(90001, me, 100, ") R 1 1 ("), **process(90002, 90001, 200), **process(90003, 1, 40)}
    files = {"proc/stat": stat((300, 1100, 0), (40, 1360, 0)), **process(me, 1, 5), **family}
    found = conditions.between(before, at(tmp_path, files, 4))
    assert found.others == pytest.approx(40 / 800)
    assert conditions.unfit(found) == ()


def test_a_stretch_of_few_ticks_gives_no_shares(tmp_path, two_cores):
    before = at(tmp_path, {"proc/stat": stat((0, 0, 0), (0, 0, 0)), **process(os.getpid(), 1, 0)}, 0)
    found = conditions.between(before, at(tmp_path, {"proc/stat": stat((49, 0, 0), (50, 0, 0))}, 0.5))
    assert found.others is None and found.steal is None
    assert conditions.unfit(found) == ()


def test_pressure_is_the_share_of_the_time_or_of_the_last_ten_seconds(tmp_path):
    before = at(tmp_path, {"proc/pressure/cpu": pressure(1_000_000, 1)}, 0)
    after = {"proc/pressure/cpu": pressure(6_000_000, 12.5), "proc/pressure/memory": pressure(9, 0)}
    assert conditions.between(before, at(tmp_path, after, 20)).cpu_pressure == pytest.approx(0.25)
    found = conditions.between(before, at(tmp_path, after, 1))
    assert found.cpu_pressure == pytest.approx(0.125)
    assert found.memory_pressure == 0
    assert conditions.unfit(found) == ("processes waited for a core 12% of the time (limit 10%)",)
    assert conditions.between(before, at(tmp_path, after, 0.9)).cpu_pressure is None


def test_waiting_for_one_another_is_not_blamed_on_others():
    assert conditions.unfit(Conditions(seconds=9, others=0.01, cpu_pressure=0.9)) == ()
    reason = ("processes waited for a core 90% of the time (limit 10%)",)
    assert conditions.unfit(Conditions(seconds=9, others=0.06, cpu_pressure=0.9)) == reason
    assert conditions.unfit(Conditions(seconds=9, others=None, cpu_pressure=0.9)) == reason


@pytest.mark.parametrize(
    ("group", "folder", "counter"),
    [
        ("0::/user.slice\n", "sys/fs/cgroup/user.slice", "usage_usec 9\nnr_throttled 3\nthrottled_usec {us}\n"),
        ("0::/\n", "sys/fs/cgroup", "throttled_usec {us}\n"),
        # Version 1 in a container: the name is the host's, the tree is its own.
        ("4:cpu,cpuacct:/docker/1f2e\n0::/\n", "sys/fs/cgroup/cpu,cpuacct", "nr_throttled 1\nthrottled_time {us}000\n"),
    ],
)
def test_a_quota_that_ran_out_is_seen(tmp_path, group, folder, counter):
    files = {"proc/self/cgroup": group}
    if group.startswith("0::"):
        files["sys/fs/cgroup/cgroup.controllers"] = "cpu io memory\n"
    before = at(tmp_path, {**files, f"{folder}/cpu.stat": counter.format(us=500_000)}, 0)
    found = conditions.between(before, at(tmp_path, {f"{folder}/cpu.stat": counter.format(us=700_000)}, 10))
    assert found.throttled == pytest.approx(0.02)
    assert conditions.unfit(found) == ("the CPU quota stopped everything 2.0% of the time (limit 0.5%)",)


def test_heat_is_read_from_the_cpu_s_own_sensors(tmp_path):
    count = "sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
    files = {
        "sys/class/hwmon/hwmon0/name": "nvme\n",
        "sys/class/hwmon/hwmon0/temp1_input": "95000\n",
        "sys/class/hwmon/hwmon3/name": "coretemp\n",
        "sys/class/hwmon/hwmon3/temp1_input": "61000\n",
        "sys/class/hwmon/hwmon3/temp2_input": "63500\n",
        "sys/class/thermal/thermal_zone0/type": "acpitz\n",
        "sys/class/thermal/thermal_zone0/temp": "99000\n",
    }
    before = at(tmp_path, {**files, count.format(0): "4\n", count.format(1): "0\n"}, 0)
    found = conditions.between(before, at(tmp_path, {count.format(0): "7\n"}, 5))
    assert found.temperature == 63.5
    assert found.thermal_throttles == 3
    assert conditions.unfit(found) == ("cores were slowed for heat 3 times (limit 0)",)


def test_the_frequency_is_cpufreq_s_else_cpuinfo_s(tmp_path):
    write(tmp_path, {"proc/cpuinfo": "cpu MHz\t\t: 2300.000\nflags\t: fma\n\ncpu MHz\t\t: 2500.000\n"})
    assert conditions.frequency(tmp_path) == 2400
    scaling = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
    assert conditions.frequency(write(tmp_path, {scaling: "3600000\n"})) == 3600


def test_clocks_that_run_off_are_told(tmp_path):
    before = at(tmp_path, {}, 0)
    after = dataclasses.replace(at(tmp_path, {}, 10), raw_clock=50 + 10 * (1 - 0.002), time_of_day=1e9 + 3610)
    found = conditions.between(before, after)
    assert found.drift == pytest.approx(2004, abs=1)
    assert found.jump == 3600
    assert conditions.unfit(found) == (
        "the clock ran 2004 parts per million off (limit 1000)",
        "the time of day jumped by 3600.0 s (limit 1 s)",
    )


def test_a_system_without_any_source_gives_none_and_is_not_blamed(tmp_path):
    found = conditions.between(at(tmp_path, {}, 0), at(tmp_path, {}, 10))
    told = {name for name, value in dataclasses.asdict(found).items() if value is not None}
    assert told == {"seconds", "drift", "jump"}
    assert conditions.unfit(found) == ()


@pytest.mark.parametrize("damaged", ["", "cpu0 1 2", "garbage\n", "some avg10="])
def test_a_file_of_another_form_is_as_if_absent(tmp_path, damaged, two_cores):
    paths = ("proc/stat", "proc/pressure/cpu", "proc/self/cgroup", f"proc/{os.getpid()}/stat", "proc/cpuinfo")
    found = conditions.read(write(tmp_path, dict.fromkeys(paths, damaged)))
    assert found.ticks == {} and found.pressure == {} and found.own_ticks is None


def test_stored_conditions_come_back_from_json_of_any_version():
    found = Conditions(seconds=2.5, cores=2, others=0.3, steal=None)
    stored = json.loads(json.dumps(dataclasses.asdict(found)))
    assert Conditions.stored(stored) == found
    assert Conditions.stored({"seconds": 1, "moon": "full"}) == Conditions(seconds=1)
    assert conditions.unfit(Conditions.stored({})) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's /proc")
def test_this_machine_counts_what_a_child_computed_as_ours():
    before = conditions.read()
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    after = conditions.read()
    assert after.own_ticks - before.own_ticks >= 25
    found = conditions.between(before, after)
    assert found.seconds > 0.25
    # The same clock but for what adjusts it: a machine where these differ by a percent can't time anything.
    assert abs(found.drift) < 10_000
    assert all(0 <= share <= 1 for share in (found.others, found.steal, found.cpu_pressure) if share is not None)


STRANGER = """
import os, pathlib, sys, time
if os.fork():
    os._exit(0)
while os.getppid() == int(sys.argv[2]):
    time.sleep(0.01)
end = time.process_time() + 0.5
while time.process_time() < end:
    pass
pathlib.Path(sys.argv[1]).touch()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's /proc")
def test_this_machine_counts_what_a_stranger_computed_as_others(tmp_path):
    # A child of a child that has ended belongs to init, and to nobody's measurement.
    child = f"import os, sys; sys.argv.append(str(os.getpid()))\n{STRANGER}"
    before = conditions.read()
    subprocess.run([sys.executable, "-c", child, str(tmp_path / "done")], check=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "done").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    after = conditions.read()
    busy = sum(ticks.busy for ticks in after.ticks.values()) - sum(ticks.busy for ticks in before.ticks.values())
    # Half a second is 50 ticks; the interpreter that began it took a few of ours.
    assert busy - (after.own_ticks - before.own_ticks) >= 40
