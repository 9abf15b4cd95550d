"""A mixture of experts. Shapes: B rows, T window, I input size, O output size, E experts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

import seqlab

SEQLAB_API = 2


class MixtureOfExperts(nn.Module):
    """Several cells of which each token uses few: Shazeer et al., 2017, arXiv:1701.06538.

    The balance loss is that of Fedus et al., 2021, arXiv:2101.03961.

    Args:
        expert: the cell, of which there are several.
        experts: E, how many.
        used: how many a token uses.
        balance: factor of the loss that makes all experts be used alike.
    """

    def __init__(
        self,
        input_size: int,
        *,
        expert: seqlab.CellFactory = seqlab.component("mlp"),  # noqa: B008 # nobody changes it
        experts: seqlab.Count = 4,
        used: seqlab.Count = 2,
        balance: float = 0.01,
    ) -> None:
        super().__init__()
        if used > experts:
            raise ValueError(f"used is {used}, and there are {experts} experts")
        self.experts = nn.ModuleList(expert(input_size) for _ in range(experts))
        self.output_size = self.experts[0].output_size
        self.router, self.used, self.balance = nn.Linear(input_size, experts), used, balance
        self.auxiliary_losses = {"balance": torch.zeros(())}

    def forward(self, inputs: Tensor, state: seqlab.State | None) -> tuple[Tensor, seqlab.State]:
        chances = self.router(inputs).softmax(-1)  # (B, T, E)
        best = chances.topk(self.used, -1).indices
        chosen = torch.zeros_like(chances).scatter(-1, best, 1.0)
        self.auxiliary_losses = {"balance": self.balance * self._imbalance(chances, chosen)}
        gates = functional.normalize(chances * chosen, p=1, dim=-1)
        states = state if isinstance(state, tuple) else (None,) * len(self.experts)
        pairs = zip(self.experts, states, strict=True)
        outputs, after = zip(*(expert(inputs, before) for expert, before in pairs), strict=True)
        mixed = (torch.stack(outputs, -1) * gates.unsqueeze(2)).sum(-1)
        return mixed.to(outputs[0].dtype), after

    @staticmethod
    def _imbalance(chances: Tensor, chosen: Tensor) -> Tensor:
        """1 where all experts are used alike."""
        used, wanted = chosen.flatten(0, 1).mean(0), chances.flatten(0, 1).mean(0)
        return chances.shape[-1] * (used / used.sum() * wanted).sum()


@seqlab.hookimpl
def seqlab_register_cells() -> dict[str, type[nn.Module]]:
    return {"mixture_of_experts": MixtureOfExperts}
