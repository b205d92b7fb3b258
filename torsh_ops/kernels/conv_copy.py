"""Copies of some rows of an image, whole or with every second column apart, as short as they may be."""

from typing import Any

from numba.core import cgutils

from torsh_ops.kernels.conv_emit import INT64, Emitter, kernel_intrinsic


def _copy_of(stride: int) -> Any:
    """Copy `size` columns of `count` rows; with stride 2 every second one to `copy_at`, the others to `other_at`."""

    def emit(e: Emitter) -> None:
        a, b = e.args, e.builder
        with cgutils.for_range_slice(b, INT64(0), a["count"], INT64(1), INT64) as (row, _):
            source = e.at(a["x"], a["x_at"], b.mul(row, a["x_width"]))
            below = b.mul(row, a["copy_width"])
            with cgutils.for_range_slice(b, INT64(0), a["size"], INT64(stride * e.width), INT64) as (first, _):
                left = b.sub(a["size"], first)
                inside = [e.first_lanes(b.sub(left, INT64(i * e.width))) for i in range(stride)]
                vectors: Any = [e.read_masked(m, source, first, i * e.width) for i, m in enumerate(inside)]
                if stride == 2:
                    vectors = e.unzip(*vectors)
                for name, vector in zip(("copy_at", "other_at"), vectors, strict=False):
                    there = e.first_lanes(b.sdiv(b.add(left, INT64(stride - 1)), INT64(stride)))
                    e.write_masked(there, vector, a["copy"], a[name], below, b.sdiv(first, INT64(stride)))
                    left = b.sub(left, INT64(1))

    return kernel_intrinsic("x copy", "x_at x_width size copy_at other_at copy_width count", emit)


copy, copy_apart = _copy_of(1), _copy_of(2)
