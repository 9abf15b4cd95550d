"""A model in evaluation -> one step of it, with all that does not change looked up once.

Shapes: B rows, O output size, V vocabulary size.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from seqlab.contracts import Advance, GreedySteps, IdStep, State, offered
from seqlab.model.language_model import LanguageModel, Layer, OneHot


def stepper(model: LanguageModel) -> Advance:
    """Return what `model` does for one token a row, in evaluation mode, where nothing drops out.

    It keeps what it looked up: the model's modules and weights must not change meanwhile.
    """
    first, *others = cast("list[Layer]", list(model.layers))
    enter = _first_layer(model, first)
    norm, head = model.norm, model.head

    def advance(ids: Tensor, state: State) -> tuple[Tensor, State]:
        values, after = enter(ids, state[0])  # (B, O)
        states = [after]
        for place, layer in enumerate(others, start=1):
            window, after = layer(values.unsqueeze(1), state[place])
            values = window.squeeze(1)
            states.append(after)
        return functional.linear(norm(values), head.weight, head.bias), tuple(states)

    return advance


def greedy_steps(model: LanguageModel, steps: int) -> GreedySteps | None:
    """Return what takes so many greedy steps in fewer calls than `stepper`.

    None: the model is more than one cell and its head, or the cell has nothing for that.
    """
    layer, *others = cast("list[Layer]", list(model.layers))
    norms = (layer.norm, model.norm)
    if others or layer.residual or not all(isinstance(norm, nn.Identity) for norm in norms):
        return None
    greedy = offered(_first_layer(model, layer), "greedy")
    take = cast("GreedySteps | None", greedy and greedy(model.head, steps))
    if take is None:
        return None

    def greedy_steps(ids: Tensor, state: State, wanted: int) -> tuple[Tensor, Tensor, State]:
        chosen, log_probabilities, after = take(ids, state[0], wanted)
        return chosen, log_probabilities, (after,)

    return greedy_steps


def _first_layer(model: LanguageModel, layer: Layer) -> IdStep:
    """Return the first layer as a function of ids (B,) and its state."""
    id_stepper = offered(layer.cell, "id_stepper")
    bare = isinstance(layer.norm, nn.Identity) and not layer.residual
    if id_stepper is not None and isinstance(model.embedding, OneHot):
        return cast("IdStep", id_stepper())
    if id_stepper is not None and bare and isinstance(model.embedding, nn.Embedding):
        over = offered(id_stepper(), "over")
        embedded = over and over(model.embedding.weight)
        if embedded:
            return cast("IdStep", embedded)

    def step(ids: Tensor, state: State) -> tuple[Tensor, State]:
        values, after = model.enter(layer, ids.unsqueeze(1), state)
        return values.squeeze(1), after

    return step
