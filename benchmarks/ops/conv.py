"""Convolution and pooling: one layer of each method, and the pooling that goes with them."""

from benchmarks.common import _Timed


class Conv3x3(_Timed, workload="conv2d_3x3", sizes=("cache", "128-128 28 x1")):
    """3x3 kernels: Winograd where there is enough to multiply."""


class Conv1x1(_Timed, workload="conv2d_1x1", sizes=("cache", "64-256 56 x1")):
    """1x1 kernels: a matrix product."""


class ConvDepthwise(_Timed, workload="conv2d_depthwise", sizes=("cache", "144-144 56 x1")):
    """Each channel by itself: bound by memory."""


class MaxPool(_Timed, workload="max_pool2d_3x3_s2", sizes=("cache", "64 112 x1")):
    """The pooling after the first layer of ResNet."""
