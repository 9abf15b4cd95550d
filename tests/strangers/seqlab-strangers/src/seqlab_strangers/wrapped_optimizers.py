"""Optimizers around any other optimizer."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

import seqlab

SEQLAB_API = 2


class Around(Optimizer):
    """Passes on what the optimizer inside has: its groups, modes, state, and need of a closure."""

    def __init__(self, base: Optimizer) -> None:
        self.base = base
        super().__init__(base.param_groups, {})
        self.param_groups = base.param_groups

    @property
    def needs_closure(self) -> bool:
        return getattr(self.base, "needs_closure", False)

    @property
    def eval(self) -> Any:
        return getattr(self.base, "eval", None)

    @property
    def train(self) -> Any:
        return getattr(self.base, "train", None)

    def state_dict(self) -> dict[str, Any]:
        return self.base.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.base.load_state_dict(state_dict)
        self.param_groups = self.base.param_groups

    def step_base(self, closure: Any) -> Any:
        """Take a step of the optimizer inside, which leaves it out where `found_inf` is 1."""
        if hasattr(self, "found_inf"):
            self.base.found_inf = self.found_inf
        return self.base.step(closure)

    def parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]


class Cautious(Around):
    """Another optimizer that never goes against the gradient: Liang et al., 2024, arXiv:2411.16085.

    Args:
        base: the optimizer.
    """

    def __init__(
        self,
        parameters: seqlab.NamedParameters,
        *,
        base: seqlab.OptimizerFactory = seqlab.component("lion"),  # noqa: B008 # nobody changes it
    ) -> None:
        super().__init__(base(parameters))
        if self.needs_closure:
            raise ValueError("base: it needs a closure, so its steps have several gradients")

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        moving = [p for p in self.parameters() if p.grad is not None]
        before = [p.clone() for p in moving]
        loss = self.step_base(closure)
        for parameter, start in zip(moving, before, strict=True):
            moved = parameter - start
            agrees = (moved * parameter.grad < 0).to(moved.dtype)
            moved *= agrees / agrees.mean().clamp(min=1e-3)
            parameter.copy_(start + moved)
        return loss


class Averaged(Around):
    """Another optimizer; what is evaluated and saved is a running mean of its weights.

    Args:
        base: the optimizer.
        decay: of the mean, after the first steps, in which it is that of all weights so far.
    """

    def __init__(
        self,
        parameters: seqlab.NamedParameters,
        *,
        base: seqlab.OptimizerFactory = seqlab.component("adam"),  # noqa: B008 # nobody changes it
        decay: Annotated[float, Field(gt=0, lt=1)] = 0.99,
    ) -> None:
        super().__init__(base(parameters))
        if super().eval is not None:
            raise ValueError("base: it has weights for use of its own")
        self.decay = decay
        self.means = [p.detach().clone() for p in self.parameters()]
        self.steps = torch.zeros((), dtype=torch.int64, device=self.means[0].device)
        self.trained: list[Tensor] = []  # while the parameters are the means

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = self.step_base(closure)
        taken = 1 - getattr(self, "found_inf", torch.zeros_like(self.steps)).to(torch.int64)
        self.steps += taken
        share = taken * (1 / self.steps.clamp(min=1)).clamp(min=1 - self.decay)
        for mean, parameter in zip(self.means, self.parameters(), strict=True):
            mean.lerp_(parameter, share.to(mean.dtype))
        return loss

    @torch.no_grad()
    def eval(self) -> None:
        if not self.trained:
            self.trained = [p.clone() for p in self.parameters()]
            self._give(self.means)

    @torch.no_grad()
    def train(self) -> None:
        if self.trained:
            self._give(self.trained)
            self.trained = []

    def _give(self, weights: list[Tensor]) -> None:
        for parameter, weight in zip(self.parameters(), weights, strict=True):
            parameter.copy_(weight)

    def state_dict(self) -> dict[str, Any]:
        own = {"means": self.means, "trained": self.trained, "steps": self.steps}
        return {"base": super().state_dict(), **own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict["base"])
        kept = {"means": [], "trained": []}
        for name, tensors in kept.items():
            pairs = zip(state_dict[name], self.parameters(), strict=False)
            tensors += [saved.to(p, copy=True) for saved, p in pairs]
        self.means, self.trained = kept["means"], kept["trained"]
        self.steps.copy_(state_dict["steps"])


@seqlab.hookimpl
def seqlab_register_optimizers() -> dict[str, type[Optimizer]]:
    return {"cautious": Cautious, "averaged": Averaged}
