"""Losses and distances as modules: each holds the options of the function of its name in `torsh_ops.nn.functional`.

Where PyTorch's positional arguments go on with the deprecated `size_average` and `reduce`, ours are by name only.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from torsh_ops.errors import ArgumentError
from torsh_ops.nn.module import Module
from torsh_ops.ops import classification as cl
from torsh_ops.ops import losses as ls
from torsh_ops.tensor import Tensor


class _Loss(Module):
    """Base: calls `function` with the inputs, the attributes called `options`, and `reduction`."""

    function: ClassVar[Callable[..., Tensor]]
    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        ls.check_reduction(reduction)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A number, or a tensor when nothing is reduced."""
        return self._loss(input, target)

    def _loss(self, *inputs: Any) -> Tensor:
        chosen = {name: self.__dict__[name] for name in self.options}
        return type(self).function(*inputs, **chosen, reduction=self.reduction)


class _Weighted(_Loss):
    """Base of those with a `weight`, which is no parameter."""

    options: ClassVar[tuple[str, ...]] = ("weight",)

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)


class MSELoss(_Loss):
    """Squared error."""

    function = ls.mse_loss


class L1Loss(_Loss):
    """Absolute error."""

    function = ls.l1_loss


class HuberLoss(_Loss):
    """Squared error within `delta`, absolute error outside."""

    function = ls.huber_loss
    options: ClassVar[tuple[str, ...]] = ("delta",)

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta


class SmoothL1Loss(_Loss):
    """Huber's loss over `beta`."""

    function = ls.smooth_l1_loss
    options: ClassVar[tuple[str, ...]] = ("beta",)

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta


class BCELoss(_Weighted):
    """Binary cross-entropy of probabilities."""

    function = ls.binary_cross_entropy


class BCEWithLogitsLoss(_Weighted):
    """Binary cross-entropy of logits."""

    function = ls.binary_cross_entropy_with_logits
    options: ClassVar[tuple[str, ...]] = ("weight", "pos_weight")

    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.register_buffer("pos_weight", pos_weight)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence; `reduction` may be "batchmean" too."""

    function = ls.kl_div
    options: ClassVar[tuple[str, ...]] = ("log_target",)

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction="mean" if reduction == "batchmean" else reduction)
        self.reduction, self.log_target = reduction, log_target


class PoissonNLLLoss(_Loss):
    """Negative log-likelihood of counts."""

    function = ls.poisson_nll_loss
    options: ClassVar[tuple[str, ...]] = ("log_input", "full", "eps")

    def __init__(
        self, log_input: bool = True, full: bool = False, *, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.log_input, self.full, self.eps = log_input, full, eps


class GaussianNLLLoss(_Loss):
    """Negative log-likelihood of normal variables of given variance."""

    function = ls.gaussian_nll_loss
    options: ClassVar[tuple[str, ...]] = ("full", "eps")

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:  # type: ignore[override]
        """A number, or a tensor when nothing is reduced."""
        return self._loss(input, target, var)


class SoftMarginLoss(_Loss):
    """Logistic loss of targets 1 and -1."""

    function = ls.soft_margin_loss


class HingeEmbeddingLoss(_Loss):
    """Distances of pairs that belong together (1) or do not (-1)."""

    function = ls.hinge_embedding_loss
    options: ClassVar[tuple[str, ...]] = ("margin",)

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin


class _OfPairs(_Loss):
    """Base of those of two inputs and a target, with a `margin`."""

    options: ClassVar[tuple[str, ...]] = ("margin",)

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:  # type: ignore[override]
        """A number, or a tensor when nothing is reduced."""
        return self._loss(input1, input2, target)


class MarginRankingLoss(_OfPairs):
    """Which of two shall rank higher."""

    function = ls.margin_ranking_loss


class CosineEmbeddingLoss(_OfPairs):
    """Angles of pairs that belong together (1) or do not (-1)."""

    function = ls.cosine_embedding_loss


class TripletMarginLoss(_Loss):
    """Distance to one that belongs with the anchor, less that to one that does not."""

    function = ls.triplet_margin_loss
    options: ClassVar[tuple[str, ...]] = ("margin", "p", "eps", "swap")

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, *, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:  # type: ignore[override]
        """A number, or a tensor when nothing is reduced."""
        return self._loss(anchor, positive, negative)


class TripletMarginWithDistanceLoss(_Loss):
    """`TripletMarginLoss` by any distance."""

    function = ls.triplet_margin_with_distance_loss
    options: ClassVar[tuple[str, ...]] = ("distance_function", "margin", "swap")

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin, self.swap = margin, swap

    forward = TripletMarginLoss.forward  # type: ignore[assignment]


class NLLLoss(_Weighted):
    """Minus the log-probability of the target classes."""

    function = cl.nll_loss
    options: ClassVar[tuple[str, ...]] = ("weight", "ignore_index")

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction=reduction)
        self.ignore_index = ignore_index


class CrossEntropyLoss(NLLLoss):
    """Cross-entropy of logits against classes or probabilities."""

    function = cl.cross_entropy
    options: ClassVar[tuple[str, ...]] = ("weight", "ignore_index", "label_smoothing")

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        self.label_smoothing = label_smoothing


class MultiMarginLoss(_Weighted):
    """Hinge loss of one class among many."""

    function = cl.multi_margin_loss
    options: ClassVar[tuple[str, ...]] = ("p", "margin", "weight")

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, *, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction=reduction)
        if p not in (1, 2):
            raise ArgumentError(f"only p == 1 and p == 2 supported, but got {p}")
        self.p, self.margin = p, margin


class MultiLabelMarginLoss(_Loss):
    """Hinge loss of several classes among many."""

    function = cl.multilabel_margin_loss


class MultiLabelSoftMarginLoss(_Weighted):
    """Logistic loss of several classes among many."""

    function = cl.multilabel_soft_margin_loss


class CosineSimilarity(Module):
    """Cosine of the angle between vectors along `dim`."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The inputs' shape without `dim`."""
        return ls.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """`p`-norm of differences along the last dimension."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The inputs' shape without the last dimension, or with 1 there."""
        return ls.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
