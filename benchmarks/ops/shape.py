"""Operators that only move elements; each result is contiguous."""

from benchmarks.common import _Timed


class Transpose(_Timed, workload="transpose", sizes=("cache", "memory")):
    """Rows become columns."""


class Permute(_Timed, workload="permute"):
    """Heads before positions, as attention does."""


class Slice(_Timed, workload="slice", sizes=("cache",)):
    """Every second column of all rows but the first."""


class IndexSelect(_Timed, workload="index_select"):
    """Rows of a table by their numbers, as an embedding does."""


class Cat(_Timed, workload="cat", sizes=("cache", "memory")):
    """Two matrices side by side."""


class Gather(_Timed, workload="gather", sizes=("cache",)):
    """One element of each row by its number, as many as there are."""


class ScatterAdd(_Timed, workload="scatter_add", sizes=("cache",)):
    """Numbers added where an index says, within each row."""
