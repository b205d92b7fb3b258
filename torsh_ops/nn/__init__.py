"""Layers, containers, losses and their functions, under PyTorch's names."""

from torsh_ops.nn import clip as utils
from torsh_ops.nn import functional, init
from torsh_ops.nn.activation import GELU, Dropout, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Tanh
from torsh_ops.nn.attention import MultiheadAttention, TransformerEncoderLayer
from torsh_ops.nn.container import Flatten, Identity, ModuleList, Sequential
from torsh_ops.nn.convolution import AdaptiveAvgPool2d, AvgPool2d, Conv2d, MaxPool2d
from torsh_ops.nn.embedding import Embedding
from torsh_ops.nn.linear import Linear
from torsh_ops.nn.losses import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from torsh_ops.nn.module import Module, Parameter
from torsh_ops.nn.normalization import BatchNorm2d, LayerNorm

__all__ = [
    "GELU",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleList",
    "MultiheadAttention",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "TransformerEncoderLayer",
    "functional",
    "init",
    "utils",
]
