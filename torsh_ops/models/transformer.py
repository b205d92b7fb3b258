"""The Transformer's building block, at the size that is measured here."""

from torsh_ops import nn


class EncoderBlock(nn.TransformerEncoderLayer):
    """`nn.TransformerEncoderLayer` on (batch, length, d_model), normalised after each sum, without dropout.

    With the defaults and 128 places it is 218 million flops; 0.8 million parameters.
    """

    def __init__(self, d_model: int = 256, nhead: int = 8, dim_feedforward: int = 1024, dropout: float = 0.0) -> None:
        super().__init__(d_model, nhead, dim_feedforward, dropout, batch_first=True)
