"""Layers of torch that compute with the weights which their parameters have at the moment.

torch's recurrent layers keep a list of their weights beside them, which a parametrization, or
weights that are put in for one call, do not change.
"""

from __future__ import annotations

from typing import Any

from torch import nn


def follow_weights(cell: nn.Module) -> None:
    """Have every recurrent layer of torch in a cell read its weights anew at each call."""
    for part in cell.modules():
        if isinstance(part, nn.RNNBase):
            part.register_forward_pre_hook(_show_weights)
            part.register_forward_hook(_hide_weights, always_call=True)


def _show_weights(layer: Any, _inputs: Any) -> None:
    """Give a layer of torch, which computes with a list of its weights, those of this moment."""
    layer._flat_weights = [getattr(layer, name) for name in layer._flat_weights_names]


def _hide_weights(layer: Any, _inputs: Any, _outputs: Any) -> None:
    """Forget them, and so what their gradients would need."""
    layer._flat_weights = [None for _ in layer._flat_weights_names]
