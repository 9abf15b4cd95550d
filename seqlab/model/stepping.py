"""Single steps of a model in evaluation mode, with everything constant looked up once.

Shapes: B rows, N steps, O output size, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from seqlab.contracts import Advance, GreedySteps, IdStep, State, offered
from seqlab.model.language_model import LanguageModel
from seqlab.model.linear_head import is_linear
from seqlab.model.stack import Layer, step_through


def stepper(model: LanguageModel) -> Advance:
    """Return a function that advances every row of the model by one token.

    The model's modules and weights must not change while it is in use.
    """
    if model.embedding_has_state:
        return _whole_steps(model)
    first, *rest = cast("list[Layer]", list(model.layers))
    step = step_through(_first_layer_step(model, first), rest)
    norm, logits = model.norm, _logits(model.head)

    def advance(ids: Tensor, state: State) -> tuple[Tensor, State]:
        values, after = step(ids, state)  # (B, O)
        return logits(norm(values)), after

    return advance


def _whole_steps(model: LanguageModel) -> Advance:
    def advance(ids: Tensor, state: State) -> tuple[Tensor, State]:
        logits, after = model(ids.unsqueeze(1), state)
        return logits.squeeze(1), after

    return advance


def _logits(head: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the head as a function; a linear one without what torch does around a module."""
    if not is_linear(head):
        return head
    return partial(functional.linear, weight=head.weight, bias=head.bias)


def greedy_steps(model: LanguageModel, steps: int) -> GreedySteps | None:
    """Return a function that takes up to `steps` greedy steps in one call.

    None: the model is more than one cell and its head, or the cell has no such function.
    """
    layer, *rest = cast("list[Layer]", list(model.layers))
    if rest or not layer.is_bare or not isinstance(model.norm, nn.Identity):
        return None
    if model.embedding_has_state or not is_linear(model.head):
        return None
    greedy = offered(_first_layer_step(model, layer), "greedy")
    take_steps = cast("GreedySteps | None", greedy and greedy(model.head, steps))
    if take_steps is None:
        return None

    def greedy_steps(ids: Tensor, state: State, limit: int) -> tuple[Tensor, Tensor, State]:
        chosen, log_probabilities, after = take_steps(ids, state[0], limit)  # (B, N) each
        return chosen, log_probabilities, (after,)

    return greedy_steps


def _first_layer_step(model: LanguageModel, layer: Layer) -> IdStep:
    """Return the embedding and the first layer as a function of ids (B,) and a state."""
    id_stepper = offered(layer.cell, "id_stepper")
    if id_stepper is not None and model.reads_one_hots:
        return cast("IdStep", id_stepper())
    is_table = offered(model.embedding, "is_table") is True
    if id_stepper is not None and layer.is_bare and is_table:
        over = offered(id_stepper(), "over")
        if over is not None:
            return cast("IdStep", over(model.embedding.weight))

    def step(ids: Tensor, state: State) -> tuple[Tensor, State]:
        values, after = layer(model.embed(ids.unsqueeze(1)), state)
        return values.squeeze(1), after

    return step
