"""Activations as layers, and dropout."""

from torsh_ops.errors import ArgumentError
from torsh_ops.nn.module import Module
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops.norm import log_softmax, softmax
from torsh_ops.ops.random import rand_like
from torsh_ops.tensor import Tensor


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability `p` and scale the others by ``1 / (1 - p)``; `input` unless `training`.

    The random numbers are the default generator's. Raises ArgumentError when `p` is no probability, or on `inplace`.
    """
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {p}")
    if inplace:
        raise ArgumentError("dropout(inplace=True) is not supported: use the result")
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0.0
    kept = ew.ge(rand_like(input), p).to(input.dtype)
    return input * (kept * (1 / (1 - p)))


class ReLU(Module):
    """``max(x, 0)``."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return ew.relu(input, self.inplace)

    def extra_repr(self) -> str:
        """The argument when it is set."""
        return "inplace=True" if self.inplace else ""


class GELU(Module):
    """``x * Phi(x)``, exact or with ``approximate="tanh"``."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return ew.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """The argument."""
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """``x * sigmoid(x)``."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return ew.silu(input, self.inplace)


class Tanh(Module):
    """Hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return ew.tanh(input)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return ew.sigmoid(input)


class Softmax(Module):
    """Softmax along `dim`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The argument."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """Logarithm of softmax along `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return log_softmax(input, self.dim)


class Dropout(Module):
    """Zero elements with probability `p` while training; see `torsh_ops.nn.functional.dropout`."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"p={self.p}, inplace={self.inplace}"
