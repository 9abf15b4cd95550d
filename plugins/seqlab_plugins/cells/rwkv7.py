"""The time mixing of RWKV-7: a memory from which each token removes before it writes.

Shapes: B rows, T window, I input size, O output size, N heads, K size of the keys and values of a
head.
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
from seqlab_plugins.cells.removals import memory_of_removals

State = tuple[Tensor, Tensor]
MIXED = ("receptance", "decay", "key", "value", "rate", "gate")
EPSILON = 64e-5  # of the norm, as in the authors' code


class RWKV7(nn.Module):
    """The time mixing of RWKV-7: Peng et al., 2025, "RWKV-7 'Goose'", arXiv:2503.14456.

    Each projection reads its own mixture x_t + mu (x_{t-1} - x_t). In each head:

        r_t, k_t, v_t linear; g_t = W sigmoid(V x_t)
        w_t = exp(-exp(-1/2) sigmoid(w_0 + W tanh(V x_t))), one for each of K
        a_t = sigmoid(a_0 + W V x_t), the rate at which the memory learns
        u_t = (k_t * xi) of length 1, what is removed; k_t <- k_t (1 + alpha (a_t - 1))
        S_t = Diag(w_t) S_{t-1} - (u_t * a_t) u_t^T S_{t-1} + k_t v_t^T
        o_t = norm(S_t^T r_t) + (r_t · (rho * k_t)) v_t
        y_t = W_o (g_t * o_t), over the heads side by side

    Values of the first layer are not mixed into later ones. The state is the last x, (B, I), and S,
    (B, N, K, K); zeros before the start.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        heads: Count = 4,
        rank: Annotated[int, Field(gt=0, le=2**16)] = 32,
    ) -> None:
        """Make the projections.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs.
            heads: N, the number of memories.
            rank: of the projections of decay, rate and gate.
        """
        super().__init__()
        if hidden_size % heads:
            raise ValueError(f"hidden_size ({hidden_size}) should be divisible by heads ({heads})")
        size = hidden_size // heads
        self.output_size, self.state_shape = hidden_size, ((input_size,), (heads, size, size))
        self.mixture = nn.Parameter(torch.full((len(MIXED), input_size), 0.5))
        self.receptance, self.key, self.value = (
            nn.Linear(input_size, hidden_size, bias=False) for _ in range(3)
        )
        self.decay, self.rate, self.gate = (
            nn.Sequential(
                nn.Linear(input_size, rank, bias=False), middle, nn.Linear(rank, hidden_size, bias)
            )
            for middle, bias in ((nn.Tanh(), True), (nn.Identity(), True), (nn.Sigmoid(), False))
        )
        with torch.no_grad():  # decays from slow to fast, as in the paper
            biases = next(part for name, part in self.decay.named_parameters() if "bias" in name)
            biases.copy_(torch.linspace(-6, 0, size).repeat(heads))
        self.removed, self.replaced, self.bonus = (
            nn.Parameter(torch.full((hidden_size,), value)) for value in (0.85, 1.0, 0.0)
        )
        self.norm = nn.GroupNorm(heads, hidden_size, eps=EPSILON)
        self.output = nn.Linear(hidden_size, hidden_size, bias=False)

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        before, memory = state if state is not None else self._fresh(inputs.shape[0])
        shifted = torch.cat((before.unsqueeze(1).to(inputs.dtype), inputs[:, :-1]), 1)
        mixed = inputs.unsqueeze(2) + (shifted - inputs).unsqueeze(2) * self.mixture
        reading, decaying, keying, valuing, rating, gating = mixed.unbind(2)
        read, key, value = self.receptance(reading), self.key(keying), self.value(valuing)
        rate = self.rate(rating).sigmoid()
        decay = -math.exp(-0.5) * self.decay(decaying).sigmoid()
        removed = functional.normalize(self._heads(key * self.removed), dim=-1)
        key = key * (1 + self.replaced * (rate - 1))
        parts = map(self._heads, (read, key, value, rate, decay, key * self.bonus))
        read, key, value, rate, decay, bonus = (part.to(memory.dtype) for part in parts)
        removed = removed.to(memory.dtype)
        found, memory = memory_of_removals(
            read, key, value, -removed, removed * rate, decay, memory
        )
        found = found.to(memory.dtype).flatten(2)
        normed = self.norm(found.flatten(0, 1)).view(*inputs.shape[:2], -1)
        added = ((read * bonus).sum(-1, keepdim=True) * value).flatten(2)
        outputs = self.output(self.gate(gating) * (normed + added))
        return outputs, (inputs[:, -1].to(before.dtype).clone(), memory)

    def _heads(self, part: Tensor) -> Tensor:
        heads, size, _ = self.state_shape[1]
        return part.view(*part.shape[:-1], heads, size)

    def _fresh(self, rows: int) -> State:
        weight = self.output.weight
        last, memory = self.state_shape
        return weight.new_zeros(rows, *last), weight.new_zeros(rows, *memory)


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"rwkv7": RWKV7}
