"""An optimizer that looks for weights around which the loss is low, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

from seqlab import NamedParameters, OptimizerFactory, component, hookimpl
from seqlab_plugins.optimizers.several import mode_of, told_of

Rho = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SAM(Optimizer):
    """Sharpness-aware minimization: Foret et al., 2021, arXiv:2010.01412.

        e = rho g / |g|            g: gradients at the weights w
        a step of `base` from w, with the gradients at w + e

    Each step evaluates the model twice. `adaptive` measures e in units of the weights, as Kwon et
    al., 2021, arXiv:2102.11600: e = rho w^2 g / | |w| g |.

    Args:
        base: the optimizer.
        rho: how far e goes.
        adaptive: whether weights go as far as they are large; rho is then larger, such as 0.5.
    """

    needs_closure = True

    def __init__(
        self,
        parameters: NamedParameters,
        *,
        base: OptimizerFactory = component("adamw"),  # noqa: B008 # a value that nobody changes
        rho: Rho = 0.05,
        adaptive: bool = False,
    ) -> None:
        self.base, self.rho, self.adaptive = base(parameters), rho, adaptive
        if getattr(self.base, "needs_closure", False):
            raise ValueError(f"{type(self.base).__name__} needs a closure itself")
        super().__init__(self.base.param_groups, {})
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override] # it needs one
        """Evaluate at w and at w + e, and step from w."""
        loss = closure()
        weights = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        before = [w.clone() for w in weights]
        for w, e in zip(weights, self._ascent(weights), strict=True):
            w.add_(e)
        closure()
        for w, w_before in zip(weights, before, strict=True):
            w.copy_(w_before)
        self.base.step()
        return loss

    def _ascent(self, weights: list[Tensor]) -> list[Tensor]:
        """The step e from the weights towards a higher loss."""
        sizes = [w.abs() if self.adaptive else torch.ones_like(w) for w in weights]
        gradients = [w.grad for w in weights if w.grad is not None]
        scaled = [size * g for size, g in zip(sizes, gradients, strict=True)]
        share = self.rho / (torch.nn.utils.get_total_norm(scaled) + 1e-12)
        return [size * g * share for size, g in zip(sizes, scaled, strict=True)]

    @property
    def eval(self) -> Callable[[], None] | None:
        """Offered if the base has it."""
        return mode_of([self.base], "eval")

    @property
    def evaluated(self) -> Callable[[float], None] | None:
        """Offered if the base has it."""
        return told_of([self.base])

    @property
    def train(self) -> Callable[[], None] | None:
        """Offered if the base has it."""
        return mode_of([self.base], "train")

    def state_dict(self) -> dict[str, Any]:
        return self.base.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.base.load_state_dict(state_dict)
        self.param_groups = self.base.param_groups


@hookimpl
def seqlab_register_optimizers() -> dict[str, type[Optimizer]]:
    return {"sam": SAM}
