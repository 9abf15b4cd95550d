"""Plain steps, and later the mean of all weights since then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

from seqlab import NamedParameters, hookimpl
from seqlab.options import LargeCount
from seqlab_plugins.optimizers.basic import Decay, Rate

Steps = Annotated[int, Field(ge=0, le=2**40)]


class ASGD(Optimizer):
    """Averaged stochastic gradient descent: Polyak and Juditsky, 1992.

        w' = w - lr (g + weight_decay w)

    From some step on the weights for use are the mean of all w' since then; `eval()` gives them to
    the model, and `train()` gives it w again. When that begins is decided by evaluations, as in
    NT-ASGD of Merity et al., 2018, arXiv:1708.02182: as soon as a loss is higher than the best of
    those that were measured `patience` evaluations before, or earlier.

    Args:
        lr: learning rate.
        weight_decay: L2 penalty, added to the gradient.
        patience: how many evaluations are left out of those that a loss is compared with.
        start: begin after this many steps instead, whatever evaluations say; null: they decide.
    """

    def __init__(
        self,
        parameters: NamedParameters,
        *,
        lr: Rate = 0.1,
        weight_decay: Decay = 0.0,
        patience: LargeCount = 5,
        start: Steps | None = None,
    ) -> None:
        settings = {"lr": lr, "weight_decay": weight_decay, "patience": patience, "start": start}
        counts = {"steps": 0, "averaged": 0, "averages": False, "losses": [], "trains": True}
        super().__init__(parameters, settings | counts)

    @property
    def evaluated(self) -> Callable[[float], None] | None:
        """Offered where evaluations decide."""
        return self._evaluated if self.param_groups[0]["start"] is None else None

    def _evaluated(self, loss: float) -> None:
        for group in self.param_groups:
            before = group["losses"]
            earlier = before[: -group["patience"]]
            group["averages"] |= bool(earlier) and loss > min(earlier)
            group["losses"] = [*before, loss]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Step along the gradients, and then add the weights to the mean."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            if not group["trains"]:
                raise RuntimeError("asgd steps after train(), and this is eval()")
            if group["start"] is not None:
                group["averages"] |= group["steps"] >= group["start"]
            group["steps"] += 1
            group["averaged"] += group["averages"]
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(_direction(parameter, group), alpha=-group["lr"])
                if group["averages"]:
                    self._average(parameter, 1 / group["averaged"])
        return loss

    def _average(self, parameter: Tensor, share: float) -> None:
        state = self.state[parameter]
        if "mean" not in state:
            state["mean"] = torch.zeros_like(parameter)
        state["mean"].lerp_(parameter, share)

    def eval(self) -> None:
        """Give the parameters the mean, once there is one."""
        self._change(trains=False)

    def train(self) -> None:
        """Give the parameters the weights that are trained."""
        self._change(trains=True)

    @torch.no_grad()
    def _change(self, *, trains: bool) -> None:
        for group in self.param_groups:
            for parameter in group["params"] if group["trains"] != trains else ():
                state = self.state.get(parameter, {})
                if "mean" not in state:
                    continue
                if trains:
                    parameter.copy_(state.pop("trained"))
                else:
                    state["trained"] = parameter.clone()
                    parameter.copy_(state["mean"])
            group["trains"] = trains


def _direction(parameter: Tensor, group: dict[str, Any]) -> Tensor:
    gradient: Tensor = parameter.grad  # type: ignore[assignment] # the caller has looked
    return gradient.add(parameter, alpha=group["weight_decay"])


@hookimpl
def seqlab_register_optimizers() -> dict[str, type[Optimizer]]:
    return {"asgd": ASGD}
