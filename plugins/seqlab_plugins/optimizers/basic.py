"""Optimizers of torch with short signatures, Muon and Lion."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch.optim import Optimizer

from seqlab import NamedParameters, Share, hookimpl
from seqlab_plugins.optimizers.several import Several

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def adam(
    parameters: NamedParameters,
    *,
    lr: Rate = 1e-3,
    betas: tuple[Share, Share] = (0.9, 0.999),
    eps: Rate = 1e-8,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """Kingma and Ba, 2015, https://arxiv.org/abs/1412.6980.

    Args:
        lr: learning rate.
        betas: decay of the running means of gradient and squared gradient.
        eps: added to the root of the squared mean.
        weight_decay: L2 penalty, added to the gradient.
    """
    return torch.optim.Adam(
        parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True
    )


def adamw(
    parameters: NamedParameters,
    *,
    lr: Rate = 1e-3,
    betas: tuple[Share, Share] = (0.9, 0.999),
    eps: Rate = 1e-8,
    weight_decay: Decay = 0.01,
) -> Optimizer:
    """Adam with decoupled weight decay: Loshchilov and Hutter, 2019, arXiv:1711.05101.

    Args:
        lr: learning rate.
        betas: decay of the running means of gradient and squared gradient.
        eps: added to the root of the squared mean.
        weight_decay: decoupled; each step subtracts this share of a weight, times lr.
    """
    return torch.optim.AdamW(
        parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True
    )


def sgd(
    parameters: NamedParameters,
    *,
    lr: Rate = 0.1,
    momentum: Share = 0.0,
    nesterov: bool = False,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """Stochastic gradient descent.

    Args:
        lr: learning rate.
        momentum: share of the last update that each step keeps.
        nesterov: use Nesterov momentum; needs momentum.
        weight_decay: L2 penalty, added to the gradient.
    """
    return torch.optim.SGD(
        parameters,
        lr=lr,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        # The fused kernel leaves its buffer uninitialised if the first step is skipped.
        fused=not momentum,
    )


def rmsprop(
    parameters: NamedParameters,
    *,
    lr: Rate = 1e-3,
    alpha: Share = 0.99,
    eps: Rate = 1e-8,
    momentum: Share = 0.0,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """Tieleman and Hinton, Coursera lecture 6.5, 2012.

    Args:
        lr: learning rate.
        alpha: decay of the running mean of the squared gradient.
        eps: added to the root of the squared mean.
        momentum: share of the last update that each step keeps.
        weight_decay: L2 penalty, added to the gradient.
    """
    return torch.optim.RMSprop(
        parameters, lr=lr, alpha=alpha, eps=eps, momentum=momentum, weight_decay=weight_decay
    )


def adagrad(
    parameters: NamedParameters,
    *,
    lr: Rate = 1e-2,
    eps: Rate = 1e-10,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """Duchi, Hazan and Singer, 2011.

    Args:
        lr: learning rate.
        eps: added to the root of the sum of squares.
        weight_decay: L2 penalty, added to the gradient.
    """
    fused = all(parameter.is_cpu for _, parameter in parameters) or None  # not on GPUs
    return torch.optim.Adagrad(parameters, lr=lr, eps=eps, weight_decay=weight_decay, fused=fused)


class Muon(Several):
    """Muon for the matrices of the hidden layers, AdamW for everything else.

    Jordan et al., 2024, https://kellerjordan.github.io/posts/muon. Embedding and head are not
    hidden layers; biases and norms are not matrices.

    Args:
        lr: learning rate of the matrices.
        momentum: share of the last update of a matrix that each step keeps.
        weight_decay: decoupled; each step subtracts this share of a weight, times its rate.
        adamw_lr: learning rate of the rest.
        betas: those of AdamW, for the rest.
    """

    def __init__(
        self,
        parameters: NamedParameters,
        *,
        lr: Rate = 0.02,
        momentum: Share = 0.95,
        weight_decay: Decay = 0.0,
        adamw_lr: Rate = 1e-3,
        betas: tuple[Share, Share] = (0.9, 0.999),
    ) -> None:
        hidden = [(name, p) for name, p in parameters if _is_hidden_matrix(name, p)]
        rest = [(name, p) for name, p in parameters if not _is_hidden_matrix(name, p)]
        muon = partial(torch.optim.Muon, lr=lr, momentum=momentum, weight_decay=weight_decay)
        adamw = partial(
            torch.optim.AdamW, lr=adamw_lr, betas=betas, weight_decay=weight_decay, fused=True
        )
        parts = ((muon, hidden), (adamw, rest))
        super().__init__([build(group) for build, group in parts if group])


class Lion(Optimizer):
    """The sign of a momentum, so that every weight moves equally far: Chen et al., 2023.

    https://arxiv.org/abs/2302.06675. They advise a rate 3 to 10 times smaller than for AdamW, and
    a weight decay larger by the same factor.

    Args:
        lr: learning rate, the distance that each weight moves in each step.
        betas: weight of the momentum against the gradient in a step, and decay of the momentum.
        weight_decay: decoupled; each step subtracts this share of a weight, times lr.
    """

    def __init__(
        self,
        parameters: NamedParameters,
        *,
        lr: Rate = 1e-4,
        betas: tuple[Share, Share] = (0.9, 0.99),
        weight_decay: Decay = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move each weight that has a gradient."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            self._move([p for p in group["params"] if p.grad is not None], group)
        return loss

    def _move(self, parameters: list[torch.Tensor], group: dict[str, Any]) -> None:
        if not parameters:
            return
        lr, (weight, decay) = group["lr"], group["betas"]
        gradients = [p.grad for p in parameters if p.grad is not None]
        momenta = [self._momentum(p) for p in parameters]
        directions = torch._foreach_lerp(gradients, momenta, weight)
        torch._foreach_sign_(directions)
        torch._foreach_mul_(parameters, 1 - lr * group["weight_decay"])
        torch._foreach_add_(parameters, directions, alpha=-lr)
        torch._foreach_lerp_(momenta, gradients, 1 - decay)

    def _momentum(self, parameter: torch.Tensor) -> torch.Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: torch.Tensor = state["momentum"]
        return momentum


def _is_hidden_matrix(name: str, parameter: torch.Tensor) -> bool:
    return parameter.dim() == 2 and not name.startswith(("embedding.", "head."))


@hookimpl
def seqlab_register_optimizers() -> dict[str, Callable[..., Optimizer]]:
    return {
        "adam": adam,
        "adamw": adamw,
        "sgd": sgd,
        "rmsprop": rmsprop,
        "adagrad": adagrad,
        "muon": Muon,
        "lion": Lion,
    }
