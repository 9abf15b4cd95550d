"""Where the parameters of a model are: all on every process, or a share on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from seqlab.model.language_model import LanguageModel
from seqlab.model.segments import Hidden


class Layout(Protocol):
    """`model` is trained; `whole` has all parameters of it, in blocks of `gathered` at least."""

    model: LanguageModel
    whole: LanguageModel
    is_sharded: bool

    def through(self, hidden: Hidden) -> Hidden:
        """Return what computes the inputs of the head of `model`, which then has its weights."""

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """The global L2 norm, ()."""

    def gathered(self) -> AbstractContextManager[None]:
        """Give `whole` the weights of `model` inside a block, which all processes enter at once."""

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Overwrite the weights of `model` and of `whole`."""

    def full(self, state: Any) -> Any:
        """Return a tree of whole tensors, on the first process; all call it at once."""

    def own(self, state: Any) -> Any:
        """Reverse `full`, without a message: every process has the whole tree."""


class WholeParameters:
    """Every process has all parameters."""

    is_sharded = False

    def __init__(self, model: LanguageModel) -> None:
        self.model = self.whole = model

    def through(self, hidden: Hidden) -> Hidden:
        return hidden

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        return torch.nn.utils.get_total_norm(gradients)

    def gathered(self) -> AbstractContextManager[None]:
        return nullcontext()

    def load(self, weights: Mapping[str, Tensor]) -> None:
        self.model.load_state_dict(weights)

    def full(self, state: Any) -> Any:
        return state

    def own(self, state: Any) -> Any:
        return state
