"""Activations as layers."""

from collections.abc import Callable
from typing import Any, ClassVar

from torsh_ops.nn.module import Module, Parameter
from torsh_ops.ops import activation as ac
from torsh_ops.ops import elementwise as ew
from torsh_ops.ops.creation import full
from torsh_ops.ops.norm import log_softmax, softmax
from torsh_ops.tensor import Tensor


class _Activation(Module):
    """Base: calls `function` with the input and the attributes called `arguments`, which its repr shows."""

    function: ClassVar[Callable[..., Tensor]]
    arguments: ClassVar[tuple[str, ...]] = ()

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return type(self).function(input, *(self.__dict__[name] for name in self.arguments))

    def extra_repr(self) -> str:
        """The arguments; `inplace` when it is set."""
        shown = [n for n in self.arguments if n != "inplace" or self.inplace]
        return ", ".join(f"{n}={self.__dict__[n]}" for n in shown)


class _InPlace(_Activation):
    """Base of those whose one argument is `inplace`."""

    arguments: ClassVar[tuple[str, ...]] = ("inplace",)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class ReLU(_InPlace):
    """``max(x, 0)``."""

    function = ew.relu


class ReLU6(_InPlace):
    """``min(max(x, 0), 6)``."""

    function = ac.relu6


class SELU(_InPlace):
    """The elu that keeps mean 0 and variance 1; see `torsh_ops.nn.functional.selu`."""

    function = ac.selu


class SiLU(_InPlace):
    """``x * sigmoid(x)``."""

    function = ew.silu


class Mish(_InPlace):
    """``x * tanh(softplus(x))``."""

    function = ac.mish


class Hardsigmoid(_InPlace):
    """``x / 6 + 1 / 2``, held between 0 and 1."""

    function = ac.hardsigmoid


class Hardswish(_InPlace):
    """``x * hardsigmoid(x)``."""

    function = ac.hardswish


class Tanh(_Activation):
    """Hyperbolic tangent."""

    function = ew.tanh


class Sigmoid(_Activation):
    """``1 / (1 + exp(-x))``."""

    function = ew.sigmoid


class LogSigmoid(_Activation):
    """``log(sigmoid(x))``."""

    function = ac.logsigmoid


class Softsign(_Activation):
    """``x / (1 + |x|)``."""

    function = ac.softsign


class Tanhshrink(_Activation):
    """``x - tanh(x)``."""

    function = ac.tanhshrink


class GELU(_Activation):
    """``x * Phi(x)``, exact or with ``approximate="tanh"``."""

    function = ew.gelu
    arguments: ClassVar[tuple[str, ...]] = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def extra_repr(self) -> str:
        """The argument."""
        return f"approximate={self.approximate!r}"


class LeakyReLU(_Activation):
    """``x`` where positive, else ``negative_slope * x``."""

    function = ac.leaky_relu
    arguments: ClassVar[tuple[str, ...]] = ("negative_slope", "inplace")

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace


class ELU(_Activation):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``."""

    function = ac.elu
    arguments: ClassVar[tuple[str, ...]] = ("alpha", "inplace")

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace


class CELU(ELU):
    """``max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))``."""

    function = ac.celu


class Hardtanh(_Activation):
    """``x``, held between `min_val` and `max_val`; raises ArgumentError unless the first is below the second."""

    function = ac.hardtanh
    arguments: ClassVar[tuple[str, ...]] = ("min_val", "max_val", "inplace")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace


class Threshold(_Activation):
    """``x`` above `threshold`, else `value`."""

    function = ac.threshold
    arguments: ClassVar[tuple[str, ...]] = ("threshold", "value", "inplace")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def extra_repr(self) -> str:
        """The arguments, `inplace` when it is set."""
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")


class Hardshrink(_Activation):
    """``x``, but 0 between ``-lambd`` and ``lambd``."""

    function = ac.hardshrink
    arguments: ClassVar[tuple[str, ...]] = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        """The argument."""
        return str(self.lambd)


class Softshrink(Hardshrink):
    """``x`` moved towards 0 by ``lambd``, 0 within it."""

    function = ac.softshrink


class Softplus(_Activation):
    """``log(1 + exp(beta * x)) / beta``, ``x`` itself where ``beta * x`` is above `threshold`."""

    function = ac.softplus
    arguments: ClassVar[tuple[str, ...]] = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold


class PReLU(_Activation):
    """``x`` where positive, else ``weight * x``, with one learnt weight, or one for each channel (dim 1)."""

    function = ac.prelu
    arguments: ClassVar[tuple[str, ...]] = ("weight",)
    weight: Parameter

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = Parameter(full((num_parameters,), float(init), dtype=dtype, device=device))

    def extra_repr(self) -> str:
        """The number of weights."""
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """`LeakyReLU` with random slopes while training; see `torsh_ops.nn.functional.rrelu`."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        """The shape of `input`."""
        return ac.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The arguments; `inplace` when it is set."""
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")


class _AlongDim(_Activation):
    """Base of those whose one argument is `dim`."""

    arguments: ClassVar[tuple[str, ...]] = ("dim",)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim


class GLU(_AlongDim):
    """The first half of `dim` times the sigmoid of the second."""

    function = ac.glu

    def __init__(self, dim: int = -1) -> None:
        super().__init__(dim)


class Softmax(_AlongDim):
    """Softmax along `dim`."""

    function = softmax


class Softmin(_AlongDim):
    """Softmax of the negated input along `dim`."""

    function = ac.softmin


class LogSoftmax(_AlongDim):
    """Logarithm of softmax along `dim`."""

    function = log_softmax
