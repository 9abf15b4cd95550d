"""Token ids -> what a model holds after each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqlab.kernels import tuning
from seqlab.model.language_model import LanguageModel
from seqlab.model.state import leaves

OUTPUTS = "outputs"


@dataclass(frozen=True)
class HiddenStates:
    """Values of the units of one part of a model after each token.

    Args:
        parts: what can be asked for: `outputs`, the inputs of the head, and `state N`, the tensors
            of the state from 1 on.
        values: (T, U), of T tokens and U units.
    """

    parts: tuple[str, ...]
    values: Tensor


@torch.inference_mode()
def hidden_states(
    model: LanguageModel, ids: Tensor, part: str, check: Callable[[], None]
) -> HiddenStates:
    """Return what one part of a model holds after each of some ids (T,), from a fresh state.

    Args:
        model: reads the ids.
        ids: T of them, one at least.
        part: `outputs`, or `state N`; of one that the model lacks, the outputs.
        check: called again and again; what it raises ends the reading.
    """
    _, state = model.hidden(ids.view(1, -1)[:, :1], None)
    parts = (OUTPUTS, *(f"state {i}" for i, _ in enumerate(_tensors(state), 1)))
    if part not in parts[1:]:
        return HiddenStates(parts, torch.cat(list(_outputs(model, ids, check))))
    place = parts.index(part) - 1
    return HiddenStates(parts, torch.stack(list(_states(model, ids, place, check))))


def _outputs(model: LanguageModel, ids: Tensor, check: Callable[[], None]) -> Iterator[Tensor]:
    state: Any = None
    for window in torch.split(ids.view(1, -1), tuning.PREFIX_WINDOW, 1):
        check()
        hidden, state = model.hidden(window, state)
        yield hidden[0]


def _states(
    model: LanguageModel, ids: Tensor, place: int, check: Callable[[], None]
) -> Iterator[Tensor]:
    state: Any = None
    for token in ids:
        check()
        _, state = model.hidden(token.view(1, 1), state)
        yield _tensors(state)[place][0].flatten().float()


def _tensors(state: Any) -> list[Tensor]:
    """The tensors of a state that have values: counters are whole numbers."""
    return [leaf for leaf in leaves(state) if leaf is not None and leaf.is_floating_point()]
