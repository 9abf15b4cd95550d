"""Optimizers with one mistake each that shows only after some steps or with other gradients."""

from __future__ import annotations

import torch
from torch.optim import Optimizer


class Momentum(Optimizer):
    """Gradient descent with momentum; what the planted ones are made of.

    Args:
        lr: how far a step goes.
        momentum: how much of the last update each step keeps.
    """

    def __init__(self, parameters, *, lr: float = 0.05, momentum: float = 0.5) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, group)

    def buffer(self, p):
        return self.state[p].setdefault("update", torch.zeros_like(p))

    def move(self, p, group):
        update = self.buffer(p).mul_(group["momentum"]).add_(p.grad)
        p.add_(update, alpha=-group["lr"])


class KeepsSlowWeightsToItself(Momentum):
    """Slow weights that are met each tenth step are no part of the state."""

    def __init__(self, parameters) -> None:
        super().__init__(parameters)
        self.slow: dict[torch.Tensor, torch.Tensor] = {}

    def move(self, p, group):
        slow = self.slow.setdefault(p, p.clone())
        super().move(p, group)
        self.state[p]["step"] = self.state[p].get("step", 0) + 1
        if self.state[p]["step"] % 10 == 0:
            p.copy_(slow.lerp_(p, 0.5))


class ReadsItsRateEachTenthStep(Momentum):
    """Looks for the rate of a schedule now and then."""

    def move(self, p, group):
        count = self.state[p].get("step", 0)
        if count % 10 == 0:
            self.state[p]["rate"] = group["lr"]
        self.state[p]["step"] = count + 1
        super().move(p, {**group, "lr": self.state[p]["rate"]})


class BuffersByPlace(Momentum):
    """Momentum lies in the order of those parameters that have a gradient."""

    @torch.no_grad()
    def step(self, closure=None):
        held = [(p, group) for group in self.param_groups for p in group["params"]]
        keys = [p for p, _ in held]
        for place, (p, group) in enumerate((p, g) for p, g in held if p.grad is not None):
            update = self.state[keys[place]].get("update")
            update = torch.zeros_like(p) if update is None or update.shape != p.shape else update
            self.state[keys[place]]["update"] = update.mul_(group["momentum"]).add_(p.grad)
            p.add_(update, alpha=-group["lr"])


class MatricesAndVectorsOnly(Momentum):
    """Scales each row of a matrix, and has forgotten that a weight may have three dimensions."""

    def move(self, p, group):
        if p.dim() > 1:
            rows, columns = p.shape
            assert rows * columns == p.numel()
        super().move(p, group)


class RateOfTheFirstGroup(Momentum):
    """Two groups, and the rate of the first for both."""

    def __init__(self, parameters) -> None:
        matrices = [p for _, p in parameters if p.dim() > 1]
        vectors = [p for _, p in parameters if p.dim() <= 1]
        groups = [{"params": group} for group in (matrices, vectors) if group]
        Optimizer.__init__(self, groups, {"lr": 0.05, "momentum": 0.5})

    def move(self, p, group):
        super().move(p, {**group, "lr": self.param_groups[0]["lr"]})


class DividesByTheNorm(Momentum):
    """A gradient of zeros has no direction."""

    def move(self, p, group):
        p.sub_(p.grad / p.grad.norm(), alpha=group["lr"])


class CentresItsVariance(Momentum):
    """The mean of squares less the square of the mean: rounded, it may lie below 0."""

    def move(self, p, group):
        mean = self.buffer(p).mul_(0.9).add_(p.grad, alpha=0.1)
        squares = self.state[p].setdefault("squares", torch.zeros_like(p))
        squares.mul_(0.9).addcmul_(p.grad, p.grad, value=0.1)
        p.sub_(p.grad / ((squares - mean**2).sqrt() + 1), alpha=group["lr"])


class FlattensByView(Momentum):
    """`view` needs a gradient that lies as the weight does."""

    def move(self, p, group):
        update = self.buffer(p).view(-1).mul_(group["momentum"]).add_(p.grad.view(-1))
        p.view(-1).add_(update, alpha=-group["lr"])


class MomentumIsTheFirstGradient(Momentum):
    """Takes the first gradient itself for a buffer, not a copy of it."""

    def move(self, p, group):
        if "update" in self.state[p]:
            self.state[p]["update"] = self.state[p]["update"] * group["momentum"] + p.grad
        else:
            self.state[p]["update"] = p.grad
        p.add_(self.state[p]["update"], alpha=-group["lr"])
