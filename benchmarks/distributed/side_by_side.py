"""What the ranks of every job share: PyTorch's gloo as the peer, and timing beside one another over all ranks."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import frameworks

Call = Callable[[], Any]


@contextmanager
def gloo(group: Any, folder: str) -> Iterator[Any]:
    """Join a gloo group of the same ranks: torch.distributed, or the reason why there is none here."""
    try:
        peer = frameworks.load("torch").module.distributed
    except NotImplementedError as error:
        yield str(error)
        return
    # gloo looks the host's name up otherwise, which fails without a network.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    meeting = Path(folder, "gloo").as_uri()
    peer.init_process_group("gloo", init_method=meeting, rank=group.rank, world_size=group.size)
    yield peer
    peer.destroy_process_group()


def alternate(group: Any, backends: Mapping[str, Call], calls: int, samples: int) -> dict[str, float]:
    """Give each backend's median seconds a call, of the slowest rank, from samples taken beside one another."""
    seconds: dict[str, list[float]] = {backend: [] for backend in backends}
    for _ in range(samples):
        for backend, call in backends.items():
            # Untimed: what ran before has emptied the caches.
            call()
            group.barrier()
            start = time.perf_counter()
            for _ in range(calls):
                call()
            seconds[backend].append((time.perf_counter() - start) / calls)
    return {backend: median(slowest(group, values)) for backend, values in seconds.items()}


def slowest(group: Any, seconds: list[float]) -> list[float]:
    """Give the greatest of every rank's values, sample by sample."""
    return [max(sample) for sample in zip(*group.all_gather_object(seconds), strict=True)]
