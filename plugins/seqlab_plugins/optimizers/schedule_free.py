"""An optimizer whose weights for use are an average of where it has been."""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

from seqlab import NamedParameters, hookimpl
from seqlab_plugins.optimizers.basic import Decay, Rate

Beta = Annotated[float, Field(gt=0, lt=1)]


class ScheduleFreeAdamW(Optimizer):
    """AdamW without a schedule: Defazio et al., 2024, "The road less scheduled", arXiv:2405.15682.

        y = (1 - beta_1) z + beta_1 x       gradients are taken here
        z' = z - lr (g / (sqrt(v) + eps) + weight_decay y)
        x' = (1 - c) x + c z'               these weights are used; c = lr^2 / sum of all lr^2

    In training the model has y; `eval()` gives it x, and `train()` gives it y again.

    Args:
        lr: learning rate, constant after the warmup.
        betas: share of x in y, and decay of the running mean of the squared gradient.
        eps: added to the root of the squared mean.
        weight_decay: decoupled; each step subtracts this share of y, times lr.
        warmup: steps in which the rate rises linearly to its full value.
    """

    def __init__(
        self,
        parameters: NamedParameters,
        *,
        lr: Rate = 2.5e-3,
        betas: tuple[Beta, Beta] = (0.9, 0.999),
        eps: Rate = 1e-8,
        weight_decay: Decay = 0.0,
        warmup: Annotated[int, Field(ge=0, le=2**40)] = 0,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        counts = {"warmup": warmup, "steps": 0, "total_weight": 0.0, "trains": True}
        super().__init__(parameters, settings | counts)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move z along the gradients at y, x towards z, and y to where it is between them."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            if not group["trains"]:
                raise RuntimeError("schedule_free_adamw steps after train(), and this is eval()")
            group["steps"] += 1
            rate = group["lr"] * min(group["steps"] / (group["warmup"] + 1), 1.0)
            group["total_weight"] += rate**2
            share = rate**2 / group["total_weight"] if group["total_weight"] else 0.0
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group, rate, share)
        return loss

    def _move(
        self, y: Tensor, gradient: Tensor, group: dict[str, Any], rate: float, share: float
    ) -> None:
        state, (beta_1, beta_2) = self.state[y], group["betas"]
        if not state:
            state["z"], state["squares"] = y.clone(), torch.zeros_like(y)
            state["updates"] = 0
        state["updates"] += 1
        z, squares = state["z"], state["squares"]
        squares.mul_(beta_2).addcmul_(gradient, gradient, value=1 - beta_2)
        correction = math.sqrt(1 - beta_2 ** state["updates"])
        direction = gradient / (squares.sqrt() / correction + group["eps"])
        direction.add_(y, alpha=group["weight_decay"])
        # x is not kept: y' = (1 - c) y + c z + rate (beta_1 (1 - c) - 1) direction
        y.lerp_(z, share).add_(direction, alpha=rate * (beta_1 * (1 - share) - 1))
        z.sub_(direction, alpha=rate)

    def eval(self) -> None:
        """Give the parameters the weights x."""
        self._change(trains=False)

    def train(self) -> None:
        """Give the parameters the weights y."""
        self._change(trains=True)

    @torch.no_grad()
    def _change(self, *, trains: bool) -> None:
        for group in self.param_groups:
            beta = group["betas"][0]
            for parameter in group["params"] if group["trains"] != trains else ():
                if "z" in self.state[parameter]:
                    share = 1 - beta if trains else 1 - 1 / beta
                    parameter.lerp_(self.state[parameter]["z"], share)
            group["trains"] = trains


@hookimpl
def seqlab_register_optimizers() -> dict[str, type[Optimizer]]:
    return {"schedule_free_adamw": ScheduleFreeAdamW}
