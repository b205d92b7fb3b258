"""A scalar and its gradients."""

from benchmarks.common import _Timed


class Square(_Timed, workload="grad_square"):
    """Sum of (a·b + c)²."""


class Matmul(_Timed, workload="grad_matmul"):
    """A matrix product, weighted and summed."""


class SoftmaxLayerNorm(_Timed, workload="grad_softmax_layer_norm"):
    """Softmax of a layer norm."""


class Mlp(_Timed, workload="grad_mlp"):
    """One hidden layer and its mean squared error."""
