"""What asv finds in benchmarks/: names, cells, versions, and a cell run the way asv runs it."""

import itertools
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from asv import util
from asv_runner.discovery import disc_benchmarks, get_benchmark_from_name

import benchmarks
from benchmarks import common, frameworks
from benchmarks.frameworks.threads import CRIPPLING, ENVIRONMENT
from scripts.history.series import less_is_better

ROOT = Path(__file__).parent.parent.parent
SUITE = str(ROOT / "benchmarks")
FOUND = list(disc_benchmarks(SUITE))
# What asv reads from a module as the setting of every benchmark in it.
SETTINGS = {
    *("params", "param_names", "version", "timeout", "setup", "teardown", "number", "repeat"),
    *("rounds", "processes", "warmup_time", "sample_time", "min_run_count", "timer", "unit", "type"),
    *("pretty_name", "benchmark_name", "skip_params"),
}


@pytest.mark.parametrize("benchmark", FOUND, ids=lambda b: b.name)
def test_benchmark_is_declared_in_full(benchmark):
    assert len(list(itertools.product(*benchmark.params))) <= 24
    # asv would otherwise hash the source, which misses the workload and the adapters.
    assert any(isinstance(getattr(s, "version", None), str) for s in benchmark._attr_sources), "no version"
    assert benchmark.check(SUITE)


@pytest.mark.parametrize("benchmark", [b for b in FOUND if b.name.endswith(".time_call")], ids=lambda b: b.name)
def test_timed_sizes_are_those_of_the_workload(benchmark):
    timed = benchmark._attr_sources[1]
    assert benchmark.params[0] == [repr(name) for name in frameworks.NAMES]
    assert {eval(size) for size in benchmark.params[1]} <= set(timed.workload.sizes)
    assert timed.version == timed.workload.version


def test_names_are_found_once():
    names = [benchmark.name for benchmark in FOUND]
    assert len(set(names)) == len(names)
    assert "ops.elementwise.Exp.time_call" in names
    assert not [name for name in names if "._" in name]


@pytest.mark.parametrize("name", sorted({benchmark._attr_sources[-1].__name__ for benchmark in FOUND}))
def test_no_module_of_benchmarks_sets_what_asv_would_read_for_all_of_it(name):
    assert not SETTINGS & vars(sys.modules[name]).keys()


def test_discovery_imports_no_peer():
    code = f"""
import json, sys
from asv_runner._aux import update_sys_path
from asv_runner.discovery import disc_benchmarks
update_sys_path({SUITE!r})
found = sum(1 for _ in disc_benchmarks({SUITE!r}))
print(json.dumps([found, sorted(m for m in ("torch", "tensorflow", "jax", "onnxruntime") if m in sys.modules)]))
"""
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == [len(FOUND), []]


def test_the_fork_server_imports_what_is_installed_and_survives_what_is_broken(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise RuntimeError('wrong ABI')")
    code = (
        "import benchmarks.common, sys; print([m for m in benchmarks.frameworks.PACKAGES.values() if m in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    out = subprocess.run(
        [sys.executable, "-c", code, "run_server"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    installed = [name for name, reason in frameworks.available().items() if reason is None and name != "torch"]
    expected = ["torsh_ops" if name == "torsh" else name for name in installed]
    assert out.splitlines() == ["torch is installed and broken: RuntimeError: wrong ABI", str(expected)]


def cell(name: str, *wanted: str) -> object:
    """The benchmark `name` at the parameters `wanted`, as asv makes it."""
    params = get_benchmark_from_name(SUITE, name)._params
    return get_benchmark_from_name(SUITE, f"{name}-{list(itertools.product(*params)).index(wanted)}")


def test_a_timed_cell_runs_as_asv_runs_it():
    benchmark = cell("ops.elementwise.Add.time_call", "numpy", "dispatch")
    before = os.sched_getaffinity(0)
    assert benchmark.do_setup() is False
    assert len(os.sched_getaffinity(0)) == 1
    result = benchmark.do_run()
    benchmark.do_teardown()
    assert os.sched_getaffinity(0) == before
    assert result["number"] > 1
    assert min(result["samples"]) > 0


def test_a_cell_of_a_missing_framework_is_skipped(monkeypatch, capsys):
    def missing(name):
        raise frameworks.FrameworkUnavailable(f"{name} is not installed")

    monkeypatch.setattr(frameworks, "load", missing)
    benchmark = cell("ops.elementwise.Add.time_call", "jax", "dispatch")
    assert benchmark.do_setup() is True
    benchmark.do_teardown()
    assert "jax is not installed" in capsys.readouterr().out


def test_a_cell_of_an_operator_that_numpy_lacks_is_skipped(capsys):
    benchmark = cell("ops.elementwise.Gelu.time_call", "numpy", "dispatch")
    assert benchmark.do_setup() is True
    benchmark.do_teardown()
    assert "numpy has no gelu" in capsys.readouterr().out


def test_a_cell_of_an_operator_that_a_commit_of_torsh_lacks_is_skipped(monkeypatch, capsys):
    adapter = frameworks.load("torsh")
    monkeypatch.delitem(vars(adapter), "exp", raising=False)
    monkeypatch.setattr(type(adapter), "find", lambda self, op: None)
    benchmark = cell("ops.elementwise.Exp.time_call", "torsh", "dispatch")
    assert benchmark.do_setup() is True
    benchmark.do_teardown()
    assert "torsh has no exp" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ops.rates.Compute.track_gflops", ("matmul", "numpy")),
        ("ops.peers.Peers.track_time_over_fastest_peer", ("add", "dispatch")),
        ("ops.memory.Peak.track_peak_memory", ("add", "torsh")),
    ],
)
def test_a_tracked_cell_gives_a_number(name, wanted):
    benchmark = cell(name, *wanted)
    if benchmark.do_setup():
        pytest.skip("n/a here")
    value = benchmark.do_run()
    benchmark.do_teardown()
    assert value > 0
    assert json.loads(json.dumps(value)) == value


MIB = 1 << 20


@pytest.mark.parametrize("mib", [32, 96])
def test_peak_growth_is_what_a_call_holds_at_its_highest(mib):
    def call():
        np.ones(mib * MIB, np.uint8)
        return np.ones(8 * MIB, np.uint8)

    try:
        grown = [common.peak_growth(call) for _ in range(2)]
    except NotImplementedError as reason:
        pytest.skip(str(reason))
    assert grown == [pytest.approx(mib * MIB, abs=2 * MIB)] * 2


def conf() -> dict:
    return util.load_json(str(ROOT / "asv.conf.json"), js_comments=True)


def test_the_environments_of_asv_hold_one_thread_as_threads_does():
    given = {key: values[0] for key, values in conf()["matrix"]["env_nobuild"].items()}
    cleared = {key for key, value in given.items() if value == ""}
    assert {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} <= cleared <= set(CRIPPLING)
    rest = {key: value for key, value in given.items() if key not in cleared}
    assert rest == ENVIRONMENT | {"PYTHONHASHSEED": "0"}


def test_what_is_better_when_it_rises_is_never_called_a_regression():
    rates = {b.name for b in FOUND if b.type != "time" and b.unit.endswith("/s")}
    assert "ops.rates.Compute.track_gflops" in rates
    better_high = {b.name for b in FOUND if not less_is_better({"unit": b.unit})}
    assert rates <= better_high
    assert {b.unit for b in FOUND if b.name in better_high - rates} <= {"%"}


def test_the_pins_of_asv_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["frameworks"], *extras["edge"], *extras["distributed"]]
    pins = {key.removeprefix("pip+"): values[0] for key, values in conf()["matrix"]["req"].items()}
    from packaging.requirements import Requirement

    for requirement in map(Requirement, [*wanted, "asv_runner==0.2.5", "flit_core>=3.11,<4"]):
        assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_benchmarks_is_the_package_under_test():
    assert Path(benchmarks.__file__).parent == ROOT / "benchmarks"
