"""Sorting and prefix sums of rows."""

from benchmarks.common import _Timed


class Sort(_Timed, workload="sort", sizes=("cache",)):
    """Each row in order, and where its elements were."""


class TopK(_Timed, workload="topk", sizes=("cache",)):
    """The eight greatest of each row, and where they were."""


class CumSum(_Timed, workload="cumsum", sizes=("cache",)):
    """Sums of each row up to each element."""
