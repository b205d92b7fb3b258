"""A loss and attention, with their gradients."""

from benchmarks.common import _Timed


class CrossEntropy(_Timed, workload="grad_cross_entropy", sizes=("cache",)):
    """Cross-entropy of logits against classes, and its gradient."""


class Attention(_Timed, workload="attention", sizes=("cache", "bert")):
    """Scaled dot-product attention."""


class AttentionGradient(_Timed, workload="grad_attention", sizes=("bert",)):
    """Attention and its three gradients."""
