"""A state space model whose parameters depend on the input.

Shapes: B rows, T window, I input size, O output size, D channels, N state size of a channel,
F filter size of the convolution, R rank of the step size's projection.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl
from seqlab.kernels import condition, linear_scan

State = tuple[Tensor, Tensor]
SMALLEST, LARGEST = 1e-3, 1e-1  # initial step sizes, as in the paper


class SelectiveStateSpace(nn.Module):
    """The block of Mamba: Gu and Dao, 2023, arXiv:2312.00752.

    From u, z = W_in x, each of D, with a causal convolution of each channel over F tokens:

        c_t = swish(conv(u_{t-F+1}, ..., u_t))
        B_t, C_t, r_t = W_x c_t
        d_t = softplus(W_d r_t + b), the step size of each channel
        h_t = exp(d_t A) h_{t-1} + d_t c_t B_t, with A = -exp(log A) < 0
        y_t = W_out ((C_t h_t + skip c_t) * swish(z_t))

    The state is the last F - 1 of u, (B, F - 1, D), and h, (B, D, N); zeros before the start.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        state_size: Count = 16,
        expansion: Count = 2,
        filter_size: Annotated[int, Field(gt=1, le=2**16)] = 4,
    ) -> None:
        """Make the projections, and set the decays and step sizes as the paper does.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs.
            state_size: N, the size of the state of each channel.
            expansion: D / O, the number of channels per output.
            filter_size: F, how many tokens the convolution sees, the current one included.
        """
        super().__init__()
        self.output_size = hidden_size
        channels, rank = expansion * hidden_size, math.ceil(hidden_size / 16)
        self.state_shape = ((filter_size - 1, channels), (channels, state_size))
        self.sizes = (state_size, state_size, rank)
        self.project = nn.Linear(input_size, 2 * channels, bias=False)
        self.convolution = nn.Conv1d(channels, channels, filter_size, groups=channels)
        self.select = nn.Linear(channels, sum(self.sizes), bias=False)
        self.step_size = nn.Linear(rank, channels)
        self.log_decay = nn.Parameter(torch.arange(1.0, state_size + 1).log().repeat(channels, 1))
        self.skip = nn.Parameter(torch.ones(channels))
        self.output = nn.Linear(channels, hidden_size, bias=False)
        self._set_step_sizes()

    @torch.no_grad()
    def _set_step_sizes(self) -> None:
        """Draw biases whose softplus is log-uniform."""
        bias = self.step_size.bias
        sizes = bias.uniform_(math.log(SMALLEST), math.log(LARGEST)).exp()
        bias.copy_(sizes.expm1().log())

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        recent, memory = state if state is not None else self._fresh(len(inputs))
        channels, gate = self.project(inputs).chunk(2, -1)  # (B, T, D) each
        seen = torch.cat((recent, channels.to(recent.dtype)), 1)  # (B, F - 1 + T, D)
        convolved = functional.silu(self.convolution(seen.mT).mT)  # (B, T, D)
        read, memory = self._scan(convolved, memory)
        outputs = self.output(read * functional.silu(gate))
        return outputs, (seen[:, -recent.shape[1] :], memory)

    def _scan(self, inputs: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of the channels (B, T, D), and their memory (B, D, N) after."""
        write, read, low_rank = self.select(inputs).split(self.sizes, -1)
        step = functional.softplus(self.step_size(low_rank)).to(memory.dtype)  # (B, T, D)
        decay = (step.unsqueeze(-1) * -self.log_decay.exp()).exp()  # (B, T, D, N)
        written = (step * inputs).unsqueeze(-1) * write.unsqueeze(-2)
        memories = linear_scan(decay, written, memory)
        outputs = (memories @ read.to(memories.dtype).unsqueeze(-1)).squeeze(-1)
        return outputs + self.skip * inputs, memories[:, -1]

    def _fresh(self, rows: int) -> State:
        recent, memory = self.state_shape
        return self.skip.new_zeros(rows, *recent), self.skip.new_zeros(rows, *memory)


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"selective_state_space": SelectiveStateSpace}
