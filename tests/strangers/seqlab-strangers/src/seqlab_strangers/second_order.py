"""Optimizers that know of curvature."""

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


class SOAP(Optimizer):
    """Adam in the eigenbasis of Shampoo's preconditioner: Vyas et al., 2024, arXiv:2409.11321.

    Args:
        lr: learning rate.
        betas: decay of the running means of the gradient, of its square, and of its products.
        eps: added to the root of the squared mean.
        every: after how many steps the basis follows.
        largest: sides of a matrix that are longer have no basis; neither do vectors.
    """

    def __init__(
        self,
        parameters: seqlab.NamedParameters,
        *,
        lr: Rate = 3e-3,
        betas: tuple[Beta, Beta, Beta] = (0.95, 0.95, 0.95),
        eps: Rate = 1e-8,
        every: seqlab.Count = 10,
        largest: seqlab.Count = 2048,
    ) -> None:
        settings = {"betas": betas, "eps": eps, "every": every, "largest": largest}
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
        state, (beta_1, beta_2, beta_3) = self.state[parameter], group["betas"]
        matrix = gradient.contiguous()  # so that sums come out alike however a weight lies
        matrix = matrix.flatten(1) if matrix.dim() > 1 else matrix
        if not state:
            state["step"] = 0
            state["mean"], state["square"] = torch.zeros_like(matrix), torch.zeros_like(matrix)
            state["products"], state["bases"] = self._sides(matrix, group["largest"])
        state["step"] += 1
        for side, product in state["products"].items():
            other = matrix if side == "left" else matrix.T
            product.lerp_(other @ other.T, 1 - beta_3)
        if state["step"] % group["every"] == 1 or group["every"] == 1:
            self._turn(state)
        state["mean"].lerp_(matrix, 1 - beta_1)
        turned = _rotated(matrix, state["bases"])
        state["square"].mul_(beta_2).addcmul_(turned, turned, value=1 - beta_2)
        mean = _rotated(state["mean"], state["bases"]) / (1 - beta_1 ** state["step"])
        root = (state["square"] / (1 - beta_2 ** state["step"])).sqrt()
        direction = _rotated(mean / (root + group["eps"]), state["bases"], back=True)
        parameter.sub_(direction.reshape(parameter.shape), alpha=group["lr"])

    @staticmethod
    def _sides(matrix: Tensor, largest: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        lengths = dict(zip(("left", "right"), matrix.shape, strict=False))
        if matrix.dim() < 2:
            lengths = {}
        short = {side: length for side, length in lengths.items() if length <= largest}
        zeros = {side: matrix.new_zeros(length, length) for side, length in short.items()}
        return zeros, {s: torch.eye(n).to(matrix) for s, n in short.items()}

    @staticmethod
    def _turn(state: dict[str, Any]) -> None:
        """Move the bases to the eigenvectors, and the squares with the order of their columns."""
        for side, product in state["products"].items():
            scale = product.abs().amax().clamp(min=torch.finfo(product.dtype).tiny)
            scaled = product / scale
            if state["step"] == 1:
                basis = torch.linalg.eigh(scaled.double()).eigenvectors  # of float32 it may fail
                state["bases"][side] = basis.to(scaled).contiguous()
                continue
            basis = state["bases"][side]
            order = (basis * (scaled @ basis)).sum(0).argsort(descending=True, stable=True)
            state["square"] = state["square"].index_select(0 if side == "left" else 1, order)
            state["bases"][side] = torch.linalg.qr(scaled @ basis[:, order]).Q.contiguous()


def _rotated(matrix: Tensor, bases: dict[str, Tensor], *, back: bool = False) -> Tensor:
    if "left" in bases:
        matrix = (bases["left"] if back else bases["left"].T) @ matrix
    if "right" in bases:
        matrix = matrix @ (bases["right"].T if back else bases["right"])
    return matrix


class Sophia(Optimizer):
    """Steps by the diagonal of the curvature, clipped: Liu et al., 2023, arXiv:2305.14342.

    The diagonal is estimated every few steps from the change of gradients along random signs
    (Hutchinson), which takes a second evaluation.

    Args:
        lr: learning rate; no weight moves further in a step.
        betas: decay of the running means of the gradient and of the curvature.
        rho: how large a step may be against the curvature.
        every: after how many steps the curvature is estimated again.
        distance: how far the second evaluation is, in each weight.
    """

    needs_closure = True

    def __init__(
        self,
        parameters: seqlab.NamedParameters,
        *,
        lr: Rate = 1e-2,
        betas: tuple[Beta, Beta] = (0.96, 0.99),
        rho: Rate = 0.04,
        every: seqlab.Count = 10,
        distance: Rate = 1e-3,
    ) -> None:
        settings = {"betas": betas, "rho": rho, "every": every, "distance": distance}
        super().__init__(parameters, {"lr": lr, **settings, "step": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:
        loss = closure()
        held = [(p, g) for g in self.param_groups for p in g["params"] if p.grad is not None]
        gradients = [p.grad.clone() for p, _ in held]
        if held and held[0][1]["step"] % held[0][1]["every"] == 0:
            self._estimate(closure, held, gradients)
        for (parameter, group), gradient in zip(held, gradients, strict=True):
            mean = self._state(parameter)["mean"].lerp_(gradient, 1 - group["betas"][0])
            curvature = (group["rho"] * self.state[parameter]["curvature"]).clamp(min=1e-12)
            parameter.sub_((mean / curvature).clamp(-1, 1), alpha=group["lr"])
        for group in self.param_groups:
            group["step"] += 1
        return loss

    def _state(self, parameter: Tensor) -> dict[str, Tensor]:
        state = self.state[parameter]
        if not state:
            state["mean"] = torch.zeros_like(parameter)
            state["curvature"] = torch.zeros_like(parameter)
        return state

    def _estimate(
        self,
        closure: Callable[[], Any],
        held: list[tuple[Tensor, dict[str, Any]]],
        gradients: list[Tensor],
    ) -> None:
        before = [p.clone() for p, _ in held]
        signs = [self._signs(p, group["step"], n) for n, (p, group) in enumerate(held)]
        for (parameter, group), sign in zip(held, signs, strict=True):
            parameter.add_(sign, alpha=group["distance"])
        closure()
        rows = zip(held, signs, before, gradients, strict=True)
        for (parameter, group), sign, weight, gradient in rows:
            parameter.copy_(weight)
            if parameter.grad is not None:
                change = sign * (parameter.grad - gradient) / group["distance"]
                estimate = self._state(parameter)["curvature"]
                estimate.lerp_(change.clamp(min=0), 1 - group["betas"][1])

    @staticmethod
    def _signs(parameter: Tensor, step: int, number: int) -> Tensor:
        """1 or -1, by a generator of its own: nothing else is drawn from it."""
        generator = torch.Generator().manual_seed(step * 1_000_003 + number)
        drawn = torch.randint(2, parameter.shape, generator=generator)
        return (2 * drawn - 1).to(parameter)


@seqlab.hookimpl
def seqlab_register_optimizers() -> dict[str, type[Optimizer]]:
    return {"soap": SOAP, "sophia": Sophia}
