"""Optimizers by momentum alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

import seqlab

SEQLAB_API = 2
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1)]


class Adan(Optimizer):
    """Momentum that looks at the change of gradients: Xie et al., 2022, arXiv:2208.06677.

    Args:
        lr: learning rate.
        betas: decay of the running means of the gradient, of its change, and of their square.
        eps: added to the root of the squared mean.
        weight_decay: decoupled, times lr.
    """

    def __init__(
        self,
        parameters: seqlab.NamedParameters,
        *,
        lr: Rate = 3e-3,
        betas: tuple[Beta, Beta, Beta] = (0.98, 0.92, 0.99),
        eps: Rate = 1e-8,
        weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0,
    ) -> None:
        settings = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, {"lr": lr, **settings})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, betas = self.state[parameter], group["betas"]
        if not state:
            state |= {name: torch.zeros_like(parameter) for name in ("mean", "change", "square")}
            state["before"], state["step"] = gradient.clone(), 0
        state["step"] += 1
        change = gradient - state["before"]
        ahead = gradient + betas[1] * change
        state["mean"].lerp_(gradient, 1 - betas[0])
        state["change"].lerp_(change, 1 - betas[1])
        state["square"].mul_(betas[2]).addcmul_(ahead, ahead, value=1 - betas[2])
        state["before"].copy_(gradient)
        mean, change, square = (
            state[name] / (1 - beta ** state["step"])
            for name, beta in zip(("mean", "change", "square"), betas, strict=True)
        )
        direction = (mean + betas[1] * change) / (square.sqrt() + group["eps"])
        parameter.sub_(direction, alpha=group["lr"])
        parameter.div_(1 + group["lr"] * group["weight_decay"])


@seqlab.hookimpl
def seqlab_register_optimizers() -> dict[str, type[Optimizer]]:
    return {"adan": Adan}
