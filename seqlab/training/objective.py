"""The objective of a run over a model, with the auxiliary losses of its cells.

Shapes: B rows in a batch, T window, O size of hidden outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqlab.contracts import Batch, State, Terms, Window, offered
from seqlab.errors import PluginError
from seqlab.model.language_model import LanguageModel
from seqlab.model.signature import takes_state
from seqlab.model.state import checked_rows
from seqlab.records import MEASURED

_BELOW_ONE = 1 - 2**-24  # the largest float32 below 1


@dataclass(frozen=True)
class Columns:
    """What a row of metrics says of an objective.

    Args:
        parts: names of the numbers beside the loss.
        predicts_next: whether the loss is nats of the next token.
    """

    parts: tuple[str, ...] = ()
    predicts_next: bool = True


class Minimised(NamedTuple):
    """What is minimised of a window, what is reported, and the state after it."""

    loss: Tensor  # ()
    terms: Terms
    state: State


class ModelObjective:
    """What a model is trained for.

    Raises:
        PluginError: a part has the name of another column, or none that is a name.
    """

    def __init__(self, model: LanguageModel) -> None:
        objective = self._objective = model.objective
        self._head = model.head
        self._adding = [m for m in model.modules() if offered(m, "auxiliary_losses") is not None]
        self._own = tuple(offered(objective, "parts") or ())
        self._added = tuple(dict.fromkeys(n for m in self._adding for n in _losses_of(m)))
        predicts_next = offered(objective, "predicts_next") is not False
        self.columns = Columns((*self._own, *self._added), predicts_next)
        self.prepare = offered(objective, "prepare")
        self.has_state = takes_state(objective.loss, 3)
        self._who = f"objective {type(objective).__name__}"
        if wrong := next(_wrong_names(self.columns.parts), None):
            raise PluginError(
                f"{self._who}: a part is called {wrong!r}; that should be a name of its own, of"
                " letters, digits and _"
            )

    def prepared(self, batch: Batch, uniform: NDArray[np.float64]) -> Batch:
        """Return the batch that the objective makes of one; `uniform`: (B, T) in [0, 1)."""
        numbers = torch.from_numpy(uniform.astype(np.float32)).clamp(max=_BELOW_ONE)
        made = self.prepare(batch, numbers.to(batch.inputs.device))
        shapes = [t.shape for t in (made.inputs, made.targets) if t.shape != batch.inputs.shape]
        if shapes or made.continues is not batch.continues:
            raise PluginError(
                f"{self._who}: `prepare` should change inputs, targets or weights, and no shape"
            )
        return cast("Batch", made._replace(starts=batch.starts))

    def split(self, state: State | None) -> tuple[State | None, State | None]:
        """Return what the model and what the objective carry."""
        if not self.has_state:
            return state, None
        return state if isinstance(state, tuple) else (None, None)  # type: ignore[return-value] # two, as `joined` made it

    def joined(self, of_model: State, own: State) -> State:
        """Return what a run carries from step to step."""
        return (of_model, own) if self.has_state else of_model

    def loss(
        self, hidden: Tensor, window: Window, weight: Tensor | float, state: State | None
    ) -> Minimised:
        """Return what is minimised of a window.

        Args:
            hidden: (B, T, O).
            window: the batch.
            weight: of the window, over that of the whole step.
            state: what the objective carries; None: all rows are fresh.
        """
        arguments = (hidden, self._head, window)
        if not self.has_state:
            return self._whole(self._objective.loss(*arguments), window, weight, ())
        terms, after = self._objective.loss(*arguments, state)
        checked_rows(after, len(hidden), f"{self._who}: `loss`")
        return self._whole(terms, window, weight, after)

    def score(
        self, hidden: Tensor, window: Window, weight: Tensor | float, state: State | None
    ) -> Minimised:
        """Return the same in an evaluation, with what the objective says of that."""
        own = offered(self._objective, "score")
        if own is None:
            return self.loss(hidden, window, weight, state)
        return self._whole(own(hidden, self._head, window), window, weight, ())

    def _whole(self, terms: Any, window: Window, weight: Tensor | float, after: State) -> Minimised:
        """Check the terms, and add what cells add: each a mean over the targets of the window."""
        if problem := next(_problems(terms, window, self._own, self.columns), ""):
            raise PluginError(f"{self._who}: {problem}")
        if not self._adding:
            return Minimised(terms.loss, terms, after)
        sums = dict.fromkeys(self._added, terms.loss.new_zeros(()))
        for module in self._adding:
            for name, value in _losses_of(module).items():
                sums[name] = sums[name] + value * weight
        whole = terms._replace(parts=(*terms.parts, *sums.values()))
        return Minimised(terms.loss + sum(sums.values()), whole, after)


def _losses_of(module: nn.Module) -> dict[str, Tensor]:
    losses: dict[str, Tensor] = module.auxiliary_losses  # type: ignore[assignment] # its promise
    return losses


def _wrong_names(names: tuple[str, ...]) -> Iterator[str]:
    return (n for n in names if n in MEASURED or names.count(n) > 1 or not n.isidentifier())


def _problems(
    terms: Any, window: Window, parts: tuple[str, ...], columns: Columns
) -> Iterator[str]:
    if not isinstance(terms, Terms):
        yield f"it should return seqlab.Terms, not {type(terms).__name__}"
    if len(terms.parts) != len(parts):
        yield f"it should return {len(parts)} parts, as it says ({parts}), not {len(terms.parts)}"
    if any(term.dim() for term in (terms.loss, *terms.parts)):
        yield "its loss and parts should be sums, tensors of no dimension"
    if columns.predicts_next and terms.nats is None:
        yield "it should return the nats of the next token, or say `predicts_next = False`"
    if not columns.predicts_next and terms.nats is not None:
        yield "it says `predicts_next = False`, and returns nats of the next token"
    shape = window.targets.shape
    for name in ("nats", "right"):
        value = getattr(terms, name)
        if value is not None and value.shape != shape:
            yield f"{name} should have the shape {tuple(shape)}, not {tuple(value.shape)}"
