"""The models' definitions: their answers, their costs, and their training step on every framework."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from asv_runner.discovery import get_benchmark_from_name

import torsh_ops
from benchmarks import frameworks, workloads
from benchmarks.models import steps
from benchmarks.workloads import model_oracles, models
from torsh_ops.models import EncoderBlock, SmallCNN

SUITE = str(Path(__file__).parent.parent.parent / "benchmarks")
TRAINING = ["cnn_training", "encoder_training"]
NAMES = ["cnn", "encoder", *TRAINING]


def adapter_of(name):
    try:
        return frameworks.load(name)
    except frameworks.FrameworkUnavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("framework", frameworks.NAMES)
@pytest.mark.parametrize("name", ["cnn", "encoder"])
def test_inference_agrees_with_the_oracle(name, framework):
    adapter, workload = adapter_of(framework), workloads.get(name)
    inputs = workload.make_inputs("batch1")
    with adapter.bind(workload, inputs) as call:
        assert workload.difference(adapter.outputs(workload, call()), workload.expected(inputs)) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_result_is_seen(name):
    workload = workloads.get(name)
    want = workload.expected(workload.make_inputs("batch8"))
    assert workload.difference(want, want) == ""
    for i, value in enumerate(want):
        # A thirtieth of the largest element, in one element.
        wrong = value.astype(np.float64).copy()
        wrong.flat[value.size // 2] += np.abs(value).max() / 30
        assert workload.difference((*want[:i], wrong, *want[i + 1 :]), want).startswith(f"result {i} at (")


def small(name):
    """The inputs of a training workload in float64, small enough for differences."""
    rng = np.random.default_rng(0)
    weights = [a * 1.0 for a in (models.cnn_weights(rng) if name == "cnn_training" else models.encoder_weights(rng))]
    if name == "cnn_training":
        return model_oracles.cnn_training, [rng.standard_normal((1, 3, 8, 8)), np.array([3]), *weights]
    shapes = [(2, 5, models.WIDTH)] * 2
    return lambda *a: model_oracles.encoder_training(models.HEADS, *a), [*map(rng.standard_normal, shapes), *weights]


@pytest.mark.parametrize("name", TRAINING)
def test_gradients_of_the_oracle_are_differences_of_its_value(name):
    oracle, given = small(name)
    given = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in given]
    gradients = oracle(*given)[1:]
    rng = np.random.default_rng(1)
    for i, gradient in zip(workloads.get(name).wrt, gradients, strict=True):
        assert gradient.shape == given[i].shape
        direction = rng.standard_normal(given[i].shape)
        direction /= np.linalg.norm(direction)
        # Short steps: a longer one takes some hidden unit across the kink of ReLU.
        ahead, behind = (oracle(*given[:i], given[i] + h * direction, *given[i + 1 :])[0] for h in (1e-6, -1e-6))
        slope = (gradient * direction).sum()
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-6 * np.linalg.norm(gradient))


@pytest.mark.parametrize("framework", ["torsh", "torch", "tensorflow", "jax"])
@pytest.mark.parametrize("name", TRAINING)
def test_a_step_is_the_oracles(name, framework):
    adapter = adapter_of(framework)
    workload = workloads.get(name)
    inputs = workload.make_inputs("batch8")
    loss, *gradients = workload.expected(inputs)
    step = steps.make(framework, workload, inputs)
    start = step.read()
    for weight, i in zip(start, workload.wrt, strict=True):
        np.testing.assert_array_equal(weight, inputs[i])
    first = float(adapter.numpy(step.call()))
    np.testing.assert_allclose(first, loss, rtol=1e-5)
    for before, after, gradient in zip(start, step.read(), gradients, strict=True):
        moved = (before.astype("f8") - after) / steps.LEARNING_RATE
        # Subtracting from weights near 1 keeps 24 bits: 6e-8 of them, over the learning rate.
        rounding = 1e-5 * max(1.0, float(np.abs(before).max()))
        np.testing.assert_allclose(moved, gradient, rtol=2e-3, atol=rounding + workload.atol)
    later = [float(adapter.numpy(step.call())) for _ in range(5)]
    assert later[-1] < first
    step.reset()
    for weight, i in zip(step.read(), workload.wrt, strict=True):
        np.testing.assert_array_equal(weight, inputs[i])
    assert float(adapter.numpy(step.call())) == first


def test_numpy_has_no_step():
    workload = workloads.get("cnn_training")
    with pytest.raises(NotImplementedError, match="numpy has no autograd"):
        steps.make("numpy", workload, workload.make_inputs("batch8"))


@pytest.mark.parametrize(
    ("name", "make", "weights"),
    [("cnn", SmallCNN, models.cnn_weights), ("encoder", EncoderBlock, models.encoder_weights)],
)
def test_the_workload_is_the_model_of_torsh_ops(name, make, weights):
    model, workload = make(), workloads.get(name)
    inputs = workload.make_inputs("batch1")
    for parameter, array in zip(model.parameters(), inputs[1:], strict=True):
        parameter.detach().copy_(torsh_ops.from_numpy(array))
    adapter = frameworks.load("torsh")
    with adapter.bind(workload, inputs) as call, torsh_ops.no_grad():
        np.testing.assert_array_equal(model(torsh_ops.from_numpy(inputs[0])).numpy(), call().numpy())


@pytest.mark.parametrize("name", NAMES)
def test_bytes_are_those_of_the_inputs_and_the_results(name):
    workload = workloads.get(name)
    inputs = workload.make_inputs("batch8")
    results = workload.expected(inputs)[1 if workload.wrt else 0 :]
    assert workload.bytes(8) == sum(x.nbytes for x in inputs) + 4 * sum(r.size for r in results)


def test_flops_are_those_of_the_products():
    conv = 9 * (3 * 32 * 1024 + 32 * 32 * 1024 + 32 * 64 * 256 + 64 * 64 * 256)
    assert workloads.get("cnn").flops(1) == 2 * (conv + 640)
    # Of every layer the gradients of the weight and of the input cost as much as it; the first has no input gradient.
    assert workloads.get("cnn_training").flops(1) == 2 * (3 * (conv + 640) - 9 * 3 * 32 * 1024)
    affine, mixing = 128 * (768 * 256 + 256 * 256 + 2 * 1024 * 256), 2 * 128 * 128 * 256
    assert workloads.get("encoder").flops(2) == 2 * 2 * (affine + mixing)
    assert workloads.get("encoder_training").flops(1) == 2 * (3 * (affine + mixing) - 128 * 768 * 256)


def cell(name, *wanted):
    params = get_benchmark_from_name(SUITE, name)._params
    return get_benchmark_from_name(SUITE, f"{name}-{list(itertools.product(*params)).index(wanted)}")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("models.inference.Throughput.track_samples_per_second", ("cnn", "torsh")),
        ("models.training.Cnn.track_samples_per_second", ("torsh",)),
        ("models.peers.Peers.track_time_over_fastest_peer", ("cnn", "batch1")),
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


def test_a_timed_step_runs_as_asv_runs_it():
    benchmark = cell("models.training.Encoder.time_step", "torsh")
    before = os.sched_getaffinity(0)
    assert benchmark.do_setup() is False
    assert len(os.sched_getaffinity(0)) == 1
    assert min(benchmark.do_run()["samples"]) > 0
    benchmark.do_teardown()
    assert os.sched_getaffinity(0) == before


def test_a_step_of_numpy_is_skipped(capsys):
    benchmark = cell("models.training.Cnn.time_step", "numpy")
    assert benchmark.do_setup() is True
    benchmark.do_teardown()
    assert "numpy has no autograd" in capsys.readouterr().out
