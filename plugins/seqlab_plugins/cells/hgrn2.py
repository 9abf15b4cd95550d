"""A gated linear network whose forget gate is also what is not written.

Shapes: B rows, T window, I input size, O output size, N heads, K key size and V value size of a
head.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl
from seqlab.kernels import condition
from seqlab_plugins.cells.chunks import memory_of_keys


class HGRN2(nn.Module):
    """HGRN2, gated linear networks with state expansion: Qin et al., 2024, arXiv:2404.07904.

    In each head, with q and v linear in x:

        f_t = lowest + (1 - lowest) sigmoid(W_f x_t), one for each of K
        S_t = Diag(f_t) S_{t-1} + (1 - f_t) v_t^T
        o_t = S_t^T swish(q_t)
        y_t = W_o rms_norm(o_t), over the heads side by side

    In the paper `lowest` grows from layer to layer; here it is an option of each.

    The state is S, (B, N, K, V), and S_0 = 0.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        heads: Count = 4,
        key_size: Count = 64,
        lowest: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        """Make the projections.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs; a head has values of hidden_size / heads.
            heads: N, the number of memories.
            key_size: K, by how much each value is expanded.
            lowest: the least that a forget gate can be.
        """
        super().__init__()
        if hidden_size % heads:
            raise ValueError(f"hidden_size ({hidden_size}) should be divisible by heads ({heads})")
        self.output_size, self.lowest = hidden_size, lowest
        self.state_shape = (heads, key_size, hidden_size // heads)
        keys = heads * key_size
        self.project = nn.Linear(input_size, 2 * keys + hidden_size, bias=False)
        self.norm = nn.RMSNorm(hidden_size // heads, eps=1e-5)
        self.output = nn.Linear(hidden_size, hidden_size, bias=False)

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        if state is None:
            state = self.output.weight.new_zeros(inputs.shape[0], *self.state_shape)
        heads, key_size, _ = self.state_shape
        keys = heads * key_size
        parts = self.project(inputs).to(state.dtype).split((keys, keys, self.output_size), -1)
        query, gate, value = (part.unflatten(-1, (heads, -1)) for part in parts)
        written = (1 - self.lowest) * (-gate).sigmoid()  # 1 - f, exact where f is near 1
        forget = (self.lowest + (1 - self.lowest) * gate.sigmoid()).clamp(min=TINY).log()
        read, after = memory_of_keys(functional.silu(query), written, value, forget, state)
        return self.output(self.norm(read.to(state.dtype)).flatten(2)), after


TINY = 1e-30  # so that the logarithm of a gate that is closed is finite


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"hgrn2": HGRN2}
