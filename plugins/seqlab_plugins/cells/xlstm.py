"""The two cells of xLSTM, with exponential gates that a stabiliser keeps finite.

A stabiliser m_t is the logarithm of the largest weight so far, and every sum is kept divided by
exp(m_t). The papers begin with m_0 of minus infinity, and a state of zeros is to be fresh. The
general answer: what is fresh shows in the normaliser, which is 0 before the first token and never
after it; and where it is 0, m may be anything, as all sums are 0 too.

Shapes: B rows, T window, I input size, O output size, N heads, H size of a head, K key size, V
value size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

import seqlab
from seqlab import Cell, Count, hookimpl, unroll
from seqlab.kernels import condition
from seqlab_plugins.cells.stabilised import stabilised_memory


class SLSTM(nn.Module):
    """The scalar memory of xLSTM: Beck et al., 2024, arXiv:2405.04517, equations 8 to 17.

    With z', i', f', o' = W x_t + R h_{t-1} + b, where R is one block for each head:

        m_t = max(log f_t + m_{t-1}, i'_t), where f_t = sigmoid(f'_t)
        c_t = exp(log f_t + m_{t-1} - m_t) c_{t-1} + exp(i'_t - m_t) tanh(z'_t)
        n_t = exp(log f_t + m_{t-1} - m_t) n_{t-1} + exp(i'_t - m_t)
        h_t = sigmoid(o'_t) c_t / n_t

    Outputs are h, normalised in each head. The state is h, c, n and m, (B, O) each, of which n = 0
    says that a row is fresh.
    """

    def __init__(self, input_size: int, *, hidden_size: Count = 256, heads: Count = 4) -> None:
        """Make the gates, with biases of the forget gate from 3 to 6.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs.
            heads: N; the state of each head is seen by its own gates alone.
        """
        super().__init__()
        if hidden_size % heads:
            raise ValueError(f"hidden_size ({hidden_size}) should be divisible by heads ({heads})")
        size = hidden_size // heads
        self.output_size, self.heads = hidden_size, heads
        self.state_shape = ((hidden_size,),) * 4
        self.inputs = nn.Linear(input_size, 4 * hidden_size)
        self.recurrent = nn.Parameter(torch.empty(heads, size, 4 * size))
        nn.init.uniform_(self.recurrent, -(size**-0.5), size**-0.5)
        with torch.no_grad():
            self.inputs.bias.view(heads, 4, size)[:, 2] = torch.linspace(3, 6, size)
        self.norm = nn.LayerNorm(size, elementwise_affine=False)

    def step(self, projected: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, State]:
        """Take one step from W x_t + b, (B, 4 O), by head."""
        hidden, cell_state, normaliser, largest = state
        by_head = hidden.view(-1, self.heads, hidden.shape[1] // self.heads).transpose(0, 1)
        recurrent = (by_head @ self.recurrent).transpose(0, 1).flatten(1)  # (B, 4 O)
        gates = (projected + recurrent).to(hidden.dtype)
        gates = gates.view(hidden.shape[0], self.heads, 4, -1)
        value, entry, forget, out = (gates[:, :, part].flatten(1) for part in range(4))
        kept = functional.logsigmoid(forget) + largest
        largest = torch.where(normaliser == 0, entry, torch.maximum(kept, entry))
        kept = (kept - largest).clamp(max=0).exp()  # what is fresh has nothing to keep
        entry = (entry - largest).exp()
        cell_state = kept * cell_state + entry * value.tanh()
        normaliser = kept * normaliser + entry
        hidden = out.sigmoid() * cell_state / normaliser
        return hidden, (hidden, cell_state, normaliser, largest)

    _steps = unroll(step)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, seqlab.State]:
        hidden, after = self._steps(self.inputs(inputs), state)
        by_head = hidden.view(*hidden.shape[:2], self.heads, hidden.shape[2] // self.heads)
        return self.norm(by_head).flatten(2), after


class MLSTM(nn.Module):
    """The matrix memory of xLSTM: Beck et al., 2024, arXiv:2405.04517, equations 19 to 27.

    In each head, with q, k and v linear in x, k scaled by 1 / sqrt(K), and i', f' linear in x:

        m_t = max(log f_t + m_{t-1}, i'_t), where f_t = sigmoid(f'_t)
        C_t = exp(log f_t + m_{t-1} - m_t) C_{t-1} + exp(i'_t - m_t) k_t v_t^T
        n_t = exp(log f_t + m_{t-1} - m_t) n_{t-1} + exp(i'_t - m_t) k_t
        h_t = C_t^T q_t / max(|n_t^T q_t|, exp(-m_t))
        y_t = sigmoid(W_o x_t + b_o) * layer_norm(h_t), over the heads side by side

    The state is C with n as its last column, (B, N, K, V + 1), and m, (B, N); zeros before the
    start.
    """

    def __init__(
        self, input_size: int, *, hidden_size: Count = 256, heads: Count = 4, key_size: Count = 32
    ) -> None:
        """Make the projections, with biases of the forget gate from 3 to 6.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs; a head has values of hidden_size / heads.
            heads: N, the number of memories.
            key_size: K, the size of the queries and keys of one head.
        """
        super().__init__()
        if hidden_size % heads:
            raise ValueError(f"hidden_size ({hidden_size}) should be divisible by heads ({heads})")
        self.output_size = hidden_size
        self.memory_shape = (heads, key_size, hidden_size // heads + 1)
        self.project = nn.Linear(input_size, 2 * heads * key_size + hidden_size, bias=False)
        self.gates = nn.Linear(input_size, 2 * heads)
        with torch.no_grad():
            self.gates.bias[heads:] = torch.linspace(3, 6, heads)
        self.out = nn.Linear(input_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size // heads, elementwise_affine=False)

    condition_here = staticmethod(condition)

    def forward(
        self, inputs: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        memory, largest = state if state is not None else self._fresh(inputs.shape[0])
        heads, key_size, _ = self.memory_shape
        keys = heads * key_size
        parts = self.project(inputs).to(memory.dtype).split((keys, keys, self.output_size), -1)
        query, key, value = (part.unflatten(-1, (heads, -1)) for part in parts)
        value = functional.pad(value, (0, 1), value=1.0)  # what n sums up
        entry, forget = self.gates(inputs).to(memory.dtype).chunk(2, -1)  # (B, T, N) each
        read, stabilisers, memory = stabilised_memory(
            query, key / key_size**0.5, value, functional.logsigmoid(forget), entry, memory, largest
        )
        weight = torch.maximum(read[..., -1:].abs(), (-stabilisers).exp().unsqueeze(-1))
        hidden = self.norm(read[..., :-1] / weight).flatten(2)
        return self.out(inputs).sigmoid() * hidden, (memory, stabilisers[:, -1].clone())

    def _fresh(self, rows: int) -> tuple[Tensor, Tensor]:
        weight = self.out.weight
        return weight.new_zeros(rows, *self.memory_shape), weight.new_zeros(
            rows, self.memory_shape[0]
        )


State = tuple[Tensor, ...]


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"slstm": SLSTM, "mlstm": MLSTM}
