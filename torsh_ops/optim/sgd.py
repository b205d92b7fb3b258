"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from torsh_ops.errors import ArgumentError
from torsh_ops.kernels import optim as kernels
from torsh_ops.optim.optimizer import Optimizer, run, unsupported
from torsh_ops.tensor import Tensor


class SGD(Optimizer):
    """``p -= lr * g``, with momentum, Nesterov momentum and weight decay as PyTorch defines them.

    `foreach` and `fused` have no effect: every parameter is one pass already.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        unsupported("SGD", differentiable=differentiable)
        settings = {"momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {"lr": lr, **settings, "nesterov": nesterov, "maximize": maximize})

    def check(self, group: dict[str, Any]) -> None:
        """Raise ArgumentError on a setting out of range."""
        super().check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ArgumentError("Nesterov momentum requires a momentum and zero dampening")

    def update(self, p: Tensor, gradient: np.ndarray, group: dict[str, Any]) -> None:
        """Move one parameter in place."""
        lr, decay, sign = group["lr"], group["weight_decay"], -1.0 if group["maximize"] else 1.0
        momentum = group["momentum"]
        if momentum == 0:
            run(kernels.sgd, p, gradient, float(lr), float(decay), sign)
            return
        # The first step takes the gradient whole: dampening begins with the second.
        fresh = 1.0 - group["dampening"] if "momentum_buffer" in self.state.get(p, ()) else 1.0
        velocity = self.kept(p, "momentum_buffer")["momentum_buffer"]._array
        numbers = (float(lr), float(decay), sign, float(momentum), float(fresh), float(group["nesterov"]))
        run(kernels.sgd_momentum, p, gradient, velocity, *numbers)
