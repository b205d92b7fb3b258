"""Special functions by the names that `torch.special` gives them."""

from torsh_ops.ops.elementwise import erf, sigmoid
from torsh_ops.ops.norm import log_softmax, softmax
from torsh_ops.ops.pairwise import xlog1py, xlogy
from torsh_ops.ops.pointwise import exp2, expm1, log1p, round, sinc
from torsh_ops.ops.reduce import logsumexp
from torsh_ops.ops.special import digamma, entr, erfc, erfinv, i0, lgamma, logit, ndtr, ndtri, polygamma

expit, gammaln, psi = sigmoid, lgamma, digamma

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "i0", "log1p", "log_softmax",
    "logit", "logsumexp", "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip
