"""Linear attention that corrects what its memory says, in place of adding to it.

Shapes: B rows, T window, I input size, O output size, N heads, K key size and V value size of a
head, F filter size of the convolutions.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl
from seqlab.kernels import condition
from seqlab_plugins.cells.chunks import memory_of_errors

State = tuple[Tensor, Tensor]
SMALLEST, LARGEST, STRONGEST = 1e-3, 1e-1, 16.0  # initial step sizes and rates, as for Mamba-2


class GatedDeltaNet(nn.Module):
    """Gated delta networks: Yang et al., 2025, arXiv:2412.06464.

    With q, k and v linear in x, each after a causal convolution over F tokens and a swish, q and k
    of length 1 and q scaled by 1 / sqrt(K), in each head:

        b_t = sigmoid(W_b x_t), the strength of what is written
        a_t = exp(-exp(A) softplus(W_a x_t + c)), the decay
        S_t = a_t (1 - b_t k_t k_t^T) S_{t-1} + b_t k_t v_t^T
        o_t = S_t^T q_t
        y_t = W_o (rms_norm(o_t) * swish(W_r x_t)), over the heads side by side

    With negative eigenvalues (Grazzi et al., 2025, arXiv:2411.12537) b_t is twice as large, so that
    a state can be turned round, which counting modulo a number needs.

    The state is the last F - 1 of q, k and v before the convolution, (B, F - 1, N (2 K + V)), and
    S, (B, N, K, V); zeros before the start.
    """

    has_decay = True

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        heads: Count = 4,
        key_size: Count = 32,
        filter_size: Annotated[int, Field(gt=1, le=2**16)] = 4,
        negative_eigenvalues: bool = False,
    ) -> None:
        """Make the projections, and set the decays as the paper does.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs; a head has values of hidden_size / heads.
            heads: N, the number of memories.
            key_size: K, the size of the queries and keys of one head.
            filter_size: F, how many tokens the convolutions see, the current one included.
            negative_eigenvalues: let the strength go up to 2, and not only to 1.
        """
        super().__init__()
        if hidden_size % heads:
            raise ValueError(f"hidden_size ({hidden_size}) should be divisible by heads ({heads})")
        self.output_size, self.strongest = hidden_size, 1.0 + negative_eigenvalues
        self.state_shape = (heads, key_size, hidden_size // heads)
        parts = 2 * heads * key_size + hidden_size
        self.project = nn.Linear(input_size, parts, bias=False)
        self.convolution = nn.Conv1d(parts, parts, filter_size, groups=parts, bias=False)
        self.strength = nn.Linear(input_size, heads, bias=False)
        if self.has_decay:
            self.step_size = nn.Linear(input_size, heads)
            self.log_rate = nn.Parameter(torch.empty(heads).uniform_(1, STRONGEST).log())
            self._set_step_sizes()
        self.gate = nn.Linear(input_size, hidden_size, bias=False)
        self.norm = nn.RMSNorm(hidden_size // heads, eps=1e-5)
        self.output = nn.Linear(hidden_size, hidden_size, bias=False)

    @torch.no_grad()
    def _set_step_sizes(self) -> None:
        """Draw biases whose softplus is log-uniform."""
        sizes = torch.empty_like(self.step_size.bias).uniform_(0, 1)
        sizes = SMALLEST * (LARGEST / SMALLEST) ** sizes
        self.step_size.bias.copy_(sizes.expm1().log())

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        recent, memory = state if state is not None else self._fresh(inputs.shape[0])
        seen = torch.cat((recent, self.project(inputs).to(recent.dtype)), 1)
        convolved = functional.silu(self.convolution(seen.mT).mT).to(memory.dtype)
        query, key, value = self._heads(convolved)
        strength = self.strongest * self.strength(inputs).to(memory.dtype).sigmoid()
        decay = self._decay(inputs, strength)
        read, memory = memory_of_errors(query, key, value, strength, decay, memory)
        gated = self.norm(read.to(memory.dtype)).flatten(2) * functional.silu(self.gate(inputs))
        return self.output(gated), (seen[:, -recent.shape[1] :], memory)

    def _heads(self, convolved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q, k and v, (B, T, N, K or V)."""
        heads, key_size, _ = self.state_shape
        keys = heads * key_size
        query, key, value = torch.split(convolved, [keys, keys, self.output_size], -1)
        to_heads = partial(Tensor.unflatten, dim=-1, sizes=(heads, -1))
        query, key = (functional.normalize(to_heads(part), dim=-1) for part in (query, key))
        return query / key_size**0.5, key, to_heads(value)

    def _decay(self, inputs: Tensor, strength: Tensor) -> Tensor:
        """The logarithm of a, (B, T, N)."""
        if not self.has_decay:
            return torch.zeros_like(strength)
        step = functional.softplus(self.step_size(inputs)).to(strength.dtype)
        return -self.log_rate.exp() * step

    def _fresh(self, rows: int) -> State:
        recent = self.convolution.kernel_size[0] - 1, self.project.out_features
        weight = self.output.weight
        return weight.new_zeros(rows, *recent), weight.new_zeros(rows, *self.state_shape)


class DeltaNet(GatedDeltaNet):
    """The delta rule without a decay: Yang et al., 2024, arXiv:2406.06484; Schlag et al., 2021.

    It is `gated_delta_net` with a_t = 1.
    """

    has_decay = False


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"gated_delta_net": GatedDeltaNet, "delta_net": DeltaNet}
