"""What the ranks of the all-reduce job run. torsh_ops is imported on use: asv imports this module at any commit."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from benchmarks import frameworks
from benchmarks.distributed.side_by_side import Call, alternate, gloo


def all_reduce(sizes: Mapping[str, tuple[int, int, int]], folder: str) -> dict[str, Any]:
    """Time the sum of float32 arrays over all ranks, on MPI and on PyTorch's gloo in alternation.

    `sizes` is name to (bytes, calls a sample, samples). Returns "backend size" to seconds a call, the median over
    samples of the slowest rank; "bytes size" to what this rank sends in a call; the reason in place of the seconds
    where a backend does not run here. `folder` is an empty one.
    """
    from torsh_ops import distributed
    from torsh_ops.tensor import Tensor

    distributed.init_process_group("mpi")
    results: dict[str, Any] = {}
    with gloo(distributed.get_communicator(), folder) as peer:
        for size, (nbytes, calls, samples) in sizes.items():
            array = np.zeros(nbytes // 4, np.float32)
            backends: dict[str, Call] = {"mpi": partial(distributed.all_reduce, Tensor(array))}
            if isinstance(peer, str):
                results[f"gloo {size}"] = peer
            else:
                backends["gloo"] = partial(peer.all_reduce, frameworks.load("torch").module.from_numpy(array))
            for backend, call in backends.items():
                check(distributed.get_communicator(), backend, call, array)
            before = distributed.traffic()
            backends["mpi"]()
            results[f"bytes {size}"] = (distributed.traffic() - before).bytes_sent
            for backend, seconds in alternate(distributed.get_communicator(), backends, calls, samples).items():
                results[f"{backend} {size}"] = seconds
    return results


def check(group: Any, backend: str, call: Call, array: np.ndarray) -> None:
    """Raise unless `call` sums; then leave zeros, which stay zeros however often they are summed."""
    array[:] = group.rank + 1
    call()
    expected = group.size * (group.size + 1) // 2
    if not (array == expected).all():
        raise AssertionError(f"{backend} gives {np.unique(array)} in place of {expected}")
    array[:] = 0
