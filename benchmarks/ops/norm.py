"""Normalisations of each row."""

from benchmarks.common import _Timed


class Softmax(_Timed, workload="softmax"):
    """softmax(x)."""


class LogSoftmax(_Timed, workload="log_softmax", sizes=("cache",)):
    """log(softmax(x))."""


class LayerNorm(_Timed, workload="layer_norm"):
    """Mean 0, variance 1, then weight and bias."""
