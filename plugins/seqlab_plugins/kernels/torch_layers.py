"""Layers by torch: cuDNN's, and for an LSTM on a CPU oneDNN's.

Autocast does not reach cuDNN's: in torch it would have them computed in float16 whatever its dtype
is, and gradients, each a token's share of a mean, are too small for that.

Shapes: T window, B rows, H hidden size, G gates.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.backends import cudnn

from seqlab import map_state
from seqlab.kernels import processor

MODES = {"rnn": 1, "lstm": 2, "gru": 3}  # cuDNN's numbers


def has_cudnn() -> bool:
    """Return whether there is one; AMD's library is reached in another way."""
    there = cudnn.is_available()  # type: ignore[no-untyped-call] # torch's own
    return not torch.version.hip and there and cudnn.enabled


def onednn_suits() -> bool:
    """Return whether oneDNN has the dtype of autocast: torch calls it in any case, and fails."""
    if not torch.is_autocast_enabled("cpu"):
        return True
    return torch.get_autocast_dtype("cpu") == torch.bfloat16 and processor().onednn_bfloat16


def torch_layer(layer: Any, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Call torch's layer, which keeps a dimension for layers before that of the batch."""
    packed = map_state(lambda part: part.unsqueeze(0), state)
    if inputs.is_cuda:
        with torch.autocast("cuda", enabled=False):
            outputs, after = layer(inputs.to(layer.weight_hh_l0.dtype), packed)
    else:
        outputs, after = layer(inputs, packed)
    return outputs, map_state(lambda part: part.squeeze(0), after)


def cudnn_window(
    name: str, x: Tensor, state: Any, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Any]:
    """Return all h, (T, B, H), and the state after.

    cuDNN multiplies its inputs with a matrix in any case; here that is the identity. What W x costs
    then depends on G H and no longer on the size of x, which for one-hots is the vocabulary.

    Args:
        name: of the cell.
        x: W x + b_W, (T, B, G H).
        state: h, (B, H), or for an LSTM (h, c).
        weight: U, (G H, H).
        bias: b_U, (G H,).
    """
    h, c = state if isinstance(state, tuple) else (state, None)
    identity = torch.eye(x.shape[2], dtype=weight.dtype, device=weight.device)
    weights = [identity, weight, identity.new_zeros(len(identity)), bias]
    size, mode = weight.shape[1], MODES[name]
    with torch.autocast("cuda", enabled=False):
        outputs, h, c_after, *_ = torch._cudnn_rnn(
            x, weights, len(weights), _side_by_side(weights, mode, size),
            h.unsqueeze(0), None if c is None else c.unsqueeze(0), mode, size, 0, 1, False, 0.0,
            torch.is_grad_enabled(), False, [], None,
        )  # fmt: skip
    return outputs, h.squeeze(0) if c is None else (h.squeeze(0), c_after.squeeze(0))


@torch.no_grad()
def _side_by_side(weights: list[Tensor], mode: int, size: int) -> Tensor:
    """Copy weights into one block of memory, as cuDNN reads them."""
    views = [weight.view_as(weight) for weight in weights]  # which are then moved to the block
    inputs = weights[0].shape[1]
    return torch._cudnn_rnn_flatten_weight(
        views, len(views), inputs, mode, size, 0, 1, False, False
    )
