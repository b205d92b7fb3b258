"""Operators that move float32 elements and compute nothing: their flops are 0, their bytes all there is."""

from benchmarks.workloads.inputs import indices, normal
from benchmarks.workloads.record import Workload

SQUARES = {"dispatch": (16, 16), "cache": (256, 256), "memory": (4096, 4096)}

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
)
