"""The operators of models, under PyTorch's names: the core's, and those that came with the layers."""

from torsh_ops.nn.activation import dropout
from torsh_ops.nn.attention import scaled_dot_product_attention
from torsh_ops.nn.embedding import embedding
from torsh_ops.nn.linear import linear
from torsh_ops.nn.losses import binary_cross_entropy_with_logits, cross_entropy, l1_loss, mse_loss, nll_loss
from torsh_ops.nn.normalization import batch_norm
from torsh_ops.ops.conv import conv2d
from torsh_ops.ops.elementwise import gelu, relu, sigmoid, silu, tanh
from torsh_ops.ops.norm import layer_norm, log_softmax, softmax
from torsh_ops.ops.pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "embedding",
    "gelu",
    "l1_loss",
    "layer_norm",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "relu",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]
