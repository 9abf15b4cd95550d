"""A state space model with one decay for each head, computed as attention in chunks.

Shapes: B rows, T window, I input size, O output size, D channels, N heads, K state size, P channels
of a head, F filter size of the convolution.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl
from seqlab.kernels import condition
from seqlab_plugins.cells.chunks import memory_of_heads

State = tuple[Tensor, Tensor]
SMALLEST, LARGEST, FASTEST = 1e-3, 1e-1, 16.0  # initial step sizes and rates, as in the paper


class Mamba2(nn.Module):
    """The block of Mamba-2: Dao and Gu, 2024, arXiv:2405.21060, with one group of B and C.

    From z, u, r = W_in x, with a causal convolution over F tokens and a swish:

        c_t, B_t, C_t = swish(conv(u_{t-F+1}, ..., u_t)), of sizes D, K and K
        d_t = softplus(r_t + b), the step size of each head
        S_t = exp(-exp(A) d_t) S_{t-1} + d_t B_t c_t^T, in each head
        y_t = W_out rms_norm((S_t^T C_t + skip c_t) * swish(z_t)), over the heads side by side

    The state is the last F - 1 of u, (B, F - 1, D + 2 K), and S, (B, N, K, P); zeros before the
    start.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        state_size: Count = 64,
        heads: Count = 8,
        expansion: Count = 2,
        filter_size: Annotated[int, Field(gt=1, le=2**16)] = 4,
    ) -> None:
        """Make the projections, and set the decays and step sizes as the paper does.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs.
            state_size: K, the size of B and C.
            heads: N, the number of memories, each with its own decay.
            expansion: D / O, the number of channels per output.
            filter_size: F, how many tokens the convolution sees, the current one included.
        """
        super().__init__()
        channels = expansion * hidden_size
        if channels % heads:
            raise ValueError(
                f"expansion * hidden_size ({channels}) should be divisible by heads ({heads})"
            )
        self.output_size = hidden_size
        self.state_shape = (heads, state_size, channels // heads)
        seen = channels + 2 * state_size
        self.sizes = (channels, seen, heads)
        self.project = nn.Linear(input_size, sum(self.sizes), bias=False)
        self.convolution = nn.Conv1d(seen, seen, filter_size, groups=seen)
        self.log_rate = nn.Parameter(torch.empty(heads).uniform_(1, FASTEST).log())
        self.step_bias = nn.Parameter(self._step_biases(heads))
        self.skip = nn.Parameter(torch.ones(heads))
        self.norm = nn.RMSNorm(channels, eps=1e-5)
        self.output = nn.Linear(channels, hidden_size, bias=False)

    @staticmethod
    def _step_biases(heads: int) -> Tensor:
        """Draw biases whose softplus is log-uniform."""
        low, high = math.log(SMALLEST), math.log(LARGEST)
        return torch.empty(heads).uniform_(low, high).exp().expm1().log()

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        recent, memory = state if state is not None else self._fresh(inputs.shape[0])
        gate, channels, step = self.project(inputs).split(self.sizes, -1)
        seen = torch.cat((recent, channels.to(recent.dtype)), 1)
        convolved = functional.silu(self.convolution(seen.mT).mT).to(memory.dtype)
        read, memory = self._scan(convolved, step.to(memory.dtype), memory)
        outputs = self.output(self.norm((read * functional.silu(gate)).to(memory.dtype)))
        return outputs, (seen[:, -recent.shape[1] :], memory)

    def _scan(self, convolved: Tensor, step: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of the channels (B, T, D), and their memory after."""
        state_size = self.state_shape[1]
        sizes = [self.sizes[0], state_size, state_size]
        values, write, read = torch.split(convolved, sizes, -1)
        values = values.view(*step.shape, -1)  # (B, T, N, P)
        step = functional.softplus(step + self.step_bias)  # (B, T, N)
        outputs, memory = memory_of_heads(
            read.unsqueeze(2),
            write.unsqueeze(2),
            step.unsqueeze(-1) * values,
            -self.log_rate.exp() * step,
            memory,
        )
        return (outputs + self.skip.unsqueeze(-1) * values).flatten(2), memory

    def _fresh(self, rows: int) -> State:
        recent = self.convolution.kernel_size[0] - 1, self.sizes[1]
        return self.skip.new_zeros(rows, *recent), self.skip.new_zeros(rows, *self.state_shape)


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"mamba2": Mamba2}
