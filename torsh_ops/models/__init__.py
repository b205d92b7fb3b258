"""Models made of `torsh_ops.nn`."""

from torsh_ops.models.cnn import SmallCNN
from torsh_ops.models.transformer import EncoderBlock

__all__ = ["EncoderBlock", "SmallCNN"]
