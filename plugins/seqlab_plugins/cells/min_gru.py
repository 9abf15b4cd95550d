"""A gated unit whose gates do not depend on the state, so that a window is one scan.

Shapes: B rows, T window, I input size, H hidden size.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl
from seqlab.kernels import condition, linear_scan


class MinGRU(nn.Module):
    """The minimal GRU: Feng et al., 2024, "Were RNNs all we needed?", arXiv:2410.01201.

        z_t = sigmoid(W_z x_t)
        c_t = g(W_h x_t), where g(x) = x + 0.5 for x >= 0, else sigmoid(x)
        h_t = (1 - z_t) h_{t-1} + z_t c_t

    Both W have a bias. The outputs are h; the state is the last h, (B, H), and h_0 = 0.
    """

    def __init__(self, input_size: int, *, hidden_size: Count = 256) -> None:
        """Make the two projections as one.

        Args:
            input_size: I.
            hidden_size: H, the size of the outputs and of the state.
        """
        super().__init__()
        self.output_size = hidden_size
        self.project = nn.Linear(input_size, 2 * hidden_size)

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        projected = functional.linear(inputs, self.project.weight, self.project.bias)
        projected = projected.to(self.project.weight.dtype)  # a decay near 1 needs its digits
        gate, candidate = projected.chunk(2, -1)  # (B, T, H) each
        gate = gate.sigmoid()
        if state is None:
            state = self.project.weight.new_zeros(len(inputs), self.output_size)
        outputs = linear_scan(1 - gate, gate * _positive(candidate), state)
        return outputs, outputs[:, -1].clone()  # a view would keep the whole window in memory

    def last_output(self, state: Tensor) -> Tensor:
        """Return h."""
        return state


def _positive(candidate: Tensor) -> Tensor:
    """Apply g; the gradient of torch.where would take several times as long."""
    above = candidate.relu()
    return above + (candidate - above).sigmoid()


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"min_gru": MinGRU}
