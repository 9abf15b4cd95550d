"""Find the part of a model where numbers stopped being finite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

from seqlab.contracts import State
from seqlab.model.language_model import LanguageModel
from seqlab.model.stack import Layer
from seqlab.model.state import carry
from seqlab.training.gradients import DeviceBatch


def first_nonfinite(
    model: LanguageModel, windows: Sequence[DeviceBatch], before: State | None
) -> str:
    """Name the first weight, output or gradient that is not finite; empty: all are.

    Weights come first, then outputs in the order of the forward pass, then gradients in the order
    of the backward pass.
    """
    for name, weight in model.named_parameters():
        if not _is_finite(weight):
            return f"the weight {name} is not finite before it"
    with torch.no_grad():
        for name, values in _outputs(model, windows[0].inputs, carry(before, windows[0].continues)):
            if not _is_finite(values):
                return f"it began in the outputs of {name}"
    for name, parameter in reversed(list(model.named_parameters())):
        if parameter.grad is not None and not _is_finite(parameter.grad):
            return f"it began in the gradient of {name}"
    return ""


def _outputs(
    model: LanguageModel, ids: Tensor, state: State | None
) -> Iterator[tuple[str, Tensor]]:
    """Yield the outputs of each part, without the dropout between layers."""
    values, _, state = model.embedded(ids, state)
    states = state if isinstance(state, tuple) else (None,) * len(model.layers)
    yield "embedding", values
    layers = cast("list[Layer]", list(model.layers))
    for number, (layer, before) in enumerate(zip(layers, states, strict=True)):
        values, _ = layer(values, before)
        yield f"layers.{number} ({type(layer.cell).__name__})", values
    values = model.norm(values)
    yield "norm", values
    yield "head", model.head(values)


def _is_finite(values: Tensor) -> bool:
    return bool(values.isfinite().all())
