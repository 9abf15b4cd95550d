"""How the next token is chosen."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from seqlab import Decoder, hookimpl


class Greedy:
    """Always the most probable token; of equals, the one with the lowest id."""

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        return logits.argmax(-1)


class Sample:
    """Each token as often as it is probable.

    Args:
        temperature: what the logits are divided by: below 1 the probable tokens gain, above 1 the
            others do.
    """

    def __init__(
        self, *, temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    ) -> None:
        self._temperature = temperature

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        return _draw(self._heated(logits.double()), uniform)

    def _heated(self, logits: Tensor) -> Tensor:
        """The largest becomes 0 first, so that no temperature makes one infinite."""
        return (logits - logits.amax(-1, keepdim=True)) / self._temperature


def _draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """Invert the cumulated probabilities: float64 (B, V) and (B,) -> ids (B,).

    The first id whose sum exceeds the number, so never one of probability 0. The last sum is the
    scale, as rounding may leave it a little below 1.
    """
    sums = logits.softmax(-1).cumsum(-1)
    wanted = uniform[:, None] * sums[:, -1:]
    return torch.searchsorted(sums, wanted, right=True)[:, 0]


@hookimpl
def seqlab_register_decoders() -> dict[str, type[Decoder]]:
    return {"greedy": Greedy, "sample": Sample}
