"""A cell in fifteen lines: drop such a file into plugins/ and write `cell: mgu`."""

import torch
from torch import Tensor, nn

import seqlab


class MinimalGatedUnit(nn.Module):
    """One gate for `hidden_size` units: Zhou et al., 2016, https://arxiv.org/abs/1603.09420."""

    def __init__(self, input_size: int, *, hidden_size: int = 256) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.gate = nn.Linear(input_size + hidden_size, hidden_size)
        self.candidate = nn.Linear(input_size + hidden_size, hidden_size)

    @seqlab.unroll
    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        gate = self.gate(torch.cat((inputs, state), -1)).sigmoid()
        candidate = self.candidate(torch.cat((inputs, gate * state), -1)).tanh()
        state = state + gate * (candidate - state)
        return state, state


@seqlab.hookimpl
def seqlab_register_cells() -> dict[str, type[nn.Module]]:
    return {"mgu": MinimalGatedUnit}
