"""RMSprop."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from torsh_ops.kernels import optim as kernels
from torsh_ops.optim.optimizer import Optimizer, run, unsupported
from torsh_ops.tensor import Tensor


class RMSprop(Optimizer):
    """The gradient over the root of its running mean square, with momentum; `centered` subtracts the mean first.

    `foreach` has no effect: every parameter is one pass already.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        unsupported("RMSprop", capturable=capturable, differentiable=differentiable)
        settings = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**settings, "centered": centered, "maximize": maximize})

    def update(self, p: Tensor, gradient: np.ndarray, group: dict[str, Any]) -> None:
        """Move one parameter in place."""
        optional = {"grad_avg": group["centered"], "momentum_buffer": group["momentum"] > 0}
        state = self.kept(p, "square_avg", *(name for name, used in optional.items() if used))
        square = state["square_avg"]._array
        mean = state["grad_avg"]._array if optional["grad_avg"] else square
        # Without momentum the kernel's velocity is scratch: what it held is multiplied by 0.
        velocity = state["momentum_buffer"]._array if optional["momentum_buffer"] else np.zeros_like(square)
        numbers = [group[name] for name in ("lr", "weight_decay")]
        numbers += [-1.0 if group["maximize"] else 1.0, group["alpha"], group["eps"], group["momentum"]]
        run(kernels.rmsprop, p, gradient, square, mean, velocity, *map(float, numbers), bool(group["centered"]))
