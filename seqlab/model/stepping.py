"""A model in evaluation -> one step of it, with all that does not change looked up once.

Shapes: B rows, O output size, V vocabulary size. A step of one row takes about as
long in Python as in the products, so what is spared here shows in characters a second.
"""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from seqlab.contracts import Advance, GreedyWalk, IdStep, State
from seqlab.model.language_model import LanguageModel, Layer, OneHot
from seqlab.model.steady import steady_linear


def stepper(model: LanguageModel) -> Advance:
    """Return what `model` does for one token a row, in evaluation mode, where nothing drops out.

    It keeps what it looked up: the model's modules and weights must not change meanwhile.
    """
    first, *others = cast("list[Layer]", list(model.layers))
    enter = _entrance(model, first)
    leave = steady_linear(model.head.weight, model.head.bias)
    norm = None if isinstance(model.norm, nn.Identity) else model.norm

    def advance(ids: Tensor, state: State) -> tuple[Tensor, State]:
        values, after = enter(ids, state[0])  # (B, O)
        states = [after]
        for place, layer in enumerate(others, start=1):
            window, after = layer(values.unsqueeze(1), state[place])
            values = window.squeeze(1)
            states.append(after)
        return leave(values if norm is None else norm(values)), tuple(states)

    return advance


def greedy_walk(model: LanguageModel, steps: int) -> GreedyWalk | None:
    """Return what takes so many steps in fewer calls, as `stepper` and the largest logit would.

    None: the model is more than one cell and its head, or the cell has nothing for that.
    """
    layer, *others = cast("list[Layer]", list(model.layers))
    offered = getattr(layer.cell, "greedy_walk", None)
    around = (layer.norm, model.norm)
    if others or layer.residual or not all(isinstance(norm, nn.Identity) for norm in around):
        return None
    inputs = None if isinstance(model.embedding, OneHot) else model.embedding.weight
    walk = cast("GreedyWalk | None", offered and offered(model.head, inputs, steps))
    if walk is None:
        return None

    def take(ids: Tensor, state: State, steps: int) -> tuple[Tensor, Tensor, State]:
        said, scores, after = walk(ids, state[0], steps)
        return said, scores, (after,)

    return take


def _entrance(model: LanguageModel, layer: Layer) -> IdStep:
    """Return the first layer as a function of ids (B,) and its state."""
    if isinstance(model.embedding, OneHot) and hasattr(layer.cell, "id_stepper"):
        return cast("IdStep", cast("Any", layer.cell).id_stepper())

    def step(ids: Tensor, state: State) -> tuple[Tensor, State]:
        values, after = model.enter(layer, ids.unsqueeze(1), state)
        return values.squeeze(1), after

    return step
