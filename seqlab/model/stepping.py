"""A model in evaluation -> one step of it, with all that does not change looked up once.

Shapes: B rows, I input size, O output size, V vocabulary size. A step of one row takes about as
long in Python as in the products, so what is spared here is heard in characters a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab.contracts import Advance, State
from seqlab.model.language_model import LanguageModel, Layer, OneHot

MANY_ROWS = 16  # from here on oneDNN's products are faster than those of `linear`


def stepper(model: LanguageModel) -> Advance:
    """Return what `model` does for one token a row, in evaluation mode, where nothing drops out.

    It keeps what it looked up: the model's modules and weights must not be replaced meanwhile.
    """
    first, *others = cast("list[Layer]", list(model.layers))
    enter = _entrance(model, first)
    leave = _product(model.head)
    norm = None if isinstance(model.norm, nn.Identity) else model.norm

    def advance(ids: Tensor, state: State) -> tuple[Tensor, State]:
        values, after = enter(ids.unsqueeze(1), state[0])
        states = [after]
        for place, layer in enumerate(others, start=1):
            values, after = layer(values, state[place])
            states.append(after)
        last = values.squeeze(1)
        return leave(last if norm is None else norm(last)), tuple(states)

    return advance


def _entrance(
    model: LanguageModel, layer: Layer
) -> Callable[[Tensor, State], tuple[Tensor, State]]:
    """Return the first layer as a function of ids (B, 1) and its state."""
    embedding = model.embedding
    if isinstance(embedding, OneHot):
        from_ids = getattr(layer.cell, "from_ids", None)
        if from_ids is not None:
            return cast("Callable[[Tensor, State], tuple[Tensor, State]]", from_ids)
    return lambda ids, state: layer(embedding(ids), state)


def _product(head: nn.Linear) -> Callable[[Tensor], Tensor]:
    """Return the head as a function (B, O) -> (B, V).

    Many rows in float32 on a CPU go through oneDNN, whose product took half the time of the
    one that torch chooses; its copy of the weights is made when it is first needed.
    """
    weight, bias = head.weight.detach(), head.bias.detach()
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32
    fast = plain and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    packed: list[Tensor] = []

    def product(outputs: Tensor) -> Tensor:
        if not fast or len(outputs) < MANY_ROWS:
            return functional.linear(outputs, weight, bias)
        if not packed:
            packed.extend((weight.to_mkldnn(), bias.to_mkldnn()))
        return functional.linear(outputs.to_mkldnn(), *packed).to_dense()

    return product
