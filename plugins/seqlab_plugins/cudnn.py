"""cuDNN's recurrences, by torch's layers or over inputs that have been multiplied with W already.

Autocast does not reach them: in torch it would have them computed in float16 whatever its dtype is,
and gradients, each a token's share of a mean, are too small for that.

Shapes: T window, B rows, H hidden size, G gates.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.backends import cudnn

MODES: dict[type[nn.RNNBase], int] = {nn.RNN: 1, nn.LSTM: 2, nn.GRU: 3}  # cuDNN's numbers


def suits_cudnn(tensor: Tensor) -> bool:
    """Return whether a tensor is where cuDNN is."""
    if not tensor.is_cuda or torch.version.hip:  # AMD's library is reached in another way
        return False
    return bool(cudnn.is_acceptable(tensor))  # type: ignore[no-untyped-call] # torch's own


def run_projected(layer: Any, projected: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Return what a layer gives for inputs x of which W x + b_W is known.

    cuDNN multiplies its inputs with a matrix in any case; here that is the identity. What W x costs
    then depends on G H and no longer on the size of x, which for one-hots is the vocabulary.

    Args:
        layer: an nn.RNN, nn.LSTM or nn.GRU of one layer.
        projected: W x + b_W, (T, B, G H).
        state: h, (B, H), or for an LSTM (h, c); None: zeros.

    Returns:
        All h, (T, B, H), and the state after.
    """
    long_short = isinstance(layer, nn.LSTM)
    fresh = layer.weight_hh_l0.new_zeros(projected.shape[1], layer.hidden_size)
    zeros = (fresh, fresh) if long_short else fresh
    hidden, memory = _with_layers(zeros if state is None else state)
    identity = torch.eye(projected.shape[2], dtype=fresh.dtype, device=fresh.device)
    weights = [
        *(identity, layer.weight_hh_l0),
        *(identity.new_zeros(len(identity)), layer.bias_hh_l0),
    ]
    mode, size = MODES[type(layer)], layer.hidden_size
    with torch.autocast("cuda", enabled=False):
        outputs, last, last_memory, *_ = torch._cudnn_rnn(
            projected, weights, len(weights), _side_by_side(weights, mode, size),
            hidden, memory, mode, size, 0, 1, False, 0.0, torch.is_grad_enabled(), False, [], None,
        )  # fmt: skip
    after = last.squeeze(0)
    return outputs, (after, last_memory.squeeze(0)) if long_short else after


@torch.no_grad()
def _side_by_side(weights: list[Tensor], mode: int, size: int) -> Tensor:
    """Copy weights into one block of memory, as cuDNN reads them."""
    others = [weight.view_as(weight) for weight in weights]  # which are then moved to the block
    inputs = weights[0].shape[1]
    return torch._cudnn_rnn_flatten_weight(
        others, len(others), inputs, mode, size, 0, 1, False, False
    )


def _with_layers(state: Any) -> tuple[Tensor, Tensor | None]:
    """Give h, and c if there is one, a dimension for layers."""
    hidden, memory = state if isinstance(state, tuple) else (state, None)
    return hidden.unsqueeze(0), None if memory is None else memory.unsqueeze(0)
