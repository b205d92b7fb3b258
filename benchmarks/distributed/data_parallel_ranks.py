"""What the ranks of the data-parallel job run. Frameworks are imported on use: asv imports this at any commit."""

import importlib
import time
from itertools import pairwise
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.distributed.side_by_side import alternate, gloo

# 1.9 million parameters: 7.1 MiB of gradients, in two buckets.
WIDTHS = (784, 1024, 1024, 10)
SEED = 20260101


class Training:
    """Data-parallel training of an MLP in `package`, whose API is PyTorch's; one call is one step."""

    def __init__(self, package: str, weights: list[np.ndarray], rows: np.ndarray, labels: np.ndarray) -> None:
        framework = importlib.import_module(package)
        nn = importlib.import_module(f"{package}.nn")
        linears = [nn.Linear(a, b) for a, b in pairwise(WIDTHS)]
        # Not ReLU: at its kink a rounding turns a gradient on or off, and no tolerance would hold between frameworks.
        self.module = nn.Sequential(*[layer for linear in linears for layer in (linear, nn.GELU())][:-1])
        with framework.no_grad():
            for parameter, weight in zip(self.module.parameters(), weights, strict=True):
                parameter.copy_(framework.from_numpy(weight))
        self.rows, self.labels = framework.from_numpy(rows), framework.from_numpy(labels)
        self.loss = nn.functional.cross_entropy
        self.optimizer = importlib.import_module(f"{package}.optim").SGD(self.module.parameters(), lr=0.01)
        if package == "torch":
            wrap = nn.parallel.DistributedDataParallel
        else:
            wrap = importlib.import_module(f"{package}.distributed").DistributedDataParallel
        self.parallel = wrap(self.module, bucket_cap_mb=4)

    def __call__(self) -> None:
        """Forward, loss, backward with its average over the ranks, and update."""
        self.optimizer.zero_grad()
        self.loss(self.parallel(self.rows), self.labels).backward()
        self.optimizer.step()

    def gradients(self) -> np.ndarray:
        """Give the gradients of the last step, in one row."""
        return np.concatenate([parameter.grad.numpy().ravel() for parameter in self.module.parameters()])


def steps(batch: int, samples: int, folder: str) -> dict[str, Any]:
    """Time training steps with `batch` rows a rank, on torsh_ops and on PyTorch in alternation.

    Returns "torsh" and "torch": seconds a step, the median over `samples` of the slowest rank, or the reason why
    there are none; "bytes": what this rank sends in a step of torsh_ops; "share": the part of such a step that
    collectives take, waiting for the other rank included, the mean of the ranks. `folder` is an empty one.
    """
    distributed = importlib.import_module("torsh_ops.distributed")
    distributed.init_process_group("mpi")
    group = distributed.get_communicator()
    task = (draw_weights(), *draw_batch(group.rank, batch))
    results: dict[str, Any] = {}
    with gloo(group, folder) as peer:
        backends = {"torsh": Training("torsh_ops", *task)}
        if isinstance(peer, str):
            results["torch"] = peer
        else:
            backends["torch"] = Training("torch", *task)
        check(group, backends)
        results |= alternate(group, backends, 1, samples)
        results |= cost(group, backends["torsh"], samples)
    return results


def draw_weights() -> list[np.ndarray]:
    """Draw each layer's weight and bias: the same ones on every rank, for every framework."""
    draws = np.random.default_rng(SEED)
    weights = []
    for inputs, outputs in pairwise(WIDTHS):
        weights.append(draws.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32))
        weights.append(np.zeros(outputs, np.float32))
    return weights


def draw_batch(rank: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the rows and labels of one rank."""
    draws = np.random.default_rng([SEED, rank])
    return draws.normal(size=(size, WIDTHS[0])).astype(np.float32), draws.integers(0, WIDTHS[-1], size)


def check(group: Any, backends: dict[str, Training]) -> None:
    """Take one step on each; raise unless all ranks and all backends then hold the same gradients."""
    gradients = {}
    for name, step in backends.items():
        step()
        first, *others = group.all_gather_object(step.gradients())
        if not all(np.array_equal(first, other) for other in others):
            raise AssertionError(f"the ranks of {name} hold different gradients")
        gradients[name] = first
    for name, other in gradients.items():
        np.testing.assert_allclose(other, gradients["torsh"], rtol=1e-3, atol=1e-6, err_msg=name)


def cost(group: Any, step: Training, samples: int) -> dict[str, Any]:
    """Give the bytes that this rank sends in a step, and the share of its time that collectives take."""
    before = group.traffic()
    start = time.perf_counter()
    for _ in range(samples):
        step()
    seconds = time.perf_counter() - start
    spent = group.traffic() - before
    shares = group.all_gather_object(spent.seconds / seconds)
    return {"bytes": spent.bytes_sent / samples, "share": fmean(shares)}
