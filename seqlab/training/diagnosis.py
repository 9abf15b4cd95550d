"""Where numbers stopped being finite, looked for once they have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from seqlab.contracts import State
from seqlab.model.language_model import LanguageModel, Layer
from seqlab.model.state import carry
from seqlab.training.gradients import Window


def first_nonfinite(model: LanguageModel, windows: Sequence[Window], before: State | None) -> str:
    """Name the first part of a model that is not finite for these windows; empty: none was found.

    Weights are looked at, then the outputs of each part in the order that they are computed in,
    then gradients in the order of the backward pass.
    """
    wrong = (name for name, weight in model.named_parameters() if not _is_finite(weight))
    if name := next(wrong, ""):
        return f"the weight {name} is not finite before it"
    with torch.no_grad():
        for name, values in _outputs(model, windows[0].inputs, carry(before, windows[0].continues)):
            if not _is_finite(values):
                return f"it began in the outputs of {name}"
    gradients = reversed([(name, p.grad) for name, p in model.named_parameters()])
    name = next((name for name, g in gradients if g is not None and not _is_finite(g)), "")
    return f"it began in the gradient of {name}" if name else ""


def _outputs(
    model: LanguageModel, ids: Tensor, state: State | None
) -> Iterator[tuple[str, Tensor]]:
    """The outputs of each part; chance may be another than in the step."""
    states = state if isinstance(state, tuple) else (None,) * len(model.layers)
    first, *others = cast("list[Layer]", list(model.layers))
    if isinstance(model.embedding, nn.Embedding):
        yield "embedding", model.embedding(ids)
    values, _ = model.enter(first, ids, states[0])
    yield f"layers.0 ({type(first.cell).__name__})", values
    for number, (layer, one) in enumerate(zip(others, states[1:], strict=True), start=1):
        values, _ = layer(values, one)
        yield f"layers.{number} ({type(layer.cell).__name__})", values
    values = model.norm(values)
    yield "norm", values
    yield "head", model.head(values)


def _is_finite(values: Tensor) -> bool:
    return bool(values.isfinite().all())
