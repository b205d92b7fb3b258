"""Operators that move float32 elements and compute nothing: their flops are 0, their bytes all there is."""

import numpy as np

from benchmarks.workloads.inputs import indices, normal
from benchmarks.workloads.record import Workload

SQUARES = {"dispatch": (16, 16), "cache": (256, 256), "memory": (4096, 4096)}


def _added(x: np.ndarray, index: np.ndarray, src: np.ndarray) -> np.ndarray:
    result = x.copy()
    np.add.at(result, (np.arange(len(x))[:, None], index), src)
    return result


WORKLOADS = (
    Workload(
        name="transpose",
        family="shape",
        sizes=SQUARES,
        inputs=lambda rng, n, m: (normal(rng, n, m),),
        call=lambda F, x: F.contiguous(F.transpose(x, 0, 1)),
        oracle=lambda x: x.T,
        flops=lambda n, m: 0,
        bytes=lambda n, m: 8 * n * m,
    ),
    Workload(
        name="permute",
        family="shape",
        # Heads to the front, as attention does: batch, positions, heads, width.
        sizes={"dispatch": (1, 8, 2, 16), "cache": (2, 128, 4, 64)},
        inputs=lambda rng, b, s, h, d: (normal(rng, b, s, h, d),),
        call=lambda F, x: F.contiguous(F.permute(x, (0, 2, 1, 3))),
        oracle=lambda x: x.transpose(0, 2, 1, 3),
        flops=lambda b, s, h, d: 0,
        bytes=lambda b, s, h, d: 8 * b * s * h * d,
    ),
    Workload(
        name="slice",
        family="shape",
        sizes=SQUARES,
        inputs=lambda rng, n, m: (normal(rng, n, m),),
        call=lambda F, x: F.contiguous(x[1:, ::2]),
        oracle=lambda x: x[1:, ::2],
        flops=lambda n, m: 0,
        # Every cache line of the rows is read for half of its values.
        bytes=lambda n, m: 6 * (n - 1) * m,
    ),
    Workload(
        name="index_select",
        family="shape",
        # Rows of a table, an embedding's look-up: rows in the table, their width, rows taken.
        sizes={"dispatch": (32, 16, 16), "cache": (1024, 64, 1024), "memory": (1 << 18, 64, 1 << 16)},
        inputs=lambda rng, rows, width, taken: (normal(rng, rows, width), indices(rng, taken, rows)),
        call=lambda F, table, index: F.index_select(table, 0, index),
        oracle=lambda table, index: table[index],
        flops=lambda rows, width, taken: 0,
        bytes=lambda rows, width, taken: 8 * taken * (width + 1),
    ),
    Workload(
        name="cat",
        family="shape",
        sizes=SQUARES,
        inputs=lambda rng, n, m: (normal(rng, n, m), normal(rng, n, m)),
        call=lambda F, a, b: F.cat([a, b], 1),
        oracle=lambda a, b: np.concatenate([a, b], 1),
        flops=lambda n, m: 0,
        bytes=lambda n, m: 16 * n * m,
    ),
    Workload(
        name="gather",
        family="shape",
        sizes=SQUARES,
        inputs=lambda rng, n, m: (normal(rng, n, m), indices(rng, n * m, m).reshape(n, m)),
        call=lambda F, x, index: F.gather(x, 1, index),
        oracle=lambda x, index: np.take_along_axis(x, index, 1),
        flops=lambda n, m: 0,
        bytes=lambda n, m: 16 * n * m,
    ),
    Workload(
        name="scatter_add",
        family="shape",
        sizes={"dispatch": (16, 16), "cache": (256, 256)},
        inputs=lambda rng, n, m: (normal(rng, n, m), indices(rng, n * m, m).reshape(n, m), normal(rng, n, m)),
        call=lambda F, x, index, src: F.scatter_add(x, 1, index, src),
        oracle=_added,
        flops=lambda n, m: 0,
        bytes=lambda n, m: 20 * n * m,
        atol=1e-5,
    ),
    Workload(
        name="masked_fill",
        family="shape",
        sizes=SQUARES,
        inputs=lambda rng, n, m: (normal(rng, n, m), normal(rng, n, m) > 0),
        call=lambda F, x, mask: F.masked_fill(x, mask, 0.0),
        oracle=lambda x, mask: np.where(mask, 0.0, x),
        flops=lambda n, m: 0,
        bytes=lambda n, m: 9 * n * m,
    ),
    Workload(
        name="nonzero",
        family="shape",
        sizes={"dispatch": (16, 16), "cache": (256, 256)},
        inputs=lambda rng, n, m: (normal(rng, n, m) > 0,),
        call=lambda F, mask: F.nonzero(mask),
        oracle=np.argwhere,
        flops=lambda n, m: 0,
        # Half of the places, two numbers each, but for chance.
        bytes=lambda n, m: 9 * n * m,
    ),
    Workload(
        name="pad",
        family="shape",
        sizes=SQUARES,
        inputs=lambda rng, n, m: (normal(rng, n, m),),
        call=lambda F, x: F.pad(x, (1, 1, 1, 1)),
        oracle=lambda x: np.pad(x, 1),
        flops=lambda n, m: 0,
        bytes=lambda n, m: 4 * (n * m + (n + 2) * (m + 2)),
    ),
    Workload(
        name="flip",
        family="shape",
        sizes=SQUARES,
        inputs=lambda rng, n, m: (normal(rng, n, m),),
        call=lambda F, x: F.contiguous(F.flip(x, (1,))),
        oracle=lambda x: x[:, ::-1],
        flops=lambda n, m: 0,
        bytes=lambda n, m: 8 * n * m,
    ),
    Workload(
        name="roll",
        family="shape",
        sizes=SQUARES,
        inputs=lambda rng, n, m: (normal(rng, n, m),),
        call=lambda F, x: F.roll(x, 3, 1),
        oracle=lambda x: np.roll(x, 3, 1),
        flops=lambda n, m: 0,
        bytes=lambda n, m: 8 * n * m,
    ),
)
