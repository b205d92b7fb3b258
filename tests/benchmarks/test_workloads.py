"""Every workload on every framework gives the right answer before it may be timed."""

from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks import frameworks, workloads
from benchmarks.workloads import WORKLOADS, UnknownName, Workload

FAST = ("dispatch", "cache")
# Of a framework that is not installed one workload says so: to skip them all took a second and a half.
SHOWN = {f: ("add",) if find_spec(frameworks.PACKAGES[f]) is None else tuple(WORKLOADS) for f in frameworks.NAMES}
CELLS = [
    pytest.param(name, framework, size, marks=() if size in FAST else pytest.mark.slow)
    for name, workload in WORKLOADS.items()
    for framework in frameworks.NAMES
    if name in SHOWN[framework]
    for size in workload.sizes
]
# Whose bytes are not all of the inputs: they read a part of them.
# nonzero: how many places there are is chance.
PARTIAL = {"slice", "index_select", "embedding", "nonzero", "rand_like", "randn_like"}
NUMPY_LACKS = {"erf", "gelu", "interpolate_bilinear"}
MINE = [w for w in WORKLOADS.values() if w.family != "models"]


def numpy_lacks(workload: Workload) -> bool:
    return bool(workload.wrt) or workload.name in NUMPY_LACKS


@pytest.mark.parametrize(("name", "framework", "size"), CELLS)
def test_agrees_with_the_oracle(name, framework, size):
    workload = workloads.get(name)
    try:
        adapter = frameworks.load(framework)
    except frameworks.FrameworkUnavailable as reason:
        pytest.skip(str(reason))
    inputs = workload.make_inputs(size)
    if (framework == "numpy" and numpy_lacks(workload)) or (framework, workload.name) == ("jax", "nonzero"):
        # The shape of the places of what is not zero depends on values, which jit does not take.
        with pytest.raises(NotImplementedError, match=r"^(numpy|jax) has no (nonzero|erf|autograd|gelu|interpolate)"):
            with adapter.bind(workload, inputs) as call:
                call()
        return
    want = workload.expected(inputs)
    with adapter.bind(workload, inputs) as call:
        call()
        found = adapter.outputs(workload, call())
    assert workload.difference(found, want) == ""


@pytest.mark.parametrize("workload", MINE, ids=lambda w: w.name)
def test_a_wrong_result_is_seen(workload):
    want = workload.expected(workload.make_inputs("cache"))
    assert workload.difference(want, want) == ""
    value = want[0].astype(np.complex128 if want[0].dtype.kind == "c" else np.float64)
    wrong = value + (1e-3 * np.abs(value).max() if workload.compared is None else 1)
    assert workload.difference((wrong, *want[1:]), want).startswith("result 0 at (")
    assert workload.difference(want[1:], want) == f"{len(want) - 1} results instead of {len(want)}"
    flat = want[0].reshape(1, -1)
    assert workload.difference((flat, *want[1:]), want).startswith(f"result 0 has shape {flat.shape}")


@pytest.mark.parametrize("workload", MINE, ids=lambda w: w.name)
def test_inputs_are_the_same_each_time(workload):
    first, again = workload.make_inputs("dispatch"), workload.make_inputs("dispatch")
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype in (np.float32, np.int64, np.complex64, np.bool_)
        assert a.flags.c_contiguous


@pytest.mark.parametrize("workload", [w for w in MINE if w.name not in PARTIAL], ids=lambda w: w.name)
def test_bytes_are_those_of_the_inputs_and_the_results(workload):
    inputs = workload.make_inputs("cache")
    results = workload.expected(inputs)[1 if workload.wrt else 0 :]
    item = {"f": 4, "i": 8, "b": 1, "c": 8}
    expected = sum(x.nbytes for x in inputs) + sum(r.size * item[r.dtype.kind] for r in results)
    assert workload.bytes(*workload.sizes["cache"]) == expected


@pytest.mark.parametrize("workload", MINE, ids=lambda w: w.name)
def test_flops_are_counted_for_every_element(workload):
    inputs, dims = workload.make_inputs("cache"), workload.sizes["cache"]
    elements = max(r.size for r in (*inputs, *workload.expected(inputs)))
    if workload.family == "shape":
        assert workload.flops(*dims) == 0
    else:
        assert workload.flops(*dims) >= elements


@pytest.mark.parametrize("workload", [w for w in MINE if w.wrt], ids=lambda w: w.name)
def test_gradients_of_the_oracle_are_differences_of_its_value(workload):
    xs = [x.astype(np.float64) for x in workload.make_inputs("dispatch")]
    gradients = workload.oracle(*xs)[1:]
    rng = np.random.default_rng(0)
    for i, gradient in zip(workload.wrt, gradients, strict=True):
        direction = rng.standard_normal(xs[i].shape)
        ahead, behind = ([*xs[:i], xs[i] + h * direction, *xs[i + 1 :]] for h in (1e-6, -1e-6))
        slope = (workload.oracle(*ahead)[0] - workload.oracle(*behind)[0]) / 2e-6
        np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-6, atol=1e-8)


def test_an_unknown_workload_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match=r"^no workload 'sofmax': did you mean softmax"):
        workloads.get("sofmax")


def test_a_name_like_no_other_lists_them_all():
    with pytest.raises(UnknownName, match=r"^no workload 'zzz': known: .*softmax") as error:
        workloads.get("zzz")
    assert "\n" not in str(error.value)


def test_every_name_is_its_key():
    assert {name: w.name for name, w in WORKLOADS.items()} == {name: name for name in WORKLOADS}
