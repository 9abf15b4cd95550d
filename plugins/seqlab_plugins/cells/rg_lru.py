"""A gated linear recurrence of real numbers, in the block of its paper.

Shapes: B rows, T window, I input size, O output size, F filter size of the convolution.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl
from seqlab.kernels import condition, linear_scan

State = tuple[Tensor, Tensor]
SHARPNESS = 8.0  # c of the paper
SLOWEST, FASTEST = 0.9, 0.999  # initial decays at a gate that is open, as in the paper


class RGLRU(nn.Module):
    """The recurrent block of Griffin: De et al., 2024, arXiv:2402.19427.

    With u a causal convolution of a linear map of x over F tokens:

        r_t = sigmoid(W_a u_t + b_a), i_t = sigmoid(W_x u_t + b_x)
        a_t = sigmoid(Lambda) ^ (8 r_t)
        h_t = a_t h_{t-1} + sqrt(1 - a_t^2) (i_t u_t)
        y_t = W_o (h_t * gelu(W_g x_t))

    The state is the last F - 1 inputs of the convolution, (B, F - 1, O), and h, (B, O); zeros
    before the start.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        filter_size: Annotated[int, Field(gt=1, le=2**16)] = 4,
    ) -> None:
        """Make the projections, and set the decays as the paper does.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs and of the recurrence.
            filter_size: F, how many tokens the convolution sees, the current one included.
        """
        super().__init__()
        self.output_size = hidden_size
        self.project = nn.Linear(input_size, hidden_size)
        self.gate = nn.Linear(input_size, hidden_size)
        self.convolution = nn.Conv1d(hidden_size, hidden_size, filter_size, groups=hidden_size)
        self.gates = nn.Linear(hidden_size, 2 * hidden_size)
        squares = torch.empty(hidden_size).uniform_(SLOWEST**2, FASTEST**2)
        self.decay = nn.Parameter(torch.logit(squares ** (0.5 / SHARPNESS)))  # Lambda
        self.output = nn.Linear(hidden_size, hidden_size)

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        recent, hidden = state if state is not None else self._fresh(inputs.shape[0])
        seen = torch.cat((recent, self.project(inputs).to(recent.dtype)), 1)
        convolved = self.convolution(seen.mT).mT
        rate, entry = self.gates(convolved).to(hidden.dtype).sigmoid().chunk(2, -1)
        log_decay = SHARPNESS * rate * functional.logsigmoid(self.decay)
        size = (-torch.expm1(2 * log_decay)).clamp(min=0).sqrt()  # sqrt(1 - a^2), exact near 1
        states = linear_scan(log_decay.exp(), size * entry * convolved.to(hidden.dtype), hidden)
        outputs = self.output(states * functional.gelu(self.gate(inputs)))
        return outputs, (seen[:, -recent.shape[1] :].clone(), states[:, -1].clone())

    def _fresh(self, rows: int) -> State:
        recent = self.convolution.kernel_size[0] - 1
        weight = self.decay
        return weight.new_zeros(rows, recent, len(weight)), weight.new_zeros(rows, len(weight))


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"rg_lru": RGLRU}
