"""Random numbers."""

from benchmarks.common import _Timed


class Randn(_Timed, workload="randn_like", sizes=("cache",)):
    """Standard normal numbers."""
