"""Matrix products."""

from benchmarks.common import _Timed


class Matmul(_Timed, workload="matmul", sizes=("dispatch", "cache", "compute")):
    """Square matrices."""


class Matvec(_Timed, workload="matvec", sizes=("cache", "memory")):
    """A matrix and a vector: bound by reading the matrix."""


class Bmm(_Timed, workload="bmm", sizes=("dispatch", "cache")):
    """Many small matrices, as the heads of attention are."""


class Solve(_Timed, workload="solve", sizes=("cache", "compute")):
    """Linear equations: many small systems, and one large one."""
