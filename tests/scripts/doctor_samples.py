"""An examination of a machine that does not exist, for what words, stores and publishes one."""

from scripts.conditions import Conditions
from scripts.doctor.clocks import Clock
from scripts.doctor.examination import Examination
from scripts.doctor.fact import Fact
from scripts.doctor.noise import Noise
from tests.scripts.sample_peaks import peaks

QUIET = Conditions(seconds=12.0, load=0.2, cores=4, others=0.01, steal=0.0, cpu_pressure=0.01, drift=0.1, jump=0.0)
STEADY = (Noise("interpreter", 10, 4e-4, 0.004, 0.003), Noise("memory", 10, 8e-3, 0.006, 0.008))


def examination(**changes) -> Examination:
    """A fit machine unless `changes` say otherwise; `facts` are further facts by name."""
    facts = {"CPU": "A CPU | of <b>this</b> test", "virtual machine": False, **changes.pop("facts", {})}
    hardware = tuple(Fact(name, value, "/proc/made-up") for name, value in facts.items())
    software = (Fact("Python", "3.11.7", ""), Fact("branch", None, "git"))
    values = dict(
        date="2026-01-02T03:04:05+00:00",
        sections={"hardware": hardware, "software": software},
        conditions=QUIET,
        clock=Clock(5e-8, 6e-8),
        noise=STEADY,
        peaks=peaks(),
    )
    return Examination(**{**values, **changes})
