"""A cache of what came after similar hidden outputs.

Shapes: B rows, T window, S size of the cache, O size of hidden outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

import seqlab
from seqlab_plugins.evaluation.carrying import carried

Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class NeuralCache:
    """A mixture with a distribution over recent words: Grave et al., 2017, arXiv:1612.04426.

        p = (1 - share) p_model + share p_cache
        p_cache(w) ~ sum of exp(flatness h_t . h_i) over the last S places i that w came after

    Each row has a cache of its own, which begins empty with the row; until it has an entry, p is
    that of the model. Numbers depend on `evaluation.rows`, as every row begins anew.

    Args:
        size: S, how many places back it reaches.
        share: of the cache in the mixture.
        flatness: factor of the products of hidden outputs; 0: all places count alike.
    """

    def __init__(
        self,
        *,
        size: seqlab.Count = 500,
        share: Annotated[float, Field(gt=0, lt=1)] = 0.1,
        flatness: Factor = 0.3,
    ) -> None:
        self._size, self._share, self._flatness = size, share, flatness

    @torch.no_grad()
    def nats(self, model: Any, batches: Iterable[seqlab.Batch]) -> Iterator[Tensor]:
        state: seqlab.State | None = None
        cache: Any = None
        for batch in batches:
            hidden, state = model.hidden(batch.inputs, carried(state, batch))
            nats, _ = seqlab.head_scores(model.head, hidden, batch.targets)
            cache = carried(cache, batch)
            probability, filled = self._cached(cache, hidden, batch.targets)
            mixed = (1 - self._share) * nats.double().neg().exp() + self._share * probability
            yield torch.where(filled, -mixed.log(), nats.double()).to(nats.dtype)
            cache = self._longer(cache, hidden, batch.targets)

    def _cached(self, cache: Any, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return p_cache(target), (B, T), and whether there is an entry yet."""
        keys, words, known = self._joined(cache, hidden, targets)
        places, length = keys.shape[1], hidden.shape[1]
        own = torch.arange(places - length, places, device=hidden.device)  # of each step
        other = torch.arange(places, device=hidden.device)
        back = own.unsqueeze(1) - other.unsqueeze(0)  # (T, places)
        seen = ((back > 0) & (back <= self._size)).unsqueeze(0) & known.unsqueeze(1)
        scores = self._flatness * hidden.double() @ keys.double().mT  # (B, T, places)
        shares = scores.masked_fill(~seen, -torch.inf).softmax(-1).nan_to_num()
        same = words.unsqueeze(1) == targets.unsqueeze(2)
        return (shares * same).sum(-1), seen.any(-1)

    @staticmethod
    def _joined(cache: Any, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The entries before a window and those of it; a place that is empty is not `known`."""
        known = torch.ones_like(targets, dtype=torch.bool)
        if cache is None:
            return hidden, targets, known
        keys, words, was = cache
        return (
            torch.cat((keys, hidden), 1),
            torch.cat((words, targets), 1),
            torch.cat((was, known), 1),
        )

    def _longer(self, cache: Any, hidden: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
        """The last S entries, with those of a window."""
        return tuple(part[:, -self._size :] for part in self._joined(cache, hidden, targets))


@seqlab.hookimpl
def seqlab_register_evaluation_methods() -> dict[str, type]:
    return {"neural_cache": NeuralCache}
