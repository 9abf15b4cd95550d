"""A carried state that was saved."""

from __future__ import annotations

import torch

from seqlab.contracts import State
from seqlab.model.language_model import LanguageModel
from seqlab.model.state import map_state, structure
from seqlab.training.objective import ModelObjective


def checked_state(
    state: State | None, objective: ModelObjective, model: LanguageModel
) -> State | None:
    """Move a saved state to the model's device.

    Raises:
        ValueError: its structure is not that of the model's.
    """
    if state is None:
        return None
    state_of_model, _ = objective.split(state)
    ids = torch.zeros(1, 1, dtype=torch.int64, device=model.device)
    with torch.no_grad():
        model_state = model.eval()(ids, None)[1]
    if state_of_model is not None and structure(state_of_model) != structure(model_state):
        raise ValueError("the carried state has another structure than those of this model")
    return map_state(lambda tensor: tensor.to(model.device), state)
