"""Reductions, of everything (sum, norm) or of each row."""

from benchmarks.common import _Timed


class Sum(_Timed, workload="sum"):
    """Sum of all elements."""


class Mean(_Timed, workload="mean", sizes=("cache",)):
    """Mean of each row."""


class Max(_Timed, workload="max", sizes=("cache",)):
    """Maximum of each row."""


class Var(_Timed, workload="var", sizes=("cache",)):
    """Unbiased variance of each row."""


class Argmax(_Timed, workload="argmax", sizes=("cache",)):
    """Where each row's maximum is."""


class Norm(_Timed, workload="norm", sizes=("cache",)):
    """Euclidean norm of all elements."""
