"""Optimizers, under PyTorch's names."""

from torsh_ops.optim.adam import Adam, AdamW
from torsh_ops.optim.optimizer import Optimizer
from torsh_ops.optim.rmsprop import RMSprop
from torsh_ops.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop"]
