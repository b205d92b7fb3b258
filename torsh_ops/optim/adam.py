"""Adam and AdamW."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from torsh_ops.kernels import optim as kernels
from torsh_ops.optim.optimizer import Optimizer, run, unsupported
from torsh_ops.tensor import Tensor


class Adam(Optimizer):
    """Steps scaled by running moments of the gradient; `weight_decay` is added to the gradient. Kingma and Ba 2015.

    `foreach` and `fused` have no effect: every parameter is one pass already.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        unsupported(type(self).__name__, capturable=capturable, differentiable=differentiable)
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "amsgrad": amsgrad, "maximize": maximize})

    def update(self, p: Tensor, gradient: np.ndarray, group: dict[str, Any]) -> None:
        """Move one parameter in place."""
        names = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))
        state = self.kept(p, *names)
        t = state["step"] = state.get("step", 0) + 1
        moments = [state[name]._array for name in names]
        beta1, beta2 = group["betas"]
        lr, decay = group["lr"], group["weight_decay"]
        run(
            kernels.adam, p, gradient, *moments[:2], moments[-1], float(lr / (1 - beta1**t)),
            float(1 - lr * decay if self.decoupled else 1), float(0 if self.decoupled else decay),
            -1.0 if group["maximize"] else 1.0, float(beta1), float(beta2), math.sqrt(1 - beta2**t),
            float(group["eps"]), bool(group["amsgrad"]),
        )  # fmt: skip


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself. Loshchilov and Hutter 2019."""

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        how = {"maximize": maximize, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **how)
