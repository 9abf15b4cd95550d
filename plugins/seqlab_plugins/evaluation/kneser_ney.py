"""N-grams of the training split, smoothed. Shapes: N tokens, B rows, T window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

import seqlab
from seqlab_plugins.evaluation.carrying import carried
from seqlab_plugins.evaluation.ngrams import NGrams


class KneserNey:
    """Interpolated Kneser-Ney with modified discounts, of the training split: counting alone.

    Chen and Goodman, 1998, "An empirical study of smoothing techniques for language modeling". It
    is a baseline: a network should have a lower loss. With `network` above 0 it is mixed with the
    model's distribution. A row begins without a context, so numbers depend a little on
    `evaluation.rows`.

    Args:
        order: how many tokens an n-gram has at most, the predicted one included.
        network: share of the model's distribution in a mixture; 0: counts alone.
    """

    def __init__(
        self,
        training: Callable[[], seqlab.Tokens],
        *,
        order: Annotated[int, Field(gt=0, le=10)] = 5,
        network: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ) -> None:
        self._training, self._order, self._network = training, order, network

    @torch.no_grad()
    def nats(self, model: Any, batches: Iterable[seqlab.Batch]) -> Iterator[Tensor]:
        ids = np.asarray(self._training().ids, dtype=np.int64)
        grams = NGrams(ids, int(model.vocabulary), self._order)
        read, static = _Rows(self._order - 1), _Static(model, self._network)
        for batch in batches:
            rows = read.joined(batch)  # (B, what came before + T + 1)
            length = batch.targets.shape[1]
            probability = torch.from_numpy(grams.probabilities(rows)[:, -length:])
            yield static.mixed(batch, probability.to(batch.inputs.device))


class _Rows:
    """The ids of rows, with those of the windows before that an n-gram may reach into."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._last: NDArray[np.int64] | None = None  # (B, <= reach); -1: there is none

    def joined(self, batch: seqlab.Batch) -> NDArray[np.int64]:
        """Return what came before, the inputs, and the last target."""
        inputs = batch.inputs.cpu().numpy()
        before = np.full((len(inputs), self._reach), -1)
        if self._last is not None:
            going = batch.continues.cpu().numpy()
            before[going] = self._last[: len(inputs)][going]
        rows = np.concatenate((before, inputs, batch.targets[:, -1:].cpu().numpy()), 1)
        self._last = rows[:, rows.shape[1] - 1 - self._reach : -1]
        return rows


class _Static:
    """The model's own probabilities, where they have a share."""

    def __init__(self, model: Any, share: float) -> None:
        self._model, self._share = model, share
        self._state: seqlab.State | None = None

    def mixed(self, batch: seqlab.Batch, probability: Tensor) -> Tensor:
        """Return -ln of the mixture of (B, T) probabilities with those of the model."""
        if not self._share:
            return -probability.log()
        hidden, self._state = self._model.hidden(batch.inputs, carried(self._state, batch))
        nats, _ = seqlab.head_scores(self._model.head, hidden, batch.targets)
        own = nats.double().neg().exp()
        return -(self._share * own + (1 - self._share) * probability).log()


@seqlab.hookimpl
def seqlab_register_evaluation_methods() -> dict[str, type]:
    return {"kn_interpolated": KneserNey}
