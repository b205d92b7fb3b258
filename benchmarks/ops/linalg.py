"""Matrix products."""

from benchmarks.common import _Timed


class Matmul(_Timed, workload="matmul"):
    """Square matrices."""


class Matvec(_Timed, workload="matvec", sizes=("cache", "memory")):
    """A matrix and a vector: bound by reading the matrix."""


class Bmm(_Timed, workload="bmm"):
    """Many small matrices, as the heads of attention are."""
