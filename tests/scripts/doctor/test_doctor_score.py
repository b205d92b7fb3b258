"""The score: what costs points, what does not, and where the line is."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import conditions
from scripts.conditions import Conditions
from scripts.doctor import hardware, score, system
from scripts.doctor.clocks import Clock
from scripts.doctor.fact import values
from scripts.doctor.noise import Noise
from tests.scripts.doctor_samples import QUIET, STEADY
from tests.scripts.machine_files import ARM_SERVER, LAPTOP, write

FINE = Clock(5e-8, 6e-8)


def found(known=None, now=QUIET, clock=FINE, noise=STEADY) -> dict[str, int]:
    return {finding.what: finding.points for finding in score.findings(known or {}, now, clock, noise)}


def test_a_quiet_machine_loses_nothing_and_an_untold_fact_costs_nothing():
    assert found() == {}
    assert found(dict.fromkeys(rule.fact for rule in score.RULES)) == {}
    assert score.score(()) == 100


def test_a_laptop_as_it_comes_loses_for_each_setting(tmp_path):
    root = write(tmp_path, LAPTOP)
    known = values({"hardware": hardware.facts(root), "system": system.facts(root)})
    assert found({**known, "usable by this process": 8}) == {
        "the frequency governor is powersave": 8,
        "turbo is on": 5,
        "SMT is on": 5,
        "transparent huge pages are on for everything": 3,
        "swap is in use": 3,
        "less than 2 GiB of memory is available": 10,
        "no core is isolated": 2,
        "the clock source is hpet": 10,
        "this machine runs on its battery": 10,
        "addresses are randomised": 0,
    }


def test_a_tuned_server_loses_for_its_quota_and_turbo_alone(tmp_path):
    known = values({"system": system.facts(write(tmp_path, ARM_SERVER))})
    assert found(known) == {"a control group allows 1.5 cores' worth of time": 10, "turbo is on": 5}


@pytest.mark.parametrize(
    ("between", "points"), [(0.009, 0), (0.01, 5), (0.02, 15), (0.05, 30), (0.0999, 30), (0.1, 45), (2.0, 45)]
)
def test_the_noisiest_kernel_decides(between, points):
    noise = (*STEADY, Noise("cache", 10, 1e-5, 0.001, between))
    assert sum(found(noise=noise).values()) == points
    if points:
        assert f"identical work (cache) differs by {between:.1%} from process to process" in found(noise=noise)


BAD = {
    "others": conditions.OTHERS_LIMIT,
    "steal": conditions.STEAL_LIMIT,
    "cpu_pressure": conditions.CPU_PRESSURE_LIMIT,
    "memory_pressure": conditions.MEMORY_PRESSURE_LIMIT,
    "throttled": conditions.THROTTLED_LIMIT,
    "thermal_throttles": 0,
    "drift": conditions.DRIFT_LIMIT,
    "jump": conditions.JUMP_LIMIT,
}


@pytest.mark.parametrize("name", BAD)
def test_whatever_makes_a_run_unfit_makes_the_machine_unfit(name):
    # Those that wait are not our own only where others compute.
    quiet = dataclasses.replace(QUIET, others=0.06) if name == "cpu_pressure" else QUIET
    over = dataclasses.replace(quiet, **{name: BAD[name] * 1.01 + (name == "thermal_throttles")})
    assert len(conditions.unfit(over)) == 1
    assert score.score(score.findings({}, over, FINE, STEADY)) < score.FIT
    at = dataclasses.replace(quiet, **{name: BAD[name]})
    assert conditions.unfit(at) == ()
    assert score.score(score.findings({}, at, FINE, STEADY)) >= score.FIT


def test_less_than_unfit_costs_less():
    assert found(now=dataclasses.replace(QUIET, others=0.1)) == {"other processes took 10% of the cores' time": 10}
    assert found(now=dataclasses.replace(QUIET, steal=0.01)) == {"the hypervisor took 1.0% of the cores' time": 5}
    assert found(now=dataclasses.replace(QUIET, temperature=90.0)) == {"the CPU is at 90 °C": 10}
    busy = dataclasses.replace(QUIET, load=4.2)
    assert found({"usable by this process": 4}, busy) == {}
    assert found({"usable by this process": 4}, dataclasses.replace(busy, others=None)) == {
        "the load average is 4.20 on 4 cores": 20
    }
    assert found(clock=Clock(1e-5, 1e-6)) == {"the clock steps by 10 µs": 10}


def test_a_finding_names_what_to_type():
    known = {"crippling variables at the start": {"OPENBLAS_CORETYPE": "Haswell", "MKL_CBWR": "AVX2"}}
    (finding,) = score.findings(known, QUIET, FINE, STEADY)
    assert finding.mend == "unset OPENBLAS_CORETYPE MKL_CBWR"
    assert finding.points == 0


shares = st.one_of(st.none(), st.floats(0, 1))
SOMEHOW = st.builds(
    Conditions,
    seconds=st.floats(0, 1e4),
    others=shares,
    steal=shares,
    cpu_pressure=shares,
    throttled=shares,
    temperature=st.one_of(st.none(), st.floats(-40, 150)),
    jump=st.one_of(st.none(), st.floats(-1e9, 1e9)),
)
FACTS = st.fixed_dictionaries(
    {
        "SMT": st.sampled_from([None, True, False]),
        "governor": st.sampled_from([None, "performance", "powersave", "{odd}"]),
        "isolated cores": st.sampled_from([None, [], [1, 2]]),
        "CPU quota": st.one_of(st.none(), st.floats(0, 64)),
        "usable by this process": st.integers(1, 512),
        "files changed since": st.one_of(st.none(), st.integers(0, 9)),
    }
)


@given(FACTS, SOMEHOW, st.floats(0, 3))
def test_every_machine_has_a_score_and_the_dearest_finding_comes_first(known, now, between):
    every = score.findings(known, now, FINE, (Noise("k", 10, 1e-3, 0.0, between),))
    points = [finding.points for finding in every]
    assert points == sorted(points, reverse=True)
    assert 0 <= score.score(every) <= 100
    assert all(finding.why and finding.mend for finding in every)
    # Knowing less never costs more.
    assert score.score(score.findings({}, now, FINE)) >= score.score(every)
